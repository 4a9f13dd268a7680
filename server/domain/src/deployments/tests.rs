use std::time::Duration;

use model::access::{Role, Scope};
use model::descriptor::{Descriptor, Protocol};
use model::ids::DeploymentId;
use model::names::{ProjectName, ServiceName};
use model::views::deployments::{DeploymentView, Progress, Reason, Share};
use model::views::services::{DesiredState, ServiceState, TaskHealth, TaskState};

use super::work::{End, NewTask, PullSource, TaskWork, Work, WorkKey};
use super::*;
use crate::access::{Actor, May, can};
use crate::testing::{Store, local};
use crate::{Error, Platform, environments, quotas, services};

mod cloning;
mod hosts;
mod limits;
mod pruning;
mod sampled;
mod told;

/// A developer's project with an image and a service.
struct Shop {
    store: Store,
    ana: Actor,
    project: ProjectName,
    service: ServiceName,
    digest: String,
}

impl Shop {
    async fn open() -> Self {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let project = store.project("shop", &ana, Role::Developer).await;
        let digest = store.image(&project, "web", "1", 'a').await;
        let service: ServiceName = "web".parse().expect("a name");
        services::create(&store.platform, &store.may(&ana, &project).await, &service).await.expect("created");
        Self { store, ana, project, service, digest }
    }

    fn platform(&self) -> &Platform {
        &self.store.platform
    }

    /// The permission, a moment later: what happens one after the other has ids in that order.
    async fn may<P: can::Permission>(&self) -> May<P, services::Service> {
        self.store.later(1);
        self.may_as(&self.ana).await.expect("allowed")
    }

    async fn may_as<P: can::Permission>(&self, actor: &Actor) -> Result<May<P, services::Service>> {
        actor.may(self.platform(), &ServiceKey { project: &self.project, service: &self.service }).await
    }

    async fn try_deploy(&self, text: &str) -> Result<DeploymentView> {
        deploy(self.platform(), &self.may().await, &request(text)).await
    }

    async fn deploy(&self, text: &str) -> DeploymentView {
        self.try_deploy(text).await.expect("deployed")
    }

    async fn key(&self) -> WorkKey {
        let environment = self.store.machine().await.environment_id;
        WorkKey { service: self.may::<can::SeeServices>().await.id, environment }
    }

    async fn work(&self) -> Work {
        work::load(&self.store.worker, self.key().await).await.expect("loaded").expect("something was deployed")
    }

    async fn due(&self) -> usize {
        work::due(&self.store.worker, self.key().await.environment).await.expect("read").len()
    }

    async fn advance(&self, id: DeploymentId, to: DeploymentState) -> bool {
        work::advance(&self.store.worker, id, to, None).await.expect("recorded")
    }

    /// A task of what should run now, that runs and is healthy.
    async fn task(&self, slot: i64) -> TaskWork {
        let task = self.bare_task(slot).await.expect("made");
        let worker = &self.store.worker;
        work::task_running(worker, task.id, &format!("c{slot}"), Some("10.208.0.2"), self.platform().now()).await.expect("recorded");
        if task.health == TaskHealth::Starting {
            work::task_health(worker, task.id, TaskHealth::Healthy).await.expect("recorded");
        }
        task
    }

    async fn bare_task(&self, slot: i64) -> Result<TaskWork> {
        let work = self.work().await;
        let target = work.target().expect("something should run");
        let new = NewTask {
            key: work.key,
            revision: target.revision,
            deployment: target.deployment.map(|deployment| deployment.id),
            machine: &work.machines[0],
            slot,
            run: None,
        };
        work::create_task(&self.store.worker, &new).await
    }

    /// Does what the engine does for a deployment that goes well: new tasks, old ones end.
    async fn succeed(&self, deployment: &DeploymentView) {
        let old = self.work().await.tasks;
        assert!(self.advance(deployment.id, DeploymentState::Rolling).await);
        let work = self.work().await;
        let target = work.target().expect("a target");
        let fitting = old.iter().filter(|task| target.fits(task)).count();
        for slot in fitting..target.replicas() as usize {
            self.task(i64::try_from(slot).expect("small") + 1).await;
        }
        for task in old.iter().filter(|task| !target.fits(task)) {
            self.end(task, TaskState::Ended).await;
        }
        assert!(self.advance(deployment.id, DeploymentState::Succeeded).await);
    }

    async fn end(&self, task: &TaskWork, state: TaskState) {
        let end = End { state, exit_code: Some(137), reason: Some(Reason::new("oom", "out of memory")) };
        work::task_ended(&self.store.worker, task.id, &end).await.expect("recorded");
    }

    async fn state(&self) -> ServiceState {
        let detail = services::get(self.platform(), &self.may().await).await.expect("read");
        detail.runs.first().map_or(ServiceState::Empty, |run| run.summary.state)
    }
}

fn request(text: &str) -> Request {
    Request { intent: Intent::default(), descriptor: Descriptor::parse(text).expect("a descriptor") }
}

fn field(error: Error) -> (String, String) {
    match error {
        Error::Invalid(mut fields) => {
            let first = fields.remove(0);
            (first.field, first.message)
        }
        other => panic!("expected a wrong field, got {other:?}"),
    }
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    match result {
        Err(Error::Conflict { code, .. }) => code,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

#[tokio::test]
async fn tasks_of_a_rollout_that_stopped_in_the_middle_are_counted_until_all_are_of_one_revision() {
    let shop = Shop::open().await;
    let text = |cpus: &str| format!("image: web:1\nreplicas: 2\nresources: {{cpus: {cpus}, memory: 64MiB}}\nupdate: {{on_failure: stop}}");
    let first = shop.deploy(&text("0.5")).await;
    shop.succeed(&first).await;
    let second = shop.deploy(&text("4")).await;
    assert!(shop.advance(second.id, DeploymentState::Rolling).await);
    let old = shop.work().await.tasks;
    shop.task(1).await;
    shop.end(&old[0], TaskState::Ended).await;
    assert!(shop.advance(second.id, DeploymentState::Failed).await);
    assert!(shop.work().await.halted);

    let operator = shop.store.person("root", true).await;
    let may = operator.may::<can::SetQuotas, _>(shop.platform(), &shop.project).await.expect("allowed");
    let wanted = quotas::Wanted { cpus: Some(model::quantity::Cpus::from_millis(5_000)), ..quotas::Wanted::default() };
    let running = quotas::set(shop.platform(), &may, wanted).await.expect("set").running.expect("counted");
    assert_eq!((running.cpu_millis, running.tasks), (4_500, 2));
    let name: ServiceName = "api".parse().expect("a name");
    services::create(shop.platform(), &shop.store.may(&shop.ana, &shop.project).await, &name).await.expect("created");
    let api: May<can::Deploy, services::Service> =
        shop.ana.may(shop.platform(), &ServiceKey { project: &shop.project, service: &name }).await.expect("allowed");
    let one = request("image: web:1\nresources: {cpus: 1, memory: 64MiB}");
    assert_eq!(field(deploy(shop.platform(), &api, &one).await.expect_err("no room")).0, "descriptor.resources.cpus");

    let third = shop.deploy(&text("0.25")).await;
    assert!(deploy(shop.platform(), &api, &one).await.is_err(), "they run still");
    shop.succeed(&third).await;
    assert!(!shop.work().await.halted);
    deploy(shop.platform(), &api, &one).await.expect("there is room again");

    // What is stopped gives its room away when it has ended.
    let quota =
        quotas::set(shop.platform(), &may, quotas::Wanted { cpus: Some(model::quantity::Cpus::from_millis(1_500)), ..quotas::Wanted::default() });
    assert_eq!(quota.await.expect("set").running.expect("counted").cpu_millis, 1_500);
    let more = request("image: web:1\nresources: {cpus: 1.5, memory: 64MiB}");
    stop(shop.platform(), &shop.may().await, &Intent::default()).await.expect("stopped");
    assert!(deploy(shop.platform(), &api, &more).await.is_err(), "they run still");
    for task in shop.work().await.tasks {
        work::task_stopping(&shop.store.worker, task.id).await.expect("recorded");
        assert!(deploy(shop.platform(), &api, &more).await.is_err(), "they are ending");
        shop.end(&task, TaskState::Ended).await;
    }
    deploy(shop.platform(), &api, &more).await.expect("there is room again");
}

const TWO: &str = "image: web:1\nreplicas: 2\nports: [{name: http, container: 8080}]\nhealth: {http: {port: 8080, path: /}}";

#[tokio::test]
async fn a_deploy_goes_from_the_queue_to_healthy_tasks() {
    let shop = Shop::open().await;
    assert_eq!(shop.due().await, 0);
    let deployment = shop.deploy(TWO).await;
    assert_eq!((deployment.state, deployment.revision, deployment.previous), (DeploymentState::Queued, 1, None));
    assert_eq!(shop.due().await, 1);

    let work = shop.work().await;
    let target = work.target().expect("a target");
    assert_eq!(target.replicas(), 2);
    assert_eq!(target.revision.digest.map(|digest| digest.to_string()), Some(shop.digest.clone()));
    assert!(work.settled().is_none(), "nothing was ever good");
    let source = work::pull_source(&shop.store.worker, target.revision.id).await.expect("a source");
    assert!(matches!(source, PullSource::Embedded { project, .. } if project == shop.project));

    assert!(shop.advance(deployment.id, DeploymentState::Pulling).await);
    assert_eq!(shop.state().await, ServiceState::Deploying);
    shop.succeed(&deployment).await;
    assert_eq!(shop.state().await, ServiceState::Healthy);
    assert_eq!(shop.due().await, 0);

    let tasks = services::tasks(shop.platform(), &shop.may().await, None).await.expect("tasks");
    assert_eq!(tasks.iter().map(|task| task.slot).collect::<Vec<_>>(), [1, 2]);
    let ports: Vec<u16> = tasks.iter().map(|task| task.ports[0].host).collect();
    assert!(ports[0] != ports[1] && ports.iter().all(|port| (20_000..=20_009).contains(port)), "{ports:?}");
    let view = get(shop.platform(), &shop.ana.may(shop.platform(), &deployment.id).await.expect("allowed")).await.expect("read");
    assert_eq!(view.state, DeploymentState::Succeeded);
    assert!(view.started_at.is_some() && view.finished_at.is_some());
    assert_eq!(shop.store.audit().await, ["service.create web", "deployment.create web"]);
}

#[tokio::test]
async fn a_task_that_died_or_failed_its_check_makes_work() {
    let shop = Shop::open().await;
    let deployment = shop.deploy(TWO).await;
    shop.succeed(&deployment).await;
    let tasks = shop.work().await.tasks;
    work::task_health(&shop.store.worker, tasks[0].id, TaskHealth::Unhealthy).await.expect("recorded");
    assert_eq!((shop.due().await, shop.state().await), (1, ServiceState::Degraded));
    shop.end(&tasks[0], TaskState::Failed).await;
    shop.end(&tasks[0], TaskState::Ended).await;
    shop.end(&tasks[1], TaskState::Lost).await;
    assert_eq!((shop.due().await, shop.state().await), (1, ServiceState::Down));
    let shown = services::tasks(shop.platform(), &shop.may().await, None).await.expect("tasks");
    let states: Vec<TaskState> = shown.iter().map(|task| task.state).collect();
    assert_eq!(states, [TaskState::Lost, TaskState::Failed], "the first end counts");
    assert_eq!(shown[0].reason.as_ref().map(|reason| reason.code.as_str()), Some("oom"));
    let since = shop.platform().now().minus(Duration::from_secs(60));
    assert_eq!(work::recent_failures(&shop.store.worker, shop.key().await, since).await.expect("read"), 1);
    let machine = shop.store.machine().await.id;
    let left = work::leftovers(&shop.store.worker, machine).await.expect("read");
    assert_eq!(left.iter().map(|left| left.task).collect::<Vec<_>>(), [tasks[0].id], "a lost container is gone already");
    work::task_removed(&shop.store.worker, tasks[0].id).await.expect("recorded");
    assert!(work::leftovers(&shop.store.worker, machine).await.expect("read").is_empty());
    // News of what ended changes nothing.
    work::task_running(&shop.store.worker, tasks[0].id, "late", None, shop.platform().now()).await.expect("recorded");
    assert!(work::living(&shop.store.worker, machine).await.expect("read").is_empty());
}

#[tokio::test]
async fn a_crash_loop_is_told_until_it_rests_or_something_new_comes() {
    let shop = Shop::open().await;
    shop.succeed(&shop.deploy(TWO).await).await;
    let (worker, key) = (&shop.store.worker, shop.key().await);
    for task in shop.work().await.tasks {
        shop.end(&task, TaskState::Failed).await;
    }
    let told = async || services::get(shop.platform(), &shop.may().await).await.expect("read").runs[0].crash_loop.clone();
    let fail = async |slot: i64| {
        shop.store.later(20);
        let reason = Reason::new("exited", "its program ended with exit code 3");
        let next = shop.platform().now().plus(Duration::from_secs(30));
        work::slot_failed(worker, key, &work::SlotFailure { slot, reason, lines: "no database".into(), next }).await.expect("recorded");
    };
    fail(1).await;
    fail(2).await;
    fail(1).await;
    assert_eq!(told().await, None, "twice is bad luck");
    fail(1).await;
    let found = told().await.expect("a loop");
    assert_eq!((found.failures, found.slots.as_slice(), found.lines.as_str(), found.reason.code.as_str()), (3, &[1][..], "no database", "exited"));
    assert!(found.next_at.is_some_and(|next| next > shop.platform().now()));
    let list =
        services::list(shop.platform(), &shop.store.may(&shop.ana, &shop.project).await, &model::page::PageRequest::default()).await.expect("read");
    assert!(list.items[0].runs[0].crash_loop, "the list says so too");
    assert_eq!(found.said(), "3 failures in a minute");
    let again = shop.task(1).await;
    assert_eq!(told().await.expect("still").next_at, None, "a try is under way");
    shop.end(&again, TaskState::Failed).await;
    assert!(told().await.expect("still").next_at.is_some());
    shop.store.later(60);
    assert_eq!(told().await.expect("still").next_at, None, "its time has come");
    shop.store.later(600);
    assert_eq!(told().await, None);
    fail(1).await;
    assert_eq!(told().await, None, "after a rest it counts from one");
    fail(1).await;
    fail(1).await;
    assert!(told().await.is_some());
    work::forget_failures(worker, key).await.expect("forgotten");
    assert_eq!(told().await, None);
}

#[tokio::test]
async fn the_newest_deployment_wins_and_the_older_lets_go() {
    let shop = Shop::open().await;
    let first = shop.deploy(TWO).await;
    assert!(shop.advance(first.id, DeploymentState::Pulling).await);
    let second = shop.deploy("image: web:1\nreplicas: 3").await;
    assert!(!shop.advance(first.id, DeploymentState::Rolling).await, "it is over");
    work::progress(&shop.store.worker, first.id, &Default::default()).await.expect("nothing happens");
    let list = list(shop.platform(), &shop.may().await, &Default::default()).await.expect("read").items;
    let states: Vec<_> = list.iter().map(|view| (view.id, view.state)).collect();
    assert_eq!(states, [(second.id, DeploymentState::Queued), (first.id, DeploymentState::Superseded)]);
    assert_eq!(shop.work().await.deployment.map(|deployment| deployment.id), Some(second.id));
}

#[tokio::test]
async fn a_deployment_that_ended_tells_how_far_it_came() {
    let shop = Shop::open().await;
    let told = async |id: DeploymentId| {
        let view = get(shop.platform(), &shop.ana.may(shop.platform(), &id).await.expect("allowed")).await.expect("read");
        (view.started_at.is_some(), view.progress.tasks.total)
    };
    let waits = shop.deploy(TWO).await;
    cancel(shop.platform(), &shop.ana.may(shop.platform(), &waits.id).await.expect("allowed")).await.expect("cancelled");
    assert_eq!(told(waits.id).await, (false, 0), "it never left the queue");
    let waits = shop.deploy(TWO).await;
    assert!(shop.advance(waits.id, DeploymentState::Failed).await);
    assert_eq!(told(waits.id).await, (false, 0), "nor did this one");
    let pulls = shop.deploy(TWO).await;
    for state in [DeploymentState::Pulling, DeploymentState::Failed] {
        assert!(shop.advance(pulls.id, state).await);
    }
    assert_eq!(told(pulls.id).await, (true, 0), "no task was to be made yet");
    let rolls = shop.deploy(TWO).await;
    assert!(shop.advance(rolls.id, DeploymentState::Pulling).await);
    let note = Some(String::from("the engine pulls the image"));
    let pulled = Progress { layers: Share { done: 3, total: 3 }, note, ..Progress::default() };
    work::progress(&shop.store.worker, rolls.id, &pulled).await.expect("recorded");
    assert!(shop.advance(rolls.id, DeploymentState::Rolling).await);
    let under_way = shop.work().await.deployment.expect("it is under way").progress;
    assert_eq!(under_way, Progress { tasks: Share { done: 0, total: 2 }, note: None, ..pulled }, "what was pulled is still told");
    assert!(shop.advance(rolls.id, DeploymentState::Failed).await);
    assert_eq!(told(rolls.id).await, (true, 2));
}

#[tokio::test]
async fn deploys_at_the_same_time_never_interleave() {
    let shop = Shop::open().await;
    let all = futures::future::join_all((0..8).map(|_| shop.try_deploy(TWO))).await;
    let mut numbers: Vec<i64> = all.into_iter().map(|view| view.expect("deployed").revision).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    let list = list(shop.platform(), &shop.may().await, &Default::default()).await.expect("read").items;
    let unfinished: Vec<i64> = list.iter().filter(|view| !view.state.is_final()).map(|view| view.revision).collect();
    assert_eq!(unfinished, [8]);
}

#[tokio::test]
async fn a_state_follows_only_one_that_it_may_follow() {
    let shop = Shop::open().await;
    let deployment = shop.deploy(TWO).await;
    assert!(!shop.advance(deployment.id, DeploymentState::Succeeded).await);
    assert!(shop.advance(deployment.id, DeploymentState::Rolling).await);
    assert!(!shop.advance(deployment.id, DeploymentState::Pulling).await);
    let reason = Reason::new("unhealthy", "web.1 never passed its check");
    assert!(work::advance(&shop.store.worker, deployment.id, DeploymentState::Failed, Some(&reason)).await.expect("recorded"));
    assert!(!shop.advance(deployment.id, DeploymentState::Succeeded).await);
    let view = list(shop.platform(), &shop.may().await, &Default::default()).await.expect("read").items.remove(0);
    assert_eq!((view.state, view.reason), (DeploymentState::Failed, Some(reason)));
    assert!(shop.work().await.target().is_none(), "nothing good is there to return to");
    assert_eq!(code(restart(shop.platform(), &shop.may().await, &Intent::default()).await), "not_deployed");
}

#[tokio::test]
async fn a_scale_is_a_revision_whose_old_tasks_stay() {
    let shop = Shop::open().await;
    shop.succeed(&shop.deploy(TWO).await).await;
    let before: Vec<_> = shop.work().await.tasks.iter().map(|task| task.id).collect();
    let scaled = scale(shop.platform(), &shop.may().await, &Intent::default(), 3).await.expect("scaled");
    assert_eq!((scaled.revision, scaled.previous, scaled.kind), (2, Some(1), DeploymentKind::Scale));
    let work = shop.work().await;
    assert!(work.tasks.iter().all(|task| work.target().expect("a target").fits(task)));
    shop.succeed(&scaled).await;
    let after: Vec<_> = shop.work().await.tasks.iter().map(|task| task.id).collect();
    assert_eq!((&after[..2], after.len()), (&before[..], 3));
    let wrong = scale(shop.platform(), &shop.may().await, &Intent::default(), 1000).await.expect_err("too many");
    assert_eq!(field(wrong).0, "replicas");
    let revisions = revisions(shop.platform(), &shop.may().await, &Default::default()).await.expect("read").items;
    assert_eq!(revisions.iter().map(|view| (view.number, view.current_in.len())).collect::<Vec<_>>(), [(2, 1), (1, 0)]);
    let compared = compare(shop.platform(), &shop.may().await, 1, 2).await.expect("compared");
    assert_eq!(compared.changes.iter().map(|change| change.field.as_str()).collect::<Vec<_>>(), ["replicas"]);
}

#[tokio::test]
async fn a_restart_wants_new_tasks_of_the_same_revision() {
    let shop = Shop::open().await;
    shop.succeed(&shop.deploy(TWO).await).await;
    let before: Vec<_> = shop.work().await.tasks.iter().map(|task| task.id).collect();
    let again = restart(shop.platform(), &shop.may().await, &Intent::default()).await.expect("restarted");
    assert_eq!(again.revision, 1);
    let work = shop.work().await;
    assert!(!work.tasks.iter().any(|task| work.target().expect("a target").fits(task)));
    shop.succeed(&again).await;
    let work = shop.work().await;
    assert_eq!(work.tasks.len(), 2);
    assert!(work.tasks.iter().all(|task| !before.contains(&task.id) && work.target().expect("a target").fits(task)));
}

#[tokio::test]
async fn stop_start_and_cancel() {
    let shop = Shop::open().await;
    let intent = Intent::default();
    assert_eq!(code(stop(shop.platform(), &shop.may().await, &intent).await), "not_deployed");
    shop.succeed(&shop.deploy(TWO).await).await;
    assert_eq!(code(start(shop.platform(), &shop.may().await, &intent).await), "already_running");

    let next = shop.deploy("image: web:1\nreplicas: 5").await;
    let may = shop.ana.may::<can::Deploy, _>(shop.platform(), &next.id).await.expect("allowed");
    shop.store.later(1);
    assert_eq!(cancel(shop.platform(), &may).await.expect("cancelled").state, DeploymentState::Cancelled);
    assert_eq!(code(cancel(shop.platform(), &may).await), "deployment_over");
    let work = shop.work().await;
    assert_eq!(work.target().map(|target| target.revision.number), Some(1), "what served before serves on");

    stop(shop.platform(), &shop.may().await, &intent).await.expect("stopped");
    let work = shop.work().await;
    assert!(work.target().is_none() && work.state == DesiredState::Stopped);
    assert_eq!(shop.due().await, 1);
    for task in &work.tasks {
        work::task_stopping(&shop.store.worker, task.id).await.expect("recorded");
        shop.end(task, TaskState::Ended).await;
    }
    assert_eq!((shop.due().await, shop.state().await), (0, ServiceState::Stopped));
    assert_eq!(code(scale(shop.platform(), &shop.may().await, &intent, 1).await), "stopped");

    let started = start(shop.platform(), &shop.may().await, &intent).await.expect("started");
    assert_eq!((started.kind, started.revision), (DeploymentKind::Start, 1));
    shop.succeed(&started).await;
    assert_eq!(shop.state().await, ServiceState::Healthy);
    let audit = shop.store.audit().await;
    assert_eq!(audit[2..], ["deployment.create web", "deployment.cancel web", "service.stop web", "service.start web"]);
}

#[tokio::test]
async fn a_failed_start_leaves_the_service_stopped() {
    let shop = Shop::open().await;
    shop.succeed(&shop.deploy(TWO).await).await;
    stop(shop.platform(), &shop.may().await, &Intent::default()).await.expect("stopped");
    let started = start(shop.platform(), &shop.may().await, &Intent::default()).await.expect("started");
    assert!(shop.work().await.target().is_some());
    assert!(shop.advance(started.id, DeploymentState::Failed).await);
    assert!(shop.work().await.target().is_none());
}

#[tokio::test]
async fn a_rollback_needs_its_image() {
    let shop = Shop::open().await;
    shop.succeed(&shop.deploy(TWO).await).await;
    shop.store.image(&shop.project, "web", "1", 'b').await;
    let second = shop.deploy(TWO).await;
    shop.succeed(&second).await;
    let compared = compare(shop.platform(), &shop.may().await, 1, 2).await.expect("compared");
    assert_eq!(compared.changes.iter().map(|change| change.field.as_str()).collect::<Vec<_>>(), ["image content"]);
    assert_eq!(compared.revisions.iter().map(|revision| revision.number).collect::<Vec<_>>(), [1, 2]);

    let wrong = rollback(shop.platform(), &shop.may().await, &Intent::default(), 9).await.expect_err("unknown");
    assert_eq!(field(wrong), ("revision".into(), "there is no revision 9; the newest is 2".into()));
    let would = plan_rollback(shop.platform(), &shop.may().await, &Intent::default(), 1).await.expect("planned");
    assert_eq!((would.current, would.creates, would.ends, would.changes.len()), (Some(2), 2, 2, 1));
    let back = rollback(shop.platform(), &shop.may().await, &Intent::default(), 1).await.expect("rolled back");
    assert_eq!((back.kind, back.revision, back.previous), (DeploymentKind::Rollback, 1, Some(2)));
    shop.succeed(&back).await;

    shop.store.forget_image(&format!("sha256:{}", "b".repeat(64))).await;
    assert_eq!(code(rollback(shop.platform(), &shop.may().await, &Intent::default(), 2).await), "image_gone");
    let revisions = revisions(shop.platform(), &shop.may().await, &Default::default()).await.expect("read").items;
    assert_eq!(revisions.iter().map(|view| view.image_present).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn images_are_resolved_by_whose_they_are() {
    let shop = Shop::open().await;
    let bob = shop.store.person("bob", false).await;
    let other = shop.store.project("other", &bob, Role::Developer).await;
    shop.store.image(&other, "base", "7", 'c').await;

    let wrong = shop.try_deploy("image: web:2").await.expect_err("no such tag");
    assert_eq!(field(wrong), ("descriptor.image".into(), "shop/web has no tag 2; its newest tags are 1".into()));
    let wrong = shop.try_deploy("image: api:1").await.expect_err("no such repository");
    assert!(field(wrong).1.contains("project shop has no repository api"));
    let wrong = shop.try_deploy("image: localhost:3000/web:1").await.expect_err("no project");
    assert!(field(wrong).1.contains("localhost:3000/shop/web"));
    shop.deploy("image: 127.0.0.1:3000/shop/web:1").await;
    shop.deploy("image: slipway.example.com/shop/web:1").await;

    let wrong = shop.try_deploy("image: localhost:3000/other/base:7").await.expect_err("may not pull");
    assert_eq!(field(wrong).1, "there is no image other/base that you may pull");
    let mut write = shop.platform().bookkeeping().await.expect("a transaction");
    write.exec("UPDATE projects SET internal = $1 WHERE name = 'other'", args![true]).await.expect("internal");
    write.finish().await.expect("kept");
    let foreign = shop.deploy("image: localhost:3000/other/base:7").await;
    shop.succeed(&foreign).await;
    let mut write = shop.platform().bookkeeping().await.expect("a transaction");
    write.exec("UPDATE projects SET internal = $1 WHERE name = 'other'", args![false]).await.expect("private");
    write.finish().await.expect("kept");
    shop.succeed(&shop.deploy("image: web:1").await).await;
    assert_eq!(code(rollback(shop.platform(), &shop.may().await, &Intent::default(), foreign.revision).await), "image_gone");

    // An outside image is pinned when it is fetched, once.
    let outside = shop.deploy("image: registry.example.org/team/tool:1").await;
    let revision = shop.work().await.deployment.expect("unfinished").revision;
    assert_eq!((outside.state, revision.digest), (DeploymentState::Queued, None));
    let digest = format!("sha256:{}", "d".repeat(64)).parse().expect("a digest");
    work::pin(&shop.store.worker, revision.id, &digest).await.expect("pinned");
    work::pin(&shop.store.worker, revision.id, &shop.digest.parse().expect("a digest")).await.expect("nothing happens");
    assert_eq!(shop.work().await.deployment.expect("unfinished").revision.digest, Some(digest));
}

#[tokio::test]
async fn an_outside_registrys_secret_is_given_to_the_pull_alone() {
    let shop = Shop::open().await;
    let root = shop.store.person("root", true).await;
    let may = shop.store.may::<can::ManageRegistries>(&root, &shop.project).await;
    let secret = model::secret::Secret::new("hunter2-very-secret");
    let put = services::credentials::put(shop.platform(), &may, "Registry.Example.org", "ci", &secret).await;
    put.expect("kept");
    let wrong = services::credentials::put(shop.platform(), &may, "no host/", "", &secret).await.expect_err("wrong");
    assert_eq!(field(wrong).0, "host");
    let sees = shop.store.may::<can::Configure>(&shop.ana, &shop.project).await;
    let list = services::credentials::list(shop.platform(), &sees).await.expect("read");
    assert_eq!((list[0].host.as_str(), list[0].username.as_str()), ("registry.example.org", "ci"));
    assert!(!format!("{list:?}").contains("hunter2"));
    let mut tx = shop.platform().read().await.expect("a transaction");
    let stored: Vec<u8> = tx.one("SELECT secret FROM registry_credentials", args![], |row| row.get("secret")).await.expect("a row");
    assert!(!stored.windows(7).any(|part| part == b"hunter2"));
    drop(tx);

    shop.deploy("image: registry.example.org/team/tool:1").await;
    let revision = shop.work().await.deployment.expect("unfinished").revision.id;
    match work::pull_source(&shop.store.worker, revision).await.expect("a source") {
        PullSource::Outside { host, repository, reference, credential: Some((name, secret)) } => {
            assert_eq!((host.as_str(), repository.as_str(), reference.to_string().as_str()), ("registry.example.org", "team/tool", "1"));
            assert_eq!((name.as_str(), secret.expose()), ("ci", "hunter2-very-secret"));
        }
        other => panic!("{other:?}"),
    }
    services::credentials::delete(shop.platform(), &may, "registry.example.org").await.expect("forgotten");
    let audit = shop.store.audit().await;
    assert!(audit.contains(&"registry_credential.put registry.example.org".into()) && !audit.join(" ").contains("hunter2"));
}

#[tokio::test]
async fn ports_are_given_out_once_and_come_back() {
    let shop = Shop::open().await;
    shop.deploy("image: web:1\nreplicas: 20\nports: [{name: a, container: 1}, {name: b, container: 2, protocol: udp}]").await;
    let mut tasks = Vec::new();
    for slot in 1..=10 {
        tasks.push(shop.task(slot).await);
    }
    let held = |protocol| {
        let mut all: Vec<u16> = tasks.iter().flat_map(|task| &task.ports).filter(|port| port.protocol == protocol).map(|port| port.host).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(held(Protocol::Tcp), (20_000..=20_009).collect::<Vec<u16>>());
    assert_eq!(held(Protocol::Udp), (20_000..=20_009).collect::<Vec<u16>>());
    assert_eq!(code(shop.bare_task(11).await), "ports_exhausted");
    assert_eq!(shop.work().await.tasks.len(), 10, "a task that got no port is not there");

    shop.end(&tasks[0], TaskState::Ended).await;
    let freed = tasks[0].ports[0].host;
    let again = shop.task(11).await;
    assert_eq!(again.ports[0].host, freed);
    // Something else holds that port after all: it is left alone, and there is no other one.
    shop.end(&tasks[1], TaskState::Ended).await;
    let moved = work::move_port(&shop.store.worker, &again, Protocol::Tcp, freed).await.expect("another one");
    assert_eq!(moved[0].host, tasks[1].ports[0].host);
    assert_eq!(moved[1], again.ports[1], "the other port stays");
    shop.end(&tasks[2], TaskState::Ended).await;
    let taken = work::move_port(&shop.store.worker, &again, Protocol::Tcp, moved[0].host).await.expect("another one");
    assert_eq!(taken[0].host, tasks[2].ports[0].host);
    assert_eq!(code(work::move_port(&shop.store.worker, &again, Protocol::Tcp, taken[0].host).await), "ports_exhausted");
    shop.store.later(601);
    shop.end(&again, TaskState::Ended).await;
    shop.task(12).await;
}

#[tokio::test]
async fn a_fixed_port_belongs_to_one() {
    let shop = Shop::open().await;
    let fixed = "image: web:1\nports: [{name: http, container: 80, host: 20005}]";
    shop.deploy(fixed).await;
    let task = shop.task(1).await;
    assert_eq!(task.ports[0].host, 20_005);
    assert_eq!(code(shop.bare_task(1).await), "port_taken");
    assert_eq!(code(work::move_port(&shop.store.worker, &task, Protocol::Tcp, 20_005).await), "port_taken");
    shop.deploy(fixed).await;

    let other: ServiceName = "other".parse().expect("a name");
    services::create(shop.platform(), &shop.store.may(&shop.ana, &shop.project).await, &other).await.expect("created");
    let key = ServiceKey { project: &shop.project, service: &other };
    let may = shop.ana.may::<can::Deploy, _>(shop.platform(), &key).await.expect("allowed");
    let (name, message) = field(plan(shop.platform(), &may, &request(fixed)).await.expect_err("taken"));
    assert_eq!(name, "descriptor.ports[0].host");
    assert!(message.contains("20005/tcp is held by another service"));
    assert!(deploy(shop.platform(), &may, &request(fixed)).await.is_err());

    // A machine that was removed is no other place for it.
    let mut write = shop.platform().bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO machines (id, environment_id, name, engine, host, publish_address, port_first, port_last, subnet_pool, state, created_at,
               removed_at) SELECT $1, environment_id, 'gone', engine, host, publish_address, port_first, port_last, subnet_pool, state, 1, 2
               FROM machines";
    write.exec(sql, args![shop.platform().new_id::<model::ids::MachineId>()]).await.expect("a machine of before");
    write.finish().await.expect("kept");
    assert!(plan(shop.platform(), &may, &request(fixed)).await.is_err(), "it is taken all the same");
    shop.end(&task, TaskState::Ended).await;
    plan(shop.platform(), &may, &request(fixed)).await.expect("free again");
}

#[tokio::test]
async fn a_plan_says_what_a_deploy_would_do_and_does_nothing() {
    let shop = Shop::open().await;
    let first = plan(shop.platform(), &shop.may().await, &request(TWO)).await.expect("planned");
    assert_eq!((first.creates, first.ends, first.current, first.unchanged), (2, 0, None, false));
    assert_eq!(first.digest.map(|digest| digest.to_string()), Some(shop.digest.clone()));
    assert_eq!(shop.due().await, 0);
    shop.succeed(&shop.deploy(TWO).await).await;
    let same = plan(shop.platform(), &shop.may().await, &request(TWO)).await.expect("planned");
    assert!(same.unchanged && same.changes.is_empty());
    let more = plan(shop.platform(), &shop.may().await, &request(&TWO.replace("replicas: 2", "replicas: 3"))).await.expect("planned");
    assert_eq!((more.creates, more.ends), (1, 0));
    let other = plan(shop.platform(), &shop.may().await, &request(&format!("{TWO}\nenv: {{A: b}}"))).await.expect("planned");
    assert_eq!((other.creates, other.ends, other.changes[0].field.as_str()), (2, 2, "env.A"));
    let order: Vec<_> = other.steps.iter().flat_map(|step| step.tasks.iter().map(|task| (step.act.as_str(), task.slot, task.revision))).collect();
    assert_eq!(order, [("make", 1, None), ("end", 1, Some(1)), ("make", 2, None), ("end", 2, Some(1))]);
    assert_eq!((other.tasks, other.at_most), (2, 3), "one more while they are replaced");
    crate::machines::seen(&shop.store.worker, &shop.store.machine().await, &crate::machines::Seen::Away("no such socket".into()))
        .await
        .expect("recorded");
    let away = plan(shop.platform(), &shop.may().await, &request(TWO)).await.expect("planned");
    assert!(away.notes[0].contains("does not answer") && !away.notes[0].contains("no such socket"), "{:?}", away.notes);
}

#[tokio::test]
async fn whoever_waits_hears_of_the_end() {
    let shop = Shop::open().await;
    let deployment = shop.deploy(TWO).await;
    let key = DeploymentKey { project: shop.project.clone(), service: shop.service.clone(), deployment: deployment.id };
    let mut lease = shop.ana.lease::<can::SeeServices, _>(shop.platform(), key.clone()).await.expect("allowed");
    let now = wait(shop.platform(), &mut lease, Duration::from_millis(1)).await.expect("the state at that time");
    assert_eq!(now.state, DeploymentState::Queued);
    let (ended, ()) = tokio::join!(wait(shop.platform(), &mut lease, Duration::from_secs(60)), async {
        tokio::task::yield_now().await;
        shop.succeed(&deployment).await;
    });
    assert_eq!(ended.expect("the end").state, DeploymentState::Succeeded);
}

#[tokio::test]
async fn what_may_not_be_done_is_refused() {
    let shop = Shop::open().await;
    let deployment = shop.deploy(TWO).await;
    let stranger = shop.store.person("eve", false).await;
    assert!(matches!(shop.may_as::<can::SeeServices>(&stranger).await, Err(Error::NotFound { what: "service" })));
    assert!(matches!(stranger.may::<can::SeeServices, _>(shop.platform(), &deployment.id).await, Err(Error::NotFound { .. })));
    let reader = shop.ana.clone().limited_to([Scope::Read]);
    assert!(matches!(shop.may_as::<can::Deploy>(&reader).await, Err(Error::Forbidden(_))));
    // A token for deploys may run the project's own images without being one for pulls.
    let ci = shop.ana.clone().limited_to([Scope::Deploy]);
    let may = shop.may_as::<can::Deploy>(&ci).await.expect("allowed");
    deploy(shop.platform(), &may, &request(TWO)).await.expect("deployed");
    // What was put together without being parsed is checked all the same.
    let mut hostile = request(TWO);
    hostile.descriptor.volumes.push(model::descriptor::Volume { name: None, host: Some("/".into()), path: "/host".into(), read_only: false });
    assert_eq!(field(deploy(shop.platform(), &may, &hostile).await.expect_err("refused")).0, "descriptor.volumes[0].host");
    let mut lost = request(TWO);
    lost.intent.environment = Some("moon".parse().expect("a name"));
    let (name, message) = field(deploy(shop.platform(), &may, &lost).await.expect_err("refused"));
    assert_eq!((name.as_str(), message.as_str()), ("environment", "there is no environment moon; there are: local"));
    lost.intent = Intent { why: "x".repeat(2000), ..Intent::default() };
    assert_eq!(field(deploy(shop.platform(), &may, &lost).await.expect_err("refused")).0, "why");
}

#[tokio::test]
async fn each_project_has_a_network_of_its_own() {
    let shop = Shop::open().await;
    let machine = shop.store.machine().await;
    let worker = &shop.store.worker;
    let bob = shop.store.person("bob", false).await;
    let mut projects = vec![shop.may::<can::SeeServices>().await.project.id];
    for name in ["p1", "p2", "p3", "p4"] {
        let project = shop.store.project(name, &bob, Role::Developer).await;
        projects.push(shop.store.may::<can::SeeProject>(&bob, &project).await.id);
    }
    let first = work::network(worker, &machine, projects[0]).await.expect("a network");
    assert_eq!(first.to_string(), "10.208.0.0/24");
    assert_eq!(work::network(worker, &machine, projects[0]).await.expect("the same"), first);
    assert_eq!(work::network(worker, &machine, projects[1]).await.expect("another").to_string(), "10.208.1.0/24");
    // The engine says that the first overlaps with something: the next free one, and the old one is free.
    assert_eq!(work::move_network(worker, &machine, projects[0], first).await.expect("moved").to_string(), "10.208.2.0/24");
    assert_eq!(work::network(worker, &machine, projects[2]).await.expect("the freed one").to_string(), "10.208.0.0/24");
    assert_eq!(work::network(worker, &machine, projects[3]).await.expect("the last one").to_string(), "10.208.3.0/24");
    let none = work::network(worker, &machine, projects[4]).await.expect_err("none is left").to_string();
    assert!(none.contains("all 4 networks of the pool 10.208.0.0/22 are given out"), "{none}");
}

#[tokio::test]
async fn the_network_of_a_deleted_project_is_given_back_when_its_last_container_is_removed() {
    let shop = Shop::open().await;
    let machine = shop.store.machine().await;
    let worker = &shop.store.worker;
    let id = shop.may::<can::SeeServices>().await.project.id;
    let held = work::network(worker, &machine, id).await.expect("a network");
    shop.deploy(TWO).await;
    let task = shop.task(1).await;
    let abandoned = async || work::abandoned_networks(worker, machine.environment_id).await.expect("read");
    stop(shop.platform(), &shop.may().await, &Intent::default()).await.expect("stopped");
    shop.end(&task, TaskState::Failed).await;
    assert_eq!(abandoned().await, [], "the project is there");

    let key = shop.key().await;
    let admin = shop.store.person("root2", true).await;
    crate::projects::delete(shop.platform(), &shop.store.may(&admin, &shop.project).await).await.expect("deleted");
    assert_eq!(work::due(worker, key.environment).await.expect("read"), [key], "a container is left");
    assert_eq!(abandoned().await, [], "a container is left");
    work::task_removed(worker, task.id).await.expect("recorded");
    assert_eq!(work::due(worker, key.environment).await.expect("read"), []);
    let [network] = abandoned().await.try_into().expect("one");
    assert_eq!((network.project_id, network.project.as_str(), network.environment.as_str()), (id, "shop", "local"));

    // Until it is said to be gone, nobody else gets its range.
    let bob = shop.store.person("bob", false).await;
    let mut next = Vec::new();
    for name in ["p1", "p2"] {
        let project = shop.store.project(name, &bob, Role::Developer).await;
        next.push(shop.store.may::<can::SeeProject>(&bob, &project).await.id);
    }
    assert_ne!(work::network(worker, &machine, next[0]).await.expect("another"), held);
    assert!(work::free_network(worker, &network).await.expect("freed"));
    assert!(!work::free_network(worker, &network).await.expect("freed before"));
    assert_eq!(work::network(worker, &machine, next[1]).await.expect("the freed one"), held);
    let alive = work::AbandonedNetwork { project_id: next[1], ..network };
    assert!(!work::free_network(worker, &alive).await.expect("looked at"), "of a project that is there nothing is taken");
}

#[tokio::test]
async fn an_environment_follows_the_configuration_and_hides_its_engine() {
    let shop = Shop::open().await;
    environments::prepare(shop.platform(), &local((25_000, 25_009))).await.expect("prepared again");
    let machine = shop.store.machine().await;
    assert_eq!(machine.ports, (25_000, 25_009));
    let up = crate::machines::Seen::Up {
        id: "E1".into(),
        version: "28.5".into(),
        api_version: "1.51".into(),
        os: "Debian".into(),
        cpus: 2,
        memory: 1 << 30,
        certificate_ends: None,
    };
    crate::machines::seen(&shop.store.worker, &machine, &up).await.expect("recorded");
    let since = shop.platform().now();
    shop.store.later(5);
    crate::machines::seen(&shop.store.worker, &machine, &up).await.expect("recorded");
    let see = shop.ana.may::<can::SeeEnvironments, _>(shop.platform(), &crate::access::Site).await.expect("allowed");
    let seen = environments::list(shop.platform(), &see).await.expect("read").remove(0);
    assert_eq!((seen.name.as_str(), seen.state, seen.machines[0].since), ("local", model::views::environments::MachineState::Up, Some(since)));
    assert!(seen.registry_address.is_none() && seen.machines[0].engine.is_none());
    let operator = shop.store.person("root2", true).await;
    let see = operator.may::<can::SeeEnvironments, _>(shop.platform(), &crate::access::Site).await.expect("allowed");
    let seen = environments::list(shop.platform(), &see).await.expect("read").remove(0);
    assert_eq!(seen.machines[0].engine.as_deref(), Some("unix:///nowhere.sock"));

    // Why it is away names it, and is for operators too.
    let away = crate::machines::Seen::Away("no engine answers at unix:///nowhere.sock".into());
    crate::machines::seen(&shop.store.worker, &machine, &away).await.expect("recorded");
    let of_operator = environments::list(shop.platform(), &see).await.expect("read").remove(0);
    assert!(of_operator.message.as_deref().is_some_and(|message| message.contains("nowhere.sock")));
    let see = shop.ana.may::<can::SeeEnvironments, _>(shop.platform(), &crate::access::Site).await.expect("allowed");
    let environments = environments::list(shop.platform(), &see).await.expect("read");
    let machines = crate::machines::list(shop.platform(), &see).await.expect("read");
    let places = environments::for_service(shop.platform(), &shop.may().await).await.expect("read");
    assert!(environments[0].message.as_deref().is_some_and(|message| message.contains("operators see why")));
    let told = serde_json::to_string(&(environments, machines, places)).expect("JSON");
    assert!(!told.contains("nowhere"), "{told}");
}
