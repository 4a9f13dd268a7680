//! What the loops do: which things are to be probed, what was found, and the board that is drawn of it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use model::ids::ProjectId;
use model::outside::AllowList;
use model::status::ComponentState;
use model::time::Millis;
use model::views::status::ComponentView;

use super::board;
use super::incidents::{self, Planned};
use super::judge::{self, Finding, Seen};
use super::memory::Sort;
use super::spans::{self, Added, Count, History};
use super::{pages, things};
use crate::db::Tx;
use crate::error::Result;
use crate::live::Signal;
use crate::outside;
use crate::platform::Platform;
use crate::worker::Worker;

pub use super::judge::RunFound;
pub use super::things::{Aim, RunningTask, Runs, Thing};

/// How often what is shown no more is taken away.
const TIDY: Duration = Duration::from_secs(900);

/// What is to be probed outside of containers.
pub struct Plan {
    /// The services.
    pub things: Vec<Thing>,
    /// What operators allow to be reached inside.
    pub allowed: AllowList,
}

/// What was found of a thing.
#[derive(Clone, Debug)]
pub struct Found {
    /// The thing.
    pub thing: Thing,
    /// Of a service: in each environment; of an address: once.
    pub runs: Vec<RunFound>,
    /// How long those answers took that came, in milliseconds.
    pub millis: Vec<i64>,
    /// Why it does not answer, for those who may see addresses.
    pub why: Option<String>,
}

impl Found {
    /// As bad as the worst of it.
    fn finding(&self) -> Finding {
        self.runs.iter().map(|run| run.finding()).max().unwrap_or(Finding::Unseen)
    }

    fn sort(&self) -> Sort {
        match self.thing.aim {
            Aim::Service(_) => Sort::Service,
            Aim::Legacy(_) => Sort::Legacy,
        }
    }

    fn response(&self) -> Option<i64> {
        let answers = i64::try_from(self.millis.len()).unwrap_or(i64::MAX);
        (answers > 0).then(|| self.millis.iter().sum::<i64>() / answers)
    }
}

/// The services in containers that are to be probed now. What is kept of those that were not known is read.
pub async fn plan(worker: &Worker) -> Result<Vec<Thing>> {
    let mut tx = worker.platform().read().await?;
    let things = things::services(&mut tx, true).await?;
    recall(worker.platform(), &mut tx, Sort::Service, &things).await?;
    Ok(things)
}

/// The same of services outside of containers.
pub async fn plan_legacy(worker: &Worker) -> Result<Plan> {
    let mut tx = worker.platform().read().await?;
    let things = things::legacy(&mut tx).await?;
    recall(worker.platform(), &mut tx, Sort::Legacy, &things).await?;
    Ok(Plan { things, allowed: outside::allowed(&mut tx).await? })
}

async fn recall(platform: &Platform, tx: &mut Tx, sort: Sort, things: &[Thing]) -> Result<()> {
    let fresh: Vec<String> = {
        let known = platform.status().known();
        things.iter().filter(|thing| !known.histories.contains_key(&thing.id)).map(|thing| thing.id.clone()).collect()
    };
    let read = if fresh.is_empty() { HashMap::new() } else { spans::read(tx, &fresh, platform.now()).await? };
    let ids: HashSet<String> = things.iter().map(|thing| thing.id.clone()).collect();
    let mut known = platform.status().known();
    known.histories.extend(read);
    known.keep(sort, ids);
    Ok(())
}

/// Takes in what was found of some of the things, and says which are worse than they are called, so that they are to be looked at again soon.
pub async fn took(worker: &Worker, found: &[Found]) -> Result<Vec<String>> {
    let platform = worker.platform();
    let now = platform.now();
    let mut tx = worker.relaxed_change().await?;
    let planned = incidents::planned(&mut tx, now).await?;
    let (seen, added, tidy) = {
        let known = platform.status().known();
        let mut seen: HashMap<String, Seen> = HashMap::with_capacity(found.len());
        let mut added = Vec::with_capacity(found.len());
        // What was taken away while it was probed is nobody's any more.
        for one in found.iter().filter(|one| known.keeps(&one.thing.id)) {
            let before = known.seen.get(&one.thing.id);
            added.push(counted(one, before, &planned, now));
            let next = judge::next(before, one.finding(), now, one.response(), one.why.clone());
            seen.insert(one.thing.id.clone(), next);
        }
        (seen, added, known.tidied_at.is_none_or(|at| now.since(at) >= TIDY))
    };
    spans::write(&mut tx, &added).await?;
    if tidy {
        spans::forget(&mut tx, now).await?;
    }
    tx.wake(Signal::Status);
    tx.finish().await?;
    let suspects = seen.iter().filter(|(_, seen)| seen.worse > 0).map(|(thing, _)| thing.clone()).collect();
    let mut known = platform.status().known();
    for one in added {
        if known.keeps(&one.thing) {
            known.histories.entry(one.thing).or_default().add(one.at, one.count);
        }
    }
    for (thing, seen) in seen {
        if known.keeps(&thing) {
            known.seen.insert(thing, seen);
        }
    }
    // A round of nothing is one of services.
    for sort in found.iter().map(Found::sort).chain(found.is_empty().then_some(Sort::Service)) {
        known.checked(sort, now);
    }
    if tidy {
        known.tidied_at = Some(now);
    }
    Ok(suspects)
}

/// The time since the last round, by what that one found; and this one's answers.
fn counted(one: &Found, before: Option<&Seen>, planned: &[Planned], now: Millis) -> Added {
    let work = planned.iter().any(|planned| planned.covers(&one.thing));
    let mut count = before.map_or_else(Count::default, |seen| Count::of(seen.finding, seen.held(now), work));
    count.answers = i64::try_from(one.millis.len()).unwrap_or(i64::MAX);
    count.millis = one.millis.iter().sum();
    Added { thing: one.thing.id.clone(), at: now, count }
}

/// Draws the board anew: from what is kept and what was found. Whether it shows something else now.
pub async fn draw(worker: &Worker) -> Result<bool> {
    let platform = worker.platform();
    let now = platform.now();
    incidents::propose(worker).await?;
    let mut tx = platform.read().await?;
    let shown = things::shown(&mut tx).await?;
    let before = platform.status().board();
    let mut projects: Vec<ProjectId> = shown.iter().map(|thing| thing.project).collect();
    // They come project by project.
    projects.dedup();
    let heads = pages::heads(&mut tx, &before, &projects).await?;
    let incidents = incidents::shown(&mut tx, &projects, now).await?;
    let planned = incidents::planned(&mut tx, now).await?;
    drop(tx);
    let drawn: Vec<(Thing, ComponentView)> = {
        let known = platform.status().known();
        let none = History::default();
        let component = |thing: Thing| {
            let work = planned.iter().any(|planned| planned.covers(&thing));
            let view = component(&thing, known.seen.get(&thing.id), known.histories.get(&thing.id).unwrap_or(&none), work, now);
            (thing, view)
        };
        shown.into_iter().map(component).collect()
    };
    let checked_at = platform.status().known().checked_at();
    let board = board::assemble(heads, drawn, &incidents, checked_at);
    // Probes may have stopped while the database still answers.
    let board = if board.is_old(now) { board.unknown() } else { board };
    Ok(platform.status().show(board))
}

fn component(thing: &Thing, seen: Option<&Seen>, history: &History, work: bool, now: Millis) -> ComponentView {
    let state = if work { ComponentState::Maintenance } else { seen.map_or(ComponentState::Unknown, |seen| seen.state) };
    ComponentView {
        name: thing.name.clone(),
        title: thing.title.clone(),
        state,
        since: seen.map(|seen| seen.since).filter(|_| !work),
        uptime: history.uptime(now),
        response_ms: seen.and_then(|seen| seen.response),
        days: history.days(now),
        responses: history.responses(now),
    }
}
