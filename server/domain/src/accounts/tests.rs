use model::access::Role;

use super::*;
use crate::access::{Site, can};
use crate::testing::Store;
use crate::{projects, services};

const OLD: &str = "an old pass phrase";

async fn with_password(store: &Store, name: &str) -> Actor {
    let actor = store.person(name, false).await;
    let hash = passwords::hash(&store.platform, &Secret::new(OLD)).await.expect("hashed");
    let mut write = store.platform.bookkeeping().await.expect("a transaction");
    write.exec("UPDATE users SET password_hash = $2 WHERE username = $1", args![name, hash]).await.expect("set");
    write.finish().await.expect("kept");
    actor
}

async fn basic(store: &Store, name: &str, password: &str) -> Result<Actor> {
    authenticate_basic(&store.platform, name, &Secret::new(password), "10.0.0.1").await
}

#[tokio::test]
async fn a_remembered_password_ends_with_its_change_also_within_a_millisecond_and_in_another_process() {
    let store = Store::open().await;
    with_password(&store, "ana").await;
    let remembered = basic(&store, "ana", OLD).await.expect("right");
    basic(&store, "ana", OLD).await.expect("right, and remembered");
    // What another process did: this one hears of nothing. The clock stands still.
    let hash = passwords::hash(&store.platform, &Secret::new("a new pass phrase")).await.expect("hashed");
    let mut change = store.platform.change(&Actor::console()).await.expect("a change");
    let id = remembered.account().expect("an account").id;
    users::put_password(&mut change, &store.platform, id, hash).await.expect("changed");
    change.commit(crate::Record::new("user.reset_password", "user", "ana")).await.expect("kept");
    assert!(matches!(basic(&store, "ana", OLD).await, Err(Error::Unauthenticated)));
    assert!(matches!(refresh(&store.platform, &remembered).await, Err(Error::Unauthenticated)));
    basic(&store, "ana", "a new pass phrase").await.expect("the new one is right");
}

#[tokio::test]
async fn what_a_disabled_account_proved_holds_no_more_when_it_is_enabled_again() {
    let store = Store::open().await;
    with_password(&store, "ana").await;
    let before = basic(&store, "ana", OLD).await.expect("right");
    let operator = store.person("ops", true).await;
    let may = operator.may::<can::ManageUsers, _>(&store.platform, &Site).await.expect("allowed");
    let name: Username = "ana".parse().expect("a name");
    users::update(&store.platform, &may, &name, Some(true), None).await.expect("disabled");
    assert!(matches!(basic(&store, "ana", OLD).await, Err(Error::Unauthenticated)));
    users::update(&store.platform, &may, &name, Some(false), None).await.expect("enabled");
    assert!(matches!(refresh(&store.platform, &before).await, Err(Error::Unauthenticated)));
    basic(&store, "ana", OLD).await.expect("the password itself is right again");
}

/// On SQLite writers come one by one anyway; on PostgreSQL this takes the lock.
#[tokio::test]
async fn two_at_once_do_not_get_past_the_most() {
    let store = Store::open().await;
    let ana = store.person("ana", false).await;
    let make = |name: String| {
        let (platform, ana) = (store.platform.clone(), ana.clone());
        async move { tokens::create(&platform, &ana, &name, &[Scope::Read], None).await }
    };
    for at in 0..98 {
        make(format!("t{at}")).await.expect("room");
    }
    // Connections that are open already: else the requests would queue for the first one.
    drop(futures::future::join_all((0..12).map(|_| store.platform.read())).await);
    let made = futures::future::join_all((98..110).map(|at| tokio::spawn(make(format!("t{at}"))))).await;
    let made = made.into_iter().filter(|made| made.as_ref().is_ok_and(Result::is_ok)).count();
    assert_eq!(made, 2);

    let shop = store.project("shop", &ana, Role::Admin).await;
    let put = async |host: String| {
        let may = ana.may::<can::ManageRegistries, _>(&store.platform, &shop).await.expect("allowed");
        services::credentials::put(&store.platform, &may, &host, "bot", &Secret::new("s")).await
    };
    for at in 0..100 {
        put(format!("r{at}.example.com")).await.expect("room");
    }
    assert!(matches!(put("r100.example.com".into()).await, Err(Error::Conflict { code: "too_many_credentials", .. })));
    put("r7.example.com".into()).await.expect("one that is there is replaced, also when there are so many");
}

#[tokio::test]
async fn a_disabled_admin_is_no_admin_that_stays() {
    let store = Store::open().await;
    let (ana, bob) = (store.person("ana", false).await, store.person("bob", false).await);
    let shop = store.project("shop", &ana, Role::Admin).await;
    let may = ana.may::<can::ManageMembers, _>(&store.platform, &shop).await.expect("allowed");
    let (ana_name, bob_name): (Username, Username) = ("ana".parse().expect("a name"), "bob".parse().expect("a name"));
    projects::set_member(&store.platform, &may, &bob_name, Role::Admin).await.expect("two admins");
    let operator = store.person("ops", true).await;
    let users = operator.may::<can::ManageUsers, _>(&store.platform, &Site).await.expect("allowed");
    users::update(&store.platform, &users, &bob_name, Some(true), None).await.expect("disabled");
    assert!(bob.account().is_ok());
    let last = projects::remove_member(&store.platform, &may, &ana_name).await.expect_err("the last that can sign in");
    assert!(matches!(last, Error::Conflict { code: "last_admin", .. }), "{last:?}");
}
