//! The stream of changes: first everything, then what changed, each time as it is now. Whoever comes back with `Last-Event-ID` gets everything anew
//! unless nothing changed meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use domain::discovery::{Filter, Found, Reader};
use domain::streams;
use futures::Stream;
use http::HeaderMap;
use model::names::{EnvironmentName, ProjectName, ServiceName};
use model::views::discovery::{ChangeView, DiscoveredService, GoneService};

use super::super::Portal;
use super::super::caller::ApiCaller;
use super::super::problem::Answer;
use super::asked::Asked;
use super::{Pairs, view, written};

/// Proxies cut what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// How often it is noted that somebody follows, also when nothing changes.
const STILL_HERE: Duration = Duration::from_secs(60);

type Names = (ProjectName, ServiceName, EnvironmentName);

pub(super) async fn events(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Query(pairs): Pairs,
    headers: HeaderMap,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let asked = Asked::read(&actor, &pairs)?;
    let reader = Reader::open(&portal.platform, &actor).await?;
    let slot = streams::open(&portal.platform, &actor, streams::Kind::Discovery)?;
    let known = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let state = Following { portal, reader, filter: asked.filter, known, told: None, _slot: slot };
    let stream = futures::stream::unfold(state, |mut state| async move { Some((Ok(state.next().await?), state)) });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// A stream between two events.
struct Following {
    portal: Portal,
    reader: Reader,
    filter: Filter,
    /// The number of the change that the client has seen.
    known: Option<u64>,
    /// What the client was told.
    told: Option<BTreeMap<Names, Arc<DiscoveredService>>>,
    /// The account's right to this stream; free again with it.
    _slot: streams::Slot,
}

impl Following {
    /// The next event; none at the end: the permission is gone, or the portal stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.told.is_some() {
                tokio::select! {
                    () = self.portal.stopping.cancelled() => return None,
                    changed = self.reader.changed() => changed.ok()?,
                    () = tokio::time::sleep(STILL_HERE) => {}
                }
            }
            let found = self.reader.find(&self.filter);
            self.reader.sends_to(&found, |_| true);
            let now: BTreeMap<Names, Arc<DiscoveredService>> = found.services.iter().map(|service| (names(service), Arc::clone(service))).collect();
            let before = self.told.replace(now.clone());
            let event = match before {
                None if self.known == Some(found.index) => None,
                None => Some(event("services", found.index, written(&view(&found)))),
                Some(before) => change(&before, &now, &found).map(|change| event("change", found.index, written(&change))),
            };
            if event.is_some() {
                return event;
            }
        }
    }
}

fn names(service: &DiscoveredService) -> Names {
    (service.project.clone(), service.service.clone(), service.environment.clone())
}

fn event(kind: &str, index: u64, data: String) -> Event {
    Event::default().event(kind).id(index.to_string()).data(data)
}

/// What is different; none: nothing.
pub(super) fn change(
    before: &BTreeMap<Names, Arc<DiscoveredService>>,
    now: &BTreeMap<Names, Arc<DiscoveredService>>,
    found: &Found,
) -> Option<ChangeView> {
    let new = now.iter().filter(|(names, service)| before.get(*names).is_none_or(|known| known.index != service.index));
    let services: Vec<DiscoveredService> = new.map(|(_, service)| DiscoveredService::clone(service)).collect();
    let gone: BTreeSet<&Names> = before.keys().filter(|names| !now.contains_key(*names)).collect();
    if services.is_empty() && gone.is_empty() {
        return None;
    }
    let gone = gone.into_iter().cloned().map(|(project, service, environment)| GoneService { project, service, environment });
    Some(ChangeView { index: found.index, services, gone: gone.collect() })
}
