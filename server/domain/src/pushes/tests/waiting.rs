//! Pushes of which something is in the way for the moment, and those of others meanwhile.

use std::time::Duration;

use super::*;
use crate::projects::Project;
use crate::templates::{self, Asked, Surroundings, tries};

const ECHO: &str = "name: echo\nparameters:\n  - {name: image, type: image, required: true}\ndescriptor: |\n  image: {{ image }}\n";

impl Shop {
    /// Deploys from a template by hand. To bring another image, its pusher needs their place to make texts from templates.
    async fn deploy_from_template(&self) {
        let platform = &self.store.platform;
        let may: May<can::ManageTemplates, Project> = self.store.may(&self.ana, &self.project).await;
        templates::save(platform, &may, ECHO, "a note", None).await.expect("made");
        let may = self.may::<can::Deploy>().await;
        let answers = [(String::from("image"), String::from("web:1.0.0"))].into_iter().collect();
        let asked = Asked { template: Some("echo".into()), version: None, answers };
        let made = templates::answers::make(platform, &may, None, &asked, &Surroundings::default()).await.expect("made");
        let request = Request { intent: Intent::in_environment(Some(place("local"))), descriptor: made.descriptor };
        let begun = deployments::deploy_from(platform, &may, &request, Some(&made.origin)).await.expect("deployed");
        self.succeed(begun.id).await;
    }

    /// Another service of the project from here on, which runs version 1.0.0 and has a rule.
    async fn turn_to_service(&mut self, name: &str) {
        self.service = name.parse().expect("a name");
        services::create(&self.store.platform, &self.store.may(&self.ana, &self.project).await, &self.service).await.expect("created");
        self.deploy("web:1.0.0").await;
        self.rule("local", "", "").await;
    }

    /// Another project from here on, with such a service; the one before.
    async fn turn_to_other(&mut self) -> ProjectName {
        let other = self.store.project("other", &self.ana, Role::Admin).await;
        let before = std::mem::replace(&mut self.project, other);
        self.role(Some(Role::Developer)).await;
        self.store.image(&self.project, "web", "1.0.0", '1').await;
        self.turn_to_service("web").await;
        before
    }

    async fn tend(&self) -> u64 {
        work::tend(&self.store.worker).await.expect("looked at")
    }
}

#[tokio::test]
async fn what_is_in_the_way_of_one_push_keeps_no_other_waiting_and_is_gone_later() {
    let mut shop = Shop::open().await;
    shop.deploy_from_template().await;
    shop.rule("local", "", "").await;
    shop.note("web", "1.1.0", '2').await;
    let first = shop.turn_to_other().await;
    shop.note("web", "1.1.0", '2').await;
    let busy = tries::occupied(&shop.dev).await;
    assert_eq!(shop.tend().await, 1, "the one behind it");
    assert_eq!(shop.last().await.0, PushOutcome::Deployed);

    shop.project = first;
    assert!(shop.told().await.is_empty(), "it is neither deployed nor refused");
    assert_eq!(work::wait(&shop.store.worker).await.expect("read"), Some(Duration::ZERO), "the clock went on, and it is due");
    drop(busy);
    assert_eq!(shop.tend().await, 1, "nothing is in the way any more");
    assert_eq!(shop.last().await.0, PushOutcome::Deployed);
    assert_eq!(shop.deployments().await[0].image, "web:1.1.0");
    assert_eq!(work::wait(&shop.store.worker).await.expect("read"), None);
}

#[tokio::test]
async fn what_is_in_the_way_for_too_long_is_told_as_refused() {
    let shop = Shop::open().await;
    shop.deploy_from_template().await;
    shop.rule("local", "", "").await;
    let busy = tries::occupied(&shop.dev).await;
    for (tag, digit, state, times) in [
        ("1.1.0", '2', "UPDATE pushes SET tries = 19", "tried 20 times"),
        ("1.2.0", '3', "UPDATE pushes SET tries = 2, failing_since = not_before - 3600000", "tried 3 times"),
    ] {
        shop.note("web", tag, digit).await;
        shop.store.write_sql(state).await;
        assert_eq!(shop.tend().await, 1, "{tag}: it is over");
        let (outcome, reason) = shop.last().await;
        let expected = outcome == PushOutcome::Refused && reason.starts_with("too much is being made from templates") && reason.ends_with(times);
        assert!(expected, "{outcome} {reason}");
    }
    drop(busy);
    assert_eq!(shop.tend().await, 0, "it is not tried again");
    assert_eq!(shop.deployments().await.len(), 1);
}

#[tokio::test]
async fn a_rule_that_cannot_be_read_stops_no_other_projects_pushes() {
    let mut shop = Shop::open().await;
    shop.deploy("web:1.0.0").await;
    shop.rule("local", "", "").await;
    shop.store.write_sql("UPDATE push_rules SET filter = '{'").await;
    shop.note("web", "1.1.0", '2').await;
    let first = shop.turn_to_other().await;
    shop.note("web", "1.1.0", '2').await;
    assert_eq!(shop.tend().await, 1);
    assert_eq!(work::wait(&shop.store.worker).await.expect("read"), Some(Duration::from_secs(1)));
    assert_eq!(shop.tend().await, 0, "it is set aside");
    assert_eq!(shop.last().await.0, PushOutcome::Deployed);
    shop.project = first;
    shop.rule("local", "", "").await;
    shop.store.later(1);
    assert_eq!(shop.tend().await, 1);
    assert_eq!(shop.last().await.0, PushOutcome::Deployed);
}

#[tokio::test]
async fn what_was_pushed_later_is_not_undone() {
    let shop = Shop::open().await;
    shop.deploy("web:1.0.0").await;
    for (versions, expected) in [("", PushOutcome::Ignored), (">=1", PushOutcome::Deployed)] {
        shop.rule("local", "", versions).await;
        // The first one is set aside when the second one comes; of versions it is the newer one.
        let (first, second) = if versions.is_empty() { (("1.1.0", '2'), ("1.2.0", '3')) } else { (("1.4.0", '4'), ("1.3.0", '5')) };
        shop.note("web", first.0, first.1).await;
        shop.store.write_sql("UPDATE pushes SET not_before = not_before + 30000").await;
        shop.note("web", second.0, second.1).await;
        assert_eq!(shop.tend().await, 1);
        assert_eq!(shop.last().await.0, PushOutcome::Deployed, "{second:?}");
        shop.store.later(40);
        assert_eq!(shop.tend().await, 1);
        let told = shop.told().await;
        let (.., outcome, reason) = told.iter().find(|(_, tag, ..)| tag == first.0).expect("it is told");
        assert_eq!(*outcome, expected, "{reason}");
        assert!(expected == PushOutcome::Deployed || reason.starts_with("the tag 1.2.0, which was pushed later"), "{reason}");
    }
}

#[tokio::test]
async fn a_push_that_many_rules_are_about_takes_turns_with_others() {
    const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
    let mut shop = Shop::open().await;
    for name in NAMES {
        shop.turn_to_service(name).await;
    }
    shop.note("web", "1.1.0", '2').await;
    let first = shop.turn_to_other().await;
    shop.note("web", "1.1.0", '2').await;
    assert_eq!(shop.tend().await, 2);
    let others = shop.deployments().await.remove(0);
    assert_eq!(others.image, "web:1.1.0");
    shop.project = first;
    let mut begun = Vec::new();
    for name in NAMES {
        shop.service = name.parse().expect("a name");
        let newest = shop.deployments().await.remove(0);
        assert_eq!(newest.image, "web:1.1.0", "{name}");
        begun.push(newest.id);
    }
    assert!(begun.iter().any(|id| *id < others.id) && begun.iter().any(|id| *id > others.id), "the other project's came in between");
}

#[tokio::test]
async fn what_was_set_aside_while_many_came_is_over_once_every_rule_was_looked_at() {
    let mut shop = Shop::open().await;
    for name in ["a", "b", "c"] {
        shop.turn_to_service(name).await;
        shop.rule("local", "release-*", "").await;
    }
    shop.note("web", "1.1.0", '2').await;
    shop.store.write_sql("UPDATE pushes SET not_before = not_before + 50000").await;
    // More than are remembered of each service.
    for (tag, digit) in [("1.2.0", '3'), ("1.3.0", '4'), ("1.4.0", '5'), ("1.5.0", '6'), ("1.6.0", '7'), ("1.7.0", '8')] {
        assert_eq!(shop.push("web", tag, digit).await, 1, "{tag}");
    }
    shop.store.later(60);
    assert_eq!(shop.tend().await, 1, "what became of it is remembered for as long as it is looked at");
    assert_eq!(work::wait(&shop.store.worker).await.expect("read"), None);
}

#[test]
fn pauses_double_up_to_a_minute() {
    let pauses: Vec<u64> = [0, 1, 2, 5, 6, 63, 64, i64::MAX].into_iter().map(|tries| work::pause(tries).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4, 32, 60, 60, 60, 60]);
}
