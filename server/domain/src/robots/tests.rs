use model::secret::Secret;

use super::*;
use crate::access::{Actor, Site};
use crate::testing::Store;
use crate::{accounts, projects};

async fn shop() -> (Store, MayManage) {
    let store = Store::open().await;
    let ana = store.person("ana", false).await;
    let name = store.project("shop", &ana, Role::Admin).await;
    let may = store.may(&ana, &name).await;
    (store, may)
}

fn ci(role: Role) -> Wanted {
    let name = "ci".parse().expect("a name");
    Wanted { name, role, description: "builds".into(), scopes: Vec::new(), expires_in_days: Some(30) }
}

async fn come_in(store: &Store, made: &NewRobot) -> Result<Actor> {
    accounts::authenticate_basic(&store.platform, made.robot.username.as_str(), &Secret::new(&*made.secret), "10.0.0.1").await
}

#[tokio::test]
async fn a_robot_stands_in_its_own_project_alone() {
    let (store, may) = shop().await;
    let made = create(&store.platform, &may, &ci(Role::Admin)).await.expect("made");
    let robot = come_in(&store, &made).await.expect("right");
    let ana = may.actor();
    let other = store.project("other", ana, Role::Admin).await;
    let open: May<can::ManageProject, Project> = store.may(ana, &other).await;
    let internal = projects::Settings { internal: Some(true), ..projects::Settings::default() };
    projects::update(&store.platform, &open, &internal).await.expect("internal");
    let eve = store.person("eve", false).await;
    eve.may::<can::Pull, _>(&store.platform, &other).await.expect("a person who is signed in may pull");
    let refused = robot.may::<can::Pull, _>(&store.platform, &other).await.expect_err("a robot is nobody there");
    assert!(matches!(refused, Error::NotFound { .. }));
    let seen = projects::list(&store.platform, &robot.visible().expect("signed in"), &PageRequest::default()).await.expect("read");
    assert_eq!(seen.items.iter().map(|one| (one.name.as_str(), one.role)).collect::<Vec<_>>(), [("shop", Some(Role::Admin))]);
    robot.may::<can::DeleteImages, _>(&store.platform, &may.name).await.expect("its role");
    for refused in [
        robot.may::<can::ManageRobots, _>(&store.platform, &may.name).await.map(drop),
        robot.may::<can::ManageMembers, _>(&store.platform, &may.name).await.map(drop),
        robot.may::<can::ManageProject, _>(&store.platform, &may.name).await.map(drop),
        robot.may::<can::Approve, _>(&store.platform, &may.name).await.map(drop),
        robot.may::<can::CreateProject, _>(&store.platform, &Site).await.map(drop),
        accounts::tokens::create(&store.platform, &robot, "more", &[Scope::Read], None).await.map(drop),
        accounts::sessions::list(&store.platform, &robot).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Forbidden(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn wrong_secrets_wait_and_lock_nobody_out() {
    let (store, may) = shop().await;
    let made = create(&store.platform, &may, &ci(Role::Guest)).await.expect("made");
    let wrong = Secret::new(format!("{PREFIX}{}", "0".repeat(40)));
    let mut waits = 0;
    for _ in 0..40 {
        for name in [made.robot.username.as_str(), "ana"] {
            match accounts::authenticate_basic(&store.platform, name, &wrong, "10.0.0.1").await {
                Err(Error::TooMany { .. }) => waits += 1,
                Err(Error::Unauthenticated) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(accounts::authenticate_bearer(&store.platform, &wrong, "10.0.0.1").await.is_err());
    }
    assert!(waits > 60, "only {waits} had to wait");
    come_in(&store, &made).await.expect("the right one still comes in");
    // Neither the person of that name nor anybody at that address has failed at a password.
    assert!(store.platform.throttle().admit(store.platform.now(), "ana", "10.0.0.1").is_ok());
}

#[tokio::test]
async fn what_a_disabled_robot_proved_holds_no_more_when_it_is_enabled_again() {
    let (store, may) = shop().await;
    let made = create(&store.platform, &may, &ci(Role::Developer)).await.expect("made");
    let before = come_in(&store, &made).await.expect("right");
    let set = async |disabled| {
        let changed = Changed { disabled: Some(disabled), ..Changed::default() };
        update(&store.platform, &may, &made.robot.name, &changed).await.expect("changed")
    };
    assert!(set(true).await.disabled_at.is_some());
    assert!(matches!(come_in(&store, &made).await, Err(Error::Unauthenticated)));
    assert!(set(false).await.disabled_at.is_none());
    assert!(matches!(accounts::refresh(&store.platform, &before).await, Err(Error::Unauthenticated)));
    let again = come_in(&store, &made).await.expect("the secret itself is right again");
    accounts::refresh(&store.platform, &again).await.expect("and holds");
}

#[tokio::test]
async fn what_a_robot_holds_open_is_cut_with_its_access() {
    let (store, may) = shop().await;
    let wanted = Wanted { scopes: vec![Scope::Read, Scope::Pull], ..ci(Role::Developer) };
    let made = create(&store.platform, &may, &wanted).await.expect("made");
    let name = made.robot.name.clone();
    let held = async || {
        let rotated = rotate(&store.platform, &may, &name, 0).await.expect("rotated");
        let robot = come_in(&store, &rotated).await.expect("right");
        robot.lease::<can::SeeServices, _>(&store.platform, may.name.clone()).await.expect("allowed")
    };
    let mut lease = held().await;
    let narrower = Changed { scopes: Some(vec![Scope::Pull]), ..Changed::default() };
    update(&store.platform, &may, &name, &narrower).await.expect("changed");
    assert!(matches!(lease.lost().await, Error::Forbidden(_)), "its scopes are what they are now");
    update(&store.platform, &may, &name, &Changed { scopes: Some(Vec::new()), ..Changed::default() }).await.expect("changed");
    let mut lease = held().await;
    rotate(&store.platform, &may, &name, 0).await.expect("rotated");
    assert!(matches!(lease.lost().await, Error::Unauthenticated));
    let mut lease = held().await;
    delete(&store.platform, &may, &name).await.expect("deleted");
    assert!(matches!(lease.lost().await, Error::Unauthenticated));
}

#[tokio::test]
async fn a_rotation_leaves_two_secrets_at_most_and_the_old_one_ends() {
    let (store, may) = shop().await;
    let first = create(&store.platform, &may, &ci(Role::Developer)).await.expect("made");
    let proved = come_in(&store, &first).await.expect("right");
    let second = rotate(&store.platform, &may, &first.robot.name, 2).await.expect("rotated");
    let previous = second.robot.previous.clone().expect("the first one still holds");
    assert_eq!(previous.ends_at, store.platform.now().plus(Duration::from_secs(7200)));
    assert_eq!(previous.used_at, Some(store.platform.now()));
    come_in(&store, &first).await.expect("still right");
    store.later(7199);
    accounts::refresh(&store.platform, &proved).await.expect("still holds");
    store.later(1);
    assert!(come_in(&store, &first).await.is_err() && accounts::refresh(&store.platform, &proved).await.is_err());
    assert_eq!(get(&store.platform, &may, &first.robot.name).await.expect("there").previous, None);
    let third = rotate(&store.platform, &may, &first.robot.name, 72).await.expect("rotated");
    let fourth = rotate(&store.platform, &may, &first.robot.name, 72).await.expect("rotated");
    assert!(come_in(&store, &second).await.is_err(), "the one before the last ends with the next");
    assert!(come_in(&store, &third).await.is_ok() && come_in(&store, &fourth).await.is_ok());
    let fifth = rotate(&store.platform, &may, &first.robot.name, 0).await.expect("rotated");
    assert!(come_in(&store, &third).await.is_err() && come_in(&store, &fourth).await.is_err() && come_in(&store, &fifth).await.is_ok());
    assert!(matches!(rotate(&store.platform, &may, &first.robot.name, 73).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_choice_of_scopes_outlives_a_change_of_role_only_where_it_fits() {
    let (store, may) = shop().await;
    let wanted = Wanted { scopes: vec![Scope::Push], ..ci(Role::Developer) };
    let made = create(&store.platform, &may, &wanted).await.expect("made");
    assert!(made.robot.narrowed);
    let to_guest = Changed { role: Some(Role::Guest), ..Changed::default() };
    let refused = update(&store.platform, &may, &made.robot.name, &to_guest).await.expect_err("a guest cannot push");
    assert!(matches!(&refused, Error::Invalid(fields) if fields[0].field == "scopes"), "{refused:?}");
    let changed = update(&store.platform, &may, &made.robot.name, &Changed { scopes: Some(Vec::new()), ..to_guest }).await.expect("changed");
    assert_eq!((changed.narrowed, changed.scopes), (false, vec![Scope::Read, Scope::Pull]));
}

/// On SQLite writers come one by one anyway; on PostgreSQL this takes the lock.
#[tokio::test]
async fn many_at_once_get_one_name_and_no_more_than_the_most() {
    let (store, may) = shop().await;
    let make = |name: String| {
        let (platform, may) = (store.platform.clone(), may.clone());
        async move { create(&platform, &may, &Wanted { name: name.parse().expect("a name"), ..ci(Role::Guest) }).await }
    };
    let one = futures::future::join_all((0..4).map(|_| tokio::spawn(make("same".into())))).await;
    assert_eq!(one.iter().filter(|made| made.as_ref().is_ok_and(Result::is_ok)).count(), 1);
    for at in 0..97 {
        make(format!("r{at}")).await.expect("room");
    }
    let made = futures::future::join_all((0..8).map(|at| tokio::spawn(make(format!("s{at}"))))).await;
    assert_eq!(made.iter().filter(|made| made.as_ref().is_ok_and(Result::is_ok)).count(), 2);
    let rotated = futures::future::join_all((0..4).map(|_| {
        let (platform, may) = (store.platform.clone(), may.clone());
        tokio::spawn(async move { rotate(&platform, &may, &"same".parse().expect("a name"), 1).await })
    }));
    assert!(rotated.await.iter().all(|made| made.as_ref().is_ok_and(Result::is_ok)));
    let listed = list(&store.platform, &may, &PageRequest { after: None, limit: Some(200) }).await.expect("read");
    assert_eq!(listed.items.len(), 100, "each robot is one line, whatever secrets it has");
}
