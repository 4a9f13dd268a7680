//! What routes hear of deployments: each step once, in the order in which it happened, with what people and programs need to know of it.

use model::ids::NoticeRouteId;
use model::notices::{Event, Notice, RouteForm, Tone};
use model::page::PageRequest;

use super::*;
use crate::notices::{self, Managing};

const ONE: &str = "image: web:1";

/// A project with a route that tells of deployments.
struct Told {
    shop: Shop,
    boss: Actor,
    managing: Managing,
    route: NoticeRouteId,
}

fn route_for(events: &[Event]) -> RouteForm {
    let events = events.iter().map(ToString::to_string).collect();
    RouteForm { name: "ops".into(), kind: "slack".into(), address: "https://hooks.example.com/a".into(), events, ..RouteForm::default() }
}

impl Told {
    async fn open() -> Self {
        let shop = Shop::open().await;
        let boss = shop.store.person("boss", true).await;
        let managing = Managing::of(shop.platform(), &boss, Some(&shop.project)).await.expect("allowed");
        let made = notices::create(shop.platform(), &managing, &route_for(&Event::CHOSEN)).await.expect("a route");
        Self { shop, boss, managing, route: made.route.id }
    }

    /// All that was told, oldest first.
    async fn notices(&self) -> Vec<Notice> {
        let log = notices::log(self.shop.platform(), &self.managing, self.route, &PageRequest::default()).await.expect("a log");
        log.items.into_iter().rev().map(|view| view.notice).collect()
    }

    async fn last(&self) -> Notice {
        self.notices().await.pop().expect("a notice")
    }

    async fn events(&self) -> Vec<Event> {
        self.notices().await.into_iter().map(|notice| notice.event).collect()
    }

    async fn protect(&self) {
        let mut write = self.shop.platform().bookkeeping().await.expect("a transaction");
        write.exec("UPDATE environments SET protected = TRUE", args![]).await.expect("written");
        write.finish().await.expect("kept");
    }

    async fn on<P: can::Permission>(&self, who: &Actor, deployment: &DeploymentView) -> May<P, Deployment> {
        self.shop.store.later(1);
        who.may(self.shop.platform(), &deployment.id).await.expect("allowed")
    }
}

fn fact(notice: &Notice, name: &str) -> Option<String> {
    notice.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

#[tokio::test]
async fn a_deployment_is_told_when_it_begins_and_when_it_serves() {
    let told = Told::open().await;
    let shop = &told.shop;
    let intent =
        Intent { why: "a fix\nfor all".into(), commit: Some("4f2a9c1".into()), build: Some("https://ci.example.com/7".into()), ..Intent::default() };
    let request = Request { intent, ..request(ONE) };
    let deployment = deploy(shop.platform(), &shop.may().await, &request).await.expect("deployed");
    assert!(told.notices().await.is_empty(), "it waits for its turn");
    assert!(shop.advance(deployment.id, DeploymentState::Pulling).await);
    shop.store.later(60);
    shop.succeed(&deployment).await;
    let notices = told.notices().await;
    let titles: Vec<&str> = notices.iter().map(|notice| notice.title.as_str()).collect();
    let subject = "deployment of revision 1 \u{2014} shop/web in local";
    assert_eq!(titles, [format!("Started: {subject}"), format!("Succeeded: {subject}")]);
    assert_eq!([notices[0].event, notices[1].event], [Event::DeploymentStarted, Event::DeploymentSucceeded]);
    let good = &notices[1];
    assert_eq!((good.tone, good.project.as_ref()), (Tone::Good, Some(&shop.project)));
    assert_eq!(good.link, format!("/projects/shop/services/web/deployments/{}", deployment.id));
    let known = [
        ("service", "web"),
        ("environment", "local"),
        ("revision", "1"),
        ("image", "web:1"),
        ("kind", "deploy"),
        ("state", "succeeded"),
        ("by", "ana"),
        ("why", "a fix for all"),
        ("commit", "4f2a9c1"),
        ("build", "https://ci.example.com/7"),
    ];
    for (name, value) in known {
        assert_eq!(fact(good, name).as_deref(), Some(value), "{name}: {good:?}");
    }
    assert!(fact(good, "duration").is_some_and(|took| took.starts_with("1 min ")), "{good:?}");
    assert_eq!(fact(&notices[0], "duration"), None, "it is not over");
    assert!(good.text.contains("a fix for all"), "{}", good.text);
}

#[tokio::test]
async fn what_fails_is_told_with_why_and_what_serves_now() {
    let told = Told::open().await;
    let shop = &told.shop;
    let worker = &shop.store.worker;
    let first = shop.deploy(ONE).await;
    shop.succeed(&first).await;
    let second = shop.deploy("image: web:1\nreplicas: 2").await;
    assert!(shop.advance(second.id, DeploymentState::Rolling).await);
    let why = Reason::new("exited", "web.1: it ended; revision 1 serves on. Its last lines:\npanic: no \u{202e}database");
    assert!(work::advance(worker, second.id, DeploymentState::RolledBack, Some(&why)).await.expect("recorded"));
    let back = told.last().await;
    assert_eq!((back.event, back.tone), (Event::DeploymentRolledBack, Tone::Warning));
    assert!(back.title.starts_with("Failed and rolled back: deployment of revision 2"), "{}", back.title);
    assert_eq!(back.text, "web.1: it ended; revision 1 serves on. Its last lines:\npanic: no  database");
    assert_eq!(fact(&back, "reason").as_deref(), Some("web.1: it ended; revision 1 serves on."));
    assert_eq!(fact(&back, "reason code").as_deref(), Some("exited"));

    let third = shop.deploy(ONE).await;
    let why = Reason::new("image_not_found", "the registry does not have it; revision 1 stays what should run");
    assert!(work::advance(worker, third.id, DeploymentState::Failed, Some(&why)).await.expect("recorded"));
    let failed = told.last().await;
    assert_eq!((failed.event, failed.tone), (Event::DeploymentFailed, Tone::Critical));
    assert_eq!(fact(&failed, "duration"), None, "no work began");
    // News of what is over tells nothing again.
    assert!(!work::advance(worker, third.id, DeploymentState::Failed, Some(&why)).await.expect("recorded"));
    let events = told.events().await;
    assert_eq!(events.len(), 5, "{events:?}");
}

#[tokio::test]
async fn whoever_heard_that_one_waits_hears_what_was_decided() {
    let told = Told::open().await;
    let (shop, platform) = (&told.shop, told.shop.platform());
    told.protect().await;
    shop.deploy(ONE).await;
    let pending = told.last().await;
    assert_eq!((pending.event, pending.tone), (Event::DeploymentPending, Tone::Warning));
    assert!(pending.title.starts_with("Waits for approval: deployment of revision 1"), "{}", pending.title);
    assert!(pending.text.contains("approves or refuses it until 20"), "{}", pending.text);

    let second = shop.deploy(ONE).await;
    refuse(platform, &told.on(&told.boss, &second).await, "not today").await.expect("refused");
    let refused = told.last().await;
    assert!(refused.title.starts_with("Refused: ") && refused.text.contains("not today"), "{refused:?}");
    assert_eq!(fact(&refused, "refused by").as_deref(), Some("boss"));

    shop.deploy(ONE).await;
    shop.store.later(25 * 3_600);
    assert_eq!(expire(&shop.store.worker).await.expect("looked"), 1);
    assert!(told.last().await.title.starts_with("Expired: "));

    let fourth = shop.deploy(ONE).await;
    approve(platform, &told.on(&told.boss, &fourth).await, "go").await.expect("approved");
    assert!(shop.advance(fourth.id, DeploymentState::Pulling).await);
    let started = told.last().await;
    assert_eq!((started.event, fact(&started, "approved by").as_deref()), (Event::DeploymentStarted, Some("boss")));
    cancel(platform, &told.on(&shop.ana, &fourth).await).await.expect("cancelled");
    assert!(told.last().await.title.starts_with("Cancelled: "));

    let states: Vec<String> = told.notices().await.iter().filter_map(|notice| fact(notice, "state")).collect();
    let wanted = ["pending", "superseded", "pending", "refused", "pending", "expired", "pending", "pulling", "cancelled"];
    assert_eq!(states, wanted, "each once, and in order");
}

#[tokio::test]
async fn what_never_began_is_not_told_and_routes_hear_what_they_chose() {
    let told = Told::open().await;
    let shop = &told.shop;
    let site = Managing::of(shop.platform(), &told.boss, None).await.expect("allowed");
    let made = notices::create(shop.platform(), &site, &route_for(&[Event::DeploymentSucceeded])).await.expect("a route");
    let eve = shop.store.person("eve", false).await;
    let elsewhere = shop.store.project("elsewhere", &eve, Role::Admin).await;
    let other = Managing::of(shop.platform(), &eve, Some(&elsewhere)).await.expect("allowed");
    let deaf = notices::create(shop.platform(), &other, &route_for(&Event::CHOSEN)).await.expect("a route");
    shop.deploy(ONE).await;
    let second = shop.deploy(ONE).await;
    assert!(told.notices().await.is_empty(), "the first was superseded in the queue");
    shop.succeed(&second).await;
    assert_eq!(told.events().await, [Event::DeploymentStarted, Event::DeploymentSucceeded]);
    let log = notices::log(shop.platform(), &site, made.route.id, &PageRequest::default()).await.expect("a log").items;
    let heard: Vec<Event> = log.into_iter().map(|view| view.notice.event).collect();
    assert_eq!(heard, [Event::DeploymentSucceeded], "operators hear of any project what they chose");
    let log = notices::log(shop.platform(), &other, deaf.route.id, &PageRequest::default()).await.expect("a log").items;
    assert!(log.is_empty(), "of another project nothing");
}

#[tokio::test]
async fn a_service_that_is_deleted_in_the_middle_says_so_and_leads_to_what_is_left() {
    let told = Told::open().await;
    let shop = &told.shop;
    let deployment = shop.deploy(ONE).await;
    assert!(shop.advance(deployment.id, DeploymentState::Rolling).await);
    let may = shop.may_as(&told.boss).await.expect("allowed");
    services::delete(shop.platform(), &may).await.expect("deleted");
    let last = told.last().await;
    assert_eq!((last.event, last.link.as_str()), (Event::DeploymentCancelled, "/projects/shop"));
    assert_eq!(fact(&last, "reason").as_deref(), Some("the service was deleted"));
}

#[tokio::test]
async fn who_overrides_a_freeze_is_told() {
    let told = Told::open().await;
    let shop = &told.shop;
    let mut write = shop.platform().bookkeeping().await.expect("a transaction");
    write.exec("UPDATE environments SET frozen_at = 1, frozen_by = 'ana', frozen_why = 'the stocktaking'", args![]).await.expect("written");
    write.finish().await.expect("kept");
    let intent = Intent { why: "a leak is closed".into(), override_freeze: true, ..Intent::default() };
    let may = shop.may_as(&told.boss).await.expect("allowed");
    let deployment = deploy(shop.platform(), &may, &Request { intent, ..request(ONE) }).await.expect("deployed");
    assert!(shop.advance(deployment.id, DeploymentState::Pulling).await);
    let started = told.last().await;
    assert_eq!((fact(&started, "overridden by").as_deref(), fact(&started, "why").as_deref()), (Some("boss"), Some("a leak is closed")));
}
