//! What runs in one environment, brought into another.

use model::names::EnvironmentName;

use super::*;
use crate::configs::{self, Content, Edit, HolderKey, Hush};

fn place(text: &str) -> EnvironmentName {
    text.parse().expect("a name")
}

fn order(services: &[&str]) -> CloneOrder {
    let services = services.iter().map(|name| name.parse().expect("a name")).collect();
    CloneOrder { from: place("local"), to: place("test"), services, why: "try it".into() }
}

impl Shop {
    /// A second environment, open to all.
    async fn second(&self) {
        let mut write = self.platform().bookkeeping().await.expect("a transaction");
        let sql = "INSERT INTO environments (id, name, description, registry_address, open_to_all, created_at)
                   VALUES ($1, 'test', '', '127.0.0.1:1', TRUE, 1)";
        write.exec(sql, args![self.platform().new_id::<EnvironmentId>()]).await.expect("an environment");
        write.finish().await.expect("kept");
    }

    /// Brings something into the first one, with success.
    async fn runs(&self, text: &str) {
        let request = Request { intent: Intent::in_environment(Some(place("local"))), ..request(text) };
        let made = deploy(self.platform(), &self.may().await, &request).await.expect("deployed");
        self.succeed(&made).await;
    }

    async fn whole(&self) -> May<can::Deploy, crate::projects::Project> {
        self.store.later(1);
        self.ana.may(self.platform(), &self.project).await.expect("allowed")
    }

    async fn secret_in(&self, environment: &str) {
        self.store.later(1);
        let key = HolderKey { project: &self.project, service: None };
        let may = self.ana.may(self.platform(), &key).await.expect("allowed");
        let content = Content::Secret(Hush::new(b"correct-horse".to_vec()));
        configs::put(self.platform(), &may, Some(&place(environment)), "db", &content, &Edit::default()).await.expect("set");
    }
}

const WITH_SECRET: &str = "image: web:1\nreplicas: 2\nsecrets: [{name: db, env: DB}]";

#[tokio::test]
async fn nothing_is_cloned_while_a_secret_is_missing_there() {
    let shop = Shop::open().await;
    shop.second().await;
    shop.secret_in("local").await;
    shop.runs(WITH_SECRET).await;
    let plan = clone_plan(shop.platform(), &shop.whole().await, &order(&[])).await.expect("planned");
    assert!(!plan.ready() && plan.services[0].plan.is_none(), "{plan:?}");
    let problem = &plan.services[0].problems[0];
    assert!(problem.field == "descriptor.secrets[0].name" && problem.message.contains("\"db\"") && problem.message.contains("in test"), "{problem}");
    let (name, _) = field(clone(shop.platform(), &shop.whole().await, &order(&[])).await.expect_err("refused"));
    assert_eq!(name, "services.web.descriptor.secrets[0].name");

    shop.secret_in("test").await;
    let plan = clone_plan(shop.platform(), &shop.whole().await, &order(&["web"])).await.expect("planned");
    let one = &plan.services[0];
    assert!(plan.ready() && one.plan.as_ref().is_some_and(|plan| plan.creates == 2 && plan.current.is_none()), "{plan:?}");
    let differs: Vec<&str> = one.differs.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(differs, ["secrets.db"], "another secret of that name");
    assert!(!format!("{plan:?}").contains("correct-horse"));

    let begun = clone(shop.platform(), &shop.whole().await, &order(&["web"])).await.expect("begun");
    assert_eq!(begun.len(), 1);
    let made = &begun[0];
    assert_eq!((made.kind, made.environment.as_str(), made.revision, made.previous), (DeploymentKind::Clone, "test", 2, None));
    assert_eq!(made.why, "cloned from revision 1 in local: try it");
    let revision = revision(shop.platform(), &shop.may().await, 2).await.expect("read").revision;
    assert_eq!(revision.digest.map(|digest| digest.to_string()), Some(shop.digest.clone()), "the same content");
    assert_eq!(shop.store.audit().await.last().map(String::as_str), Some("deployment.clone web"));
}

#[tokio::test]
async fn nothing_is_cloned_while_there_is_no_room_for_all_of_it() {
    let shop = Shop::open().await;
    shop.second().await;
    shop.runs(TWO).await;
    let api: ServiceName = "api".parse().expect("a name");
    services::create(shop.platform(), &shop.store.may(&shop.ana, &shop.project).await, &api).await.expect("created");
    let key = ServiceKey { project: &shop.project, service: &api };
    let may: May<can::Deploy, services::Service> = shop.ana.may(shop.platform(), &key).await.expect("allowed");
    let two = Request { intent: Intent::in_environment(Some(place("local"))), ..request(TWO) };
    let made = deploy(shop.platform(), &may, &two).await.expect("deployed");
    assert!(shop.advance(made.id, DeploymentState::Rolling).await && shop.advance(made.id, DeploymentState::Succeeded).await);

    let operator = shop.store.person("root", true).await;
    let quota = operator.may::<can::SetQuotas, _>(shop.platform(), &shop.project).await.expect("allowed");
    let allow = async |tasks: i64| {
        let wanted = quotas::Wanted { tasks: Some(Some(tasks)), ..quotas::Wanted::default() };
        quotas::set(shop.platform(), &quota, wanted).await.expect("set");
    };
    // Four run, and there is room for two of the four that would come.
    allow(6).await;
    let plan = clone_plan(shop.platform(), &shop.whole().await, &order(&[])).await.expect("planned");
    let ready: Vec<bool> = plan.services.iter().map(|one| one.problems.is_empty()).collect();
    assert_eq!(ready, [true, false], "{plan:?}");
    let (name, message) = field(clone(shop.platform(), &shop.whole().await, &order(&[])).await.expect_err("no room"));
    assert_eq!(name, "services.web.descriptor.replicas");
    assert!(message.contains("2 of the 6 tasks"), "{message}");
    let all = of_project(shop.platform(), &shop.store.may(&shop.ana, &shop.project).await, &model::page::PageRequest::default()).await;
    assert_eq!(all.expect("read").items.len(), 2, "nothing is begun");

    allow(8).await;
    let begun = clone(shop.platform(), &shop.whole().await, &order(&[])).await.expect("begun");
    let names: Vec<&str> = begun.iter().map(|one| one.service.as_str()).collect();
    assert_eq!(names, ["api", "web"]);
    let told = shop.store.audit().await;
    assert_eq!(told.iter().filter(|line| line.starts_with("deployment.clone")).count(), 2, "{told:?}");
}

#[tokio::test]
async fn what_does_not_run_there_is_left_out_or_refused_by_name() {
    let shop = Shop::open().await;
    shop.second().await;
    let whole = shop.whole().await;
    let plan = clone_plan(shop.platform(), &whole, &order(&[])).await.expect("planned");
    assert!(plan.services.is_empty() && plan.left_out.len() == 1 && !plan.ready());
    assert_eq!(field(clone(shop.platform(), &whole, &order(&[])).await.expect_err("nothing")).0, "services");
    assert_eq!(field(clone_plan(shop.platform(), &whole, &order(&["web"])).await.expect_err("not there")).0, "services");
    assert_eq!(field(clone_plan(shop.platform(), &whole, &order(&["nobody"])).await.expect_err("unknown")).0, "services");
    let same = CloneOrder { to: place("local"), ..order(&[]) };
    assert_eq!(field(clone_plan(shop.platform(), &whole, &same).await.expect_err("the same")).0, "to");
    let nowhere = CloneOrder { to: place("nowhere"), ..order(&[]) };
    assert_eq!(field(clone_plan(shop.platform(), &whole, &nowhere).await.expect_err("no such place")).0, "to");
    shop.runs(TWO).await;
    stop(shop.platform(), &shop.may().await, &Intent::in_environment(Some(place("local")))).await.expect("stopped");
    let plan = clone_plan(shop.platform(), &shop.whole().await, &order(&[])).await.expect("planned");
    assert!(plan.services.is_empty() && plan.left_out[0].why.contains("stopped"), "{plan:?}");
}

#[tokio::test]
async fn what_is_brought_again_is_still_known_by_its_commit_and_build() {
    let shop = Shop::open().await;
    shop.second().await;
    shop.secret_in("local").await;
    shop.secret_in("test").await;
    let local = Intent::in_environment(Some(place("local")));
    let intent = Intent { commit: Some("0451abc".into()), build: Some("7".into()), ..local.clone() };
    let made = deploy(shop.platform(), &shop.may().await, &Request { intent, ..request(WITH_SECRET) }).await.expect("deployed");
    shop.succeed(&made).await;
    let elsewhere = Intent::in_environment(Some(place("test")));
    rollback(shop.platform(), &shop.may().await, &elsewhere, 1).await.expect("with what is configured there");
    scale(shop.platform(), &shop.may().await, &local, 3).await.expect("scaled");
    shop.secret_in("local").await;
    let rolled = roll(shop.platform(), &shop.may().await, &local).await.expect("rolled");
    assert_eq!(rolled.revision, 4, "each is a revision of its own");
    for number in 1..=4 {
        let found = revision(shop.platform(), &shop.may().await, number).await.expect("read").revision;
        assert_eq!((found.commit.as_deref(), found.build.as_deref()), (Some("0451abc"), Some("7")), "revision {number}");
    }
    let other = Intent { commit: Some("0452abd".into()), ..local };
    let scaled = scale(shop.platform(), &shop.may().await, &other, 2).await.expect("scaled");
    let found = revision(shop.platform(), &shop.may().await, scaled.revision).await.expect("read").revision;
    assert_eq!((found.commit.as_deref(), found.build), (Some("0452abd"), None), "whoever says something else is believed");
}

#[tokio::test]
async fn who_clones_and_who_deploys_with_the_same_hosts_are_not_in_each_others_way() {
    let shop = Shop::open().await;
    shop.second().await;
    let routed = |hosts: &[&str]| {
        let routes: Vec<String> = hosts.iter().map(|host| format!("{{host: {host}.example.com, port: http}}")).collect();
        let text = format!("image: web:1\nports: [{{name: http, container: 8080}}]\nroutes: [{}]", routes.join(", "));
        Request { intent: Intent::in_environment(Some(place("local"))), ..request(&text) }
    };
    // They are cloned by age, which is not the order of their hosts.
    for (name, host) in [("one", "zebra"), ("two", "ape")] {
        let name: ServiceName = name.parse().expect("a name");
        shop.store.later(1);
        services::create(shop.platform(), &shop.store.may(&shop.ana, &shop.project).await, &name).await.expect("created");
        let key = ServiceKey { project: &shop.project, service: &name };
        let may: May<can::Deploy, services::Service> = shop.ana.may(shop.platform(), &key).await.expect("allowed");
        let made = deploy(shop.platform(), &may, &routed(&[host])).await.expect("deployed");
        assert!(shop.advance(made.id, DeploymentState::Rolling).await && shop.advance(made.id, DeploymentState::Succeeded).await);
    }
    let (both, wanted) = (routed(&["ape", "zebra"]), order(&["one", "two"]));
    for round in 1..=10 {
        let (whole, web) = (shop.whole().await, shop.may::<can::Deploy>().await);
        let (cloned, deployed) = tokio::join!(clone(shop.platform(), &whole, &wanted), deploy(shop.platform(), &web, &both));
        assert!(cloned.is_ok() && deployed.is_ok(), "round {round}: {cloned:?}, {deployed:?}");
    }
}
