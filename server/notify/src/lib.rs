//! Sends notices: takes what is due from the domain's queue, posts it or mails it, and says what came of it. Of each route one at a time, of all
//! routes many at once, so that a receiver that hangs keeps nobody else waiting. Decides nothing about who hears what, nor whose turn it is.

use std::collections::HashMap;
use std::time::Duration;

use domain::notices::work::{self, Delivery, Outcome, UnderWay, Verdict};
use domain::{Result, Signal, Worker};
use model::ids::{NoticeRouteId, ProjectId};
use model::notices::RouteKind;
use outbound::Net;
use tokio::task::{Id, JoinSet};

mod mail;
mod payload;
mod post;

/// Longest time for one try. The domain gives a notice to nobody else for much longer.
const TRY: Duration = Duration::from_secs(15);
/// What no signal tells of is noticed after this.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// A pause after the database failed.
const PAUSE: Duration = Duration::from_secs(5);

/// What all tries share.
#[derive(Clone)]
struct Shared {
    worker: Worker,
    net: Net,
    /// What users type to reach the portal, for links.
    origin: String,
}

/// Of each task the route that it sends over, and whose that is.
type Sending = HashMap<Id, (NoticeRouteId, Option<ProjectId>)>;

/// Sends until the portal stops.
pub async fn run(worker: Worker, net: Net, origin: String) {
    let shared = Shared { worker, net, origin };
    let mut running: JoinSet<()> = JoinSet::new();
    let mut routes = Sending::new();
    loop {
        let pause = match fill(&shared, &mut running, &mut routes).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(%error, "the next notice could not be found; it is tried again in a moment");
                PAUSE
            }
        };
        tokio::select! {
            () = shared.worker.platform().signal(Signal::Notices).notified() => {}
            () = tokio::time::sleep(pause) => {}
            Some(ended) = running.join_next_with_id() => {
                let id = match ended {
                    Ok((id, ())) => id,
                    // Its notice is due again after a while.
                    Err(crash) => crash.id(),
                };
                routes.remove(&id);
            }
        }
    }
}

/// Takes up what is due, as far as its turn came; answers how long nothing more will be.
async fn fill(shared: &Shared, running: &mut JoinSet<()>, routes: &mut Sending) -> Result<Duration> {
    loop {
        let under_way: UnderWay = routes.values().copied().collect();
        let Some(delivery) = work::claim(&shared.worker, &under_way).await? else {
            let due = work::next_due(&shared.worker, &under_way).await?;
            let pause = due.map_or(LOOK_AGAIN, |at| at.since(shared.worker.platform().now()) + Duration::from_millis(50));
            return Ok(pause.min(LOOK_AGAIN));
        };
        let route = (delivery.route, delivery.project);
        let task = running.spawn(one(shared.clone(), delivery));
        routes.insert(task.id(), route);
    }
}

/// One try, and what came of it.
async fn one(shared: Shared, delivery: Delivery) {
    let outcome = match tokio::time::timeout(TRY, send(&shared, &delivery)).await {
        Ok(outcome) => outcome,
        Err(_) => away(format!("no answer in {} s", TRY.as_secs())),
    };
    match outcome.verdict {
        Verdict::Taken => tracing::debug!(notice = %delivery.id, route = %delivery.route, attempt = delivery.attempt, "a notice was taken"),
        Verdict::Refused | Verdict::Unwanted | Verdict::Away(_) => {
            tracing::info!(notice = %delivery.id, route = %delivery.route, attempt = delivery.attempt, status = outcome.status, "a notice was not taken");
        }
    }
    while let Err(error) = work::end(&shared.worker, &delivery, &outcome).await {
        tracing::warn!(notice = %delivery.id, %error, "what came of a notice could not be written; it is tried again");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn send(shared: &Shared, delivery: &Delivery) -> Outcome {
    let Some(address) = &delivery.address else {
        return refused("its address was lost with the key that it was sealed with; type it again");
    };
    match delivery.kind {
        RouteKind::Webhook | RouteKind::Slack => post::send(&shared.net, shared.worker.platform().now(), &shared.origin, delivery, address).await,
        RouteKind::Email => mail::send(&shared.origin, delivery, address).await,
    }
}

/// The receiver could not be asked, or is in trouble.
fn away(answer: impl Into<String>) -> Outcome {
    Outcome { status: None, answer: answer.into(), verdict: Verdict::Away(None) }
}

/// Somebody must do something first; what comes behind need not wait for it.
fn refused(answer: impl Into<String>) -> Outcome {
    Outcome { status: None, answer: answer.into(), verdict: Verdict::Refused }
}
