//! What is known between two rounds: what was found of each thing, what is kept of it, and the board that readers get.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use model::time::Millis;

use super::board::Board;
use super::judge::Seen;
use super::spans::History;

/// Which loop probes a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Services in containers.
    Service,
    /// Those outside.
    Legacy,
}

/// What one loop probes, and when it last found something.
#[derive(Default)]
struct Probed {
    things: HashSet<String>,
    at: Option<Millis>,
}

/// What is known of all things.
#[derive(Default)]
pub(super) struct Known {
    pub seen: HashMap<String, Seen>,
    pub histories: HashMap<String, History>,
    services: Probed,
    legacy: Probed,
    /// When it was last looked for what is shown no more.
    pub tidied_at: Option<Millis>,
}

impl Known {
    /// These are probed now; what is known of others of their sort is forgotten.
    pub fn keep(&mut self, sort: Sort, things: HashSet<String>) {
        let before = match sort {
            Sort::Service => &mut self.services,
            Sort::Legacy => &mut self.legacy,
        };
        for gone in before.things.difference(&things) {
            self.seen.remove(gone);
            self.histories.remove(gone);
        }
        if before.things.is_empty() && !things.is_empty() {
            // A round of none says nothing of these.
            before.at = None;
        }
        before.things = things;
    }

    /// Whether it is still probed.
    pub fn keeps(&self, thing: &str) -> bool {
        self.services.things.contains(thing) || self.legacy.things.contains(thing)
    }

    /// Something was found of this sort, or looked for where there is none of it.
    pub fn checked(&mut self, sort: Sort, now: Millis) {
        match sort {
            Sort::Service => self.services.at = Some(now),
            Sort::Legacy => self.legacy.at = Some(now),
        }
    }

    /// The last round. Of two sorts the one whose round is longer ago counts: a loop that goes on does not vouch for one that stands still.
    pub fn checked_at(&self) -> Option<Millis> {
        let probed = [&self.services, &self.legacy].into_iter().filter(|sort| !sort.things.is_empty());
        probed.filter_map(|sort| sort.at).min().or(self.services.at)
    }
}

/// The status page's memory. Readers wait for nobody: they take the board that is there.
#[derive(Default)]
pub struct Status {
    known: Mutex<Known>,
    board: RwLock<Arc<Board>>,
}

impl Status {
    /// What everybody may see now.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same at `now`: one whose services were probed too long ago, whatever the reason, gives way to one that says so.
    #[must_use]
    pub fn board_at(&self, now: Millis) -> Arc<Board> {
        let board = self.board();
        if !board.is_old(now) {
            return board;
        }
        let mut shown = self.board.write().unwrap_or_else(PoisonError::into_inner);
        // Another one may have been drawn meanwhile.
        if shown.is_old(now) {
            let mut board = Board::clone(&shown).unknown();
            board.number += 1;
            *shown = Arc::new(board);
        }
        Arc::clone(&shown)
    }

    /// Takes the place of the board that is there, if it shows something else. Boards are numbered, so that what was made of one is told apart.
    pub(super) fn show(&self, mut board: Board) -> bool {
        let mut shown = self.board.write().unwrap_or_else(PoisonError::into_inner);
        board.number = shown.number;
        if shown.number > 0 && board == **shown {
            return false;
        }
        board.number += 1;
        *shown = Arc::new(board);
        true
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
