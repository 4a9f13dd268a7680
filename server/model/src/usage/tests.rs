use super::*;

fn month(text: &str) -> Month {
    text.parse().expect("a month")
}

#[test]
fn a_month_has_its_days_also_in_leap_years() {
    for (text, first, days) in
        [("1970-01", 0, 31), ("2024-02", 19_754, 29), ("2026-02", 20_485, 28), ("2026-11", 20_758, 30), ("2100-02", 47_513, 28)]
    {
        let found = month(text).days();
        assert_eq!((found.start, found.end - found.start), (first, days), "{text}");
    }
    assert_eq!(month("2026-12").after(), Some(month("2027-01")));
    assert_eq!(month("2027-01").before(), Some(month("2026-12")));
    assert_eq!((month("1970-01").before(), month("2199-12").after()), (None, None));
}

#[test]
fn days_go_on_from_month_to_month_and_a_time_is_in_its_own() {
    let mut at = month("1970-01");
    while let Some(next) = at.after() {
        assert_eq!(at.days().end, next.days().start, "{at}");
        assert_eq!(Month::of(Millis(next.days().start * 86_400_000)), next);
        assert_eq!(Month::of(Millis(next.days().start * 86_400_000 - 1)), at);
        at = next;
    }
}

#[test]
fn months_and_amounts_are_said_as_people_read_them() {
    assert_eq!([month("2026-01").title(), month("2026-12").title()], ["January 2026", "December 2026"]);
    let shown = |amount: i64| Amounts::of(Measure::CpuUsed, amount).shown(Measure::CpuUsed);
    assert_eq!([shown(0), shown(1), shown(3_600), shown(5_400_000)], ["0", "<0.001", "0.001", "1.500"]);
}

#[test]
fn what_is_no_month_is_refused() {
    for text in ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "2026-11-01", "+026-11", "1969-12", "2200-01"] {
        assert_eq!(text.parse::<Month>(), Err(InvalidMonth), "{text}");
    }
}

#[test]
fn a_price_reads_back_and_is_exact() {
    for text in ["0", "0.05", "12.5", "0.000001", "1000000000"] {
        assert_eq!(text.parse::<Money>().expect("a price").to_string(), text);
    }
    for text in ["", ".5", "5.", "-1", "1e3", "0.0000001", "1000000000.1", "1,5", "٣"] {
        assert_eq!(text.parse::<Money>(), Err(InvalidPrice), "{text}");
    }
    let money = |text: &str| text.parse::<Money>().expect("a price").rounded();
    assert_eq!((money("1.005"), money("1.004999"), money("0.995")), ("1.01".into(), "1.00".into(), "1.00".into()));
}

#[test]
fn what_costs_nothing_is_not_said_to_cost_zero() {
    let used = Amounts::of(Measure::CpuUsed, 90 * 60 * 1000);
    assert_eq!(Prices::default().cost(&used), None);
    let per = BTreeMap::from([(Measure::CpuUsed, "0.05".parse().expect("a price")), (Measure::Sent, "1".parse().expect("a price"))]);
    let prices = Prices { currency: "EUR".into(), per };
    assert_eq!(prices.cost(&used).map(|money| money.to_string()), Some("0.075".into()), "an hour and a half of a core");
    assert_eq!(prices.cost(&Amounts::default()), Some(Money::default()));
}

#[test]
fn amounts_and_prices_travel_as_json() {
    let mut amounts = Amounts::of(Measure::CpuUsed, 3_600_001);
    amounts += Amounts::of(Measure::Received, (7 << 40) + 1);
    let text = serde_json::to_string(&amounts).expect("JSON");
    assert_eq!(serde_json::from_str::<Amounts>(&text).expect("read"), amounts, "{text}");
    let prices: Prices = serde_json::from_str(r#"{"currency":"EUR","per":{"cpu_hours":0.05,"sent_gib":"0.1"}}"#).expect("prices");
    assert_eq!(serde_json::to_string(&prices).expect("JSON"), r#"{"currency":"EUR","per":{"cpu_hours":"0.05","sent_gib":"0.1"}}"#);
}
