use std::collections::BTreeMap;

use domain::deployments::work::WorkKey;

use super::*;
use crate::docker::HealthSeen;

fn uuid<T: From<uuid::Uuid>>() -> T {
    uuid::Uuid::from_u128(7).into()
}

fn task(state: TaskState, container: Option<&str>) -> TaskWork {
    TaskWork {
        id: uuid(),
        key: WorkKey { service: uuid(), environment: uuid() },
        slot: 1,
        machine: uuid(),
        revision: uuid(),
        number: 1,
        spec: String::new(),
        deployment: None,
        state,
        health: TaskHealth::None,
        container: container.map(str::to_owned),
        address: None,
        ports: vec![],
        restarts: 1,
        drift: Vec::new(),
        run: None,
        created_at: Millis(5),
        started_at: None,
        healthy_at: None,
    }
}

fn seen(status: Status) -> ContainerSeen {
    ContainerSeen {
        id: "c".into(),
        name: "n".into(),
        image: "i".into(),
        labels: BTreeMap::new(),
        status,
        health: Health::None,
        exit_code: None,
        addresses: BTreeMap::new(),
        networks: Vec::new(),
        created: 0,
    }
}

fn state(status: Status, exit_code: Option<i64>, restarts: u32) -> ContainerState {
    ContainerState {
        id: "c".into(),
        status,
        exit_code,
        out_of_memory: false,
        error: None,
        health: HealthSeen { health: Health::None, failing: 0, output: None },
        restarts,
        addresses: BTreeMap::from([
            ("other".into(), "10.0.0.9".parse().expect("an address")),
            ("net".into(), "10.0.0.2".parse().expect("an address")),
        ]),
        started_at: Some(9),
        finished_at: None,
    }
}

#[test]
fn a_quiet_list_calls_for_nothing() {
    assert_eq!(need(&task(TaskState::Running, Some("c")), Some(&seen(Status::Running)), false), Need::Nothing);
    assert_eq!(need(&task(TaskState::Preparing, None), None, false), Need::Nothing, "not made yet");
    assert_eq!(need(&task(TaskState::Preparing, None), Some(&seen(Status::Created)), false), Need::Nothing, "not started yet");
    assert_eq!(need(&task(TaskState::Stopping, Some("c")), Some(&seen(Status::Running)), true), Need::Nothing);
}

#[test]
fn what_differs_is_looked_at() {
    assert_eq!(need(&task(TaskState::Running, Some("c")), None, false), Need::Lost);
    assert_eq!(need(&task(TaskState::Running, Some("c")), Some(&seen(Status::Exited)), false), Need::Inspect);
    assert_eq!(need(&task(TaskState::Running, Some("c")), Some(&seen(Status::Running)), true), Need::Inspect, "it died and runs again");
    assert_eq!(
        need(&task(TaskState::Preparing, None), Some(&seen(Status::Running)), false),
        Need::Inspect,
        "the portal was killed before it wrote it down"
    );
}

#[test]
fn a_restart_is_told_before_it_runs_again() {
    let facts = facts(&task(TaskState::Running, Some("c")), &state(Status::Running, None, 2), "net", Some(3));
    assert!(matches!(&facts[0], Fact::Restarting { restarts: 2, exit_code: Some(3), .. }), "{facts:?}");
    assert!(matches!(&facts[1], Fact::Running { address: Some(address), started: Millis(9) } if address == "10.0.0.2"), "{facts:?}");
}

#[test]
fn an_end_is_a_failure_unless_it_was_asked_for() {
    let end = |task_state, exit_code| match facts(&task(task_state, Some("c")), &state(Status::Exited, Some(exit_code), 1), "net", None).pop() {
        Some(Fact::Ended(end)) => end,
        other => panic!("an end, not {other:?}"),
    };
    let failed = end(TaskState::Running, 137);
    assert_eq!((failed.state, failed.exit_code), (TaskState::Failed, Some(137)));
    assert_eq!(failed.reason.expect("a reason").message, "it was ended by signal 9 (exit code 137)");
    assert_eq!(end(TaskState::Running, 0).state, TaskState::Failed);
    let asked = end(TaskState::Stopping, 143);
    assert_eq!((asked.state, asked.reason), (TaskState::Ended, None));
}
