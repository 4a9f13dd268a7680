//! The engine's events about our containers, as one endless stream that survives the engine.
//!
//! It tells when it is connected, what it hears, and when it lost the engine. After every `Connected` the listener must look at
//! all containers once: what happened while nobody listened is told again only as far as the engine remembers.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures::stream::{BoxStream, Stream, StreamExt};

use super::{Docker, EngineError, Kind, LABEL_INSTANCE, QUICK, Result};

/// Waits between attempts to connect: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

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

/// Something that happened to a container of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// The engine's id of the container.
    pub container: String,
    /// The container's labels.
    pub labels: BTreeMap<String, String>,
    /// When, in nanoseconds since the epoch, by the engine's clock.
    pub at_nanos: i64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
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
    instance: String,
    /// Last event's time, or the engine's time at the first connection.
    since: Option<i64>,
    live: Option<BoxStream<'static, std::result::Result<EventMessage, bollard::errors::Error>>>,
    wait: Duration,
    /// The engine is known to be away, and the listener was told.
    told: bool,
}

impl Docker {
    /// Events of all containers of an instance, for ever.
    pub fn events(&self, instance: &str) -> impl Stream<Item = Heard> + Send + use<> {
        let listener = Listener { docker: self.clone(), instance: instance.to_owned(), since: None, live: None, wait: Duration::ZERO, told: false };
        futures::stream::unfold(listener, |mut listener| async move {
            let heard = listener.next().await;
            Some((heard, listener))
        })
    }
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
                    if let Some(event) = read(message).filter(|event| self.since.is_none_or(|since| event.at_nanos > since)) {
                        self.since = Some(event.at_nanos);
                        return Heard::Event(event);
                    }
                }
                Some(Err(error)) => return self.lost(error.into()),
                None => return self.lost(EngineError::new(Kind::Unreachable, "the engine ended its stream of events")),
            }
        }
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
        let now = self.docker.call("tell its time", QUICK, async |client| client.info().await).await?.system_time;
        let now = now.and_then(|text| text.parse::<jiff::Timestamp>().ok()).and_then(|at| i64::try_from(at.as_nanosecond()).ok());
        let since = *self.since.get_or_insert(now.unwrap_or_default());
        let filters = HashMap::from([("type", vec!["container".to_owned()]), ("label", vec![format!("{LABEL_INSTANCE}={}", self.instance)])]);
        let since = format!("{}.{:09}", since / 1_000_000_000, since % 1_000_000_000);
        let options = EventsOptionsBuilder::default().filters(&filters).since(&since).build();
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
    Some(Event { kind, container: actor.id?, labels: attributes.into_iter().collect(), at_nanos: message.time_nano.unwrap_or_default() })
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
}
