//! Deliveries over a real database: what deploys, what a repeat gets, who is refused.

use std::time::Duration;

use model::access::Role;
use model::descriptor::Descriptor;
use model::hooks::{HookForm, HookOutcome, HookRule};
use model::names::{EnvironmentName, HookName, ProjectName, ServiceName};
use model::page::PageRequest;
use model::views::deployments::DeploymentState;
use model::views::hooks::NewHook;

use super::*;
use crate::access::{Actor, Credential, can};
use crate::deployments::{self, Intent, Request};
use crate::services::{self, ServiceKey};
use crate::templates::Surroundings;
use crate::testing::Store;
use crate::{Error, Result};

mod bounds;
mod remembered;
mod replays;
mod secrets;

/// A project with a service that was deployed once, and a hook of it.
struct Shop {
    store: Store,
    ana: Actor,
    project: ProjectName,
    service: ServiceName,
    hook: NewHook,
}

fn form(name: &str) -> HookForm {
    HookForm { name: name.into(), environment: "local".into(), ..HookForm::default() }
}

impl Shop {
    async fn open() -> Self {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let project = store.project("shop", &ana, Role::Admin).await;
        for (tag, digit) in [("1", 'a'), ("2", 'b'), ("3", 'c')] {
            store.image(&project, "web", tag, digit).await;
        }
        let service: ServiceName = "web".parse().expect("a name");
        services::create(&store.platform, &store.may(&ana, &project).await, &service).await.expect("created");
        let key = ServiceKey { project: &project, service: &service };
        let may = ana.may::<can::Deploy, _>(&store.platform, &key).await.expect("allowed");
        let descriptor = Descriptor::parse("image: web:1\ncommand: [sleep]\nreplicas: 1\n").expect("a descriptor");
        deployments::deploy(&store.platform, &may, &Request { intent: Intent::default(), descriptor }).await.expect("deployed");
        let may = ana.may::<can::ManageHooks, _>(&store.platform, &key).await.expect("allowed");
        let hook = create(&store.platform, &may, &form("ci")).await.expect("made");
        Self { store, ana, project, service, hook }
    }

    async fn may<P: can::Permission>(&self) -> May<P, Service> {
        self.store.later(1);
        let key = ServiceKey { project: &self.project, service: &self.service };
        self.ana.may(&self.store.platform, &key).await.expect("allowed")
    }

    fn name(&self) -> HookName {
        self.hook.hook.name.clone()
    }

    async fn send(&self, headers: &[(&str, &str)], body: &str) -> Result<Delivered> {
        self.send_with(&self.hook.secret, headers, body).await
    }

    async fn send_with(&self, secret: &str, headers: &[(&str, &str)], body: &str) -> Result<Delivered> {
        self.store.later(1);
        let bearer = format!("Bearer {secret}");
        self.send_now(&[headers, &[("authorization", bearer.as_str())]].concat(), body).await
    }

    /// With the proof among the headers, at the time that it is.
    async fn send_now(&self, headers: &[(&str, &str)], body: &str) -> Result<Delivered> {
        let headers = headers.iter().copied();
        let received = Received { envelope: Envelope::of(headers), body: body.as_bytes().to_vec(), address: "192.0.2.7".into() };
        let address = self.hook.hook.path.trim_start_matches("/hooks/");
        deliver(&self.store.platform, &Surroundings::default(), address, received).await
    }

    async fn deployments(&self) -> Vec<model::views::deployments::DeploymentView> {
        let page = deployments::list(&self.store.platform, &self.may::<can::SeeServices>().await, &PageRequest::default()).await;
        page.expect("read").items
    }

    async fn log(&self) -> Vec<model::views::hooks::HookDeliveryView> {
        let may = self.may::<can::ManageHooks>().await;
        deliveries(&self.store.platform, &may, &self.name(), &PageRequest::default()).await.expect("read").items
    }
}

#[tokio::test]
async fn a_delivery_becomes_a_deployment_of_what_runs_with_another_image() {
    let shop = Shop::open().await;
    let body =
        r#"{"tag": "2", "commit": "7fd1a60b", "ref": "refs/heads/main", "build_url": "https://ci.example/7", "actor": "bo", "message": "Prices"}"#;
    let done = shop.send(&[], body).await.expect("delivered");
    assert_eq!((done.answer.outcome, done.answer.status(), done.repeated), (HookOutcome::Accepted, 202, false));
    let all = shop.deployments().await;
    assert_eq!((all.len(), all[0].image.as_str(), all[0].by.as_str(), all[0].why.as_str()), (2, "web:2", "hook-shop.web.ci", "Prices"));
    assert_eq!(Some(all[0].id), done.answer.deployment);
    let revision = deployments::revision(&shop.store.platform, &shop.may::<can::SeeServices>().await, all[0].revision).await.expect("read");
    assert_eq!(revision.descriptor.replicas, 1, "all else is as it was");
    let of = revision.revision;
    assert_eq!((of.commit.as_deref(), of.build.as_deref()), (Some("7fd1a60b"), Some("https://ci.example/7")));
    assert_eq!((of.reference.as_deref(), of.author.as_deref()), (Some("refs/heads/main"), Some("bo")));
    assert!(shop.store.audit().await.contains(&"deployment.create web".to_owned()));
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_another_body_under_its_name_none() {
    let shop = Shop::open().await;
    let key = [("idempotency-key", "build-7")];
    let first = shop.send(&key, r#"{"tag": "2"}"#).await.expect("delivered");
    for _ in 0..3 {
        let again = shop.send(&key, r#"{"tag": "2"}"#).await.expect("delivered");
        assert_eq!((again.answer, again.repeated), (first.answer.clone(), true));
    }
    assert_eq!(shop.deployments().await.len(), 2, "the first one and the hook's");
    let other = shop.send(&key, r#"{"tag": "3"}"#).await.expect_err("another body");
    assert!(matches!(&other, Error::Invalid(fields) if fields[0].field == "idempotency-key"), "{other}");
    let wrong = [("idempotency-key", "build-8")];
    let refused = shop.send(&wrong, r#"{"tag": "nine"}"#).await.expect("answered");
    shop.store.image(&shop.project, "web", "nine", 'd').await;
    assert_eq!(shop.send(&wrong, r#"{"tag": "nine"}"#).await.expect("answered").answer, refused.answer, "also where it was refused");
    assert_eq!(refused.answer.status(), 422);
    assert_eq!(shop.deployments().await.len(), 2);
    let unnamed = [shop.send(&[], r#"{"tag": "2"}"#).await.expect("one"), shop.send(&[], r#"{"tag": "2"}"#).await.expect("two")];
    assert_ne!(unnamed[0].answer.deployment, unnamed[1].answer.deployment, "without a name each is a new one");
}

#[tokio::test]
async fn many_at_once_are_one_deployment() {
    let shop = Shop::open().await;
    let key = [("x-github-delivery", "72d3162e"), ("content-type", "application/json")];
    let all = futures::future::join_all((0..40).map(|_| shop.send(&key, r#"{"tag": "2"}"#))).await;
    let answers: Vec<_> = all.into_iter().map(|one| one.expect("delivered")).collect();
    assert_eq!(answers.iter().filter(|one| !one.repeated).count(), 1);
    assert!(answers.iter().all(|one| one.answer == answers[0].answer));
    assert_eq!(shop.deployments().await.len(), 2);
    assert_eq!(shop.log().await.len(), 1);
}

#[tokio::test]
async fn what_a_killed_portal_left_is_taken_over_once_and_deployed_once() {
    let shop = Shop::open().await;
    let key = [("idempotency-key", "build-9")];
    shop.send(&key, r#"{"tag": "2"}"#).await.expect("delivered");
    let mut write = shop.store.platform.bookkeeping().await.expect("a transaction");
    // As it is when the portal was killed before it deployed.
    write.exec("UPDATE hook_deliveries SET status = NULL, answer = NULL, deployment_id = NULL", crate::args![]).await.expect("a row");
    write.finish().await.expect("kept");
    shop.store.later(120);
    let again = shop.send(&key, r#"{"tag": "2"}"#).await.expect("taken over");
    assert_eq!((again.answer.outcome, again.repeated), (HookOutcome::Accepted, false));
    assert!(shop.send(&key, r#"{"tag": "2"}"#).await.expect("answered").repeated);
}

#[tokio::test]
async fn a_wrong_proof_and_an_unknown_hook_are_the_same_and_slowed_down() {
    let shop = Shop::open().await;
    let wrong = shop.send_with("whsec_d3Jvbmc=", &[], r#"{"tag": "2"}"#).await.expect_err("refused");
    let received = Received { envelope: Envelope::of([("authorization", "Bearer x")]), body: Vec::new(), address: "192.0.2.8".into() };
    let unknown = deliver(&shop.store.platform, &Surroundings::default(), &"0".repeat(32), received.clone()).await.expect_err("refused");
    assert_eq!(wrong.problem(), unknown.problem());
    assert!(matches!(wrong, Error::NotFound { .. }));
    let mut slowed = false;
    for _ in 0..10 {
        let again = deliver(&shop.store.platform, &Surroundings::default(), &"0".repeat(32), received.clone()).await.expect_err("refused");
        slowed |= matches!(again, Error::TooMany { .. });
    }
    assert!(slowed);
    assert!(shop.log().await.is_empty(), "what proves nothing is not kept");
    shop.send(&[], r#"{"tag": "2"}"#).await.expect("a right proof comes in all the same");
}

#[tokio::test]
async fn what_does_not_fit_is_ignored_or_refused_with_the_reason() {
    let shop = Shop::open().await;
    let may = shop.may::<can::ManageHooks>().await;
    let rule = HookRule::read("{2,9}", "", "main", "", "").expect("a rule");
    update(&shop.store.platform, &may, &shop.name(), &HookChange { rule: Some(rule), disabled: None }).await.expect("changed");
    let said = |done: Delivered| (done.answer.status(), done.answer.message);
    let old = said(shop.send(&[], r#"{"tag": "1", "ref": "main"}"#).await.expect("answered"));
    assert!(old.0 == 200 && old.1.contains("ignored, because the tag 1"), "{old:?}");
    let branch = said(shop.send(&[], r#"{"tag": "2", "ref": "feature"}"#).await.expect("answered"));
    assert!(branch.0 == 200 && branch.1.contains("the branch feature"), "{branch:?}");
    let other = said(shop.send(&[], r#"{"image": "api:2", "ref": "main"}"#).await.expect("answered"));
    assert!(other.0 == 422 && other.1.contains("this service runs web:1"), "{other:?}");
    let missing = shop.send(&[], r#"{"tag": "9", "ref": "main"}"#).await.expect("answered").answer;
    assert!(missing.status() == 422 && missing.problem.is_some_and(|problem| problem.fields[0].field == "descriptor.image"));
    assert_eq!(shop.deployments().await.len(), 1);
    assert_eq!(shop.log().await.len(), 4, "all of them are kept");
}

#[tokio::test]
async fn a_rotated_secret_holds_on_for_its_time_and_a_disabled_hook_refuses() {
    let shop = Shop::open().await;
    let may = shop.may::<can::ManageHooks>().await;
    let fresh = rotate(&shop.store.platform, &may, &shop.name(), 1, "").await.expect("rotated");
    assert_ne!(fresh.secret, shop.hook.secret);
    assert!(fresh.hook.previous_ends.is_some());
    for secret in [&fresh.secret, &shop.hook.secret] {
        shop.send_with(secret, &[], r#"{"tag": "2"}"#).await.expect("both hold");
    }
    shop.store.later(3700);
    assert!(shop.send(&[], r#"{"tag": "2"}"#).await.is_err(), "the old one ended");
    shop.send_with(&fresh.secret, &[], r#"{"tag": "2"}"#).await.expect("the new one holds");
    let off = HookChange { rule: None, disabled: Some(true) };
    update(&shop.store.platform, &may, &shop.name(), &off).await.expect("disabled");
    let refused = shop.send_with(&fresh.secret, &[], r#"{"tag": "2"}"#).await.expect_err("disabled");
    assert!(matches!(refused, Error::Forbidden(_)), "{refused}");
    delete(&shop.store.platform, &may, &shop.name()).await.expect("deleted");
    assert!(matches!(shop.send_with(&fresh.secret, &[], "{}").await, Err(Error::NotFound { .. })));
    let audit = shop.store.audit().await;
    for action in ["hook.create web", "hook.rotate web", "hook.update web", "hook.delete web"] {
        assert!(audit.contains(&action.to_owned()), "{action}");
    }
}

#[tokio::test]
async fn a_delivery_is_kept_without_its_proof_and_can_be_delivered_again() {
    let shop = Shop::open().await;
    let headers = [("user-agent", "jenkins"), ("idempotency-key", "build-1")];
    let refused = shop.send(&headers, r#"{"tag": "late"}"#).await.expect("answered");
    assert_eq!(refused.answer.outcome, HookOutcome::Refused, "the image is not there yet");
    shop.store.image(&shop.project, "web", "late", 'e').await;
    let may = shop.may::<can::ManageHooks>().await;
    let id = shop.log().await[0].id;
    let kept = delivery(&shop.store.platform, &may, &shop.name(), id).await.expect("kept");
    assert_eq!(kept.body.as_deref(), Some(r#"{"tag": "late"}"#));
    assert!(kept.headers.contains(&("user-agent".into(), "jenkins".into())));
    assert!(!format!("{kept:?}").contains(&shop.hook.secret), "no proof is kept");
    let again = redeliver(&shop.store.platform, &may, &Surroundings::default(), &shop.name(), id).await.expect("done");
    assert_eq!((again.redelivery_of, again.redelivered_by.as_deref(), again.status), (Some(id), Some("ana"), Some(202)));
    assert_eq!(shop.deployments().await[0].image, "web:late");
    assert!(shop.store.audit().await.contains(&"hook.redeliver web".to_owned()));
}

#[tokio::test]
async fn whoever_waits_learns_the_end() {
    let shop = Shop::open().await;
    let done = shop.send(&[], r#"{"tag": "2"}"#).await.expect("delivered");
    let late = wait(&shop.store.platform, &done, Duration::ZERO).await.expect("as it is");
    assert_eq!((late.outcome, late.status()), (HookOutcome::UnderWay, 504));
    let newer = shop.send(&[], r#"{"tag": "3"}"#).await.expect("delivered");
    let ended = wait(&shop.store.platform, &done, Duration::from_secs(60)).await.expect("the end");
    assert_eq!((ended.outcome, ended.status(), ended.state), (HookOutcome::Superseded, 409, Some(DeploymentState::Superseded)));
    let deployment = newer.answer.deployment.expect("one");
    let waiting = wait(&shop.store.platform, &newer, Duration::from_secs(60));
    let cancelling = async {
        let key = newer.deployment.clone().expect("one");
        let may = shop.ana.may::<can::Deploy, _>(&shop.store.platform, &key).await.expect("allowed");
        deployments::cancel(&shop.store.platform, &may).await.expect("cancelled");
    };
    let (ended, ()) = futures::future::join(waiting, cancelling).await;
    let ended = ended.expect("the end");
    assert_eq!((ended.outcome, ended.status(), ended.deployment), (HookOutcome::Failed, 422, Some(deployment)));
}

#[tokio::test]
async fn a_hook_is_no_way_to_anything_else() {
    let shop = Shop::open().await;
    let may = shop.may::<can::ManageHooks>().await;
    assert!(matches!(may.actor().credential(), Credential::Password { .. }));
    let hook = rows::named(&mut shop.store.platform.read().await.expect("a transaction"), may.id, &shop.name()).await.expect("it");
    let actor = hook.actor("192.0.2.7");
    let platform = &shop.store.platform;
    assert!(matches!(actor.may::<can::ManageHooks, _>(platform, &may.id).await, Err(Error::Forbidden(_))));
    assert!(matches!(actor.may::<can::OpenShell, _>(platform, &shop.project).await, Err(Error::Forbidden(_))));
    assert!(matches!(actor.may::<can::Push, _>(platform, &shop.project).await, Err(Error::Forbidden(_))));
    let other = shop.store.project("other", &shop.ana, Role::Admin).await;
    assert!(matches!(actor.may::<can::SeeProject, _>(platform, &other).await, Err(Error::NotFound { .. })));
    let place: EnvironmentName = "local".parse().expect("a name");
    assert_eq!(hook.environment, place);
    services::delete(platform, &shop.may::<can::DeleteService>().await).await.expect("deleted");
    assert!(matches!(shop.send(&[], r#"{"tag": "2"}"#).await, Err(Error::NotFound { .. })), "it ends with its service");
}
