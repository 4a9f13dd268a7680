//! What runs with an older configuration, rolled all at once.

use model::views::configs::RollView;

use super::*;

impl Shop {
    async fn roll_all(&self, environment: &str, why: &str) -> Result<RollView> {
        self.roll_all_as(&self.ana, &Intent { why: why.into(), ..Intent::in_environment(place_of(environment)) }).await
    }

    async fn roll_all_as(&self, who: &Actor, intent: &Intent) -> Result<RollView> {
        self.store.later(1);
        let may: May<can::Deploy, Holder> = who.may(self.platform(), &HolderKey { project: &self.project, service: None }).await.expect("allowed");
        deployments::roll_all(self.platform(), &may, intent).await
    }
}

/// What was rolled, and what was not.
fn names(done: &RollView) -> (Vec<String>, Vec<String>) {
    let begun = done.begun.iter().map(|one| format!("{} {}", one.service, one.environment)).collect();
    (begun, done.left.iter().map(|one| format!("{} {}", one.service, one.environment)).collect())
}

#[tokio::test]
async fn all_that_is_behind_is_rolled_and_what_cannot_be_is_told() {
    let shop = Shop::open().await;
    let digest = shop.store.image(&shop.project, "web", "2", 'b').await;
    shop.variable(false, "", "A", "1").await;
    shop.deploy("local", "image: web:1").await;
    shop.deploy("test", "image: web:1").await;
    let api: ServiceName = "api".parse().expect("a name");
    services::create(shop.platform(), &shop.store.may(&shop.ana, &shop.project).await, &api).await.expect("created");
    let key = ServiceKey { project: &shop.project, service: &api };
    let may: May<can::Deploy, Service> = shop.ana.may(shop.platform(), &key).await.expect("allowed");
    let made = deployments::deploy(shop.platform(), &may, &request("local", "image: web:2")).await.expect("deployed");
    shop.succeed(&made).await;
    assert_eq!(code(shop.roll_all("", "").await), "configuration_unchanged");

    shop.variable(false, "", "A", "2").await;
    shop.store.forget_image(&digest).await;
    let done = shop.roll_all("local", "another A").await.expect("rolled");
    assert_eq!(names(&done), (vec!["web local".to_owned()], vec!["api local".to_owned()]));
    assert!(done.left[0].why.contains("was deleted from the registry"), "{done:?}");
    assert_eq!(done.begun[0].why, "another A");
    let done = shop.roll_all("", "").await.expect("rolled");
    assert_eq!(names(&done).0, ["web test"], "what is on its way is not behind");
    assert_eq!(code(shop.roll_all("", "").await), "nothing_rolled");
    let guest = shop.store.person("gus", false).await;
    let key = HolderKey { project: &shop.project, service: None };
    assert!(guest.may::<can::Deploy, _>(shop.platform(), &key).await.is_err(), "who may not deploy rolls nothing");
}

#[tokio::test]
async fn what_is_frozen_is_rolled_by_operators_who_say_why() {
    let shop = Shop::open().await;
    let root = shop.store.person("root", true).await;
    shop.variable(false, "", "A", "1").await;
    shop.deploy("local", "image: web:1").await;
    shop.deploy("test", "image: web:1").await;
    let local = place_of("local").expect("a name");
    let may: May<can::ManageEnvironments, environments::Environment> = root.may(shop.platform(), &local).await.expect("it is there");
    environments::freeze(shop.platform(), &may, "stocktaking").await.expect("frozen");
    let uses = shop.variable(false, "", "A", "2").await.uses;
    assert_eq!(uses.iter().map(|one| (one.environment.as_str(), one.frozen)).collect::<Vec<_>>(), [("local", true), ("test", false)]);

    let done = shop.roll_all("", "another A").await.expect("rolled");
    assert_eq!(names(&done), (vec!["web test".to_owned()], vec!["web local".to_owned()]), "a freeze keeps nothing else from it");
    assert!(done.left[0].why.contains("stocktaking"), "{done:?}");
    let overriding = |why: &str| Intent { why: why.into(), override_freeze: true, ..Intent::default() };
    assert_eq!(code(shop.roll_all_as(&shop.ana, &overriding("urgent")).await), "nothing_rolled");
    assert_eq!(code(shop.roll_all_as(&root, &overriding("")).await), "nothing_rolled", "without a reason nobody does");
    let done = shop.roll_all_as(&root, &overriding("urgent")).await.expect("rolled");
    assert_eq!(names(&done), (vec!["web local".to_owned()], Vec::new()));
    assert_eq!(done.begun[0].overridden.as_ref().map(|over| over.why.as_str()), Some("urgent"));
}
