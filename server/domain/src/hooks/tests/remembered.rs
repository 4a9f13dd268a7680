//! What comes again and again is answered out of memory, and what changes meanwhile is heard all the same.

use super::*;
use crate::environments;

const BODY: &str = r#"{"tag": "2"}"#;
const KEY: [(&str, &str); 1] = [("idempotency-key", "build-7")];

impl Shop {
    /// How often the database was asked so far.
    fn asked(&self) -> u64 {
        let counters = self.store.platform.counters();
        counters.read_waits.read().count + counters.write_waits.read().count
    }

    /// The delivery, so often that it is remembered; its answer.
    async fn remembered(&self) -> Delivered {
        let first = self.send(&KEY, BODY).await.expect("delivered");
        self.send(&KEY, BODY).await.expect("answered");
        let before = self.asked();
        let again = self.send(&KEY, BODY).await.expect("answered");
        assert_eq!((again.repeated, again.deployment.is_some(), &again.answer), (true, true, &first.answer));
        assert_eq!(self.asked(), before, "it is in memory");
        first
    }

    /// What the same delivery is answered now.
    async fn now(&self) -> Result<Delivered> {
        self.send(&KEY, BODY).await
    }
}

#[tokio::test]
async fn who_goes_on_repeating_costs_the_database_nothing() {
    let shop = Shop::open().await;
    let first = shop.remembered().await;
    let another = shop.send(&KEY, r#"{"tag": "3"}"#).await;
    assert!(matches!(&another, Err(Error::Invalid(fields)) if fields[0].field == "idempotency-key"), "{another:?}");
    let new = shop.send(&[("idempotency-key", "build-8")], BODY).await.expect("delivered");
    assert!(!new.repeated && new.answer.deployment != first.answer.deployment);
    let unproved = shop.send_with("whsec_d3Jvbmc=", &KEY, BODY).await;
    assert!(matches!(unproved, Err(Error::NotFound { .. })), "{unproved:?}");
    let unproved = shop.send_now(&KEY, BODY).await;
    assert!(matches!(unproved, Err(Error::NotFound { .. })), "{unproved:?}");
    assert_eq!(shop.now().await.expect("answered").answer, first.answer);
    let late = wait(&shop.store.platform, &shop.now().await.expect("answered"), Duration::from_secs(60)).await.expect("the end");
    assert_eq!(late.outcome, HookOutcome::Superseded, "whoever waits hears of the deployment as it is");
}

#[tokio::test]
async fn a_hook_that_is_disabled_or_gone_answers_nothing_out_of_memory() {
    let shop = Shop::open().await;
    let first = shop.remembered().await;
    let may = shop.may::<can::ManageHooks>().await;
    let turn = |off: bool| HookChange { rule: None, disabled: Some(off) };
    update(&shop.store.platform, &may, &shop.name(), &turn(true)).await.expect("disabled");
    assert!(matches!(shop.now().await, Err(Error::Forbidden(_))));
    update(&shop.store.platform, &may, &shop.name(), &turn(false)).await.expect("enabled");
    assert_eq!(shop.remembered().await.answer, first.answer, "it is remembered anew");
    delete(&shop.store.platform, &may, &shop.name()).await.expect("deleted");
    assert!(matches!(shop.now().await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_secret_that_ended_proves_nothing_out_of_memory() {
    let shop = Shop::open().await;
    shop.remembered().await;
    let may = shop.may::<can::ManageHooks>().await;
    rotate(&shop.store.platform, &may, &shop.name(), 1, "").await.expect("rotated");
    shop.store.later(3590);
    shop.remembered().await;
    shop.store.later(10);
    assert!(matches!(shop.now().await, Err(Error::NotFound { .. })), "its time is over");

    let shop = Shop::open().await;
    shop.remembered().await;
    let may = shop.may::<can::ManageHooks>().await;
    rotate(&shop.store.platform, &may, &shop.name(), 0, "").await.expect("rotated");
    assert!(matches!(shop.now().await, Err(Error::NotFound { .. })), "it ended at once");
}

#[tokio::test]
async fn a_service_or_an_environment_that_goes_takes_its_answers_along() {
    let shop = Shop::open().await;
    shop.remembered().await;
    services::delete(&shop.store.platform, &shop.may::<can::DeleteService>().await).await.expect("deleted");
    assert!(matches!(shop.now().await, Err(Error::NotFound { .. })));

    let shop = Shop::open().await;
    let root = shop.store.person("root", true).await;
    shop.store.write_sql("UPDATE environments SET configured = FALSE").await;
    shop.remembered().await;
    deployments::stop(&shop.store.platform, &shop.may().await, &Intent::default()).await.expect("stopped");
    let local: EnvironmentName = "local".parse().expect("a name");
    let may = root.may(&shop.store.platform, &local).await.expect("there");
    environments::remove(&shop.store.platform, &may).await.expect("removed");
    assert!(matches!(shop.now().await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn what_nobody_told_is_heard_when_the_database_is_asked_again() {
    let shop = Shop::open().await;
    shop.remembered().await;
    // As another process does it.
    shop.store.write_sql("UPDATE hooks SET disabled_at = 1").await;
    shop.store.later(20);
    assert!(shop.now().await.expect("answered").repeated, "it is remembered");
    shop.store.later(20);
    assert!(matches!(shop.now().await, Err(Error::Forbidden(_))));
}
