use model::access::{Role, Scope};
use model::descriptor::Descriptor;
use model::names::{ProjectName, RepositoryPath, ServiceName};
use model::views::deployments::{DeploymentState, DeploymentView};

use super::*;
use crate::access::Actor;
use crate::deployments::{self, Intent, Request};
use crate::images::DestinationKey;
use crate::services::{self, ServiceKey};
use crate::testing::Store;

mod waiting;

/// A project with a service that runs version 1.0.0; its admin and a developer who pushes.
struct Shop {
    store: Store,
    ana: Actor,
    dev: Actor,
    project: ProjectName,
    service: ServiceName,
}

impl Shop {
    async fn open() -> Self {
        let store = Store::open().await;
        let (ana, dev) = (store.person("ana", false).await, store.person("dev", false).await);
        let project = store.project("shop", &ana, Role::Admin).await;
        let service: ServiceName = "web".parse().expect("a name");
        services::create(&store.platform, &store.may(&ana, &project).await, &service).await.expect("created");
        let shop = Self { store, ana, dev, project, service };
        shop.role(Some(Role::Developer)).await;
        shop.store.image(&shop.project, "web", "1.0.0", '1').await;
        shop
    }

    /// Gives the developer another role, or none.
    async fn role(&self, role: Option<Role>) {
        let id = self.store.may::<can::SeeProject>(&self.ana, &self.project).await.id;
        let who = self.dev.account().expect("an account").id;
        let mut write = self.store.platform.bookkeeping().await.expect("a transaction");
        write.exec("DELETE FROM members WHERE project_id = $1 AND user_id = $2", args![id, who]).await.expect("gone");
        if let Some(role) = role {
            let sql = "INSERT INTO members (project_id, user_id, role, since) VALUES ($1, $2, $3, 0)";
            write.exec(sql, args![id, who, role]).await.expect("a member");
        }
        write.finish().await.expect("kept");
    }

    async fn may<P: can::Permission>(&self) -> May<P, Service> {
        self.store.later(1);
        self.ana.may(&self.store.platform, &ServiceKey { project: &self.project, service: &self.service }).await.expect("allowed")
    }

    /// Deploys by hand, and lets it go well.
    async fn deploy(&self, image: &str) {
        let descriptor = Descriptor::parse(&format!("image: {image}\nreplicas: 2\nenv: {{GREETING: hello}}")).expect("a descriptor");
        let request = Request { intent: Intent::in_environment(Some(place("local"))), descriptor };
        let made = deployments::deploy(&self.store.platform, &self.may().await, &request).await.expect("deployed");
        self.succeed(made.id).await;
    }

    async fn succeed(&self, id: model::ids::DeploymentId) {
        for state in [DeploymentState::Rolling, DeploymentState::Succeeded] {
            assert!(deployments::work::advance(&self.store.worker, id, state, None).await.expect("recorded"));
        }
    }

    async fn rule(&self, environment: &str, tags: &str, versions: &str) {
        let form = PushRuleForm { repository: "web".into(), tags: tags.into(), versions: versions.into(), disabled: false };
        put(&self.store.platform, &self.may().await, &place(environment), &form).await.expect("set");
    }

    /// What a push leaves, and what the loop makes of it.
    async fn push(&self, repository: &str, tag: &str, digit: char) -> u64 {
        self.note(repository, tag, digit).await;
        work::tend(&self.store.worker).await.expect("looked at")
    }

    async fn note(&self, repository: &str, tag: &str, digit: char) {
        self.store.later(1);
        let digest: Digest = self.store.image(&self.project, repository, tag, digit).await.parse().expect("a digest");
        let path: RepositoryPath = repository.parse().expect("a path");
        let key = DestinationKey { project: &self.project, repository: &path };
        let may: May<can::Push, Destination> = self.dev.may(&self.store.platform, &key).await.expect("allowed");
        let mut change = self.store.platform.change(may.actor()).await.expect("a transaction");
        note(&mut change, &self.store.platform, &may, &[tag.parse().expect("a tag")], &digest).await.expect("noted");
        change.commit(Record::new("image.push", "image", tag)).await.expect("kept");
    }

    /// Environment, tag, outcome and reason of what became of pushes, newest first.
    async fn told(&self) -> Vec<(String, String, PushOutcome, String)> {
        let page = history(&self.store.platform, &self.may().await, &PageRequest::default()).await.expect("listed");
        let told = |one: PushView| (one.environment.to_string(), one.tag.to_string(), one.outcome, one.reason.unwrap_or_default());
        page.items.into_iter().map(told).collect()
    }

    /// The newest outcome.
    async fn last(&self) -> (PushOutcome, String) {
        let (_, _, outcome, reason) = self.told().await.remove(0);
        (outcome, reason)
    }

    async fn deployments(&self) -> Vec<DeploymentView> {
        deployments::list(&self.store.platform, &self.may().await, &PageRequest::default()).await.expect("listed").items
    }
}

fn place(text: &str) -> EnvironmentName {
    text.parse().expect("a name")
}

#[tokio::test]
async fn a_push_that_a_rule_is_about_deploys_once_and_changes_nothing_but_the_image() {
    let shop = Shop::open().await;
    shop.deploy("web:1.0.0").await;
    shop.rule("local", "", ">=1 <2").await;
    assert_eq!(shop.push("web", "1.1.0", '2').await, 1);
    let begun = shop.deployments().await.remove(0);
    assert_eq!((begun.image.as_str(), begun.state, begun.by.as_str()), ("web:1.1.0", DeploymentState::Queued, "dev"), "whoever pushed deploys");
    assert_eq!(begun.why, "push of shop/web:1.1.0 by dev");
    let made = deployments::revision(&shop.store.platform, &shop.may().await, begun.revision).await.expect("a revision").descriptor;
    assert_eq!((made.replicas, made.env["GREETING"].as_str()), (2, "hello"));
    let page = history(&shop.store.platform, &shop.may().await, &PageRequest::default()).await.expect("listed");
    assert_eq!((page.items[0].deployment, page.items[0].state), (Some(begun.id), Some(DeploymentState::Queued)));
    shop.succeed(begun.id).await;

    // The same image by another tag, and by the same one.
    for tag in ["1.1", "1.1.0"] {
        shop.push("web", tag, '2').await;
        let (outcome, reason) = shop.last().await;
        assert!(outcome == PushOutcome::Ignored && reason.contains("before") && reason.contains("succeeded"), "{outcome} {reason}");
    }
    assert_eq!(shop.deployments().await.len(), 2);
    assert!(shop.store.audit().await.contains(&"push_rule.set web".to_owned()));
}

#[tokio::test]
async fn what_is_not_deployed_says_why() {
    let shop = Shop::open().await;
    shop.rule("local", "", ">=1").await;
    shop.push("web", "1.0.1", '2').await;
    assert_eq!(shop.last().await, (PushOutcome::Refused, "web was never deployed to local; deploy it first".to_owned()));
    shop.deploy("web:1.0.0").await;
    for (tag, digit, outcome, expected) in [
        ("latest", '3', PushOutcome::Ignored, "the tag latest is not a version"),
        ("0.9.0", '4', PushOutcome::Ignored, "the version 0.9.0 is not within >=1"),
        ("1.0.0", '1', PushOutcome::Ignored, "this image runs already, is on its way or waits for an approval"),
    ] {
        shop.push("web", tag, digit).await;
        assert_eq!(shop.last().await, (outcome, expected.to_owned()));
    }
    // What was refused is not held back when it can be deployed.
    for (tag, digit) in [("1.0.1", '2'), ("1.2.0", '5')] {
        shop.push("web", tag, digit).await;
        assert_eq!(shop.last().await.0, PushOutcome::Deployed, "{tag}");
    }
    shop.push("web", "1.1.0", '6').await;
    let (outcome, reason) = shop.last().await;
    assert!(outcome == PushOutcome::Ignored && reason.starts_with("1.1.0 is older than 1.2.0"), "{reason}");
    assert_eq!(shop.deployments().await.len(), 3, "one by hand, 1.0.1 and 1.2.0");

    let stop = Intent::in_environment(Some(place("local")));
    deployments::stop(&shop.store.platform, &shop.may().await, &stop).await.expect("stopped");
    shop.push("web", "1.3.0", '7').await;
    assert_eq!(shop.last().await, (PushOutcome::Refused, "web is stopped in local; start it first".to_owned()));
    // Of what began nothing, a bounded number is remembered.
    assert_eq!(shop.told().await.iter().filter(|(.., outcome, _)| *outcome != PushOutcome::Deployed).count(), 5);
}

#[tokio::test]
async fn a_tag_that_was_moved_meanwhile_deploys_what_it_names_last() {
    let shop = Shop::open().await;
    shop.deploy("web:1.0.0").await;
    shop.rule("local", "stable", "").await;
    shop.note("web", "stable", '2').await;
    shop.note("web", "stable", '3').await;
    assert_eq!(work::tend(&shop.store.worker).await.expect("looked at"), 2);
    let told = shop.told().await;
    assert_eq!((told[0].2, told[1].2), (PushOutcome::Deployed, PushOutcome::Ignored));
    assert!(told[1].3.contains("was moved to another image"), "{told:?}");
    assert_eq!(work::tend(&shop.store.worker).await.expect("looked at"), 0, "each push is looked at once");
}

#[tokio::test]
async fn in_a_protected_environment_it_waits() {
    let shop = Shop::open().await;
    shop.deploy("web:1.0.0").await;
    let mut write = shop.store.platform.bookkeeping().await.expect("a transaction");
    write.exec("UPDATE environments SET protected = $1", args![true]).await.expect("protected");
    write.finish().await.expect("kept");
    shop.rule("local", "1.*", "").await;
    shop.push("web", "1.1.0", '2').await;
    let begun = shop.deployments().await.remove(0);
    assert_eq!((begun.image.as_str(), begun.state), ("web:1.1.0", DeploymentState::Pending));
    let rules = rules(&shop.store.platform, &shop.may().await).await.expect("listed");
    assert!(rules[0].protected && rules[0].enabled && rules[0].by == "ana");
    let page = history(&shop.store.platform, &shop.may().await, &PageRequest::default()).await.expect("listed");
    assert_eq!((page.items[0].outcome, page.items[0].state), (PushOutcome::Deployed, Some(DeploymentState::Pending)));
}

#[tokio::test]
async fn it_deploys_as_whoever_pushed_is_now() {
    let shop = Shop::open().await;
    shop.deploy("web:1.0.0").await;
    shop.rule("local", "", "").await;
    for (role, expected) in
        [(Some(Role::Guest), "the account dev may not deploy here; an admin"), (None, "the account dev is no member of the project any more")]
    {
        shop.role(Some(Role::Developer)).await;
        let (tag, digit) = if role.is_some() { ("1.1.0", '2') } else { ("1.2.0", '3') };
        shop.note("web", tag, digit).await;
        shop.role(role).await;
        work::tend(&shop.store.worker).await.expect("looked at");
        let (outcome, reason) = shop.last().await;
        assert!(outcome == PushOutcome::Refused && reason.starts_with(expected), "{reason}");
    }
    // A token that may only push is enough: the rule says that pushes deploy.
    shop.role(Some(Role::Developer)).await;
    let path: RepositoryPath = "web".parse().expect("a path");
    let narrow = shop.dev.clone().limited_to([Scope::Push, Scope::Pull]);
    let may: May<can::Push, Destination> =
        narrow.may(&shop.store.platform, &DestinationKey { project: &shop.project, repository: &path }).await.expect("allowed");
    let digest: Digest = shop.store.image(&shop.project, "web", "1.3.0", '4').await.parse().expect("a digest");
    let mut change = shop.store.platform.change(&narrow).await.expect("a transaction");
    note(&mut change, &shop.store.platform, &may, &["1.3.0".parse().expect("a tag")], &digest).await.expect("noted");
    change.commit(Record::new("image.push", "image", "1.3.0")).await.expect("kept");
    work::tend(&shop.store.worker).await.expect("looked at");
    assert_eq!(shop.deployments().await[0].image, "web:1.3.0");
}

#[tokio::test]
async fn pushes_that_no_rule_is_about_leave_nothing() {
    let shop = Shop::open().await;
    shop.deploy("web:1.0.0").await;
    assert_eq!(shop.push("web", "1.1.0", '2').await, 0, "there is no rule");
    shop.rule("local", "", "").await;
    assert_eq!(shop.push("other", "1.1.0", '2').await, 0, "another repository");
    let off = PushRuleForm { repository: "web".into(), disabled: true, ..PushRuleForm::default() };
    let kept = put(&shop.store.platform, &shop.may().await, &place("local"), &off).await.expect("set");
    assert!(!kept.enabled);
    assert_eq!(shop.push("web", "1.2.0", '3').await, 0, "it is switched off");
    delete(&shop.store.platform, &shop.may().await, &place("local")).await.expect("deleted");
    assert!(matches!(delete(&shop.store.platform, &shop.may().await, &place("local")).await, Err(Error::NotFound { .. })));
    assert!(rules(&shop.store.platform, &shop.may().await).await.expect("listed").is_empty());
    assert!(shop.told().await.is_empty());
}

#[tokio::test]
async fn a_rule_is_checked_and_is_for_an_environment_of_the_project() {
    let shop = Shop::open().await;
    let form = PushRuleForm { repository: "web:1".into(), tags: "[x]".into(), ..PushRuleForm::default() };
    let wrong = put(&shop.store.platform, &shop.may().await, &place("local"), &form).await.expect_err("two mistakes");
    assert!(matches!(wrong, Error::Invalid(fields) if fields.iter().map(|field| field.field.as_str()).eq(["repository", "tags"])));
    let form = PushRuleForm { repository: "web".into(), ..PushRuleForm::default() };
    let wrong = put(&shop.store.platform, &shop.may().await, &place("nowhere"), &form).await.expect_err("no such place");
    assert!(matches!(wrong, Error::Invalid(fields) if fields[0].field == "environment"));
}
