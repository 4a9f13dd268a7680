use std::time::Duration;

use model::access::Role;
use model::names::{ProjectName, ServiceName};
use model::views::deployments::DeploymentState;
use model::views::services::TaskState;

use super::*;
use crate::access::Actor;
use crate::deployments::work::{self as tasks, End, NewTask, WorkKey};
use crate::deployments::{self, Intent, Request};
use crate::services::{self, ServiceKey};
use crate::testing::Store;

/// A developer's project with a service.
struct Shop {
    store: Store,
    ana: Actor,
    project: ProjectName,
    service: ServiceName,
}

impl Shop {
    async fn open() -> Self {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let project = store.project("shop", &ana, Role::Developer).await;
        store.image(&project, "web", "1", 'a').await;
        let service: ServiceName = "tidy".parse().expect("a name");
        services::create(&store.platform, &store.may(&ana, &project).await, &service).await.expect("created");
        Self { store, ana, project, service }
    }

    async fn may<P: can::Permission>(&self) -> May<P, Service> {
        self.store.later(1);
        self.ana.may(&self.store.platform, &ServiceKey { project: &self.project, service: &self.service }).await.expect("allowed")
    }

    async fn try_deploy(&self, text: &str) -> Result<model::views::deployments::DeploymentView> {
        let descriptor = model::descriptor::Descriptor::parse(text).expect("a descriptor");
        let request = Request { intent: Intent { environment: Some(place()), ..Intent::default() }, descriptor };
        deployments::deploy(&self.store.platform, &self.may().await, &request).await
    }

    /// Deploys, and does what the engine does when the image is there.
    async fn deploy(&self, text: &str) {
        let made = self.try_deploy(text).await.expect("deployed");
        assert!(tasks::advance(&self.store.worker, made.id, DeploymentState::Rolling, None).await.expect("recorded"));
        assert!(tasks::advance(&self.store.worker, made.id, DeploymentState::Succeeded, None).await.expect("recorded"));
    }

    async fn tend(&self) -> Duration {
        work::tend(&self.store.worker).await.expect("tended")
    }

    async fn view(&self) -> JobView {
        list(&self.store.platform, &self.may().await, Some(&place())).await.expect("listed")
    }

    async fn states(&self) -> Vec<(JobCause, JobState)> {
        self.view().await.items.into_iter().map(|run| (run.cause, run.state)).collect()
    }

    async fn key(&self) -> WorkKey {
        WorkKey { service: self.may::<can::SeeServices>().await.id, environment: self.store.machine().await.environment_id }
    }

    async fn finish(&self, state: JobState) {
        let key = self.key().await;
        let run = tasks::load(&self.store.worker, key).await.expect("read").expect("deployed").run.expect("a run");
        work::finish(&self.store.worker, key, run.id, state, None).await.expect("recorded");
    }

    async fn run_now(&self) -> Result<JobRunView> {
        run_now(&self.store.platform, &self.may().await, None).await
    }
}

fn place() -> EnvironmentName {
    "local".parse().expect("a name")
}

const HOUR: u64 = 3_600;
const HOURLY: &str = "{image: 'web:1', kind: job, schedule: '0 * * * *'}";

#[tokio::test]
async fn a_schedule_runs_once_for_all_that_was_missed_and_never_twice_at_once() {
    let shop = Shop::open().await;
    shop.deploy(HOURLY).await;
    shop.tend().await;
    assert!(shop.states().await.is_empty(), "a deployment of a job with a schedule does not run it");
    assert!(shop.view().await.next.is_some());
    shop.store.later(5 * HOUR);
    let wait = shop.tend().await;
    assert!(wait <= Duration::from_secs(HOUR));
    shop.tend().await;
    assert_eq!(shop.states().await, [(JobCause::Schedule, JobState::Running)], "one run for five hours away");
    shop.store.later(HOUR);
    shop.tend().await;
    assert_eq!(shop.states().await, [(JobCause::Schedule, JobState::Skipped), (JobCause::Schedule, JobState::Running)]);
    shop.finish(JobState::Succeeded).await;
    shop.store.later(HOUR);
    shop.tend().await;
    assert_eq!(shop.states().await[0], (JobCause::Schedule, JobState::Running));
}

#[tokio::test]
async fn a_job_without_a_schedule_runs_when_it_is_deployed_and_when_somebody_asks() {
    let shop = Shop::open().await;
    assert!(matches!(shop.run_now().await, Err(Error::Conflict { code, .. }) if code == "not_a_job"));
    shop.deploy("{image: 'web:1', kind: job, replicas: 2}").await;
    assert_eq!(shop.states().await, [(JobCause::Deployment, JobState::Running)]);
    assert!(matches!(shop.run_now().await, Err(Error::Conflict { code, .. }) if code == "already_running"));
    shop.finish(JobState::Succeeded).await;
    let run = shop.run_now().await.expect("it runs");
    assert_eq!((run.cause, run.by.as_deref()), (JobCause::Hand, Some("ana")));

    let worker = &shop.store.worker;
    let loaded = tasks::load(worker, shop.key().await).await.expect("read").expect("deployed");
    let run = loaded.run.expect("a run");
    let new = NewTask { key: loaded.key, revision: &run.revision, deployment: None, machine: &loaded.machines[0], slot: 1, run: Some(run.id) };
    let task = tasks::create_task(worker, &new).await.expect("made");
    let end = End { state: TaskState::Failed, exit_code: Some(3), reason: None };
    tasks::task_ended(worker, task.id, &end).await.expect("recorded");
    let loaded = tasks::load(worker, shop.key().await).await.expect("read").expect("deployed");
    assert_eq!(loaded.run.expect("a run").ended, [(1, TaskState::Failed, Some(3))]);
    shop.finish(JobState::Failed).await;
    let shown = &shop.view().await.items[0];
    assert_eq!((shown.state, shown.tasks[0].exit_code), (JobState::Failed, Some(3)));
    let detail = services::get(&shop.store.platform, &shop.may().await).await.expect("read");
    assert_eq!(detail.runs[0].summary.state, model::views::services::ServiceState::Degraded, "its last run failed");
    assert_eq!(detail.runs[0].summary.job, Some(model::views::services::LastRun::Failed));
}

#[tokio::test]
async fn old_runs_go_with_their_tasks_unless_an_engine_still_holds_one() {
    let shop = Shop::open().await;
    shop.deploy("{image: 'web:1', kind: job}").await;
    let worker = &shop.store.worker;
    let mut tasks_made = Vec::new();
    for round in 0..8 {
        if round > 0 {
            shop.run_now().await.expect("it runs");
        }
        let loaded = tasks::load(worker, shop.key().await).await.expect("read").expect("deployed");
        let run = loaded.run.expect("a run");
        let new = NewTask { key: loaded.key, revision: &run.revision, deployment: None, machine: &loaded.machines[0], slot: 1, run: Some(run.id) };
        let task = tasks::create_task(worker, &new).await.expect("made").id;
        tasks::task_running(worker, task, &format!("c{round}"), None, shop.store.platform.now()).await.expect("recorded");
        tasks::task_ended(worker, task, &End { state: TaskState::Ended, exit_code: Some(0), reason: None }).await.expect("recorded");
        if round != 1 {
            tasks::task_removed(worker, task).await.expect("recorded");
        }
        tasks_made.push(task);
        shop.finish(JobState::Succeeded).await;
    }
    let shown = shop.view().await.items;
    assert_eq!(shown.len(), 6, "the last five, and the one whose container is still there");
    assert_eq!(shown[5].tasks[0].id, tasks_made[1]);
}

#[tokio::test]
async fn a_stopped_job_does_not_run() {
    let shop = Shop::open().await;
    shop.deploy(HOURLY).await;
    deployments::stop(&shop.store.platform, &shop.may().await, &Intent { environment: Some(place()), ..Intent::default() }).await.expect("stopped");
    shop.store.later(2 * HOUR);
    shop.tend().await;
    assert!(shop.states().await.is_empty() && shop.view().await.next.is_none());
    assert!(matches!(shop.run_now().await, Err(Error::Conflict { code, .. }) if code == "stopped"));
}

#[tokio::test]
async fn what_is_no_schedule_and_no_time_zone_is_refused() {
    let shop = Shop::open().await;
    for text in [
        "{image: 'web:1', kind: job, schedule: 'at noon'}",
        "{image: 'web:1', kind: job, schedule: '0 0 30 2 *'}",
        "{image: 'web:1', kind: job, schedule: '0 3 * * *', timezone: Asia/Shangai}",
    ] {
        assert!(matches!(shop.try_deploy(text).await, Err(Error::Invalid(_))), "{text}");
    }
}
