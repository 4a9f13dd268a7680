//! Collects samples: of every task that runs, of machines and their engines, and what applications tell of themselves.
//!
//! There is one collector for each machine, however many people look. It takes a turn on each multiple of the store's step (ten seconds) by the portal's
//! clock; a turn that would begin while the one before is not done is left out, and nothing is made up for it. Each sample bears the time at which it was
//! read ([`times`]): what a turn waits for shifts nothing. Where the engine runs on this machine
//! and its containers are proven to be seen here ([`groups`]), the kernel's files are read ([`files`], [`host`]): all of a machine's on one thread, in
//! a few milliseconds. Else the engine's API is asked, once for each container. What is dear (the engine's disk) or slow (applications) is asked for
//! beside the turns, and none of them waits for it for long.
//!
//! Invariants: only containers of recorded tasks are sampled; nothing here changes anything on a machine; what could not be read is missing, and never
//! a zero. What each figure means: `docs/figures.md`.

mod admitted;
mod cgroup;
mod collector;
mod disks;
mod engine;
mod exposition;
mod files;
mod groups;
mod host;
mod kills;
mod local;
mod net;
mod patience;
mod reader;
mod scrape;
mod times;
pub(crate) mod usage;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use model::ids::MachineId;
use model::time::Millis;
use tokio::task::JoinSet;

use crate::context::Context;
use collector::Collector;
pub(crate) use kills::Told;

/// How long it is waited when the clock is not yet where it should be.
const LEAST: Duration = Duration::from_millis(50);

/// Runs until it is dropped.
pub(crate) async fn run(context: Arc<Context>) {
    let platform = context.worker.platform().clone();
    let Some(step) = platform.metrics().map(|store| store.step()) else { return std::future::pending().await };
    let mut resting: HashMap<MachineId, Collector> = HashMap::new();
    let mut at_work: JoinSet<Collector> = JoinSet::new();
    let mut busy: BTreeSet<MachineId> = BTreeSet::new();
    let mut due = turn(platform.now(), step) + 1;
    loop {
        let now = platform.now();
        // The clock was set back.
        due = due.min(turn(now, step) + 1);
        tokio::select! {
            Some(done) = at_work.join_next() => {
                if let Some(collector) = still_standing(done) {
                    busy.remove(&collector.machine());
                    resting.insert(collector.machine(), collector);
                }
                continue;
            }
            () = tokio::time::sleep(until(now, due, step)) => {}
        }
        let this = turn(platform.now(), step);
        if this < due {
            tokio::time::sleep(LEAST).await;
            continue;
        }
        due = this + 1;
        let machines = context.machines.all();
        resting.retain(|id, _| machines.iter().any(|(machine, _)| machine.id == *id));
        for (machine, docker) in machines {
            // It may still be at its last turn.
            if busy.insert(machine.id) {
                let collector = resting.remove(&machine.id).unwrap_or_else(|| Collector::new(&context, machine.id, step));
                at_work.spawn(collector.turn(machine, docker));
            }
        }
    }
}

/// The number of the turn that has begun.
fn turn(now: Millis, step: Duration) -> i64 {
    now.0.div_euclid(length(step))
}

/// How long it is until a turn begins; never longer than a step.
fn until(now: Millis, turn: i64, step: Duration) -> Duration {
    let wait = turn.saturating_mul(length(step)).saturating_sub(now.0).clamp(0, length(step));
    Duration::from_millis(wait.unsigned_abs())
}

fn length(step: Duration) -> i64 {
    i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1)
}

/// A collector that crashed is a fault of ours: the portal must not look alive without it.
fn still_standing<T>(done: Result<T, tokio::task::JoinError>) -> Option<T> {
    match done {
        Ok(done) => Some(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_begin_on_multiples_of_the_step() {
        let step = Duration::from_secs(10);
        let now = Millis(1_000_003_500);
        let due = turn(now, step) + 1;
        assert_eq!(until(now, due, step), Duration::from_millis(6500));
        assert_eq!(until(Millis(1_000_010_000), due, step), Duration::ZERO);
        assert_eq!(turn(Millis(1_000_010_000), step), due);
        assert_eq!(until(Millis(1_000_010_700), due, step), Duration::ZERO, "late is at once");
        assert_eq!(until(Millis(0), due, step), step, "a clock that was set back is not waited for");
    }
}
