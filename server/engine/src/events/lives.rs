//! What an engine told, in the words of the record. Pure: it remembers no more than which signals were sent to whom.

use std::collections::BTreeMap;

use domain::events::work::Happened;
use model::views::events::EventKind as Kind;

use crate::docker::{Event, EventKind, LABEL_INSTANCE};
use crate::ours;

/// So many signals are remembered.
const MOST: usize = 4_096;

/// What must be asked besides, since the event does not tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing.
    No,
    /// What the health check printed.
    Health,
    /// Whether it was for want of memory.
    Memory,
}

/// The lives of containers, as far as one event tells something of another.
#[derive(Debug, Default)]
pub(super) struct Lives {
    /// The last signal that was to end it.
    killed: BTreeMap<String, i64>,
}

impl Lives {
    /// What is written down of an event; none: nothing, since what carries secret files to a task is nobody's concern.
    pub(super) fn read(&mut self, instance: &str, event: &Event) -> Option<(Happened, Look)> {
        let own = event.labels.get(LABEL_INSTANCE).is_some_and(|label| label == instance);
        let said = |what: &str| event.labels.get(what).cloned().unwrap_or_default();
        let name = said("name");
        if own && ours::carried_by(&name, &event.labels).is_some() {
            return None;
        }
        let claimed = own.then(|| ours::task_of(&name, &event.labels)).flatten();
        let mut happened = Happened { name, image: said("image"), claimed, ..Happened::new(kind(&event.kind), event.at_nanos, &event.container) };
        let mut look = Look::No;
        match &event.kind {
            EventKind::Kill { signal } => {
                happened.signal = number(signal);
                if let Some(signal) = happened.signal.filter(|signal| ends(*signal)) {
                    self.killed.insert(event.container.clone(), signal);
                    if self.killed.len() > MOST {
                        self.killed.pop_first();
                    }
                }
            }
            EventKind::Die { exit } => {
                let sent = self.killed.remove(&event.container);
                happened.exit_code = Some(*exit).filter(|exit| *exit >= 0);
                happened.signal = by_signal(happened.exit_code).or(sent);
                if *exit == 137 && sent != Some(9) {
                    look = Look::Memory;
                }
            }
            EventKind::Start | EventKind::Destroy => {
                self.killed.remove(&event.container);
            }
            EventKind::Health { .. } => look = Look::Health,
            EventKind::Rename => happened.text = format!("it was called {}", said("oldName").trim_start_matches('/')),
            EventKind::Create
            | EventKind::OutOfMemory
            | EventKind::Stop
            | EventKind::Restart
            | EventKind::Pause
            | EventKind::Unpause
            | EventKind::Update => {}
        }
        Some((happened, look))
    }
}

fn kind(kind: &EventKind) -> Kind {
    match kind {
        EventKind::Create => Kind::Created,
        EventKind::Start => Kind::Started,
        EventKind::Die { .. } => Kind::Died,
        EventKind::OutOfMemory => Kind::OutOfMemory,
        EventKind::Kill { .. } => Kind::Killed,
        EventKind::Stop => Kind::Stopped,
        EventKind::Restart => Kind::Restarted,
        EventKind::Destroy => Kind::Removed,
        EventKind::Health { healthy: true } => Kind::Healthy,
        EventKind::Health { healthy: false } => Kind::Unhealthy,
        EventKind::Pause => Kind::Paused,
        EventKind::Unpause => Kind::Resumed,
        EventKind::Rename => Kind::Renamed,
        EventKind::Update => Kind::Updated,
    }
}

/// The signal that an exit code stands for.
pub(super) fn by_signal(exit_code: Option<i64>) -> Option<i64> {
    exit_code.filter(|code| (129..=192).contains(code)).map(|code| code - 128)
}

/// A signal's number: engines tell that, or its name.
fn number(signal: &str) -> Option<i64> {
    if let Ok(number) = signal.parse() {
        return Some(number);
    }
    let number = match signal.trim_start_matches("SIG") {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ABRT" => 6,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        "TERM" => 15,
        _ => return None,
    };
    Some(number)
}

/// Whether a program is likely to end by it: others tell it to read its configuration anew, or to go on.
fn ends(signal: i64) -> bool {
    !matches!(signal, 1 | 10 | 12 | 17 | 18 | 23 | 28)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, labels: &[(&str, &str)]) -> Event {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Event { kind, container: "c1".into(), labels, at_nanos: 7_000_000_000, past: false }
    }

    fn kill(signal: &str) -> Event {
        event(EventKind::Kill { signal: signal.into() }, &[])
    }

    fn die(lives: &mut Lives, exit: i64) -> (Option<i64>, Option<i64>, Look) {
        let (happened, look) = lives.read("i", &event(EventKind::Die { exit }, &[])).expect("something");
        (happened.exit_code, happened.signal, look)
    }

    #[test]
    fn an_end_is_told_with_the_signal_that_made_it() {
        let mut lives = Lives::default();
        lives.read("i", &kill("15"));
        assert_eq!(die(&mut lives, 0), (Some(0), Some(15), Look::No), "it was asked to end, and did");
        assert_eq!(die(&mut lives, 1), (Some(1), None, Look::No), "a signal counts once");
        lives.read("i", &kill("SIGKILL"));
        assert_eq!(die(&mut lives, 137), (Some(137), Some(9), Look::No));
        assert_eq!(die(&mut lives, 137), (Some(137), Some(9), Look::Memory), "nobody sent it");
        assert_eq!(die(&mut lives, 139), (Some(139), Some(11), Look::No));
        lives.read("i", &kill("1"));
        assert_eq!(die(&mut lives, 2), (Some(2), None, Look::No), "that was to read its configuration anew");
        lives.read("i", &kill("15"));
        lives.read("i", &event(EventKind::Start, &[]));
        assert_eq!(die(&mut lives, 0), (Some(0), None, Look::No), "that was another life");
    }

    #[test]
    fn whose_it_is_says_the_name_with_the_labels() {
        const TASK: &str = "0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa";
        let labels = |name: &'static str, instance: &'static str| {
            [
                ("name", name),
                ("image", "web"),
                (LABEL_INSTANCE, instance),
                (crate::build::LABEL_PROJECT, "shop"),
                (crate::build::LABEL_SERVICE, "web"),
                (crate::build::LABEL_ENVIRONMENT, "local"),
                (crate::build::LABEL_TASK, TASK),
            ]
        };
        let mut lives = Lives::default();
        let mut claimed = |name, instance| {
            let (happened, _) = lives.read("mine", &event(EventKind::Start, &labels(name, instance))).expect("something");
            assert_eq!((happened.name.as_str(), happened.image.as_str()), (name, "web"));
            happened.claimed.map(|task| task.to_string())
        };
        assert_eq!(claimed("slipway-shop.web.local.1.aaaaaaaaaaaa", "mine").as_deref(), Some(TASK));
        assert_eq!(claimed("copy", "mine"), None, "an image that was committed from a task");
        assert_eq!(claimed("slipway-shop.web.local.1.aaaaaaaaaaaa", "another"), None, "another portal's");
        let carrier =
            [("name", "slipway-carrier.0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa"), (LABEL_INSTANCE, "mine"), (crate::build::LABEL_CARRIER, TASK)];
        assert!(lives.read("mine", &event(EventKind::Create, &carrier)).is_none());
    }
}
