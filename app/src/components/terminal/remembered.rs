//! Shells that a tab had open when its page was loaded again. The server keeps a session for a while without a client, so the same page attaches
//! to it again. They are written down in the tab's own storage when the page goes, and taken out when it stands again; a shell that somebody closed is
//! not among them, and another tab never finds them.

use serde::{Deserialize, Serialize};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// The address of its page, without what stands before the path.
    pub page: String,
    /// What it is a terminal of.
    pub title: String,
    /// The websocket's path.
    pub socket: String,
    /// The server's name of the session.
    pub session: String,
    /// Bytes of output that the page had received.
    pub received: u64,
    /// When that was, in milliseconds.
    pub at: u64,
}

impl Remembered {
    /// Those of the page that is shown.
    #[cfg(feature = "hydrate")]
    pub(crate) fn of_page() -> Vec<Self> {
        browser::of_page().0
    }

    /// Takes those of the page that is shown out: it goes on with them.
    pub(crate) fn forget_page() {
        #[cfg(feature = "hydrate")]
        browser::forget_page();
    }

    /// On the server there are none.
    #[cfg(not(feature = "hydrate"))]
    pub(crate) fn of_page() -> Vec<Self> {
        Vec::new()
    }
}

/// For so long one is worth a try, in milliseconds: the server keeps it for a minute.
#[cfg(any(feature = "hydrate", test))]
const KEPT: u64 = 75_000;

/// What is kept, without what is too old.
#[cfg(any(feature = "hydrate", test))]
fn read(text: &str, now: u64) -> Vec<Remembered> {
    let mut all: Vec<Remembered> = serde_json::from_str(text).unwrap_or_default();
    all.retain(|one| now.saturating_sub(one.at) < KEPT);
    all
}

/// What is kept once this one is there; of a session what is newest.
#[cfg(any(feature = "hydrate", test))]
fn with(mut all: Vec<Remembered>, one: Remembered) -> Vec<Remembered> {
    all.retain(|other| other.session != one.session);
    all.push(one);
    all
}

#[cfg(feature = "hydrate")]
pub(super) use browser::remember;

#[cfg(feature = "hydrate")]
mod browser {
    use js_sys::Date;
    use leptos::prelude::{location, window};

    use super::{Remembered, read, with};

    const KEY: &str = "slipway-shells";

    fn storage() -> Option<web_sys::Storage> {
        window().session_storage().ok().flatten()
    }

    /// A link to the same page that asks for something else is another address: it opens what it asks for, and nothing else.
    fn here() -> Option<String> {
        let at = location();
        Some(format!("{}{}", at.pathname().ok()?, at.search().ok()?))
    }

    fn now() -> u64 {
        Date::now() as u64
    }

    fn all(storage: &web_sys::Storage) -> Vec<Remembered> {
        storage.get_item(KEY).ok().flatten().map(|text| read(&text, now())).unwrap_or_default()
    }

    fn keep(storage: &web_sys::Storage, all: &[Remembered]) {
        // A browser that keeps nothing opens new shells.
        _ = match serde_json::to_string(all) {
            Ok(text) if !all.is_empty() => storage.set_item(KEY, &text),
            _ => storage.remove_item(KEY),
        };
    }

    /// The page goes with this session: its title, its socket's path, its name and how much of its output was received.
    pub(in super::super) fn remember(title: &str, socket: &str, session: String, received: u64) {
        let (Some(storage), Some(page)) = (storage(), here()) else { return };
        let one = Remembered { page, title: title.to_owned(), socket: socket.to_owned(), session, received, at: now() };
        keep(&storage, &with(all(&storage), one));
    }

    /// Those of the page that is shown, and those of others.
    pub(super) fn of_page() -> (Vec<Remembered>, Vec<Remembered>) {
        let (Some(storage), Some(page)) = (storage(), here()) else { return Default::default() };
        all(&storage).into_iter().partition(|one| one.page == page)
    }

    pub(super) fn forget_page() {
        if let Some(storage) = storage() {
            keep(&storage, &of_page().1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(session: &str, at: u64) -> Remembered {
        let text = str::to_owned;
        Remembered { page: text("/shell"), title: text("web.1"), socket: text("/ws/tasks/t1/shell"), session: text(session), received: at, at }
    }

    #[test]
    fn what_the_server_keeps_no_longer_is_forgotten() {
        let kept = serde_json::to_string(&[shell("old", 1_000), shell("young", 60_000)]).expect("JSON");
        assert_eq!(read(&kept, 61_000).len(), 2);
        assert_eq!(read(&kept, 90_000), [shell("young", 60_000)]);
        assert!(read("not ours", 0).is_empty());
    }

    #[test]
    fn a_session_is_there_once_as_it_was_last() {
        let kept = with(with(with(Vec::new(), shell("a", 1)), shell("b", 2)), shell("a", 3));
        assert_eq!(kept, [shell("b", 2), shell("a", 3)]);
    }
}
