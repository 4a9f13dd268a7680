//! Points in time as they are stored and sent: whole milliseconds since the Unix epoch, UTC.

use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// This long later; stops at the end of time rather than wrapping.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This long before.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was, zero when it lies ahead (clocks move).
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with milliseconds, e.g. `2026-11-20T09:30:00.000Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => format!("{at:.3}"),
            Err(_) => String::from("unknown"),
        }
    }

    /// Reads RFC 3339, any offset; none where it is not.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|at| Self(at.as_millisecond()))
    }

    /// The date and time a person reads, in UTC: `2026-11-20 09:30:00 UTC`.
    #[must_use]
    pub fn exact(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            Err(_) => String::from("unknown"),
        }
    }

    /// How a person says it at `now`: `just now`, `5 min ago`, `in 2 h`, `3 d ago`.
    #[must_use]
    pub fn relative(self, now: Self) -> String {
        let (span, ahead) = if self > now { (self.since(now), true) } else { (now.since(self), false) };
        let seconds = span.as_secs();
        let amount = match seconds {
            0..10 => return String::from("just now"),
            10..60 => format!("{seconds} s"),
            60..3_600 => format!("{} min", seconds / 60),
            3_600..86_400 => format!("{} h", seconds / 3_600),
            86_400..5_184_000 => format!("{} d", seconds / 86_400),
            _ => format!("{} mo", seconds / 2_592_000),
        };
        if ahead { format!("in {amount}") } else { format!("{amount} ago") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_spans_in_one_unit() {
        let now = Millis(1_800_000_000_000);
        let ago = |seconds: i64| Millis(now.0 - seconds * 1000).relative(now);
        assert_eq!(ago(3), "just now");
        assert_eq!(ago(59), "59 s ago");
        assert_eq!(ago(61), "1 min ago");
        assert_eq!(ago(7_300), "2 h ago");
        assert_eq!(ago(-7_300), "in 2 h");
        assert_eq!(ago(86_400 * 70), "2 mo ago");
    }

    #[test]
    fn stamps_are_utc() {
        assert_eq!(Millis(0).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Millis(1_795_161_600_000).exact(), "2026-11-20 08:00:00 UTC");
    }

    #[test]
    fn a_clock_that_moved_back_is_no_age() {
        assert_eq!(Millis(5).since(Millis(9)), Duration::ZERO);
    }
}
