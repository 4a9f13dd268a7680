use model::quantity::{Cpus, Memory};
use model::time::Millis;
use proptest::prelude::*;

use super::*;

fn project() -> Project {
    Project {
        id: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id"),
        name: "shop".parse().expect("a name"),
        description: String::new(),
        internal: false,
        developer_shells: true,
        logs_days: 30,
        created_at: Millis(0),
    }
}

fn descriptor(cpus: Option<u32>, mib: Option<u64>, replicas: u32) -> Descriptor {
    let mut d = Descriptor::of("web:1".parse().expect("a reference"));
    d.replicas = replicas;
    d.resources.cpus = cpus.and_then(Cpus::from_millis);
    d.resources.memory = mib.map(Memory::from_mib);
    d
}

fn asked(others: &Descriptor, before: &Descriptor, after: &Descriptor) -> Asked {
    let of = |d: &Descriptor| Running::of(&d.resources, d.replicas);
    Asked { others: of(others), ending: Running::default(), before: of(before), after: of(before).max(of(after)) }
}

fn limits() -> Limits {
    Limits { cpus: Cpus::from_millis(4000), memory: Some(1 << 30), tasks: Some(10), ..Limits::default() }
}

fn fields(asked: &Asked, d: &Descriptor) -> Vec<String> {
    refusals(&project(), &limits(), asked, d).into_iter().map(|error| error.field).collect()
}

#[test]
fn each_limit_is_told_with_what_is_left() {
    let (others, none) = (descriptor(Some(500), Some(64), 5), descriptor(None, None, 0));
    let wanted = descriptor(Some(1000), Some(512), 6);
    let asked = asked(&others, &none, &wanted);
    let errors = refusals(&project(), &limits(), &asked, &wanted);
    assert_eq!(errors.len(), 3);
    assert_eq!(errors[0].field, "descriptor.resources.cpus");
    assert!(errors[0].message.starts_with("takes 6 of the 4 CPUs that project shop may have, and 1.5 are left"), "{}", errors[0].message);
    assert!(errors[2].message.starts_with("takes 6 of the 10 tasks"), "{}", errors[2].message);
    let small = descriptor(Some(500), Some(64), 3);
    let fine = super::tests::asked(&others, &none, &small);
    assert!(fields(&fine, &small).is_empty());
    assert_eq!(takings(&limits(), &fine)[0].text, "takes 1.5 of 4 CPUs, 0 left");
}

#[test]
fn where_there_is_a_limit_each_task_has_one() {
    let none = descriptor(None, None, 0);
    let open = descriptor(None, None, 1);
    assert_eq!(fields(&asked(&none, &none, &open), &open), ["descriptor.resources.cpus", "descriptor.resources.memory"]);
    // What ran before the limit was set may go on, and not grow.
    assert!(fields(&asked(&none, &open, &open), &open).is_empty());
    let more = descriptor(None, None, 2);
    assert_eq!(fields(&asked(&none, &open, &more), &more).len(), 2);
}

#[test]
fn a_limit_below_what_runs_stops_only_what_would_take_more() {
    let (others, before) = (descriptor(Some(1000), Some(512), 9), descriptor(Some(1000), Some(512), 5));
    for replicas in 0..=5 {
        let less = descriptor(Some(1000), Some(512), replicas);
        assert!(fields(&asked(&others, &before, &less), &less).is_empty(), "{replicas}");
    }
    let more = descriptor(Some(1000), Some(512), 6);
    assert_eq!(fields(&asked(&others, &before, &more), &more).len(), 3);
}

proptest! {
    /// Whatever is allowed one after the other: nothing grows beyond a limit.
    #[test]
    fn what_is_let_in_never_grows_beyond_a_limit(steps in proptest::collection::vec((0..4_usize, 10..3000_u32, 1..600_u64, 0..8_u32), 1..30)) {
        let mut places = [Running::default(); 4];
        for (place, cpus, mib, replicas) in steps {
            let d = descriptor(Some(cpus), Some(mib), replicas);
            let others = places.iter().enumerate().filter(|(at, _)| *at != place).fold(Running::default(), |sum, (_, one)| sum.plus(*one));
            let after = Running::of(&d.resources, d.replicas);
            let asked = Asked { others, ending: Running::default(), before: places[place], after };
            if fields(&asked, &d).is_empty() {
                places[place] = after;
            }
            let all = places.iter().fold(Running::default(), |sum, one| sum.plus(*one));
            prop_assert!(all.cpu_millis <= 4000 && all.memory <= 1 << 30 && all.tasks <= 10);
        }
    }
}
