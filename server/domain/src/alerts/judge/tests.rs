use metrics::{Metric, Now};
use model::alerts::RuleForm;
use uuid::Uuid;

use super::super::world::{Crashes, Ended};
use super::*;

const NOW: Millis = Millis(1_795_166_400_000);

fn kept(kind: &str, of: &str, metric: &str, value: &str) -> Kept {
    let form = RuleForm { name: "r".into(), kind: kind.into(), of: of.into(), metric: metric.into(), value: value.into(), ..RuleForm::default() };
    Kept { id: Uuid::nil().into(), project: None, rule: form.read(true).expect("a rule"), left_out: 0 }
}

fn web() -> Runs {
    let (project, service, environment) = (Uuid::nil().into(), Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
    let names = SubjectView { project: "shop".into(), service: "web".into(), environment: "local".into(), ..SubjectView::default() };
    let key = Key::Service { project, service, environment };
    Runs {
        thing: Thing { project: Some(project), service: Some(service), environment, machine: None, names, key },
        running: true,
        crashes: None,
        unhealthy: 0,
        tasks: 2,
        running_since: Some(NOW.minus(FRESH * 10)),
        ended: None,
    }
}

fn host(state: MachineState) -> Host {
    let id = Uuid::from_u128(3).into();
    let names = SubjectView { machine: "m1".into(), environment: "local".into(), ..SubjectView::default() };
    let thing = Thing { project: None, service: None, environment: Uuid::from_u128(2).into(), machine: Some(id), names, key: Key::Machine(id) };
    Host { thing, state, since: Some(NOW.minus(FRESH * 10)), awaited_since: None, certificate_ends: None }
}

fn world(services: Vec<Runs>, machines: Vec<Host>) -> World {
    World { started: NOW.minus(FRESH * 20), services, machines }
}

/// What one rule finds: part, what was seen, and what is said.
fn found(kept: Kept, world: &World, latest: Option<&[Latest]>) -> Vec<(String, Seen, String)> {
    let rules = [kept];
    let mut found: Vec<_> = findings(&rules, world, latest, NOW).into_values().map(|one| (one.thing.names.part, one.seen, one.summary)).collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

#[test]
fn what_runs_and_gives_no_samples_is_absent_and_what_nobody_collects_is_unknown() {
    let absent = || kept("absent", "services", "", "");
    assert_eq!(found(absent(), &world(vec![web()], vec![]), Some(&[]))[0].1, Seen::Holds);
    assert!(found(absent(), &world(vec![web()], vec![]), None).is_empty());
    let young = Runs { running_since: Some(NOW), ..web() };
    assert_eq!(found(absent(), &world(vec![young], vec![]), Some(&[]))[0].1, Seen::Unknown, "it is too early to tell");
    let elsewhere = Runs { running_since: None, ..web() };
    assert_eq!(found(absent(), &world(vec![elsewhere], vec![]), Some(&[]))[0].1, Seen::Calm, "its machines are away, or nothing runs");
    let stopped = Runs { running: false, ..web() };
    assert!(found(absent(), &world(vec![stopped], vec![]), Some(&[])).is_empty());
    let machine = || kept("absent", "machines", "", "");
    assert_eq!(found(machine(), &world(vec![], vec![host(MachineState::Up)]), Some(&[]))[0].1, Seen::Holds);
    assert_eq!(found(machine(), &world(vec![], vec![host(MachineState::Away)]), Some(&[]))[0].1, Seen::Calm, "that it is away is another alert");
    assert_eq!(found(machine(), &world(vec![], vec![host(MachineState::Unknown)]), Some(&[]))[0].1, Seen::Unknown);
}

#[test]
fn a_portal_that_just_began_misses_no_samples_yet() {
    let young = || World { started: NOW.minus(FRESH / 2), ..world(vec![web()], vec![host(MachineState::Up)]) };
    for of in ["services", "machines"] {
        assert_eq!(found(kept("absent", of, "", ""), &young(), Some(&[]))[0].1, Seen::Unknown, "{of}");
        // What was seen before counts neither.
        let rules = [kept("absent", of, "", "")];
        let from: Vec<_> = findings(&rules, &young(), Some(&[]), NOW).into_values().map(|one| one.counts_from).collect();
        assert_eq!(from, [Some(NOW.minus(FRESH / 2))], "{of}");
    }
    // A clock that was set back: it does not wait until it is there again.
    let ahead = World { started: NOW.plus(FRESH * 100), ..young() };
    assert_eq!(found(kept("absent", "machines", "", ""), &ahead, Some(&[]))[0].1, Seen::Holds);
}

#[test]
fn a_machine_is_away_since_it_last_answered_or_since_it_was_added() {
    let said = |host: Host| found(kept("machine_gone", "", "", ""), &world(vec![], vec![host]), None).remove(0).2;
    assert_eq!(said(host(MachineState::Away)), "machine m1 in local: its engine has not answered since 2026-11-20 09:10:00 UTC");
    let new = Host { awaited_since: Some(NOW.minus(FRESH * 15)), ..host(MachineState::Away) };
    assert_eq!(said(new), "machine m1 in local: its engine has not answered since the machine was added on 2026-11-20 09:05:00 UTC");
    let rules = [kept("machine_gone", "", "", "")];
    let from = |world: World| findings(&rules, &world, None, NOW).into_values().next().expect("a finding").counts_from;
    let away = || world(vec![], vec![host(MachineState::Away)]);
    assert_eq!(from(away()), Some(NOW.minus(FRESH * 10)), "this outage alone");
    assert_eq!(from(World { started: NOW.minus(FRESH), ..away() }), Some(NOW.minus(FRESH)), "and only what the portal saw of it");
}

#[test]
fn states_of_services_say_what_is_wrong() {
    let crashed = Runs { crashes: Some(Crashes { times: 4, why: "exited with 1\r\nBcc: x".into() }), ..web() };
    let (_, seen, said) = found(kept("crash_loop", "", "", ""), &world(vec![crashed], vec![]), None).remove(0);
    assert_eq!(
        (seen, said.as_str()),
        (Seen::Holds, "shop/web in local: tasks fail again and again; 4 failures in a row, the last: exited with 1  Bcc: x")
    );
    let sick = Runs { unhealthy: 1, ..web() };
    let (_, seen, said) = found(kept("unhealthy", "", "", ""), &world(vec![sick], vec![]), None).remove(0);
    assert_eq!((seen, said.as_str()), (Seen::Holds, "shop/web in local: 1 of 2 tasks do not pass their health check"));
    let state = |state| Some(Ended { id: Uuid::nil().into(), state, why: "it never answered".into(), revision: 7, by: "ana".into() });
    for (ended, wanted) in [
        (None, Seen::Calm),
        (state(DeploymentState::Succeeded), Seen::Calm),
        (state(DeploymentState::Failed), Seen::Holds),
        (state(DeploymentState::RolledBack), Seen::Holds),
    ] {
        let runs = Runs { ended, ..web() };
        assert_eq!(found(kept("deploy_failed", "", "", ""), &world(vec![runs], vec![]), None)[0].1, wanted);
    }
}

#[test]
fn machines_are_away_run_out_of_disk_and_of_time() {
    let gone = |state| found(kept("machine_gone", "", "", ""), &world(vec![], vec![host(state)]), None)[0].1;
    assert_eq!((gone(MachineState::Up), gone(MachineState::Away), gone(MachineState::Unknown)), (Seen::Calm, Seen::Holds, Seen::Unknown));
    let number = |metric, label: &str, value| Now { metric, label: label.into(), at_ms: NOW.0, value, rate: None };
    let values = vec![
        number(Metric::DiskSize, "/", 100.0),
        number(Metric::DiskUsed, "/", 50.0),
        number(Metric::DiskSize, "/data", 100.0),
        number(Metric::DiskUsed, "/data", 99.0),
    ];
    let up = host(MachineState::Up);
    let latest = [Latest { key: up.thing.key, member: None, at_ms: NOW.0, values }];
    let disks = found(kept("threshold", "machines", "disk_used", "90 %"), &world(vec![], vec![up]), Some(&latest));
    assert_eq!((disks[0].1, disks[1].1), (Seen::Calm, Seen::Holds));
    assert_eq!(disks[1].2, "machine m1 in local, /data: disk is 99 % of its limit (99 B of 100 B); the rule says over 90 %");
    let ends = |days: u64| {
        let host = Host { certificate_ends: Some(NOW.plus(Duration::from_secs(days * 86_400))), ..host(MachineState::Up) };
        found(kept("certificate_ends", "", "", "14"), &world(vec![], vec![host]), None)[0].1
    };
    assert_eq!((ends(13), ends(15)), (Seen::Holds, Seen::Calm));
    let over = Host { certificate_ends: Some(NOW), ..host(MachineState::Up) };
    let (_, seen, said) = found(kept("certificate_ends", "", "", "3"), &world(vec![], vec![over]), None).remove(0);
    assert_eq!(seen, Seen::Holds);
    assert_eq!(said, "machine m1 in local: a certificate that it is reached with ended on 2026-11-20 09:20:00 UTC; put a new one in");
}

#[test]
fn an_alert_leads_to_the_chart_of_its_figure_and_its_time() {
    let linked = |kept: Kept, world: &World, latest: &[Latest]| {
        let rules = [kept];
        let one = findings(&rules, world, Some(latest), NOW).into_values().next().expect("a finding");
        (one.link, one.facts)
    };
    let number = |metric, label: &str, value, rate| Now { metric, label: label.into(), at_ms: NOW.0, value, rate };
    let (from, to) = (NOW.0 / 1000 - 1800, NOW.0 / 1000 + 1800);
    let service = format!("/projects/shop/services/web/metrics?environment=local&from={from}&to={to}");
    let member = metrics::Member { task: Uuid::nil().into(), slot: 2, revision: 1 };
    let values = vec![number(Metric::CpuThrottledPeriods, "", 90.0, Some(5.0)), number(Metric::CpuPeriods, "", 200.0, Some(10.0))];
    let latest = [Latest { key: web().thing.key, member: Some(member), at_ms: NOW.0, values }];
    let throttled = || kept("rate", "services", "cpu_throttled_periods", "25 %");
    let (link, facts) = linked(throttled(), &world(vec![web()], vec![]), &latest);
    assert_eq!(link, format!("{service}#chart-throttled"));
    let said = found(throttled(), &world(vec![web()], vec![]), Some(&latest)).remove(0).2;
    assert_eq!(said, "shop/web in local: CPU throttled in 50 % of periods in task 2; the rule says over 25 %");
    let facts: Vec<(&str, &str)> = facts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let wanted =
        [("figure", "cpu_throttled_periods"), ("value", "5 a second"), ("limit", "10 a second"), ("share of the limit", "50 %"), ("task", "2")];
    assert_eq!(facts, wanted);
    let up = host(MachineState::Up);
    let values = vec![number(Metric::DiskInodesUsed, "/data", 95.0, None), number(Metric::DiskInodes, "/data", 100.0, None)];
    let latest = [Latest { key: up.thing.key, member: None, at_ms: NOW.0, values }];
    let (link, facts) = linked(kept("threshold", "machines", "disk_inodes_used", "90 %"), &world(vec![], vec![up]), &latest);
    assert_eq!(link, format!("/admin/environments/local/machines/m1/metrics?from={from}&to={to}#chart-inodes"));
    assert!(facts.contains(&("part".to_owned(), "/data".to_owned())), "{facts:?}");
    for kind in ["crash_loop", "unhealthy", "deploy_failed"] {
        let ended = Ended { id: Uuid::nil().into(), state: DeploymentState::Failed, why: "it never answered".into(), revision: 7, by: "ana".into() };
        let runs = Runs { unhealthy: 1, crashes: Some(Crashes { times: 4, why: "exited with 1".into() }), ended: Some(ended), ..web() };
        let (link, facts) = linked(kept(kind, "", "", ""), &world(vec![runs], vec![]), &[]);
        assert_eq!((link.as_str(), facts.iter().any(|(name, _)| name == "deployment")), (service.as_str(), kind == "deploy_failed"), "{kind}");
    }
}

#[test]
fn a_rule_is_about_what_it_names() {
    let (web, m1) = (web().thing, host(MachineState::Up).thing);
    let rule = kept("unhealthy", "", "", "");
    assert!(rule.is_about(&web) && !rule.is_about(&m1));
    let other = Kept { project: Some(Uuid::from_u128(9).into()), ..kept("unhealthy", "", "", "") };
    assert!(!other.is_about(&web));
    let mut elsewhere = kept("unhealthy", "", "", "");
    elsewhere.rule.environment = Some("production".parse().expect("a name"));
    assert!(!elsewhere.is_about(&web));
}

#[test]
fn what_is_gone_is_over_and_what_nobody_knows_is_not() {
    let up = host(MachineState::Up);
    let value = |metric| Now { metric, label: "/".into(), at_ms: NOW.0, value: 1.0, rate: None };
    let latest = [Latest { key: up.thing.key, member: None, at_ms: NOW.0, values: vec![value(Metric::DiskUsed), value(Metric::DiskSize)] }];
    let m1 = up.thing.clone();
    let there = world(vec![], vec![up]);
    let rule = kept("threshold", "machines", "disk_used", "90 %");
    let left = |world: &World, latest: &[&Latest]| {
        let thing = places(world).values().copied().find(|thing| thing.machine == m1.machine);
        without_finding(Some(&rule), thing, "/data", latest, NOW)
    };
    assert_eq!(left(&there, &[&latest[0]]), Lost::Calm, "that mount is gone, others are known");
    assert_eq!(left(&there, &[]), Lost::Unknown, "no samples come");
    assert_eq!(left(&world(vec![], vec![]), &[&latest[0]]), Lost::Over, "the machine is gone");
    assert_eq!(without_finding(None, Some(&m1), "/data", &[&latest[0]], NOW), Lost::Over, "the rule is gone");
}
