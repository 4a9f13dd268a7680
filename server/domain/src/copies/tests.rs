use model::access::Role;

use super::work::{self, Ended, Job};
use super::*;
use crate::access::Actor;
use crate::images::DestinationKey;
use crate::testing::Store;

fn wanted(from: &str, to: &str, platforms: &[&str]) -> Result<Wanted> {
    let platforms: Vec<String> = platforms.iter().map(|text| (*text).to_owned()).collect();
    Wanted::read(from, to, &platforms, false)
}

async fn asked(store: &Store, actor: &Actor, project: &ProjectName, from: &str, to: &str) -> CopyView {
    let wanted = wanted(from, to, &[]).expect("wanted");
    let key = DestinationKey { project, repository: &wanted.to.path };
    let may = actor.may::<can::Push, _>(&store.platform, &key).await.expect("allowed");
    store.later(1);
    ask(&store.platform, &may, &wanted).await.expect("asked")
}

async fn claim(store: &Store) -> Option<Job> {
    work::claim(&store.worker, 3).await.expect("claimed")
}

async fn cancelled(store: &Store, actor: &Actor, project: &ProjectName, id: CopyId) -> Result<CopyView> {
    let may = actor.may::<can::Push, _>(&store.platform, &CopyKey { project: project.clone(), copy: id }).await?;
    cancel(&store.platform, &may).await
}

#[test]
fn what_is_wanted_is_read_with_its_defaults() {
    let read = wanted("quay.io/team/app:1.2", "", &[]).expect("wanted");
    assert_eq!((read.to.path.as_str(), read.to.tag.as_ref().map(TagName::as_str)), ("app", Some("1.2")));
    let read = wanted("nginx", "web", &[" linux/amd64 ", "", "linux/amd64"]).expect("wanted");
    assert_eq!((read.from.to_string().as_str(), read.to.tag.as_ref().map(TagName::as_str)), ("docker.io/library/nginx:latest", Some("latest")));
    assert_eq!(read.platforms, ["linux/amd64"]);
    let digest = format!("sha256:{}", "a".repeat(64));
    assert_eq!(wanted(&format!("quay.io/app@{digest}"), "", &[]).expect("wanted").to.tag, None);
    assert!(wanted("quay.io/app:1", &format!("app:{}", "x".repeat(125)), &["linux/amd64", "linux/arm64"]).is_err(), "a tag that grows too long");
}

#[tokio::test]
async fn copies_are_taken_by_turns_and_never_two_into_one_repository() {
    let store = Store::open().await;
    let ana = store.person("ana", false).await;
    let (shop, lab) = (store.project("shop", &ana, Role::Developer).await, store.project("lab", &ana, Role::Developer).await);
    let first = asked(&store, &ana, &shop, "quay.io/a:1", "web").await;
    let same = asked(&store, &ana, &shop, "quay.io/a:2", "web").await;
    let second = asked(&store, &ana, &shop, "quay.io/b:1", "api").await;
    let other = asked(&store, &ana, &lab, "quay.io/c:1", "").await;
    let one = claim(&store).await.expect("one");
    assert_eq!(one.id, first.id);
    assert_eq!(claim(&store).await.expect("one").id, other.id, "the other project's goes before this one's next");
    assert_eq!(claim(&store).await.expect("one").id, second.id);
    assert!(claim(&store).await.is_none(), "it would go into the same repository");
    work::end(&store.worker, &one, &CopyProgress::default(), &Ended::Succeeded).await.expect("ended");
    assert_eq!(claim(&store).await.expect("one").id, same.id);
    work::recover(&store.worker).await.expect("recovered");
    assert_eq!(claim(&store).await.expect("one").id, same.id, "what a stop left running waits again");
}

#[tokio::test]
async fn no_asker_holds_every_place_and_who_holds_none_goes_first() {
    let store = Store::open().await;
    let (ana, bob) = (store.person("ana", false).await, store.person("bob", false).await);
    let (shop, lab) = (store.project("shop", &ana, Role::Developer).await, store.project("lab", &ana, Role::Developer).await);
    let own = store.project("own", &bob, Role::Developer).await;
    for (project, to) in [(&shop, "a"), (&lab, "b"), (&shop, "c"), (&lab, "d"), (&shop, "e")] {
        asked(&store, &ana, project, "quay.io/a:1", to).await;
    }
    let first = claim(&store).await.expect("one");
    assert!(!work::others_wait(&store.worker, &first, 3).await.expect("read"), "what waits is her own");
    let late = asked(&store, &bob, &own, "quay.io/b:1", "").await;
    assert!(work::others_wait(&store.worker, &first, 3).await.expect("read"));
    let second = claim(&store).await.expect("one");
    assert_eq!(second.id, late.id, "he asked last, and has nothing under way");
    assert!(work::others_wait(&store.worker, &second, 3).await.expect("read"), "she may have two more");
    for _ in 0..2 {
        assert_eq!(claim(&store).await.expect("one").asked_by, first.asked_by);
    }
    assert!(claim(&store).await.is_none(), "one place is left for others");
    assert!(!work::others_wait(&store.worker, &second, 3).await.expect("read"), "she has as many as anybody may have");
}

#[tokio::test]
async fn what_is_tried_again_waits_and_what_is_cancelled_stays_so() {
    let store = Store::open().await;
    let ana = store.person("ana", false).await;
    let shop = store.project("shop", &ana, Role::Developer).await;
    let copy = asked(&store, &ana, &shop, "quay.io/a:1", "web").await;
    let job = claim(&store).await.expect("one");
    let reason = Reason::new("too_many", "asked too often");
    let again = Ended::Again { reason, after: Duration::from_secs(60), attempts: 1 };
    work::end(&store.worker, &job, &CopyProgress::default(), &again).await.expect("ended");
    assert!(claim(&store).await.is_none());
    assert!(work::next_due(&store.worker).await.expect("read").is_some());
    store.later(61);
    let job = claim(&store).await.expect("one");
    assert_eq!(job.attempts, 1);
    assert_eq!(cancelled(&store, &ana, &shop, copy.id).await.expect("cancelled").state, CopyState::Cancelled);
    assert!(!work::is_wanted(&store.worker, &job).await.expect("read"));
    assert!(!work::begin_finish(&store.worker, &job).await.expect("written"), "no tag is set any more");
    work::end(&store.worker, &job, &CopyProgress::default(), &Ended::Succeeded).await.expect("ended");
    assert!(matches!(cancelled(&store, &ana, &shop, copy.id).await, Err(Error::Conflict { .. })));
    assert_eq!(store.audit().await, ["copy.create shop/web:1", "copy.cancel shop/web"]);

    asked(&store, &ana, &shop, "quay.io/a:1", "web").await;
    let job = claim(&store).await.expect("one");
    assert!(work::begin_finish(&store.worker, &job).await.expect("written"));
    assert!(matches!(cancelled(&store, &ana, &shop, job.id).await, Err(Error::Conflict { .. })), "its tag is being set");
}

#[tokio::test]
async fn the_asker_is_asked_for_again() {
    let store = Store::open().await;
    let (ana, root) = (store.person("ana", false).await, store.person("root", true).await);
    let shop = store.project("shop", &ana, Role::Developer).await;
    asked(&store, &ana, &shop, "quay.io/a:1", "web").await;
    let job = claim(&store).await.expect("one");
    assert_eq!(asker_of(&store.platform, &job).await.expect("it holds").name(), "ana");
    let site = root.may::<can::ManageUsers, _>(&store.platform, &crate::access::Site).await.expect("allowed");
    let name = "ana".parse().expect("a name");
    crate::accounts::users::update(&store.platform, &site, &name, Some(true), None).await.expect("disabled");
    assert!(matches!(asker_of(&store.platform, &job).await, Err(Error::Unauthenticated)));
}
