//! What may not be asked of a machine, whoever brings it, and what a guest does not read.

use super::*;

const LOW: &str = "image: web:1\nports: [{name: http, container: 80, host: 80}]";

impl Shop {
    /// An operator at the same service.
    async fn operator(&self) -> Actor {
        self.store.person("ops", true).await
    }

    async fn intent(&self) -> Intent {
        self.store.later(1);
        Intent::default()
    }
}

#[tokio::test]
async fn a_fixed_port_of_the_machines_own_services_is_for_operators() {
    let shop = Shop::open().await;
    for host in ["1", "80", "1023"] {
        let text = LOW.replace("host: 80", &format!("host: {host}"));
        let (name, message) = field(shop.try_deploy(&text).await.expect_err("refused"));
        assert_eq!(name, "descriptor.ports[0].host");
        assert!(message.contains("below 1024") && message.contains("only an operator"), "{message}");
        assert!(plan(shop.platform(), &shop.may().await, &request(&text)).await.is_err(), "a plan says the same");
    }
    shop.deploy(&LOW.replace("host: 80", "host: 1024")).await;
    shop.deploy(&LOW.replace("host: 80", "host: 20009")).await;
    let operator = shop.operator().await;
    let may = shop.may_as::<can::Deploy>(&operator).await.expect("allowed");
    deploy(shop.platform(), &may, &request(LOW)).await.expect("an operator may");
    let may = shop.may_as::<can::Deploy>(&operator.limited_to([Scope::Deploy])).await.expect("allowed");
    assert!(deploy(shop.platform(), &may, &request(LOW)).await.is_err(), "a token for deploys is none for the host");
}

#[tokio::test]
async fn the_portals_own_port_is_nobodys() {
    let shop = Shop::open().await;
    let operator = shop.operator().await;
    let may = shop.may_as::<can::Deploy>(&operator).await.expect("allowed");
    let own = LOW.replace("host: 80", "host: 3000");
    let (name, message) = field(deploy(shop.platform(), &may, &request(&own)).await.expect_err("refused"));
    assert_eq!(name, "descriptor.ports[0].host");
    assert!(message.contains("3000/tcp is the portal's own port"), "{message}");
    deploy(shop.platform(), &may, &request(&own.replace("host: 3000", "host: 3000, protocol: udp"))).await.expect("the portal speaks no UDP");

    // A portal within the range that services are given: the other ports are given out, its own never.
    environments::prepare(shop.platform(), &local((2_999, 3_000))).await.expect("prepared again");
    shop.deploy(TWO).await;
    assert_eq!(shop.task(1).await.ports[0].host, 2_999);
    assert_eq!(code(shop.bare_task(2).await), "ports_exhausted");
}

#[tokio::test]
async fn a_stored_revision_is_no_way_around_what_a_deploy_checks() {
    let shop = Shop::open().await;
    let operator = shop.operator().await;
    let may = shop.may_as::<can::Deploy>(&operator).await.expect("allowed");
    let deployment = deploy(shop.platform(), &may, &request(LOW)).await.expect("an operator may");
    shop.succeed(&deployment).await;
    let refused = |error: Error| assert_eq!(field(error).0, "descriptor.ports[0].host");
    let intent = shop.intent().await;
    refused(restart(shop.platform(), &shop.may().await, &intent).await.expect_err("no restart"));
    refused(scale(shop.platform(), &shop.may().await, &intent, 0).await.expect_err("no scaling"));
    refused(rollback(shop.platform(), &shop.may().await, &intent, 1).await.expect_err("no roll-back"));
    stop(shop.platform(), &shop.may().await, &intent).await.expect("ending is always allowed");
    refused(start(shop.platform(), &shop.may().await, &intent).await.expect_err("no start"));
    start(shop.platform(), &may, &intent).await.expect("an operator may");
    restart(shop.platform(), &may, &intent).await.expect("an operator may");
}

#[tokio::test]
async fn another_projects_image_is_not_brought_again_without_pull() {
    let shop = Shop::open().await;
    let bob = shop.store.person("bob", false).await;
    let tools = shop.store.project("tools", &bob, Role::Admin).await;
    shop.store.image(&tools, "box", "1", 'b').await;
    let manage = bob.may::<can::ManageMembers, _>(shop.platform(), &tools).await.expect("allowed");
    let ana = "ana".parse().expect("a name");
    crate::projects::set_member(shop.platform(), &manage, &ana, Role::Guest).await.expect("a guest");
    let deployment = shop.deploy("image: localhost:3000/tools/box:1").await;
    shop.succeed(&deployment).await;
    let intent = shop.intent().await;
    restart(shop.platform(), &shop.may().await, &intent).await.expect("a guest may pull");
    crate::projects::remove_member(shop.platform(), &manage, &ana).await.expect("removed");
    for refused in [
        restart(shop.platform(), &shop.may().await, &intent).await,
        scale(shop.platform(), &shop.may().await, &intent, 2).await,
        rollback(shop.platform(), &shop.may().await, &intent, 1).await,
    ] {
        assert_eq!(code(refused), "image_gone");
    }
}

#[tokio::test]
async fn a_guest_reads_no_secret_variables() {
    let shop = Shop::open().await;
    for secret in ["first-value", "second-value"] {
        let deployment = shop.deploy(&format!("image: web:1\nenv: {{DB_PASSWORD: {secret}, LOG_LEVEL: info}}")).await;
        shop.succeed(&deployment).await;
    }
    let bob = shop.store.person("bob", false).await;
    let mut write = shop.platform().bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO members (project_id, user_id, role, since) SELECT p.id, u.id, 'guest', 0 FROM projects p, users u
               WHERE p.name = 'shop' AND u.username = 'bob'";
    write.exec(sql, crate::args![]).await.expect("a guest");
    write.finish().await.expect("kept");
    let read = async |actor: &Actor| {
        let may = shop.may_as::<can::SeeServices>(actor).await.expect("allowed");
        let detail = serde_json::to_string(&services::get(shop.platform(), &may).await.expect("read")).expect("JSON");
        let one = serde_json::to_string(&revision(shop.platform(), &may, 1).await.expect("read")).expect("JSON");
        let compared = serde_json::to_string(&compare(shop.platform(), &may, 1, 2).await.expect("compared")).expect("JSON");
        [detail, one, compared]
    };
    for text in read(&bob).await.iter().chain(&read(&shop.ana.clone().limited_to([Scope::Read])).await) {
        assert!(!text.contains("-value"), "{text}");
        assert!(text.contains("DB_PASSWORD") && text.contains("(hidden)"), "that it is there and differs is seen: {text}");
    }
    let [detail, one, compared] = read(&shop.ana).await;
    assert!(detail.contains("second-value") && one.contains("first-value"), "whoever may set it may edit it");
    assert!(compared.contains("first-value") && compared.contains("second-value"));
    assert!(one.contains("\"LOG_LEVEL\":\"info\""));
}

#[tokio::test]
async fn what_is_ending_of_the_own_service_leaves_no_room_for_more_of_it() {
    let shop = Shop::open().await;
    let text = |cpus: &str| format!("image: web:1\nresources: {{cpus: {cpus}, memory: 64MiB}}");
    let first = shop.deploy(&text("2")).await;
    shop.succeed(&first).await;
    let operator = shop.operator().await;
    let may = operator.may::<can::SetQuotas, _>(shop.platform(), &shop.project).await.expect("allowed");
    let wanted = quotas::Wanted { cpus: Some(model::quantity::Cpus::from_millis(3_000)), ..quotas::Wanted::default() };
    quotas::set(shop.platform(), &may, wanted).await.expect("set");
    stop(shop.platform(), &shop.may().await, &Intent::default()).await.expect("stopped");
    let old = shop.work().await.tasks.remove(0);
    work::task_stopping(&shop.store.worker, old.id).await.expect("recorded");
    let (name, message) = field(shop.try_deploy(&text("2")).await.expect_err("it takes its grace"));
    assert_eq!(name, "descriptor.resources.cpus");
    assert!(message.contains("and 1 are left") && message.contains("still ending"), "{message}");
    shop.deploy(&text("1")).await;
    shop.end(&old, TaskState::Ended).await;
    shop.deploy(&text("2")).await;
}

#[tokio::test]
async fn what_stands_for_a_hidden_value_is_not_started() {
    let shop = Shop::open().await;
    for (text, wanted) in [
        ("command: [redis-server, --requirepass, (hidden)]", "descriptor.command"),
        ("entrypoint: [sh, -c, 'x -p(hidden)']", "descriptor.entrypoint"),
        ("health: {command: [sh, -c, 'x -p(hidden)']}", "descriptor.health.command"),
        ("env: {DB_PASSWORD: (hidden)}", "descriptor.env.DB_PASSWORD"),
    ] {
        assert_eq!(field(shop.try_deploy(&format!("image: web:1\n{text}")).await.expect_err("refused")).0, wanted);
    }
}
