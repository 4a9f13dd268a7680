//! What loops read of tasks in order to sample them, and how long what they sampled is kept.

use ::metrics::{Key, Member, Metric, Options, Sample, Store as Samples, Value};
use model::page::PageRequest;
use model::time::Millis;
use model::usage::{Measure, Month, UsageOrder};

use super::*;
use crate::access::Site;
use crate::metrics::work::{Running, add, published, running, tidy};
use crate::projects::{self, Project};
use crate::usage;

#[tokio::test]
async fn what_runs_is_listed_with_whose_it_is_and_what_does_not_is_not() {
    let shop = Shop::open().await;
    shop.deploy(TWO).await;
    let task = shop.task(1).await;
    let preparing = shop.bare_task(2).await.expect("made");
    let worker = &shop.store.worker;
    let machine = shop.store.machine().await.id;
    let listed = running(worker, machine).await.expect("read");
    assert_eq!(listed.len(), 1, "the other one has no container yet: {listed:?}");
    let (found, work) = (&listed[0], shop.work().await);
    assert_eq!(found.key, Key::Service { project: work.project_id, service: task.key.service, environment: task.key.environment });
    assert_eq!(found.member, Member { task: task.id, slot: 1, revision: 1 });
    assert_eq!((found.container.as_str(), found.address.as_deref(), found.restarts), ("c1", Some("10.208.0.2"), 0));
    assert_eq!((found.revision, found.started.is_some()), (task.revision, true));

    assert_eq!(published(worker, task.id, 8080).await.expect("read"), Some(task.ports[0].host));
    assert_eq!(published(worker, task.id, 9100).await.expect("read"), None);
    assert_eq!(published(worker, preparing.id, 8080).await.expect("read"), Some(preparing.ports[0].host));

    let end = End { state: TaskState::Ended, exit_code: Some(0), reason: None };
    work::task_ended(worker, task.id, &end).await.expect("recorded");
    assert!(running(worker, machine).await.expect("read").is_empty());
}

#[tokio::test]
async fn why_an_application_did_not_answer_is_told_to_those_who_see_the_service() {
    let shop = Shop::open().await;
    shop.deploy(TWO).await;
    let (first, second) = (shop.task(1).await, shop.task(2).await);
    let worker = &shop.store.worker;
    let environment = first.key.environment;
    let told = async || {
        let problems = crate::metrics::work::scrape_problems(shop.platform(), &shop.may().await, environment).await.expect("read");
        problems.into_iter().map(|problem| (problem.slot, problem.text, problem.since)).collect::<Vec<_>>()
    };
    assert!(told().await.is_empty());
    crate::metrics::work::scraped(worker, second.id, Some("it answered 404".to_owned()));
    crate::metrics::work::scraped(worker, first.id, None);
    let since = shop.platform().now();
    assert_eq!(told().await, [(2, "it answered 404".to_owned(), since)]);
    crate::metrics::work::scraped(worker, second.id, Some("it answered 500".to_owned()));
    assert_eq!(told().await, [(2, "it answered 500".to_owned(), since)], "it is troubled as long as before");
    crate::metrics::work::scraped(worker, second.id, None);
    assert!(told().await.is_empty());
}

/// Counts what was used in the hours that are over, and puts the samples in order.
async fn count_and_tidy(shop: &Shop) {
    while usage::work::tend(&shop.store.worker).await.expect("counted") > 0 {}
    tidy(&shop.store.worker).await.expect("tidied");
}

/// Uses half a core since `began`, and says so every ten seconds for ten minutes.
async fn use_half_a_core(shop: &Shop, sampled: &Running, began: Millis) {
    for _ in 0..60 {
        shop.store.later(10);
        let now = shop.platform().now();
        let values = vec![Value::new(Metric::CpuUsed, (now.0 - began.0) as f64 * 500.0)];
        add(&shop.store.worker, vec![(now, vec![Sample { key: sampled.key, member: Some(sampled.member), values }])]).await.expect("kept");
    }
}

#[tokio::test]
async fn the_last_hour_of_a_deleted_project_is_counted_before_its_samples_go() {
    let (shop, folder) = (Shop::open().await, tempfile::tempdir().expect("a folder"));
    let samples = Samples::open(folder.path().join("metrics"), Options::default()).expect("it opens");
    shop.platform().plug_metrics(samples.clone());
    let deployment = shop.deploy("image: web:1").await;
    shop.succeed(&deployment).await;
    let task = shop.work().await.tasks.remove(0);
    count_and_tidy(&shop).await;
    let sampled = running(&shop.store.worker, shop.store.machine().await.id).await.expect("read").remove(0);
    let began = shop.platform().now();
    use_half_a_core(&shop, &sampled, began).await;

    stop(shop.platform(), &shop.may().await, &Intent::default()).await.expect("stopped");
    let root = shop.store.person("root", true).await;
    let may: May<can::ManageProject, Project> = shop.store.may(&root, &shop.project).await;
    projects::delete(shop.platform(), &may).await.expect("deleted");
    let held = || samples.held().expect("read").services.len();
    use_half_a_core(&shop, &sampled, began).await;
    count_and_tidy(&shop).await;
    assert_eq!(held(), 1, "its task runs still");
    shop.end(&task, TaskState::Ended).await;
    count_and_tidy(&shop).await;
    assert_eq!(held(), 1, "the hour is not over");
    shop.store.later(3 * 3600);
    // Whichever of the two loops comes first.
    tidy(&shop.store.worker).await.expect("tidied");
    assert_eq!(held(), 1, "the hour is not counted");
    count_and_tidy(&shop).await;
    assert_eq!(held(), 0);

    let may: May<can::ReadSiteUsage, Site> = root.may(shop.platform(), &Site).await.expect("allowed");
    let month = Month::of(shop.platform().now());
    let site = usage::of_site(shop.platform(), &may, month, UsageOrder::Cpu, &PageRequest::default()).await.expect("read");
    let used = site.amounts.units(Measure::CpuUsed);
    assert!((used - 0.5 / 3.0).abs() < 0.005, "half a core for twenty minutes, and not {used} core hours");
}
