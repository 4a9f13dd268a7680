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
    Host { thing, state, since: Some(NOW.minus(FRESH * 10)), certificate_ends: None }
}

fn world(services: Vec<Runs>, machines: Vec<Host>) -> World {
    World { services, machines }
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
    assert_eq!(found(absent(), &world(vec![young], vec![]), Some(&[]))[0].1, Seen::Calm);
    let stopped = Runs { running: false, ..web() };
    assert!(found(absent(), &world(vec![stopped], vec![]), Some(&[])).is_empty());
    let machine = || kept("absent", "machines", "", "");
    assert_eq!(found(machine(), &world(vec![], vec![host(MachineState::Up)]), Some(&[]))[0].1, Seen::Holds);
    assert_eq!(found(machine(), &world(vec![], vec![host(MachineState::Away)]), Some(&[]))[0].1, Seen::Calm);
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
