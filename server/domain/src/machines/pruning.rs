//! Keeping the disks of machines from filling with images: the policy of each machine, who asked for a run, what runs did, and what a run must know.
//! Only images that Slipway itself had pulled are ever named here; what runs, what a service can be brought back to and what is young stays.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::digest::Digest;
use model::ids::{MachineId, PruneId, ServiceId};
use model::names::MachineName;
use model::problem::FieldError;
use model::time::Millis;
use model::views::environments::{PrunePolicy, PruneReport, PruneRunView, PruneState, PruneWhy, PruningView};

use super::manage::find;
use crate::access::{May, can};
use crate::args;
use crate::change::Record;
use crate::db::{Json, Row, Tx};
use crate::environments::Environment;
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::worker::Worker;

crate::text_columns! { PruneWhy, PruneState }

/// Runs of a machine that are remembered.
const REMEMBERED: i64 = 30;
/// Between two runs that nobody asked for.
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Between two runs because of a full disk.
const AGAIN: Duration = Duration::from_secs(600);

const RUN: &str = "SELECT id, dry_run, why, asked_by, state, message, created_at, ended_at, report FROM prune_runs";

fn run(row: &Row<'_>) -> Result<PruneRunView> {
    Ok(PruneRunView {
        id: row.get("id")?,
        dry_run: row.get("dry_run")?,
        why: row.get("why")?,
        by: Some(row.get::<String>("asked_by")?).filter(|by| !by.is_empty()),
        state: row.get("state")?,
        message: row.get("message")?,
        created_at: row.get("created_at")?,
        ended_at: row.get("ended_at")?,
        report: row.get::<Json<PruneReport>>("report")?.0,
    })
}

async fn policy(tx: &mut Tx, machine: MachineId) -> Result<PrunePolicy> {
    let sql = "SELECT prune_enabled, prune_keep, prune_min_hours, prune_fuller_than FROM machines WHERE id = $1";
    tx.one(sql, args![machine], |row| {
        Ok(PrunePolicy {
            enabled: row.get("prune_enabled")?,
            keep: row.get("prune_keep")?,
            min_hours: row.get("prune_min_hours")?,
            fuller_than: row.get("prune_fuller_than")?,
        })
    })
    .await
}

async fn machine(tx: &mut Tx, environment: &Environment, name: &MachineName) -> Result<MachineId> {
    let found = find(tx, name).await?.filter(|found| found.machine.environment_id == environment.id);
    found.map(|found| found.machine.id).ok_or(Error::NotFound { what: "machine" })
}

/// How images are taken away from a machine, and what the last runs did.
pub async fn pruning(platform: &Platform, may: &May<can::ManageEnvironments, Environment>, name: &MachineName) -> Result<PruningView> {
    let mut tx = platform.read().await?;
    let id = machine(&mut tx, may, name).await?;
    let sql = "SELECT COUNT(*) AS n FROM pulled_images WHERE machine_id = $1";
    Ok(PruningView {
        policy: policy(&mut tx, id).await?,
        pulled: tx.one(sql, args![id], |row| row.get("n")).await?,
        runs: tx.all(format!("{RUN} WHERE machine_id = $1 ORDER BY id DESC LIMIT 10"), args![id], run).await?,
    })
}

/// Says how images are taken away from a machine.
pub async fn put_pruning(
    platform: &Platform,
    may: &May<can::ManageEnvironments, Environment>,
    name: &MachineName,
    wanted: PrunePolicy,
) -> Result<PrunePolicy> {
    let ranges = [("keep", wanted.keep, 1, 100), ("min_hours", wanted.min_hours, 0, 8_760), ("fuller_than", wanted.fuller_than, 10, 100)];
    let wrong = ranges.into_iter().filter(|(_, value, least, most)| !(least..=most).contains(&value));
    let wrong: Vec<_> = wrong.map(|(field, _, least, most)| FieldError::new(field, format!("a number from {least} to {most}"))).collect();
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    let mut change = platform.change(may.actor()).await?;
    let id = machine(&mut change, may, name).await?;
    let sql = "UPDATE machines SET prune_enabled = $2, prune_keep = $3, prune_min_hours = $4, prune_fuller_than = $5 WHERE id = $1";
    change.exec(sql, args![id, wanted.enabled, wanted.keep, wanted.min_hours, wanted.fuller_than]).await?;
    change.touch(Topic::Environment(may.id));
    change.wake(Signal::Pruning);
    let detail = serde_json::json!({ "environment": may.name, "policy": wanted });
    change.commit(Record::new("machine.prune_policy", "machine", name).detail(detail)).await?;
    Ok(wanted)
}

/// Asks for a run. One at a time waits for a machine.
///
/// # Errors
/// `Conflict` with the code `prune_waits` while another one does.
pub async fn prune(platform: &Platform, may: &May<can::ManageEnvironments, Environment>, name: &MachineName, dry_run: bool) -> Result<PruneRunView> {
    let mut change = platform.change(may.actor()).await?;
    let id = machine(&mut change, may, name).await?;
    change.lock_key(&format!("pruning {id}")).await?;
    let sql = "SELECT COUNT(*) AS n FROM prune_runs WHERE machine_id = $1 AND state = 'queued'";
    if change.one(sql, args![id], |row| row.get::<i64>("n")).await? > 0 {
        return Err(Error::conflict("prune_waits", format!("a pruning of {name} waits for its turn already; it begins when its engine answers")));
    }
    let made: PruneId = platform.new_id();
    let sql = "INSERT INTO prune_runs (id, machine_id, dry_run, why, asked_by, state, created_at, report) VALUES ($1, $2, $3, 'asked', $4, 'queued', $5, $6)";
    change.exec(sql, args![made, id, dry_run, may.actor().name(), platform.now(), Json(PruneReport::default())]).await?;
    let view = change.one(format!("{RUN} WHERE id = $1"), args![made], run).await?;
    change.touch(Topic::Environment(may.id));
    change.wake(Signal::Pruning);
    let detail = serde_json::json!({ "environment": may.name, "dry_run": dry_run });
    change.commit(Record::new("machine.prune", "machine", name).detail(detail)).await?;
    Ok(view)
}

/// An image of an engine that Slipway had pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Complete, with the digest.
    pub reference: String,
    /// Its content.
    pub digest: Digest,
    /// When it was pulled last.
    pub at: Millis,
}

/// A run that is to be done now, with all that it must know of the record.
#[derive(Clone, Debug)]
pub struct PruneWork {
    /// Which, where somebody asked for it.
    pub run: Option<PruneId>,
    /// Whether nothing is removed.
    pub dry_run: bool,
    /// Why.
    pub why: PruneWhy,
    /// The machine's policy.
    pub policy: PrunePolicy,
    /// The images that it may be about.
    pub pulled: Vec<Pulled>,
    /// What services run, or ran last and can be brought back to.
    pub needed: BTreeSet<Digest>,
}

/// Writes down that Slipway had an engine pull an image.
pub async fn pulled(worker: &Worker, machine: MachineId, reference: &str, digest: &Digest) -> Result<()> {
    let mut change = worker.change().await?;
    let sql = "INSERT INTO pulled_images (machine_id, reference, digest, pulled_at) VALUES ($1, $2, $3, $4)
               ON CONFLICT (machine_id, reference) DO UPDATE SET pulled_at = excluded.pulled_at";
    change.exec(sql, args![machine, reference, digest, worker.platform().now()]).await?;
    change.finish().await
}

/// The run that is due at a machine whose disk is so full, if one is.
pub async fn due(worker: &Worker, machine: MachineId, disk: Option<u8>) -> Result<Option<PruneWork>> {
    let now = worker.platform().now();
    let mut tx = worker.platform().read().await?;
    let policy = policy(&mut tx, machine).await?;
    let asked = format!("{RUN} WHERE machine_id = $1 AND state = 'queued' ORDER BY id LIMIT 1");
    let (run, dry_run, why) = match tx.opt(asked, args![machine], run).await? {
        Some(asked) => (Some(asked.id), asked.dry_run, PruneWhy::Asked),
        None if !policy.enabled => return Ok(None),
        None => {
            let sql = "SELECT MAX(created_at) AS last FROM prune_runs WHERE machine_id = $1 AND dry_run = FALSE";
            let last: Option<Millis> = tx.one(sql, args![machine], |row| row.get("last")).await?;
            let full = disk.is_some_and(|disk| i64::from(disk) > policy.fuller_than);
            let passed = |span: Duration| last.is_none_or(|last| now.since(last) >= span);
            if full && passed(AGAIN) {
                (None, false, PruneWhy::Full)
            } else if passed(DAY) {
                (None, false, PruneWhy::Daily)
            } else {
                return Ok(None);
            }
        }
    };
    let sql = "SELECT reference, digest, pulled_at FROM pulled_images WHERE machine_id = $1 ORDER BY reference LIMIT 20000";
    let pulled = tx
        .all(sql, args![machine], |row| Ok(Pulled { reference: row.get("reference")?, digest: row.get("digest")?, at: row.get("pulled_at")? }))
        .await?;
    let needed = needed(&mut tx, machine, policy.keep).await?;
    Ok(Some(PruneWork { run, dry_run, why, policy, pulled, needed }))
}

/// The contents that the machine's environment needs: what should run or lives, what is under way or waits, and of each service what it ran last.
async fn needed(tx: &mut Tx, machine: MachineId, keep: i64) -> Result<BTreeSet<Digest>> {
    let sql = "SELECT r.digest FROM revisions r WHERE r.digest IS NOT NULL AND (
                 r.id IN (SELECT d.revision_id FROM desired d JOIN machines m ON m.environment_id = d.environment_id
                          JOIN services s ON s.id = d.service_id AND s.deleted_at IS NULL WHERE m.id = $1)
                 OR r.id IN (SELECT a.revision_id FROM deployments a JOIN machines m ON m.environment_id = a.environment_id
                             WHERE m.id = $1 AND a.finished_at IS NULL)
                 OR r.id IN (SELECT t.revision_id FROM tasks t WHERE t.machine_id = $1 AND t.removed_at IS NULL))";
    let mut needed: BTreeSet<Digest> = tx.all(sql, args![machine], |row| row.get("digest")).await?.into_iter().collect();
    let sql = "SELECT a.service_id, r.digest, MAX(a.id) AS last FROM deployments a JOIN revisions r ON r.id = a.revision_id
               JOIN machines m ON m.environment_id = a.environment_id JOIN services s ON s.id = a.service_id AND s.deleted_at IS NULL
               WHERE m.id = $1 AND a.state = 'succeeded' AND r.digest IS NOT NULL GROUP BY a.service_id, r.digest ORDER BY a.service_id, last DESC";
    let ran: Vec<(ServiceId, Digest)> = tx.all(sql, args![machine], |row| Ok((row.get("service_id")?, row.get("digest")?))).await?;
    let mut counts: BTreeMap<ServiceId, i64> = BTreeMap::new();
    for (service, digest) in ran {
        let count = counts.entry(service).or_default();
        *count += 1;
        if *count <= keep {
            needed.insert(digest);
        }
    }
    Ok(needed)
}

/// Writes down what a run did: `gone` are the references that are not on the engine any more. What people or the policy took away leaves a record.
pub async fn pruned(worker: &Worker, machine: &super::Machine, work: &PruneWork, gone: &[String], outcome: Result<&PruneReport, &str>) -> Result<()> {
    let now = worker.platform().now();
    let mut change = worker.change().await?;
    for image in work.pulled.iter().filter(|image| gone.contains(&image.reference)) {
        // What was pulled again meanwhile is there.
        let sql = "DELETE FROM pulled_images WHERE machine_id = $1 AND reference = $2 AND pulled_at = $3";
        change.exec(sql, args![machine.id, &image.reference, image.at]).await?;
    }
    let (state, message, report) = match outcome {
        Ok(report) => (PruneState::Done, None, report.clone()),
        Err(message) => (PruneState::Failed, Some(message), PruneReport::default()),
    };
    let id = match work.run {
        Some(id) => id,
        None => {
            let id: PruneId = worker.platform().new_id();
            let sql = "INSERT INTO prune_runs (id, machine_id, dry_run, why, asked_by, state, created_at, report) VALUES ($1, $2, $3, $4, '', 'queued', $5, $6)";
            change.exec(sql, args![id, machine.id, work.dry_run, work.why, now, Json(PruneReport::default())]).await?;
            id
        }
    };
    let sql = "UPDATE prune_runs SET state = $2, message = $3, ended_at = $4, report = $5 WHERE id = $1";
    change.exec(sql, args![id, state, message, now, Json(&report)]).await?;
    let sql = "DELETE FROM prune_runs WHERE machine_id = $1 AND state <> 'queued' AND id NOT IN
               (SELECT id FROM prune_runs WHERE machine_id = $1 ORDER BY id DESC LIMIT $2)";
    change.exec(sql, args![machine.id, REMEMBERED]).await?;
    if !work.dry_run && !report.gone.is_empty() {
        let detail = serde_json::json!({ "environment": machine.environment, "why": work.why, "images": report.gone.len(), "bytes": report.bytes });
        change.record(worker, "pruning", &Record::new("machine.pruned", "machine", &machine.name).detail(detail)).await?;
    }
    change.touch(Topic::Environment(machine.environment_id));
    change.finish().await
}
