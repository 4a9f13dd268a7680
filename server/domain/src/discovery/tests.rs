use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::access::{Role, Scope};
use model::descriptor::Descriptor;
use model::ids::{EnvironmentId, ProjectId, ServiceId, UserId};
use model::names::{ProjectName, ServiceName};
use model::time::Millis;
use model::views::discovery::{DiscoveredService, Standing};
use model::views::services::{TaskHealth, TaskState};

use super::index::{Entry, Index};
use super::load::{joined, reached};
use super::work::Follower;
use super::{Filter, Reader};
use crate::access::{Actor, can};
use crate::deployments::work::{End, NewTask, TaskWork, WorkKey};
use crate::deployments::{self, Intent, Request, work};
use crate::error::Error;
use crate::services::{self, ServiceKey};
use crate::testing::Store;

const WEB: &str = "image: web:1\nreplicas: 2\nports: [{name: http, container: 8080}, {name: dns, container: 53, protocol: udp}]
health: {http: {port: 8080, path: /}}\nroutes: [{host: App.example.com, port: http}]\nresources: {cpus: 0.5, memory: 64MiB}
metrics: {port: 8080, path: /figures, names: [up]}";

/// A project with a service that is brought somewhere, and the loop that follows it.
struct Shop {
    store: Store,
    ana: Actor,
    project: ProjectName,
    service: ServiceName,
    follower: Follower,
}

impl Shop {
    async fn open() -> Self {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let project = store.project("shop", &ana, Role::Developer).await;
        store.image(&project, "web", "1", 'a').await;
        let service: ServiceName = "web".parse().expect("a name");
        services::create(&store.platform, &store.may(&ana, &project).await, &service).await.expect("created");
        let follower = Follower::new(&store.worker);
        Self { store, ana, project, service, follower }
    }

    /// Brings a descriptor there; what it makes is up to the test.
    async fn deploy(&self, text: &str) {
        self.store.later(1);
        let key = ServiceKey { project: &self.project, service: &self.service };
        let may = self.ana.may::<can::Deploy, _>(&self.store.platform, &key).await.expect("allowed");
        let request = Request { intent: Intent::default(), descriptor: Descriptor::parse(text).expect("a descriptor") };
        deployments::deploy(&self.store.platform, &may, &request).await.expect("deployed");
    }

    async fn key(&self) -> WorkKey {
        let key = ServiceKey { project: &self.project, service: &self.service };
        let may = self.ana.may::<can::SeeServices, _>(&self.store.platform, &key).await.expect("allowed");
        WorkKey { service: may.id, environment: self.store.machine().await.environment_id }
    }

    /// A task of what should run that runs, and is not yet healthy where there is a check.
    async fn task(&self, slot: i64) -> TaskWork {
        let work = work::load(&self.store.worker, self.key().await).await.expect("loaded").expect("something was deployed");
        let target = work.target().expect("something should run");
        let deployment = target.deployment.map(|deployment| deployment.id);
        let new = NewTask { key: work.key, revision: target.revision, deployment, machine: &work.machines[0], slot, run: None };
        let task = work::create_task(&self.store.worker, &new).await.expect("made");
        let now = self.store.platform.now();
        work::task_running(&self.store.worker, task.id, &format!("c{slot}"), Some("10.208.0.2"), now).await.expect("recorded");
        task
    }

    async fn healthy(&self, task: &TaskWork) {
        work::task_health(&self.store.worker, task.id, TaskHealth::Healthy).await.expect("recorded");
    }

    /// Waits for news, and reads what is due.
    async fn look(&mut self) -> bool {
        self.follower.news().await;
        self.follower.tend(&self.store.worker).await.expect("read")
    }

    async fn reader(&self) -> Reader {
        Reader::open(&self.store.platform, &self.ana).await.expect("allowed")
    }
}

fn only(reader: &mut Reader) -> (u64, Arc<DiscoveredService>) {
    let found = reader.find(&Filter::default());
    let [one] = found.services.as_slice() else { panic!("one service: {found:?}") };
    (found.index, Arc::clone(one))
}

#[tokio::test]
async fn a_task_is_told_from_when_it_serves_until_it_has_ended() {
    let mut shop = Shop::open().await;
    assert!(shop.follower.tend(&shop.store.worker).await.expect("read"), "that there is nothing is known now");
    let mut reader = shop.reader().await;
    let nothing = reader.find(&Filter::default());
    assert!(nothing.services.is_empty() && nothing.index > 0);
    shop.deploy(WEB).await;
    let task = shop.task(1).await;
    assert!(!shop.look().await, "it runs, and nobody knows how it does");
    shop.healthy(&task).await;
    assert!(shop.look().await);
    reader.changed().await.expect("told");
    let (serving, web) = only(&mut reader);
    assert!(serving > nothing.index && web.index == serving);
    assert_eq!((web.service.as_str(), web.environment.as_str(), web.tcp_ports.as_slice()), ("web", "local", &["http".to_owned()][..]));
    let [found] = web.tasks.as_slice() else { panic!("one task: {web:?}") };
    assert_eq!((found.id, found.state, found.revision, found.weight), (task.id, Standing::Serving, 1, 5));
    let http = found.ports.iter().find(|port| port.name == "http").expect("the port");
    // The machine of the test publishes for itself alone.
    assert!(http.address.starts_with("127.0.0.1:2"), "{http:?}");
    assert_eq!((http.container_address.as_deref(), http.metrics_path.as_deref()), (Some("10.208.0.2:8080"), Some("/figures")));
    let route = &web.routes[0];
    assert_eq!((route.host.as_str(), route.path.as_str(), route.port.as_str(), &route.revisions), ("app.example.com", "/", "http", &vec![1]));

    work::task_stopping(&shop.store.worker, task.id).await.expect("recorded");
    assert!(shop.look().await);
    let (draining, web) = only(&mut reader);
    assert!(draining > serving && web.tasks[0].state == Standing::Draining, "{web:?}");
    let end = End { state: TaskState::Ended, exit_code: Some(0), reason: None };
    work::task_ended(&shop.store.worker, task.id, &end).await.expect("recorded");
    assert!(shop.look().await);
    let found = reader.find(&Filter::default());
    assert!(found.services.is_empty() && found.index > draining, "it was never brought to its end, and nothing of it is left: {found:?}");
}

#[tokio::test]
async fn what_fails_its_check_or_is_started_again_is_not_told() {
    let mut shop = Shop::open().await;
    shop.deploy(WEB).await;
    let (one, two) = (shop.task(1).await, shop.task(2).await);
    shop.healthy(&one).await;
    shop.healthy(&two).await;
    shop.follower.tend(&shop.store.worker).await.expect("read");
    let mut reader = shop.reader().await;
    assert_eq!(only(&mut reader).1.tasks.len(), 2);
    work::task_health(&shop.store.worker, one.id, TaskHealth::Unhealthy).await.expect("recorded");
    assert!(shop.look().await);
    assert_eq!(only(&mut reader).1.tasks.iter().map(|task| task.id).collect::<Vec<_>>(), [two.id]);
    let reason = model::views::deployments::Reason::new("exited", "it ended");
    work::task_restarting(&shop.store.worker, two.id, Some(1), 1, &reason).await.expect("recorded");
    assert!(shop.look().await);
    assert!(reader.find(&Filter::default()).services.iter().all(|service| service.tasks.is_empty()));
}

#[tokio::test]
async fn readers_see_their_projects_with_the_scope_alone_and_lose_them_with_their_role() {
    let mut shop = Shop::open().await;
    shop.deploy(WEB).await;
    let task = shop.task(1).await;
    shop.healthy(&task).await;
    shop.follower.tend(&shop.store.worker).await.expect("read");
    let platform = &shop.store.platform;
    let count = async |actor: &Actor| Reader::open(platform, actor).await.map(|mut reader| reader.find(&Filter::default()).services.len());
    let stranger = shop.store.person("eve", false).await;
    let operator = shop.store.person("root", true).await;
    assert_eq!(count(&stranger).await.expect("allowed"), 0);
    assert_eq!(count(&operator).await.expect("allowed"), 1);
    assert_eq!(count(&shop.ana.clone().limited_to([Scope::Discovery])).await.expect("allowed"), 1);
    assert!(matches!(count(&shop.ana.clone().limited_to([Scope::Read, Scope::Metrics])).await, Err(Error::Forbidden(_))));
    assert!(matches!(count(&Actor::nobody("192.0.2.1")).await, Err(Error::Unauthenticated)));
    let narrow = shop.ana.clone().limited_to([Scope::Discovery]);
    assert!(matches!(narrow.may::<can::SeeServices, _>(platform, &shop.project).await, Err(Error::Forbidden(_))), "and nothing else");

    let mut reader = shop.reader().await;
    let before = reader.find(&Filter::default());
    assert_eq!(before.services.len(), 1);
    let mut change = platform.change(&operator).await.expect("a transaction");
    change.exec("DELETE FROM members", crate::args![]).await.expect("gone");
    change.access_changed();
    change.commit(crate::Record::new("test", "member", "ana")).await.expect("kept");
    tokio::time::timeout(Duration::from_secs(60), reader.changed()).await.expect("in time").expect("an account still");
    let after = reader.find(&Filter::default());
    assert!(after.services.is_empty() && after.index > before.index, "{before:?} {after:?}");
}

#[tokio::test]
async fn what_gets_requests_is_known_for_longer_than_a_reader_waits() {
    let mut shop = Shop::open().await;
    shop.deploy(WEB).await;
    let task = shop.task(1).await;
    shop.healthy(&task).await;
    shop.follower.tend(&shop.store.worker).await.expect("read");
    let service = shop.key().await.service;
    let followed = || super::work::is_followed(&shop.store.worker, service);
    let mut reader = shop.reader().await;
    let found = reader.find(&Filter::default());
    assert!(!followed(), "nobody said so");
    reader.sends_to(&found, |service| service.routes.is_empty());
    assert!(!followed(), "it is none of those");
    reader.sends_to(&found, |_| true);
    assert!(followed());
    shop.store.later(301);
    assert!(followed(), "a reader that waits for the longest time is there still");
    shop.store.later(120);
    assert!(!followed());
}

#[tokio::test]
async fn a_route_stands_with_the_revisions_that_have_it() {
    let mut shop = Shop::open().await;
    shop.deploy(WEB).await;
    let old = shop.task(1).await;
    shop.healthy(&old).await;
    let id = shop.unfinished().await;
    for state in [model::views::deployments::DeploymentState::Rolling, model::views::deployments::DeploymentState::Succeeded] {
        assert!(work::advance(&shop.store.worker, id, state, None).await.expect("recorded"));
    }
    shop.deploy(&WEB.replace("port: http}]", "port: http}, {host: new.example.com, path: /x, port: http, tls: true}]")).await;
    let new = shop.task(1).await;
    shop.healthy(&new).await;
    shop.follower.tend(&shop.store.worker).await.expect("read");
    let (_, web) = only(&mut shop.reader().await);
    let routes: Vec<(&str, bool, &[i64])> = web.routes.iter().map(|route| (route.host.as_str(), route.tls, route.revisions.as_slice())).collect();
    assert_eq!(routes, [("app.example.com", false, &[1, 2][..]), ("new.example.com", true, &[2][..])]);
    assert_eq!(web.tasks.iter().map(|task| task.revision).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_route_with_a_host_of_another_project_is_told_nowhere() {
    let mut shop = Shop::open().await;
    shop.store.project("other", &shop.ana, Role::Developer).await;
    shop.deploy(&WEB.replace("port: http}]", "port: http}, {host: new.example.com, port: http}]")).await;
    let task = shop.task(1).await;
    shop.healthy(&task).await;
    let mut write = shop.store.platform.bookkeeping().await.expect("a transaction");
    let sql = "UPDATE route_hosts SET project_id = (SELECT id FROM projects WHERE name = 'other') WHERE host = 'app.example.com'";
    assert_eq!(write.exec(sql, crate::args![]).await.expect("given away"), 1, "a host is kept in lower case");
    write.finish().await.expect("kept");
    shop.follower.tend(&shop.store.worker).await.expect("read");
    let (_, web) = only(&mut shop.reader().await);
    assert_eq!(web.routes.iter().map(|route| route.host.as_str()).collect::<Vec<_>>(), ["new.example.com"]);
    assert_eq!(web.tasks.len(), 1);
}

impl Shop {
    async fn unfinished(&self) -> model::ids::DeploymentId {
        let work = work::load(&self.store.worker, self.key().await).await.expect("loaded").expect("something was deployed");
        work.deployment.expect("a deployment").id
    }
}

#[test]
fn addresses_are_those_that_others_reach() {
    assert_eq!(reached("docker1.example".into(), "0.0.0.0"), "docker1.example");
    assert_eq!(reached("203.0.113.5".into(), "10.0.0.5"), "203.0.113.5");
    assert_eq!(reached("10.0.0.5".into(), "127.0.0.1"), "127.0.0.1", "nobody else reaches it anyway");
    assert_eq!(joined("10.0.0.5", 80), "10.0.0.5:80");
    assert_eq!(joined("2001:db8::1", 80), "[2001:db8::1]:80");
    assert_eq!(joined("docker1.example", 80), "docker1.example:80");
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u32) -> T {
    format!("0192f0c1-7c1e-7b44-8d2a-{number:012x}").parse().expect("an id")
}

fn entry(project: u32, port: &str) -> Entry {
    let service = DiscoveredService {
        project: format!("p{project}").parse().expect("a name"),
        service: "web".parse().expect("a name"),
        environment: "local".parse().expect("a name"),
        index: 0,
        tcp_ports: vec![port.to_owned()],
        routes: Vec::new(),
        tasks: Vec::new(),
    };
    Entry { project: id::<ProjectId>(project), service: Arc::new(service) }
}

#[test]
fn numbers_only_grow_and_tell_a_project_nothing_of_another() {
    let index = Index::default();
    let latest = index.follow();
    let find = |project: u32| latest.borrow().find(&[id::<ProjectId>(project)].into(), 0, &Filter::default()).index;
    let key = |service: u32| (id::<ServiceId>(service), id::<EnvironmentId>(9));
    let all = |entries: Vec<(u32, Entry)>| entries.into_iter().map(|(service, entry)| (key(service), entry)).collect::<BTreeMap<_, _>>();
    assert!(!latest.borrow().is_known());
    assert!(index.put(Millis(1000), None, &all(vec![(1, entry(1, "a")), (2, entry(2, "a"))])));
    assert_eq!((find(1), find(2), find(3)), (1000, 1000, 1000));
    assert!(!index.put(Millis(2000), None, &all(vec![(1, entry(1, "a")), (2, entry(2, "a"))])), "nothing is different");
    // The clock went back.
    let first = BTreeSet::from([key(1).0]);
    assert!(index.put(Millis(500), Some(&first), &all(vec![(1, entry(1, "b"))])));
    assert_eq!((find(1), find(2)), (1001, 1000));
    assert!(index.put(Millis(3000), Some(&first), &BTreeMap::new()), "it is gone, the other was not looked at");
    assert_eq!((find(1), find(2)), (3000, 1000));
    assert!(!index.put(Millis(4000), Some(&first), &BTreeMap::new()));
    assert_eq!(latest.borrow().find(&[id::<ProjectId>(2)].into(), 0, &Filter::default()).services.len(), 1);

    // Who asks for one hears of that one.
    let exact = Filter { project: "p2".parse().ok(), service: "web".parse().ok(), environment: "local".parse().ok() };
    let other = DiscoveredService { service: "api".parse().expect("a name"), ..DiscoveredService::clone(&entry(2, "a").service) };
    let other = Entry { project: id::<ProjectId>(2), service: Arc::new(other) };
    assert!(index.put(Millis(5000), Some(&BTreeSet::from([key(3).0])), &all(vec![(3, other)])));
    assert_eq!((find(2), latest.borrow().find(&[id::<ProjectId>(2)].into(), 0, &exact).index), (5000, 1000));
}

#[test]
fn which_projects_an_account_sees_is_a_change_of_its_own() {
    let index = Index::default();
    let latest = index.follow();
    let projects = |numbers: &[u32]| numbers.iter().map(|number| id::<ProjectId>(*number)).collect::<std::collections::HashSet<_>>();
    let key = |service: u32| (id::<ServiceId>(service), id::<EnvironmentId>(9));
    let (ana, bob) = (id::<UserId>(1), id::<UserId>(2));
    // What a reader finds who sees these projects at this moment.
    let find = |now: i64, account: UserId, seen: &[u32]| {
        let projects = projects(seen);
        let since = index.seen(Millis(now), account, &projects);
        latest.borrow().find(&projects, since, &Filter::default()).index
    };
    assert!(index.put(Millis(1000), None, &BTreeMap::from([(key(1), entry(1, "a")), (key(2), entry(2, "a"))])));
    assert_eq!((find(1000, ana, &[1]), find(1000, bob, &[1, 2])), (1000, 1000));
    assert!(index.put(Millis(2000), Some(&BTreeSet::from([key(1).0])), &BTreeMap::from([(key(1), entry(1, "b"))])));
    assert_eq!(find(2000, ana, &[1]), 2000);
    // The other project changed last when ana did not see it.
    let given = find(3000, ana, &[1, 2]);
    assert!(given > 2000, "{given}");
    assert_eq!(find(3500, ana, &[1, 2]), given, "nothing else changed since");
    assert_eq!(find(3500, bob, &[1, 2]), 2000, "nor anything for others");
    let lost = find(4000, ana, &[2]);
    assert!(lost > given, "the project that is left changed long ago: {lost}");
    // What changes after it is later, also when the clock went back.
    assert!(index.put(Millis(10), Some(&BTreeSet::from([key(2).0])), &BTreeMap::from([(key(2), entry(2, "c"))])));
    assert!(find(10, ana, &[2]) > lost);

    // A reader that does not know yet of another project tells no number that one which does has told or will tell.
    let before = index.seen(Millis(5000), ana, &projects(&[2]));
    assert_eq!(index.seen_otherwise(ana, before), None);
    let after = index.seen(Millis(5000), ana, &projects(&[1, 2]));
    assert_eq!((index.seen_otherwise(ana, before), index.seen_otherwise(ana, after)), (Some(after), None));

    // An account that was forgotten is told a number that it was never told.
    let told = find(6000, bob, &[1, 2]);
    let days = 3 * 24 * 60 * 60 * 1000;
    assert!(find(days, id::<UserId>(3), &[1]) > 0);
    assert!(find(days, bob, &[1, 2]) > told);
}
