//! `/live`: one stream of server-sent events for a browser. The page names topics; each is checked as the page's own reading is, and
//! checked again whenever anybody's access changes, and now and then besides. An event says only that a topic changed: what it is now is read through the page's
//! own door.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use app::api::server::Caller;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use domain::access::Changes;
use domain::live::Topic;
use domain::{Actor, Error, Platform, accounts, streams, watch};
use futures::Stream;
use model::live::TOPICS_MAX;
use tokio::sync::broadcast::error::RecvError;

use super::problem::Answer;
use super::table::Table;
use super::{Portal, doors};

/// Proxies cut what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

pub(super) fn table() -> Table {
    doors().get("/live", live)
}

async fn live(
    State(portal): State<Portal>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    caller.actor.account()?;
    let topics = topics(query.as_deref().unwrap_or_default())?;
    let slot = streams::open(&portal.platform, &caller.actor, streams::Kind::Live)?;
    // Listening begins before the checks: nothing falls between.
    let changes = portal.platform.live();
    let access = portal.platform.access_changes();
    let allowed = allowed(&portal.platform, &caller.actor, &topics).await?;
    let state = Watching { portal, actor: caller.actor, topics, allowed, changes, access, first: true, _slot: slot };
    let stream = futures::stream::unfold(state, |mut state| async move { Some((Ok(state.next().await?), state)) });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn topics(query: &str) -> Result<Vec<Topic>, Error> {
    let mut topics = Vec::new();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if name != "topic" {
            continue;
        }
        let value = value.replace("%3A", ":").replace("%3a", ":");
        topics.push(value.parse().map_err(|error| Error::invalid("topic", error))?);
    }
    if topics.len() > TOPICS_MAX {
        return Err(Error::invalid("topic", format!("at most {TOPICS_MAX} topics for a stream")));
    }
    Ok(topics)
}

async fn allowed(platform: &Platform, actor: &Actor, topics: &[Topic]) -> Result<HashSet<Topic>, Error> {
    let mut allowed = HashSet::new();
    for topic in topics {
        match watch::may_watch(platform, actor, *topic).await {
            Ok(()) => drop(allowed.insert(*topic)),
            // What may not be watched is left out, like what does not exist.
            Err(Error::NotFound { .. } | Error::Forbidden(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(allowed)
}

/// A stream's state between two events.
struct Watching {
    portal: Portal,
    actor: Actor,
    topics: Vec<Topic>,
    allowed: HashSet<Topic>,
    changes: tokio::sync::broadcast::Receiver<Topic>,
    access: Changes,
    first: bool,
    /// The account's right to this stream; free again with it.
    _slot: streams::Slot,
}

impl Watching {
    /// The next event; none at the end: signed out, or the portal stops.
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.first) {
            // Pages of another build learn that theirs is gone.
            let build = self.portal.leptos.site_pkg_dir.as_ref();
            return Some(Event::default().event("ready").data(serde_json::json!({ "build": build }).to_string()));
        }
        loop {
            tokio::select! {
                () = self.portal.stopping.cancelled() => return None,
                change = self.changes.recv() => match change {
                    Ok(topic) if self.allowed.contains(&topic) => return Some(changed(topic)),
                    Ok(_) => {}
                    // Some were missed: the page reads everything anew.
                    Err(RecvError::Lagged(_)) => return Some(Event::default().event("missed").data("{}")),
                    Err(RecvError::Closed) => return None,
                },
                told = self.access.due() => {
                    if !told {
                        return None;
                    }
                    self.actor = accounts::refresh(&self.portal.platform, &self.actor).await.ok()?;
                    self.allowed = allowed(&self.portal.platform, &self.actor, &self.topics).await.ok()?;
                }
            }
        }
    }
}

fn changed(topic: Topic) -> Event {
    Event::default().event("change").data(format!("{{\"topic\":\"{topic}\"}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_asks_for_as_much_as_a_stream_takes() {
        let of = |many: usize| (0..many).map(|n| format!("topic=project%3A0192f0c1-7c1e-7b44-8d2a-{n:012}")).collect::<Vec<_>>().join("&");
        assert_eq!(topics(&of(TOPICS_MAX)).expect("all of them").len(), TOPICS_MAX);
        assert!(topics(&of(TOPICS_MAX + 1)).is_err());
        assert!(of(TOPICS_MAX).len() < 8000, "and proxies take the address");
        let worker = include_str!("../../../public/live-worker.js");
        assert!(worker.contains(&format!("const TOPICS_MAX = {TOPICS_MAX};")), "the shared worker counts as the portal does");
    }
}
