//! A page of a log: some lines around a place, and what a reader wants to know besides: which tasks there are, how much is kept, whether lines come.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use logs::{Found, LineId, Select, Start, Store, Stream, StreamKey};
use model::ids::{EnvironmentId, ServiceId};
use model::time::Millis;
use model::views::logs::{LogFilter, LogPage, LogTask};

use super::{behind, key, oldest, searches, select, store, view};
use crate::access::{May, can};
use crate::args;
use crate::blocking::blocking;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;
use crate::streams;

/// Lines of a page at most.
const LINES: usize = 300;
/// Bytes of text of a page; it ends with the line that goes beyond.
const BYTES: usize = 1024 * 1024;
/// Lines of a page at most, with those beside them.
const WITH_CONTEXT: usize = 3000;
/// Tasks that are named.
const TASKS: i64 = 200;

/// Which lines of those that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The last ones.
    End,
    /// The last ones before this line.
    Before(LineId),
    /// The first ones behind this line.
    After(LineId),
    /// The first ones from this time on, in nanoseconds since the epoch.
    At(i64),
    /// Some before this line, this line, and some behind it.
    Around(LineId),
}

/// Some lines of a service's tasks.
///
/// # Errors
/// As [`super::read`].
pub async fn page(platform: &Platform, may: &May<can::SeeServices, Service>, filter: &LogFilter, place: Place) -> Result<LogPage> {
    let mut select = select(filter, platform.now())?;
    let store = store(platform)?;
    let key = key(platform, may, filter).await?;
    let tasks = tasks(&mut platform.read().await?, key.service, key.environment).await?;
    let desk = platform.log_desk();
    let (slot, turn) = if searches(&select) {
        (Some(streams::open(platform, may.actor(), streams::Kind::Search)?), desk.search().await?)
    } else {
        (None, desk.turn(false).await)
    };
    let gone = Gone::default();
    let (seen, asked) = (Arc::clone(&gone.0), Arc::clone(&gone.0));
    select.gone = Some(logs::Gone::new(move || asked.load(Ordering::Relaxed)));
    let found = blocking(move || {
        // Held until the work is done, whether somebody waits for it or not.
        let (_slot, _turn) = (slot, turn);
        look(&store, key, &select, place, &seen)
    })
    .await?;
    Ok(LogPage {
        lines: found.lines.into_iter().map(view).collect(),
        older: found.older,
        newer: found.newer,
        tasks,
        bytes_kept: found.bytes_kept,
        oldest: found.oldest,
        end: found.end.map(|end| end.to_string()),
        collecting: platform.logs_problem(),
    })
}

/// Says that nobody waits for the answer any more.
#[derive(Default)]
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Looked {
    lines: Vec<Found>,
    older: bool,
    newer: bool,
    end: Option<LineId>,
    oldest: Option<Millis>,
    bytes_kept: u64,
}

fn look(store: &Store, key: StreamKey, select: &Select, place: Place, gone: &AtomicBool) -> io::Result<Looked> {
    let bytes_kept = store.bytes(key.project)?;
    let nothing = Looked { lines: Vec::new(), older: false, newer: false, end: Some(LineId::ZERO), oldest: None, bytes_kept };
    let Some(stream) = store.existing(key)? else { return Ok(nothing) };
    // Before the lines: what comes meanwhile is behind the end, and is not missed by who goes on there.
    let end = stream.end();
    let Some(oldest) = oldest(&stream)? else { return Ok(Looked { end: Some(end), ..nothing }) };
    let reading = Reading { stream: &stream, select, gone };
    let (lines, older, newer) = match place {
        Place::End => {
            let (lines, older) = reading.back(LINES, None)?;
            (lines, older, false)
        }
        Place::Before(id) => {
            let (lines, older) = reading.back(LINES, Some(id))?;
            (lines, older, id <= end)
        }
        Place::After(id) => {
            let (lines, newer) = reading.on(LINES, Start::After(id))?;
            (lines, id >= oldest.id, newer)
        }
        Place::At(nanos) => {
            let (lines, newer) = reading.on(LINES, Start::At(nanos))?;
            let older = lines.first().map_or(oldest.record.at_nanos < nanos, |first| first.id > oldest.id);
            (lines, older, newer)
        }
        Place::Around(id) => {
            let (mut lines, older) = reading.back(LINES / 2, Some(behind(id)))?;
            let (rest, newer) = reading.on(LINES / 2, Start::After(id))?;
            lines.extend(rest);
            (lines, older, newer)
        }
    };
    let last = lines.last().map(|last| last.id);
    // With newer ones behind them, only what is shown was looked at.
    let end = if newer { last } else { Some(last.map_or(end, |last| end.max(last))) };
    let oldest = Some(Millis(oldest.record.at_nanos.div_euclid(1_000_000)));
    Ok(Looked { lines, older, newer, end, oldest, bytes_kept })
}

struct Reading<'a> {
    stream: &'a Stream,
    select: &'a Select,
    gone: &'a AtomicBool,
}

impl Reading<'_> {
    /// The last lines before a place, and whether there may be more before them.
    fn back(&self, most: usize, before: Option<LineId>) -> io::Result<(Vec<Found>, bool)> {
        let mut lines = self.stream.last_watched(self.select, most + 1, BYTES, before, &mut |_| self.goes_on())?;
        let matching = lines.iter().filter(|found| !found.context).count();
        let bytes: usize = lines.iter().map(|found| found.record.text.len()).sum();
        let mut more = matching > most;
        if more {
            // The one too many, and what stands before it.
            let first = lines.iter().position(|found| !found.context).unwrap_or(0);
            lines.drain(..=first);
        }
        let begin = fitting(&lines);
        more |= begin > 0 || bytes >= BYTES / 2;
        lines.drain(..begin);
        Ok((lines, more))
    }

    /// The first lines from a place on, and whether there may be more behind them.
    fn on(&self, most: usize, start: Start) -> io::Result<(Vec<Found>, bool)> {
        let (mut lines, mut bytes, mut matching, mut more) = (Vec::new(), 0, 0, false);
        let mut see = |found: Found| {
            if matching >= most || bytes >= BYTES || lines.len() >= WITH_CONTEXT {
                more = true;
                return ControlFlow::Break(());
            }
            bytes += found.record.text.len();
            matching += usize::from(!found.context);
            lines.push(found);
            ControlFlow::Continue(())
        };
        self.stream.scan(self.select, start, &mut see, &mut |_| self.goes_on())?;
        Ok((lines, more))
    }

    fn goes_on(&self) -> ControlFlow<()> {
        if self.gone.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Where the lines begin that fit on a page, the last one in any case: what stands beside those that match may be much more than they are.
fn fitting(lines: &[Found]) -> usize {
    let (mut begin, mut bytes) = (lines.len(), 0);
    for found in lines.iter().rev() {
        bytes += found.record.text.len();
        let count = lines.len() - begin;
        if count > 0 && (bytes > BYTES || count >= WITH_CONTEXT) {
            break;
        }
        begin -= 1;
    }
    begin
}

/// The tasks of a service in an environment that the database knows, the newest first.
async fn tasks(tx: &mut Tx, service: ServiceId, environment: EnvironmentId) -> Result<Vec<LogTask>> {
    let sql = "SELECT t.id, t.slot, t.state, r.number FROM tasks t JOIN revisions r ON r.id = t.revision_id
               WHERE t.service_id = $1 AND t.environment_id = $2 ORDER BY t.id DESC LIMIT $3";
    let number = |row: &Row<'_>, column: &str| {
        let number: i64 = row.get(column)?;
        u32::try_from(number).map_err(|_| Error::internal(format!("column {column} holds no number of a task")))
    };
    let task =
        |row: &Row<'_>| Ok(LogTask { task: row.get("id")?, slot: number(row, "slot")?, revision: number(row, "number")?, state: row.get("state")? });
    tx.all(sql, args![service, environment, TASKS], task).await
}

#[cfg(test)]
mod tests {
    use logs::{Kind, Record};

    use super::*;

    #[test]
    fn a_page_has_a_bound_whatever_stands_beside_its_lines() {
        let line = |index: usize, length: usize| Found {
            id: LineId { segment: 1, index: index as u32 },
            record: Record {
                at_nanos: 0,
                task: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id"),
                slot: 1,
                revision: 1,
                kind: Kind::Stdout,
                text: "x".repeat(length),
                cut: false,
            },
            context: true,
        };
        let lines = |count: usize, length: usize| (0..count).map(|at| line(at, length)).collect::<Vec<_>>();
        assert_eq!(fitting(&[]), 0);
        assert_eq!(fitting(&lines(WITH_CONTEXT, 1)), 0);
        assert_eq!(fitting(&lines(WITH_CONTEXT + 7, 1)), 7);
        assert_eq!(fitting(&lines(10, BYTES / 4)), 6);
        assert_eq!(fitting(&lines(2, BYTES + 1)), 1, "one line in any case");
    }
}
