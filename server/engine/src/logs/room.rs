//! Whether there is room for more lines: collecting stops before the disk of the portal's data is full.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use domain::room;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(5);

/// The disk on which lines are kept.
pub(super) struct Room {
    folder: PathBuf,
    looked: Option<Instant>,
    full: Option<String>,
}

impl Room {
    /// The disk on which this folder is.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, looked: None, full: None }
    }

    /// Why nothing more may be kept; none: there is room.
    pub(super) fn full(&mut self) -> Option<&str> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            // Where that cannot be told, writing will tell.
            self.full = room::of(&self.folder).and_then(|(free, all)| judged(free, all));
        }
        self.full.as_deref()
    }
}

/// What is wrong with so much free of so much.
fn judged(free: u64, all: u64) -> Option<String> {
    room::lack(free, all).map(|lack| {
        format!(
            "Logs are not collected at the moment: the disk of the portal's data has {} MiB free, and {} MiB are needed. Engines keep the last lines of \
             each task; collecting goes on there when there is room.",
            lack.free, lack.least
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_before_it_is() {
        assert_eq!(judged(600 << 20, 1 << 40), None);
        assert!(judged(500 << 20, 1 << 40).is_some_and(|said| said.contains("500 MiB free, and 512 MiB are needed")));
        assert_eq!(judged(20 << 20, 640 << 20), None, "a small disk");
        assert!(judged(10 << 20, 640 << 20).is_some());
    }
}
