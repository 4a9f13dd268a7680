//! Whose a host of routes is.

use model::names::EnvironmentName;

use super::*;

fn routed(routes: &str) -> String {
    format!("image: web:1\nports: [{{name: http, container: 8080}}]\nroutes: [{routes}]")
}

/// Somebody else's project with a service of its own.
struct Other {
    eve: Actor,
    project: ProjectName,
    service: ServiceName,
}

impl Other {
    async fn beside(shop: &Shop) -> Self {
        let eve = shop.store.person("eve", false).await;
        let project = shop.store.project("other", &eve, Role::Admin).await;
        shop.store.image(&project, "web", "1", 'a').await;
        let service: ServiceName = "api".parse().expect("a name");
        services::create(shop.platform(), &shop.store.may(&eve, &project).await, &service).await.expect("created");
        Self { eve, project, service }
    }

    async fn may<P: can::Permission>(&self, shop: &Shop, actor: &Actor) -> May<P, services::Service> {
        shop.store.later(1);
        actor.may(shop.platform(), &ServiceKey { project: &self.project, service: &self.service }).await.expect("allowed")
    }

    async fn deploy(&self, shop: &Shop, text: &str) -> Result<DeploymentView> {
        deploy(shop.platform(), &self.may(shop, &self.eve).await, &request(text)).await
    }
}

fn taken(result: Result<impl std::fmt::Debug>) -> String {
    match result {
        Err(Error::Conflict { code: "host_taken", message }) => message,
        other => panic!("expected that the host is taken, got {other:?}"),
    }
}

#[tokio::test]
async fn a_host_is_one_projects_with_every_path_and_over_both_protocols() {
    let shop = Shop::open().await;
    // Its service is there before the other one, and may not take what the other one has.
    let other = Other::beside(&shop).await;
    other.deploy(&shop, &routed("{host: app.example.com, port: http, tls: true}")).await.expect("deployed");
    for routes in [
        "{host: app.example.com, port: http, tls: true}",
        "{host: app.example.com, path: /login, port: http, tls: true}",
        "{host: app.example.com, port: http}",
        "{host: own.example.com, port: http}, {host: APP.Example.com, path: /x, port: http}",
    ] {
        let message = taken(shop.try_deploy(&routed(routes)).await);
        assert!(message.contains("app.example.com") && message.contains("another project") && !message.contains("project other"), "{message}");
        assert_eq!(taken(plan(shop.platform(), &shop.may().await, &request(&routed(routes))).await), message, "a plan says the same");
    }
    // What was refused holds nothing.
    other.deploy(&shop, &routed("{host: app.example.com, port: http}, {host: own.example.com, port: http}")).await.expect("deployed");
    // Who may see the project is told which one it is.
    let operator = shop.store.person("ops", true).await;
    let may = shop.may_as::<can::Deploy>(&operator).await.expect("allowed");
    let message = taken(deploy(shop.platform(), &may, &request(&routed("{host: own.example.com, path: /x, port: http}"))).await);
    assert!(message.contains("project other"), "{message}");
    // What their push comes to is read by everybody in the project.
    let may = shop.may_as::<can::Deploy>(&operator.proved_by(crate::access::Credential::Push)).await.expect("allowed");
    let message = taken(deploy(shop.platform(), &may, &request(&routed("{host: own.example.com, path: /x, port: http}"))).await);
    assert!(message.contains("another project") && !message.contains("project other"), "{message}");
}

#[tokio::test]
async fn services_of_one_project_share_a_host() {
    let shop = Shop::open().await;
    shop.deploy(&routed("{host: app.example.com, port: http}")).await;
    let second: ServiceName = "second".parse().expect("a name");
    services::create(shop.platform(), &shop.store.may(&shop.ana, &shop.project).await, &second).await.expect("created");
    let key = ServiceKey { project: &shop.project, service: &second };
    let may = shop.ana.may::<can::Deploy, _>(shop.platform(), &key).await.expect("allowed");
    deploy(shop.platform(), &may, &request(&routed("{host: app.example.com, path: /api, port: http}"))).await.expect("deployed");
}

#[tokio::test]
async fn a_host_stays_as_long_as_something_uses_it() {
    const WANTED: &str = "{host: app.example.com, path: /x, port: http}";
    let shop = Shop::open().await;
    let other = Other::beside(&shop).await;
    // On its way.
    let first = shop.deploy(&routed("{host: app.example.com, port: http}")).await;
    taken(other.deploy(&shop, &routed(WANTED)).await);
    // Running, and while what is to take its place is on its way.
    shop.succeed(&first).await;
    // A variable that names a host makes it nobody's.
    let next = shop.deploy("image: web:1\nenv: {UPSTREAM: app.example.com}").await;
    taken(other.deploy(&shop, &routed(WANTED)).await);
    shop.succeed(&next).await;
    other.deploy(&shop, &routed(WANTED)).await.expect("it is used no more");
    // From now on it is the other one's, also for what ran before.
    taken(rollback(shop.platform(), &shop.may().await, &Intent::default(), 1).await);
    taken(plan_rollback(shop.platform(), &shop.may().await, &Intent::default(), 1).await);
    restart(shop.platform(), &shop.may().await, &Intent::default()).await.expect("what runs may be mended");

    // Cancelled before it ran, and gone with its service.
    let underway = newest(&shop, &other).await;
    let key = DeploymentKey { project: other.project.clone(), service: other.service.clone(), deployment: underway };
    let may = other.eve.may::<can::Deploy, _>(shop.platform(), &key).await.expect("allowed");
    cancel(shop.platform(), &may).await.expect("cancelled");
    shop.deploy(&routed("{host: app.example.com, port: http}")).await;
    taken(other.deploy(&shop, &routed(WANTED)).await);
    let operator = shop.store.person("ops", true).await;
    services::delete(shop.platform(), &shop.may_as(&operator).await.expect("allowed")).await.expect("deleted");
    other.deploy(&shop, &routed(WANTED)).await.expect("nothing is left that uses it");
}

/// The newest deployment of the other one.
async fn newest(shop: &Shop, other: &Other) -> DeploymentId {
    let may: May<can::SeeServices, services::Service> = other.may(shop, &other.eve).await;
    list(shop.platform(), &may, &model::page::PageRequest::default()).await.expect("listed").items[0].id
}

#[tokio::test]
async fn what_waits_for_an_approval_holds_its_hosts() {
    let shop = Shop::open().await;
    let other = Other::beside(&shop).await;
    shop.store.write_sql("UPDATE environments SET protected = TRUE").await;
    let waits = shop.deploy(&routed("{host: app.example.com, port: http}")).await;
    assert_eq!(waits.state, DeploymentState::Pending);
    taken(other.deploy(&shop, &routed("{host: app.example.com, port: http, tls: true}")).await);
    // Where the host went to another project all the same, nobody lets it through; the plan says so before.
    shop.store.write_sql("UPDATE route_hosts SET project_id = (SELECT id FROM projects WHERE name = 'other')").await;
    shop.store.write_sql("UPDATE environments SET protected = FALSE").await;
    let of = DeploymentKey { project: shop.project.clone(), service: shop.service.clone(), deployment: waits.id };
    let operator = shop.store.person("ops", true).await;
    let decide = operator.may::<can::Approve, _>(shop.platform(), &of).await.expect("allowed");
    other.deploy(&shop, &routed("{host: app.example.com, port: http, tls: true}")).await.expect("it is its own");
    let see = shop.ana.may::<can::SeeServices, _>(shop.platform(), &of).await.expect("allowed");
    let plan = plan_of(shop.platform(), &see).await.expect("planned");
    assert!(plan.notes.iter().any(|note| note.contains("cannot be approved now: the host app.example.com")), "{:?}", plan.notes);
    taken(approve(shop.platform(), &decide, "").await);
}

#[tokio::test]
async fn of_two_that_claim_at_once_one_gets_it() {
    let shop = Shop::open().await;
    let other = Other::beside(&shop).await;
    let text = request(&routed("{host: app.example.com, port: http}"));
    let (own, theirs) = (shop.may::<can::Deploy>().await, other.may::<can::Deploy>(&shop, &other.eve).await);
    let (one, two) = tokio::join!(deploy(shop.platform(), &own, &text), deploy(shop.platform(), &theirs, &text));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    taken(if one.is_err() { one } else { two });
}

#[tokio::test]
async fn hosts_of_before_are_the_oldest_services() {
    let shop = Shop::open().await;
    let other = Other::beside(&shop).await;
    let first = shop.deploy(&routed("{host: App.example.com, port: http}")).await;
    shop.succeed(&first).await;
    shop.store.write_sql("DELETE FROM route_hosts").await;
    prepare(shop.platform()).await.expect("claimed");
    taken(other.deploy(&shop, &routed("{host: app.example.com, path: /login, port: http}")).await);
    // Once: what was given up since then is not claimed again.
    shop.store.write_sql("DELETE FROM route_hosts").await;
    prepare(shop.platform()).await.expect("nothing to do");
    other.deploy(&shop, &routed("{host: app.example.com, port: http}")).await.expect("deployed");
}

#[tokio::test]
async fn a_clone_says_before_that_the_host_is_taken() {
    let shop = Shop::open().await;
    let other = Other::beside(&shop).await;
    shop.store
        .write_sql(
            "INSERT INTO environments (id, name, description, registry_address, open_to_all, created_at)
                  VALUES ('0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11', 'test', '', '127.0.0.1:1', TRUE, 1)",
        )
        .await;
    let local: EnvironmentName = "local".parse().expect("a name");
    let there = |text: String| Request { intent: Intent::in_environment(Some(local.clone())), ..request(&text) };
    let made = deploy(shop.platform(), &shop.may().await, &there(routed("{host: app.example.com, port: http}"))).await.expect("deployed");
    shop.succeed(&made).await;
    shop.store.write_sql("UPDATE route_hosts SET project_id = (SELECT id FROM projects WHERE name = 'other')").await;
    let theirs = other.may(&shop, &other.eve).await;
    deploy(shop.platform(), &theirs, &there(routed("{host: app.example.com, port: http}"))).await.expect("deployed");
    let order = CloneOrder { from: local.clone(), to: "test".parse().expect("a name"), services: Vec::new(), why: String::new() };
    shop.store.later(1);
    let may = shop.ana.may::<can::Deploy, _>(shop.platform(), &shop.project).await.expect("allowed");
    let plan = clone_plan(shop.platform(), &may, &order).await.expect("planned");
    assert_eq!(plan.services[0].problems.iter().map(|problem| problem.field.as_str()).collect::<Vec<_>>(), ["host_taken"]);
    assert!(clone(shop.platform(), &may, &order).await.is_err());
}
