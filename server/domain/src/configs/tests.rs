use std::collections::BTreeMap;

use model::access::Role;
use model::descriptor::Descriptor;
use model::ids::RevisionId;
use model::views::configs::{ChangedView, ConfigView, LineKind};
use model::views::deployments::{DeploymentState, DeploymentView};

use super::*;
use crate::access::{Actor, May, can};
use crate::args;
use crate::deployments::work::{self, Delivery, NewTask, WorkKey};
use crate::deployments::{self, Intent, Request};
use crate::environments;
use crate::platform::Platform;
use crate::services;
use crate::testing::Store;

mod rolling;

const SECRET: &str = "correct-horse-battery-staple";

/// A project with one service, deployed nowhere, and a second environment.
struct Shop {
    store: Store,
    ana: Actor,
    project: ProjectName,
    service: ServiceName,
}

impl Shop {
    async fn open() -> Self {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let project = store.project("shop", &ana, Role::Developer).await;
        store.image(&project, "web", "1", 'a').await;
        let service: ServiceName = "web".parse().expect("a name");
        services::create(&store.platform, &store.may(&ana, &project).await, &service).await.expect("created");
        let mut write = store.platform.bookkeeping().await.expect("a transaction");
        let sql = "INSERT INTO environments (id, name, description, registry_address, open_to_all, created_at)
                   VALUES ($1, 'test', '', '127.0.0.1:1', TRUE, 1)";
        write.exec(sql, args![store.platform.new_id::<EnvironmentId>()]).await.expect("an environment");
        write.finish().await.expect("kept");
        Self { store, ana, project, service }
    }

    fn platform(&self) -> &Platform {
        &self.store.platform
    }

    async fn holder(&self, of_service: bool) -> May<can::Configure, Holder> {
        self.store.later(1);
        let key = HolderKey { project: &self.project, service: of_service.then_some(&self.service) };
        self.ana.may(self.platform(), &key).await.expect("allowed")
    }

    async fn try_set(&self, of_service: bool, environment: &str, name: &str, content: Content, edit: &Edit) -> Result<ChangedView> {
        put(self.platform(), &self.holder(of_service).await, place_of(environment).as_ref(), name, &content, edit).await
    }

    async fn variable(&self, of_service: bool, environment: &str, name: &str, value: &str) -> ChangedView {
        self.try_set(of_service, environment, name, Content::Variable(value.into()), &Edit::default()).await.expect("set")
    }

    async fn file(&self, name: &str, text: &str) -> ChangedView {
        self.try_set(false, "", name, Content::File(text.into()), &Edit::default()).await.expect("set")
    }

    async fn secret(&self, name: &str, text: &str) -> ChangedView {
        self.try_set(false, "", name, Content::Secret(Hush::new(text.into())), &Edit::default()).await.expect("set")
    }

    async fn view(&self, of_service: bool, environment: &str) -> ConfigView {
        get(self.platform(), &self.holder(of_service).await, place_of(environment).as_ref()).await.expect("read")
    }

    async fn may(&self) -> May<can::Deploy, Service> {
        self.store.later(1);
        self.ana.may(self.platform(), &ServiceKey { project: &self.project, service: &self.service }).await.expect("allowed")
    }

    async fn try_deploy(&self, environment: &str, text: &str) -> Result<DeploymentView> {
        deployments::deploy(self.platform(), &self.may().await, &request(environment, text)).await
    }

    /// Deploys, and lets it go well.
    async fn deploy(&self, environment: &str, text: &str) -> DeploymentView {
        let made = self.try_deploy(environment, text).await.expect("deployed");
        self.succeed(&made).await;
        made
    }

    async fn succeed(&self, made: &DeploymentView) {
        for state in [DeploymentState::Rolling, DeploymentState::Succeeded] {
            assert!(work::advance(&self.store.worker, made.id, state, None).await.expect("recorded"));
        }
    }

    async fn key(&self, environment: &str) -> WorkKey {
        let project = self.may().await.project.clone();
        let mut tx = self.platform().read().await.expect("a transaction");
        let environment = place(&mut tx, &project, place_of(environment).as_ref()).await.expect("there").expect("named").id;
        drop(tx);
        WorkKey { service: self.may().await.id, environment }
    }

    async fn revision(&self, number: i64) -> (RevisionId, String) {
        let sql = "SELECT id, spec FROM revisions WHERE number = $1";
        let mut tx = self.platform().read().await.expect("a transaction");
        tx.one(sql, args![number], |row| Ok((row.get("id")?, row.get("spec")?))).await.expect("a revision")
    }

    /// What the tasks of what should run get.
    async fn delivered(&self, environment: &str) -> Delivery {
        let key = self.key(environment).await;
        let work = work::load(&self.store.worker, key).await.expect("loaded").expect("something was deployed");
        let revision = work.target().expect("something runs").revision.id;
        work::delivery(&self.store.worker, key, revision).await.expect("all is there")
    }
}

fn place_of(environment: &str) -> Option<EnvironmentName> {
    (!environment.is_empty()).then(|| environment.parse().expect("a name"))
}

fn request(environment: &str, text: &str) -> Request {
    Request { intent: Intent::in_environment(place_of(environment)), descriptor: Descriptor::parse(text).expect("a descriptor") }
}

fn based_on(version: i64) -> Edit {
    Edit { based_on: Some(version), why: String::from("because") }
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    match result {
        Err(Error::Conflict { code, .. }) => code,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

fn fields<T: std::fmt::Debug>(result: Result<T>) -> Vec<(String, String)> {
    match result {
        Err(Error::Invalid(fields)) => fields.into_iter().map(|field| (field.field, field.message)).collect(),
        other => panic!("expected wrong fields, got {other:?}"),
    }
}

#[tokio::test]
async fn the_nearest_of_four_levels_is_heard_and_says_where_it_stands() {
    let shop = Shop::open().await;
    for (of_service, environment, value) in [(true, "test", "4"), (false, "", "1"), (true, "", "3"), (false, "test", "2")] {
        shop.variable(of_service, environment, "LEVEL", value).await;
    }
    shop.variable(false, "", "ONLY_PROJECT", "x").await;
    let seen = |view: ConfigView| {
        view.entries.into_iter().map(|one| (one.name, one.value.unwrap_or_default(), one.origin, one.over.len())).collect::<Vec<_>>()
    };
    let both = |value: &str, origin, over| vec![("LEVEL".into(), value.into(), origin, over), ("ONLY_PROJECT".into(), "x".into(), Level::Project, 0)];
    assert_eq!(seen(shop.view(false, "").await), both("1", Level::Project, 0));
    assert_eq!(seen(shop.view(false, "test").await), both("2", Level::ProjectEnvironment, 1));
    assert_eq!(seen(shop.view(true, "").await), both("3", Level::Service, 1));
    assert_eq!(seen(shop.view(true, "local").await), both("3", Level::Service, 1));
    assert_eq!(seen(shop.view(true, "test").await), both("4", Level::ServiceEnvironment, 3));
    let gone = remove(shop.platform(), &shop.holder(true).await, place_of("test").as_ref(), EntryKind::Variable, "LEVEL", &Edit::default()).await;
    assert_eq!(gone.expect("removed").version, 2);
    assert_eq!(seen(shop.view(true, "test").await), both("3", Level::Service, 2));
    let nowhere = remove(shop.platform(), &shop.holder(true).await, None, EntryKind::Variable, "ONLY_PROJECT", &Edit::default()).await;
    assert!(matches!(nowhere, Err(Error::NotFound { what: "variable" })), "what is inherited is removed where it stands");
}

#[tokio::test]
async fn changes_make_versions_that_are_compared_and_brought_back() {
    let shop = Shop::open().await;
    assert_eq!(shop.file("app.conf", "a\nb\nc\n").await.version, 1);
    assert_eq!(shop.variable(false, "", "A", "1").await.version, 2);
    assert_eq!(shop.secret("key", SECRET).await.version, 3);
    let same = shop.variable(false, "", "A", "1").await;
    assert_eq!((same.version, same.changed), (3, false), "what is there already makes no version");
    let all = BTreeMap::from([(String::from("B"), String::from("2"))]);
    let may = shop.holder(false).await;
    assert_eq!(put_variables(shop.platform(), &may, None, &all, &based_on(3)).await.expect("set").version, 4);
    assert_eq!(shop.file("app.conf", "a\nB\nc\n").await.version, 5);
    assert_eq!(shop.secret("key", "another one").await.version, 6);

    let changed = |number: i64, against: Option<i64>| {
        let shop = &shop;
        async move {
            let detail = version(shop.platform(), &shop.holder(false).await, None, number, against).await.expect("read");
            detail.changes.iter().map(|one| format!("{} {} {}", one.kind, one.name, one.word())).collect::<Vec<_>>()
        }
    };
    assert_eq!(changed(1, None).await, ["file app.conf added"]);
    assert_eq!(changed(4, None).await, ["variable A removed", "variable B added"]);
    assert_eq!(changed(6, None).await, ["secret key changed"]);
    assert_eq!(changed(6, Some(2)).await, ["variable A removed", "variable B added", "file app.conf changed", "secret key added"]);
    let detail = version(shop.platform(), &may, None, 5, None).await.expect("read");
    let lines: Vec<_> = detail.changes[0].lines.iter().map(|line| (line.kind, line.text.as_str())).collect();
    assert_eq!(lines, [(LineKind::Same, "a"), (LineKind::Cut, "b"), (LineKind::Add, "B"), (LineKind::Same, "c")]);

    assert_eq!(code(restore(shop.platform(), &may, None, 3, &based_on(5)).await), "version_conflict");
    assert!(matches!(restore(shop.platform(), &may, None, 7, &based_on(6)).await, Err(Error::NotFound { .. })));
    assert_eq!(restore(shop.platform(), &may, None, 3, &based_on(6)).await.expect("restored").version, 7);
    assert!(changed(7, Some(3)).await.is_empty(), "secrets included");
    let list = versions(shop.platform(), &may, None, &Default::default()).await.expect("read").items;
    assert_eq!(list.iter().map(|one| one.number).collect::<Vec<_>>(), [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!((list[0].restored, list[0].by.as_str(), list[0].why.as_str()), (Some(3), "ana", "because"));
    let audit = shop.store.audit().await;
    assert_eq!(
        audit[1..],
        [
            "config.set app.conf",
            "config.set A",
            "config.set key",
            "config.set_variables shop",
            "config.set app.conf",
            "config.set key",
            "config.restore shop"
        ]
    );
}

#[tokio::test]
async fn of_many_who_change_what_they_saw_one_is_first() {
    let shop = Shop::open().await;
    let edits = (0..8).map(|n| async move { n });
    let all = futures::future::join_all(edits.map(|n| {
        let shop = &shop;
        async move {
            let content = Content::Variable(n.await.to_string());
            shop.try_set(false, "", "A", content, &based_on(0)).await
        }
    }))
    .await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1, "{all:?}");
    assert!(all.into_iter().filter(Result::is_err).all(|one| code(one) == "version_conflict"));
    let names: Vec<String> = (0..8).map(|n| format!("N{n}")).collect();
    futures::future::join_all(names.iter().map(|name| shop.variable(true, "local", name, "x"))).await;
    let view = shop.view(true, "local").await;
    assert_eq!((view.version, view.entries.len()), (8, 9), "who names no version is never lost");
}

const USES: &str =
    "image: web:1\nenv: {OWN: mine}\nconfigs: [{name: app.conf, path: /etc/app.conf}]\nsecrets: [{name: key, path: /run/key}, {name: key, env: KEY}]";

#[tokio::test]
async fn a_task_gets_what_its_revision_was_made_with() {
    let shop = Shop::open().await;
    shop.file("app.conf", "first").await;
    shop.secret("key", SECRET).await;
    for (name, value) in [("A", "1"), ("EMPTY", ""), ("OWN", "centre"), ("KEY", "centre")] {
        shop.variable(false, "", name, value).await;
    }
    shop.deploy("local", USES).await;
    let got = shop.delivered("local").await;
    assert_eq!(got.env, BTreeMap::from([("A".into(), "1".into()), ("EMPTY".into(), String::new())]), "the descriptor's own win");
    assert_eq!(got.secret_env.iter().map(|(name, secret)| (name.as_str(), secret.expose())).collect::<Vec<_>>(), [("KEY", SECRET)]);
    let files: Vec<_> = got.files.iter().map(|file| (file.path.as_str(), file.content.expose(), file.mode, file.secret)).collect();
    assert_eq!(files, [("/etc/app.conf", &b"first"[..], 0o444, false), ("/run/key", SECRET.as_bytes(), 0o444, true)]);
    assert!(!format!("{got:?}").contains(SECRET));

    let first = shop.revision(1).await.1;
    shop.deploy("local", USES).await;
    assert_eq!(shop.revision(2).await.1, first, "a deploy without a change keeps the tasks");
    shop.variable(false, "", "OWN", "another").await;
    shop.file("other.conf", "unused").await;
    shop.deploy("local", USES).await;
    assert_eq!(shop.revision(3).await.1, first, "what it does not use does not count");
    assert!(shop.view(false, "").await.uses.iter().all(|one| !one.behind));

    shop.file("app.conf", "second").await;
    let uses = shop.secret("key", SECRET).await.uses;
    assert_eq!((uses[0].service.as_str(), uses[0].revision, uses[0].behind), ("web", 3, true));
    assert_eq!(uses[0].uses, ["variable A", "variable EMPTY", "file app.conf", "secret key"]);
    let plan = deployments::plan(shop.platform(), &shop.may().await, &request("local", USES)).await.expect("planned");
    let changes: Vec<_> = plan.changes.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(changes, ["files.app.conf", "secrets.key"]);
    assert!(!format!("{plan:?}").contains(SECRET));

    let rolled = deployments::roll(shop.platform(), &shop.may().await, &Intent::in_environment(place_of("local"))).await.expect("rolled");
    assert_eq!(rolled.revision, 4);
    shop.succeed(&rolled).await;
    assert_ne!(shop.revision(4).await.1, first);
    assert_eq!(shop.delivered("local").await.files[0].content.expose(), b"second");
    let again = deployments::roll(shop.platform(), &shop.may().await, &Intent::in_environment(place_of("local"))).await;
    assert_eq!(code(again), "configuration_unchanged");
    let compared = deployments::compare(
        shop.platform(),
        &shop.ana.may(shop.platform(), &ServiceKey { project: &shop.project, service: &shop.service }).await.expect("allowed"),
        3,
        4,
    )
    .await;
    assert_eq!(compared.expect("compared").changes.len(), 2);

    let back = deployments::rollback(shop.platform(), &shop.may().await, &Intent::in_environment(place_of("local")), 1).await.expect("back");
    assert_eq!(back.revision, 1);
    shop.succeed(&back).await;
    assert_eq!(shop.delivered("local").await.files[0].content.expose(), b"first", "with the configuration of that revision");
    let scaled = deployments::scale(shop.platform(), &shop.may().await, &Intent::in_environment(place_of("local")), 3).await.expect("scaled");
    shop.succeed(&scaled).await;
    assert_eq!(shop.revision(scaled.revision).await.1, first, "a scale brings no other configuration");
}

#[tokio::test]
async fn another_environment_gets_its_own_configuration() {
    let shop = Shop::open().await;
    shop.variable(false, "", "A", "everywhere").await;
    shop.deploy("local", "image: web:1").await;
    let same = deployments::rollback(shop.platform(), &shop.may().await, &Intent::in_environment(place_of("test")), 1).await.expect("brought");
    assert_eq!(same.revision, 1, "where it is the same, the revision is the same");
    shop.succeed(&same).await;
    shop.variable(false, "test", "A", "in test").await;
    let other = deployments::rollback(shop.platform(), &shop.may().await, &Intent::in_environment(place_of("test")), 1).await.expect("brought");
    assert_eq!(other.revision, 2);
    shop.succeed(&other).await;
    assert_eq!(shop.delivered("test").await.env["A"], "in test");
    assert_eq!(shop.delivered("local").await.env["A"], "everywhere");
    let detail = deployments::revision(
        shop.platform(),
        &shop.ana.may(shop.platform(), &ServiceKey { project: &shop.project, service: &shop.service }).await.expect("allowed"),
        2,
    )
    .await;
    assert_eq!(detail.expect("read").revision.configuration.to_string(), "project version 1, project in test version 1");
}

#[tokio::test]
async fn what_is_not_there_is_named_with_what_is_near() {
    let shop = Shop::open().await;
    shop.file("app.conf", "x").await;
    shop.secret("db_password", SECRET).await;
    let text = "image: web:1\nconfigs: [{name: app.cnf, path: /a}, {name: db_password, path: /b}]\nsecrets: [{name: db_pasword, env: P}, {name: app.conf, path: /c}]";
    let found = fields(shop.try_deploy("local", text).await);
    let names: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(names, ["descriptor.configs[0].name", "descriptor.configs[1].name", "descriptor.secrets[0].name", "descriptor.secrets[1].name"]);
    for (at, part) in [(0, "\"app.conf\"?"), (1, "under secrets"), (2, "\"db_password\"?"), (3, "under configs")] {
        assert!(found[at].1.contains(part), "{found:?}");
    }
    shop.try_set(false, "", "raw", Content::Secret(Hush::new(vec![0xff, 0])), &Edit::default()).await.expect("set");
    let found = fields(shop.try_deploy("local", "image: web:1\nsecrets: [{name: raw, env: RAW}]").await);
    assert_eq!(found[0].0, "descriptor.secrets[0].env");
    shop.deploy("local", "image: web:1\nsecrets: [{name: raw, path: /raw}]").await;
    assert_eq!(shop.delivered("local").await.files[0].content.expose(), [0xff, 0]);
    for n in 0..9 {
        shop.variable(false, "", &format!("LONG{n}"), &"x".repeat(30_000)).await;
    }
    assert_eq!(fields(shop.try_deploy("local", "image: web:1").await)[0].0, "descriptor.env");
}

#[tokio::test]
async fn what_is_wrong_is_told_by_field() {
    let shop = Shop::open().await;
    let wrong = |name: &'static str, content: Content| {
        let shop = &shop;
        async move { fields(shop.try_set(false, "", name, content, &Edit::default()).await).remove(0).0 }
    };
    assert_eq!(wrong("1A", Content::Variable("x".into())).await, "name");
    assert_eq!(wrong("SLIPWAY_TASK", Content::Variable("x".into())).await, "name");
    assert_eq!(wrong("A", Content::Variable("a\0b".into())).await, "value");
    assert_eq!(wrong("../x", Content::File(Vec::new())).await, "name");
    assert_eq!(wrong("x", Content::File(vec![0; 512 * 1024 + 1])).await, "content");
    assert_eq!(wrong("x", Content::Secret(Hush::new(vec![0; 64 * 1024 + 1]))).await, "value");
    assert_eq!(wrong("x", Content::Secret(Hush::new(Vec::new()))).await, "value");
    let unknown = shop.try_set(false, "nowhere", "A", Content::Variable("x".into()), &Edit::default()).await;
    assert_eq!(fields(unknown)[0].0, "environment");
    let all = BTreeMap::from([(String::from("A B"), String::new())]);
    assert_eq!(fields(put_variables(shop.platform(), &shop.holder(false).await, None, &all, &Edit::default()).await)[0].0, "variables.A B");
}

#[tokio::test]
async fn a_secret_is_stored_sealed_and_told_to_nobody() {
    let shop = Shop::open().await;
    shop.secret("key", SECRET).await;
    shop.deploy("local", "image: web:1\nsecrets: [{name: key, env: HARMLESS}]").await;
    let mut tx = shop.platform().read().await.expect("a transaction");
    let rows: Vec<Vec<u8>> = tx.all("SELECT content FROM config_entries", args![], |row| row.get("content")).await.expect("rows");
    assert!(!rows.is_empty() && rows.iter().all(|row| !row.windows(SECRET.len()).any(|part| part == SECRET.as_bytes())));
    let details: Vec<Option<String>> = tx.all("SELECT detail FROM audit", args![], |row| row.get("detail")).await.expect("rows");
    assert!(details.iter().flatten().all(|detail| !detail.contains(SECRET)));
    drop(tx);
    assert!(!serde_json::to_string(&shop.view(false, "").await).expect("JSON").contains(SECRET));
    let key = shop.key("local").await;
    let work = work::load(&shop.store.worker, key).await.expect("loaded").expect("deployed");
    let target = work.target().expect("a target");
    let new = NewTask { key, revision: target.revision, deployment: None, machine: &work.machines[0], slot: 1, run: None };
    work::create_task(&shop.store.worker, &new).await.expect("a task");
    let mut tx = shop.platform().read().await.expect("a transaction");
    let hidden = pinned::secret_texts(&mut tx, shop.platform(), target.revision.id, &target.revision.descriptor).await.expect("opened");
    assert_eq!(hidden.iter().map(model::secret::Secret::expose).collect::<Vec<_>>(), [SECRET], "an inspection hides it by its value");
}

#[tokio::test]
async fn room_is_made_of_what_nothing_runs_with() {
    let shop = Shop::open().await;
    for text in ["first", "second", "third"] {
        shop.file("app.conf", &text.repeat(1000)).await;
        if text == "second" {
            shop.deploy("local", "image: web:1\nconfigs: [{name: app.conf, path: /a}]").await;
        }
    }
    let project = shop.holder(false).await.project.id;
    let mut write = shop.platform().bookkeeping().await.expect("a transaction");
    room::make_within(&mut write, project, 100, 12_000).await.expect("the first goes");
    assert_eq!(code(room::make_within(&mut write, project, 100, 2_000).await), "configuration_full");
    write.finish().await.expect("kept");
    assert_eq!(shop.delivered("local").await.files[0].content.expose(), "second".repeat(1000).as_bytes());
    let may = shop.holder(false).await;
    assert_eq!(code(restore(shop.platform(), &may, None, 1, &Edit::default()).await), "version_given_up");
    assert_eq!(code(version(shop.platform(), &may, None, 2, None).await), "version_given_up");
    assert_eq!(restore(shop.platform(), &may, None, 2, &Edit::default()).await.expect("whole").version, 4);
    let whole: Vec<bool> =
        versions(shop.platform(), &may, None, &Default::default()).await.expect("read").items.iter().map(|one| one.whole).collect();
    assert_eq!(whole, [true, true, true, false]);
}

#[tokio::test]
async fn what_is_deleted_takes_its_configuration_along() {
    let shop = Shop::open().await;
    let admin = shop.store.person("root", true).await;
    shop.variable(false, "", "A", "1").await;
    let sealed = Content::Secret(Hush::new(SECRET.into()));
    shop.try_set(true, "", "key", sealed, &Edit::default()).await.expect("set");
    let may = admin.may(shop.platform(), &ServiceKey { project: &shop.project, service: &shop.service }).await.expect("allowed");
    services::delete(shop.platform(), &may).await.expect("deleted");
    let left = || async {
        let mut tx = shop.platform().read().await.expect("a transaction");
        tx.all("SELECT name FROM config_entries", args![], |row| row.get::<String>("name")).await.expect("rows")
    };
    assert_eq!(left().await, ["A"]);
    crate::projects::delete(shop.platform(), &shop.store.may(&admin, &shop.project).await).await.expect("deleted");
    assert!(left().await.is_empty());
}

#[tokio::test]
async fn an_environment_that_is_not_granted_has_no_configuration_and_one_that_is_removed_has_none_any_more() {
    let shop = Shop::open().await;
    let root = shop.store.person("root", true).await;
    let open = async |open: bool| {
        let order = environments::EnvironmentOrder {
            description: String::new(),
            registry_address: None,
            protected: false,
            second_person: false,
            open,
            projects: Vec::new(),
        };
        let may = root.may(shop.platform(), &crate::access::Site).await.expect("allowed");
        environments::put(shop.platform(), &may, &place_of("test").expect("a name"), &order).await.expect("kept");
    };
    shop.variable(false, "", "A", "everywhere").await;
    shop.variable(false, "test", "A", "in test").await;
    let sealed = Content::Secret(Hush::new(SECRET.into()));
    shop.try_set(true, "test", "key", sealed, &Edit::default()).await.expect("set");
    let places = async || {
        let names = super::environments(shop.platform(), &shop.holder(false).await).await.expect("read");
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(places().await, ["local", "test"]);
    open(false).await;
    assert_eq!(places().await, ["local"]);
    let refused = fields(shop.try_set(false, "test", "A", Content::Variable("x".into()), &Edit::default()).await);
    let missing = fields(shop.try_set(false, "nowhere", "A", Content::Variable("x".into()), &Edit::default()).await);
    assert_eq!(refused[0].1, missing[0].1.replace("nowhere", "test"), "one does not tell it from one that is not there");
    let seen = get(shop.platform(), &shop.holder(true).await, place_of("test").as_ref()).await;
    assert_eq!(fields(seen)[0].0, "environment");
    // What runs there is configured as long as it does.
    open(true).await;
    shop.deploy("test", "image: web:1\nsecrets: [{name: key, path: /key}]").await;
    open(false).await;
    assert_eq!(places().await, ["local", "test"]);
    shop.variable(false, "test", "A", "in test still").await;

    let left = async || {
        let mut tx = shop.platform().read().await.expect("a transaction");
        let sql = "SELECT name FROM config_entries ORDER BY name, since";
        tx.all(sql, args![], |row| row.get::<String>("name")).await.expect("rows")
    };
    assert_eq!(left().await, ["A", "A", "A", "key"]);
    deployments::stop(shop.platform(), &shop.may().await, &Intent::in_environment(place_of("test"))).await.expect("stopped");
    let test = place_of("test").expect("a name");
    environments::remove(shop.platform(), &root.may(shop.platform(), &test).await.expect("there")).await.expect("removed");
    assert_eq!(left().await, ["A"], "no secret is left behind");
    assert_eq!(shop.view(false, "").await.entries.len(), 1);
}

#[tokio::test]
async fn what_waits_for_an_approval_keeps_its_configuration_and_is_nothing_that_runs() {
    let shop = Shop::open().await;
    let root = shop.store.person("root", true).await;
    shop.variable(false, "", "A", "1").await;
    shop.deploy("local", "image: web:1").await;
    let order = environments::EnvironmentOrder {
        description: String::new(),
        registry_address: None,
        protected: true,
        second_person: false,
        open: true,
        projects: Vec::new(),
    };
    let may = root.may(shop.platform(), &crate::access::Site).await.expect("allowed");
    environments::put(shop.platform(), &may, &place_of("local").expect("a name"), &order).await.expect("kept");
    shop.variable(false, "", "A", "2").await;
    let waiting = deployments::roll(shop.platform(), &shop.may().await, &Intent::in_environment(place_of("local"))).await.expect("rolled");
    assert_eq!(waiting.state, DeploymentState::Pending);
    let uses = shop.variable(false, "", "A", "3").await.uses;
    assert_eq!(uses.iter().map(|one| (one.revision, one.behind)).collect::<Vec<_>>(), [(1, true)]);
    assert_eq!(shop.delivered("local").await.env["A"], "1");
    let key = deployments::DeploymentKey { project: shop.project.clone(), service: shop.service.clone(), deployment: waiting.id };
    let see = shop.ana.may::<can::SeeServices, _>(shop.platform(), &key).await.expect("allowed");
    let plan = deployments::plan_of(shop.platform(), &see).await.expect("planned");
    let change = &plan.changes[0];
    assert_eq!((change.field.as_str(), change.before.as_deref(), change.after.as_deref()), ("variables.A", Some("1"), Some("2")));
    let approve = async |key: &deployments::DeploymentKey| {
        let may = root.may(shop.platform(), key).await.expect("allowed");
        deployments::approve(shop.platform(), &may, "").await
    };
    assert_eq!(code(approve(&key).await), "changed_since", "A is 3 since");
    let since = &plan.changed_since[0];
    assert_eq!((since.field.as_str(), since.before.as_deref(), since.after.as_deref()), ("variables.A", Some("2"), Some("3")));
    let ask = shop.ana.may(shop.platform(), &key).await.expect("allowed");
    let waiting = deployments::ask_again(shop.platform(), &ask, &Intent::default()).await.expect("asked again");
    let again = deployments::DeploymentKey { deployment: waiting.id, ..key.clone() };
    approve(&again).await.expect("approved");
    shop.succeed(&waiting).await;
    assert_eq!(shop.delivered("local").await.env["A"], "3", "what was looked at is what runs");
    let over = deployments::plan_of(shop.platform(), &shop.ana.may(shop.platform(), &key).await.expect("allowed")).await;
    assert_eq!(code(over), "not_waiting");
}

#[tokio::test]
async fn strangers_and_guests_read_nothing() {
    let shop = Shop::open().await;
    let (gus, sam) = (shop.store.person("gus", false).await, shop.store.person("sam", false).await);
    let mut write = shop.platform().bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO members (project_id, user_id, role, since) SELECT p.id, $1, 'guest', 1 FROM projects p";
    write.exec(sql, args![gus.account().expect("an account").id]).await.expect("a member");
    write.finish().await.expect("kept");
    for service in [None, Some(&shop.service)] {
        let key = HolderKey { project: &shop.project, service };
        assert!(matches!(gus.may::<can::Configure, _>(shop.platform(), &key).await, Err(Error::Forbidden(_))));
        assert!(matches!(sam.may::<can::Configure, _>(shop.platform(), &key).await, Err(Error::NotFound { .. })));
    }
}
