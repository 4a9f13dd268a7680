use std::collections::BTreeSet;

use model::access::Role;
use model::names::{ProjectName, ServiceName};
use model::page::PageRequest;
use model::template::{Answers, Output, ParameterKind};

use super::*;
use crate::deployments::{self, Intent, Request};
use crate::services::{self, ServiceKey};
use crate::testing::Store;

const ECHO: &str = "name: echo
title: Echo
parameters:
  - {name: image, type: image, required: true}
  - {name: replicas, type: integer, default: 1, max: 5}
  - {name: greeting, default: hello}
descriptor: |
  image: {{ image }}
  replicas: {{ replicas }}
  env:
    GREETING: {{ greeting }}
curl: |
  curl {{ slipway.url }} {{ greeting }}
";

fn answers(pairs: &[(&str, &str)]) -> Answers {
    pairs.iter().map(|(name, answer)| ((*name).to_owned(), (*answer).to_owned())).collect()
}

fn site() -> Surroundings {
    Surroundings { url: "https://slipway.example.com".into(), registry: "slipway.example.com".into() }
}

/// A project with an image and a service; its admin.
struct Scene {
    store: Store,
    ana: Actor,
    shop: ProjectName,
    web: ServiceName,
}

impl Scene {
    async fn set() -> Self {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let shop = store.project("shop", &ana, Role::Admin).await;
        store.image(&shop, "web", "1", 'a').await;
        store.image(&shop, "web", "2", 'b').await;
        let web: ServiceName = "web".parse().expect("a name");
        services::create(&store.platform, &store.may(&ana, &shop).await, &web).await.expect("created");
        Self { store, ana, shop, web }
    }

    async fn write(&self, text: &str) -> Result<Saved> {
        let may: May<can::ManageTemplates, Project> = self.store.may(&self.ana, &self.shop).await;
        save(&self.store.platform, &may, text, "a note", None).await
    }

    async fn may<P: can::Permission>(&self) -> May<P, services::Service> {
        self.ana.may(&self.store.platform, &ServiceKey { project: &self.shop, service: &self.web }).await.expect("allowed")
    }

    async fn deploy(&self, asked: Asked) -> Result<i64> {
        let may = self.may::<can::Deploy>().await;
        let made = answers::make(&self.store.platform, &may, None, &asked, &site()).await?;
        let request = Request { intent: Intent::default(), descriptor: made.descriptor };
        self.store.later(1);
        Ok(deployments::deploy_from(&self.store.platform, &may, &request, Some(&made.origin)).await?.revision)
    }

    async fn form(&self, asked: Asked) -> model::views::templates::TemplateForm {
        answers::form(&self.store.platform, &self.may().await, None, &asked).await.expect("a form")
    }
}

fn asked(template: Option<&str>, version: Option<i64>, given: &[(&str, &str)]) -> Asked {
    Asked { template: template.map(str::to_owned), version, answers: answers(given) }
}

#[tokio::test]
async fn versions_are_numbered_kept_and_never_changed() {
    let scene = Scene::set().await;
    let first = scene.write(ECHO).await.expect("made");
    assert!(first.made && first.version == 1);
    let same = scene.write(ECHO).await.expect("the same");
    assert!(!same.made && same.version == 1, "what is the same already is no new version");
    let second = scene.write(&ECHO.replace("hello", "good morning")).await.expect("made");
    assert_eq!(second.version, 2);
    let may: May<can::SeeServices, Project> = scene.store.may(&scene.ana, &scene.shop).await;
    let newest = get(&scene.store.platform, &may, &first.name, None).await.expect("found");
    assert_eq!((newest.version.number, newest.versions.len(), newest.may_write), (2, 2, true));
    assert_eq!(get(&scene.store.platform, &may, &first.name, Some(1)).await.expect("found").document, ECHO);
    assert!(matches!(get(&scene.store.platform, &may, &first.name, Some(3)).await, Err(Error::NotFound { .. })));
    assert_eq!(scene.store.audit().await.iter().filter(|line| line.starts_with("template.")).count(), 2);
}

#[tokio::test]
async fn a_document_is_refused_by_its_paths() {
    let scene = Scene::set().await;
    let fields = async |text: &str| match scene.write(text).await {
        Err(Error::Invalid(fields)) => fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        other => panic!("{other:?}"),
    };
    assert!(fields(&ECHO.replace("title:", "titel:")).await.contains("document.titel: unknown key \"titel\"; did you mean \"title\"? (line 2"));
    let unknown = fields(&ECHO.replace("{{ greeting }}\ncurl", "{{ greting }}\ncurl")).await;
    assert!(unknown.contains("document.descriptor: greting is not there") && unknown.contains("line 4"), "{unknown}");
    let may: May<can::ManageTemplates, Project> = scene.store.may(&scene.ana, &scene.shop).await;
    let other: TemplateName = "other".parse().expect("a name");
    let found = save(&scene.store.platform, &may, ECHO, "", Some(&other)).await;
    assert!(matches!(found, Err(Error::Invalid(fields)) if fields[0].field == "document.name"));
}

#[tokio::test]
async fn who_may_write_and_who_sees() {
    let scene = Scene::set().await;
    scene.write(ECHO).await.expect("made");
    let platform = &scene.store.platform;
    let (dev, ops) = (scene.store.person("dev", false).await, scene.store.person("ops", true).await);
    let lab = scene.store.project("lab", &dev, Role::Developer).await;
    assert!(dev.may::<can::ManageTemplates, _>(platform, &lab).await.is_err());
    assert!(scene.ana.may::<can::ManageSiteTemplates, _>(platform, &Site).await.is_err());
    let site = ops.may::<can::ManageSiteTemplates, _>(platform, &Site).await.expect("allowed");
    save(platform, &site, &ECHO.replace("name: echo", "name: everywhere"), "", None).await.expect("made");
    let names = |list: Vec<TemplateSummary>| list.into_iter().map(|one| one.reference()).collect::<Vec<_>>();
    let lab: May<can::SeeServices, Project> = scene.store.may(&dev, &lab).await;
    assert_eq!(names(offered(platform, &lab).await.expect("read")), ["site/everywhere"]);
    let shop: May<can::SeeServices, Project> = scene.store.may(&scene.ana, &scene.shop).await;
    assert_eq!(names(offered(platform, &shop).await.expect("read")), ["own/echo", "site/everywhere"]);
    assert_eq!(names(list(platform, &shop).await.expect("read")), ["own/echo"]);
    let missing = get(platform, &lab, &"echo".parse().expect("a name"), None).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })), "another project's template is not there");
}

#[tokio::test]
async fn a_service_remembers_its_answers_and_moves_when_it_is_told_to() {
    let scene = Scene::set().await;
    scene.write(ECHO).await.expect("made");
    let nothing = scene.deploy(asked(None, None, &[])).await;
    assert!(matches!(nothing, Err(Error::Invalid(fields)) if fields[0].field == "template"));
    assert_eq!(scene.deploy(asked(Some("echo"), None, &[("image", "web:1"), ("replicas", "3")])).await.expect("deployed"), 1);
    scene.write(&ECHO.replace("GREETING: {{ greeting }}", "WELCOME: {{ greeting }}")).await.expect("the next version");

    // CI names the image alone: everything else is as it was, the version too.
    assert_eq!(scene.deploy(asked(None, None, &[("image", "web:2")])).await.expect("deployed"), 2);
    let see = scene.may::<can::SeeServices>().await;
    let revision = deployments::revision(&scene.store.platform, &see, 2).await.expect("found");
    assert_eq!((revision.descriptor.replicas, revision.descriptor.env.contains_key("GREETING")), (3, true));
    let mark = revision.revision.template.expect("made from a template");
    assert_eq!((mark.name.as_str(), mark.version, mark.of_site), ("echo", 1, false));

    let form = scene.form(asked(None, None, &[])).await;
    assert_eq!((form.version, form.template.version, form.remembered), (1, 2, Some(1)));
    assert_eq!(form.answers.get("image").map(String::as_str), Some("web:2"));

    // The way to version 2, as a plan first.
    let may = scene.may::<can::Deploy>().await;
    let made = answers::make(&scene.store.platform, &may, None, &asked(None, Some(2), &[]), &site()).await.expect("made");
    assert!(made.descriptor.env.contains_key("WELCOME") && made.descriptor.replicas == 3);
    assert_eq!(scene.deploy(asked(None, Some(2), &[])).await.expect("deployed"), 3);
    assert_eq!(scene.form(asked(None, None, &[])).await.remembered, Some(2));
    let compared = deployments::compare(&scene.store.platform, &see, 2, 3).await.expect("compared");
    assert_eq!(compared.changes.iter().map(|change| change.field.as_str()).collect::<Vec<_>>(), ["env.GREETING", "env.WELCOME"]);

    // Its CI's side, with what is remembered.
    let found = answers::of_service(&scene.store.platform, &see, None, &site()).await.expect("found");
    let curl = found.rendered.outputs.iter().find(|one| one.output == Output::Curl).expect("made");
    assert_eq!(curl.text, "curl https://slipway.example.com hello\n");
    let plain = services::ServiceKey { project: &scene.shop, service: &scene.web };
    assert!(scene.ana.may::<can::SeeServices, _>(&scene.store.platform, &plain).await.is_ok());
    let history = deployments::revisions(&scene.store.platform, &see, &PageRequest::default()).await.expect("read");
    assert!(history.items.iter().all(|revision| revision.template.is_some()));
}

#[tokio::test]
async fn wrong_answers_and_unknown_versions_are_told() {
    let scene = Scene::set().await;
    scene.write(ECHO).await.expect("made");
    let fields = async |asked: Asked| match scene.deploy(asked).await {
        Err(Error::Invalid(fields)) => fields.into_iter().map(|error| error.field).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(fields(asked(Some("echo"), None, &[("replicas", "9"), ("imag", "x")])).await, ["answers.imag", "answers.image", "answers.replicas"]);
    assert_eq!(fields(asked(Some("echo"), Some(7), &[])).await, ["version"]);
    assert_eq!(fields(asked(Some("site/echo"), None, &[])).await, ["template"]);
    assert_eq!(fields(asked(Some("../echo"), None, &[])).await, ["template"]);
    assert_eq!(fields(asked(Some("echo"), None, &[("image", "nothing:1")])).await, ["descriptor.image"]);
    let may: May<can::ManageTemplates, Project> = scene.store.may(&scene.ana, &scene.shop).await;
    scene.deploy(asked(Some("echo"), None, &[("image", "web:1")])).await.expect("deployed");
    delete(&scene.store.platform, &may, &"echo".parse().expect("a name")).await.expect("deleted");
    assert_eq!(fields(asked(None, None, &[])).await, ["template"]);
    let see = scene.may::<can::SeeServices>().await;
    let found = answers::of_service(&scene.store.platform, &see, None, &site()).await.expect("still told");
    assert!(found.template.is_none() && found.mark.version == 1);
    assert!(scene.write(ECHO).await.expect("made anew").version == 1);
}

#[tokio::test]
async fn secrets_are_sealed_kept_and_told_to_nobody() {
    let scene = Scene::set().await;
    let text = ECHO
        .replace("descriptor: |", "  - {name: db_password, type: secret, required: true}\ndescriptor: |")
        .replace("GREETING: {{ greeting }}", "GREETING: {{ db_password }}");
    scene.write(&text).await.expect("made");
    let secret = "correct-horse-battery";
    let given = [("image", "web:1"), ("db_password", secret)];
    scene.deploy(asked(Some("echo"), None, &given)).await.expect("deployed");
    let (platform, see) = (&scene.store.platform, scene.may::<can::SeeServices>().await);
    let revision = deployments::revision(platform, &see, 1).await.expect("found");
    assert_eq!(revision.descriptor.env["GREETING"], "db-password", "its value is its name");
    let form = scene.form(asked(None, None, &[])).await;
    assert_eq!(form.kept, BTreeSet::from([String::from("db_password")]));
    let found = answers::of_service(platform, &see, None, &site()).await.expect("found");
    assert!(!format!("{form:?}{found:?}{revision:?}{:?}", scene.store.audit().await).contains(secret));
    assert!(!serde_json::to_string(&(&form, &found)).expect("JSON").contains(secret));

    // Left empty it is unchanged; given, it is another one.
    scene.deploy(asked(None, None, &[("db_password", ""), ("image", "web:2")])).await.expect("deployed");
    let service = see.id;
    let mut tx = platform.read().await.expect("a transaction");
    let environment = environments_first(&mut tx).await;
    let held = answers::open_secret(&mut tx, platform, service, environment, "db-password").await.expect("read").expect("kept");
    assert_eq!(held.expose(), secret);
    let rows: Vec<Vec<u8>> = tx.all("SELECT sealed FROM service_template_secrets", args![], |row| row.get("sealed")).await.expect("rows");
    assert!(rows.iter().all(|sealed| !sealed.windows(secret.len()).any(|part| part == secret.as_bytes())));
    drop(tx);
    scene.deploy(asked(None, None, &[("db_password", "another-secret")])).await.expect("deployed");
    let mut tx = platform.read().await.expect("a transaction");
    let held = answers::open_secret(&mut tx, platform, service, environment, "db-password").await.expect("read").expect("kept");
    assert_eq!(held.expose(), "another-secret");
    drop(tx);

    // A version without it lets go of it.
    scene.write(ECHO).await.expect("made");
    scene.deploy(asked(None, Some(2), &[])).await.expect("deployed");
    let mut tx = platform.read().await.expect("a transaction");
    assert!(answers::open_secret(&mut tx, platform, service, environment, "db-password").await.expect("read").is_none());
}

async fn environments_first(tx: &mut Tx) -> model::ids::EnvironmentId {
    tx.one("SELECT id FROM environments ORDER BY name LIMIT 1", args![], |row| row.get("id")).await.expect("an environment")
}

#[tokio::test]
async fn two_who_save_at_once_make_two_versions() {
    let scene = Scene::set().await;
    let texts: Vec<String> = (0..6).map(|number| ECHO.replace("hello", &format!("hello {number}"))).collect();
    let saved = futures::future::join_all(texts.iter().map(|text| scene.write(text))).await;
    let mut numbers: Vec<i64> = saved.into_iter().map(|saved| saved.expect("made").version).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_release_brings_versions_and_leaves_what_people_did() {
    let store = Store::open().await;
    shipped::prepare(&store.platform).await.expect("put in place");
    shipped::prepare(&store.platform).await.expect("again");
    let ops = store.person("ops", true).await;
    let site = ops.may::<can::ManageSiteTemplates, _>(&store.platform, &Site).await.expect("allowed");
    let see = ops.may::<can::SeeEnvironments, _>(&store.platform, &Site).await.expect("allowed");
    let all = list(&store.platform, &see).await.expect("read");
    assert_eq!(all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["http-service", "java-web", "scheduled-job", "static-site", "worker"]);
    assert!(all.iter().all(|one| one.shipped && one.version == 1 && one.by == "slipway"));
    let edited = shipped::DOCUMENTS[3].replace("title: Worker", "title: Our worker");
    save(&store.platform, &site, &edited, "", None).await.expect("made");
    delete(&store.platform, &site, &"java-web".parse().expect("a name")).await.expect("deleted");
    shipped::prepare(&store.platform).await.expect("the next start");
    let all = list(&store.platform, &see).await.expect("read");
    assert_eq!(all.len(), 4, "what was deleted stays deleted");
    let worker = all.iter().find(|one| one.name.as_str() == "worker").expect("there");
    assert_eq!((worker.version, worker.title.as_str()), (2, "Our worker"), "nothing is laid over what people wrote");
}

#[tokio::test]
async fn what_ships_renders_with_its_defaults() {
    let scene = Scene::set().await;
    for text in shipped::DOCUMENTS {
        let template = read_document(text).unwrap_or_else(|errors| panic!("{errors:?}"));
        assert_eq!(template.sources.len(), Output::ALL.len(), "{}", template.name);
        let may: May<can::ManageTemplates, Project> = scene.store.may(&scene.ana, &scene.shop).await;
        let given: Answers = template
            .parameters
            .0
            .iter()
            .filter(|parameter| parameter.kind == ParameterKind::Text)
            .map(|parameter| (parameter.name.clone(), String::from("A=1\nB=x: y # z\n")))
            .collect();
        let found = tries::preview(&may, text, given, &site()).await.expect("made");
        assert!(found.errors.is_empty(), "{}: {:?}", template.name, found.errors);
        for one in &found.outputs {
            // Jobs are built beside this; until then they alone are refused.
            let errors: Vec<_> = one.errors.iter().filter(|error| !error.message.starts_with("not yet supported")).collect();
            assert!(errors.is_empty() && !one.text.is_empty(), "{} {}: {errors:?}", template.name, one.output);
        }
    }
}
