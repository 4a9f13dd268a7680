use std::time::Duration;

use model::access::Role;
use model::descriptor::Descriptor;
use model::ids::{EnvironmentId, RevisionId, ServiceId, TaskId};
use model::page::PageRequest;
use model::status::{ComponentState, IncidentForm, IncidentState, LegacyForm, PageForm, UpdateForm};

use super::work::{self, Aim, Found, RunFound};
use super::{Managing, create, create_legacy, list, put_page, remove, say};
use crate::args;
use crate::testing::Store;

mod floods;

struct Scene {
    store: Store,
    may: Managing,
    site: Managing,
    environment: EnvironmentId,
}

impl Scene {
    async fn new() -> Self {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let root = store.person("root", true).await;
        let shop = store.project("shop", &ana, Role::Admin).await;
        let may = Managing::of(&store.platform, &ana, Some(&shop)).await.expect("allowed");
        let site = Managing::of(&store.platform, &root, None).await.expect("allowed");
        let environment = store.machine().await.environment_id;
        Self { store, may, site, environment }
    }

    /// A service of project `shop` that runs, as far as the database knows.
    async fn service(&self, name: &str, descriptor: &str) -> ServiceId {
        let platform = &self.store.platform;
        let (service, revision): (ServiceId, RevisionId) = (platform.new_id(), platform.new_id());
        let descriptor = Descriptor::parse(descriptor).expect("a descriptor").canonical();
        let project = self.may.project_id();
        let mut write = platform.bookkeeping().await.expect("a transaction");
        let sql = "INSERT INTO services (id, project_id, name, created_at, created_by) VALUES ($1, $2, $3, 1, 'ana')";
        write.exec(sql, args![service, project, name]).await.expect("a service");
        let sql = "INSERT INTO revisions (id, service_id, number, descriptor, image, replicas, spec, created_at, created_by, why)
                   VALUES ($1, $2, 1, $3, 'web:secret', 1, 'x', 1, 'ana', '')";
        write.exec(sql, args![revision, service, descriptor]).await.expect("a revision");
        let sql = "INSERT INTO desired (service_id, environment_id, revision_id, state, updated_at) VALUES ($1, $2, $3, 'running', 1)";
        write.exec(sql, args![service, self.environment, revision]).await.expect("it runs");
        write.finish().await.expect("kept");
        service
    }

    /// A round in which everything that is shown answers, or nothing.
    async fn round(&self, good: u32) -> bool {
        self.finds(RunFound { wanted: 1, good, unseen: 0 }).await
    }

    /// A round that finds this of everything that is shown.
    async fn finds(&self, run: RunFound) -> bool {
        let mut things = work::plan(&self.store.worker).await.expect("a plan");
        things.extend(work::plan_legacy(&self.store.worker).await.expect("a plan").things);
        let found: Vec<Found> = things
            .into_iter()
            .map(|thing| Found { thing, runs: vec![run], millis: if run.good > 0 { vec![12] } else { Vec::new() }, why: None })
            .collect();
        let suspects = work::took(&self.store.worker, &found).await.expect("taken");
        work::draw(&self.store.worker).await.expect("drawn");
        !suspects.is_empty()
    }

    /// A round in which every task answers that there should be.
    async fn round_as_wanted(&self) {
        let plan = work::plan(&self.store.worker).await.expect("a plan");
        let answers = |thing: work::Thing| {
            let Aim::Service(runs) = &thing.aim else { panic!("no service: {thing:?}") };
            let runs = runs.iter().map(|run| RunFound { wanted: run.wanted, good: run.wanted, unseen: 0 }).collect();
            Found { thing, runs, millis: vec![12], why: None }
        };
        let found: Vec<Found> = plan.into_iter().map(answers).collect();
        work::took(&self.store.worker, &found).await.expect("taken");
        work::draw(&self.store.worker).await.expect("drawn");
    }

    /// Another environment in which this service runs, as far as the database knows.
    async fn runs_also(&self, service: ServiceId) -> EnvironmentId {
        let id: EnvironmentId = self.store.platform.new_id();
        let mut write = self.store.platform.bookkeeping().await.expect("a transaction");
        let sql = "INSERT INTO environments (id, name, description, registry_address, open_to_all, created_at)
                   VALUES ($1, 'staging', '', '127.0.0.1:1', TRUE, 1)";
        write.exec(sql, args![id]).await.expect("an environment");
        let sql = "INSERT INTO desired (service_id, environment_id, revision_id, state, updated_at)
                   SELECT service_id, $2, revision_id, 'running', 1 FROM desired WHERE service_id = $1";
        write.exec(sql, args![service, id]).await.expect("it runs there too");
        write.finish().await.expect("kept");
        id
    }

    /// Stops what runs in an environment, as far as the database knows.
    async fn stop(&self, environment: EnvironmentId) {
        let mut write = self.store.platform.bookkeeping().await.expect("a transaction");
        write.exec("UPDATE desired SET state = 'stopped' WHERE environment_id = $1", args![environment]).await.expect("stopped");
        write.finish().await.expect("kept");
    }

    fn state(&self, name: &str) -> ComponentState {
        self.store.platform.status().board().component("shop", name).expect("it is shown").state
    }
}

const SHOWN: &str = "{image: web, status_page: {show: true}}";

#[tokio::test]
async fn only_what_opted_in_is_shown_and_a_project_without_it_is_not_there() {
    let scene = Scene::new().await;
    scene.service("secret", "{image: web, env: {A: '\"status_page\":{\"show\":true}'}}").await;
    scene.service("hidden", "{image: web, status_page: {show: false}}").await;
    scene.round(1).await;
    let board = scene.store.platform.status().board();
    assert!(board.view(Some("shop")).is_none());
    assert!(board.view(None).is_some_and(|view| view.groups.is_empty()));
    scene.service("web", SHOWN).await;
    scene.round(1).await;
    let view = scene.store.platform.status().board().view(Some("shop")).expect("a page");
    let names: Vec<&str> = view.groups[0].components.iter().map(|component| component.name.as_str()).collect();
    assert_eq!((names, view.state), (vec!["web"], ComponentState::Operational));
    put_page(&scene.store.platform, &scene.may, &PageForm { hidden: true, ..PageForm::default() }).await.expect("hidden");
    work::draw(&scene.store.worker).await.expect("drawn");
    assert!(scene.store.platform.status().board().view(Some("shop")).is_none());
}

#[tokio::test]
async fn an_outage_is_confirmed_counted_and_kept_over_a_restart() {
    let scene = Scene::new().await;
    scene.service("web", SHOWN).await;
    scene.round(1).await;
    scene.store.later(30);
    assert!(scene.round(0).await, "it is to be looked at again soon");
    assert_eq!(scene.state("web"), ComponentState::Operational);
    scene.store.later(60);
    assert!(!scene.round(0).await);
    assert_eq!(scene.state("web"), ComponentState::Down);
    scene.store.later(30);
    scene.round(1).await;
    let board = scene.store.platform.status().board();
    let component = board.component("shop", "web").expect("it is shown");
    let today = component.days.last().expect("today");
    assert_eq!((component.state, component.uptime, today.down_seconds), (ComponentState::Operational, Some(25.0), 90));
    assert_eq!((component.response_ms, component.responses.last().copied().flatten()), (Some(12), Some(12)));
    scene.store.platform.status().known().histories.clear();
    scene.round(1).await;
    let board = scene.store.platform.status().board();
    assert_eq!(board.component("shop", "web").expect("it is shown").uptime, Some(25.0), "read from the database");
}

#[tokio::test]
async fn what_was_stopped_in_one_environment_works_as_long_as_it_runs_in_another() {
    let scene = Scene::new().await;
    let service = scene.service("web", SHOWN).await;
    let staging = scene.runs_also(service).await;
    scene.round_as_wanted().await;
    assert_eq!(scene.state("web"), ComponentState::Operational);
    scene.stop(staging).await;
    for _ in 0..3 {
        scene.store.later(30);
        scene.round_as_wanted().await;
    }
    let board = scene.store.platform.status().board();
    let component = board.component("shop", "web").expect("it is shown");
    assert_eq!((component.state, component.uptime), (ComponentState::Operational, Some(100.0)), "staging is nobody's outage");
    scene.stop(scene.environment).await;
    for _ in 0..2 {
        scene.store.later(30);
        scene.round_as_wanted().await;
    }
    assert_eq!(scene.state("web"), ComponentState::Down, "it runs nowhere any more");
}

#[tokio::test]
async fn what_nobody_checked_for_minutes_is_not_said_to_work() {
    let scene = Scene::new().await;
    scene.service("web", SHOWN).await;
    scene.round(1).await;
    let (store, status) = (&scene.store, scene.store.platform.status());
    let seen = status.board_at(store.platform.now());
    store.later(150);
    assert_eq!(status.board_at(store.platform.now()).number, seen.number, "a round may take its time");
    store.later(60);
    let board = status.board_at(store.platform.now());
    let view = board.view(Some("shop")).expect("the page stands");
    let component = &view.groups[0].components[0];
    assert_eq!((view.stale, view.state, component.state), (true, ComponentState::Unknown, ComponentState::Unknown));
    assert_eq!((component.since, component.response_ms), (seen.checked_at, None), "not known since then");
    assert!(board.number > seen.number, "what was made of the other one is not handed out");
    assert_eq!(status.board_at(store.platform.now()).number, board.number);
    work::draw(&store.worker).await.expect("drawn");
    assert_eq!(status.board().number, board.number, "the database is there, and still nothing was probed");
    scene.round(1).await;
    let view = status.board_at(store.platform.now()).view(None).expect("a page");
    assert_eq!((view.stale, view.state), (false, ComponentState::Operational));
}

#[tokio::test]
async fn probes_outside_of_containers_do_not_vouch_for_those_inside() {
    let scene = Scene::new().await;
    let (store, worker) = (&scene.store, &scene.store.worker);
    let answers = |thing: work::Thing| Found { thing, runs: vec![RunFound { wanted: 1, good: 1, unseen: 0 }], millis: vec![12], why: None };
    scene.service("web", SHOWN).await;
    let form = LegacyForm { name: "ledger".into(), address: "tcp://10.1.2.3:5432".into(), ..LegacyForm::default() };
    create_legacy(&store.platform, &scene.may, &form).await.expect("registered");
    scene.round(1).await;
    let view = || store.platform.status().board_at(store.platform.now()).view(None).expect("a page");
    assert_eq!((view().stale, view().state), (false, ComponentState::Operational));
    // The loop that probes services stands still.
    for _ in 0..4 {
        store.later(60);
        let found: Vec<Found> = work::plan_legacy(worker).await.expect("a plan").things.into_iter().map(answers).collect();
        work::took(worker, &found).await.expect("taken");
        work::draw(worker).await.expect("drawn");
    }
    assert_eq!((view().stale, view().state), (true, ComponentState::Unknown), "nobody knows how web does");
    scene.round(1).await;
    assert_eq!((view().stale, view().state), (false, ComponentState::Operational));
}

#[tokio::test]
async fn planned_work_is_seen_ahead_costs_nothing_and_ends_by_its_time() {
    let scene = Scene::new().await;
    scene.service("web", SHOWN).await;
    scene.round(1).await;
    let now = scene.store.platform.now();
    let at = |seconds: u64| now.plus(Duration::from_secs(seconds)).rfc3339();
    let form = IncidentForm {
        title: "New disks".into(),
        text: "It is away for a while.".into(),
        starts_at: at(30),
        ends_at: at(90),
        components: vec!["web".into(), "unheard-of".into()],
        ..IncidentForm::default()
    };
    let elsewhere = IncidentForm { components: vec!["unheard-of".into()], ..form.clone() };
    create(&scene.store.platform, &scene.may, &elsewhere).await.expect("planned, for nothing that is shown");
    create(&scene.store.platform, &scene.may, &form).await.expect("planned");
    scene.round(1).await;
    let planned = scene.store.platform.status().board().view(None).expect("a page").maintenances;
    assert_eq!((planned.len(), planned[0].state, planned[0].components.as_slice()), (1, IncidentState::Scheduled, &["shop/web".to_owned()][..]));
    scene.store.later(31);
    scene.round(0).await;
    assert_eq!(scene.state("web"), ComponentState::Maintenance);
    scene.store.later(40);
    scene.round(0).await;
    scene.store.later(40);
    scene.round(1).await;
    let board = scene.store.platform.status().board();
    let view = board.view(Some("shop")).expect("a page");
    assert_eq!((view.maintenances.len(), view.incidents[0].state), (0, IncidentState::Completed));
    assert_eq!(scene.state("web"), ComponentState::Operational);
    let today = view.groups[0].components[0].days.last().expect("today").clone();
    assert!(today.down_seconds <= 40, "the time of the work is nobody's fault: {today:?}");
}

#[tokio::test]
async fn an_alert_proposes_and_somebody_tells() {
    let scene = Scene::new().await;
    let service = scene.service("web", SHOWN).await;
    let platform = &scene.store.platform;
    let alert: TaskId = platform.new_id();
    let mut write = platform.bookkeeping().await.expect("a transaction");
    let sql =
        "INSERT INTO alerts (id, fingerprint, rule_id, rule, of_site, severity, project_id, service_id, subject, state, summary, link, since, told)
               VALUES ($1, 'f', $1, 'r', FALSE, 'critical', $2, $3, '{}', 'firing', 'web:secret on 10.1.2.3 fails', '/', 5, FALSE)";
    write.exec(sql, args![alert, scene.may.project_id(), service]).await.expect("an alert");
    write.finish().await.expect("kept");
    scene.round(1).await;
    assert!(platform.status().board().view(Some("shop")).expect("a page").incidents.is_empty(), "nobody said anything yet");
    let proposed = list(platform, &scene.may, &PageRequest::default()).await.expect("listed").items.remove(0);
    assert_eq!((proposed.public.title.as_str(), proposed.public.state), ("Trouble with web", IncidentState::Proposed));
    let form = UpdateForm { text: "We look into it.".into(), ..UpdateForm::default() };
    say(platform, &scene.may, proposed.public.id, &form).await.expect("said");
    scene.round(1).await;
    let told = platform.status().board().view(None).expect("a page").incidents.remove(0);
    assert_eq!((told.state, told.updates[0].text.as_str()), (IncidentState::Investigating, "We look into it."));
    remove(platform, &scene.may, told.id).await.expect("removed");
    scene.round(1).await;
    assert!(platform.status().board().view(None).expect("a page").incidents.is_empty());
    assert!(list(platform, &scene.may, &PageRequest::default()).await.expect("listed").items.is_empty(), "it is not proposed again");
    assert!(list(platform, &scene.site, &PageRequest::default()).await.expect("listed").items.is_empty());
}

#[tokio::test]
async fn services_outside_of_containers_stand_beside_the_others() {
    let scene = Scene::new().await;
    scene.service("web", SHOWN).await;
    let form = LegacyForm { name: "mainframe".into(), title: "Ledger".into(), address: "tcp://10.1.2.3:5432".into(), hidden: false };
    create_legacy(&scene.store.platform, &scene.may, &form).await.expect("registered");
    let taken = LegacyForm { name: "web".into(), ..form.clone() };
    assert!(create_legacy(&scene.store.platform, &scene.may, &taken).await.is_err(), "a service has this name");
    scene.round(1).await;
    assert_eq!(scene.state("mainframe"), ComponentState::Operational);
    let plan = work::plan_legacy(&scene.store.worker).await.expect("a plan");
    assert!(plan.things.iter().any(|thing| matches!(&thing.aim, Aim::Legacy(address) if address.port == 5432)));
    let text = serde_json::to_string(&scene.store.platform.status().board().view(None)).expect("JSON");
    assert!(text.contains("Ledger") && !text.contains("10.1.2.3") && !text.contains("5432"), "{text}");
}

#[tokio::test]
async fn what_answers_in_part_is_degraded() {
    let scene = Scene::new().await;
    scene.service("web", SHOWN).await;
    let half = RunFound { wanted: 2, good: 1, unseen: 0 };
    for _ in 0..4 {
        scene.finds(half).await;
        scene.store.later(120);
    }
    let board = scene.store.platform.status().board();
    let (site, shop) = (board.view(None).expect("a page"), board.view(Some("shop")).expect("a page"));
    assert_eq!((scene.state("web"), site.state, shop.state), (ComponentState::Degraded, ComponentState::Degraded, ComponentState::Degraded));
    let component = &shop.groups[0].components[0];
    let today = component.days.last().expect("today");
    assert_eq!((today.state, today.down_seconds, component.uptime), (Some(ComponentState::Degraded), 0, Some(100.0)));
}

#[tokio::test]
async fn what_one_loop_found_stays_when_the_other_found_something() {
    let scene = Scene::new().await;
    scene.service("web", SHOWN).await;
    let form = LegacyForm { name: "mainframe".into(), address: "tcp://10.1.2.3:5432".into(), ..LegacyForm::default() };
    create_legacy(&scene.store.platform, &scene.may, &form).await.expect("registered");
    scene.round(1).await;
    let thing = work::plan_legacy(&scene.store.worker).await.expect("a plan").things.remove(0);
    let nothing = RunFound { wanted: 1, good: 0, unseen: 0 };
    let found = [Found { thing, runs: vec![nothing], millis: Vec::new(), why: Some("refused".into()) }];
    let suspects = work::took(&scene.store.worker, &found).await.expect("taken");
    assert_eq!(suspects, [found[0].thing.id.clone()], "it alone is looked at again soon");
    work::took(&scene.store.worker, &found).await.expect("taken");
    work::draw(&scene.store.worker).await.expect("drawn");
    assert_eq!((scene.state("web"), scene.state("mainframe")), (ComponentState::Operational, ComponentState::Down));
}
