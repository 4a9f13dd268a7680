//! When a job runs: five fields of cron, in a time zone. Pure.

use cronexpr::{Crontab, ParseOptions, parse_crontab_with};
use jiff::Timestamp;
use model::time::Millis;

fn parse(schedule: &str, zone: Option<&str>) -> Result<Crontab, String> {
    let fields = schedule.split_ascii_whitespace().count();
    if fields != 5 {
        return Err(format!("a schedule has five fields (minute, hour, day, month, day of the week), not {fields}: \"0 3 * * *\" is every day at 3"));
    }
    let zone = zone.and_then(crate::zones::find).map_or("UTC", |(name, _)| name);
    parse_crontab_with(&format!("{} {zone}", schedule.trim()), ParseOptions::default())
        .map_err(|_| format!("{schedule:?} is not a schedule: minute, hour, day, month and day of the week, like \"0 3 * * *\" for every day at 3"))
}

/// Checks a schedule.
///
/// # Errors
/// What would be right. One that never comes (30 February) is none.
pub fn check(schedule: &str, zone: Option<&str>) -> Result<(), String> {
    let parsed = parse(schedule, zone)?;
    parsed.find_next(Timestamp::UNIX_EPOCH).map(drop).map_err(|_| format!("{schedule:?} never comes"))
}

/// The first moment of a schedule after another one.
#[must_use]
pub fn next(schedule: &str, zone: Option<&str>, after: Millis) -> Option<Millis> {
    let after = Timestamp::from_millisecond(after.0).ok()?;
    let next = parse(schedule, zone).ok()?.find_next(after).ok()?;
    Some(Millis(next.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        Millis(text.parse::<Timestamp>().expect("a time").as_millisecond())
    }

    #[test]
    fn a_schedule_is_read_in_its_time_zone() {
        assert_eq!(next("0 3 * * *", None, at("2026-11-21T02:59:59Z")), Some(at("2026-11-21T03:00:00Z")));
        assert_eq!(next("0 3 * * *", None, at("2026-11-21T03:00:00Z")), Some(at("2026-11-22T03:00:00Z")));
        assert_eq!(next("0 3 * * *", Some("Asia/Shanghai"), at("2026-11-21T00:00:00Z")), Some(at("2026-11-21T19:00:00Z")));
        assert_eq!(next("*/15 9-17 * * MON-FRI", Some("Europe/Berlin"), at("2026-11-21T12:00:00Z")), Some(at("2026-11-23T08:00:00Z")));
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        for (text, words) in [
            ("0 3 * *", "five fields"),
            ("", "five fields"),
            ("0 3 * * * UTC", "five fields"),
            ("61 3 * * *", "not a schedule"),
            ("x 3 * * *", "not a schedule"),
            ("0 0 30 2 *", "never comes"),
        ] {
            let told = check(text, None).expect_err("no schedule");
            assert!(told.contains(words), "{told}");
        }
        assert!(check("0 3 * * *", Some("Asia/Shanghai")).is_ok());
    }
}
