use std::time::Duration;

use model::access::Role;
use model::notices::{RouteForm, Tone};
use model::page::PageRequest;

use super::work::{self, Delivery, Outcome, UnderWay, Verdict};
use super::*;
use crate::testing::Store;

mod places;
mod trouble;

const URL: &str = "https://hooks.example.com/very/secret/path";

/// A project with one route.
struct Scene {
    store: Store,
    may: Managing,
    route: NoticeRouteId,
    secret: String,
}

fn form(name: &str, address: &str) -> RouteForm {
    let events = vec!["alert.firing".to_owned(), "alert.resolved".to_owned()];
    RouteForm { name: name.into(), kind: "webhook".into(), address: address.into(), events, ..RouteForm::default() }
}

impl Scene {
    async fn open() -> Self {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let project = store.project("shop", &ana, Role::Admin).await;
        let may = Managing::of(&store.platform, &ana, Some(&project)).await.expect("allowed");
        let made = create(&store.platform, &may, &form("ops", URL)).await.expect("a route");
        Self { store, may, route: made.route.id, secret: made.secret.expect("a secret") }
    }

    /// Something happens.
    async fn tell(&self, title: &str, event: Event) {
        let notice = Notice {
            event,
            title: title.into(),
            text: String::new(),
            tone: Tone::Info,
            facts: Vec::new(),
            link: "/".into(),
            project: None,
            at: self.store.platform.now(),
        };
        let mut write = self.store.worker.change().await.expect("a transaction");
        write.tell([Telling { audience: Audience { project: self.may.project_id(), site: true, routes: Vec::new() }, notice }]);
        write.finish().await.expect("kept");
    }

    async fn claim(&self) -> Option<Delivery> {
        work::claim(&self.store.worker, &UnderWay::default()).await.expect("an answer")
    }

    async fn end(&self, delivery: &Delivery, verdict: Verdict) {
        let outcome = Outcome { status: Some(500), answer: "no\r\nidea".into(), verdict };
        work::end(&self.store.worker, delivery, &outcome).await.expect("written");
    }

    async fn states(&self) -> Vec<(String, NoticeState)> {
        let page = log(&self.store.platform, &self.may, self.route, &PageRequest::default()).await.expect("a log");
        page.items.into_iter().rev().map(|view| (view.notice.title, view.state)).collect()
    }
}

#[tokio::test]
async fn notices_leave_in_order_and_none_is_lost_while_the_receiver_is_away() {
    let scene = Scene::open().await;
    scene.tell("begins", Event::AlertFiring).await;
    scene.tell("ends", Event::AlertResolved).await;
    let first = scene.claim().await.expect("the first");
    assert_eq!((first.notice.title.as_str(), first.attempt), ("begins", 1));
    assert_eq!(first.address.as_ref().map(|address| address.expose().to_owned()).as_deref(), Some(URL));
    assert_eq!(first.secret.as_ref().map(|secret| secret.expose().to_owned()), Some(scene.secret.clone()));
    assert!(scene.claim().await.is_none(), "one at a time");
    scene.end(&first, Verdict::Away(None)).await;
    assert!(scene.claim().await.is_none(), "not at once");
    scene.store.later(10);
    let again = scene.claim().await.expect("the first again");
    assert_eq!((again.id, again.attempt), (first.id, 2));
    scene.end(&again, Verdict::Taken).await;
    let second = scene.claim().await.expect("the second");
    assert_eq!(second.notice.title, "ends");
    scene.end(&second, Verdict::Taken).await;
    assert!(scene.claim().await.is_none());
    assert_eq!(scene.states().await, [("begins".to_owned(), NoticeState::Sent), ("ends".to_owned(), NoticeState::Sent)]);
    let page = log(&scene.store.platform, &scene.may, scene.route, &PageRequest::default()).await.expect("a log");
    assert_eq!(page.items[0].answer.as_deref(), Some("no  idea"), "no line of somebody else begins one of ours");
}

#[tokio::test]
async fn a_portal_that_was_killed_while_it_sent_sends_again_by_the_same_id() {
    let scene = Scene::open().await;
    scene.tell("begins", Event::AlertFiring).await;
    let first = scene.claim().await.expect("the first");
    scene.store.later(59);
    assert!(scene.claim().await.is_none(), "it may still be on its way");
    scene.store.later(2);
    assert_eq!(scene.claim().await.expect("the same").id, first.id);
}

#[tokio::test]
async fn what_nobody_wants_is_given_up_and_what_comes_behind_is_sent() {
    let scene = Scene::open().await;
    scene.tell("unwanted", Event::AlertFiring).await;
    scene.tell("wanted", Event::AlertFiring).await;
    for _ in 0..6 {
        let delivery = scene.claim().await.expect("the first");
        assert_eq!(delivery.notice.title, "unwanted");
        scene.end(&delivery, Verdict::Unwanted).await;
        scene.store.later(3_600);
    }
    assert_eq!(scene.claim().await.expect("the second").notice.title, "wanted");
    assert_eq!(scene.states().await[0], ("unwanted".to_owned(), NoticeState::Failed));
}

#[tokio::test]
async fn a_receiver_is_waited_for_a_day_and_asked_again_by_hand() {
    let scene = Scene::open().await;
    scene.tell("begins", Event::AlertFiring).await;
    let mut tries = 0;
    let mut id = None;
    for _ in 0..2_000 {
        if let Some(delivery) = scene.claim().await {
            tries += 1;
            id = Some(delivery.id);
            scene.end(&delivery, Verdict::Away(None)).await;
        }
        scene.store.later(60);
    }
    assert!((20..50).contains(&tries), "{tries}");
    assert_eq!(scene.states().await, [("begins".to_owned(), NoticeState::Failed)]);
    let id = id.expect("it was tried");
    redeliver(&scene.store.platform, &scene.may, scene.route, id).await.expect("again");
    redeliver(&scene.store.platform, &scene.may, scene.route, id).await.expect_err("it is on its way");
    let delivery = scene.claim().await.expect("the same");
    assert_eq!((delivery.id, delivery.attempt), (id, 1));
}

#[tokio::test]
async fn routes_hear_what_they_chose_and_a_full_queue_says_so() {
    let scene = Scene::open().await;
    let deaf = RouteForm { events: vec!["alert.resolved".into()], ..form("deaf", URL) };
    create(&scene.store.platform, &scene.may, &deaf).await.expect("a route");
    let off = RouteForm { disabled: true, ..form("off", URL) };
    create(&scene.store.platform, &scene.may, &off).await.expect("a route");
    for number in 0..=WAITING_MOST {
        scene.tell(&number.to_string(), Event::AlertFiring).await;
    }
    let waiting: Vec<(String, i64)> =
        list(&scene.store.platform, &scene.may).await.expect("routes").items.into_iter().map(|route| (route.name, route.waiting)).collect();
    assert_eq!(waiting, [("deaf".to_owned(), 0), ("off".to_owned(), 0), ("ops".to_owned(), WAITING_MOST)]);
    let last = log(&scene.store.platform, &scene.may, scene.route, &PageRequest::default()).await.expect("a log").items.remove(0);
    assert_eq!((last.state, last.notice.title), (NoticeState::Failed, WAITING_MOST.to_string()));
}

#[tokio::test]
async fn what_a_route_keeps_is_shown_nowhere_and_stays_where_nothing_is_typed() {
    let scene = Scene::open().await;
    let shown = serde_json::to_string(&list(&scene.store.platform, &scene.may).await.expect("routes")).expect("JSON");
    assert!(shown.contains("https://hooks.example.com\"") && !shown.contains("very"), "{shown}");
    let made = update(&scene.store.platform, &scene.may, scene.route, &form("renamed", "")).await.expect("changed");
    assert_eq!((made.route.name.as_str(), made.secret), ("renamed", None));
    scene.tell("begins", Event::AlertFiring).await;
    let delivery = scene.claim().await.expect("the first");
    assert_eq!(delivery.address.map(|address| address.expose().to_owned()).as_deref(), Some(URL));
    assert_eq!(delivery.secret.map(|secret| secret.expose().to_owned()), Some(scene.secret.clone()));
    let other_kind = RouteForm { kind: "email".into(), ..form("renamed", "") };
    update(&scene.store.platform, &scene.may, scene.route, &other_kind).await.expect_err("a webhook's address is no mailbox");
    let sql = "SELECT detail FROM audit";
    let details: Vec<String> =
        scene.store.platform.read().await.expect("a transaction").all(sql, args![], |row| row.get("detail")).await.expect("records");
    assert!(details.iter().all(|detail| !detail.contains("very") && !detail.contains(&scene.secret)), "{details:?}");
    assert_eq!(scene.store.audit().await, ["route.create ops", "route.update renamed"]);
}

#[tokio::test]
async fn another_projects_route_is_not_there() {
    let scene = Scene::open().await;
    let bob = scene.store.person("bob", false).await;
    let other = scene.store.project("other", &bob, Role::Admin).await;
    let may = Managing::of(&scene.store.platform, &bob, Some(&other)).await.expect("allowed");
    for refused in [
        update(&scene.store.platform, &may, scene.route, &form("mine", URL)).await.map(drop),
        delete(&scene.store.platform, &may, scene.route).await,
        test(&scene.store.platform, &may, scene.route).await.map(drop),
        log(&scene.store.platform, &may, scene.route, &PageRequest::default()).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    }
    Managing::of(&scene.store.platform, &bob, None).await.expect_err("the site is for operators");
    assert!(tokio::time::timeout(Duration::from_secs(60), scene.claim()).await.expect("in time").is_none());
}
