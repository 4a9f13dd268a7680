//! What the engine's loop does with events: writes down what it heard, once however often it is told, together with how far it heard; reads what is
//! known of containers, to be compared with the engine; takes old events away.
//!
//! Nothing here waits for the disk: what a loss of power undoes is told again, since how far was heard is undone with it.

mod known;
mod tidy;

use std::collections::{BTreeSet, HashMap};

use model::ids::{EnvironmentId, EventId, MachineId, ProjectId, ServiceId, TaskId};
use model::time::Millis;
use model::views::events::EventKind;
use model::views::services::{TaskHealth, TaskState};

use crate::args;
use crate::db::{Row, Tx, Value};
use crate::deployments::work::TaskWork;
use crate::error::Result;
use crate::live::Topic;
use crate::platform::Platform;
use crate::worker::Worker;

pub use known::{Cursor, Known, TaskEnd, correct_ends, cursor, ends, known, listening, revision_of};
pub use tidy::tidy;

/// Most events of one transaction: others wait for the writer.
pub const MOST: usize = 128;
/// Longest text that is kept, in characters.
const TEXT_MOST: usize = 2_000;

/// Something that happened, to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// What.
    pub kind: EventKind,
    /// When, in nanoseconds since the epoch, by the engine's clock.
    pub nanos: i64,
    /// The engine's id of the container; empty: it happened to the machine.
    pub container: String,
    /// The container's name.
    pub name: String,
    /// The image that it was made from.
    pub image: String,
    /// The task whose name it bears. It counts as long as none is recorded with this container.
    pub claimed: Option<TaskId>,
    /// With what its program ended.
    pub exit_code: Option<i64>,
    /// The signal that was sent, or that ended it.
    pub signal: Option<i64>,
    /// Whether it ended for want of memory.
    pub oom: bool,
    /// Whether nobody heard it.
    pub recovered: bool,
    /// What a health check printed, without secrets.
    pub output: Option<String>,
    /// What else there is to say.
    pub text: String,
}

impl Happened {
    /// Something that happened to a container, and nothing more.
    #[must_use]
    pub fn new(kind: EventKind, nanos: i64, container: impl Into<String>) -> Self {
        Self {
            kind,
            nanos,
            container: container.into(),
            name: String::new(),
            image: String::new(),
            claimed: None,
            exit_code: None,
            signal: None,
            oom: false,
            recovered: false,
            output: None,
            text: String::new(),
        }
    }
}

/// Whose a container is.
#[derive(Clone, Debug)]
struct Owner {
    task: TaskId,
    project: ProjectId,
    service: ServiceId,
    environment: EnvironmentId,
    slot: i64,
    revision: i64,
    /// It ends because Slipway ends it.
    ending: bool,
    /// It is a job's: it is there to end.
    job: bool,
}

/// The owners of the containers of a batch.
struct Owners {
    by_container: HashMap<String, Owner>,
    by_task: HashMap<TaskId, Owner>,
}

impl Owners {
    async fn of(tx: &mut Tx, machine: MachineId, happened: &[Happened]) -> Result<Self> {
        let containers: BTreeSet<&str> = happened.iter().map(|event| event.container.as_str()).filter(|id| !id.is_empty()).collect();
        let by_container = select(tx, machine, "t.container", containers.into_iter().map(Value::from).collect()).await?;
        let claimed: BTreeSet<TaskId> = happened.iter().filter_map(|event| event.claimed).collect();
        let by_task = select(tx, machine, "t.container IS NULL AND t.id", claimed.into_iter().map(Value::from).collect()).await?;
        Ok(Self {
            by_container: by_container.into_iter().filter_map(|(container, owner)| Some((container?, owner))).collect(),
            by_task: by_task.into_iter().map(|(_, owner)| (owner.task, owner)).collect(),
        })
    }

    fn find(&self, event: &Happened) -> Option<&Owner> {
        self.by_container.get(&event.container).or_else(|| self.by_task.get(&event.claimed?))
    }
}

async fn select(tx: &mut Tx, machine: MachineId, which: &str, among: Vec<Value>) -> Result<Vec<(Option<String>, Owner)>> {
    if among.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT t.id, t.container, t.service_id, t.environment_id, t.slot, t.state, t.run_id, r.number, s.project_id FROM tasks t
         JOIN revisions r ON r.id = t.revision_id JOIN services s ON s.id = t.service_id WHERE t.machine_id = $1 AND {which} IN ({})",
        numbers(2, among.len())
    );
    let mut arguments: Vec<Value> = args![machine];
    arguments.extend(among);
    tx.all(sql, arguments, |row| {
        let state: TaskState = row.get("state")?;
        let owner = Owner {
            task: row.get("id")?,
            project: row.get("project_id")?,
            service: row.get("service_id")?,
            environment: row.get("environment_id")?,
            slot: row.get("slot")?,
            revision: row.get("number")?,
            ending: matches!(state, TaskState::Stopping | TaskState::Ended),
            job: row.get::<Option<String>>("run_id")?.is_some(),
        };
        Ok((row.get("container")?, owner))
    })
    .await
}

/// `$2, $3, $4`.
fn numbers(first: usize, count: usize) -> String {
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// Writes down what happened on a machine, at most [`MOST`] events, and how far its engine was heard by that. What is known
/// already is left as it is.
pub async fn record(worker: &Worker, machine: MachineId, happened: &[Happened]) -> Result<()> {
    if happened.is_empty() {
        return Ok(());
    }
    let platform = worker.platform();
    let mut change = worker.relaxed_change().await?;
    let owners = Owners::of(&mut change, machine, happened).await?;
    let mut services = BTreeSet::new();
    let mut new = false;
    for event in happened {
        let owner = owners.find(event);
        let inserted = insert(&mut change, platform, machine, event, owner).await?;
        remember(&mut change, machine, event, inserted).await?;
        if inserted {
            new = true;
            services.extend(owner.map(|owner| owner.service));
        }
    }
    let heard = happened.iter().filter(|event| !event.recovered && !event.container.is_empty()).map(|event| event.nanos).max();
    if let Some(nanos) = heard {
        put_cursor(&mut change, machine, nanos, platform.now()).await?;
    }
    for service in services {
        change.touch(Topic::Service(service));
    }
    if new {
        change.touch(Topic::Machine(machine));
    }
    change.finish().await
}

/// When an event is none: it is in the record by another time, because it was found out before it was heard or the other way round. No container
/// starts twice without an end between, and none is made or removed twice.
fn known_already(event: &Happened) -> String {
    let same = "o.machine_id = $2 AND o.container = $6 AND o.kind = $5";
    let between = match event.kind {
        EventKind::Created | EventKind::Removed => return format!("NOT EXISTS (SELECT 1 FROM events o WHERE {same})"),
        EventKind::Started => EventKind::Died,
        EventKind::Died => EventKind::Started,
        _ => return "TRUE".to_owned(),
    };
    if event.recovered {
        return format!("NOT EXISTS (SELECT 1 FROM events o WHERE {same} AND o.nanos >= $4)");
    }
    format!(
        "NOT EXISTS (SELECT 1 FROM events o WHERE {same} AND o.recovered AND o.nanos <= $4 AND o.nanos > $4 - 60000000000 AND NOT EXISTS
         (SELECT 1 FROM events b WHERE b.machine_id = $2 AND b.container = $6 AND b.kind = '{between}' AND b.nanos > o.nanos AND b.nanos < $4))"
    )
}

/// Writes one event. Whether it was not known.
async fn insert(tx: &mut Tx, platform: &Platform, machine: MachineId, event: &Happened, owner: Option<&Owner>) -> Result<bool> {
    let id: EventId = platform.new_id();
    let ends = matches!(event.kind, EventKind::Died | EventKind::Killed | EventKind::Stopped);
    let planned = ends && owner.is_some_and(|owner| owner.ending || (owner.job && event.exit_code == Some(0)));
    let sql = format!(
        "INSERT INTO events (id, machine_id, at, nanos, kind, container, name, image, project_id, service_id, environment_id, task_id, slot, revision,
         exit_code, signal, oom, planned, recovered, output, text)
         SELECT {} WHERE {} ON CONFLICT (machine_id, container, kind, nanos) DO NOTHING",
        numbers(1, 21),
        known_already(event)
    );
    let arguments: Vec<Value> = args![
        id,
        machine,
        event.nanos.div_euclid(1_000_000),
        event.nanos,
        event.kind,
        &event.container,
        kept(&event.name),
        kept(&event.image),
        owner.map(|owner| owner.project),
        owner.map(|owner| owner.service),
        owner.map(|owner| owner.environment),
        owner.map(|owner| owner.task),
        owner.map(|owner| owner.slot),
        owner.map(|owner| owner.revision),
        event.exit_code,
        event.signal,
        event.oom,
        planned,
        event.recovered,
        event.output.as_deref().map(kept),
        kept(&event.text),
    ];
    if tx.exec(sql, arguments).await? == 0 {
        return Ok(false);
    }
    want_of_memory(tx, machine, id, event).await?;
    Ok(true)
}

fn kept(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(TEXT_MOST).collect()
}

/// The engine tells of a want of memory and of the end that came of it in either order.
async fn want_of_memory(tx: &mut Tx, machine: MachineId, id: EventId, event: &Happened) -> Result<()> {
    match event.kind {
        EventKind::OutOfMemory => {
            let sql = "UPDATE events SET oom = TRUE WHERE machine_id = $1 AND container = $2 AND kind = 'died' AND exit_code = 137
                       AND nanos >= $3 - 10000000000 AND nanos <= $3 + 10000000000";
            tx.exec(sql, args![machine, &event.container, event.nanos]).await.map(drop)
        }
        EventKind::Died if event.exit_code == Some(137) && !event.oom => {
            let sql = "UPDATE events SET oom = TRUE WHERE id = $1 AND EXISTS (SELECT 1 FROM events o WHERE o.machine_id = $2 AND o.container = $3
                       AND o.kind = 'oom' AND o.nanos >= $4 - 10000000000 AND o.nanos <= $4 + 10000000000)";
            tx.exec(sql, args![id, machine, &event.container, event.nanos]).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// What is known of the container from now on.
async fn remember(tx: &mut Tx, machine: MachineId, event: &Happened, new: bool) -> Result<()> {
    let at = event.nanos.div_euclid(1_000_000);
    let (started, died) = match event.kind {
        EventKind::Removed => {
            let sql = "DELETE FROM event_containers WHERE machine_id = $1 AND container = $2";
            return tx.exec(sql, args![machine, &event.container]).await.map(drop);
        }
        EventKind::Renamed => {
            let sql = "UPDATE event_containers SET name = $3 WHERE machine_id = $1 AND container = $2";
            return tx.exec(sql, args![machine, &event.container, kept(&event.name)]).await.map(drop);
        }
        EventKind::Created if new => (None, None),
        EventKind::Started if new => (Some(at), None),
        EventKind::Died if new => (None, Some(at)),
        _ => return Ok(()),
    };
    let sql = "INSERT INTO event_containers (machine_id, container, name, image, started_at, died_at, starts, deaths)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (machine_id, container) DO UPDATE SET
               started_at = CASE WHEN excluded.started_at > COALESCE(event_containers.started_at, 0) THEN excluded.started_at
                                 ELSE event_containers.started_at END,
               died_at = CASE WHEN excluded.died_at > COALESCE(event_containers.died_at, 0) THEN excluded.died_at ELSE event_containers.died_at END,
               starts = event_containers.starts + excluded.starts, deaths = event_containers.deaths + excluded.deaths";
    let (starts, deaths) = (i64::from(started.is_some()), i64::from(died.is_some()));
    let arguments: Vec<Value> = args![machine, &event.container, kept(&event.name), kept(&event.image), started, died, starts, deaths];
    tx.exec(sql, arguments).await.map(drop)
}

async fn put_cursor(tx: &mut Tx, machine: MachineId, nanos: i64, now: Millis) -> Result<()> {
    let sql = "INSERT INTO event_cursors (machine_id, nanos, listened_at) VALUES ($1, $2, $3) ON CONFLICT (machine_id) DO UPDATE SET
               nanos = CASE WHEN excluded.nanos > event_cursors.nanos THEN excluded.nanos ELSE event_cursors.nanos END,
               listened_at = excluded.listened_at";
    tx.exec(sql, args![machine, nanos, now]).await.map(drop)
}

/// A probe of Slipway's own changed its verdict on a task.
pub async fn probed(worker: &Worker, task: &TaskWork, health: TaskHealth, output: Option<String>) -> Result<()> {
    let kind = match health {
        TaskHealth::Healthy => EventKind::Healthy,
        TaskHealth::Unhealthy => EventKind::Unhealthy,
        TaskHealth::None | TaskHealth::Starting => return Ok(()),
    };
    let platform = worker.platform();
    let container = task.container.clone().unwrap_or_default();
    let sql = "SELECT name, image FROM event_containers WHERE machine_id = $1 AND container = $2";
    let read = |row: &Row<'_>| -> Result<(String, String)> { Ok((row.get("name")?, row.get("image")?)) };
    let (name, image) = platform.read().await?.opt(sql, args![task.machine, &container], read).await?.unwrap_or_default();
    // By the portal's clock: it says nothing of how far the engine was heard.
    let event =
        Happened { name, image, claimed: Some(task.id), output, ..Happened::new(kind, platform.now().0.saturating_mul(1_000_000), container) };
    let mut change = worker.relaxed_change().await?;
    let owners = Owners::of(&mut change, task.machine, std::slice::from_ref(&event)).await?;
    if insert(&mut change, platform, task.machine, &event, owners.find(&event)).await? {
        change.touch(Topic::Service(task.key.service));
        change.touch(Topic::Machine(task.machine));
    }
    change.finish().await
}
