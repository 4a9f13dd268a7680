//! What a service or a machine used, as charts: what is asked for is checked, read on a thread for that, and put on one axis ([`super::charts`]).

use ::metrics::{Key, Metric, Select, Store};
use model::metrics::{Compare, Group, MetricsQuery, Window};
use model::names::{EnvironmentName, MachineName};
use model::problem::FieldError;
use model::views::metrics::MetricsView;

use super::charts::{self, Axis, Before, Plan};
use super::store;
use crate::access::{May, Site, can};
use crate::blocking::blocking;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;
use crate::{environments, machines};

/// How much of each line is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Each line with its least and most.
    All,
    /// What fits into a picture: the lines with most, the rest of them put together.
    Picture,
}

/// What is read.
pub(super) struct Asked {
    pub key: Key,
    pub window: Window,
    pub points: usize,
    pub compare: bool,
    pub plans: Vec<&'static Plan>,
    pub detail: Detail,
    pub environment: Option<EnvironmentName>,
}

/// What a service used in one environment.
///
/// # Errors
/// `Invalid` names the field that is wrong, `Unavailable` when no samples are kept in this process.
pub async fn service(platform: &Platform, may: &May<can::SeeServices, Service>, query: &MetricsQuery, detail: Detail) -> Result<MetricsView> {
    let (window, points) = checked(platform, query)?;
    let environment = environments::choose_for(&mut platform.read().await?, may, query.environment.as_ref()).await?;
    let key = Key::Service { project: may.project.id, service: may.id, environment: environment.id };
    let plans = plans(charts::OF_SERVICES, query.group)?;
    let compare = query.compare == Some(Compare::Previous);
    let (id, own) = (environment.id, plans.iter().any(|plan| plan.group == Group::Application));
    let asked = Asked { key, window, points, compare, plans, detail, environment: Some(environment.name) };
    let mut view = view(platform, asked).await?;
    view.marks = crate::events::marks(platform, may, id, view.from, view.to).await?;
    if own {
        view.problems = super::work::scrape_problems(platform, may, id).await?;
    }
    Ok(view)
}

/// What a machine used.
///
/// # Errors
/// `NotFound` when there is no machine of that name; else as [`service`].
pub async fn machine(
    platform: &Platform,
    may: &May<can::ManageEnvironments, Site>,
    name: &MachineName,
    query: &MetricsQuery,
    detail: Detail,
) -> Result<MetricsView> {
    let found = machines::by_name(&mut platform.read().await?, name).await?.ok_or(Error::NotFound { what: "machine" })?;
    let (window, points) = checked(platform, query)?;
    let plans = plans(charts::OF_MACHINES, query.group)?;
    let compare = query.compare == Some(Compare::Previous);
    let asked = Asked { key: Key::Machine(found.id), window, points, compare, plans, detail, environment: None };
    let mut view = view(platform, asked).await?;
    view.marks = crate::events::marks::of_machine(platform, may, &found, view.from, view.to).await?;
    Ok(view)
}

fn checked(platform: &Platform, query: &MetricsQuery) -> Result<(Window, usize)> {
    let wrong = |error: FieldError| Error::Invalid(vec![error]);
    Ok((query.window(platform.now()).map_err(wrong)?, query.points().map_err(wrong)?))
}

/// The charts of this group, or all of them.
fn plans(all: &'static [Plan], group: Option<Group>) -> Result<Vec<&'static Plan>> {
    let found: Vec<&Plan> = all.iter().filter(|plan| group.is_none_or(|group| plan.group == group)).collect();
    if found.is_empty() {
        let names = all.iter().map(|plan| plan.group.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::invalid("group", format!("there are no such figures here; there are: {names}")));
    }
    Ok(found)
}

async fn view(platform: &Platform, asked: Asked) -> Result<MetricsView> {
    let store = store(platform)?;
    blocking(move || read(&store, asked)).await
}

pub(super) fn read(store: &Store, asked: Asked) -> std::io::Result<MetricsView> {
    let Asked { key, window, points, compare, plans, detail, environment } = asked;
    let answer = store.query(key, &select(window, points, &charts::metrics(&plans)))?;
    let before = if compare { Some(before(store, key, window.before(), points, &plans)?) } else { None };
    let axis = Axis::new(window, answer.step_ms);
    let charts = charts::all(&plans, &axis, &answer, before.as_ref(), detail);
    Ok(MetricsView {
        from: window.from,
        to: window.to,
        step_ms: answer.step_ms,
        resolution: charts::resolution(answer.resolution),
        environment,
        at: axis.at(),
        charts,
        marks: Vec::new(),
        problems: Vec::new(),
        damaged: answer.damaged || before.is_some_and(|before| before.is_damaged()),
    })
}

/// The time before: of what adds up no more than its sums, which are read at the cost of one task.
fn before(store: &Store, key: Key, window: Window, points: usize, plans: &[&Plan]) -> std::io::Result<Before> {
    let (sums, lines) = (charts::compared(plans, true), charts::compared(plans, false));
    let mut before = Before::default();
    if !sums.is_empty() {
        before.sums = Some(store.totals(key, &select(window, points, &sums))?);
    }
    if !lines.is_empty() {
        before.lines = Some(store.query(key, &select(window, points, &lines))?);
    }
    Ok(before)
}

fn select(window: Window, points: usize, metrics: &[Metric]) -> Select<'_> {
    Select { metrics, label: None, from_ms: window.from.0, to_ms: window.to.0, max_points: points }
}
