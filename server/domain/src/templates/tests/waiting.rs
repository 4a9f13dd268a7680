//! What was answered and waits for an approval.

use super::*;

#[tokio::test]
async fn that_secrets_are_set_before_anybody_decides_is_told() {
    let scene = Scene::set().await;
    let platform = &scene.store.platform;
    scene.write(&with_secret()).await.expect("made");
    scene.store.write_sql("UPDATE environments SET protected = TRUE").await;
    let given = || asked(Some("echo"), None, &[("image", "web:1"), ("db_password", "correct-horse")]);
    let told = |notes: &[String]| notes.iter().any(|note| note.contains("the secrets are set when the deployment is asked for"));
    let plan = scene.plan(given()).await.expect("planned");
    assert!(told(&plan.notes), "{:?}", plan.notes);

    let key = |made: &DeploymentView| deployments::DeploymentKey { project: scene.shop.clone(), service: scene.web.clone(), deployment: made.id };
    let waiting = scene.ask(given()).await.expect("asked for");
    assert!(waiting.progress.note.clone().is_some_and(|note| told(&[note])), "{waiting:?}");
    let see = scene.ana.may::<can::SeeServices, _>(platform, &key(&waiting)).await.expect("allowed");
    let plan = deployments::plan_of(platform, &see).await.expect("planned");
    assert!(told(&plan.notes), "{:?}", plan.notes);
    let decide = scene.ana.may::<can::Approve, _>(platform, &key(&waiting)).await.expect("allowed");
    let refused = deployments::refuse(platform, &decide, "not today").await.expect("refused");
    let message = refused.reason.expect("a reason").message;
    assert!(message.contains("ana: not today") && message.ends_with("whatever becomes of this one"), "{message}");
    assert!(scene.form(asked(Some("echo"), None, &[])).await.kept.contains("db_password"), "it is as it was told");

    // Of one that brings none nothing is said; one that is approved forgets it.
    let plain = asked(Some("echo"), None, &[("image", "web:1")]);
    assert!(!told(&scene.plan(plain.clone()).await.expect("planned").notes));
    assert_eq!(scene.ask(plain).await.expect("asked for").progress.note, None);
    let waiting = scene.ask(given()).await.expect("asked for");
    let decide = scene.ana.may::<can::Approve, _>(platform, &key(&waiting)).await.expect("allowed");
    assert_eq!(deployments::approve(platform, &decide, "").await.expect("approved").progress.note, None);
}

#[tokio::test]
async fn a_plan_says_that_what_was_described_by_hand_does_not_stay() {
    let scene = Scene::set().await;
    scene.write(ECHO).await.expect("made");
    scene.bring(asked(Some("echo"), None, &[("image", "web:1")])).await.expect("deployed");
    let by_hand = async || scene.plan(asked(None, None, &[("image", "web:2")])).await.expect("planned").notes.join("; ").contains("by hand");
    assert!(!by_hand().await);
    scene.store.later(1);
    let descriptor = model::descriptor::Descriptor::parse("image: web:1\nenv: {GREETING: hi}").expect("a descriptor");
    let request = Request { intent: Intent::default(), descriptor };
    let made = deployments::deploy(&scene.store.platform, &scene.may().await, &request).await.expect("deployed");
    scene.succeed(&made).await;
    assert!(by_hand().await);
}
