use std::time::Duration;

use model::access::Role;
use model::ids::{AlertId, MachineId, TaskId};
use model::names::{EnvironmentName, ProjectName, ServiceName};
use model::views::deployments::DeploymentState;
use model::views::events::MarkKind;
use model::views::services::TaskHealth;

use super::work::{Cursor, Happened, Known};
use super::*;
use crate::access::Actor;
use crate::deployments::work::{self as tasks, NewTask, TaskWork};
use crate::deployments::{self, Intent, Request};
use crate::services::{self, ServiceKey};
use crate::testing::Store;

/// A project with a service that has a task in the container `c1`.
struct Shop {
    store: Store,
    ana: Actor,
    project: ProjectName,
    service: ServiceName,
    machine: MachineId,
    task: TaskWork,
}

impl Shop {
    async fn open() -> Self {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let project = store.project("shop", &ana, Role::Developer).await;
        store.image(&project, "web", "1", 'a').await;
        let service: ServiceName = "web".parse().expect("a name");
        services::create(&store.platform, &store.may(&ana, &project).await, &service).await.expect("created");
        let key = ServiceKey { project: &project, service: &service };
        let may = ana.may(&store.platform, &key).await.expect("allowed");
        let descriptor = model::descriptor::Descriptor::parse("{image: 'web:1'}").expect("a descriptor");
        let request = Request { intent: Intent { environment: Some(place()), ..Intent::default() }, descriptor };
        let made = deployments::deploy(&store.platform, &may, &request).await.expect("deployed");
        for state in [DeploymentState::Rolling, DeploymentState::Succeeded] {
            assert!(tasks::advance(&store.worker, made.id, state, None).await.expect("recorded"));
        }
        let machine = store.machine().await;
        let key = tasks::WorkKey { service: may.id, environment: machine.environment_id };
        let loaded = tasks::load(&store.worker, key).await.expect("loaded").expect("deployed");
        let revision = loaded.revision.as_ref().expect("a revision");
        let new = NewTask { key, revision, deployment: None, machine: &machine, slot: 1, run: None };
        let task = tasks::create_task(&store.worker, &new).await.expect("made");
        tasks::task_running(&store.worker, task.id, "c1", None, store.platform.now()).await.expect("recorded");
        Self { ana, project, service, machine: machine.id, task: TaskWork { container: Some("c1".into()), ..task }, store }
    }

    async fn may(&self) -> May<can::SeeServices, Service> {
        self.ana.may(&self.store.platform, &ServiceKey { project: &self.project, service: &self.service }).await.expect("allowed")
    }

    async fn record(&self, happened: &[Happened]) {
        work::record(&self.store.worker, self.machine, happened).await.expect("recorded");
    }

    /// The events of the service, the oldest first.
    async fn seen(&self) -> Vec<EventView> {
        let page = of_service(&self.store.platform, &self.may().await, &ask(&EventFilter::default())).await.expect("read");
        page.items.into_iter().rev().collect()
    }

    async fn kinds(&self) -> Vec<(EventKind, i64)> {
        self.seen().await.into_iter().map(|event| (event.kind, event.at.0)).collect()
    }

    async fn known(&self) -> Known {
        work::known(&self.store.worker, self.machine).await.expect("read").remove("c1").unwrap_or_default()
    }
}

fn place() -> EnvironmentName {
    "local".parse().expect("a name")
}

fn ask(filter: &EventFilter) -> Ask {
    Ask::read(filter, Millis(1_795_166_400_000)).expect("a filter")
}

/// An event of `c1` at some millisecond.
fn event(kind: EventKind, at: i64) -> Happened {
    Happened { name: "web".into(), image: "web:1".into(), ..Happened::new(kind, at * 1_000_000 + 7, "c1") }
}

fn died(at: i64, exit_code: i64) -> Happened {
    Happened { exit_code: Some(exit_code), ..event(EventKind::Died, at) }
}

/// What nobody heard is known to the millisecond.
fn found(happened: Happened) -> Happened {
    Happened { nanos: happened.nanos - 7, recovered: true, ..happened }
}

#[tokio::test]
async fn what_is_told_again_changes_nothing() {
    let shop = Shop::open().await;
    let heard = [event(EventKind::Created, 10), event(EventKind::Started, 20), died(30, 3), event(EventKind::Removed, 40)];
    shop.record(&heard[..3]).await;
    assert_eq!(
        shop.known().await,
        Known { name: "web".into(), image: "web:1".into(), started: Some(Millis(20)), died: Some(Millis(30)), starts: 1, deaths: 1 }
    );
    shop.record(&heard).await;
    shop.record(&heard[1..]).await;
    let seen = shop.seen().await;
    let kinds: Vec<EventKind> = seen.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Created, EventKind::Started, EventKind::Died, EventKind::Removed]);
    assert_eq!((seen[2].exit_code, seen[2].task, seen[2].slot, seen[2].revision), (Some(3), Some(shop.task.id), Some(1), Some(1)));
    assert_eq!(seen[2].service.as_ref(), Some(&shop.service));
    let cursor = work::cursor(&shop.store.worker, shop.machine).await.expect("read");
    assert_eq!(cursor, Some(Cursor { nanos: 40_000_007, listened_at: shop.store.platform.now() }));
    assert!(work::known(&shop.store.worker, shop.machine).await.expect("read").is_empty(), "what is removed is no longer there to be compared");
}

#[tokio::test]
async fn an_end_is_there_once_whether_it_was_heard_or_found_out_first() {
    let shop = Shop::open().await;
    shop.record(&[event(EventKind::Started, 20)]).await;
    shop.record(&[found(died(30, 3))]).await;
    shop.record(&[died(31, 3)]).await;
    assert_eq!(shop.kinds().await, [(EventKind::Started, 20), (EventKind::Died, 30)], "it was found out first");
    shop.record(&[event(EventKind::Started, 40), died(51, 3)]).await;
    shop.record(&[found(died(50, 3))]).await;
    assert_eq!(shop.kinds().await[2..], [(EventKind::Started, 40), (EventKind::Died, 51)], "it was heard first");
    shop.record(&[event(EventKind::Started, 60), died(61, 3), event(EventKind::Started, 62), died(63, 3)]).await;
    assert_eq!(shop.kinds().await.len(), 8, "lives may be short");
    let known = shop.known().await;
    assert_eq!((known.starts, known.deaths, known.died), (4, 4, Some(Millis(63))));
}

#[tokio::test]
async fn the_last_end_is_put_right_when_the_engine_shows_another_code() {
    let shop = Shop::open().await;
    shop.record(&[event(EventKind::Started, 10), died(20, 255), event(EventKind::Started, 30), died(40, 255)]).await;
    let correct = async |code: i64, signal: Option<i64>| {
        let shown = [("c1".to_owned(), (code, signal)), ("c9".to_owned(), (1, None))].into_iter().collect();
        work::correct_ends(&shop.store.worker, shop.machine, &shown).await.expect("read, and put right");
        let ends = shop.seen().await.into_iter().filter(|event| event.kind == EventKind::Died);
        ends.map(|event| (event.exit_code, event.signal, event.text)).collect::<Vec<_>>()
    };
    let first = (Some(255), None, String::new());
    assert_eq!(correct(255, None).await, [first.clone(), first.clone()], "it is as it was told");
    let text = String::from("the engine told 255 before it went away, and shows 4");
    assert_eq!(correct(4, None).await, [first.clone(), (Some(4), None, text.clone())]);
    assert_eq!(correct(143, Some(15)).await, [first, (Some(143), Some(15), text)], "what is said stays");
}

#[tokio::test]
async fn want_of_memory_is_told_in_either_order() {
    let shop = Shop::open().await;
    shop.record(&[event(EventKind::OutOfMemory, 20)]).await;
    shop.record(&[died(21, 137)]).await;
    shop.record(&[event(EventKind::Started, 100_000), died(100_021, 137)]).await;
    shop.record(&[event(EventKind::OutOfMemory, 100_022)]).await;
    shop.record(&[event(EventKind::Started, 200_000), died(200_100, 137), died(300_000, 1)]).await;
    let ends: Vec<bool> = shop.seen().await.into_iter().filter(|event| event.kind == EventKind::Died).map(|event| event.oom).collect();
    assert_eq!(ends, [true, true, false, false]);
}

#[tokio::test]
async fn what_slipway_ends_is_planned_and_what_bears_a_name_of_ours_is_ours_until_another_is_recorded() {
    let shop = Shop::open().await;
    shop.record(&[died(10, 1)]).await;
    tasks::task_stopping(&shop.store.worker, shop.task.id).await.expect("recorded");
    shop.record(&[event(EventKind::Started, 20), died(30, 143)]).await;
    let planned: Vec<bool> = shop.seen().await.into_iter().map(|event| event.planned).collect();
    assert_eq!(planned, [false, false, true]);
    let claims = |container: &str, task: TaskId| Happened { claimed: Some(task), container: container.into(), ..event(EventKind::Started, 40) };
    shop.record(&[claims("c2", shop.task.id)]).await;
    assert_eq!(shop.seen().await.len(), 3, "its container is another one");
    let mut write = shop.store.platform.bookkeeping().await.expect("a transaction");
    write.exec("UPDATE tasks SET container = NULL WHERE id = $1", crate::args![shop.task.id]).await.expect("forgotten");
    write.finish().await.expect("kept");
    shop.record(&[claims("c3", shop.task.id)]).await;
    assert_eq!(shop.seen().await.last().and_then(|event| event.container.clone()).as_deref(), Some("c3"), "it starts before that is recorded");
}

#[tokio::test]
async fn containers_made_by_hand_are_seen_by_operators_alone() {
    let shop = Shop::open().await;
    let other = Happened { name: "db".into(), image: "postgres".into(), ..Happened::new(EventKind::Created, 5_000_000, "f1") };
    shop.record(&[other, event(EventKind::Started, 20)]).await;
    assert_eq!(shop.seen().await.len(), 1);
    let visible = |actor: &Actor| actor.visible::<can::SeeServices>().expect("allowed");
    let platform = &shop.store.platform;
    let operator = shop.store.person("root", true).await;
    for actor in [&shop.ana, &operator] {
        let all = list(platform, &visible(actor), None, &ask(&EventFilter::default())).await.expect("read");
        assert_eq!(all.items.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Started]);
    }
    let stranger = shop.store.person("eve", false).await;
    assert!(list(platform, &visible(&stranger), None, &ask(&EventFilter::default())).await.expect("read").items.is_empty());
    let may = operator.may(platform, &Site).await.expect("allowed");
    for (environment, found) in [("", vec!["web", "db"]), ("local", vec!["web", "db"]), ("elsewhere", Vec::new())] {
        let asked = ask(&EventFilter { environment: environment.into(), others: "true".into(), ..EventFilter::default() });
        assert!(asked.others());
        let all = list(platform, &visible(&operator), Some(&may), &asked).await.expect("read");
        assert_eq!(all.items.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), found, "in {environment:?}");
    }
    let asked = ask(&EventFilter { others: "true".into(), ..EventFilter::default() });
    assert!(matches!(of_service(platform, &shop.may().await, &asked).await, Err(Error::Invalid(_))), "a service has none of them");
    let name: MachineName = "local".parse().expect("a name");
    let (machine, events) = of_machine(platform, &may, &name, &ask(&EventFilter::default())).await.expect("read");
    assert_eq!((machine, events.items.len()), (shop.machine, 2));
    assert_eq!((events.items[1].name.as_str(), events.items[1].project.as_ref()), ("db", None));
}

#[tokio::test]
async fn pages_lead_in_both_directions_and_filters_hold() {
    let shop = Shop::open().await;
    let many: Vec<Happened> = (1..=10).flat_map(|n| [event(EventKind::Started, n * 10), died(n * 10 + 5, n)]).collect();
    shop.record(&many).await;
    let platform = &shop.store.platform;
    let may = shop.may().await;
    let page = async |filter: EventFilter| of_service(platform, &may, &ask(&filter)).await.expect("read");
    let limited = |after: Option<String>, before: Option<String>| EventFilter {
        after: after.unwrap_or_default(),
        before: before.unwrap_or_default(),
        limit: Some(8),
        ..EventFilter::default()
    };
    let first = page(limited(None, None)).await;
    assert_eq!((first.items.len(), first.items[0].at, &first.previous), (8, Millis(105), &None));
    let second = page(limited(first.next.clone(), None)).await;
    let third = page(limited(second.next.clone(), None)).await;
    assert_eq!((third.items.len(), &third.next), (4, &None));
    let back = page(limited(None, third.previous)).await;
    assert_eq!(back.items, second.items);
    let newest = page(limited(None, back.previous)).await;
    assert_eq!((&newest.items, &newest.previous), (&first.items, &None));
    let of_kind =
        page(EventFilter { kind: "died".into(), since: "1970-01-01T00:00:00.050Z".into(), until: "0.080".into(), ..EventFilter::default() }).await;
    assert_eq!(of_kind.items.iter().map(|event| event.at.0).collect::<Vec<_>>(), [75, 65, 55]);
    let of_task = page(EventFilter { task: TaskId::from(uuid::Uuid::from_u128(7)).to_string(), ..EventFilter::default() }).await;
    assert!(of_task.items.is_empty());
}

#[test]
fn a_filter_that_is_wrong_names_its_field() {
    let wrong = |filter: EventFilter| match Ask::read(&filter, Millis(0)) {
        Err(Error::Invalid(fields)) => fields[0].field.clone(),
        other => panic!("{other:?}"),
    };
    let with = |change: fn(&mut EventFilter)| {
        let mut filter = EventFilter::default();
        change(&mut filter);
        wrong(filter)
    };
    assert_eq!(with(|filter| filter.kind = "exploded".into()), "kind");
    assert_eq!(with(|filter| filter.task = "1".into()), "task");
    assert_eq!(with(|filter| filter.since = "yesterday".into()), "since");
    assert_eq!(with(|filter| filter.until = "-".into()), "until");
    assert_eq!(with(|filter| filter.after = "12".into()), "after");
    assert_eq!(with(|filter| filter.environment = "No Such".into()), "environment");
    assert_eq!(with(|filter| filter.others = "all".into()), "others");
}

#[tokio::test]
async fn marks_are_few_however_much_happened() {
    let shop = Shop::open().await;
    let now = shop.store.platform.now();
    let start = now.0 - 1_000_000;
    shop.record(&[event(EventKind::Started, start), Happened { oom: true, ..died(start + 10, 137) }]).await;
    work::probed(&shop.store.worker, &shop.task, TaskHealth::Unhealthy, Some("answered 500".into())).await.expect("recorded");
    let may = shop.may().await;
    let environment = shop.task.key.environment;
    let read = async || marks(&shop.store.platform, &may, environment, Millis(start - 1), now).await.expect("read");
    let few = read().await;
    let kinds: Vec<MarkKind> = few.iter().map(|mark| mark.kind).collect();
    assert!(kinds.contains(&MarkKind::Deployment) && kinds.contains(&MarkKind::Unhealthy), "{few:?}");
    assert_eq!((kinds[0], few[0].ms), (MarkKind::OutOfMemory, start + 10));
    let deployment = few.iter().find(|mark| mark.kind == MarkKind::Deployment).and_then(|mark| mark.link.clone()).expect("a link");
    assert!(deployment.starts_with("/projects/shop/services/web/deployments/"), "{deployment}");
    for round in 0..3 {
        let at = start + 1_000 + round * 300_000;
        let many: Vec<Happened> = (0..60).flat_map(|n| [event(EventKind::Started, at + n * 10), died(at + n * 10 + 5, 1)]).collect();
        shop.record(&many).await;
    }
    let some = read().await;
    assert_eq!(some.len(), few.len() + 180, "as many as there is room for");
    let at = start + 950_000;
    shop.record(&(0..60).flat_map(|n| [event(EventKind::Started, at + n * 10), died(at + n * 10 + 5, 1)]).collect::<Vec<_>>()).await;
    let summed = read().await;
    assert!(summed.len() <= marks::MOST, "{}", summed.len());
    let restarts = summed.iter().filter(|mark| mark.kind == MarkKind::Restart);
    let count: i64 = restarts.map(|mark| mark.text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)).sum();
    assert_eq!(count, 240, "none is lost");
}

#[tokio::test]
async fn a_machines_charts_have_the_marks_of_what_happened_there() {
    let shop = Shop::open().await;
    let platform = &shop.store.platform;
    let (now, machine) = (platform.now(), shop.store.machine().await);
    let gap = Happened { text: "the engine was away".into(), recovered: true, ..Happened::new(EventKind::Gap, (now.0 - 60_000) * 1_000_000, "") };
    shop.record(&[gap, event(EventKind::Started, now.0 - 50_000), died(now.0 - 40_000, 1)]).await;
    let oda = shop.store.person("oda", true).await;
    let may = oda.may(platform, &Site).await.expect("allowed");
    let read = async |to: Millis| marks::of_machine(platform, &may, &machine, Millis(now.0 - 600_000), to).await.expect("read");
    let kinds = async || read(now).await.into_iter().map(|mark| mark.kind).collect::<Vec<_>>();
    assert_eq!(kinds().await, [MarkKind::Engine], "no deployment made a task there, and what tasks do stands at their services");

    let mut write = platform.bookkeeping().await.expect("a transaction");
    let alert: AlertId = platform.new_id();
    let sql =
        "INSERT INTO alerts (id, fingerprint, rule_id, rule, of_site, severity, environment_id, machine_id, subject, state, summary, link, since,
               fired_at, told) VALUES ($1, 'f', 'r', 'Disk nearly full', $2, 'critical', $3, $4, '{}', 'firing', 'disk is full', '/', $5, $5, $2)";
    let fired = Millis(now.0 - 30_000);
    write.exec(sql, crate::args![alert, true, machine.environment_id, machine.id, fired]).await.expect("an alert");
    write.exec("UPDATE tasks SET deployment_id = (SELECT id FROM deployments)", crate::args![]).await.expect("it made the task");
    write.exec("UPDATE machines SET state = 'away', since = $1", crate::args![Millis(now.0 - 20_000)]).await.expect("it went away");
    write.finish().await.expect("kept");
    let all = read(now).await;
    let told: Vec<(MarkKind, &str)> = all.iter().map(|mark| (mark.kind, mark.text.as_str())).collect();
    assert_eq!(
        told[..3],
        [
            (MarkKind::Engine, "the engine was away"),
            (MarkKind::Alert, "Disk nearly full: disk is full"),
            (MarkKind::Engine, "its engine does not answer since then"),
        ]
    );
    let deployment = &all[3];
    assert!(deployment.kind == MarkKind::Deployment && deployment.text.starts_with("shop/web: deploy of revision 1 by ana"), "{all:?}");
    assert!(deployment.link.as_ref().is_some_and(|link| link.starts_with("/projects/shop/services/web/deployments/")), "{all:?}");
    assert_eq!(all[0].link.as_deref(), Some("/admin/environments/local/machines/local/events?kind=gap"));
    assert_eq!(read(Millis(now.0 - 45_000)).await.len(), 1, "of that time alone");
}

#[tokio::test]
async fn events_go_when_they_are_old() {
    let shop = Shop::open().await;
    let now = shop.store.platform.now().0;
    shop.record(&[event(EventKind::Started, now - 91 * 86_400_000), died(now, 1)]).await;
    assert_eq!(work::tidy(&shop.store.worker).await.expect("tidied"), 1);
    assert_eq!(shop.kinds().await, [(EventKind::Died, now)]);
    assert_eq!(shop.known().await.starts, 1, "what is compared with the engine is not forgotten");
    shop.store.clock.advance(Duration::from_secs(91 * 86_400));
    assert_eq!(work::tidy(&shop.store.worker).await.expect("tidied"), 1);
}
