use proptest::prelude::*;

use super::*;

/// All that happened to a container: it is made at 0; at each next time it starts and ends in turns.
#[derive(Clone, Debug)]
struct History {
    times: Vec<i64>,
    /// The last start was by hand after so many lives: the engine counts from there.
    by_hand: usize,
}

impl History {
    fn starts(&self, until: i64) -> Vec<i64> {
        self.times.iter().step_by(2).copied().filter(|at| *at <= until).collect()
    }

    fn deaths(&self, until: i64) -> Vec<i64> {
        self.times.iter().skip(1).step_by(2).copied().filter(|at| *at <= until).collect()
    }

    /// As the engine has it.
    fn there(&self) -> There {
        let (starts, deaths) = (self.starts(i64::MAX), self.deaths(i64::MAX));
        let alive = starts.len() > deaths.len();
        There {
            created: 0,
            started: starts.last().copied(),
            finished: deaths.last().copied(),
            alive,
            exit_code: (!alive && !deaths.is_empty()).then_some(137),
            out_of_memory: false,
            restarts: i64::try_from(starts.len().saturating_sub(1 + self.by_hand.min(starts.len().saturating_sub(1)))).expect("few"),
        }
    }
}

fn after(known: Option<&Known>, found: &[Missed]) -> Known {
    let mut known = known.cloned().unwrap_or_default();
    for missed in found {
        match missed.kind {
            EventKind::Started => (known.started, known.starts) = (known.started.max(Some(Millis(missed.at))), known.starts + 1),
            EventKind::Died => (known.died, known.deaths) = (known.died.max(Some(Millis(missed.at))), known.deaths + 1),
            _ => {}
        }
    }
    known
}

fn history() -> impl Strategy<Value = History> {
    (prop::collection::vec(1_i64..1_000, 0..12), 0_usize..4).prop_map(|(steps, by_hand)| {
        let times = steps.into_iter().scan(0, |at, step| {
            *at += step;
            Some(*at)
        });
        History { times: times.collect(), by_hand }
    })
}

proptest! {
    #[test]
    fn the_last_start_and_the_last_end_are_found_once_and_nothing_else(history in history(), heard_until in -1_i64..8_000) {
        // Everything was heard until then, and nothing after it.
        let heard: Vec<Missed> = history.starts(heard_until).into_iter().map(|at| Missed::new(EventKind::Started, at))
            .chain(history.deaths(heard_until).into_iter().map(|at| Missed::new(EventKind::Died, at))).collect();
        let known = (heard_until >= 0).then(|| after(None, &heard));
        let there = history.there();
        let found = missed(known.as_ref(), &there, i64::MAX);
        let (starts, deaths) = (history.starts(i64::MAX), history.deaths(i64::MAX));
        for event in &found {
            let true_times: &[i64] = match event.kind {
                EventKind::Started => &starts,
                EventKind::Died => &deaths,
                _ => &[0],
            };
            prop_assert!(true_times.contains(&event.at), "{event:?} never happened");
            prop_assert!(event.kind == EventKind::Created || event.at > heard_until, "{event:?} was heard");
        }
        prop_assert_eq!(found.iter().filter(|event| event.kind == EventKind::Created).count(), usize::from(known.is_none()));
        let told = |kind: EventKind| found.iter().filter(|event| event.kind == kind).map(|event| event.at).collect::<Vec<_>>();
        let last = |times: &[i64]| times.last().copied().filter(|at| *at > heard_until).into_iter().collect::<Vec<_>>();
        prop_assert_eq!(told(EventKind::Started), last(&starts));
        prop_assert_eq!(told(EventKind::Died), last(&deaths));
        prop_assert!(found.windows(2).all(|pair| pair[0].at <= pair[1].at), "in their order");
        let now = after(known.as_ref(), &found);
        prop_assert_eq!(lives(&now), there.alive);
        prop_assert_eq!(missed(Some(&now), &there, i64::MAX), vec![], "a second look finds nothing");
    }
}

fn known(started: i64, died: Option<i64>, starts: i64) -> Known {
    Known { started: Some(Millis(started)), died: died.map(Millis), starts, deaths: i64::from(died.is_some()), ..Known::default() }
}

#[test]
fn a_crash_loop_that_nobody_heard_is_counted() {
    let there = There { created: 0, started: Some(900), finished: Some(800), alive: true, exit_code: None, out_of_memory: false, restarts: 5 };
    let found = missed(Some(&known(100, None, 1)), &there, 10_000);
    assert_eq!(found.iter().map(|missed| (missed.kind, missed.at)).collect::<Vec<_>>(), [(EventKind::Died, 800), (EventKind::Started, 900)]);
    assert!(found[1].text.contains("at least 4 more times"), "{}", found[1].text);
    assert_eq!(found[0].exit_code, None, "that was forgotten with the next start");
}

#[test]
fn what_is_on_its_way_is_left_to_it() {
    let there = There { started: Some(100), finished: Some(9_000), exit_code: Some(137), ..There::default() };
    assert_eq!(missed(Some(&known(100, None, 1)), &there, 8_999), vec![]);
    let found = missed(Some(&known(100, None, 1)), &there, 9_000);
    assert_eq!((found.len(), found[0].exit_code, found[0].signal), (1, Some(137), Some(9)));
}

#[test]
fn an_end_without_a_time_is_told_once() {
    let there = There { started: Some(100), exit_code: Some(1), ..There::default() };
    let found = missed(Some(&known(100, None, 1)), &there, 9_000);
    assert_eq!((found.len(), found[0].kind, found[0].at, found[0].exit_code), (1, EventKind::Died, 9_000, Some(1)));
    assert_eq!(missed(Some(&known(100, Some(9_000), 1)), &there, 10_000), vec![]);
    assert_eq!(missed(Some(&known(100, Some(90), 1)), &there, 10_000).len(), 1, "that was an earlier end");
}

#[test]
fn of_what_is_gone_the_task_says_how_it_ended() {
    let end = TaskEnd { exit_code: Some(3), at: Some(Millis(500)), reason: Some("its program ended with exit code 3".into()) };
    let found = gone(&known(100, None, 1), Some(&end), 900);
    assert_eq!(found.iter().map(|missed| (missed.kind, missed.at)).collect::<Vec<_>>(), [(EventKind::Died, 500), (EventKind::Removed, 900)]);
    assert_eq!((found[0].exit_code, found[0].text.as_str()), (Some(3), "its program ended with exit code 3"));
    assert_eq!(gone(&known(100, Some(200), 1), None, 900).len(), 1, "that it ended was heard");
    assert!(gone(&known(100, None, 1), None, 900)[0].text.contains("nobody listened"));
}

#[test]
fn the_list_shows_who_must_be_looked_at() {
    let (alive, dead) = (known(100, None, 1), known(100, Some(200), 1));
    assert!(suspicious(None, Status::Running));
    assert!(!suspicious(Some(&alive), Status::Running) && suspicious(Some(&alive), Status::Exited));
    assert!(suspicious(Some(&dead), Status::Running) && !suspicious(Some(&dead), Status::Exited));
    assert!(suspicious(Some(&Known::default()), Status::Exited), "it started and ended, and neither was heard");
    assert!(!suspicious(Some(&Known::default()), Status::Created));
}

#[test]
fn an_end_that_is_recorded_is_compared_with_what_the_engine_shows_of_the_same_life() {
    let known = Known { started: Some(Millis(105)), died: Some(Millis(215)), starts: 1, deaths: 1, ..Known::default() };
    let there = There { created: 0, started: Some(100), finished: Some(200), exit_code: Some(4), ..There::default() };
    assert_eq!(ended_with(&known, &there), Some(4));
    assert_eq!(ended_with(&known, &There { alive: true, ..there.clone() }), None, "it was started again");
    assert_eq!(
        ended_with(&known, &There { started: Some(300), finished: Some(400), ..there.clone() }),
        None,
        "that is a life of which nothing is known"
    );
    assert_eq!(ended_with(&known, &There { started: Some(190), finished: Some(200), ..there.clone() }), None, "nor of this one");
    assert_eq!(ended_with(&Known { started: Some(Millis(300)), ..known.clone() }, &there), None, "it was heard that it started again");
    assert_eq!(ended_with(&known, &There { exit_code: Some(255), ..there.clone() }), None, "it does not know");
    assert_eq!(ended_with(&Known { died: None, ..known }, &there), None);
}

#[test]
fn an_end_that_the_engine_told_and_forgot_is_not_told_again() {
    let there = There { created: 0, started: Some(100), finished: Some(900), exit_code: Some(255), ..There::default() };
    let heard = known(105, Some(200), 1);
    assert_eq!(missed(Some(&heard), &there, 10_000), vec![]);
    assert_eq!(ended_with(&heard, &there), None);
    assert_eq!(missed(Some(&known(105, Some(50), 2)), &there, 10_000).len(), 1, "that was the end of an earlier life");
    let again = There { started: Some(500), restarts: 1, ..there };
    let found = missed(Some(&heard), &again, 10_000);
    assert_eq!(found.iter().map(|missed| (missed.kind, missed.at)).collect::<Vec<_>>(), [(EventKind::Started, 500), (EventKind::Died, 900)]);
}
