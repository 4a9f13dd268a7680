//! How slowly something may come: what crawls holds a place for ever, and is given up. Pure.

use std::time::Duration;

/// So much of waiting is one look at the speed...
const LOOK: Duration = Duration::from_secs(60);
/// ...in which at least so many bytes must come: 8 KiB a second.
const SLOWEST: u64 = 480 * 1024;

/// How fast it came lately. Only waiting counts: what we do with the bytes in between is our own affair.
#[derive(Default)]
pub struct Pace {
    came: u64,
    waited: Duration,
}

impl Pace {
    /// Counts bytes that came after so long a wait. Whether it is fast enough.
    pub fn keeps(&mut self, bytes: u64, waited: Duration) -> bool {
        self.came += bytes;
        self.waited += waited;
        if self.waited < LOOK {
            return true;
        }
        std::mem::take(self).came >= SLOWEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crawls_is_given_up_and_what_only_pauses_is_not() {
        let mut pace = Pace::default();
        assert!(pace.keeps(SLOWEST, Duration::from_secs(40)));
        assert!(pace.keeps(1, Duration::from_secs(40)), "enough came in this look");
        assert!(pace.keeps(1, Duration::from_secs(40)));
        assert!(!pace.keeps(1, Duration::from_secs(40)));
    }
}
