//! Events: what happened to containers, as engines tell it. A loop writes it down ([`work`]); people read it as the timeline of a service, of a
//! machine, or of all that they may see. What happened to containers that Slipway did not make is shown to operators alone.

pub mod marks;
#[cfg(test)]
mod tests;
pub mod work;

use std::fmt::Display;
use std::str::FromStr;

use model::ids::{EnvironmentId, EventId, MachineId, TaskId};
use model::names::{EnvironmentName, MachineName};
use model::page::{LIMIT_DEFAULT, LIMIT_MAX};
use model::time::Millis;
use model::views::events::{EventFilter, EventKind, EventView, EventsView};
use model::views::logs::time_nanos;

use crate::access::{May, Site, Visible, can};
use crate::db::{Row, Tx, Value};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;

pub use marks::marks;

crate::text_columns! { EventKind }

/// Which events are meant, read and checked.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    kind: Option<EventKind>,
    task: Option<TaskId>,
    environment: Option<EnvironmentName>,
    since: Option<Millis>,
    until: Option<Millis>,
    others: bool,
    place: Option<Place>,
    newer: bool,
    limit: u32,
}

/// A place in a list: the time of an event, and its id.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: i64,
    id: EventId,
}

impl Ask {
    /// Reads what an address says.
    ///
    /// # Errors
    /// `Invalid`, by field.
    pub fn read(filter: &EventFilter, now: Millis) -> Result<Self> {
        if !filter.after.is_empty() && !filter.before.is_empty() {
            return Err(Error::invalid("before", "a page is after a cursor or before one, not both"));
        }
        let (after, before) = (place("after", &filter.after)?, place("before", &filter.before)?);
        Ok(Self {
            kind: word("kind", &filter.kind)?,
            task: word("task", &filter.task)?,
            environment: word("environment", &filter.environment)?,
            since: time("since", &filter.since, now)?,
            until: time("until", &filter.until, now)?,
            others: word("others", &filter.others)?.unwrap_or(false),
            newer: before.is_some(),
            place: after.or(before),
            limit: filter.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX),
        })
    }

    /// Whether what is of no project is meant too.
    #[must_use]
    pub const fn others(&self) -> bool {
        self.others
    }
}

fn word<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<Option<T>> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|error| Error::invalid(field, error)),
    }
}

fn time(field: &str, text: &str, now: Millis) -> Result<Option<Millis>> {
    match text.trim() {
        "" => Ok(None),
        text => match time_nanos(text, now) {
            Some(nanos) => Ok(Some(Millis(nanos.div_euclid(1_000_000)))),
            None => Err(Error::invalid(field, "a time like 2026-11-20T09:30:00Z, seconds since 1970, or an age like 10m or 2h")),
        },
    }
}

fn place(field: &str, text: &str) -> Result<Option<Place>> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = || {
        let (at, id) = text.split_once('.')?;
        Some(Place { at: at.parse().ok()?, id: id.parse().ok()? })
    };
    read().map(Some).ok_or_else(|| Error::invalid(field, "not a cursor of this list: take it from an earlier page's next or previous"))
}

fn cursor(item: &EventView) -> String {
    format!("{}.{}", item.at.0, item.id)
}

/// What happened to a service's tasks, newest first.
///
/// # Errors
/// `Invalid` where others' containers are asked for: none is a service's.
pub async fn of_service(platform: &Platform, may: &May<can::SeeServices, Service>, ask: &Ask) -> Result<EventsView> {
    if ask.others {
        return Err(Error::invalid("others", "a service has its own tasks alone: ask where all events are listed"));
    }
    let mut tx = platform.read().await?;
    let mut select = Select::default();
    let service = select.bind(may.id);
    select.when(format!("v.service_id = ${service}"));
    if let Some(name) = &ask.environment {
        let environment: EnvironmentId = crate::environments::choose_for(&mut tx, may, Some(name)).await?.id;
        let environment = select.bind(environment);
        select.when(format!("v.environment_id = ${environment}"));
    }
    select.page(&mut tx, ask).await
}

/// The machine, and what happened on it, newest first: to everybody's containers, and to its engine.
pub async fn of_machine(
    platform: &Platform,
    _: &May<can::ManageEnvironments, Site>,
    name: &MachineName,
    ask: &Ask,
) -> Result<(MachineId, EventsView)> {
    let mut tx = platform.read().await?;
    let id = crate::machines::by_name(&mut tx, name).await?.ok_or(Error::NotFound { what: "machine" })?.id;
    let mut select = Select::default();
    let machine = select.bind(id);
    select.when(format!("v.machine_id = ${machine}"));
    Ok((id, select.page(&mut tx, ask).await?))
}

/// What happened to the tasks of every project in which the caller may see services, newest first; for those who manage machines (`others`) also what
/// is of no project: what happened to containers that Slipway did not make, and to engines.
pub async fn list(
    platform: &Platform,
    visible: &Visible<can::SeeServices>,
    others: Option<&May<can::ManageEnvironments, Site>>,
    ask: &Ask,
) -> Result<EventsView> {
    let mut select = Select::default();
    let (seen, mut arguments) = visible.condition("p", 1);
    select.arguments.append(&mut arguments);
    select.when(match others {
        Some(_) => format!("(v.project_id IS NULL OR {seen})"),
        None => format!("v.project_id IS NOT NULL AND {seen}"),
    });
    if let Some(name) = &ask.environment {
        let name = select.bind(name);
        // What is of no project happened where its machine is.
        select
            .when(format!("(e.name = ${name} OR (v.project_id IS NULL AND m.environment_id IN (SELECT id FROM environments WHERE name = ${name})))"));
    }
    select.page(&mut platform.read().await?, ask).await
}

const SELECT: &str = "SELECT v.id, v.at, v.kind, m.name AS machine, p.name AS project, s.name AS service, e.name AS environment, v.task_id, v.slot,
    v.revision, v.container, v.name, v.image, v.exit_code, v.signal, v.oom, v.planned, v.recovered, v.output, v.text
    FROM events v JOIN machines m ON m.id = v.machine_id LEFT JOIN projects p ON p.id = v.project_id
    LEFT JOIN services s ON s.id = v.service_id LEFT JOIN environments e ON e.id = v.environment_id";

/// A statement that is being put together.
#[derive(Default)]
struct Select {
    conditions: Vec<String>,
    arguments: Vec<Value>,
}

impl Select {
    /// Takes an argument; its number.
    fn bind(&mut self, value: impl Into<Value>) -> usize {
        self.arguments.push(value.into());
        self.arguments.len()
    }

    fn when(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    fn filter(&mut self, ask: &Ask) {
        if let Some(kind) = ask.kind {
            let kind = self.bind(kind);
            self.when(format!("v.kind = ${kind}"));
        }
        if let Some(task) = ask.task {
            let task = self.bind(task);
            self.when(format!("v.task_id = ${task}"));
        }
        if let Some(since) = ask.since {
            let since = self.bind(since);
            self.when(format!("v.at >= ${since}"));
        }
        if let Some(until) = ask.until {
            let until = self.bind(until);
            self.when(format!("v.at <= ${until}"));
        }
    }

    async fn page(mut self, tx: &mut Tx, ask: &Ask) -> Result<EventsView> {
        self.filter(ask);
        let (beyond, order) = if ask.newer { (">", "ASC") } else { ("<", "DESC") };
        if let Some(place) = ask.place {
            let (at, id) = (self.bind(place.at), self.bind(place.id));
            self.when(format!("(v.at, v.id) {beyond} (${at}, ${id})"));
        }
        let most = self.bind(i64::from(ask.limit) + 1);
        let sql = format!("{SELECT} WHERE {} ORDER BY v.at {order}, v.id {order} LIMIT ${most}", self.conditions.join(" AND "));
        let mut items = tx.all(sql, self.arguments, view).await?;
        let limit = ask.limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        if ask.newer {
            items.reverse();
        }
        // The page that somebody came from is there in the other direction.
        let next = items.last().map(cursor).filter(|_| more || ask.newer);
        let previous = items.first().map(cursor).filter(|_| if ask.newer { more } else { ask.place.is_some() });
        Ok(EventsView { items, next, previous })
    }
}

fn view(row: &Row<'_>) -> Result<EventView> {
    Ok(EventView {
        id: row.get("id")?,
        at: row.get("at")?,
        kind: row.get("kind")?,
        machine: row.get("machine")?,
        project: row.get("project")?,
        service: row.get("service")?,
        environment: row.get("environment")?,
        task: row.get("task_id")?,
        slot: row.get("slot")?,
        revision: row.get("revision")?,
        container: Some(row.get::<String>("container")?).filter(|container| !container.is_empty()),
        name: row.get("name")?,
        image: row.get("image")?,
        exit_code: row.get("exit_code")?,
        signal: row.get("signal")?,
        oom: row.get("oom")?,
        planned: row.get("planned")?,
        recovered: row.get("recovered")?,
        output: row.get("output")?,
        text: row.get("text")?,
    })
}
