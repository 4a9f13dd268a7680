//! Every background loop, in one list. Each is idempotent, takes no input, compares what is with what should be, and is woken by a timer and
//! by signals. One that crashes takes the portal down with a failing exit code: a portal with a dead loop only looks alive.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::images::rules;
use domain::shells::{recording, retention};
use domain::{Result, Signal, Worker, accounts, deployments};
use engine::Engine;
use engine::artifact::{Artifacts, Limits};
use engine::logs::Kept;
use outbound::Net;
use registry::Registry;
use registry::outside::Outside;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::Portal;

/// How often what has ended is swept away.
const SWEEP: Duration = Duration::from_secs(600);
/// How often it is looked whether a project's rules for images are due.
const RULES: Duration = Duration::from_secs(60);
/// How often it is looked whether a deployment waited too long for an approval.
const APPROVALS: Duration = Duration::from_secs(60);
/// Wait after schedules of jobs could not be read.
const JOBS_RETRY: Duration = Duration::from_secs(5);
/// Shortest wait until schedules are looked at again.
const JOBS_LEAST: Duration = Duration::from_millis(200);
/// How often it is looked for logs that are too old or too many, besides when many lines were added.
const LOGS: Duration = Duration::from_secs(600);
/// How often it is looked for recordings of shells whose time is over.
const RECORDINGS: Duration = Duration::from_secs(600);
/// How often kept samples are put in order.
const METRICS: Duration = Duration::from_secs(60);
/// How often it is looked for hours of which it is not yet summed up what was used.
const USAGE: Duration = Duration::from_secs(60);
/// How often it is looked for events that are too old or too many.
const EVENTS: Duration = Duration::from_secs(600);
/// How often it is looked whether rules of alerts hold.
const ALERTS: Duration = Duration::from_secs(10);
/// Shortest wait until they are looked at again.
const ALERTS_LEAST: Duration = Duration::from_millis(500);
/// How often old alerts and notices are taken away.
const OLD_ALERTS: Duration = Duration::from_secs(3600);
/// How often it is looked for pushes that a rule may deploy, besides when there is one.
const PUSHES: Duration = Duration::from_secs(60);
/// Shortest wait in between, besides when there is one.
const PUSHES_LEAST: Duration = Duration::from_millis(200);
/// How often the status page is drawn, besides when something changes: planned work begins and ends by the clock.
const STATUS: Duration = Duration::from_secs(10);
/// Shortest wait in between.
const STATUS_LEAST: Duration = Duration::from_millis(200);
/// How often pulls are written down.
const PULLS: Duration = Duration::from_secs(15);

/// How often it is looked for shells that nobody holds any more, besides when something changes on a machine.
const SHELLS: Duration = Duration::from_secs(15);
/// Shortest wait in between.
const SHELLS_LEAST: Duration = Duration::from_millis(500);

/// How often it is looked for images whose layers are not written down: those of an older portal over the same database.
const LAYERS: Duration = Duration::from_secs(600);

/// Starts them all.
#[expect(clippy::disallowed_methods, reason = "the one place that makes workers")]
pub fn start(portal: &Portal, data: &Path, loops: &TaskTracker, stop: &CancellationToken, failed: &CancellationToken) -> Result<()> {
    let hire = |name| Worker::hire(&portal.platform, name);
    portal.registry.serve_engines(hire("registry"));
    let artifacts = Artifacts::new(data.join("artifacts"), Net::default(), Limits::default());
    let kept = portal.platform.logs().map(|store| Kept { store, folder: data.join("logs") });
    let engine = Engine::new(hire("engine"), Arc::new(portal.registry.clone()), artifacts, kept)?;
    portal.platform.plug(engine.live(), Arc::new(portal.registry.clone()));
    let outside = Outside::default();
    portal.platform.plug_outside(Arc::new(outside.clone()));
    spawn(loops, stop, failed, "engine", engine.run());
    spawn(loops, stop, failed, "copies", registry::copies::run(hire("copies"), portal.registry.clone(), outside));
    spawn(loops, stop, failed, "pushes", deploy_pushes(hire("pushes")));
    spawn(loops, stop, failed, "pulls", write_pulls(hire("pulls"), portal.registry.clone()));
    spawn(loops, stop, failed, "upkeep", portal.registry.clone().tend(hire("upkeep")));
    spawn(loops, stop, failed, "deleted repositories", Registry::clear_deleted(hire("deleted repositories")));
    spawn(loops, stop, failed, "layers", write_layers(hire("layers"), portal.registry.clone()));
    spawn(loops, stop, failed, "sweep", sweep(hire("sweep"), portal.registry.clone()));
    spawn(loops, stop, failed, "jobs", run_jobs(hire("jobs")));
    spawn(loops, stop, failed, "image rules", image_rules(hire("retention")));
    spawn(loops, stop, failed, "shells", end_shells(hire("shells")));
    spawn(loops, stop, failed, "approvals", approvals(hire("approvals")));
    spawn(loops, stop, failed, "log retention", log_retention(hire("log retention")));
    spawn(loops, stop, failed, "samples", tidy_metrics(hire("samples")));
    spawn(loops, stop, failed, "usage", sum_usage(hire("usage")));
    spawn(loops, stop, failed, "old events", old_events(hire("old events")));
    spawn(loops, stop, failed, "discovery", follow_services(hire("discovery")));
    spawn(loops, stop, failed, "alerts", alerts(hire("alerts")));
    spawn(loops, stop, failed, "old alerts", old_alerts(hire("old alerts")));
    spawn(loops, stop, failed, "notices", notify::run(hire("notices"), Net::default(), portal.origin.as_str().to_owned()));
    let probes = engine::status::Probes::new(hire("status probes"))?;
    spawn(loops, stop, failed, "status probes", probes.run());
    let legacy = engine::status::LegacyProbes::new(hire("legacy probes"), Net::default());
    spawn(loops, stop, failed, "legacy probes", legacy.run());
    spawn(loops, stop, failed, "status page", draw_status(hire("status page")));
    spawn(loops, stop, failed, "recordings", recording::write(hire("recordings")));
    spawn(loops, stop, failed, "old recordings", old_recordings(hire("old recordings")));
    Ok(())
}

/// Brings order into what a killed process left, before anything is served.
#[expect(clippy::disallowed_methods, reason = "the one place that makes workers")]
pub async fn recover(portal: &Portal) -> Result<()> {
    portal.registry.recover(&Worker::hire(&portal.platform, "recovery")).await
}

/// Runs a loop until the portal stops; a loop that ends or panics by itself stops the portal.
fn spawn(
    loops: &TaskTracker,
    stop: &CancellationToken,
    failed: &CancellationToken,
    name: &'static str,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let (stop, failed) = (stop.clone(), failed.clone());
    let task = tokio::spawn({
        let stop = stop.clone();
        async move { stop.run_until_cancelled(work).await.is_none() }
    });
    loops.spawn(async move {
        if !matches!(task.await, Ok(true)) {
            tracing::error!(loop.name = name, "a background loop ended; the portal stops");
            failed.cancel();
            stop.cancel();
        }
    });
}

/// Waits until somebody asks for a loop's work, at most until it is due by itself.
async fn asked_or_due(worker: &Worker, signal: Signal, due: Duration) {
    let asked = worker.platform().signal(signal).notified();
    let _ = tokio::time::timeout(due, asked).await;
}

/// Writes down how often images were pulled: counted in memory, so that a pull writes nothing.
async fn write_pulls(worker: Worker, registry: Registry) {
    loop {
        tokio::time::sleep(PULLS).await;
        if let Err(error) = worker.turn(registry.write_pulls(&worker)).await {
            tracing::warn!(%error, "pulls could not be counted");
        }
    }
}

/// Deploys what was pushed, where a service's rule says so.
async fn deploy_pushes(worker: Worker) {
    loop {
        match worker.turn(domain::pushes::work::tend(&worker)).await {
            Ok(looked) => {
                if looked > 0 {
                    tracing::info!(pushes = looked, "pushes were compared with rules");
                }
                // Some may be set aside for a moment.
                let due = domain::pushes::work::wait(&worker).await.ok().flatten().unwrap_or(PUSHES);
                asked_or_due(&worker, Signal::Pushes, due.clamp(PUSHES_LEAST, PUSHES)).await;
            }
            Err(error) => {
                tracing::warn!(%error, "pushes could not be deployed; it is tried again in a minute");
                asked_or_due(&worker, Signal::Pushes, PUSHES).await;
            }
        }
    }
}

/// Writes down what images are made of that were pushed before this was kept, and forgets moves of tags that mean nothing any more.
async fn write_layers(worker: Worker, registry: Registry) {
    loop {
        match worker.turn(registry.derive_layers(&worker)).await {
            Ok(0) => {}
            Ok(done) => tracing::info!(images = done, "layers of images were written down"),
            Err(error) => tracing::warn!(%error, "layers of images could not be written down"),
        }
        if let Err(error) = registry.forget_moves(&worker).await {
            tracing::warn!(%error, "old moves of tags could not be forgotten");
        }
        tokio::time::sleep(LAYERS).await;
    }
}

/// Removes what has ended: sessions, uploads that nobody goes on with.
async fn sweep(worker: Worker, registry: Registry) {
    loop {
        match worker.turn(accounts::sessions::sweep(&worker)).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(sessions = gone, "ended sessions were removed"),
            Err(error) => tracing::warn!(%error, "ended sessions could not be removed"),
        }
        if let Err(error) = registry.expire_uploads(&worker).await {
            tracing::warn!(%error, "uploads that nobody goes on with could not be removed");
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// Ends deployments that waited too long for an approval.
async fn approvals(worker: Worker) {
    loop {
        match worker.turn(deployments::expire(&worker)).await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(deployments = ended, "deployments that nobody approved expired"),
            Err(error) => tracing::warn!(%error, "deployments that nobody approved could not be ended; it is tried again in a minute"),
        }
        tokio::time::sleep(APPROVALS).await;
    }
}

/// Takes away logs that are too old or too many, and puts those that are kept in order.
async fn log_retention(worker: Worker) {
    loop {
        match worker.turn(domain::logs::retention::tend(&worker)).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(bytes = gone, "old logs were taken away"),
            Err(error) => tracing::warn!(%error, "old logs could not be taken away; it is tried again in some minutes"),
        }
        asked_or_due(&worker, Signal::LogRetention, LOGS).await;
    }
}

/// Puts kept samples in order, and takes away what is too old or too much.
async fn tidy_metrics(worker: Worker) {
    loop {
        match worker.turn(domain::metrics::work::tidy(&worker)).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(bytes = gone, "old samples were taken away"),
            Err(error) => tracing::warn!(%error, "kept samples could not be put in order; it is tried again in a minute"),
        }
        tokio::time::sleep(METRICS).await;
    }
}

/// Sums up what projects used in the hours that are over.
async fn sum_usage(worker: Worker) {
    loop {
        match worker.turn(domain::usage::work::tend(&worker)).await {
            // There may be more: the portal stood still for long.
            Ok(hours) if hours > 1 => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "what projects used could not be summed up; it is tried again in a minute"),
        }
        tokio::time::sleep(USAGE).await;
    }
}

/// Takes away events that are too old or too many.
async fn old_events(worker: Worker) {
    loop {
        match worker.turn(domain::events::work::tidy(&worker)).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(events = gone, "old events were taken away"),
            Err(error) => tracing::warn!(%error, "old events could not be taken away; it is tried again in ten minutes"),
        }
        tokio::time::sleep(EVENTS).await;
    }
}

/// Follows where services are, for those who ask at `/discovery`.
async fn follow_services(worker: Worker) {
    // Listening begins before the first look, so that nothing falls between the two.
    let mut follower = domain::discovery::work::Follower::new(&worker);
    loop {
        if let Err(error) = worker.turn(follower.tend(&worker)).await {
            tracing::warn!(%error, "where services are could not be read; it is tried again in a moment");
        }
        follower.news().await;
    }
}

/// Looks whether rules of alerts hold: every few seconds, when somebody changes one, and when a deployment or a machine changes.
async fn alerts(worker: Worker) {
    // Listening begins before the first look, so that nothing falls between the two.
    let mut changes = worker.platform().live();
    loop {
        match worker.turn(domain::alerts::work::evaluate(&worker)).await {
            Ok(0) => {}
            Ok(turns) => tracing::info!(alerts = turns, "alerts began or ended"),
            Err(error) => tracing::warn!(%error, "rules of alerts could not be looked at; it is tried again in a moment"),
        }
        tokio::time::sleep(ALERTS_LEAST).await;
        let asked = worker.platform().signal(Signal::Alerts).notified();
        let changed = async {
            // Having missed some is a reason to look as well.
            while !matches!(changes.recv().await, Ok(domain::Topic::Deployment(_) | domain::Topic::Environment(_)) | Err(_)) {}
        };
        let _ = tokio::time::timeout(ALERTS, futures::future::select(std::pin::pin!(asked), std::pin::pin!(changed))).await;
    }
}

/// Takes away alerts and notices that are long over.
async fn old_alerts(worker: Worker) {
    loop {
        for gone in [domain::alerts::work::tidy(&worker).await, domain::notices::work::tidy(&worker).await] {
            match gone {
                Ok(0) => {}
                Ok(gone) => tracing::info!(rows = gone, "old alerts and notices were taken away"),
                Err(error) => tracing::warn!(%error, "old alerts and notices could not be taken away; it is tried again in an hour"),
            }
        }
        tokio::time::sleep(OLD_ALERTS).await;
    }
}

/// Draws what the public status page shows: when something was found or written, and as time goes on.
async fn draw_status(worker: Worker) {
    loop {
        if let Err(error) = worker.turn(domain::status::work::draw(&worker)).await {
            tracing::warn!(%error, "the status page could not be drawn anew; readers get the last one, and it is tried again");
        }
        tokio::time::sleep(STATUS_LEAST).await;
        asked_or_due(&worker, Signal::Status, STATUS).await;
    }
}

/// Ends shells whose portal was killed, or whose engine was away when they were to be ended.
async fn end_shells(worker: Worker) {
    // Listening begins before the first look: a machine that is connected meanwhile is not missed.
    let mut changes = worker.platform().live();
    loop {
        match worker.turn(domain::shells::work::tend(&worker)).await {
            Ok((0, _)) => {}
            Ok((ended, left)) => tracing::info!(shells = ended, left, "shells of an earlier time were ended"),
            Err(error) => tracing::warn!(%error, "shells of an earlier time could not be ended; it is tried again"),
        }
        tokio::time::sleep(SHELLS_LEAST).await;
        let machine = async {
            // Having missed some is a reason to look as well.
            while !matches!(changes.recv().await, Ok(domain::Topic::Environment(_)) | Err(_)) {}
        };
        let _ = tokio::time::timeout(SHELLS, machine).await;
    }
}

/// Deletes recordings of shells that are kept no longer.
async fn old_recordings(worker: Worker) {
    loop {
        match worker.turn(retention::tend(&worker)).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(recordings = gone, "recordings of shells whose time was over were deleted"),
            Err(error) => tracing::warn!(%error, "old recordings of shells could not be deleted; it is tried again in ten minutes"),
        }
        asked_or_due(&worker, Signal::Recordings, RECORDINGS).await;
    }
}

/// Lets jobs run when their schedule says so.
async fn run_jobs(worker: Worker) {
    loop {
        let wait = match worker.turn(domain::jobs::work::tend(&worker)).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(%error, "schedules of jobs could not be followed; they are looked at again in a moment");
                JOBS_RETRY
            }
        };
        tokio::time::sleep(wait.max(JOBS_LEAST)).await;
    }
}

/// Does what projects' rules for images ask for: at their hour, and when somebody asks.
async fn image_rules(worker: Worker) {
    loop {
        match worker.turn(rules::work::tend(&worker)).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "projects' rules for images could not be followed; they go on in a minute"),
        }
        asked_or_due(&worker, Signal::ImageRules, RULES).await;
    }
}
