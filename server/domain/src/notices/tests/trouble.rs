//! Receivers behind proxies, clocks that are set back, rows that nobody can read: what goes on all the same.

use model::notices::MailForm;

use super::*;
use crate::access::{Site, can};

impl Scene {
    /// Writes to the tables past all that guards them.
    async fn damage(&self, sql: &'static str, arguments: Vec<crate::db::Value>) {
        let mut write = self.store.worker.change().await.expect("a transaction");
        assert!(write.exec(sql, arguments).await.expect("written") > 0, "{sql}");
        write.finish().await.expect("kept");
    }

    /// Tries to send until `over` is so, an hour at most between two tries; what was tried, by title.
    async fn try_until(&self, verdict: impl Fn(&Delivery) -> Verdict, over: impl Fn(&[(String, NoticeState)]) -> bool) -> Vec<String> {
        let mut tried = Vec::new();
        for _ in 0..4_000 {
            if over(&self.states().await) {
                return tried;
            }
            match self.claim().await {
                Some(delivery) => {
                    self.end(&delivery, verdict(&delivery)).await;
                    tried.push(delivery.notice.title);
                }
                None => self.store.later(60),
            }
        }
        panic!("it was never over: {tried:?}")
    }
}

fn is(states: &[(String, NoticeState)], title: &str, state: NoticeState) -> bool {
    states.iter().any(|(known, at)| known == title && *at == state)
}

#[tokio::test]
async fn what_a_proxy_refuses_is_sent_when_the_receiver_is_back_and_others_pass_after_six_tries() {
    let scene = Scene::open().await;
    scene.tell("begins", Event::AlertFiring).await;
    scene.tell("ends", Event::AlertResolved).await;
    let began = scene.store.platform.now();
    let hours = |scene: &Scene| scene.store.platform.now().since(began).as_secs() / 3_600;
    let tried = scene.try_until(|_| Verdict::Refused, |_| hours(&scene) >= 20).await;
    assert_eq!(tried[..6], ["begins"; 6], "nothing passes before");
    assert_eq!(tried[6], "ends");
    assert!(scene.states().await.iter().all(|(_, state)| *state == NoticeState::Queued), "none is lost");
    let sent = |states: &[(String, NoticeState)]| states.iter().all(|(_, state)| *state == NoticeState::Sent);
    let mut tried = scene.try_until(|_| Verdict::Taken, sent).await;
    tried.sort_unstable();
    assert_eq!(tried, ["begins", "ends"], "each once");
}

#[tokio::test]
async fn a_receiver_that_takes_something_again_is_asked_at_once_for_what_it_refused() {
    let scene = Scene::open().await;
    scene.tell("refused", Event::AlertFiring).await;
    for _ in 0..6 {
        let delivery = scene.claim().await.expect("the first");
        scene.end(&delivery, Verdict::Refused).await;
        scene.store.later(400);
    }
    scene.store.later(3_600);
    let delivery = scene.claim().await.expect("the first");
    scene.end(&delivery, Verdict::Refused).await;
    assert!(scene.claim().await.is_none(), "it waits for minutes");
    scene.tell("taken", Event::AlertFiring).await;
    let delivery = scene.claim().await.expect("the second");
    assert_eq!(delivery.notice.title, "taken");
    scene.end(&delivery, Verdict::Taken).await;
    assert_eq!(scene.claim().await.expect("the first, at once").notice.title, "refused");
}

#[tokio::test]
async fn only_a_day_of_refusals_or_six_of_no_use_in_a_row_end_a_notice() {
    let scene = Scene::open().await;
    scene.tell("refused", Event::AlertFiring).await;
    let began = scene.store.platform.now();
    scene.try_until(|_| Verdict::Refused, |states| is(states, "refused", NoticeState::Failed)).await;
    assert!((24..27).contains(&(scene.store.platform.now().since(began).as_secs() / 3_600)), "a day");
    scene.tell("of no use", Event::AlertFiring).await;
    let now_and_then = |delivery: &Delivery| if delivery.attempt % 6 == 0 && delivery.attempt < 12 { Verdict::Refused } else { Verdict::Unwanted };
    let tried = scene.try_until(now_and_then, |states| is(states, "of no use", NoticeState::Failed)).await;
    assert_eq!(tried.len(), 12, "six in a row, after the one that was not");
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_no_route_waiting() {
    let scene = Scene::open().await;
    scene.tell("begins", Event::AlertFiring).await;
    let delivery = scene.claim().await.expect("the first");
    scene.end(&delivery, Verdict::Away(Some(Duration::from_secs(3_600)))).await;
    assert!(scene.claim().await.is_none(), "it was put off");
    scene.store.clock.set_back(Duration::from_secs(30 * 86_400));
    let due = work::next_due(&scene.store.worker, &UnderWay::default()).await.expect("an answer");
    assert_eq!(due, Some(scene.store.platform.now()), "nobody sleeps for a month");
    let delivery = scene.claim().await.expect("the same, now");
    scene.end(&delivery, Verdict::Taken).await;
    assert!(is(&scene.states().await, "begins", NoticeState::Sent));
}

#[tokio::test]
async fn a_notice_that_cannot_be_read_is_given_up_and_shown_as_such() {
    let scene = Scene::open().await;
    scene.tell("damaged", Event::AlertFiring).await;
    scene.tell("whole", Event::AlertFiring).await;
    scene.damage("UPDATE notices SET notice = '{\"event\":' WHERE notice LIKE '%damaged%'", args![]).await;
    let delivery = scene.claim().await.expect("the next one");
    assert_eq!(delivery.notice.title, "whole");
    let log = log(&scene.store.platform, &scene.may, scene.route, &PageRequest::default()).await.expect("a log").items;
    assert_eq!((log[1].state, log[1].answer.as_deref()), (NoticeState::Failed, Some("given up: what it tells cannot be read")));
    assert_eq!(log[1].notice.title, "A notice that cannot be read");
    assert_eq!(log[0].notice.title, "whole");
    let mut other = form("other", URL);
    other.events = vec!["alert.resolved".into()];
    let other = create(&scene.store.platform, &scene.may, &other).await.expect("a route").route.id;
    scene.damage("UPDATE notice_routes SET events = 'all' WHERE id = $1", args![other]).await;
    scene.end(&delivery, Verdict::Taken).await;
    scene.tell("for both", Event::AlertFiring).await;
    let first = scene.claim().await.expect("one of them");
    let second = scene.claim().await.expect("the other");
    assert_eq!((first.notice.title.as_str(), second.notice.title.as_str()), ("for both", "for both"));
    assert_ne!(first.route, second.route);
}

#[tokio::test]
async fn a_mail_server_that_cannot_be_read_stops_mail_alone_until_it_is_set_again() {
    let scene = Scene::open().await;
    let root = scene.store.person("root", true).await;
    let site = root.may::<can::ManageAlerts, _>(&scene.store.platform, &Site).await.expect("allowed");
    let settings = |password: &str| MailForm {
        host: "mail.example.com".into(),
        port: "587".into(),
        security: "starttls".into(),
        username: "slipway".into(),
        password: password.into(),
        sender: "slipway@example.com".into(),
        recipients: "example.com".into(),
    };
    mail::put(&scene.store.platform, &site, &settings("hunter2")).await.expect("set");
    let post = RouteForm { kind: "email".into(), ..form("post", "ops@example.com") };
    create(&scene.store.platform, &scene.may, &post).await.expect("a route");
    let damages = ["UPDATE mail_settings SET password = target FROM notice_routes", "UPDATE mail_settings SET security = 'pigeons'"];
    for sql in damages {
        scene.damage(sql, args![]).await;
        scene.tell("begins", Event::AlertFiring).await;
        let mut reached = Vec::new();
        while let Some(delivery) = scene.claim().await {
            if delivery.kind == RouteKind::Email {
                let why = delivery.mail.as_ref().expect_err("it cannot be sent");
                assert!(why.contains("operators"), "{why}");
                scene.end(&delivery, Verdict::Refused).await;
            } else {
                scene.end(&delivery, Verdict::Taken).await;
            }
            reached.push(delivery.kind);
        }
        assert!(reached.contains(&RouteKind::Email) && reached.contains(&RouteKind::Webhook), "{reached:?}");
        scene.store.later(7_200);
    }
    mail::put(&scene.store.platform, &site, &settings("")).await.expect_err("the password is gone");
    mail::put(&scene.store.platform, &site, &settings("hunter2")).await.expect("set again");
    let delivery = scene.claim().await.expect("mail that waited");
    assert_eq!(delivery.mail.expect("a way").order.recipients, ["example.com"]);
}

#[tokio::test]
async fn what_waits_for_two_days_is_given_up_where_the_route_is_off_and_tried_where_it_is_on() {
    let scene = Scene::open().await;
    scene.tell("begins", Event::AlertFiring).await;
    scene.store.later(3 * 86_400);
    work::tidy(&scene.store.worker).await.expect("tidied");
    assert!(is(&scene.states().await, "begins", NoticeState::Queued), "the portal was away, not the route");
    let off = RouteForm { disabled: true, ..form("ops", "") };
    update(&scene.store.platform, &scene.may, scene.route, &off).await.expect("switched off");
    assert!(scene.claim().await.is_none());
    work::tidy(&scene.store.worker).await.expect("tidied");
    let log = log(&scene.store.platform, &scene.may, scene.route, &PageRequest::default()).await.expect("a log").items;
    assert_eq!(log[0].state, NoticeState::Failed);
    assert!(log[0].answer.as_deref().is_some_and(|why| why.contains("switched off")), "{:?}", log[0].answer);
}
