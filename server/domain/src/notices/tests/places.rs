//! Who gets how many places, how many tests, and which addresses mail may go to.

use model::ids::ProjectId;
use model::notices::MailForm;

use super::super::turns::{OF_PROJECT, OF_PROJECTS, OF_SITE};
use super::*;
use crate::access::{Site, can};

/// So many further routes of whoever manages.
async fn routes(scene: &Scene, may: &Managing, count: usize) {
    for number in 0..count {
        create(&scene.store.platform, may, &form(&format!("route {number}"), URL)).await.expect("a route");
    }
}

/// Takes up all that gets a turn, and says nothing of what came of it; whose notices they were.
async fn hang(scene: &Scene) -> Vec<(NoticeRouteId, Option<ProjectId>)> {
    let mut sending = Vec::new();
    loop {
        let under_way: UnderWay = sending.iter().copied().collect();
        match work::claim(&scene.store.worker, &under_way).await.expect("an answer") {
            Some(delivery) => sending.push((delivery.route, delivery.project)),
            None => return sending,
        }
    }
}

#[tokio::test]
async fn receivers_that_hang_take_the_places_of_their_project_alone() {
    let scene = Scene::open().await;
    let bob = scene.store.person("bob", false).await;
    let other = scene.store.project("other", &bob, Role::Admin).await;
    let other = Managing::of(&scene.store.platform, &bob, Some(&other)).await.expect("allowed");
    let root = scene.store.person("root", true).await;
    let site = Managing::of(&scene.store.platform, &root, None).await.expect("allowed");
    routes(&scene, &scene.may, OF_PROJECT * 2).await;
    routes(&scene, &site, OF_SITE + 2).await;
    scene.tell("begins", Event::AlertFiring).await;
    // What comes last is due last.
    scene.store.later(1);
    let late = create(&scene.store.platform, &other, &form("late", URL)).await.expect("a route").route.id;
    test(&scene.store.platform, &other, late).await.expect("a test");
    let sending = hang(&scene).await;
    let of = |project: Option<ProjectId>| sending.iter().filter(|(_, of)| *of == project).count();
    assert_eq!(of(scene.may.project_id()), OF_PROJECT);
    assert_eq!(of(None), OF_SITE);
    assert_eq!(of(other.project_id()), 1);
    // What has no turn is no reason to look again and again.
    let under_way: UnderWay = sending.iter().copied().collect();
    assert_eq!(work::next_due(&scene.store.worker, &under_way).await.expect("an answer"), None);
    // One place is free again.
    let mut fewer = sending.clone();
    let at = fewer.iter().position(|(_, project)| *project == scene.may.project_id()).expect("one of them");
    fewer.remove(at);
    let delivery = work::claim(&scene.store.worker, &fewer.into_iter().collect()).await.expect("an answer").expect("the next one");
    assert_eq!(delivery.project, scene.may.project_id());
}

#[tokio::test]
async fn all_projects_together_leave_the_site_its_places() {
    let scene = Scene::open().await;
    let root = scene.store.person("root", true).await;
    let site = Managing::of(&scene.store.platform, &root, None).await.expect("allowed");
    routes(&scene, &site, 1).await;
    scene.tell("begins", Event::AlertFiring).await;
    let foreign = |_| (scene.store.platform.new_id::<NoticeRouteId>(), Some(scene.store.platform.new_id::<ProjectId>()));
    let full: UnderWay = (0..OF_PROJECTS).map(foreign).collect();
    let delivery = work::claim(&scene.store.worker, &full).await.expect("an answer").expect("the site's");
    assert_eq!(delivery.project, None);
    assert!(work::claim(&scene.store.worker, &full).await.expect("an answer").is_none(), "no project has a place");
}

#[tokio::test]
async fn a_route_has_one_test_under_way() {
    let scene = Scene::open().await;
    let (platform, may, route) = (&scene.store.platform, &scene.may, scene.route);
    let first = test(platform, may, route).await.expect("a test").id;
    let refused = test(platform, may, route).await.expect_err("it waits");
    assert!(matches!(&refused, Error::Conflict { code: "test_waiting", .. }), "{refused:?}");
    let delivery = scene.claim().await.expect("the test");
    scene.end(&delivery, Verdict::Away(None)).await;
    test(platform, may, route).await.expect_err("it is tried again");
    // Whoever sets the route right need not wait.
    update(platform, may, route, &form("ops", "https://hooks.example.com/right")).await.expect("changed");
    let delivery = scene.claim().await.expect("the test, at once");
    scene.end(&delivery, Verdict::Taken).await;
    let second = test(platform, may, route).await.expect("another one").id;
    redeliver(platform, may, route, first).await.expect_err("two tests");
    let delivery = scene.claim().await.expect("the second");
    assert_eq!(delivery.id, second);
}

#[tokio::test]
async fn mail_goes_where_operators_allow_when_a_route_is_saved() {
    let scene = Scene::open().await;
    let root = scene.store.person("root", true).await;
    let site = root.may::<can::ManageAlerts, _>(&scene.store.platform, &Site).await.expect("allowed");
    let post = |name: &str, address: &str| RouteForm { kind: "email".into(), ..form(name, address) };
    let old = create(&scene.store.platform, &scene.may, &post("old", "all@example.org")).await.expect("nothing is set").route.id;
    let settings = MailForm {
        host: "mail.example.com".into(),
        port: "587".into(),
        security: "starttls".into(),
        sender: "slipway@example.com".into(),
        recipients: "example.com".into(),
        ..MailForm::default()
    };
    let kept = mail::put(&scene.store.platform, &site, &settings).await.expect("set").expect("a view");
    assert_eq!(kept.recipients, "example.com");
    create(&scene.store.platform, &scene.may, &post("ours", "ops@example.com")).await.expect("allowed");
    let refused = [
        create(&scene.store.platform, &scene.may, &post("theirs", "ops@example.com, all@example.org")).await.map(drop),
        update(&scene.store.platform, &scene.may, old, &post("old", "")).await.map(drop),
    ];
    for refused in refused {
        let Err(Error::Invalid(fields)) = &refused else { panic!("{refused:?}") };
        assert_eq!(fields[0].field, "address");
        assert!(fields[0].message.contains("all@example.org") && fields[0].message.contains("example.com alone"), "{fields:?}");
    }
    let off = RouteForm { disabled: true, ..post("old", "") };
    update(&scene.store.platform, &scene.may, old, &off).await.expect("one that is switched off bothers nobody");
}
