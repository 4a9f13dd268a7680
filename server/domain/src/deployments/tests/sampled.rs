//! What loops read of tasks in order to sample them.

use ::metrics::{Key, Member};

use super::*;
use crate::metrics::work::{published, running};

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
        problems.into_iter().map(|problem| (problem.slot, problem.text)).collect::<Vec<_>>()
    };
    assert!(told().await.is_empty());
    crate::metrics::work::scraped(worker, second.id, Some("it answered 404".to_owned()));
    crate::metrics::work::scraped(worker, first.id, None);
    assert_eq!(told().await, [(2, "it answered 404".to_owned())]);
    crate::metrics::work::scraped(worker, second.id, None);
    assert!(told().await.is_empty());
}
