//! Who lets what into an environment: somebody else than who asked, only what did not change since, and nothing while it is frozen.

use model::views::deployments::{Override, PlanView};

use super::*;
use crate::configs::{self, Content, Edit, HolderKey};

impl Town {
    async fn managed(&self, place: &str) -> May<can::ManageEnvironments, Environment> {
        self.root.may(self.platform(), &name(place)).await.expect("it is there")
    }

    async fn deploy_as(&self, who: &Actor, intent: Intent) -> Result<DeploymentView> {
        deployments::deploy(self.platform(), &self.may(who).await, &Request { intent, ..request("local") }).await
    }

    async fn plan_of(&self, who: &Actor, deployment: &DeploymentView) -> PlanView {
        deployments::plan_of(self.platform(), &self.on(who, deployment).await.expect("allowed")).await.expect("a plan")
    }

    async fn ask_again(&self, who: &Actor, deployment: &DeploymentView) -> Result<DeploymentView> {
        self.store.later(1);
        deployments::ask_again(self.platform(), &self.on(who, deployment).await.expect("allowed"), &Intent::default()).await
    }

    async fn approve_frozen(&self, who: &Actor, deployment: &DeploymentView, why: &str) -> Result<DeploymentView> {
        deployments::approve_frozen(self.platform(), &self.on(who, deployment).await.expect("allowed"), why).await
    }

    async fn variable(&self, text: &str) {
        self.store.later(1);
        let key = HolderKey { project: &self.project, service: None };
        let may = self.dev.may(self.platform(), &key).await.expect("allowed");
        configs::put(self.platform(), &may, None, "LOG_LEVEL", &Content::Variable(text.into()), &Edit::default()).await.expect("set");
    }
}

fn because(place: &str, why: &str) -> Intent {
    Intent { why: why.into(), ..intent(place) }
}

fn overriding(place: &str, why: &str) -> Intent {
    Intent { override_freeze: true, ..because(place, why) }
}

fn changes(plan: &PlanView) -> Vec<(&str, Option<&str>, Option<&str>)> {
    plan.changed_since.iter().map(|change| (change.field.as_str(), change.before.as_deref(), change.after.as_deref())).collect()
}

#[tokio::test]
async fn nobody_approves_their_own_where_somebody_else_must() {
    let town = Town::open().await;
    town.put("prod", EnvironmentOrder { second_person: true, ..open_to_all(true) }).await;
    let own = town.deploy_as(&town.ana, intent("prod")).await.expect("accepted");
    assert_eq!(code(town.approve(&town.ana, &own).await), "own_request");
    let told = |plan: &PlanView| plan.notes.iter().any(|note| note.contains("somebody else approves it"));
    assert!(told(&town.plan_of(&town.ana, &own).await) && !told(&town.plan_of(&town.root, &own).await));
    assert_eq!(town.approve(&town.root, &own).await.expect("approved").state, DeploymentState::Queued);
    // Operators neither. Everybody may take back what they asked for.
    let theirs = town.deploy_as(&town.root, intent("prod")).await.expect("accepted");
    assert_eq!(code(town.approve(&town.root, &theirs).await), "own_request");
    let may = town.on(&town.root, &theirs).await.expect("allowed");
    assert_eq!(deployments::refuse(town.platform(), &may, "a mistake").await.expect("refused").state, DeploymentState::Refused);
}

#[tokio::test]
async fn who_may_approve_is_shown_what_waits() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    let waiting = town.try_deploy("prod").await.expect("accepted");
    town.try_deploy("local").await.expect("accepted");
    let shown = async |who: &Actor| {
        let visible = who.visible::<can::Approve>().expect("signed in");
        let page = deployments::to_approve(town.platform(), &visible, &model::page::PageRequest::default()).await.expect("read");
        page.items.iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!((shown(&town.ana).await, shown(&town.root).await), (vec![waiting.id], vec![waiting.id]));
    assert!(shown(&town.dev).await.is_empty() && shown(&town.store.person("bob", false).await).await.is_empty());
    town.approve(&town.ana, &waiting).await.expect("approved");
    assert!(shown(&town.ana).await.is_empty());
}

#[tokio::test]
async fn who_refuses_says_why() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    let waiting = town.try_deploy("prod").await.expect("accepted");
    let may = town.on(&town.ana, &waiting).await.expect("allowed");
    assert!(wrong(deployments::refuse(town.platform(), &may, " ").await).starts_with("why: "));
    assert_eq!(town.now(&waiting).await.state, DeploymentState::Pending);
}

#[tokio::test]
async fn an_image_that_changed_since_is_asked_for_again() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    let waiting = town.deploy_as(&town.dev, because("prod", "the new prices")).await.expect("accepted");
    assert!(changes(&town.plan_of(&town.ana, &waiting).await).is_empty());
    let newer = town.store.image(&town.project, "web", "1", 'b').await;
    let refused = town.approve(&town.ana, &waiting).await;
    assert!(matches!(&refused, Err(Error::Conflict { code: "changed_since", message }) if message.contains("image content")), "{refused:?}");
    let plan = town.plan_of(&town.ana, &waiting).await;
    assert_eq!(changes(&plan), [("image content", Some(town.digest.as_str()), Some(newer.as_str()))]);
    assert_eq!(plan.digest.map(|digest| digest.to_string()), Some(town.digest.clone()), "what waits is what was asked for");
    assert_eq!(town.now(&waiting).await.state, DeploymentState::Pending, "it can be refused still");

    let again = town.ask_again(&town.dev, &waiting).await.expect("asked again");
    assert_eq!((again.state, again.revision, again.why.as_str()), (DeploymentState::Pending, 2, "the new prices"));
    assert_eq!(town.now(&waiting).await.state, DeploymentState::Superseded);
    assert_eq!(code(town.ask_again(&town.dev, &waiting).await), "not_waiting");
    assert!(changes(&town.plan_of(&town.ana, &again).await).is_empty());
    // What somebody looked at is what runs, also when the tag moves afterwards.
    town.approve(&town.ana, &again).await.expect("approved");
    town.store.image(&town.project, "web", "1", 'c').await;
    let detail = deployments::revision(town.platform(), &town.may(&town.dev).await, 2).await.expect("read");
    assert_eq!(detail.revision.digest.map(|digest| digest.to_string()), Some(newer));
    assert!(town.store.audit().await.contains(&"deployment.ask_again web".into()));
}

#[tokio::test]
async fn a_configuration_that_changed_since_is_asked_for_again() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    town.variable("info").await;
    let waiting = town.try_deploy("prod").await.expect("accepted");
    town.variable("debug").await;
    assert_eq!(code(town.approve(&town.ana, &waiting).await), "changed_since");
    assert_eq!(changes(&town.plan_of(&town.dev, &waiting).await), [("variables.LOG_LEVEL", Some("info"), Some("debug"))]);
    let guest = town.store.person("gus", false).await;
    town.join(&guest, Role::Guest).await;
    let hidden = town.plan_of(&guest, &waiting).await;
    let (field, before, after) = changes(&hidden)[0];
    assert_eq!(field, "variables.LOG_LEVEL");
    assert!(before != Some("info") && after != Some("debug"), "{hidden:?}");
    let again = town.ask_again(&town.ana, &waiting).await.expect("asked again");
    town.approve(&town.root, &again).await.expect("approved");
}

#[tokio::test]
async fn what_was_never_the_newest_does_not_change() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    for digit in ['a', 'b'] {
        town.store.image(&town.project, "web", "1", digit).await;
        let waiting = town.try_deploy("prod").await.expect("accepted");
        town.succeed(&town.approve(&town.ana, &waiting).await.expect("approved")).await;
    }
    let back = deployments::rollback(town.platform(), &town.may(&town.dev).await, &intent("prod"), 1).await.expect("accepted");
    town.store.image(&town.project, "web", "1", 'c').await;
    assert!(changes(&town.plan_of(&town.ana, &back).await).is_empty(), "its tag named another image before");
    // Asked again, it is still the earlier one.
    let again = town.ask_again(&town.dev, &back).await.expect("asked again");
    let detail = deployments::revision(town.platform(), &town.may(&town.dev).await, again.revision).await.expect("read");
    assert_eq!(detail.revision.digest.map(|digest| digest.to_string()), Some(town.digest.clone()));
    town.approve(&town.ana, &again).await.expect("approved");
}

#[tokio::test]
async fn an_image_of_another_registry_waits_only_by_its_content() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    let by = |image: &str| {
        let descriptor = Descriptor::parse(&format!("image: {image}")).expect("a descriptor");
        Request { descriptor, ..request("prod") }
    };
    let tag = by("docker.io/library/nginx:1.27");
    assert!(wrong(deployments::plan(town.platform(), &town.may(&town.dev).await, &tag).await).starts_with("descriptor.image: prod is protected"));
    assert!(wrong(deployments::deploy(town.platform(), &town.may(&town.dev).await, &tag).await).starts_with("descriptor.image: prod is protected"));
    let pinned = by(&format!("docker.io/library/nginx@sha256:{}", "a".repeat(64)));
    let waiting = deployments::deploy(town.platform(), &town.may(&town.dev).await, &pinned).await.expect("accepted");
    town.approve(&town.ana, &waiting).await.expect("approved");
}

#[tokio::test]
async fn what_runs_by_a_tag_of_another_registry_is_scaled_and_started_and_nothing_else_brings_it() {
    let town = Town::open().await;
    town.put("staging", open_to_all(false)).await;
    let descriptor = Descriptor::parse("image: docker.io/library/nginx:1.27\nreplicas: 1").expect("a descriptor");
    let tag = Request { descriptor, ..request("staging") };
    town.succeed(&deployments::deploy(town.platform(), &town.may(&town.dev).await, &tag).await.expect("accepted")).await;
    town.put("staging", open_to_all(true)).await;

    let scaled = deployments::scale(town.platform(), &town.may(&town.dev).await, &intent("staging"), 2).await.expect("it is there already");
    assert_eq!((scaled.state, scaled.revision), (DeploymentState::Pending, 2));
    town.succeed(&town.approve(&town.ana, &scaled).await.expect("approved")).await;
    deployments::stop(town.platform(), &town.may(&town.dev).await, &intent("staging")).await.expect("stopped");
    let started = deployments::start(town.platform(), &town.may(&town.dev).await, &intent("staging")).await.expect("it is there already");
    assert_eq!((started.state, started.revision), (DeploymentState::Pending, 2));
    let back = deployments::rollback(town.platform(), &town.may(&town.dev).await, &intent("staging"), 1).await;
    assert!(wrong(back).starts_with("descriptor.image: staging is protected"));
    assert!(
        wrong(deployments::deploy(town.platform(), &town.may(&town.dev).await, &tag).await).starts_with("descriptor.image: staging is protected")
    );
    assert_eq!(town.now(&started).await.state, DeploymentState::Pending, "what was refused took nobody's place");
}

#[tokio::test]
async fn what_changed_since_is_asked_for_again_by_operators_who_override_a_freeze() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    let waiting = town.deploy_as(&town.dev, because("prod", "the new prices")).await.expect("accepted");
    town.store.image(&town.project, "web", "1", 'b').await;
    freeze(town.platform(), &town.managed("prod").await, "stocktaking").await.expect("frozen");
    assert_eq!(code(town.ask_again(&town.dev, &waiting).await), "environment_frozen");
    let again = async |who: &Actor, why: &str| {
        town.store.later(1);
        deployments::ask_again(town.platform(), &town.on(who, &waiting).await.expect("allowed"), &overriding("prod", why)).await
    };
    assert_eq!(code(again(&town.ana, "urgent").await), "environment_frozen");
    assert!(wrong(again(&town.root, "").await).starts_with("why: "), "the reason of who asked first is not the operator's");
    assert_eq!(town.now(&waiting).await.state, DeploymentState::Pending);
    let made = again(&town.root, "urgent").await.expect("asked again");
    assert_eq!((made.state, made.overridden), (DeploymentState::Pending, Some(Override { by: "root".into(), why: "urgent".into() })));
}

#[tokio::test]
async fn nothing_is_brought_into_what_is_frozen_but_by_operators_who_say_why() {
    let town = Town::open().await;
    town.put("staging", open_to_all(false)).await;
    town.succeed(&town.try_deploy("staging").await.expect("accepted")).await;
    assert!(wrong(freeze(town.platform(), &town.managed("staging").await, " ").await).starts_with("why: "));
    let frozen = freeze(town.platform(), &town.managed("staging").await, "stocktaking").await.expect("frozen").frozen.expect("it is");
    assert_eq!((frozen.by.as_str(), frozen.why.as_str()), ("root", "stocktaking"));

    let refused = town.try_deploy("staging").await;
    assert!(matches!(&refused, Err(Error::Conflict { code: "environment_frozen", message }) if message.contains("stocktaking")), "{refused:?}");
    let seen = services::get(town.platform(), &town.may(&town.dev).await).await.expect("read");
    assert_eq!(seen.runs[0].frozen.as_ref(), Some(&frozen), "who looks at the service sees it there");
    let scaled = deployments::scale(town.platform(), &town.may(&town.dev).await, &intent("staging"), 3).await;
    let back = deployments::rollback(town.platform(), &town.may(&town.dev).await, &intent("staging"), 1).await;
    assert_eq!((code(scaled), code(back)), ("environment_frozen", "environment_frozen"));
    let plan = deployments::plan(town.platform(), &town.may(&town.dev).await, &request("staging")).await.expect("a plan");
    assert!(plan.frozen.is_some() && plan.notes.iter().any(|note| note.contains("stocktaking")), "{:?}", plan.notes);
    town.succeed(&town.try_deploy("local").await.expect("elsewhere it goes on")).await;
    let order = deployments::CloneOrder { from: name("local"), to: name("staging"), services: Vec::new(), why: String::new() };
    let cloned = deployments::clone_plan(town.platform(), &town.store.may(&town.dev, &town.project).await, &order).await.expect("a plan");
    assert_eq!(cloned.services[0].problems[0].field, "environment_frozen");
    let restart = deployments::restart(town.platform(), &town.may(&town.dev).await, &intent("staging")).await.expect("what runs is mended");
    town.succeed(&restart).await;

    assert_eq!(code(town.deploy_as(&town.ana, overriding("staging", "urgent")).await), "environment_frozen", "admins of a project do not");
    assert_eq!(code(town.deploy_as(&town.root, because("staging", "urgent")).await), "environment_frozen", "nobody does without knowing");
    assert!(wrong(town.deploy_as(&town.root, overriding("staging", "")).await).starts_with("why: "));
    let urgent = town.deploy_as(&town.root, overriding("staging", "urgent")).await.expect("accepted");
    assert_eq!((urgent.state, urgent.overridden), (DeploymentState::Queued, Some(Override { by: "root".into(), why: "urgent".into() })));
    deployments::stop(town.platform(), &town.may(&town.dev).await, &intent("staging")).await.expect("stopped");

    thaw(town.platform(), &town.managed("staging").await).await.expect("thawed");
    let seen = services::get(town.platform(), &town.may(&town.dev).await).await.expect("read");
    assert!(seen.runs.iter().all(|run| run.frozen.is_none()), "{seen:?}");
    assert_eq!(town.try_deploy("staging").await.expect("accepted").overridden, None);
    let audit = town.store.audit().await;
    for action in ["environment.freeze staging", "environment.override_freeze staging", "environment.thaw staging"] {
        assert!(audit.iter().any(|record| record == action), "{action} is not in {audit:?}");
    }
}

#[tokio::test]
async fn what_waits_for_an_approval_waits_on_while_it_is_frozen() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    let waiting = town.try_deploy("prod").await.expect("accepted");
    freeze(town.platform(), &town.managed("prod").await, "stocktaking").await.expect("frozen");
    for who in [&town.ana, &town.root] {
        assert_eq!(code(town.approve(who, &waiting).await), "environment_frozen");
    }
    assert_eq!(code(town.approve_frozen(&town.ana, &waiting, "urgent").await), "environment_frozen");
    assert!(wrong(town.approve_frozen(&town.root, &waiting, "").await).starts_with("why: "));
    assert_eq!(town.now(&waiting).await.state, DeploymentState::Pending);
    let approved = town.approve_frozen(&town.root, &waiting, "urgent").await.expect("approved");
    assert_eq!(approved.overridden, Some(Override { by: "root".into(), why: "urgent".into() }));
    assert_eq!(approved.decision.map(|decision| decision.why), Some(String::from("urgent")));
}
