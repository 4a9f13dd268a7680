//! Whose request it is, where a hook or a robot asked.

use model::hooks::HookForm;
use model::names::HookName;
use model::secret::Secret;
use model::views::hooks::NewHook;

use super::*;
use crate::templates::Surroundings;
use crate::{accounts, hooks, robots};

impl Town {
    /// Another admin of the project.
    async fn admin(&self, name: &str) -> Actor {
        let who = self.store.person(name, false).await;
        self.join(&who, Role::Admin).await;
        who
    }

    /// A protected environment in which the service runs, and a hook of `ana` there.
    async fn hooked(&self, second_person: bool) -> NewHook {
        self.store.image(&self.project, "web", "2", 'b').await;
        self.put("prod", EnvironmentOrder { second_person, ..open_to_all(true) }).await;
        let first = self.try_deploy("prod").await.expect("accepted");
        self.succeed(&self.approve(&self.root, &first).await.expect("approved")).await;
        let form = HookForm { name: "ci".into(), environment: "prod".into(), ..HookForm::default() };
        hooks::create(self.platform(), &self.may(&self.ana).await, &form).await.expect("made")
    }

    /// What a delivery asks for.
    async fn delivered(&self, hook: &NewHook, secret: &str, tag: &str) -> Option<DeploymentView> {
        self.store.later(1);
        let (proof, body) = (format!("Bearer {secret}"), format!(r#"{{"tag": "{tag}"}}"#));
        let envelope = hooks::Envelope::of([("authorization", proof.as_str())]);
        let received = hooks::Received { envelope, body: body.into_bytes(), address: "192.0.2.7".into() };
        let path = hook.hook.path.trim_start_matches("/hooks/");
        let done = hooks::deliver(self.platform(), &Surroundings::default(), path, received).await.expect("delivered");
        match done.answer.deployment {
            Some(id) => Some(self.of_id(id).await),
            None => None,
        }
    }

    async fn of_id(&self, deployment: model::ids::DeploymentId) -> DeploymentView {
        let key = DeploymentKey { project: self.project.clone(), service: self.service.clone(), deployment };
        let may = self.dev.may(self.platform(), &key).await.expect("allowed");
        deployments::get(self.platform(), &may).await.expect("read")
    }

    /// Whether their plan says that somebody else approves it.
    async fn told(&self, who: &Actor, deployment: &DeploymentView) -> bool {
        let plan = deployments::plan_of(self.platform(), &self.on(who, deployment).await.expect("allowed")).await.expect("a plan");
        let noted = plan.notes.iter().any(|note| note.contains("somebody else approves it"));
        assert_eq!(plan.own, noted, "{:?}", plan.notes);
        plan.own
    }
}

fn ci() -> HookName {
    "ci".parse().expect("a name")
}

#[tokio::test]
async fn who_made_a_hook_or_its_secret_does_not_approve_what_it_asked_for() {
    let town = Town::open().await;
    let (bob, eve) = (town.admin("bob").await, town.admin("eve").await);
    let hook = town.hooked(true).await;
    let asked = town.delivered(&hook, &hook.secret, "2").await.expect("a deployment");
    assert_eq!((asked.state, asked.by.as_str()), (DeploymentState::Pending, "hook-shop.web.ci"));
    assert!(town.told(&town.ana, &asked).await && !town.told(&bob, &asked).await);
    assert_eq!(code(town.approve(&town.ana, &asked).await), "own_request");
    // A hook that is gone hides nobody.
    let rotated = hooks::rotate(town.platform(), &town.may(&bob).await, &ci(), 0, "").await.expect("rotated");
    let next = town.delivered(&hook, &rotated.secret, "2").await.expect("a deployment");
    hooks::delete(town.platform(), &town.may(&town.ana).await, &ci()).await.expect("deleted");
    for behind in [&town.ana, &bob] {
        assert!(town.told(behind, &next).await);
        assert_eq!(code(town.approve(behind, &next).await), "own_request");
    }
    assert_eq!(town.approve(&eve, &next).await.expect("approved").state, DeploymentState::Queued);
}

#[tokio::test]
async fn who_has_it_delivered_again_does_not_approve_it() {
    let town = Town::open().await;
    let (bob, eve) = (town.admin("bob").await, town.admin("eve").await);
    let hook = town.hooked(true).await;
    assert!(town.delivered(&hook, &hook.secret, "late").await.is_none(), "there is no such image yet");
    town.store.image(&town.project, "web", "late", 'c').await;
    let may = town.may::<can::ManageHooks>(&bob).await;
    let page = hooks::deliveries(town.platform(), &may, &ci(), &model::page::PageRequest::default()).await.expect("read");
    let again = hooks::redeliver(town.platform(), &may, &Surroundings::default(), &ci(), page.items[0].id).await.expect("done");
    let asked = town.of_id(again.deployment.expect("a deployment")).await;
    for behind in [&bob, &town.ana] {
        assert!(town.told(behind, &asked).await);
        assert_eq!(code(town.approve(behind, &asked).await), "own_request");
    }
    assert!(!town.told(&eve, &asked).await);
    town.approve(&eve, &asked).await.expect("approved");
}

#[tokio::test]
async fn without_the_setting_they_do() {
    let town = Town::open().await;
    let hook = town.hooked(false).await;
    let asked = town.delivered(&hook, &hook.secret, "2").await.expect("a deployment");
    assert!(!town.told(&town.ana, &asked).await);
    town.approve(&town.ana, &asked).await.expect("approved");
}

#[tokio::test]
async fn who_made_a_robot_or_its_secret_does_not_approve_what_it_asked_for() {
    let town = Town::open().await;
    let (bob, eve) = (town.admin("bob").await, town.admin("eve").await);
    town.put("prod", EnvironmentOrder { second_person: true, ..open_to_all(true) }).await;
    let name: model::names::RobotName = "ci".parse().expect("a name");
    let wanted = robots::Wanted { name: name.clone(), role: Role::Developer, description: String::new(), scopes: Vec::new(), expires_in_days: None };
    let made = robots::create(town.platform(), &town.store.may(&town.ana, &town.project).await, &wanted).await.expect("made");
    let ask = async |secret: &str| {
        let robot = accounts::authenticate_bearer(town.platform(), &Secret::new(secret), "192.0.2.8").await.expect("right");
        deployments::deploy(town.platform(), &town.may(&robot).await, &request("prod")).await.expect("accepted")
    };
    let asked = ask(&made.secret).await;
    assert_eq!(code(town.approve(&town.ana, &asked).await), "own_request");
    assert!(!town.told(&bob, &asked).await);
    let rotated = robots::rotate(town.platform(), &town.store.may(&bob, &town.project).await, &name, 0).await.expect("rotated");
    let asked = ask(&rotated.secret).await;
    for behind in [&town.ana, &bob] {
        assert_eq!(code(town.approve(behind, &asked).await), "own_request");
    }
    town.approve(&eve, &asked).await.expect("approved");
}
