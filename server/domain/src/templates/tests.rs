use std::collections::BTreeSet;

use model::access::Role;
use model::names::{ProjectName, ServiceName};
use model::page::PageRequest;
use model::template::{Answers, Output, ParameterKind};
use model::views::deployments::{DeploymentState, DeploymentView, PlanView};

use super::*;
use crate::deployments::work::{self, WorkKey};
use crate::deployments::{self, Intent, Request};
use crate::services::{self, ServiceKey};
use crate::testing::Store;

mod scaling;
mod waiting;

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

    async fn request(&self, asked: Asked) -> Result<(May<can::Deploy, services::Service>, Request, Origin)> {
        self.store.later(1);
        let may = self.may::<can::Deploy>().await;
        let made = answers::make(&self.store.platform, &may, None, &asked, &site()).await?;
        Ok((may, Request { intent: Intent::default(), descriptor: made.descriptor }, made.origin))
    }

    async fn plan(&self, asked: Asked) -> Result<PlanView> {
        let (may, request, origin) = self.request(asked).await?;
        deployments::plan_from(&self.store.platform, &may, &request, Some(&origin)).await
    }

    async fn ask(&self, asked: Asked) -> Result<DeploymentView> {
        let (may, request, origin) = self.request(asked).await?;
        deployments::deploy_from(&self.store.platform, &may, &request, Some(&origin)).await
    }

    async fn deploy(&self, asked: Asked) -> Result<i64> {
        Ok(self.ask(asked).await?.revision)
    }

    /// Deploys, and lets it go well.
    async fn bring(&self, asked: Asked) -> Result<DeploymentView> {
        let made = self.ask(asked).await?;
        self.succeed(&made).await;
        Ok(made)
    }

    async fn succeed(&self, made: &DeploymentView) {
        for state in [DeploymentState::Rolling, DeploymentState::Succeeded] {
            assert!(work::advance(&self.store.worker, made.id, state, None).await.expect("recorded"));
        }
    }

    /// The secret that tasks of what runs get.
    async fn delivered(&self) -> String {
        let mut tx = self.store.platform.read().await.expect("a transaction");
        let sql = "SELECT service_id, environment_id FROM desired";
        let key = tx.one(sql, args![], |row| Ok(WorkKey { service: row.get("service_id")?, environment: row.get("environment_id")? })).await;
        drop(tx);
        let key = key.expect("something is wanted");
        let found = work::load(&self.store.worker, key).await.expect("loaded").expect("something was deployed");
        let revision = found.target().expect("something runs").revision.id;
        let delivery = work::delivery(&self.store.worker, key, revision).await.expect("all is there");
        delivery.secret_env["DB_PASSWORD"].expose().to_owned()
    }

    async fn count(&self, table: &str) -> i64 {
        let mut tx = self.store.platform.read().await.expect("a transaction");
        tx.one(format!("SELECT COUNT(*) AS n FROM {table}"), args![], |row| row.get("n")).await.expect("a number")
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
    let found = answers::of_service(&scene.store.platform, &see, None, &site()).await.expect("found").expect("made from a template");
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
    let found = answers::of_service(&scene.store.platform, &see, None, &site()).await.expect("still told").expect("made from a template");
    assert!(found.template.is_none() && found.mark.version == 1);
    assert!(scene.write(ECHO).await.expect("made anew").version == 1);
}

/// A template that asks for a secret and puts it into a variable.
fn with_secret() -> String {
    ECHO.replace("descriptor: |", "  - {name: db_password, type: secret, required: true}\ndescriptor: |")
        .replace("curl: |", "  secrets:\n    - {name: {{ db_password }}, env: DB_PASSWORD}\ncurl: |")
}

#[tokio::test]
async fn a_secret_answer_is_a_secret_of_the_service_and_told_to_nobody() {
    const SECRET: &str = "correct-horse-battery";
    let scene = Scene::set().await;
    scene.write(&with_secret()).await.expect("made");
    let platform = &scene.store.platform;
    let missing = scene.deploy(asked(Some("echo"), None, &[("image", "web:1")])).await;
    assert!(matches!(missing, Err(Error::Invalid(fields)) if fields[0].field == "answers.db_password"));
    let given = asked(Some("echo"), None, &[("image", "web:1"), ("db_password", SECRET)]);

    // A plan counts it as set, and sets nothing.
    let plan = scene.plan(given.clone()).await.expect("planned");
    assert_eq!(plan.creates, 1);
    assert_eq!(scene.count("config_entries").await, 0);
    scene.bring(given).await.expect("deployed");
    assert_eq!(scene.delivered().await, SECRET);
    let see = scene.may::<can::SeeServices>().await;
    let revision = deployments::revision(platform, &see, 1).await.expect("found");
    assert_eq!(revision.descriptor.secrets[0].name, "db_password", "its value in the texts is its name");
    let form = scene.form(asked(None, None, &[])).await;
    assert_eq!(form.kept, BTreeSet::from([String::from("db_password")]));
    let found = answers::of_service(platform, &see, None, &site()).await.expect("found").expect("made from a template");
    let audit = scene.store.audit().await;
    assert!(audit.contains(&String::from("config.set db_password")), "{audit:?}");
    assert!(!format!("{form:?}{found:?}{revision:?}{plan:?}{audit:?}").contains(SECRET));
    assert!(!serde_json::to_string(&(&form, &found, &revision)).expect("JSON").contains(SECRET));
    let mut tx = platform.read().await.expect("a transaction");
    let rows: Vec<Vec<u8>> = tx.all("SELECT content FROM config_entries", args![], |row| row.get("content")).await.expect("rows");
    assert!(!rows.is_empty() && rows.iter().all(|sealed| !sealed.windows(SECRET.len()).any(|part| part == SECRET.as_bytes())));
    for table in ["service_templates", "revision_templates"] {
        let texts: Vec<String> = tx.all(format!("SELECT answers FROM {table}"), args![], |row| row.get("answers")).await.expect("rows");
        assert!(!texts.is_empty() && texts.iter().all(|answers| !answers.contains("db_password")), "{table}: {texts:?}");
    }
    drop(tx);

    // Left empty it stays; given, it is another one, and the plan says no more than that.
    let plan = scene.plan(asked(None, None, &[("db_password", "")])).await.expect("planned");
    assert!(plan.changes.is_empty(), "{plan:?}");
    scene.bring(asked(None, None, &[("db_password", ""), ("image", "web:2")])).await.expect("deployed");
    assert_eq!(scene.delivered().await, SECRET);
    let plan = scene.plan(asked(None, None, &[("db_password", "another-secret")])).await.expect("planned");
    let changes: Vec<(&str, Option<&str>)> = plan.changes.iter().map(|change| (change.field.as_str(), change.after.as_deref())).collect();
    assert_eq!(changes, [("secrets.db_password", Some("(changed)"))]);
    scene.bring(asked(None, None, &[("db_password", "another-secret")])).await.expect("deployed");
    assert_eq!(scene.delivered().await, "another-secret");
}

#[tokio::test]
async fn a_secret_of_the_project_need_not_be_given_again() {
    let scene = Scene::set().await;
    scene.write(&with_secret()).await.expect("made");
    let holder = crate::configs::HolderKey { project: &scene.shop, service: None };
    let may = scene.ana.may::<can::Configure, _>(&scene.store.platform, &holder).await.expect("allowed");
    let content = crate::configs::Content::Secret(crate::configs::Hush::new(b"of the project".to_vec()));
    crate::configs::put(&scene.store.platform, &may, None, "db_password", &content, &crate::configs::Edit::default()).await.expect("set");
    assert!(scene.form(asked(Some("echo"), None, &[])).await.kept.contains("db_password"));
    scene.bring(asked(Some("echo"), None, &[("image", "web:1")])).await.expect("deployed");
    assert_eq!(scene.delivered().await, "of the project");
}

#[tokio::test]
async fn what_waits_for_an_approval_is_remembered_when_it_is_approved() {
    let scene = Scene::set().await;
    let platform = &scene.store.platform;
    scene.write(ECHO).await.expect("made");
    scene.bring(asked(Some("echo"), None, &[("image", "web:1"), ("greeting", "first")])).await.expect("deployed");
    scene.store.write_sql("UPDATE environments SET protected = TRUE").await;
    let greeting = async || scene.form(asked(None, None, &[])).await.answers["greeting"].clone();
    let decide = async |made: DeploymentView| {
        let key = deployments::DeploymentKey { project: scene.shop.clone(), service: scene.web.clone(), deployment: made.id };
        scene.ana.may::<can::Approve, _>(platform, &key).await.expect("allowed")
    };
    let asks = async |greeting: &str| scene.ask(asked(None, None, &[("greeting", greeting)])).await.expect("asked for");
    let refused = asks("refused").await;
    deployments::refuse(platform, &decide(refused).await, "not yet").await.expect("refused");
    assert_eq!(greeting().await, "first", "what was refused is no base for what comes");
    let approved = asks("approved").await;
    assert_eq!(greeting().await, "first");
    deployments::approve(platform, &decide(approved).await, "").await.expect("approved");
    assert_eq!(greeting().await, "approved");
}

#[tokio::test]
async fn a_rollback_is_what_the_next_deployment_begins_with() {
    let scene = Scene::set().await;
    scene.write(ECHO).await.expect("made");
    for greeting in ["good", "bad"] {
        scene.bring(asked(Some("echo"), None, &[("image", "web:1"), ("greeting", greeting)])).await.expect("deployed");
    }
    let back = deployments::rollback(&scene.store.platform, &scene.may().await, &Intent::default(), 1).await.expect("rolled back");
    scene.succeed(&back).await;
    assert_eq!(scene.form(asked(None, None, &[])).await.answers["greeting"], "good");
    let next = scene.bring(asked(None, None, &[("image", "web:2")])).await.expect("deployed");
    let see = scene.may::<can::SeeServices>().await;
    let revision = deployments::revision(&scene.store.platform, &see, next.revision).await.expect("found");
    assert_eq!(revision.descriptor.env["GREETING"], "good", "CI names an image, and what was rolled back stays so");
}

#[tokio::test]
async fn what_was_answered_and_what_is_made_of_it_is_for_those_who_deploy() {
    let scene = Scene::set().await;
    let text = ECHO
        .replace("descriptor: |", "  - {name: variables, type: text}\n  - {name: pw}\n  - {name: package}\ndescriptor: |")
        .replace(
            "    GREETING: {{ greeting }}\n",
            "    GREETING: {{ greeting }}\n    DB_PASSWORD: {{ pw }}\n{% for one in variables | pairs %}\n    {{ one.name }}: {{ one.value }}\n{% endfor %}\n",
        )
        .replace("{% ", "  {% ");
    scene.write(&text).await.expect("made");
    // Nothing in the names of the parameters says that these are secret; the package's address is signed.
    let variables = "LOG_LEVEL=debug\nAPI_TOKEN=battery-staple";
    let given = [("image", "web:1"), ("variables", variables), ("pw", "staple-password"), ("package", "https://a.example/x.tgz?sig=staple")];
    scene.bring(asked(Some("echo"), None, &given)).await.expect("deployed");
    let guest = scene.store.person("gus", false).await;
    let sql = "INSERT INTO members (project_id, user_id, role, since) SELECT p.id, u.id, 'guest', 1 FROM projects p, users u
               WHERE p.name = 'shop' AND u.username = 'gus'";
    scene.store.write_sql(sql).await;
    let key = ServiceKey { project: &scene.shop, service: &scene.web };
    let see = guest.may::<can::SeeServices, _>(&scene.store.platform, &key).await.expect("allowed");
    let found = answers::of_service(&scene.store.platform, &see, None, &site()).await.expect("found").expect("made from a template");
    assert!(found.hidden && found.rendered.outputs.is_empty() && !format!("{found:?}").contains("staple"), "{found:?}");
    assert!(found.answers.is_empty() && found.mark.version == 1, "that it was made from a template is no secret: {found:?}");
    let reads = scene.ana.clone().limited_to([model::access::Scope::Read]);
    let see = reads.may::<can::SeeServices, _>(&scene.store.platform, &key).await.expect("allowed");
    let found = answers::of_service(&scene.store.platform, &see, None, &site()).await.expect("found").expect("made from a template");
    assert!(found.hidden && !format!("{found:?}").contains("staple"), "a token that only reads: {found:?}");
    let found = answers::of_service(&scene.store.platform, &scene.may().await, None, &site()).await.expect("found").expect("made from a template");
    assert!(!found.hidden && found.rendered.errors.is_empty() && found.answers["variables"].contains("battery-staple"), "{found:?}");
}

#[tokio::test]
async fn versions_are_kept_as_long_as_something_was_made_from_them_and_there_is_room() {
    let scene = Scene::set().await;
    let made = scene.write(ECHO).await.expect("made");
    scene.bring(asked(Some("echo"), None, &[("image", "web:1")])).await.expect("deployed");
    scene.write(&ECHO.replace("hello", "hullo")).await.expect("made");
    scene.store.write_sql("UPDATE template_versions SET size = 33554432 WHERE number = 2").await;
    let full = scene.write(&ECHO.replace("hello", "hallo")).await;
    assert!(matches!(full, Err(Error::Conflict { code: "templates_full", .. })), "{full:?}");
    let may: May<can::ManageTemplates, Project> = scene.store.may(&scene.ana, &scene.shop).await;
    delete(&scene.store.platform, &may, &made.name).await.expect("deleted");
    assert_eq!(scene.count("template_versions").await, 1, "the one that a service was made from");
    scene.write(&ECHO.replace("hello", "hallo")).await.expect("there is room again");
    let found = answers::of_service(&scene.store.platform, &scene.may().await, None, &site()).await.expect("found").expect("made from a template");
    assert!(found.template.is_none() && !found.rendered.outputs.is_empty());
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
            assert!(one.errors.is_empty() && !one.text.is_empty(), "{} {}: {:?}", template.name, one.output, one.errors);
        }
    }
}

#[tokio::test]
async fn an_account_has_one_place_and_nobody_waits_for_ever() {
    let scene = Scene::set().await;
    let other = scene.store.person("gus", false).await;
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let ana = scene.ana.clone();
    let slow = tokio::spawn(async move {
        let work = move |_| {
            let _ = begun.send(());
            let _ = ended.recv();
            Ok(())
        };
        tries::apart(&ana, work).await
    });
    begins.await.expect("it is at work");
    let others = tries::apart(&other, |until| Ok(until.left())).await.expect("another account has a place of its own");
    assert_eq!(others, Ok(true));
    let refused = tries::apart(&scene.ana, |_| Ok(())).await.expect_err("the account has its one place taken");
    assert!(matches!(&refused, Error::Unavailable(text) if text.contains("try again")), "{refused:?}");
    end.send(()).expect("it waits for this");
    slow.await.expect("no crash").expect("a place").expect("made");
    tries::apart(&scene.ana, |_| Ok(())).await.expect("a place again").expect("made");
}
