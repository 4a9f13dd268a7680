//! Whether a client is there is asked by pings: who answers keeps the shell, and who does not is gone, like one whose line was cut.

use std::time::Duration;

use domain::shells::Patience;
use futures::StreamExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Message;

use super::{Place, SOON, Terminal, query, until};

/// A client of its connection alone: what comes is read from it, and nothing is understood or answered. Resolves when the portal has closed it.
async fn deaf(shell: &mut Terminal) {
    let MaybeTlsStream::Plain(stream) = shell.socket.get_mut() else { panic!("the test portal speaks plainly") };
    let mut part = [0; 4096];
    let closed = async { while stream.read(&mut part).await.is_ok_and(|count| count > 0) {} };
    timeout(SOON, closed).await.expect("a client that answers nothing is dropped");
}

#[tokio::test]
async fn a_client_that_answers_pings_lives_however_little_it_says() {
    let place = Place::new().await;
    let patience = Patience { grace: Duration::from_millis(100), ping: Duration::from_millis(500), dead: Duration::from_secs(4) };
    place.ground.portal().platform().shells().set_patience(patience);
    let mut shell = place.way("eve").open("").await;
    let mut pings = 0;
    let heard = async {
        // For longer than a client that says nothing is waited for; to hear a ping is to answer it.
        while pings < 16 {
            match shell.socket.next().await.expect("it goes on").expect("a message") {
                Message::Ping(_) => pings += 1,
                Message::Binary(bytes) => shell.received.extend_from_slice(&bytes),
                _ => {}
            }
        }
    };
    timeout(SOON, heard).await.expect("it is asked again and again");
    shell.key(b"echo st$((1+2))ill\n").await;
    shell.until("st3ill").await;
    shell.close().await;
}

#[tokio::test]
async fn a_client_that_answers_nothing_is_dropped_and_its_shell_goes_on_for_the_grace_and_no_longer() {
    let place = Place::new().await;
    let shells = place.ground.portal().platform().shells();
    let patience = Patience { grace: Duration::from_secs(60), ping: Duration::from_millis(500), dead: Duration::from_secs(3) };
    shells.set_patience(patience);
    let way = place.way("eve");
    let mut silent = way.open("").await;
    silent.key(b"echo st$((1+1))arted; busybox sleep 4713\n").await;
    silent.until("st2arted").await;
    until("it runs", || place.processes().contains("sleep 4713")).await;
    let (session, received) = (silent.session.clone(), silent.received.len());
    deaf(&mut silent).await;
    assert!(place.processes().contains("sleep 4713"), "its shell waits for it");

    // A client with time to answer, so that it is there as long as it wants.
    shells.set_patience(Patience::default());
    let again = query(&[("session", &session), ("received", &received.to_string())]);
    let mut shell = way.open(&again).await;
    shell.key(b"\x03echo st$((1+2))ill; busybox sleep 4714\n").await;
    shell.until("st3ill").await;
    until("the next one runs", || place.processes().contains("sleep 4714")).await;
    let received = received + shell.received.len();
    drop(shell);

    // Nobody comes back this time: the line stands, and nothing is said on it.
    shells.set_patience(patience);
    let mut silent = way.open(&query(&[("session", &session), ("received", &received.to_string())])).await;
    shells.set_grace(Duration::from_millis(200));
    deaf(&mut silent).await;
    until("nothing is left of the shell", || !place.processes().contains("471")).await;
    until("it is over", || shells.count() == 0).await;
    let (code, message) = way.try_open(&query(&[("session", &session), ("received", "0")])).await.map(drop).expect_err("it has ended");
    assert_eq!(code, "ended");
    assert!(message.contains("nobody was connected"), "{message}");
}
