use std::time::Duration;

use model::access::Role;
use model::ids::TaskId;
use model::page::PageRequest;

use super::*;
use crate::testing::Store;

fn name(text: &str) -> ServiceName {
    text.parse().expect("a name")
}

#[tokio::test]
async fn a_service_is_listed_where_it_may_be_seen() {
    let store = Store::open().await;
    let (ana, bob) = (store.person("ana", false).await, store.person("bob", false).await);
    let (shop, lab) = (store.project("shop", &ana, Role::Developer).await, store.project("lab", &bob, Role::Guest).await);
    for service in ["web", "app", "job"] {
        create(&store.platform, &store.may(&ana, &shop).await, &name(service)).await.expect("created");
        store.later(1);
    }
    let operator = store.person("ops", true).await;
    create(&store.platform, &store.may(&operator, &lab).await, &name("web")).await.expect("created");

    let see = store.may(&ana, &shop).await;
    let page = list(&store.platform, &see, &PageRequest { after: None, limit: Some(2) }).await.expect("read");
    assert_eq!(page.items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["app", "job"]);
    let rest = list(&store.platform, &see, &PageRequest { after: page.next, limit: Some(2) }).await.expect("read");
    assert_eq!(rest.items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["web"]);
    assert!(rest.next.is_none() && rest.items[0].runs.is_empty());

    let of = async |actor: &crate::Actor| {
        let page = list_all(&store.platform, &actor.visible().expect("signed in"), &PageRequest::default()).await.expect("read");
        page.items.iter().map(|item| format!("{}/{}", item.project, item.name)).collect::<Vec<_>>()
    };
    assert_eq!(of(&ana).await, ["shop/job", "shop/app", "shop/web"]);
    assert_eq!(of(&bob).await, ["lab/web"]);
    assert_eq!(of(&operator).await.len(), 4);
    assert!(bob.may::<can::CreateService, _>(&store.platform, &lab).await.is_err(), "a guest makes nothing");
}

#[tokio::test]
async fn a_freed_name_rests_for_thirty_days() {
    let store = Store::open().await;
    let ana = store.person("ana", false).await;
    let shop = store.project("shop", &ana, Role::Admin).await;
    create(&store.platform, &store.may(&ana, &shop).await, &name("web")).await.expect("created");
    store.later(1);
    let twice = create(&store.platform, &store.may(&ana, &shop).await, &name("web")).await.expect_err("taken");
    assert!(matches!(twice, Error::Conflict { code: "name_taken", .. }));
    let key = ServiceKey { project: &shop, service: &name("web") };
    let may = ana.may::<can::DeleteService, _>(&store.platform, &key).await.expect("allowed");
    delete(&store.platform, &may).await.expect("deleted");
    assert!(matches!(delete(&store.platform, &may).await, Err(Error::NotFound { .. })));
    assert!(matches!(ana.may::<can::SeeServices, _>(&store.platform, &key).await, Err(Error::NotFound { what: "service" })));
    let resting = create(&store.platform, &store.may(&ana, &shop).await, &name("web")).await.expect_err("resting");
    assert!(matches!(&resting, Error::Conflict { code: "name_rests", message } if message.contains("free again on 2026-12-20")), "{resting:?}");
    store.clock.advance(Duration::from_secs(30 * 86_400));
    create(&store.platform, &store.may(&ana, &shop).await, &name("web")).await.expect("free again");
    assert_eq!(store.audit().await, ["service.create web", "service.delete web", "service.create web"]);
}

#[tokio::test]
async fn a_task_is_reached_by_its_id_and_a_permission() {
    let store = Store::open().await;
    let ana = store.person("ana", false).await;
    let unknown: TaskId = store.platform.new_id();
    assert!(matches!(ana.may::<can::OpenShell, _>(&store.platform, &unknown).await, Err(Error::NotFound { what: "task" })));
}
