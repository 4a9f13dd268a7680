//! What is asked of metrics, and what of it is refused.

use super::*;

const NOW: Millis = Millis(1_795_161_600_000);

fn query(pairs: &[(&str, &str)]) -> MetricsQuery {
    let mut query = MetricsQuery::default();
    for (name, value) in pairs {
        assert_eq!(query.take(name, value), Ok(true), "{name}");
    }
    query
}

#[test]
fn a_query_reads_as_it_is_written() {
    let asked = query(&[
        ("environment", "local"),
        ("range", "7d"),
        ("from", " 2h "),
        ("to", "1h"),
        ("compare", "previous"),
        ("group", "memory"),
        ("points", "100"),
    ]);
    assert_eq!(asked.from, "2h");
    let pairs = asked.pairs();
    let again: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(query(&again), asked);
    assert!(MetricsQuery::default().pairs().is_empty());
    assert_eq!(MetricsQuery::default().take("tail", "5"), Ok(false), "what is none of its names is left to others");
}

#[test]
fn a_long_time_is_read_again_seldom() {
    let every = |range| MetricsQuery { range, ..MetricsQuery::default() }.refresh_ms();
    assert_eq!([None, Some(Range::QuarterHour), Some(Range::Hour)].map(every), [10_000; 3], "at each sample");
    assert_eq!(every(Some(Range::Day)), 144_000);
    assert_eq!(every(Some(Range::Month)), 72 * MINUTE);
}

#[test]
fn the_last_hour_is_shown_unless_something_else_is_asked_for() {
    let window = |pairs: &[(&str, &str)]| query(pairs).window(NOW).expect("a window");
    assert_eq!(window(&[]), Window { from: Millis(NOW.0 - HOUR), to: NOW });
    assert_eq!(window(&[("range", "90d")]).length(), 90 * DAY);
    assert_eq!(window(&[("from", "2h"), ("to", "1h")]), Window { from: Millis(NOW.0 - 2 * HOUR), to: Millis(NOW.0 - HOUR) });
    assert_eq!(window(&[("from", "2h")]).to, NOW);
    assert_eq!(window(&[("from", "2h"), ("to", "2030-01-01T00:00:00Z")]).to, NOW, "nothing is known of what lies ahead");
    let window = window(&[]);
    assert_eq!(window.before(), Window { from: Millis(window.from.0 - HOUR), to: window.from });
}

#[test]
fn what_is_wrong_is_named() {
    let mut asked = MetricsQuery::default();
    for (name, value) in [("range", "3h"), ("compare", "next"), ("group", "colour"), ("points", "many"), ("environment", "No Name")] {
        assert_eq!(asked.take(name, value).expect_err(name).field, name);
    }
    assert!(asked.take("range", "3h").expect_err("wrong").message.contains("15m, 1h, 6h"), "it says what would be right");
    let wrong = |pairs: &[(&str, &str)]| query(pairs).check(NOW).expect_err("wrong").field;
    assert_eq!(wrong(&[("from", "yesterday")]), "from");
    assert_eq!(wrong(&[("from", "2h"), ("to", "soon")]), "to");
    assert_eq!(wrong(&[("to", "1h")]), "from");
    assert_eq!(wrong(&[("from", "1h"), ("to", "2h")]), "from");
    assert_eq!(wrong(&[("from", "30s")]), "from");
    assert_eq!(wrong(&[("from", "2099-01-01T00:00:00Z")]), "from");
    assert_eq!(wrong(&[("from", "900d")]), "from");
    assert_eq!(wrong(&[("from", "99999999999999d")]), "from");
    assert_eq!(wrong(&[("from", "2h"), ("range", "1h")]), "range");
    assert_eq!(wrong(&[("points", "1")]), "points");
    assert_eq!(wrong(&[("points", "2001")]), "points");
}

#[test]
fn the_overview_is_asked_for_in_parts() {
    let mut asked = OverviewQuery::default();
    assert_eq!((asked.order(), asked.most()), (Order::Name, Ok(500)));
    for (name, value) in [("sort", "memory"), ("search", " Shop/w "), ("after", "500"), ("limit", "20")] {
        assert_eq!(asked.take(name, value), Ok(true));
    }
    assert_eq!((asked.order(), asked.after, asked.most()), (Order::Memory, Some(500), Ok(20)));
    assert_eq!(asked.search, "shop/w", "names are lower case");
    assert_eq!(asked.take("sort", "size").expect_err("no order").field, "sort");
    assert_eq!(OverviewQuery { limit: Some(501), ..OverviewQuery::default() }.most().expect_err("too many").field, "limit");
}
