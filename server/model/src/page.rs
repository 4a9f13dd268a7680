//! Lists in pages: every list is asked for with a limit and a cursor and never read whole.

use serde::{Deserialize, Serialize};

/// Most items of one page.
pub const LIMIT_MAX: u32 = 200;
/// Items of a page where the caller names no number.
pub const LIMIT_DEFAULT: u32 = 50;

/// What part of a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRequest {
    /// The cursor of an earlier page's `next`; from the beginning where there is none.
    #[serde(default)]
    pub after: Option<String>,
    /// How many items; at most [`LIMIT_MAX`].
    #[serde(default)]
    pub limit: Option<u32>,
}

impl PageRequest {
    /// The limit that holds: the default, or what was asked within 1 to [`LIMIT_MAX`].
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX)
    }

    /// The id before which a list goes on that has the newest first (ids begin with their time): an earlier page's last one, or what sorts behind
    /// every id, whose text is hexadecimal.
    #[must_use]
    pub fn before_id(&self) -> &str {
        self.after.as_deref().unwrap_or("g")
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The cursor for what follows; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of what was read with a limit of one more than asked: the one too many says that more follows.
    pub fn cut(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let limit = limit as usize;
        let next = if items.len() > limit {
            items.truncate(limit);
            items.last().map(cursor)
        } else {
            None
        };
        Self { items, next }
    }

    /// The same page with other items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ProjectId;

    #[test]
    fn a_list_by_id_begins_behind_every_id_and_goes_on_before_the_last_one() {
        let highest: ProjectId = "ffffffff-ffff-ffff-ffff-ffffffffffff".parse().expect("an id");
        assert!(highest.to_string().as_str() < PageRequest::default().before_id());
        let next = PageRequest { after: Some(highest.to_string()), limit: None };
        assert_eq!(next.before_id(), highest.to_string());
    }
}
