use ::metrics::{Key, Member, Metric, Options, Sample, Value};
use model::access::Role;
use model::alerts::{RuleForm, SilenceForm};
use model::ids::{DeploymentId, EnvironmentId, RevisionId, ServiceId, TaskId};
use model::notices::RouteForm;
use model::page::PageRequest;
use model::time::Millis;
use model::views::alerts::AlertView;

use super::*;
use crate::notices;
use crate::testing::Store;

mod kinds;
mod machines;
mod many;
mod parts;
mod told;

/// A project with a service that runs, a rule for its memory, and a route.
struct Scene {
    store: Store,
    seeing: Seeing,
    answering: Answering,
    managing: Managing,
    service: ServiceId,
    environment: EnvironmentId,
    key: Key,
    task: TaskId,
    samples: ::metrics::Store,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn open() -> Self {
        let store = Store::open().await;
        let folder = tempfile::tempdir().expect("a folder");
        let samples = ::metrics::Store::open(folder.path(), Options::default()).expect("a store");
        store.platform.plug_metrics(samples.clone());
        let ana = store.person("ana", false).await;
        let name = store.project("shop", &ana, Role::Admin).await;
        let seeing = Seeing::of(&store.platform, &ana, Some(&name)).await.expect("allowed");
        let answering = Answering::of(&store.platform, &ana, Some(&name)).await.expect("allowed");
        let managing = Managing::of(&store.platform, &ana, Some(&name)).await.expect("allowed");
        let project = seeing.project_id().expect("a project");
        let service: ServiceId = store.platform.new_id();
        let mut write = store.worker.change().await.expect("a transaction");
        let environment: EnvironmentId = write.one("SELECT id FROM environments", args![], |row| row.get("id")).await.expect("an environment");
        let sql = "INSERT INTO services (id, project_id, name, created_at, created_by) VALUES ($1, $2, 'web', 1, 'ana')";
        write.exec(sql, args![service, project]).await.expect("a service");
        let sql = "INSERT INTO desired (service_id, environment_id, state, updated_at) VALUES ($1, $2, 'running', 1)";
        write.exec(sql, args![service, environment]).await.expect("it runs");
        write.finish().await.expect("kept");
        let key = Key::Service { project, service, environment };
        let task = store.platform.new_id();
        let scene = Self { store, seeing, answering, managing, service, environment, key, task, samples, _folder: folder };
        scene.route("ops").await;
        scene
    }

    async fn route(&self, name: &str) {
        let route = RouteForm {
            name: name.into(),
            kind: "webhook".into(),
            address: "https://hooks.example.com/".into(),
            events: vec!["alert.firing".into(), "alert.resolved".into()],
            ..RouteForm::default()
        };
        notices::create(&self.store.platform, &self.managing, &route).await.expect("a route");
    }

    async fn rule(&self, form: RuleForm) {
        create_rule(&self.store.platform, &self.managing, &form).await.expect("a rule");
    }

    async fn memory_rule(&self) {
        self.memory_rule_for(&[]).await;
    }

    /// The same of which only these routes hear.
    async fn memory_rule_for(&self, routes: &[&str]) {
        let form = RuleForm {
            name: "Memory".into(),
            routes: routes.iter().map(ToString::to_string).collect(),
            kind: "threshold".into(),
            metric: "memory_working_set".into(),
            value: "90 %".into(),
            after: "1m".into(),
            resolve_after: "1m".into(),
            ..RuleForm::default()
        };
        self.rule(form).await;
    }

    /// For so many seconds the task uses so much of its 1000 bytes, and every ten seconds somebody looks.
    async fn uses(&self, bytes: impl Fn(u64) -> f64, seconds: u64) {
        for at in 0..seconds / 10 {
            self.store.later(10);
            let member = Some(Member { task: self.task, slot: 2, revision: 1 });
            let values = vec![Value::new(Metric::MemoryWorkingSet, bytes(at)), Value::new(Metric::MemoryLimit, 1000.0)];
            self.samples.append(self.store.platform.now().0, &[Sample { key: self.key, member, values }]).expect("kept");
            self.look().await;
        }
    }

    async fn look(&self) {
        work::evaluate(&self.store.worker).await.expect("a look");
    }

    async fn alerts(&self) -> Vec<AlertView> {
        list(&self.store.platform, &self.seeing, None, &PageRequest::default()).await.expect("alerts").items
    }

    async fn states(&self) -> Vec<AlertState> {
        self.alerts().await.into_iter().map(|alert| alert.state).collect()
    }

    /// What the route was told, oldest first.
    async fn told(&self) -> Vec<String> {
        self.told_by("ops").await
    }

    async fn told_by(&self, name: &str) -> Vec<String> {
        let routes = notices::list(&self.store.platform, &self.managing).await.expect("routes").items;
        let route = routes.into_iter().find(|route| route.name == name).expect("a route").id;
        let log = notices::log(&self.store.platform, &self.managing, route, &PageRequest::default()).await.expect("a log");
        log.items.into_iter().rev().map(|notice| notice.notice.title).collect()
    }

    async fn silence(&self, span: &str) -> model::ids::SilenceId {
        let form = SilenceForm { service: "web".into(), span: span.into(), why: "we know".into(), ..SilenceForm::default() };
        create_silence(&self.store.platform, &self.answering, &form).await.expect("silenced").id
    }

    /// A deployment that came to this end.
    async fn deployed(&self, number: i64, state: &str) {
        let (revision, id): (RevisionId, DeploymentId) = (self.store.platform.new_id(), self.store.platform.new_id());
        let now = self.store.platform.now();
        let mut write = self.store.worker.change().await.expect("a transaction");
        let sql = "INSERT INTO revisions (id, service_id, number, descriptor, image, replicas, spec, created_at, created_by, why)
                   VALUES ($1, $2, $3, '{}', 'web:1', 1, '', $4, 'ana', '')";
        write.exec(sql, args![revision, self.service, number, now]).await.expect("a revision");
        let sql =
            "INSERT INTO deployments (id, service_id, environment_id, revision_id, kind, state, reason_code, reason_message, progress, created_at,
                       created_by, why, started_at, finished_at)
                   VALUES ($1, $2, $3, $4, 'deploy', $5, 'unhealthy', 'it never answered', '{}', $6, 'ana', '', $6, $6)";
        write.exec(sql, args![id, self.service, self.environment, revision, state, now]).await.expect("a deployment");
        write.finish().await.expect("kept");
    }
}

const FIRING: &str = "Warning: Memory \u{2014} shop/web in local";
const RESOLVED: &str = "Resolved: Memory \u{2014} shop/web in local";

#[tokio::test]
async fn an_alert_begins_says_why_and_ends() {
    let scene = Scene::open().await;
    scene.deployed(7, "succeeded").await;
    scene.memory_rule().await;
    scene.uses(|_| 950.0, 60).await;
    assert_eq!(scene.states().await, [AlertState::Pending]);
    assert!(scene.told().await.is_empty());
    scene.uses(|_| 950.0, 10).await;
    let alert = scene.alerts().await.remove(0);
    assert_eq!((alert.state, alert.severity), (AlertState::Firing, Severity::Warning));
    assert_eq!(alert.summary, "shop/web in local: memory is 95 % of its limit (950 B of 1.0 KiB) in task 2; the rule says over 90 % for 1m");
    assert!(alert.link.starts_with("/projects/shop/services/web/metrics?environment=local&from="), "{}", alert.link);
    assert!(alert.link.ends_with("#chart-memory"), "{}", alert.link);
    let changed = alert.changed.expect("the last change");
    assert_eq!((changed.revision, changed.by.as_str(), changed.kind.as_str()), (7, "ana", "deploy"));
    assert_eq!(scene.told().await, [FIRING]);
    let may = scene.seeing.actor().may(&scene.store.platform, &scene.service).await.expect("allowed");
    let marks = async |from, to| {
        let mut tx = scene.store.platform.read().await.expect("a transaction");
        fired(&mut tx, &may, scene.environment, from, to).await.expect("marks").len()
    };
    let at = alert.fired_at.expect("a time");
    assert_eq!((marks(at, Millis(at.0 + 1)).await, marks(Millis(at.0 + 1), Millis(at.0 + 2)).await), (1, 0));
    scene.uses(|_| 100.0, 60).await;
    assert_eq!(scene.states().await, [AlertState::Firing]);
    scene.uses(|_| 100.0, 10).await;
    assert_eq!(scene.states().await, [AlertState::Resolved]);
    assert_eq!(scene.told().await, [FIRING, RESOLVED]);
}

#[tokio::test]
async fn a_value_that_goes_to_and_fro_is_told_once() {
    let scene = Scene::open().await;
    scene.memory_rule().await;
    scene.uses(|at| if at.is_multiple_of(2) { 950.0 } else { 850.0 }, 600).await;
    assert!(scene.told().await.is_empty());
    scene.uses(|_| 950.0, 80).await;
    scene.uses(|at| if at.is_multiple_of(2) { 950.0 } else { 850.0 }, 600).await;
    assert_eq!(scene.told().await, [FIRING]);
}

#[tokio::test]
async fn what_is_pending_counts_on_from_where_a_restart_found_it() {
    let scene = Scene::open().await;
    scene.memory_rule().await;
    scene.uses(|_| 950.0, 30).await;
    // Nobody looks for a while; nothing of the look before is in memory.
    scene.store.later(40);
    scene.uses(|_| 950.0, 10).await;
    assert_eq!(scene.states().await, [AlertState::Firing]);
}

#[tokio::test]
async fn a_silence_tells_nobody_and_what_fires_still_is_told_when_it_ends() {
    let scene = Scene::open().await;
    scene.memory_rule().await;
    let silence = scene.silence("1h").await;
    scene.uses(|_| 950.0, 80).await;
    let alert = scene.alerts().await.remove(0);
    assert_eq!(alert.state, AlertState::Firing);
    assert!(alert.silenced_until.is_some());
    assert!(scene.told().await.is_empty());
    end_silence(&scene.store.platform, &scene.answering, silence).await.expect("ended");
    scene.uses(|_| 950.0, 20).await;
    assert_eq!(scene.told().await, [FIRING]);
    // One that begins and ends in silence is told to nobody at all.
    scene.uses(|_| 100.0, 80).await;
    scene.silence("1h").await;
    scene.uses(|_| 950.0, 80).await;
    scene.uses(|_| 100.0, 80).await;
    assert_eq!(scene.states().await, [AlertState::Resolved, AlertState::Resolved]);
    assert_eq!(scene.told().await, [FIRING, RESOLVED]);
}

#[tokio::test]
async fn who_heard_that_it_began_hears_that_it_is_over_and_nobody_else() {
    let scene = Scene::open().await;
    scene.route("developers").await;
    scene.memory_rule_for(&["ops"]).await;
    let silence = scene.silence("1h").await;
    scene.uses(|_| 950.0, 80).await;
    end_silence(&scene.store.platform, &scene.answering, silence).await.expect("ended");
    scene.look().await;
    let rule = list_rules(&scene.store.platform, &scene.seeing).await.expect("rules").items[0].id;
    delete_rule(&scene.store.platform, &scene.managing, rule).await.expect("deleted");
    scene.look().await;
    assert_eq!(scene.told().await, [FIRING, RESOLVED]);
    assert!(scene.told_by("developers").await.is_empty());
}

#[tokio::test]
async fn somebody_says_that_it_was_seen() {
    let scene = Scene::open().await;
    scene.memory_rule().await;
    scene.uses(|_| 950.0, 80).await;
    let id = scene.alerts().await[0].id;
    let seen = acknowledge(&scene.store.platform, &scene.answering, id, " a leak ").await.expect("seen");
    assert_eq!((seen.acknowledged_by.as_deref(), seen.note.as_deref(), seen.state), (Some("ana"), Some("a leak"), AlertState::Firing));
    acknowledge(&scene.store.platform, &scene.answering, id, &"x".repeat(501)).await.expect_err("too long");
    scene.uses(|_| 100.0, 80).await;
    acknowledge(&scene.store.platform, &scene.answering, id, "").await.expect_err("it is over");
    let audit = scene.store.audit().await;
    assert!(audit.contains(&format!("alert.acknowledge {id}")), "{audit:?}");
}

#[tokio::test]
async fn a_deployment_that_failed_is_an_alert_until_the_next_one() {
    let scene = Scene::open().await;
    let form = RuleForm { name: "Deployments".into(), kind: "deploy_failed".into(), severity: "critical".into(), ..RuleForm::default() };
    scene.rule(form).await;
    scene.deployed(1, "failed").await;
    scene.look().await;
    let alert = scene.alerts().await.remove(0);
    assert_eq!(alert.summary, "shop/web in local: the deployment of revision 1 by ana failed: it never answered");
    assert_eq!(alert.state, AlertState::Firing);
    scene.store.later(60);
    scene.deployed(2, "succeeded").await;
    scene.look().await;
    assert_eq!(scene.states().await, [AlertState::Resolved]);
}

#[tokio::test]
async fn without_its_rule_or_its_service_an_alert_is_over() {
    let scene = Scene::open().await;
    scene.memory_rule().await;
    scene.uses(|_| 950.0, 80).await;
    scene.store.later(300);
    scene.look().await;
    assert_eq!(scene.states().await, [AlertState::Firing], "nobody knows how it is");
    let rule = list_rules(&scene.store.platform, &scene.seeing).await.expect("rules").items[0].id;
    delete_rule(&scene.store.platform, &scene.managing, rule).await.expect("deleted");
    scene.look().await;
    assert_eq!(scene.states().await, [AlertState::Resolved]);
    assert_eq!(scene.told().await, [FIRING, RESOLVED]);
}

#[tokio::test]
async fn a_site_has_its_first_rules_once_and_a_machine_that_is_away_is_told_of() {
    let scene = Scene::open().await;
    let platform = &scene.store.platform;
    prepare(platform).await.expect("prepared");
    prepare(platform).await.expect("prepared");
    let oda = scene.store.person("oda", true).await;
    let (seeing, managing) = (Seeing::of(platform, &oda, None).await.expect("allowed"), Managing::of(platform, &oda, None).await.expect("allowed"));
    let rules = list_rules(platform, &seeing).await.expect("rules").items;
    assert_eq!(rules.len(), Rule::shipped().len());
    let gone = rules.iter().find(|rule| rule.rule.kind == model::alerts::RuleKind::DeployFailed).expect("it").id;
    delete_rule(platform, &managing, gone).await.expect("deleted");
    prepare(platform).await.expect("prepared");
    assert_eq!(list_rules(platform, &seeing).await.expect("rules").items.len(), rules.len() - 1, "what was deleted stays so");
    let mut write = scene.store.worker.change().await.expect("a transaction");
    write.exec("UPDATE machines SET state = 'away', since = $1", args![platform.now()]).await.expect("away");
    write.finish().await.expect("kept");
    scene.look().await;
    scene.store.later(61);
    scene.look().await;
    let firing = list(platform, &seeing, Some(AlertState::Firing), &PageRequest::default()).await.expect("alerts").items;
    assert_eq!(firing.iter().map(|alert| alert.rule.as_str()).collect::<Vec<_>>(), ["Machine does not answer"]);
    assert!(scene.alerts().await.is_empty(), "machines are for operators");
}

#[tokio::test]
async fn names_are_taken_once_and_rights_are_needed() {
    let scene = Scene::open().await;
    scene.memory_rule().await;
    let again = RuleForm { name: "Memory".into(), kind: "unhealthy".into(), ..RuleForm::default() };
    let refused = create_rule(&scene.store.platform, &scene.managing, &again).await.expect_err("taken");
    assert_eq!(refused.problem().fields[0].field, "name");
    let gus = scene.store.person("gus", false).await;
    let name = scene.seeing.project().expect("a project").name.clone();
    assert!(matches!(Seeing::of(&scene.store.platform, &gus, Some(&name)).await, Err(crate::Error::NotFound { .. })));
    assert!(matches!(Seeing::of(&scene.store.platform, &gus, None).await, Err(crate::Error::Forbidden(_))));
}
