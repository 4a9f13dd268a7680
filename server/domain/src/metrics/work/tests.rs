use std::collections::BTreeSet;

use ::metrics::{Metric, Options, Store as Samples, Value};
use model::access::Role;
use model::ids::{EnvironmentId, ProjectId};

use super::*;
use crate::testing::Store;
use crate::usage;

/// A store with samples of these streams.
async fn kept(store: &Store, folder: &tempfile::TempDir, keys: &[Key]) -> Samples {
    let samples = Samples::open(folder.path().join("metrics"), Options::default()).expect("it opens");
    store.platform.plug_metrics(samples.clone());
    let sample = |key: &Key| {
        let member = Member { task: store.platform.new_id(), slot: 1, revision: 1 };
        let member = matches!(key, Key::Service { .. }).then_some(member);
        Sample { key: *key, member, values: vec![Value::new(Metric::Pids, 3.0)] }
    };
    let added = add(&store.worker, vec![(store.platform.now(), keys.iter().map(sample).collect())]).await.expect("kept");
    assert_eq!((added.kept, added.refused), (keys.len() as u64, 0));
    samples
}

async fn write(store: &Store, sql: &'static str, arguments: Vec<crate::db::Value>) {
    let mut change = store.platform.bookkeeping().await.expect("a transaction");
    change.exec(sql, arguments).await.expect("written");
    change.finish().await.expect("kept");
}

async fn project(store: &Store, name: &str) -> ProjectId {
    let somebody = store.person(&format!("of-{name}"), false).await;
    store.project(name, &somebody, Role::Admin).await;
    let mut tx = store.platform.read().await.expect("a transaction");
    tx.one("SELECT id FROM projects WHERE name = $1", args![name], |row: &Row<'_>| row.get("id")).await.expect("its id")
}

async fn service(store: &Store, project: ProjectId, name: &str) -> ServiceId {
    let id: ServiceId = store.platform.new_id();
    let sql = "INSERT INTO services (id, project_id, name, created_at, created_by) VALUES ($1, $2, $3, $4, 'test')";
    write(store, sql, args![id, project, name, store.platform.now()]).await;
    id
}

/// Counts what was used in the hours that are over.
async fn count(store: &Store) {
    while usage::work::tend(&store.worker).await.expect("counted") > 0 {}
}

#[tokio::test]
async fn what_is_of_nobody_any_more_is_taken_away() {
    let (store, folder) = (Store::open().await, tempfile::tempdir().expect("a folder"));
    let (shop, old) = (project(&store, "shop").await, project(&store, "old").await);
    let (web, gone) = (service(&store, shop, "web").await, service(&store, shop, "gone").await);
    let api = service(&store, old, "api").await;
    let stranger = (store.platform.new_id::<ProjectId>(), store.platform.new_id::<ServiceId>());
    let here = store.machine().await.id;
    let environment: EnvironmentId = store.machine().await.environment_id;
    let key = |(project, service)| Key::Service { project, service, environment };
    let keys = [key((shop, web)), key((shop, gone)), key((old, api)), key(stranger), Key::Machine(here)];
    let samples = kept(&store, &folder, &keys).await;

    tidy(&store.worker).await.expect("tidied");
    let held = samples.held().expect("read");
    assert_eq!((held.services.len(), held.machines.len()), (4, 1), "nothing is deleted yet");

    let now = store.platform.now();
    write(&store, "UPDATE services SET deleted_at = $1 WHERE id = $2", args![now, gone]).await;
    write(&store, "UPDATE projects SET deleted_at = $1 WHERE id = $2", args![now, old]).await;
    tidy(&store.worker).await.expect("tidied");
    assert_eq!(samples.held().expect("read").services.len(), 4, "nobody began to count what was used");
    count(&store).await;
    tidy(&store.worker).await.expect("tidied");
    assert_eq!(samples.held().expect("read").services.len(), 4, "the hour in which they were deleted is not counted");
    store.later(2 * 3600);
    count(&store).await;
    tidy(&store.worker).await.expect("tidied");
    let held = samples.held().expect("read");
    assert_eq!(held.services, BTreeSet::from([(shop, web), stranger]), "what this database knows nothing of stays");
    assert_eq!(held.machines, BTreeSet::from([here]));

    write(&store, "UPDATE machines SET removed_at = $1 WHERE id = $2", args![now, here]).await;
    tidy(&store.worker).await.expect("tidied");
    assert!(samples.held().expect("read").machines.is_empty());
}

#[tokio::test]
async fn nothing_is_kept_where_there_is_no_store() {
    let store = Store::open().await;
    assert_eq!(tidy(&store.worker).await.expect("fine"), 0);
    let sample = Sample { key: Key::Machine(store.machine().await.id), member: None, values: vec![Value::new(Metric::Pids, 3.0)] };
    assert_eq!(add(&store.worker, vec![(store.platform.now(), vec![sample])]).await.expect("fine"), Added::default());
    assert!(running(&store.worker, store.machine().await.id).await.expect("read").is_empty());
}
