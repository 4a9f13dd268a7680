use domain::deployments::steps;
use model::descriptor::UpdateOrder;
use model::views::deployments::{PlanAct, PlanStep, PlanTask};
use proptest::prelude::*;

use super::*;

const OURS: &str = "ours";

fn id(n: u128) -> TaskId {
    uuid::Uuid::from_u128(n).into()
}

fn task(n: u128, slot: u32, current: bool, life: Life) -> Task {
    Task { id: id(n), slot, current, life, container: life != Life::Unmade, keep: current, busy: false }
}

fn wanted(replicas: u32, order: Order, parallelism: u32) -> Wanted {
    Wanted { mode: Mode::Run, replicas, order, parallelism, held: BTreeSet::new() }
}

/// A world in which actions can be carried out one by one.
#[derive(Debug, Clone)]
struct World {
    tasks: Vec<Task>,
    containers: Vec<Container>,
    next: u128,
}

impl World {
    fn new(tasks: Vec<Task>, strangers: Vec<Container>) -> Self {
        let own = tasks.iter().filter(|task| task.container).map(|task| Container {
            id: format!("c{}", task.id),
            instance: Some(OURS.into()),
            task: Some(task.id),
            named: true,
            removing: false,
        });
        Self { containers: own.chain(strangers).collect(), tasks, next: 1_000 }
    }

    fn plan(&self, wanted: &Wanted) -> Vec<Action> {
        plan(wanted, OURS, &self.tasks, &self.containers)
    }

    fn find(&mut self, task: TaskId) -> &mut Task {
        self.tasks.iter_mut().find(|known| known.id == task).expect("the plan names known tasks only")
    }

    /// Carries out one action as far as it goes at once: what is begun is starting, what is ended is ending.
    fn apply(&mut self, action: &Action) {
        match action {
            Action::Make { slot } => {
                self.next += 1;
                self.tasks.push(Task { container: true, ..task(self.next, *slot, true, Life::Starting) });
            }
            Action::Begin { task } => {
                let task = self.find(*task);
                task.container = true;
                task.life = Life::Starting;
            }
            Action::End { task } => {
                let task = self.find(*task);
                task.life = if task.life == Life::Ending { Life::Dead } else { Life::Ending };
            }
            Action::Remove { task } => self.find(*task).container = false,
            Action::Sweep { container } => self.containers.retain(|seen| seen.id != *container),
        }
    }

    /// Time passes: what starts becomes ready, what ends is dead.
    fn settle(&mut self) {
        for task in &mut self.tasks {
            task.life = match task.life {
                Life::Starting => Life::Ready,
                Life::Ending => Life::Dead,
                other => other,
            };
        }
    }

    fn alive(&self) -> usize {
        self.tasks.iter().filter(|task| task.life != Life::Dead).count()
    }

    fn ready(&self) -> usize {
        self.tasks.iter().filter(|task| task.life == Life::Ready).count()
    }
}

fn lives() -> impl Strategy<Value = Life> {
    prop_oneof![Just(Life::Unmade), Just(Life::Starting), Just(Life::Ready), Just(Life::Ending), Just(Life::Dead)]
}

fn any_tasks() -> impl Strategy<Value = Vec<Task>> {
    proptest::collection::vec((0_u32..6, any::<bool>(), lives(), any::<bool>()), 0..10).prop_map(|parts| {
        let make = |(n, (slot, current, life, keep))| Task { keep, ..task(n, slot, current, life) };
        (1..).zip(parts).map(make).collect()
    })
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    let mode = prop_oneof![4 => Just(Mode::Run), 1 => Just(Mode::Stop), 1 => Just(Mode::Gone)];
    (mode, 0_u32..6, any::<bool>(), 1_u32..4).prop_map(|(mode, replicas, first, parallelism)| Wanted {
        mode,
        replicas,
        order: if first { Order::StartFirst } else { Order::StopFirst },
        parallelism,
        held: BTreeSet::new(),
    })
}

fn strangers() -> impl Strategy<Value = Vec<Container>> {
    proptest::collection::vec(
        (prop_oneof![Just(None), Just(Some(OURS.to_owned())), Just(Some("theirs".to_owned()))], proptest::option::of(0_u128..12), any::<bool>()),
        0..5,
    )
    .prop_map(|parts| {
        let make = |(n, (instance, task, named)): (usize, (Option<String>, Option<u128>, bool))| Container {
            id: format!("x{n}"),
            instance,
            task: task.map(id),
            named,
            removing: false,
        };
        parts.into_iter().enumerate().map(make).collect()
    })
}

proptest! {
    #[test]
    fn from_everywhere_it_arrives_and_then_says_nothing(tasks in any_tasks(), others in strangers(), wanted in any_wanted()) {
        let mut world = World::new(tasks, others);
        let mut rounds = 0;
        loop {
            let actions = world.plan(&wanted);
            if actions.is_empty() && !world.tasks.iter().any(|task| matches!(task.life, Life::Starting | Life::Ending)) {
                break;
            }
            rounds += 1;
            prop_assert!(rounds < 60, "it goes on for ever: {actions:?} in {world:?}");
            actions.iter().for_each(|action| world.apply(action));
            world.settle();
        }
        let replicas = if wanted.mode == Mode::Run { wanted.replicas } else { 0 };
        let mut slots: Vec<u32> = world.tasks.iter().filter(|task| task.life != Life::Dead).map(|task| task.slot).collect();
        slots.sort_unstable();
        prop_assert_eq!(slots, (0..replicas).collect::<Vec<_>>());
        prop_assert!(world.tasks.iter().all(|task| task.life == Life::Dead || (task.current && task.life == Life::Ready)));
        prop_assert!(wanted.mode != Mode::Gone || world.tasks.iter().all(|task| !task.container), "nothing is left of what is deleted");
        let left: Vec<_> = world.containers.iter().filter(|seen| seen.instance.as_deref() == Some(OURS) && seen.named).collect();
        prop_assert!(left.iter().all(|seen| seen.task.is_some_and(|task| world.tasks.iter().any(|known| known.id == task))));
    }

    #[test]
    fn what_is_not_ours_is_never_touched(tasks in any_tasks(), others in strangers(), wanted in any_wanted()) {
        let world = World::new(tasks, others);
        for action in world.plan(&wanted) {
            if let Action::Sweep { container } = action {
                let seen = world.containers.iter().find(|seen| seen.id == container).expect("seen");
                prop_assert_eq!(seen.instance.as_deref(), Some(OURS));
                prop_assert!(seen.named, "a copy, run by somebody");
            }
        }
    }

    #[test]
    fn what_is_busy_is_left_alone(mut tasks in any_tasks(), wanted in any_wanted()) {
        tasks.iter_mut().for_each(|task| task.busy = true);
        let world = World::new(tasks, vec![]);
        let only_makes = world.plan(&wanted).iter().all(|action| matches!(action, Action::Make { .. }));
        prop_assert!(only_makes);
    }

    /// What people are told before a deployment is what is done, where all goes well.
    #[test]
    fn the_order_is_as_it_was_foretold(
        parts in proptest::collection::vec((0_u32..6, any::<bool>()), 0..8), replicas in 0_u32..6, first in any::<bool>(), parallelism in 1_u32..4,
    ) {
        let order = if first { Order::StartFirst } else { Order::StopFirst };
        let tasks: Vec<Task> = (1..).zip(&parts).map(|(n, (slot, current))| task(n, *slot, *current, Life::Ready)).collect();
        let living: Vec<steps::Living> = tasks
            .iter()
            .map(|task| steps::Living { task: task.id, slot: task.slot + 1, revision: 1, fits: task.current, serves: true })
            .collect();
        let told = if first { UpdateOrder::StartFirst } else { UpdateOrder::StopFirst };
        let foretold = steps::steps(told, replicas, parallelism, &living);

        let mut world = World::new(tasks, vec![]);
        let (mut done, mut most) = (Vec::new(), world.alive());
        loop {
            let actions = world.plan(&wanted(replicas, order, parallelism));
            let ended: Vec<PlanTask> = actions.iter().filter_map(|action| match action {
                Action::End { task } => {
                    let task = world.tasks.iter().find(|known| known.id == *task).expect("known");
                    Some(PlanTask { slot: task.slot + 1, task: Some(task.id).filter(|_| living.iter().any(|one| one.task == task.id)), revision: Some(1) })
                }
                _ => None,
            }).collect();
            let made: Vec<PlanTask> = actions.iter().filter_map(|action| match action {
                Action::Make { slot } => Some(PlanTask { slot: slot + 1, task: None, revision: None }),
                _ => None,
            }).collect();
            if ended.is_empty() && made.is_empty() {
                break;
            }
            most = most.max(world.alive() + made.len());
            done.extend([(PlanAct::End, ended), (PlanAct::Make, made)].into_iter().filter(|(_, tasks)| !tasks.is_empty()).map(|(act, tasks)| PlanStep { act, tasks }));
            actions.iter().for_each(|action| world.apply(action));
            world.settle();
        }
        prop_assert_eq!(foretold.steps, done);
        prop_assert_eq!(foretold.at_most as usize, most);
    }

    /// Any interleaving of a rolling update: actions and settling in a random order.
    #[test]
    fn an_update_never_exceeds_its_bounds(replicas in 1_u32..6, first in any::<bool>(), parallelism in 1_u32..4, order_of_events in proptest::collection::vec(any::<u8>(), 200)) {
        let order = if first { Order::StartFirst } else { Order::StopFirst };
        let wanted = wanted(replicas, order, parallelism);
        let old = (0..replicas).map(|slot| task(u128::from(slot) + 1, slot, false, Life::Ready)).collect();
        let mut world = World::new(old, vec![]);
        for event in order_of_events {
            let actions = world.plan(&wanted);
            let moving: Vec<usize> = world.tasks.iter().enumerate().filter(|(_, task)| matches!(task.life, Life::Starting | Life::Ending)).map(|(at, _)| at).collect();
            let choices = usize::from(!actions.is_empty()) + moving.len();
            if choices == 0 {
                break;
            }
            let choice = usize::from(event) % choices;
            if choice < moving.len() {
                let task = &mut world.tasks[moving[choice]];
                task.life = if task.life == Life::Starting { Life::Ready } else { Life::Dead };
            } else {
                // Ending what ends already is asked for again; here it ends in its own time.
                let ending: BTreeSet<TaskId> = world.tasks.iter().filter(|task| task.life == Life::Ending).map(|task| task.id).collect();
                for action in &actions {
                    if !matches!(action, Action::End { task } if ending.contains(task)) {
                        world.apply(action);
                    }
                }
            }
            let (replicas, parallelism) = (replicas as usize, parallelism.min(replicas) as usize);
            match order {
                Order::StartFirst => {
                    prop_assert!(world.alive() <= replicas + parallelism, "too many: {world:?}");
                    prop_assert!(world.ready() >= replicas, "too few serve: {world:?}");
                }
                Order::StopFirst => {
                    prop_assert!(world.alive() <= replicas, "too many: {world:?}");
                    prop_assert!(world.ready() + parallelism >= replicas, "too few serve: {world:?}");
                }
            }
        }
        world.settle();
    }
}

#[test]
fn a_first_deploy_starts_all_at_once() {
    let actions = plan(&wanted(3, Order::StartFirst, 1), OURS, &[], &[]);
    assert_eq!(actions, [0, 1, 2].map(|slot| Action::Make { slot }));
}

#[test]
fn however_often_one_deploys_no_more_than_twice_the_replicas_are_there() {
    let wanted = wanted(1, Order::StartFirst, 100);
    let mut world = World::new(vec![], vec![]);
    for _ in 0..10 {
        // Something new is wanted, what starts serves at once, and nothing that was asked to end does.
        world.tasks.iter_mut().for_each(|task| task.current = false);
        for _ in 0..5 {
            let ending: BTreeSet<TaskId> = world.tasks.iter().filter(|task| task.life == Life::Ending).map(|task| task.id).collect();
            for action in world.plan(&wanted) {
                if !matches!(&action, Action::End { task } if ending.contains(task)) {
                    world.apply(&action);
                }
            }
            world.tasks.iter_mut().filter(|task| task.life == Life::Starting).for_each(|task| task.life = Life::Ready);
            assert!(world.alive() <= 2, "{world:?}");
        }
        assert_eq!(world.ready(), 1, "one serves: {world:?}");
    }
    world.settle();
    world.plan(&wanted).iter().for_each(|action| world.apply(action));
    assert!(world.tasks.iter().any(|task| task.current && task.life == Life::Starting), "what ended makes room: {world:?}");
}

#[test]
fn a_new_task_that_does_not_become_ready_costs_no_old_one() {
    let mut tasks = vec![task(1, 0, false, Life::Ready), task(2, 1, false, Life::Ready), task(3, 0, true, Life::Starting)];
    assert_eq!(plan(&wanted(2, Order::StartFirst, 1), OURS, &tasks, &[]), []);
    tasks[2].life = Life::Dead;
    let held = Wanted { held: BTreeSet::from([0, 1]), ..wanted(2, Order::StartFirst, 1) };
    assert_eq!(plan(&held, OURS, &tasks, &[]), []);
}

#[test]
fn back_to_the_old_revision_only_the_new_tasks_go() {
    let tasks = [task(1, 0, true, Life::Ready), task(2, 1, true, Life::Ready), task(3, 0, false, Life::Starting)];
    assert_eq!(plan(&wanted(2, Order::StartFirst, 1), OURS, &tasks, &[]), [Action::End { task: id(3) }]);
}

#[test]
fn a_stop_keeps_the_last_container_and_a_delete_does_not() {
    let tasks = [task(1, 0, true, Life::Dead), task(2, 0, true, Life::Dead), task(3, 1, true, Life::Ready)];
    let stop = Wanted { mode: Mode::Stop, ..wanted(2, Order::StartFirst, 1) };
    assert_eq!(plan(&stop, OURS, &tasks, &[]), [Action::Remove { task: id(1) }, Action::End { task: id(3) }]);
    let gone = Wanted { mode: Mode::Gone, ..stop };
    assert_eq!(plan(&gone, OURS, &tasks, &[]), [Action::Remove { task: id(1) }, Action::Remove { task: id(2) }, Action::End { task: id(3) }]);
}

#[test]
fn lives_follow_the_engine() {
    assert_eq!(life(Life::Ready, None), Life::Dead, "removed by hand");
    assert_eq!(life(Life::Unmade, None), Life::Unmade, "killed before it was made");
    assert_eq!(life(Life::Unmade, Some(Status::Created)), Life::Unmade, "killed before it was started");
    assert_eq!(life(Life::Unmade, Some(Status::Running)), Life::Starting, "killed before it was written down");
    assert_eq!(life(Life::Ready, Some(Status::Restarting)), Life::Starting, "it died and the engine tries again");
    assert_eq!(life(Life::Ready, Some(Status::Exited)), Life::Dead, "the engine gave up");
    assert_eq!(life(Life::Ending, Some(Status::Running)), Life::Ending);
    assert_eq!(life(Life::Ending, Some(Status::Exited)), Life::Dead);
    assert_eq!(life(Life::Dead, Some(Status::Exited)), Life::Dead);
}

#[test]
fn a_copy_is_not_removed_and_what_the_engine_removes_already_is_not_again() {
    let lost = Container { id: "x".into(), instance: Some(OURS.into()), task: Some(id(7)), named: true, removing: false };
    let sweep = |container: &Container| plan(&wanted(0, Order::StartFirst, 1), OURS, &[], std::slice::from_ref(container));
    assert_eq!(sweep(&lost), [Action::Sweep { container: "x".into() }]);
    assert_eq!(sweep(&Container { named: false, ..lost.clone() }), [], "its labels came with its image");
    assert_eq!(sweep(&Container { removing: true, ..lost }), []);
}
