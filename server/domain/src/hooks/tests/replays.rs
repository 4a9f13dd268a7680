//! What somebody could do who recorded a delivery and has no secret: write other names around what is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use model::notices::SECRET_PREFIX;
use sha2::Sha256;

use super::*;
use crate::keys::hex;

const RUN: &str = r#"{"action": "completed", "workflow_run": {"conclusion": "success", "head_sha": "7fd1a60b", "id": 562}}"#;

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl Shop {
    fn hub(&self, body: &str) -> String {
        format!("sha256={}", hex(&mac(self.hook.secret.as_bytes(), body)))
    }

    fn standard(&self, id: &str, time: &str, body: &str) -> String {
        let key = STANDARD.decode(&self.hook.secret[SECRET_PREFIX.len()..]).expect("base64");
        format!("v1,{}", STANDARD.encode(mac(&key, &format!("{id}.{time}.{body}"))))
    }
}

#[tokio::test]
async fn what_standard_webhooks_signs_has_no_other_name() {
    let shop = Shop::open().await;
    let body = r#"{"tag": "2"}"#;
    let time = (shop.store.platform.now().0 / 1000).to_string();
    let signature = shop.standard("msg_1", &time, body);
    let recorded = [("webhook-id", "msg_1"), ("webhook-timestamp", time.as_str()), ("webhook-signature", signature.as_str())];
    let first = shop.send_now(&recorded, body).await.expect("delivered");
    assert!(!first.repeated);
    for more in ["build-1", "build-2"] {
        let again = shop.send_now(&[&recorded[..], &[("idempotency-key", more)]].concat(), body).await.expect("answered");
        assert_eq!((again.repeated, again.answer), (true, first.answer.clone()), "{more}");
    }
    assert_eq!(shop.deployments().await.len(), 2);
}

#[tokio::test]
async fn a_time_that_is_signed_is_looked_at_each_time() {
    let shop = Shop::open().await;
    let body = r#"{"tag": "2"}"#;
    let time = (shop.store.platform.now().0 / 1000).to_string();
    let signature = shop.standard("msg_1", &time, body);
    let recorded = [("webhook-id", "msg_1"), ("webhook-timestamp", time.as_str()), ("webhook-signature", signature.as_str())];
    for repeated in [false, true, true] {
        assert_eq!(shop.send_now(&recorded, body).await.expect("answered").repeated, repeated);
    }
    shop.store.later(301);
    let stale = shop.send_now(&recorded, body).await;
    assert!(matches!(&stale, Err(Error::Invalid(fields)) if fields[0].field == "webhook-timestamp"), "{stale:?}");
}

#[tokio::test]
async fn an_event_whose_body_is_signed_is_not_done_again_under_another_name() {
    let shop = Shop::open().await;
    let hub = shop.hub(RUN);
    let gitea = hub.trim_start_matches("sha256=");
    let named = [("x-github-event", "workflow_run"), ("x-github-delivery", "d-1")];
    let first = shop.send_now(&[&named[..], &[("x-hub-signature-256", hub.as_str())]].concat(), RUN).await.expect("delivered");
    assert_eq!((first.answer.outcome, first.repeated), (HookOutcome::Accepted, false));
    for recorded in [
        vec![("x-hub-signature-256", hub.as_str()), ("x-github-event", "workflow_run"), ("x-github-delivery", "d-2")],
        vec![("x-hub-signature-256", hub.as_str()), ("x-github-event", "workflow_run"), ("idempotency-key", "k")],
        vec![("x-hub-signature-256", hub.as_str()), ("x-github-event", "workflow_run")],
        vec![("x-gitea-signature", gitea), ("x-gitea-event", "workflow_run")],
    ] {
        shop.store.later(3600);
        let again = shop.send_now(&recorded, RUN).await.expect("answered");
        assert_eq!((again.repeated, again.answer), (true, first.answer.clone()), "{recorded:?}");
    }
    assert_eq!((shop.deployments().await.len(), shop.log().await.len()), (2, 1));
    let next = RUN.replace("562", "563");
    let hub = shop.hub(&next);
    let other = shop.send_now(&[&named[..], &[("x-hub-signature-256", hub.as_str())]].concat(), &next).await;
    assert!(matches!(&other, Err(Error::Invalid(fields)) if fields[0].field == "x-github-delivery"), "{other:?}");
    let next = shop.send_now(&[named[0], ("x-hub-signature-256", hub.as_str())], &next).await.expect("delivered");
    assert!(!next.repeated, "the next run is another one");
    // What a person asks for is done again.
    let may = shop.may::<can::ManageHooks>().await;
    let id = shop.log().await[1].id;
    let again = redeliver(&shop.store.platform, &may, &Surroundings::default(), &shop.name(), id).await.expect("done");
    assert_eq!(again.status, Some(202));
    assert_eq!(shop.deployments().await.len(), 4);
}

#[tokio::test]
async fn our_own_body_may_come_again() {
    let shop = Shop::open().await;
    let body = r#"{"tag": "2"}"#;
    let hub = shop.hub(body);
    for headers in [
        vec![("x-hub-signature-256", hub.as_str())],
        vec![("x-hub-signature-256", hub.as_str())],
        vec![("x-hub-signature-256", hub.as_str()), ("idempotency-key", "k-1")],
        vec![("x-hub-signature-256", hub.as_str()), ("idempotency-key", "k-2")],
    ] {
        shop.store.later(1);
        assert!(!shop.send_now(&headers, body).await.expect("delivered").repeated, "{headers:?}");
    }
    assert_eq!(shop.deployments().await.len(), 5);
}

#[tokio::test]
async fn what_comes_often_at_once_under_many_names_is_one_deployment() {
    let shop = Shop::open().await;
    let hub = shop.hub(RUN);
    let names: Vec<String> = (0..20).map(|n| format!("d-{n}")).collect();
    let headers = |name| [("x-hub-signature-256", hub.as_str()), ("x-github-event", "workflow_run"), ("x-github-delivery", name)];
    let all: Vec<_> = names.iter().map(|name| headers(name.as_str())).collect();
    let all = futures::future::join_all(all.iter().map(|headers| shop.send_now(headers, RUN))).await;
    let fresh = all.into_iter().filter(|one| !one.as_ref().expect("delivered").repeated).count();
    assert_eq!((fresh, shop.deployments().await.len()), (1, 2));
}
