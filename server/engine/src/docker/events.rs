//! The engine's events about containers, as one endless stream that survives the engine.
//!
//! It tells when it is connected, what it hears, and when it lost the engine. After every `Connected` the listener must look at
//! all containers once: what happened while nobody listened is told again only as far as the engine remembers. It remembers the last 256 events
//! of all sorts, none of them beyond its own end, and drops what a listener does not take in time. Its events do not come quite in their order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures::stream::{BoxStream, Stream, StreamExt};

use super::{Docker, EngineError, Kind, LABEL_INSTANCE, QUICK, Result};

/// Waits between attempts to connect: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// So far before the last event the engine is asked from, in nanoseconds: another one may have been overtaken by it.
const OVERTAKEN: i64 = 2_000_000_000;
/// Events that are known when they are told again.
const RECENT: usize = 4_096;
/// What is listened to. `health_status` makes the engine compare beginnings.
const ACTIONS: [&str; 13] =
    ["create", "start", "die", "oom", "kill", "stop", "restart", "destroy", "pause", "unpause", "rename", "update", "health_status"];

/// What a listener hears.
#[derive(Debug, Clone)]
pub enum Heard {
    /// The stream is open; look at everything once.
    Connected,
    /// Something happened.
    Event(Event),
    /// The engine is away, for this reason. Told once; attempts go on.
    Lost(EngineError),
}

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// The engine's id of the container.
    pub container: String,
    /// The container's labels, and what else the engine tells of it: `name`, `image`.
    pub labels: BTreeMap<String, String>,
    /// When, in nanoseconds since the epoch, by the engine's clock.
    pub at_nanos: i64,
    /// It happened before this listener was connected for the first time.
    pub past: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// It was made.
    Create,
    /// It runs.
    Start,
    /// Its process ended.
    Die {
        /// Exit code, 128 + signal when killed.
        exit: i64,
    },
    /// The kernel ended a process of it for want of memory.
    OutOfMemory,
    /// A signal was sent.
    Kill {
        /// Its number or name.
        signal: String,
    },
    /// It was stopped by order.
    Stop,
    /// The engine started it again by order.
    Restart,
    /// It is gone.
    Destroy,
    /// The engine's own health check changed its verdict.
    Health {
        /// Healthy now?
        healthy: bool,
    },
    /// Frozen.
    Pause,
    /// Thawed.
    Unpause,
    /// Renamed behind our back.
    Rename,
    /// Its limits or restart policy were changed behind our back.
    Update,
}

/// State of the stream between two items.
struct Listener {
    docker: Docker,
    /// Whose containers; none: everybody's.
    instance: Option<String>,
    /// The newest event's time.
    newest: Option<i64>,
    /// The engine's time at the first connection.
    began: Option<i64>,
    /// What was told last.
    recent: BTreeSet<(i64, String, EventKind)>,
    live: Option<BoxStream<'static, std::result::Result<EventMessage, bollard::errors::Error>>>,
    wait: Duration,
    /// The engine is known to be away, and the listener was told.
    told: bool,
}

impl Docker {
    /// Events of all containers of an instance, for ever.
    pub fn events(&self, instance: &str) -> impl Stream<Item = Heard> + Send + use<> {
        self.listen(Some(instance.to_owned()), None)
    }

    /// Events of everybody's containers, for ever: also those since then, by the engine's clock, as far as the engine remembers them.
    pub fn all_events(&self, since: Option<i64>) -> impl Stream<Item = Heard> + Send + use<> {
        self.listen(None, since)
    }

    fn listen(&self, instance: Option<String>, newest: Option<i64>) -> impl Stream<Item = Heard> + Send + use<> {
        let (docker, recent) = (self.clone(), BTreeSet::new());
        let listener = Listener { docker, instance, newest, began: None, recent, live: None, wait: Duration::ZERO, told: false };
        futures::stream::unfold(listener, |mut listener| async move {
            let heard = listener.next().await;
            Some((heard, listener))
        })
    }

    /// What the engine's clock says, in nanoseconds since the epoch; none where it does not say.
    pub async fn clock(&self) -> Result<Option<i64>> {
        let now = self.call("tell its time", QUICK, async |client| client.info().await).await?.system_time;
        Ok(now.and_then(|text| text.parse::<jiff::Timestamp>().ok()).and_then(|at| i64::try_from(at.as_nanosecond()).ok()))
    }

    /// How many events of all sorts the engine remembers of the time until `now`, and when the oldest of them was.
    pub async fn remembered(&self, now: i64) -> Result<(usize, Option<i64>)> {
        let client = self.client().await?;
        let options = EventsOptionsBuilder::default().since("1").until(&seconds(now)).build();
        let told = async {
            let times = client.events(Some(options)).filter_map(|message| async move { message.ok()?.time_nano }).collect::<Vec<i64>>();
            Ok(times.await)
        };
        let times = super::limited("tell what it remembers", QUICK, told).await?;
        Ok((times.len(), times.into_iter().min()))
    }
}

/// A time as the engine reads it.
fn seconds(nanos: i64) -> String {
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

impl Listener {
    async fn next(&mut self) -> Heard {
        loop {
            let Some(live) = &mut self.live else {
                if let Some(heard) = self.connect().await {
                    return heard;
                }
                continue;
            };
            match live.next().await {
                Some(Ok(message)) => {
                    if let Some(event) = read(message)
                        && self.is_new(&event)
                    {
                        let past = self.began.is_some_and(|began| event.at_nanos < began);
                        return Heard::Event(Event { past, ..event });
                    }
                }
                Some(Err(error)) => return self.lost(error.into()),
                None => return self.lost(EngineError::new(Kind::Unreachable, "the engine ended its stream of events")),
            }
        }
    }

    /// Whether it is not told again.
    fn is_new(&mut self, event: &Event) -> bool {
        self.newest = self.newest.max(Some(event.at_nanos));
        let new = self.recent.insert((event.at_nanos, event.container.clone(), event.kind.clone()));
        if self.recent.len() > RECENT {
            self.recent.pop_first();
        }
        new
    }

    /// One attempt. `None`: not yet, and it was told before.
    async fn connect(&mut self) -> Option<Heard> {
        tokio::time::sleep(self.wait).await;
        match self.open().await {
            Ok(stream) => {
                self.live = Some(stream);
                self.wait = Duration::ZERO;
                self.told = false;
                Some(Heard::Connected)
            }
            Err(error) => {
                self.wait = (self.wait * 2).clamp(RETRY.0, RETRY.1);
                (!std::mem::replace(&mut self.told, true)).then_some(Heard::Lost(error))
            }
        }
    }

    async fn open(&mut self) -> Result<BoxStream<'static, std::result::Result<EventMessage, bollard::errors::Error>>> {
        let client = self.docker.client().await?;
        // Asked each time: it proves that the engine answers, and tells its clock.
        let now = self.docker.clock().await?;
        let began = *self.began.get_or_insert(now.unwrap_or_default());
        let since = self.newest.map_or(began, |newest| newest.saturating_sub(OVERTAKEN));
        let mut filters = HashMap::from([("type", vec!["container".to_owned()]), ("event", ACTIONS.map(str::to_owned).to_vec())]);
        if let Some(instance) = &self.instance {
            filters.insert("label", vec![format!("{LABEL_INSTANCE}={instance}")]);
        }
        let options = EventsOptionsBuilder::default().filters(&filters).since(&seconds(since)).build();
        Ok(client.events(Some(options)).boxed())
    }

    fn lost(&mut self, error: EngineError) -> Heard {
        self.live = None;
        self.wait = RETRY.0;
        self.told = true;
        self.docker.note::<()>(&Err(error.clone()));
        Heard::Lost(error)
    }
}

/// Our view of a message; `None` for what we don't act upon (exec, attach, top, ...).
fn read(message: EventMessage) -> Option<Event> {
    let actor = message.actor?;
    let mut attributes = actor.attributes.unwrap_or_default();
    let action = message.action?;
    let kind = match action.as_str() {
        "create" => EventKind::Create,
        "start" => EventKind::Start,
        "die" => EventKind::Die { exit: attributes.remove("exitCode").and_then(|code| code.parse().ok()).unwrap_or(-1) },
        "oom" => EventKind::OutOfMemory,
        "kill" => EventKind::Kill { signal: attributes.remove("signal").unwrap_or_default() },
        "stop" => EventKind::Stop,
        "restart" => EventKind::Restart,
        "destroy" => EventKind::Destroy,
        "pause" => EventKind::Pause,
        "unpause" => EventKind::Unpause,
        "rename" => EventKind::Rename,
        "update" => EventKind::Update,
        "health_status: healthy" => EventKind::Health { healthy: true },
        "health_status: unhealthy" => EventKind::Health { healthy: false },
        _ => return None,
    };
    Some(Event { kind, container: actor.id?, labels: attributes.into_iter().collect(), at_nanos: message.time_nano.unwrap_or_default(), past: false })
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;

    fn message(action: &str, attributes: &[(&str, &str)]) -> EventMessage {
        let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        EventMessage {
            action: Some(action.to_owned()),
            actor: Some(EventActor { id: Some("c1".to_owned()), attributes: Some(attributes) }),
            time_nano: Some(7),
            ..EventMessage::default()
        }
    }

    #[test]
    fn what_matters_is_read() {
        let died = read(message("die", &[("exitCode", "137"), ("dev.slipway.task", "t")])).expect("an event");
        assert_eq!(died.kind, EventKind::Die { exit: 137 });
        assert_eq!(died.labels["dev.slipway.task"], "t");
        assert_eq!(read(message("health_status: unhealthy", &[])).expect("an event").kind, EventKind::Health { healthy: false });
        assert_eq!(read(message("exec_create: sh", &[])), None);
    }

    #[test]
    fn what_was_overtaken_is_heard_and_what_is_told_again_is_not() {
        let docker = Docker::new("unix:///nowhere.sock".parse().expect("an address"));
        let recent = BTreeSet::new();
        let mut listener = Listener { docker, instance: None, newest: None, began: None, recent, live: None, wait: Duration::ZERO, told: false };
        let event = |action: &str, at: i64| Event { at_nanos: at, ..read(message(action, &[])).expect("an event") };
        assert!(listener.is_new(&event("start", 10)));
        assert!(listener.is_new(&event("die", 9)), "it was overtaken");
        assert!(!listener.is_new(&event("start", 10)));
        assert!(listener.is_new(&event("kill", 10)), "two at one time");
        assert_eq!(listener.newest, Some(10));
    }
}
