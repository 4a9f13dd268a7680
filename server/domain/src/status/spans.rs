//! For how long probes found what: added up by days and by quarters of an hour.

use std::collections::{BTreeMap, HashMap};

use model::status::ComponentState;
use model::time::Millis;
use model::views::status::DayView;

use super::judge::Finding;
use crate::args;
use crate::db::{BATCH, Row, Tx, Value, placeholder_rows, placeholders};
use crate::error::Result;

/// A day, in milliseconds.
pub(super) const DAY: i64 = 86_400_000;
/// A quarter of an hour.
pub(super) const QUARTER: i64 = 900_000;
/// Days that are shown.
pub(super) const DAYS: i64 = 90;
/// Quarters of an hour that are shown.
pub(super) const QUARTERS: i64 = 96;
/// So long a service must not answer on a day for the day to be called one of an outage, in milliseconds; and in part, for one of trouble.
const OUTAGE: i64 = 300_000;
/// Rows that are written by one statement.
const ROWS: usize = 50;

/// What was found in a stretch of time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub good: i64,
    pub partly: i64,
    pub bad: i64,
    pub planned: i64,
    pub answers: i64,
    pub millis: i64,
}

impl Count {
    /// So much time in which this was found; whether work was planned then.
    pub fn of(finding: Finding, held: i64, planned: bool) -> Self {
        let none = Self::default();
        match finding {
            _ if planned => Self { planned: held, ..none },
            Finding::Good => Self { good: held, ..none },
            Finding::Unseen => none,
            Finding::Partly => Self { partly: held, ..none },
            Finding::Bad => Self { bad: held, ..none },
        }
    }

    pub fn add(&mut self, more: Self) {
        self.good += more.good;
        self.partly += more.partly;
        self.bad += more.bad;
        self.planned += more.planned;
        self.answers += more.answers;
        self.millis += more.millis;
    }

    /// Per cent of the time that was looked at in which it worked, at least in part.
    pub fn uptime(&self) -> Option<f64> {
        let looked = self.good + self.partly + self.bad;
        // Rounded down: 100 means that nothing was found.
        (looked > 0).then(|| ((self.good + self.partly) * 100_000 / looked) as f64 / 1_000.0)
    }

    /// How it was in one word.
    fn state(&self) -> Option<ComponentState> {
        match self {
            Self { good: 0, partly: 0, bad: 0, planned: 0, .. } => None,
            Self { bad: OUTAGE.., .. } => Some(ComponentState::Down),
            Self { bad, partly, .. } if *bad > 0 || *partly >= OUTAGE => Some(ComponentState::Degraded),
            Self { planned: 1.., .. } => Some(ComponentState::Maintenance),
            Self { .. } => Some(ComponentState::Operational),
        }
    }

    /// How long an answer took, on the average.
    pub fn response(&self) -> Option<i64> {
        (self.answers > 0).then(|| self.millis / self.answers)
    }
}

/// One more count of a thing.
#[derive(Clone, Debug)]
pub(super) struct Added {
    pub thing: String,
    pub at: Millis,
    pub count: Count,
}

/// What is known of one thing.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    days: BTreeMap<i64, Count>,
    quarters: BTreeMap<i64, Count>,
}

fn begin(at: i64, width: i64) -> i64 {
    at.div_euclid(width) * width
}

impl History {
    pub fn add(&mut self, at: Millis, count: Count) {
        for (kept, width, shown) in [(&mut self.days, DAY, DAYS), (&mut self.quarters, QUARTER, QUARTERS)] {
            let now = begin(at.0, width);
            kept.entry(now).or_default().add(count);
            *kept = kept.split_off(&(now - shown * width));
        }
    }

    /// The last days at `now`, the oldest first.
    pub fn days(&self, now: Millis) -> Vec<DayView> {
        let last = begin(now.0, DAY);
        let view = |ago: i64| {
            let begins = last - ago * DAY;
            let count = self.days.get(&begins).copied().unwrap_or_default();
            let mut date = Millis(begins).rfc3339();
            date.truncate(10);
            DayView { date, state: count.state(), uptime: count.uptime(), down_seconds: count.bad / 1000 }
        };
        (0..DAYS).rev().map(view).collect()
    }

    /// How long answers took in the last day, the oldest quarter of an hour first.
    pub fn responses(&self, now: Millis) -> Vec<Option<i64>> {
        let last = begin(now.0, QUARTER);
        (0..QUARTERS).rev().map(|ago| self.quarters.get(&(last - ago * QUARTER)).and_then(Count::response)).collect()
    }

    /// Of all that is shown.
    pub fn uptime(&self, now: Millis) -> Option<f64> {
        let mut whole = Count::default();
        self.days.range(begin(now.0, DAY) - (DAYS - 1) * DAY..).for_each(|(_, count)| whole.add(*count));
        whole.uptime()
    }
}

/// Writes counts beside those that are there.
pub(super) async fn write(tx: &mut Tx, added: &[Added]) -> Result<()> {
    let mut rows: Vec<(&str, i64, i64, Count)> = Vec::new();
    for one in added.iter().filter(|one| one.count != Count::default()) {
        for width in [DAY, QUARTER] {
            rows.push((one.thing.as_str(), width, begin(one.at.0, width), one.count));
        }
    }
    for rows in rows.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO status_spans (thing, width, begins_at, good, partly, bad, planned, answers, millis) VALUES {}
             ON CONFLICT (thing, width, begins_at) DO UPDATE SET good = status_spans.good + excluded.good,
             partly = status_spans.partly + excluded.partly, bad = status_spans.bad + excluded.bad,
             planned = status_spans.planned + excluded.planned, answers = status_spans.answers + excluded.answers,
             millis = status_spans.millis + excluded.millis",
            placeholder_rows(rows.len(), 9)
        );
        let mut values: Vec<Value> = Vec::with_capacity(rows.len() * 9);
        for (thing, width, at, count) in rows {
            values.extend(args![*thing, *width, *at, count.good, count.partly, count.bad, count.planned, count.answers, count.millis]);
        }
        tx.exec(sql, values).await?;
    }
    Ok(())
}

/// What is kept of these things.
pub(super) async fn read(tx: &mut Tx, things: &[String], now: Millis) -> Result<HashMap<String, History>> {
    let mut found: HashMap<String, History> = things.iter().map(|thing| (thing.clone(), History::default())).collect();
    for things in things.chunks(BATCH / 10) {
        let sql = format!(
            "SELECT thing, width, begins_at, good, partly, bad, planned, answers, millis FROM status_spans
             WHERE ((width = $1 AND begins_at >= $2) OR (width = $3 AND begins_at >= $4)) AND thing IN ({})",
            placeholders(5, things.len())
        );
        let (days, quarters) = (begin(now.0, DAY) - DAYS * DAY, begin(now.0, QUARTER) - QUARTERS * QUARTER);
        let mut values = args![DAY, days, QUARTER, quarters];
        values.extend(things.iter().map(Value::from));
        for (thing, width, at, count) in tx.all(sql, values, kept).await? {
            let Some(history) = found.get_mut(&thing) else { continue };
            let kept = if width == DAY { &mut history.days } else { &mut history.quarters };
            kept.insert(at, count);
        }
    }
    Ok(found)
}

fn kept(row: &Row<'_>) -> Result<(String, i64, i64, Count)> {
    let count = Count {
        good: row.get("good")?,
        partly: row.get("partly")?,
        bad: row.get("bad")?,
        planned: row.get("planned")?,
        answers: row.get("answers")?,
        millis: row.get("millis")?,
    };
    Ok((row.get("thing")?, row.get("width")?, row.get("begins_at")?, count))
}

/// Takes away what is shown no more.
pub(super) async fn forget(tx: &mut Tx, now: Millis) -> Result<u64> {
    let mut gone = 0;
    for (width, shown) in [(DAY, DAYS), (QUARTER, QUARTERS)] {
        let sql = "DELETE FROM status_spans WHERE width = $1 AND begins_at < $2";
        gone += tx.exec(sql, args![width, begin(now.0, width) - shown * width]).await?;
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_166_400_000);

    #[test]
    fn a_day_is_called_by_its_worst_and_planned_work_costs_no_uptime() {
        let mut history = History::default();
        history.add(NOW, Count::of(Finding::Good, 3_540_000, false));
        history.add(NOW, Count::of(Finding::Bad, 60_000, false));
        history.add(Millis(NOW.0 - DAY), Count::of(Finding::Bad, 600_000, true));
        history.add(Millis(NOW.0 - 2 * DAY), Count::of(Finding::Bad, 400_000, false));
        let days = history.days(NOW);
        assert_eq!(days.len(), 90);
        let last: Vec<_> = days.iter().rev().take(4).map(|day| (day.state, day.uptime, day.down_seconds)).collect();
        assert_eq!(
            last,
            [
                (Some(ComponentState::Degraded), Some(98.333), 60),
                (Some(ComponentState::Maintenance), None, 0),
                (Some(ComponentState::Down), Some(0.0), 400),
                (None, None, 0)
            ]
        );
        assert_eq!(days[89].date, "2026-11-20");
        assert_eq!(history.uptime(NOW), Some(88.5));
    }

    #[test]
    fn what_is_shown_no_more_is_forgotten() {
        let mut history = History::default();
        history.add(Millis(NOW.0 - 200 * DAY), Count::of(Finding::Bad, 1000, false));
        history.add(NOW, Count { answers: 2, millis: 30, ..Count::of(Finding::Good, 1000, false) });
        assert_eq!(history.uptime(NOW), Some(100.0));
        let responses = history.responses(NOW);
        assert_eq!((responses.len(), responses[95], responses[94]), (96, Some(15), None));
        assert_eq!((history.days.len(), history.quarters.len()), (1, 1));
    }
}
