use super::*;
use crate::time::Millis;

const NOW: Millis = Millis(1_795_166_400_000);

fn fields(errors: Vec<FieldError>) -> Vec<String> {
    errors.into_iter().map(|error| error.field).collect()
}

#[test]
fn addresses_read_back_as_they_are_shown() {
    for (text, shown) in [
        ("https://shop.example.com", "https://shop.example.com:443/"),
        ("http://10.0.0.7:8080/healthz?full=1", "http://10.0.0.7:8080/healthz?full=1"),
        ("tcp://[2001:db8::1]:5432", "tcp://[2001:db8::1]:5432"),
        ("http://[2001:db8::1]/", "http://[2001:db8::1]:80/"),
        ("https://Shop.Example.com:8443/A", "https://shop.example.com:8443/A"),
    ] {
        let address: Address = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(address.to_string(), shown);
        assert_eq!(address.to_string().parse::<Address>(), Ok(address));
    }
    for text in [
        "",
        "shop.example.com",
        "ftp://a/",
        "tcp://db",
        "tcp://db:5432/x",
        "https://a b/",
        "https://user:pw@a/",
        "http://a:0/",
        "http://a:99999/",
        "http://a/#x",
    ] {
        assert!(text.parse::<Address>().is_err(), "{text}");
    }
}

#[test]
fn an_incident_begins_now_and_planned_work_when_it_says() {
    let form = IncidentForm { title: "Slow answers".into(), text: "We look.".into(), ..IncidentForm::default() };
    let order = form.read(NOW).expect("an incident");
    assert_eq!((order.kind, order.state, order.impact, order.starts_at), (IncidentKind::Incident, IncidentState::Investigating, Impact::Minor, NOW));
    let form = IncidentForm { starts_at: "2027-01-02T02:00".into(), ends_at: "2027-01-02T05:00:00+01:00".into(), ..form };
    let order = form.read(NOW).expect("planned work");
    assert_eq!((order.kind, order.state, order.impact), (IncidentKind::Maintenance, IncidentState::Scheduled, Impact::None));
    assert_eq!(order.ends_at.map(|ends| ends.since(order.starts_at).as_secs()), Some(7_200));
}

#[test]
fn every_mistake_is_told_by_its_field() {
    let form = IncidentForm { state: "gone".into(), impact: "huge".into(), components: vec!["web, Not a name".into()], ..IncidentForm::default() };
    assert_eq!(fields(form.read(NOW).expect_err("wrong")), ["title", "text", "impact", "components", "state"]);
    let back = IncidentForm {
        title: "Work".into(),
        text: "We move.".into(),
        starts_at: "2027-01-02T02:00".into(),
        ends_at: "2027-01-02T01:00".into(),
        ..IncidentForm::default()
    };
    assert_eq!(fields(back.read(NOW).expect_err("wrong")), ["ends_at"]);
    let page = PageForm { logo: "data:image/svg+xml;base64,AAAA".into(), title: "a\nb".into(), environment: "A B".into(), ..PageForm::default() };
    assert_eq!(fields(page.read().expect_err("wrong")), ["title", "environment", "logo"]);
    let legacy = LegacyForm { name: "No".into(), address: "there".into(), ..LegacyForm::default() };
    assert_eq!(fields(legacy.read().expect_err("wrong")), ["name", "address"]);
}

#[test]
fn planned_work_is_ended_by_one_word_alone() {
    let form = |state: &str| UpdateForm { text: "Done.".into(), state: state.into(), ..UpdateForm::default() };
    let ended = form("completed").read(IncidentKind::Maintenance).expect("right");
    assert_eq!(ended.state, Some(IncidentState::Completed));
    assert!(form("resolved").read(IncidentKind::Maintenance).is_err());
    assert!(form("completed").read(IncidentKind::Incident).is_err());
    assert_eq!(form("").read(IncidentKind::Incident).expect("right").state, None);
}
