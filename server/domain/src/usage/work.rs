//! Summing up the hours that are over. Each is counted once: its sums and the note that it is counted are one transaction, so that a portal that is
//! killed in the middle counts it again from the beginning, and two that count at the same time do not both.
//!
//! What tasks used comes from the hour roll-ups of the store of samples; what is kept (images, logs, volumes) is looked at when hours are counted, and
//! stands for them. An hour in which the portal did not run has no samples, so nothing was used in it; what was kept in it is counted.
//! Samples of a deleted service or project stay until its last hour is counted: the loop that takes them away asks for that.
//!
//! **Clocks go wrong.** One that says a time long before this release was never set: nothing is counted by it. One that goes back finds hours counted that
//! did not come yet: counting begins with the present hour again, and the table `usage_hours` says of each hour what of it is in the sums, so that nothing
//! is added twice: samples are, where there were none when the hour was counted. Where counting would have to go on from longer ago than 90 days, the
//! clock was wrong, too: only what was sampled right after is counted, and nothing is kept for the time in between.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ::metrics::{Key, Metric, Point, Select, Series, Store};
use model::ids::{EnvironmentId, ProjectId, ServiceId};
use model::time::Millis;
use model::usage::{Amounts, Measure};

use super::{COUNTED, counted};
use crate::args;
use crate::blocking::blocking;
use crate::db::{Row, Tx, Value};
use crate::error::Result;
use crate::site::put_setting;
use crate::worker::Worker;

/// Milliseconds of an hour.
pub(super) const HOUR: i64 = 3_600_000;
/// Hours of a day.
const DAY: i64 = 24;
/// Milliseconds after its end until an hour is counted: its last samples have come by then.
const SETTLE: i64 = 300_000;
/// Most hours that are counted at once.
const AT_ONCE: i64 = 24;
/// No clock that is set says less: 2025-01-01, in milliseconds since 1970.
const SET: i64 = 1_735_689_600_000;
/// Hours for which what was kept is counted after a portal stood still: 90 days.
const LONGEST: i64 = 90 * DAY;
/// Services that are read at once.
const STREAMS: i64 = 500;
/// Nobody has so much memory: the kernel's way to say that there is no limit.
const NO_LIMIT: f64 = (1_u64 << 60) as f64;

/// What is summed up of tasks.
const METRICS: &[Metric] = &[Metric::CpuUsed, Metric::CpuLimit, Metric::MemoryWorkingSet, Metric::MemoryLimit, Metric::NetReceived, Metric::NetSent];

/// A service in an environment, with the names that it has now.
struct Stream {
    project_id: ProjectId,
    service_id: ServiceId,
    environment_id: EnvironmentId,
    names: [String; 3],
}

/// What was used in which hour; of each stream (by its place in the list).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hours(BTreeMap<(usize, i64), Amounts>);

impl Hours {
    fn add(&mut self, stream: usize, at_ms: i64, amounts: Amounts) {
        // An hour in which nothing was used may be looked at again.
        if amounts != Amounts::default() {
            *self.0.entry((stream, at_ms.div_euclid(HOUR))).or_default() += amounts;
        }
    }

    fn series(&mut self, stream: usize, series: &[Series]) {
        for one in series {
            for point in &one.points {
                if let Some(amounts) = used(one.metric, point) {
                    self.add(stream, point.at_ms, amounts);
                }
            }
        }
    }
}

/// The hours that are counted in one turn.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Turn {
    hours: Range<i64>,
    /// The first hour that is not counted then.
    next: i64,
    /// Whether what was kept in them is counted as well.
    kept: bool,
}

impl Turn {
    /// What is due at this time when all hours before `from` are counted.
    fn due(from: i64, now: i64) -> Option<Self> {
        let over = (now - SETTLE).div_euclid(HOUR);
        if over <= from {
            return None;
        }
        let hours = from..over.min(from + AT_ONCE);
        let kept = over - from <= LONGEST;
        Some(Self { next: if kept { hours.end } else { over }, hours, kept })
    }
}

/// What is in the sums already of hours that are counted again: of each such hour, whether it is what was sampled, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known(BTreeMap<i64, bool>);

impl Known {
    async fn read(tx: &mut Tx, hours: &Range<i64>) -> Result<Self> {
        let sql = "SELECT hour, sampled FROM usage_hours WHERE hour >= $1 AND hour < $2 ORDER BY hour LIMIT $3";
        let hour = |row: &Row<'_>| Ok((row.get::<i64>("hour")?, row.get::<bool>("sampled")?));
        Ok(Self(tx.all(sql, args![hours.start, hours.end, AT_ONCE], hour).await?.into_iter().collect()))
    }

    /// What was used and is not in the sums, by day.
    fn fresh(&self, used: &Hours) -> BTreeMap<(usize, i64), Amounts> {
        let mut days: BTreeMap<(usize, i64), Amounts> = BTreeMap::new();
        for ((stream, hour), amounts) in &used.0 {
            if self.0.get(hour) != Some(&true) {
                *days.entry((*stream, hour.div_euclid(DAY))).or_default() += *amounts;
            }
        }
        days
    }

    /// The hours of a turn for which nothing that was kept is in the sums.
    fn not_kept(&self, turn: &Turn) -> Vec<i64> {
        if turn.kept { turn.hours.clone().filter(|hour| !self.0.contains_key(hour)).collect() } else { Vec::new() }
    }

    /// Writes down what is in the sums after a turn.
    async fn write(&self, tx: &mut Tx, turn: &Turn, used: &Hours) -> Result<()> {
        let sampled: BTreeSet<i64> = used.0.keys().map(|(_, hour)| *hour).collect();
        for hour in turn.hours.clone() {
            let (known, sampled) = (self.0.get(&hour).copied(), sampled.contains(&hour));
            if known == Some(true) || (known == Some(false) || !turn.kept) && !sampled {
                continue;
            }
            let sql = "INSERT INTO usage_hours (hour, sampled) VALUES ($1, $2) ON CONFLICT (hour) DO UPDATE SET sampled = excluded.sampled";
            tx.exec(sql, args![hour, sampled]).await?;
        }
        Ok(())
    }
}

/// What a point says was used in its time.
fn used(metric: Metric, point: &Point) -> Option<Amounts> {
    let covered = point.covered_ms as f64;
    let (measure, amount) = match metric {
        Metric::CpuUsed => (Measure::CpuUsed, point.avg / 1e6 * covered),
        Metric::CpuLimit => (Measure::CpuReserved, point.avg * covered),
        Metric::MemoryWorkingSet => (Measure::MemoryUsed, point.avg / 1024.0 * covered / 1000.0),
        Metric::MemoryLimit if point.avg < NO_LIMIT => (Measure::MemoryReserved, point.avg / 1024.0 * covered / 1000.0),
        Metric::NetReceived => (Measure::Received, point.avg * covered / 1000.0),
        Metric::NetSent => (Measure::Sent, point.avg * covered / 1000.0),
        _ => return None,
    };
    // Whole numbers from here on: however hours are put together, their sum is the same.
    Some(Amounts::of(measure, amount.max(0.0).round() as i64))
}

/// Counts hours that are over and not counted yet, a day's at most. How many they were.
///
/// # Errors
/// When samples or the database cannot be read, or nothing can be written. Nothing is counted then, and it is tried again.
pub async fn tend(worker: &Worker) -> Result<i64> {
    let Some(store) = worker.platform().metrics() else { return Ok(0) };
    let now = worker.platform().now().0;
    if now < SET {
        return Ok(0);
    }
    let this = now.div_euclid(HOUR);
    let mut tx = worker.platform().read().await?;
    let Some(from) = counted(&mut tx).await? else {
        drop(tx);
        return begin(worker, this).await;
    };
    if from > this {
        drop(tx);
        return set_back(worker, from, this).await;
    }
    let Some(turn) = Turn::due(from, now) else { return Ok(0) };
    let to = turn.hours.end;
    let streams = streams(&mut tx, from, to).await?;
    drop(tx);
    let keys: Vec<Key> =
        streams.iter().map(|of| Key::Service { project: of.project_id, service: of.service_id, environment: of.environment_id }).collect();
    let used = blocking(move || read(&store, &keys, from, to)).await?;
    let logs = kept_logs(worker).await?;
    let mut write = worker.change().await?;
    write.lock_key(COUNTED).await?;
    if counted(&mut write).await? != Some(from) {
        // Somebody else counted them meanwhile.
        return Ok(to - from);
    }
    let known = Known::read(&mut write, &turn.hours).await?;
    for ((stream, day), amounts) in known.fresh(&used) {
        add_service(&mut write, &streams[stream], day, &amounts).await?;
    }
    keep(&mut write, &known.not_kept(&turn), &logs).await?;
    known.write(&mut write, &turn, &used).await?;
    put_setting(&mut write, COUNTED, &turn.next.to_string()).await?;
    write.finish().await?;
    if !turn.kept {
        let until = time(turn.next);
        tracing::warn!(from = %time(to), %until, "what projects used was not counted for longer than 90 days; the time in between is left out");
    }
    Ok(to - from)
}

fn time(hour: i64) -> String {
    Millis(hour.saturating_mul(HOUR)).rfc3339()
}

/// Hours are counted that did not come yet: the clock was ahead, or it is behind now. Counting goes on with this hour.
async fn set_back(worker: &Worker, from: i64, this: i64) -> Result<i64> {
    let mut write = worker.change().await?;
    write.lock_key(COUNTED).await?;
    if counted(&mut write).await? == Some(from) {
        put_setting(&mut write, COUNTED, &this.to_string()).await?;
        write.finish().await?;
        tracing::warn!(
            counted_until = %time(from),
            this_hour = %time(this),
            "what projects used is counted up to a time that did not come yet: the clock was or is wrong; counting goes on with this hour"
        );
    }
    Ok(0)
}

/// Nothing was ever counted: it begins with this hour.
async fn begin(worker: &Worker, hour: i64) -> Result<i64> {
    let mut write = worker.change().await?;
    let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    write.exec(sql, args![COUNTED, hour.to_string()]).await?;
    write.finish().await?;
    Ok(0)
}

/// The services that had tasks in these hours.
async fn streams(tx: &mut Tx, from: i64, to: i64) -> Result<Vec<Stream>> {
    let mut streams: Vec<Stream> = Vec::new();
    let mut last = (String::new(), String::new());
    // Each half by an index of its own: how many tasks ended before does not matter.
    let sql = "SELECT t.service_id, t.environment_id, s.project_id, p.name AS project, s.name AS service, e.name AS environment FROM (
                   SELECT service_id, environment_id FROM tasks WHERE ended_at IS NULL AND created_at < $2
                   UNION SELECT service_id, environment_id FROM tasks WHERE ended_at >= $1 AND created_at < $2
               ) t JOIN services s ON s.id = t.service_id JOIN projects p ON p.id = s.project_id JOIN environments e ON e.id = t.environment_id
               WHERE (t.service_id, t.environment_id) > ($3, $4) ORDER BY t.service_id, t.environment_id LIMIT $5";
    loop {
        let arguments = args![Millis(from * HOUR), Millis(to * HOUR), &last.0, &last.1, STREAMS];
        let some = tx.all(sql, arguments, stream).await?;
        let more = some.len() as i64 == STREAMS;
        streams.extend(some);
        let Some(end) = streams.last().filter(|_| more) else { return Ok(streams) };
        last = (end.service_id.to_string(), end.environment_id.to_string());
    }
}

fn stream(row: &Row<'_>) -> Result<Stream> {
    Ok(Stream {
        project_id: row.get("project_id")?,
        service_id: row.get("service_id")?,
        environment_id: row.get("environment_id")?,
        names: [row.get("project")?, row.get("service")?, row.get("environment")?],
    })
}

/// What these services used.
fn read(store: &Store, keys: &[Key], from: i64, to: i64) -> std::io::Result<Hours> {
    let mut used = Hours::default();
    for (number, key) in keys.iter().enumerate() {
        // One point for each hour, which is what the roll-ups over an hour are.
        let max_points = usize::try_from(to - from + 1).unwrap_or(2);
        let select = Select { metrics: METRICS, label: None, from_ms: from * HOUR, to_ms: to * HOUR, max_points };
        let answer = store.query(*key, &select)?;
        used.series(number, &answer.series);
    }
    Ok(used)
}

/// Bytes of logs that each project keeps now.
async fn kept_logs(worker: &Worker) -> Result<Vec<(ProjectId, i64)>> {
    let Some(store) = worker.platform().logs() else { return Ok(Vec::new()) };
    blocking(move || {
        let mut kept = Vec::new();
        for project in store.projects()? {
            kept.push((project, i64::try_from(store.bytes(project)?).unwrap_or(i64::MAX)));
        }
        Ok(kept)
    })
    .await
}

async fn add_service(tx: &mut Tx, of: &Stream, day: i64, amounts: &Amounts) -> Result<()> {
    let sql = "INSERT INTO usage_days AS u (day, project_id, service_id, environment_id, project, service, environment,
                   cpu_used, cpu_reserved, memory_used, memory_reserved, images, logs, volumes, received, sent)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, 0, $12, $13)
               ON CONFLICT (project_id, day, service_id, environment_id) DO UPDATE SET project = excluded.project, service = excluded.service,
                   environment = excluded.environment, cpu_used = u.cpu_used + excluded.cpu_used,
                   cpu_reserved = u.cpu_reserved + excluded.cpu_reserved, memory_used = u.memory_used + excluded.memory_used,
                   memory_reserved = u.memory_reserved + excluded.memory_reserved, received = u.received + excluded.received,
                   sent = u.sent + excluded.sent";
    let [project, service, environment] = &of.names;
    let mut arguments = args![day, of.project_id, of.service_id, of.environment_id, project, service, environment];
    let measures = [Measure::CpuUsed, Measure::CpuReserved, Measure::MemoryUsed, Measure::MemoryReserved, Measure::Received, Measure::Sent];
    arguments.extend(measures.map(|measure| Value::from(amounts.get(measure))));
    tx.exec(sql, arguments).await.map(drop)
}

/// What projects keep now was kept in these hours.
async fn keep(tx: &mut Tx, hours: &[i64], logs: &[(ProjectId, i64)]) -> Result<()> {
    let mut days: BTreeMap<i64, i64> = BTreeMap::new();
    for hour in hours {
        *days.entry(hour.div_euclid(DAY)).or_default() += 1;
    }
    let conflict = "ON CONFLICT (project_id, day, service_id, environment_id) DO UPDATE SET project = excluded.project,
                    images = u.images + excluded.images, logs = u.logs + excluded.logs, volumes = u.volumes + excluded.volumes";
    let into = "INSERT INTO usage_days AS u (day, project_id, service_id, environment_id, project, service, environment,
                    cpu_used, cpu_reserved, memory_used, memory_reserved, images, logs, volumes, received, sent)
                SELECT CAST($1 AS BIGINT), p.id, '', '', p.name, '', '', 0, 0, 0, 0";
    let images = format!(
        "{into}, k.bytes / 1024 * $2, 0, 0, 0, 0
         FROM project_usage k JOIN projects p ON p.id = k.project_id WHERE p.deleted_at IS NULL AND k.bytes > 0 {conflict}"
    );
    let volumes = format!(
        "{into}, 0, 0, k.bytes / 1024 * $2, 0, 0 FROM (
             SELECT v.project_id, CAST(SUM(v.bytes) AS BIGINT) AS bytes FROM project_volumes v JOIN machines m ON m.id = v.machine_id
             WHERE m.removed_at IS NULL GROUP BY v.project_id
         ) k JOIN projects p ON p.id = k.project_id WHERE p.deleted_at IS NULL AND k.bytes > 0 {conflict}"
    );
    let kept_logs = format!("{into}, 0, CAST($2 AS BIGINT), 0, 0, 0 FROM projects p WHERE p.id = $3 {conflict}");
    for (day, hours) in days {
        let seconds = hours * 3_600;
        tx.exec(images.clone(), args![day, seconds]).await?;
        tx.exec(volumes.clone(), args![day, seconds]).await?;
        for (project, bytes) in logs.iter().filter(|(_, bytes)| *bytes > 0) {
            tx.exec(kept_logs.clone(), args![day, (bytes / 1024).saturating_mul(seconds), *project]).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
