use std::time::Duration;

use model::access::Role;
use model::descriptor::Descriptor;
use model::names::{EnvironmentName, ProjectName, ServiceName};
use model::views::deployments::{DeploymentState, DeploymentView};

use super::*;
use crate::access::{Actor, May, can};
use crate::deployments::{self, DeploymentKey, Intent, Request, work};
use crate::services::{self, ServiceKey};
use crate::testing::Store;

mod approvals;
mod behind;

/// A site with an operator, a project with an admin and a developer, an image and a service.
struct Town {
    store: Store,
    root: Actor,
    ana: Actor,
    dev: Actor,
    project: ProjectName,
    service: ServiceName,
    digest: String,
}

impl Town {
    async fn open() -> Self {
        let store = Store::open().await;
        let (root, ana, dev) = (store.person("root", true).await, store.person("ana", false).await, store.person("dev", false).await);
        let project = store.project("shop", &ana, Role::Admin).await;
        let digest = store.image(&project, "web", "1", 'a').await;
        let service: ServiceName = "web".parse().expect("a name");
        services::create(&store.platform, &store.may(&ana, &project).await, &service).await.expect("created");
        let town = Self { store, root, ana, dev, project, service, digest };
        town.join(&town.dev, Role::Developer).await;
        town
    }

    async fn join(&self, who: &Actor, role: Role) {
        let id = self.store.may::<can::SeeProject>(&self.ana, &self.project).await.id;
        let mut write = self.store.platform.bookkeeping().await.expect("a transaction");
        let sql = "INSERT INTO members (project_id, user_id, role, since) VALUES ($1, $2, $3, 0)";
        write.exec(sql, args![id, who.account().expect("an account").id, role]).await.expect("a member");
        write.finish().await.expect("kept");
    }

    fn platform(&self) -> &Platform {
        &self.store.platform
    }

    async fn site<P: can::Permission>(&self, who: &Actor) -> May<P, Site> {
        who.may(self.platform(), &Site).await.expect("allowed")
    }

    async fn put(&self, text: &str, order: EnvironmentOrder) -> bool {
        put(self.platform(), &self.site(&self.root).await, &name(text), &order).await.expect("kept").1
    }

    async fn may<P: can::Permission>(&self, who: &Actor) -> May<P, Service> {
        self.store.later(1);
        who.may(self.platform(), &ServiceKey { project: &self.project, service: &self.service }).await.expect("allowed")
    }

    async fn try_deploy(&self, place: &str) -> Result<DeploymentView> {
        deployments::deploy(self.platform(), &self.may(&self.dev).await, &request(place)).await
    }

    async fn on<P: can::Permission>(&self, who: &Actor, deployment: &DeploymentView) -> Result<May<P, deployments::Deployment>> {
        let key = DeploymentKey { project: self.project.clone(), service: self.service.clone(), deployment: deployment.id };
        who.may(self.platform(), &key).await
    }

    async fn approve(&self, who: &Actor, deployment: &DeploymentView) -> Result<DeploymentView> {
        deployments::approve(self.platform(), &self.on(who, deployment).await?, "looks good").await
    }

    async fn now(&self, deployment: &DeploymentView) -> DeploymentView {
        deployments::get(self.platform(), &self.on(&self.dev, deployment).await.expect("allowed")).await.expect("read")
    }

    /// What the engine's loop does with a deployment that goes well.
    async fn succeed(&self, deployment: &DeploymentView) {
        for state in [DeploymentState::Rolling, DeploymentState::Succeeded] {
            assert!(work::advance(&self.store.worker, deployment.id, state, None).await.expect("recorded"), "{state}");
        }
    }

    async fn key(&self, place: &str) -> work::WorkKey {
        let environment = name(place);
        let environment: May<can::ManageEnvironments, Environment> = self.root.may(self.platform(), &environment).await.expect("it is there");
        work::WorkKey { service: self.may::<can::SeeServices>(&self.dev).await.id, environment: environment.id }
    }

    async fn readable(&self, who: &Actor, text: &str) -> bool {
        let key = name(text);
        let found: Result<May<can::SeeEnvironments, _>> = who.may(self.platform(), &Readable { key, reader: who }).await;
        found.is_ok()
    }

    async fn listed(&self, who: &Actor) -> Vec<String> {
        let all = list(self.platform(), &self.site(who).await).await.expect("read");
        all.into_iter().map(|one| one.name.to_string()).collect()
    }
}

fn name(text: &str) -> EnvironmentName {
    text.parse().expect("a name")
}

fn request(place: &str) -> Request {
    let descriptor = Descriptor::parse("image: web:1\nreplicas: 2").expect("a descriptor");
    Request { intent: intent(place), descriptor }
}

fn intent(place: &str) -> Intent {
    Intent::in_environment(Some(name(place)))
}

/// An environment for some projects.
fn only(projects: &[&ProjectName]) -> EnvironmentOrder {
    EnvironmentOrder {
        description: "for tests".into(),
        registry_address: Some("10.0.0.5:3000".into()),
        protected: false,
        second_person: false,
        open: false,
        projects: projects.iter().map(|project| (*project).clone()).collect(),
    }
}

fn open_to_all(protected: bool) -> EnvironmentOrder {
    EnvironmentOrder { protected, open: true, ..only(&[]) }
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    match result {
        Err(Error::Conflict { code, .. }) => code,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

fn wrong<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(Error::Invalid(fields)) => format!("{}: {}", fields[0].field, fields[0].message),
        other => panic!("expected a wrong field, got {other:?}"),
    }
}

#[tokio::test]
async fn what_is_not_granted_is_as_if_it_were_missing() {
    let town = Town::open().await;
    assert!(town.put("staging", only(&[])).await);
    assert_eq!((town.listed(&town.dev).await, town.readable(&town.dev, "staging").await), (vec!["local".to_owned()], false));
    assert_eq!(town.listed(&town.root).await, ["local", "staging"]);
    let missing = wrong(town.try_deploy("nowhere").await);
    let refused = wrong(town.try_deploy("staging").await);
    assert_eq!(missing.replace("nowhere", "staging"), refused, "one does not tell it from one that is not there");
    let plan = deployments::plan(town.platform(), &town.may(&town.dev).await, &request("staging")).await;
    assert_eq!(wrong(plan), refused);
    for verb in ["rollback", "scale", "restart", "start"] {
        let may = town.may(&town.dev).await;
        let answer = match verb {
            "rollback" => deployments::rollback(town.platform(), &may, &intent("staging"), 1).await,
            "scale" => deployments::scale(town.platform(), &may, &intent("staging"), 3).await,
            "restart" => deployments::restart(town.platform(), &may, &intent("staging")).await,
            _ => deployments::start(town.platform(), &may, &intent("staging")).await,
        };
        assert_eq!(wrong(answer), refused, "{verb}");
    }

    // With the grant it is there.
    assert!(!town.put("staging", only(&[&town.project])).await);
    assert_eq!((town.listed(&town.dev).await, town.readable(&town.dev, "staging").await), (vec!["local".to_owned(), "staging".to_owned()], true));
    let deployment = town.try_deploy("staging").await.expect("granted");
    town.succeed(&deployment).await;
    // Of two, one must be named.
    assert!(
        wrong(deployments::deploy(town.platform(), &town.may(&town.dev).await, &Request { intent: Intent::default(), ..request("local") }).await)
            .contains("local, staging")
    );

    // When it is taken away, what runs there is seen and stopped, and nothing new is brought.
    town.put("staging", only(&[])).await;
    assert!(town.readable(&town.dev, "staging").await, "something of theirs runs there");
    assert!(wrong(town.try_deploy("staging").await).contains("there is no environment staging"));
    let tasks = services::tasks(town.platform(), &town.may(&town.dev).await, Some(&name("staging"))).await;
    assert_eq!(tasks.expect("seen").len(), 0);
    deployments::stop(town.platform(), &town.may(&town.dev).await, &intent("staging")).await.expect("stopped");
    assert!(wrong(deployments::start(town.platform(), &town.may(&town.dev).await, &intent("staging")).await).contains("no environment staging"));

    // Strangers of the project see none of it.
    let bob = town.store.person("bob", false).await;
    assert_eq!((town.listed(&bob).await, town.readable(&bob, "staging").await), (vec!["local".to_owned()], false));
}

#[tokio::test]
async fn a_deployment_to_a_protected_environment_waits_for_an_admin() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    let plan = deployments::plan(town.platform(), &town.may(&town.dev).await, &request("prod")).await.expect("a plan");
    assert!(plan.notes.iter().any(|note| note.contains("protected")), "{:?}", plan.notes);
    let first = town.try_deploy("prod").await.expect("accepted");
    assert_eq!((first.state, first.expires_at), (DeploymentState::Pending, Some(first.created_at.plus(Duration::from_secs(86_400)))));
    let key = town.key("prod").await;
    assert_eq!(work::due(&town.store.worker, key.environment).await.expect("read"), []);
    assert!(work::load(&town.store.worker, key).await.expect("read").expect("something").target().is_none());

    // Nobody but an admin or operator decides.
    assert!(matches!(town.approve(&town.dev, &first).await, Err(Error::Forbidden(_))));
    let plan = deployments::plan_of(town.platform(), &town.on(&town.dev, &first).await.expect("allowed")).await.expect("a plan");
    assert_eq!((plan.creates, plan.current), (2, None));
    let approved = town.approve(&town.ana, &first).await.expect("approved");
    assert_eq!((approved.state, approved.expires_at), (DeploymentState::Queued, None));
    let decision = approved.decision.clone().expect("a decision");
    assert_eq!((decision.approved, decision.by.as_str(), decision.why.as_str()), (true, "ana", "looks good"));
    let revision = deployments::revision(town.platform(), &town.may(&town.dev).await, 1).await.expect("read").revision;
    let approvals: Vec<_> = revision.approvals.iter().map(|approval| (approval.environment.as_str(), approval.by.as_str())).collect();
    assert_eq!(approvals, [("prod", "ana")]);
    assert_eq!(work::due(&town.store.worker, key.environment).await.expect("read"), [key]);
    assert_eq!(code(town.approve(&town.ana, &first).await), "not_waiting");
    town.succeed(&approved).await;

    // Roll-back, scaling and start wait too; a restart and a stop do not.
    let scaled = deployments::scale(town.platform(), &town.may(&town.dev).await, &intent("prod"), 3).await.expect("accepted");
    assert_eq!(scaled.state, DeploymentState::Pending);
    let back = deployments::rollback(town.platform(), &town.may(&town.dev).await, &intent("prod"), 1).await.expect("accepted");
    assert_eq!((back.state, town.now(&scaled).await.state), (DeploymentState::Pending, DeploymentState::Superseded));
    let restart = deployments::restart(town.platform(), &town.may(&town.dev).await, &intent("prod")).await.expect("accepted");
    assert_eq!((restart.state, restart.revision), (DeploymentState::Queued, 1), "what waits is nothing that a restart brings");
    assert_eq!(town.now(&back).await.state, DeploymentState::Pending, "and it waits on");
    town.succeed(&restart).await;
    deployments::stop(town.platform(), &town.may(&town.dev).await, &intent("prod")).await.expect("stopped");
    assert_eq!(town.now(&back).await.state, DeploymentState::Cancelled);
    let start = deployments::start(town.platform(), &town.may(&town.dev).await, &intent("prod")).await.expect("accepted");
    assert_eq!(start.state, DeploymentState::Pending);
    let refused = deployments::refuse(town.platform(), &town.on(&town.root, &start).await.expect("allowed"), "not today").await.expect("refused");
    assert_eq!(refused.state, DeploymentState::Refused);
    assert!(refused.reason.is_some_and(|reason| reason.message.contains("root: not today")));
    let audit = town.store.audit().await;
    assert!(audit.contains(&"deployment.approve web".into()) && audit.contains(&"deployment.refuse web".into()), "{audit:?}");
}

#[tokio::test]
async fn what_is_under_way_goes_on_while_the_next_one_waits() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    let first = town.try_deploy("prod").await.expect("accepted");
    town.approve(&town.ana, &first).await.expect("approved");
    assert!(work::advance(&town.store.worker, first.id, DeploymentState::Rolling, None).await.expect("recorded"));
    let second = town.try_deploy("prod").await.expect("accepted");
    let third = town.try_deploy("prod").await.expect("accepted");
    assert_eq!(town.now(&first).await.state, DeploymentState::Rolling);
    assert_eq!(town.now(&second).await.state, DeploymentState::Superseded, "a newer one waits in its place");
    assert_eq!(code(town.approve(&town.ana, &second).await), "not_waiting");
    let loaded = work::load(&town.store.worker, town.key("prod").await).await.expect("read").expect("something");
    assert_eq!(loaded.target().map(|target| target.revision.number), Some(1));
    town.approve(&town.ana, &third).await.expect("approved");
    assert_eq!(town.now(&first).await.state, DeploymentState::Superseded, "the approved one takes its place");
    let own = deployments::deploy(town.platform(), &town.may(&town.ana).await, &request("prod")).await.expect("accepted");
    assert_eq!(own.state, DeploymentState::Pending, "an admin's own waits like any other");
    town.approve(&town.ana, &own).await.expect("an admin lets their own through");
    let sql = "SELECT detail FROM audit WHERE action = 'deployment.approve' ORDER BY id DESC LIMIT 1";
    let detail: String = town.platform().read().await.expect("a transaction").one(sql, args![], |row| row.get("detail")).await.expect("a record");
    assert!(detail.contains("\"own\":true"), "{detail}");
}

#[tokio::test]
async fn everything_is_checked_again_at_the_approval() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    let waiting = town.try_deploy("prod").await.expect("accepted");
    town.put("prod", EnvironmentOrder { open: false, ..open_to_all(true) }).await;
    assert_eq!(code(town.approve(&town.ana, &waiting).await), "environment_not_granted");
    town.put("prod", open_to_all(true)).await;
    town.store.forget_image(&town.digest).await;
    assert_eq!(code(town.approve(&town.ana, &waiting).await), "image_gone");
    let plan = deployments::plan_of(town.platform(), &town.on(&town.ana, &waiting).await.expect("allowed")).await.expect("a plan");
    assert!(plan.notes.iter().any(|note| note.starts_with("it cannot be approved now: its image shop/web")), "{:?}", plan.notes);
    assert!(!plan.notes.iter().any(|note| note.contains("protected")), "who approves knows that it waits: {:?}", plan.notes);
    assert_eq!(town.now(&waiting).await.state, DeploymentState::Pending, "it waits on");
    town.store.image(&town.project, "web", "1", 'a').await;
    town.approve(&town.ana, &waiting).await.expect("all is well again");
}

#[tokio::test]
async fn the_newest_is_what_began_last_and_not_what_was_asked_for_last() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    let first = town.try_deploy("prod").await.expect("accepted");
    town.succeed(&town.approve(&town.ana, &first).await.expect("approved")).await;
    let waiting = town.try_deploy("prod").await.expect("accepted");
    let restart = deployments::restart(town.platform(), &town.may(&town.dev).await, &intent("prod")).await.expect("accepted");
    town.succeed(&restart).await;
    town.store.later(1);
    town.approve(&town.ana, &waiting).await.expect("approved");
    for state in [DeploymentState::Rolling, DeploymentState::Failed] {
        assert!(work::advance(&town.store.worker, waiting.id, state, None).await.expect("recorded"));
    }
    let detail = services::get(town.platform(), &town.may(&town.dev).await).await.expect("read");
    let run = detail.runs.iter().find(|run| run.summary.environment == name("prod")).expect("it runs there");
    assert_eq!(run.deployment.as_ref().map(|one| (one.id, one.state)), Some((waiting.id, DeploymentState::Failed)));
}

#[tokio::test]
async fn what_nobody_decides_upon_expires() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    let waiting = town.try_deploy("prod").await.expect("accepted");
    assert_eq!(deployments::expire(&town.store.worker).await.expect("looked"), 0);
    town.store.later(86_400);
    assert_eq!(code(town.approve(&town.ana, &waiting).await), "expired");
    assert_eq!(deployments::expire(&town.store.worker).await.expect("looked"), 1);
    assert_eq!(deployments::expire(&town.store.worker).await.expect("looked"), 0);
    let expired = town.now(&waiting).await;
    assert_eq!((expired.state, expired.decision), (DeploymentState::Expired, None));
    assert!(town.store.audit().await.contains(&"deployment.expire web".into()));
    assert_eq!(code(town.approve(&town.ana, &waiting).await), "not_waiting");
}

#[tokio::test]
async fn two_who_decide_at_once_do_not_both() {
    let town = Town::open().await;
    town.put("prod", open_to_all(true)).await;
    let waiting = town.try_deploy("prod").await.expect("accepted");
    let refusal = async { deployments::refuse(town.platform(), &town.on(&town.root, &waiting).await?, "no").await };
    let (approved, refused) = tokio::join!(town.approve(&town.ana, &waiting), refusal);
    assert!(approved.is_ok() != refused.is_ok(), "{approved:?} {refused:?}");
}

#[tokio::test]
async fn an_environment_is_removed_only_when_nothing_is_deployed_there() {
    let town = Town::open().await;
    town.put("staging", only(&[&town.project])).await;
    let deployment = town.try_deploy("staging").await.expect("deployed");
    let staging: May<can::ManageEnvironments, Environment> = town.root.may(town.platform(), &name("staging")).await.expect("there");
    let refused = remove(town.platform(), &staging).await;
    assert!(matches!(&refused, Err(Error::Conflict { code: "environment_in_use", message }) if message.contains("shop/web")), "{refused:?}");
    town.succeed(&deployment).await;
    assert_eq!(code(remove(town.platform(), &staging).await), "environment_in_use");
    deployments::stop(town.platform(), &town.may(&town.dev).await, &intent("staging")).await.expect("stopped");
    remove(town.platform(), &staging).await.expect("removed");
    assert_eq!(town.listed(&town.root).await, ["local"]);
    assert!(town.now(&deployment).await.environment.as_str().starts_with("staging-removed-"), "its history stays");
    assert!(services::get(town.platform(), &town.may(&town.dev).await).await.expect("read").runs.is_empty());
    assert!(town.put("staging", only(&[])).await, "its name is free");
    let local: May<can::ManageEnvironments, Environment> = town.root.may(town.platform(), &name("local")).await.expect("there");
    assert_eq!(code(remove(town.platform(), &local).await), "environment_configured");
}

#[tokio::test]
async fn what_is_wrong_with_an_environment_names_its_field() {
    let town = Town::open().await;
    let may = town.site(&town.root).await;
    let put = async |text: &str, order: EnvironmentOrder| wrong(put(town.platform(), &may, &name(text), &order).await);
    assert!(put("x", EnvironmentOrder { registry_address: None, ..open_to_all(false) }).await.starts_with("registry_address"));
    assert!(put("x", EnvironmentOrder { registry_address: Some("http://a:1".into()), ..open_to_all(false) }).await.starts_with("registry_address"));
    assert!(put("x", only(&[&"nobody".parse().expect("a name")])).await.contains("there is no project nobody"));
    assert!(put("local", open_to_all(false)).await.contains("configuration"));
    let local = EnvironmentOrder { registry_address: None, ..open_to_all(true) };
    assert!(!super::put(town.platform(), &may, &name("local"), &local).await.expect("kept").1);
    prepare(town.platform(), &crate::testing::local((20_000, 20_009))).await.expect("started again");
    let view = list(town.platform(), &town.site(&town.root).await).await.expect("read").remove(0);
    assert!(view.protected && view.open, "a start keeps what operators decided");
}

#[test]
fn a_tomb_is_a_name() {
    for text in ["staging", "a", "a-very-long-name-of-exactly-forty-chars--"] {
        let tomb = tomb(text.trim_end_matches('-'), "0193a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b");
        tomb.parse::<EnvironmentName>().expect("a name");
        assert!(tomb.ends_with("-removed-3f4a5b"), "{tomb}");
    }
}
