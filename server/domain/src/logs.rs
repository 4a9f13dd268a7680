//! Logs of a service: the lines of all its tasks in the order of time, and on from there while they run. They come live from the engine;
//! what is held in memory for one reader is bounded, and so is how many an account has.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use model::ids::{EnvironmentId, TaskId};
use model::names::EnvironmentName;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use crate::access::{May, can};
use crate::args;
use crate::db::Value;
use crate::environments;
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::platform::Platform;
use crate::ports::{LogLine, LogOrder, Place};
use crate::services::Service;
use crate::streams;

mod bounds;

use bounds::Last;

/// Most lines that are looked back.
pub const TAIL_MAX: u32 = 10_000;
/// Lines that are looked back where the reader says nothing.
const TAIL: u32 = 200;
/// Tasks that are read at once.
const TASKS: i64 = 200;
/// Tasks that ended and whose container may still be there, read beside those that live.
const ENDED: i64 = 20;
/// Longest text to look for, in bytes.
const GREP_MAX: usize = 1000;
/// New tasks are looked for at every change of the service, and after this anyway.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Which lines.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Of which environment; may be left out while there is only one.
    pub environment: Option<EnvironmentName>,
    /// Of one task alone.
    pub task: Option<TaskId>,
    /// The last so many that match, of a few MiB together at most.
    pub tail: Option<u32>,
    /// Written after this, nanoseconds since the epoch.
    pub since_nanos: Option<i64>,
    /// Only lines that contain this text.
    pub grep: Option<String>,
    /// Go on while the service runs, through tasks that come and go.
    pub follow: bool,
}

/// A line, and which task wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskLine {
    /// The task.
    pub task: TaskId,
    /// Its place among the service's tasks.
    pub slot: i64,
    /// The line.
    pub line: LogLine,
}

/// The lines of a service's tasks.
///
/// # Errors
/// `Unavailable` when an engine is away and nothing could be read; `TooManyOpen` when the account reads as many as it may.
pub async fn of_service(platform: &Platform, may: &May<can::SeeServices, Service>, query: &Query) -> Result<BoxStream<'static, Result<TaskLine>>> {
    let slot = streams::open(platform, may.actor(), streams::Kind::Logs)?;
    let reader = Reader::new(platform, may, query).await?;
    let past = reader.past().await?;
    let mut seen: HashMap<TaskId, i64> = HashMap::new();
    for line in &past {
        seen.insert(line.task, line.line.at_nanos);
    }
    let past = stream::iter(past.into_iter().map(Ok));
    let lines = if query.follow { past.chain(reader.follow(seen)).boxed() } else { past.boxed() };
    // The slot lives as long as the stream.
    Ok(stream::unfold((lines, slot), |(mut lines, slot)| async move { Some((lines.next().await?, (lines, slot))) }).boxed())
}

/// A task whose log can be read.
struct Source {
    task: TaskId,
    slot: i64,
    place: Place,
}

/// One reader's view.
struct Reader {
    platform: Platform,
    service: model::ids::ServiceId,
    environment: EnvironmentId,
    query: Query,
}

impl Reader {
    async fn new(platform: &Platform, may: &May<can::SeeServices, Service>, query: &Query) -> Result<Self> {
        if query.grep.as_ref().is_some_and(|text| text.len() > GREP_MAX) {
            return Err(Error::invalid("grep", format!("at most {GREP_MAX} bytes")));
        }
        if query.tail.is_some_and(|tail| tail > TAIL_MAX) {
            return Err(Error::invalid("tail", format!("at most {TAIL_MAX} lines")));
        }
        let environment = environments::choose_for(&mut platform.read().await?, may, query.environment.as_ref()).await?.id;
        Ok(Self { platform: platform.clone(), service: may.id, environment, query: query.clone() })
    }

    async fn sources(&self) -> Result<Vec<Source>> {
        let mut tx = self.platform.read().await?;
        let mut found = Vec::new();
        for (condition, most) in [("ended_at IS NULL", TASKS), ("ended_at IS NOT NULL AND removed_at IS NULL", ENDED)] {
            let mut arguments: Vec<Value> = args![self.service, self.environment, most];
            let one = match self.query.task {
                Some(task) => {
                    arguments.push(task.into());
                    "id = $4"
                }
                None => "TRUE",
            };
            let sql = format!(
                "SELECT id, slot, machine_id, container FROM tasks
                 WHERE service_id = $1 AND environment_id = $2 AND container IS NOT NULL AND {one} AND {condition} ORDER BY id DESC LIMIT $3"
            );
            let source = |row: &crate::db::Row<'_>| {
                let place = Place::new(row.get("machine_id")?, row.get::<String>("container")?);
                Ok(Source { task: row.get("id")?, slot: row.get("slot")?, place })
            };
            found.extend(tx.all(sql, arguments, source).await?);
        }
        Ok(found)
    }

    fn matches(&self, line: &LogLine) -> bool {
        self.query.grep.as_ref().is_none_or(|text| line.text.contains(text.as_str()))
    }

    /// The last lines of all tasks, in the order of time.
    async fn past(&self) -> Result<Vec<TaskLine>> {
        let most = self.query.tail.unwrap_or(TAIL) as usize;
        let mut last = Last::new(most);
        for source in self.sources().await? {
            // With a text to look for, the last lines that match may lie far back.
            let tail = self.query.grep.is_none().then_some(self.query.tail.unwrap_or(TAIL));
            let order = LogOrder { tail, since_nanos: self.query.since_nanos, follow: false };
            let mut lines = match self.platform.engines().logs(&source.place, order).await {
                Ok(lines) => lines,
                // A container that is gone by now has no lines any more.
                Err(Error::NotFound { .. }) => continue,
                Err(error) => return Err(error),
            };
            while let Some(line) = lines.next().await {
                let line = line?;
                if self.matches(&line) {
                    last.push(TaskLine { task: source.task, slot: source.slot, line });
                }
            }
        }
        Ok(last.into_lines())
    }

    /// What is written from now on, by tasks that are there and by those that come.
    fn follow(self, seen: HashMap<TaskId, i64>) -> BoxStream<'static, Result<TaskLine>> {
        let (sender, receiver) = bounds::channel();
        let mut changes = self.platform.live();
        let from = self.platform.now().0.saturating_mul(1_000_000);
        tokio::spawn(async move {
            let mut readers = JoinSet::new();
            let mut followed: HashMap<TaskId, ()> = HashMap::new();
            let mut first = true;
            while !sender.is_closed() {
                for source in self.sources().await.unwrap_or_default() {
                    if followed.insert(source.task, ()).is_some() {
                        continue;
                    }
                    // A task that was there: on from its last line. One that came later: from its beginning.
                    let since = seen.get(&source.task).copied().or(first.then_some(from));
                    readers.spawn(read_on(self.platform.clone(), source, since, self.query.grep.clone(), sender.clone()));
                }
                first = false;
                tokio::select! {
                    () = sender.closed() => return,
                    () = changed(&mut changes, Topic::Service(self.service)) => {}
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                }
            }
        });
        stream::unfold(receiver, |mut receiver| async move { Some((receiver.next().await?, receiver)) }).boxed()
    }
}

/// Reads one task's log to its end.
async fn read_on(platform: Platform, source: Source, since: Option<i64>, grep: Option<String>, sender: bounds::Sender) {
    let order = LogOrder { tail: None, since_nanos: since, follow: true };
    let mut lines = match platform.engines().logs(&source.place, order).await {
        Ok(lines) => lines,
        Err(Error::NotFound { .. }) => return,
        Err(error) => {
            let _ = sender.send(Err(error)).await;
            return;
        }
    };
    while let Some(line) = lines.next().await {
        let line = match line {
            Ok(line) if grep.as_ref().is_some_and(|text| !line.text.contains(text.as_str())) => continue,
            Ok(line) => Ok(TaskLine { task: source.task, slot: source.slot, line }),
            Err(error) => Err(error),
        };
        if sender.send(line).await.is_err() {
            return;
        }
    }
}

async fn changed(changes: &mut tokio::sync::broadcast::Receiver<Topic>, topic: Topic) {
    loop {
        match changes.recv().await {
            Ok(found) if found == topic => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}
