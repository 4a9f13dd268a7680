use model::status::{ComponentState, Impact, IncidentState};
use model::time::Millis;
use model::views::status::{ComponentView, DayView, GroupView, PublicIncident, PublicUpdate, StatusView};
use serde_json::json;

use super::draw::{bars, line, percent};
use super::feeds::{Tells, atom, badge_svg, shields, summary};
use super::page::Page;
use super::words::Language;

const NOW: Millis = Millis(1_795_166_400_000);

fn component(name: &str, state: ComponentState) -> ComponentView {
    let day = |at: i64| {
        let trouble = at == 3;
        let state = if trouble { ComponentState::Down } else { ComponentState::Operational };
        DayView {
            date: format!("2026-11-{:02}", 1 + at),
            state: (at > 0).then_some(state),
            uptime: (at > 0).then_some(if trouble { 98.0 } else { 100.0 }),
            down_seconds: if trouble { 1728 } else { 0 },
        }
    };
    ComponentView {
        name: name.into(),
        title: format!("<{name}>"),
        state,
        since: Some(NOW),
        uptime: Some(99.78),
        response_ms: Some(12),
        days: (0..10).map(day).collect(),
        responses: vec![None, Some(10), Some(30), None, Some(20)],
    }
}

fn incident(state: IncidentState, title: &str) -> PublicIncident {
    PublicIncident {
        id: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id"),
        project: Some("shop".into()),
        title: title.into(),
        impact: Impact::Major,
        state,
        components: vec!["shop/web".into()],
        starts_at: NOW,
        ends_at: matches!(state, IncidentState::Resolved | IncidentState::Scheduled).then_some(Millis(NOW.0 + 60_000)),
        created_at: Millis(NOW.0 - 60_000),
        updated_at: NOW,
        updates: vec![PublicUpdate {
            id: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a12".parse().expect("an id"),
            state,
            text: "One & two\nlines <b>".into(),
            at: NOW,
        }],
    }
}

fn view(components: Vec<ComponentView>) -> StatusView {
    StatusView {
        project: None,
        title: String::new(),
        about: "Our \"shop\"".into(),
        logo: false,
        state: ComponentState::Degraded,
        checked_at: Some(NOW),
        stale: false,
        groups: if components.is_empty() { Vec::new() } else { vec![GroupView { project: "shop".into(), title: "Shop".into(), components }] },
        incidents: vec![incident(IncidentState::Investigating, "Slow <script>"), incident(IncidentState::Resolved, "It was slow")],
        maintenances: vec![incident(IncidentState::Scheduled, "New disks")],
    }
}

#[test]
fn the_page_says_all_in_words_and_lets_no_markup_through() {
    let html = Page { view: &view(vec![component("web", ComponentState::Down)]), language: Language::English }.html();
    for said in [
        "<html lang=\"en\">",
        "Some services have trouble",
        "&lt;web&gt;",
        "Does not work",
        "since <time datetime=\"2026-11-20T09:20:00.000Z\">2026-11-20 09:20 UTC</time>",
        "99.78 % up",
        "2026-11-04: Does not work, 98 % up, not answering for 28 min",
        "Slow &lt;script&gt;",
        "<p>One &amp; two</p><p>lines &lt;b&gt;</p>",
        "New disks",
        "It was slow",
        "fastest 10 ms, slowest 30 ms",
        "Our &quot;shop&quot;",
        "href=\"/status/shop\"",
    ] {
        assert!(html.contains(said), "{said} is missing: {html}");
    }
    assert!(!html.contains("Slow <script>") && !html.contains("<web>"));
    assert!(html.find("Slow &lt;").expect("open") < html.find("&lt;web&gt;").expect("a service"), "what is wrong comes first");
}

#[test]
fn the_page_speaks_chinese_and_is_whole_when_it_is_empty() {
    let html = Page { view: &view(Vec::new()), language: Language::Chinese }.html();
    assert!(html.contains("<html lang=\"zh-Hans\">") && html.contains("服务状态") && html.contains("这里还没有公开的服务"), "{html}");
    assert!(html.contains("hreflang=\"en\"") && html.ends_with("</html>"));
    assert!(!html.contains("Planned maintenance"));
}

#[test]
fn the_page_says_since_when_nothing_is_known() {
    let mut view = StatusView { state: ComponentState::Unknown, stale: true, ..view(vec![component("web", ComponentState::Unknown)]) };
    let since = "<time datetime=\"2026-11-20T09:20:00.000Z\">2026-11-20 09:20 UTC</time>";
    let html = Page { view: &view, language: Language::English }.html();
    assert!(html.contains("<title>Status: How the services do is not known at the moment</title>"), "{html}");
    assert!(html.contains(&format!("No service could be checked since {since}.")), "{html}");
    assert!(!html.contains("Last checked") && !html.contains("class=\"unseen\""), "it is said once: {html}");
    let html = Page { view: &view, language: Language::Chinese }.html();
    assert!(html.contains("目前不知道服务的状态") && html.contains(&format!("自 {since}起无法检测任何服务")), "{html}");
    let json = summary(&view, "https://ops.example.com");
    assert_eq!((&json["status"]["description"], &json["status"]["indicator"]), (&"Not Known Since 2026-11-20T09:20:00.000Z".into(), &"minor".into()));
    // What people said goes on being said.
    view.state = ComponentState::Down;
    let html = Page { view: &view, language: Language::English }.html();
    assert!(html.contains("The services do not work") && html.contains("<p class=\"unseen\">No service could be checked since"), "{html}");
}

#[test]
fn what_cannot_be_seen_is_said_once() {
    let page = |state: ComponentState, components: Vec<ComponentView>| {
        let view = StatusView { state, ..view(components) };
        Page { view: &view, language: Language::English }.html()
    };
    let html = page(ComponentState::Unknown, vec![component("web", ComponentState::Unknown)]);
    assert!(html.contains("<p class=\"whole is-unknown\">Some services cannot be seen at the moment</p>"), "{html}");
    assert!(!html.contains("cannot be seen from here") && html.contains("Last checked"), "{html}");
    // Something else is wrong as well: then it stands beside it.
    let html = page(ComponentState::Degraded, vec![component("web", ComponentState::Unknown), component("api", ComponentState::Degraded)]);
    assert!(html.contains("Some services have trouble") && html.contains("<p class=\"unseen\">Some services cannot be seen from here"), "{html}");
}

#[test]
fn pictures_say_what_they_show() {
    let component = component("web", ComponentState::Operational);
    let svg = bars(&component, Language::English);
    assert!(svg.contains("aria-label=\"&lt;web&gt;, the last 90 days: 99.78 % up. Days with trouble: 1\""), "{svg}");
    assert_eq!(svg.matches("<title>").count(), 1, "only days with trouble are told one by one");
    let svg = line(&component, Language::English);
    assert_eq!((svg.matches('M').count(), svg.matches('L').count()), (2, 1), "a gap is a gap: {svg}");
    assert_eq!((percent(100.0), percent(99.5), percent(0.0)), ("100 %".into(), "99.5 %".into(), "0 %".into()));
}

#[test]
fn programs_read_what_they_know() {
    let view = view(vec![component("web", ComponentState::Down)]);
    let json = summary(&view, "https://ops.example.com");
    assert_eq!(json["status"]["indicator"], "major");
    let (group, service) = (&json["components"][0], &json["components"][1]);
    assert_eq!((&group["id"], &group["group"], &group["status"]), (&"shop".into(), &true.into(), &"major_outage".into()));
    assert_eq!((&group["components"], &group["group_id"]), (&json!(["shop/web"]), &json!(null)));
    assert_eq!((&service["id"], &service["group_id"], &service["status"]), (&"shop/web".into(), &"shop".into(), &"major_outage".into()));
    assert_eq!((&service["created_at"], &service["updated_at"]), (&"2026-11-02T00:00:00.000Z".into(), &"2026-11-20T09:20:00.000Z".into()));
    assert_eq!(json["incidents"][0]["components"], json!([service]), "the whole of it, by the same id");
    assert_eq!(json["incidents"][0]["created_at"], "2026-11-20T09:19:00.000Z");
    let told = &json["incidents"][0]["incident_updates"][0];
    assert_eq!((&told["id"], &told["display_at"]), (&"0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a12".into(), &"2026-11-20T09:20:00.000Z".into()));
    assert_eq!((json["incidents"].as_array().map(Vec::len), &json["incidents"][0]["status"]), (Some(1), &"investigating".into()));
    assert_eq!(json["scheduled_maintenances"][0]["scheduled_until"], "2026-11-20T09:21:00.000Z");
    let mut planned = incident(IncidentState::Scheduled, "New disks");
    planned.impact = Impact::None;
    let mut fresh = StatusView { project: Some("shop".into()), checked_at: None, incidents: Vec::new(), maintenances: vec![planned], ..view.clone() };
    fresh.maintenances[0].components = vec!["web".into()];
    fresh.groups[0].components[0].since = None;
    let json = summary(&fresh, "https://ops.example.com");
    assert_eq!(json["scheduled_maintenances"][0]["impact"], "maintenance");
    assert_eq!(json["components"].as_array().map(Vec::len), Some(1), "the page of a project is no group of itself");
    assert_eq!((&json["components"][0]["group_id"], &json["components"][0]["page_id"]), (&json!(null), &"shop".into()));
    assert_eq!(json["scheduled_maintenances"][0]["components"][0]["id"], "shop/web");
    assert!(json["components"][0]["updated_at"].is_string(), "never null: {json}");
    let xml = atom(&view, "https://ops.example.com");
    assert_eq!(xml.matches("<entry>").count(), 3);
    assert!(xml.contains("<link rel=\"self\" href=\"https://ops.example.com/status/feed.atom\"/>"), "{xml}");
    assert!(xml.contains("One &amp;amp; two&lt;br/&gt;lines &amp;lt;b&amp;gt;"), "markup within markup: {xml}");
}

#[test]
fn badges_are_for_pages_and_for_shields() {
    let component = component("web", ComponentState::Degraded);
    let badge = shields(&component, Tells::Uptime);
    assert_eq!((&badge["schemaVersion"], &badge["message"], &badge["label"]), (&1.into(), &"99.78 %".into(), &"<web> 90 d".into()));
    let svg = badge_svg(&component, Tells::Status);
    assert!(svg.contains("<title>&lt;web&gt;: degraded</title>"), "{svg}");
    assert!(badge_svg(&component, Tells::Response).contains("12 ms"));
}

#[test]
fn what_works_in_part_says_so_everywhere() {
    let view = view(vec![component("web", ComponentState::Degraded), component("api", ComponentState::Operational)]);
    let page = |language| Page { view: &view, language }.html();
    let english = page(Language::English);
    assert!(english.contains("<p class=\"whole is-degraded\">Some services have trouble</p>"), "{english}");
    assert!(english.contains("<p class=\"state is-degraded\">Works in part"), "{english}");
    let chinese = page(Language::Chinese);
    assert!(chinese.contains("<p class=\"whole is-degraded\">部分服务出现问题</p>"), "{chinese}");
    assert!(chinese.contains("<p class=\"state is-degraded\">部分可用"), "{chinese}");
    let json = serde_json::to_value(&view).expect("JSON");
    assert_eq!((&json["state"], &json["groups"][0]["components"][0]["state"]), (&"degraded".into(), &"degraded".into()));
    let json = summary(&view, "https://ops.example.com");
    assert_eq!((&json["status"]["indicator"], &json["status"]["description"]), (&"major".into(), &"Partial System Outage".into()));
    let statuses: Vec<&str> = json["components"].as_array().expect("a list").iter().filter_map(|one| one["status"].as_str()).collect();
    assert_eq!(statuses, ["partial_outage", "partial_outage", "operational"], "the project and its two services");
    let badge = shields(&view.groups[0].components[0], Tells::Status);
    assert_eq!((&badge["message"], &badge["color"]), (&"degraded".into(), &"#b45309".into()));
}
