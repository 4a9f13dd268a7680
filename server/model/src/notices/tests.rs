//! What routes and mail servers may be, and what is refused.

use super::*;

fn form(kind: &str, address: &str) -> RouteForm {
    RouteForm { name: "ops".into(), kind: kind.into(), address: address.into(), events: vec!["alert.firing".into()], ..RouteForm::default() }
}

fn wrong(form: &RouteForm) -> Vec<String> {
    form.read(true).expect_err("wrong").into_iter().map(|error| error.field).collect()
}

#[test]
fn a_route_is_read_or_its_mistakes_are_named() {
    let order = form("webhook", " https://hooks.example.com/a?b=c ").read(true).expect("a route");
    assert_eq!(order.address.as_deref(), Some("https://hooks.example.com/a?b=c"));
    assert_eq!(order.events, [Event::AlertFiring]);
    form("email", "ops@example.com, dev+x@example.com").read(true).expect("two mailboxes");
    for bad in [
        "",
        "ftp://x",
        "https://",
        "https://user:pw@example.com/",
        "https://example.com/a b",
        "https://example.com/\r\nX: y",
        "https://ex\u{e4}mple.com",
    ] {
        assert_eq!(wrong(&form("webhook", bad)), ["address"], "{bad:?}");
    }
    for bad in ["", "ops", "ops@example.com\r\nBcc: all@example.com", "Ops <ops@example.com>", "a@b@c d", "a..b@example.com", "ops@example.com,"] {
        assert_eq!(wrong(&form("email", bad)), ["address"], "{bad:?}");
    }
    assert_eq!(wrong(&RouteForm { events: vec!["test".into()], ..form("slack", "https://h.example") }), ["events"]);
    assert_eq!(wrong(&RouteForm { name: "a\nb".into(), ..form("carrier pigeon", "") }), ["name", "kind"]);
    assert!(form("slack", "").read(false).expect("as it was").address.is_none());
}

#[test]
fn a_secret_has_the_length_of_one() {
    let of = |bytes: usize| format!("{SECRET_PREFIX}{}", "AAAA".repeat(bytes / 3));
    assert!(check_secret(&of(24)).is_ok() && check_secret(&of(63)).is_ok());
    for bad in [of(21), of(66), "secret".into(), format!("{SECRET_PREFIX}!!!!"), format!("{}A", of(24))] {
        assert!(check_secret(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_line_stays_a_line() {
    assert_eq!(one_line("a\r\nBcc: x\u{202e}y", 80), "a  Bcc: x y");
    assert_eq!(one_line("abcdef", 3), "abc\u{2026}");
}

#[test]
fn a_new_route_of_the_site_tells_of_projects_deployments_only_that_they_wait_unless_it_is_asked_for_more() {
    let usual = |of_site: bool| Event::CHOSEN.into_iter().filter(|event| event.is_usual(of_site)).map(Event::as_str).collect::<Vec<_>>();
    assert_eq!(usual(true), ["alert.firing", "alert.resolved", "deployment.pending"]);
    assert_eq!(usual(false), ["alert.firing", "alert.resolved", "deployment.pending", "deployment.failed", "deployment.rolled_back"]);
    let form = RouteForm { events: Event::CHOSEN.map(|event| event.to_string()).into(), ..form("slack", "https://h.example") };
    assert_eq!(form.read(true).expect("a route").events, Event::CHOSEN, "each can be chosen");
    assert!(Event::ALL.iter().all(|event| *event == Event::Test || Event::CHOSEN.contains(event)), "none is forgotten");
}
