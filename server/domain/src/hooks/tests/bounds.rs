//! What floods cost: guesses are not looked at, what is new is taken at a rate, and the log stays small.

use model::hooks::NotKept;

use super::super::rates::BURST;
use super::*;
use crate::args;

#[tokio::test]
async fn who_guesses_waits_and_is_heard_after_that() {
    let shop = Shop::open().await;
    let wait = loop {
        match shop.send_with("whsec_d3Jvbmc=", &[], "{}").await {
            Err(Error::TooMany { retry_after }) if retry_after > 4 => break retry_after,
            Err(Error::TooMany { .. } | Error::NotFound { .. }) => {}
            other => panic!("{other:?}"),
        }
    };
    let early = shop.send(&[], r#"{"tag": "2"}"#).await;
    assert!(matches!(early, Err(Error::TooMany { .. })), "a right one is not looked at either: {early:?}");
    assert_eq!(shop.deployments().await.len(), 1);
    shop.store.later(wait);
    shop.send(&[], r#"{"tag": "2"}"#).await.expect("it waits no longer than it was told");
    let guess = shop.send_with("whsec_d3Jvbmc=", &[], "{}").await;
    assert!(matches!(guess, Err(Error::NotFound { .. })), "what was right is forgiven what was before: {guess:?}");
}

#[tokio::test]
async fn what_is_new_is_taken_at_a_rate_and_repeats_are_always_answered() {
    let shop = Shop::open().await;
    let bearer = format!("Bearer {}", shop.hook.secret);
    let send = async |key: u32| {
        let key = key.to_string();
        shop.send_now(&[("authorization", bearer.as_str()), ("x-github-event", "push"), ("idempotency-key", key.as_str())], "{}").await
    };
    for n in 0..BURST {
        send(n).await.expect("taken");
    }
    for _ in 0..2 {
        assert!(matches!(send(BURST).await, Err(Error::TooMany { retry_after: 1 })));
        assert!(send(0).await.expect("a repeat").repeated);
    }
    let count = async || {
        let mut tx = shop.store.platform.read().await.expect("a transaction");
        tx.one("SELECT COUNT(*) AS n FROM hook_deliveries", args![], |row| row.get::<i64>("n")).await.expect("a number")
    };
    assert_eq!(count().await, i64::from(BURST), "what is not taken is not written down");
    shop.store.later(1);
    assert!(!send(BURST).await.expect("taken now").repeated);
}

#[tokio::test]
async fn many_mistakes_and_large_bodies_leave_a_small_log() {
    let shop = Shop::open().await;
    let many: Vec<String> = (0..60_000).map(|n| format!("\"p{n}\":[]")).collect();
    let refused = shop.send(&[("idempotency-key", "k")], &format!("{{\"parameters\":{{{}}}}}", many.join(","))).await.expect("answered");
    let fields = refused.answer.problem.expect("a problem").fields;
    assert_eq!((fields.len(), fields[19].message.as_str()), (20, "59981 more mistakes are in it"));
    let mut tx = shop.store.platform.read().await.expect("a transaction");
    let sql = "SELECT CAST(length(answer) AS BIGINT) AS n, request FROM hook_deliveries";
    let (stored, request) = tx.one(sql, args![], |row| Ok((row.get::<i64>("n")?, row.get::<Option<Vec<u8>>>("request")?))).await.expect("its row");
    drop(tx);
    assert!(stored < 16 * 1024 && request.is_none(), "{stored}");
    let kept = &shop.log().await[0];
    assert_eq!((kept.whole, kept.not_kept), (false, Some(NotKept::Large)));
    let may = shop.may::<can::ManageHooks>().await;
    let again = redeliver(&shop.store.platform, &may, &Surroundings::default(), &shop.name(), kept.id).await;
    assert!(matches!(&again, Err(Error::Conflict { code: "not_kept", message }) if message.contains("too large")), "{again:?}");
    let branch = format!(r#"{{"action": "completed", "workflow_run": {{"conclusion": "success", "head_branch": "{}"}}}}"#, "b".repeat(200_000));
    let rule = HookRule::read("", "", "main", "", "").expect("a rule");
    update(&shop.store.platform, &may, &shop.name(), &HookChange { rule: Some(rule), disabled: None }).await.expect("changed");
    let ignored = shop.send(&[("x-github-event", "workflow_run")], &branch).await.expect("answered").answer;
    assert!(ignored.outcome == HookOutcome::Ignored && ignored.message.len() < 16 * 1024, "{}", ignored.message.len());
    assert!(shop.log().await[0].whole, "a body of that size is kept");
}
