//! Values of secret parameters: set, and shown to nobody.

use model::hooks::NotKept;
use model::secret::HIDDEN;
use model::template::Answers;
use model::views::hooks::HookDeliveryView;

use super::*;
use crate::args;
use crate::projects::Project;
use crate::templates::{self, Asked};

const SECRET: &str = "correct-horse-battery";
const ECHO: &str = "name: echo
parameters:
  - {name: image, type: image, required: true}
  - {name: greeting, default: hello}
  - {name: db_password, type: secret, required: true}
descriptor: |
  image: {{ image }}
  env:
    GREETING: {{ greeting }}
  secrets:
    - {name: {{ db_password }}, env: DB_PASSWORD}
";

impl Shop {
    /// What runs is what a template made, with a secret.
    async fn made_by_template(&self) {
        let platform = &self.store.platform;
        let may: May<can::ManageTemplates, Project> = self.store.may(&self.ana, &self.project).await;
        templates::save(platform, &may, ECHO, "", None).await.expect("saved");
        let given = [("image", "web:1"), ("db_password", "first-secret")];
        let answers: Answers = given.into_iter().map(|(name, answer)| (name.to_owned(), answer.to_owned())).collect();
        let asked = Asked { template: Some("echo".into()), answers, ..Asked::default() };
        let may = self.may::<can::Deploy>().await;
        let made = templates::answers::make(platform, &may, None, &asked, &Surroundings::default()).await.expect("made");
        let request = Request { intent: Intent::default(), descriptor: made.descriptor };
        deployments::deploy_from(platform, &may, &request, Some(&made.origin)).await.expect("deployed");
    }

    /// The newest delivery, and everything that is shown and stored of it.
    async fn newest(&self) -> (HookDeliveryView, String) {
        let (platform, may) = (&self.store.platform, self.may::<can::ManageHooks>().await);
        let log = self.log().await;
        let detail = delivery(platform, &may, &self.name(), log[0].id).await.expect("read");
        let shown = serde_json::to_string(&(&log, &detail)).expect("JSON");
        let mut tx = platform.read().await.expect("a transaction");
        let sql = "SELECT request FROM hook_deliveries WHERE id = $1";
        let sealed: Option<Vec<u8>> = tx.one(sql, args![log[0].id], |row| row.get("request")).await.expect("its row");
        drop(tx);
        let opened = sealed.map(|sealed| platform.open(&request_purpose(log[0].id), &sealed).expect("opened"));
        let opened = String::from_utf8(opened.unwrap_or_default()).expect("text");
        (log[0].clone(), format!("{shown} {detail:?} {opened}"))
    }
}

#[tokio::test]
async fn a_secret_answer_is_set_and_kept_nowhere_in_the_log() {
    let shop = Shop::open().await;
    shop.made_by_template().await;
    let body = format!(r#"{{"tag": "2", "parameters": {{"greeting": "good morning", "db_password": "{SECRET}"}}}}"#);
    let done = shop.send(&[("user-agent", "jenkins")], &body).await.expect("delivered");
    assert_eq!(done.answer.outcome, HookOutcome::Accepted, "{done:?}");
    let (kept, all) = shop.newest().await;
    assert!(!all.contains(SECRET), "{all}");
    assert!(all.contains(HIDDEN) && all.contains("good morning") && all.contains("jenkins"), "the rest is kept: {all}");
    assert_eq!((kept.whole, kept.not_kept), (false, Some(NotKept::Secret)));
    let may = shop.may::<can::ManageHooks>().await;
    let again = redeliver(&shop.store.platform, &may, &Surroundings::default(), &shop.name(), kept.id).await;
    assert!(matches!(&again, Err(Error::Conflict { code: "not_kept", message }) if message.contains("secret")), "{again:?}");
    assert_eq!(shop.deployments().await.len(), 3, "it was not set to what stands for it");
}

#[tokio::test]
async fn what_could_be_a_secret_is_not_kept_and_open_answers_are() {
    let shop = Shop::open().await;
    shop.made_by_template().await;
    for body in [
        format!(r#"{{"tag": "2", "parameters": {{"db_pasword": "{SECRET}"}}}}"#),
        format!(r#"{{"tagg": "2", "parameters": {{"db_password": "{SECRET}"}}}}"#),
        format!(r#"{{"tag": "2", "parameters": "{SECRET}"}}"#),
        format!(r#"{{"tag": "2", "parameters": {{"db_password": "{SECRET}",}}}}"#),
    ] {
        let refused = shop.send(&[], &body).await.expect("answered");
        assert_eq!(refused.answer.outcome, HookOutcome::Refused, "{body}");
        let (kept, all) = shop.newest().await;
        assert!(!all.contains(SECRET), "{body}: {all}");
        assert_eq!((kept.whole, kept.not_kept), (false, Some(NotKept::Secret)), "{body}");
    }
    let twice = format!(r#"{{"tag": "2", "parameters": {{"db_password": "{SECRET}"}}, "parameters": {{"greeting": "good evening"}}}}"#);
    shop.send(&[], &twice).await.expect("delivered");
    let (_, all) = shop.newest().await;
    assert!(!all.contains(SECRET) && all.contains("good evening"), "{all}");
    shop.send(&[], r#"{"tag": "2", "parameters": {"greeting": "good morning"}}"#).await.expect("delivered");
    let (kept, all) = shop.newest().await;
    assert!(kept.whole && kept.not_kept.is_none() && all.contains("good morning"), "{all}");
    // Asked openly then, and as a secret now.
    let may: May<can::ManageTemplates, Project> = shop.store.may(&shop.ana, &shop.project).await;
    let text = ECHO.replace("{name: greeting, default: hello}", "{name: greeting, type: secret}").replace("GREETING: {{ greeting }}", "A: b");
    templates::save(&shop.store.platform, &may, &text, "", None).await.expect("saved");
    let asked = Asked { template: Some("echo".into()), version: Some(2), ..Asked::default() };
    let deploys = shop.may::<can::Deploy>().await;
    let made = templates::answers::make(&shop.store.platform, &deploys, None, &asked, &Surroundings::default()).await.expect("made");
    let request = Request { intent: Intent::default(), descriptor: made.descriptor };
    deployments::deploy_from(&shop.store.platform, &deploys, &request, Some(&made.origin)).await.expect("deployed");
    let may = shop.may::<can::ManageHooks>().await;
    let again = redeliver(&shop.store.platform, &may, &Surroundings::default(), &shop.name(), kept.id).await;
    assert!(matches!(&again, Err(Error::Conflict { code: "not_kept", .. })), "{again:?}");
}

#[tokio::test]
async fn answers_to_what_asks_nothing_are_not_kept_either() {
    let shop = Shop::open().await;
    let body = format!(r#"{{"tag": "2", "parameters": {{"db_password": "{SECRET}"}}}}"#);
    let refused = shop.send(&[], &body).await.expect("answered");
    assert_eq!(refused.answer.outcome, HookOutcome::Refused);
    assert!(!shop.newest().await.1.contains(SECRET));
}
