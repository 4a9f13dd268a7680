//! Who hears of an alert: the routes that its rule named when it began, not those of whom it was kept, and nobody of what is over.

use model::ids::SilenceId;
use model::notices::Notice;

use super::*;

/// What operators do beside the project.
struct Operators {
    seeing: Seeing,
    answering: Answering,
    managing: Managing,
}

impl Scene {
    async fn the_site(&self) -> Operators {
        let platform = &self.store.platform;
        let oda = self.store.person("oda", true).await;
        Operators {
            seeing: Seeing::of(platform, &oda, None).await.expect("allowed"),
            answering: Answering::of(platform, &oda, None).await.expect("allowed"),
            managing: Managing::of(platform, &oda, None).await.expect("allowed"),
        }
    }

    /// All that a holder's first route was told, oldest first.
    async fn notices(&self, managing: &Managing) -> Vec<Notice> {
        let route = notices::list(&self.store.platform, managing).await.expect("routes").items[0].id;
        let log = notices::log(&self.store.platform, managing, route, &PageRequest::default()).await.expect("a log");
        log.items.into_iter().rev().map(|notice| notice.notice).collect()
    }

    async fn silence_rule(&self, answering: &Answering, rule: &str) -> SilenceId {
        let form = SilenceForm { rule: rule.into(), span: "1h".into(), ..SilenceForm::default() };
        create_silence(&self.store.platform, answering, &form).await.expect("silenced").id
    }

    async fn unsilence(&self, silence: SilenceId) {
        end_silence(&self.store.platform, &self.answering, silence).await.expect("ended");
    }

    /// The only rule gets another name.
    async fn call_the_rule(&self, name: &str) {
        let rule = list_rules(&self.store.platform, &self.seeing).await.expect("rules").items.remove(0);
        let form = RuleForm { name: name.into(), ..RuleForm::of(&rule.rule) };
        update_rule(&self.store.platform, &self.managing, rule.id, &form).await.expect("renamed");
    }
}

#[tokio::test]
async fn only_the_routes_that_a_rule_names_hear_of_its_alerts_also_late_and_without_it() {
    let scene = Scene::open().await;
    scene.route("zz others").await;
    scene.deployed(7, "succeeded").await;
    scene.memory_rule_for(&["ops"]).await;
    // Over by itself.
    scene.uses(|_| 950.0, 80).await;
    scene.uses(|_| 100.0, 80).await;
    // Told late, after a silence; over with its rule.
    let silence = scene.silence("1h").await;
    scene.uses(|_| 950.0, 80).await;
    assert_eq!(scene.told().await.len(), 2);
    scene.unsilence(silence).await;
    scene.uses(|_| 950.0, 10).await;
    assert_eq!(scene.told().await.len(), 3);
    let rule = list_rules(&scene.store.platform, &scene.seeing).await.expect("rules").items[0].id;
    delete_rule(&scene.store.platform, &scene.managing, rule).await.expect("deleted");
    scene.look().await;
    // Over with its service.
    scene.memory_rule_for(&["ops"]).await;
    scene.uses(|_| 950.0, 80).await;
    let mut write = scene.store.worker.change().await.expect("a transaction");
    write.exec("UPDATE desired SET state = 'stopped'", args![]).await.expect("stopped");
    write.finish().await.expect("kept");
    scene.look().await;
    assert_eq!(scene.told().await, [FIRING, RESOLVED, FIRING, RESOLVED, FIRING, RESOLVED]);
    assert!(scene.told_by("zz others").await.is_empty());
    for notice in scene.notices(&scene.managing).await {
        let change = notice.facts.iter().find(|(name, _)| name == "last change").map(|(_, text)| text.as_str());
        assert!(change.is_some_and(|text| text.starts_with("revision 7 (deploy) by ana")), "{notice:?}");
    }
}

#[tokio::test]
async fn what_is_calm_when_its_silence_ends_is_told_once_it_is_wrong_again() {
    let scene = Scene::open().await;
    scene.memory_rule().await;
    let silence = scene.silence("1h").await;
    scene.uses(|_| 950.0, 80).await;
    scene.unsilence(silence).await;
    // The look that could tell of it is the first that finds it calm.
    scene.uses(|_| 100.0, 30).await;
    assert_eq!(scene.states().await, [AlertState::Firing], "for a while");
    assert!(scene.told().await.is_empty());
    scene.uses(|_| 950.0, 10).await;
    assert_eq!(scene.told().await, [FIRING]);
    scene.uses(|_| 100.0, 80).await;
    assert_eq!(scene.told().await, [FIRING, RESOLVED]);
}

#[tokio::test]
async fn a_rule_that_is_called_something_else_is_silenced_by_both_names() {
    let scene = Scene::open().await;
    scene.memory_rule().await;
    let silence = scene.silence_rule(&scene.answering, "Memory").await;
    scene.uses(|_| 950.0, 80).await;
    scene.call_the_rule("RAM").await;
    scene.uses(|_| 950.0, 20).await;
    let alert = scene.alerts().await.remove(0);
    assert_eq!((alert.rule.as_str(), alert.silenced_until.is_some()), ("RAM", true), "the silence goes on");
    assert!(scene.told().await.is_empty());
    scene.unsilence(silence).await;
    scene.call_the_rule("Memory of all").await;
    scene.silence_rule(&scene.answering, "Memory of all").await;
    scene.uses(|_| 950.0, 20).await;
    assert!(scene.alerts().await[0].silenced_until.is_some());
    assert!(scene.told().await.is_empty(), "the new name silences what began under the old one");
}

#[tokio::test]
async fn a_project_silences_its_own_routes_and_operators_silence_all() {
    let scene = Scene::open().await;
    let site = scene.the_site().await;
    let platform = &scene.store.platform;
    let pager = RouteForm {
        name: "pager".into(),
        kind: "webhook".into(),
        address: "https://pager.example.com/".into(),
        events: vec!["alert.firing".into(), "alert.resolved".into()],
        ..RouteForm::default()
    };
    notices::create(platform, &site.managing, &pager).await.expect("a route");
    let form = RuleForm {
        name: "Memory".into(),
        kind: "threshold".into(),
        metric: "memory_working_set".into(),
        value: "90 %".into(),
        ..RuleForm::default()
    };
    create_rule(platform, &site.managing, &form).await.expect("a rule");
    let paged = async || scene.notices(&site.managing).await.into_iter().map(|notice| notice.title).collect::<Vec<_>>();
    let silenced = async |may: &Seeing| {
        let firing = list(platform, may, Some(AlertState::Firing), &PageRequest::default()).await.expect("alerts").items;
        firing.into_iter().map(|alert| alert.silenced_until.is_some()).collect::<Vec<_>>()
    };
    let silence = scene.silence("1h").await;
    scene.uses(|_| 950.0, 10).await;
    assert_eq!((paged().await, scene.told().await), (vec![FIRING.to_owned()], vec![]));
    assert_eq!((silenced(&scene.seeing).await, silenced(&site.seeing).await), (vec![true], vec![false]));
    // When it ends, those hear of it who did not.
    scene.unsilence(silence).await;
    scene.uses(|_| 950.0, 10).await;
    scene.uses(|_| 100.0, 10).await;
    let both = vec![FIRING.to_owned(), RESOLVED.to_owned()];
    assert_eq!((paged().await, scene.told().await), (both.clone(), both.clone()));
    scene.silence_rule(&site.answering, "Memory").await;
    scene.uses(|_| 950.0, 10).await;
    assert_eq!((silenced(&scene.seeing).await, silenced(&site.seeing).await), (vec![true], vec![true]));
    scene.uses(|_| 100.0, 10).await;
    assert_eq!((paged().await, scene.told().await), (both.clone(), both));
}
