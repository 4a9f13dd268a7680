//! However a shell ends, nothing of it stays in the container: neither what runs in front, nor what was put behind, nor who ignores a hang-up.

use std::time::Duration;

use super::{Heard, Place, Terminal, Way, query, until};
use crate::ground::docker;

/// Lets the shell run something in front and some things behind; resolves when they run.
async fn busy(place: &Place, shell: &mut Terminal) {
    shell.key(b"(trap '' HUP; sleep 4711) & sleep 4712 & echo st$((1+1))arted; busybox sleep 4713\n").await;
    shell.until("st2arted").await;
    until("all of it runs", || ["4711", "4712", "4713"].iter().all(|one| place.processes().contains(one))).await;
}

async fn nothing_is_left(place: &Place) {
    until("nothing is left of the shell", || !place.processes().contains("471")).await;
    assert!(place.processes().contains("sleep 100000"), "what is not the shell's lives on");
}

/// What somebody is told who comes back.
async fn told(way: &Way, session: &str, received: usize) -> (String, String) {
    let again = query(&[("session", session), ("received", &received.to_string())]);
    way.try_open(&again).await.map(drop).expect_err("it is over")
}

#[tokio::test]
async fn after_the_grace_nothing_is_left_and_coming_back_is_refused_clearly() {
    let place = Place::new().await;
    let way = place.way("eve");
    let mut shell = way.open("").await;
    busy(&place, &mut shell).await;
    let (session, received) = (shell.session.clone(), shell.received.len());
    place.grace(Duration::from_millis(500));
    drop(shell);
    nothing_is_left(&place).await;
    let gone = async {
        // It is being ended until its row says that it is over.
        while place.ground.portal().platform().shells().count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(super::SOON, gone).await.expect("it ends");
    let (code, message) = told(&way, &session, received).await;
    assert_eq!(code, "ended");
    assert!(message.contains("nobody was connected") && message.contains("open a new one"), "{message}");
}

#[tokio::test]
async fn within_the_grace_everything_goes_on() {
    let place = Place::new().await;
    let way = place.way("eve");
    let mut shell = way.open("").await;
    busy(&place, &mut shell).await;
    let (session, received) = (shell.session.clone(), shell.received.len());
    drop(shell);
    let again = query(&[("session", &session), ("received", &received.to_string())]);
    let mut shell = way.open(&again).await;
    assert!(place.processes().contains("sleep 4713"));
    shell.key(b"\x03echo st$((1+2))ill\n").await;
    shell.until("st3ill").await;
    shell.close().await;
    nothing_is_left(&place).await;
}

#[tokio::test]
async fn a_lost_role_ends_a_shell_whether_it_is_busy_or_left_alone() {
    let place = Place::new().await;
    let way = place.way("eve");
    let mut left = way.open("").await;
    busy(&place, &mut left).await;
    drop(left);
    let mut watched = way.open("").await;
    watched.key(b"while :; do echo still here; done\n").await;
    watched.until("still here").await;
    place.expel().await;
    assert_eq!(watched.error().await, "not_found", "cut at once, however busy it is");
    nothing_is_left(&place).await;
    until("the busy one has ended too", || !place.processes().lines().any(|line| line.trim().ends_with("sh"))).await;
}

#[tokio::test]
async fn signing_out_ends_the_shells_of_that_session_and_no_others() {
    let place = Place::new().await;
    let base = place.ground.portal().base.clone();
    let browser = place.ground.portal().browser("eve").await;
    let mut shell = Way::of_page(&browser, &place.task, &base).open("").await;
    busy(&place, &mut shell).await;
    let mut other = place.way("eve").open("").await;
    let csrf = browser.csrf().await;
    let out = browser.form("/fn/accounts/logout", &[("csrf", &csrf)]).await;
    assert!(out.status().is_success() || out.status().is_redirection(), "{}", out.status());
    assert_eq!(shell.error().await, "unauthenticated");
    nothing_is_left(&place).await;
    other.key(b"echo st$((1+2))ill\n").await;
    other.until("st3ill").await;
}

#[tokio::test]
async fn a_shell_rests_on_the_credential_it_was_attached_with_last() {
    let place = Place::new().await;
    let base = place.ground.portal().base.clone();
    let browser = place.ground.portal().browser("eve").await;
    let mut shell = Way::of_page(&browser, &place.task, &base).open("").await;
    busy(&place, &mut shell).await;
    let again = query(&[("session", &shell.session), ("received", &shell.received.len().to_string())]);
    let mut newer = place.way("eve").open(&again).await;
    assert_eq!(shell.error().await, "replaced");
    let csrf = browser.csrf().await;
    browser.form("/fn/accounts/logout", &[("csrf", &csrf)]).await;
    newer.key(b"\x03echo st$((1+2))ill\n").await;
    newer.until("st3ill").await;
}

#[tokio::test]
async fn a_stopped_container_ends_its_shells_and_they_say_so() {
    let place = Place::new().await;
    let way = place.way("eve");
    let mut shell = way.open("").await;
    busy(&place, &mut shell).await;
    let (session, received) = (shell.session.clone(), shell.received.len());
    docker(&["kill", &place.container]);
    assert_eq!(shell.error().await, "task_ended");
    let stopped = place.ground.portal().platform().shells();
    until("it is over", || stopped.count() == 0).await;
    let again = query(&[("session", &session), ("received", &received.to_string())]);
    // Who missed it hears it when they come back.
    assert_eq!(way.open(&again).await.error().await, "task_ended");
}

#[tokio::test]
async fn a_portal_that_stops_tells_its_shells_and_leaves_nothing_of_them() {
    let mut place = Place::new().await;
    let mut shell = place.way("eve").open("").await;
    busy(&place, &mut shell).await;
    let session = shell.session.clone();
    let told = tokio::spawn(async move {
        let last = shell.last_word().await;
        (last, shell.received.len())
    });
    place.ground.restart().await;
    let (last, received) = told.await.expect("no panic");
    let Heard::Error(code, message) = last else { panic!("it is told, but {last:?}") };
    assert_eq!(code, "stopping");
    assert!(message.contains("open a new one"), "{message}");
    assert!(!place.processes().contains("471"), "when the portal has ended, so have its shells' processes");
    let (code, message) = self::told(&place.way("eve"), &session, received).await;
    assert_eq!(code, "ended");
    assert!(message.contains("portal was stopped"), "{message}");
}

#[tokio::test]
async fn a_shell_that_was_ended_while_its_owner_was_away_says_how() {
    let place = Place::new().await;
    let way = place.way("eve");
    let mut shell = way.open(&query(&[("command", "sh -c 'read line; echo the last words; exit 9'")])).await;
    let session = shell.session.clone();
    shell.key(b"go\n").await;
    // A connection that is dropped with something unread takes with it what was typed last.
    let before = shell.until("go").await;
    let received = shell.received.len().to_string();
    drop(shell);
    let running = place.ground.portal().platform().shells();
    until("it has ended", || running.count() == 0).await;
    let mut shell = way.open(&query(&[("session", &session), ("received", &received)])).await;
    let Heard::Exit(9) = shell.last_word().await else { panic!("the code is told") };
    let all = before + &shell.text();
    assert!(all.contains("the last words"), "{all}");
}
