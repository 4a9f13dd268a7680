use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const RULES: Rules = Rules { interval: Duration::from_secs(5), timeout: Duration::from_secs(2), retries: 3, start_period: Duration::from_secs(10) };
const SOON: Duration = Duration::from_secs(5);

/// A server that answers every connection with `answer`, or closes it when that is empty.
async fn server(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

async fn http(address: SocketAddr, timeout: Duration) -> Found {
    let what = What::Http { path: "/healthz".into() };
    Prober::new().expect("a client").probe(&what, &Target::new(Some(address), None), timeout).await
}

/// A port at which nobody listens, and which nobody else is given while it is held.
pub(crate) fn closed_port() -> (SocketAddr, impl Sized) {
    let held = tokio::net::TcpSocket::new_v4().expect("a socket");
    held.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    (held.local_addr().expect("an address"), held)
}

/// An address that never takes a connection: its queue is full.
async fn silent() -> (SocketAddr, impl Sized) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("a queue");
    let address = listener.local_addr().expect("an address");
    let mut waiting = Vec::new();
    while let Ok(taken) = tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(address)).await {
        waiting.push(taken.expect("a connection"));
    }
    (address, (listener, waiting))
}

#[tokio::test]
async fn reasons_are_for_people() {
    let good = server("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(http(good, SOON).await, Found { passed: true, reason: format!("GET http://{good}/healthz answered 204") });
    let moved = server("HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n").await;
    assert!(http(moved, SOON).await.passed, "redirects pass and are not followed");
    let bad = server("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(http(bad, SOON).await, Found { passed: false, reason: format!("GET http://{bad}/healthz answered 503") });
    let rude = server("").await;
    assert_eq!(http(rude, SOON).await.reason, format!("GET http://{rude}/healthz: connection closed before message completed"));
    let (closed, _held) = closed_port();
    assert_eq!(http(closed, SOON).await.reason, format!("GET http://{closed}/healthz: connection refused"));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let found = http(address, Duration::from_millis(50)).await;
    assert_eq!(found, Found { passed: false, reason: format!("GET http://{address}/healthz: no answer within 50 ms") });
    let tcp = Prober::new().expect("a client").probe(&What::Tcp, &Target::new(Some(address), None), SOON).await;
    assert!(tcp.passed, "a connection that is taken is enough for tcp");
}

#[tokio::test]
async fn an_endless_answer_is_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    assert!(tokio::time::timeout(SOON, http(address, SOON)).await.expect("at once").passed);
}

#[tokio::test]
async fn where_the_container_is_out_of_reach_its_published_port_is_tried() {
    let good = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let (silent, _full) = silent().await;
    let target = Target::new(Some(silent), Some(good));
    let prober = Prober::new().expect("a client");
    for what in [What::Tcp, What::Http { path: "/".into() }] {
        let found = prober.probe(&what, &target, Duration::from_secs(2)).await;
        assert!(found.passed, "{found:?}");
    }
    let (closed, _held) = closed_port();
    let refused = Target::new(Some(closed), Some(good));
    assert!(!prober.probe(&What::Tcp, &refused, SOON).await.passed, "a refusal is an answer");
    assert!(!prober.probe(&What::Tcp, &Target::new(None, None), SOON).await.passed);
}

#[test]
fn failures_in_the_start_period_do_not_count_and_one_pass_ends_it() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut tally = Tally::new(RULES, start);
    assert_eq!(tally.take(false, at(1)), Verdict::Starting);
    assert_eq!(tally.take(false, at(9)), Verdict::Starting);
    assert_eq!(tally.take(true, at(10)), Verdict::Healthy);
    assert_eq!(tally.take(false, at(15)), Verdict::Healthy);
    assert_eq!(tally.take(false, at(20)), Verdict::Healthy);
    assert_eq!(tally.take(false, at(25)), Verdict::Unhealthy);
    assert_eq!(tally.take(true, at(30)), Verdict::Healthy);
}

#[test]
fn a_task_that_never_passes_is_unhealthy_after_its_tries() {
    let start = Instant::now();
    let mut tally = Tally::new(RULES, start);
    let mut now = start;
    while tally.take(false, now) == Verdict::Starting {
        now += tally.pause();
        assert!(now < start + Duration::from_secs(60), "it must be told some time");
    }
    assert_eq!(tally.verdict(), Verdict::Unhealthy);
    let took = now - start;
    assert!(took >= RULES.start_period + RULES.interval * 2 && took <= RULES.start_period + RULES.interval * 4, "{took:?}");
}

#[test]
fn a_quick_task_is_found_healthy_quickly() {
    let mut tally = Tally::new(RULES, Instant::now());
    assert_eq!(tally.pause(), EAGER);
    assert!((0..4).map(|_| tally.pause()).sum::<Duration>() < Duration::from_secs(1));
    tally.take(true, Instant::now());
    assert_eq!(tally.pause(), RULES.interval);
}
