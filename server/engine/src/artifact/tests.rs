use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

type Answer = dyn Fn(usize, &Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync;

/// A server on this machine, and how often it was asked.
async fn serve(answer: Box<Answer>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, answer) = (Arc::clone(&asked), Arc::new(answer));
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answered = answer(count.fetch_add(1, Ordering::SeqCst), &request);
                    async move { Ok::<_, Infallible>(answered) }
                });
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, asked)
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ok(bytes: &'static [u8]) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from_static(bytes)))
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).expect("an answer")
}

struct Own {
    artifacts: Artifacts,
    allowed: AllowList,
    folder: tempfile::TempDir,
}

impl Own {
    fn new(address: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let limits = Limits { artifact: 1000, ..Limits::default() };
        let artifacts = Artifacts::new(folder.path().join("artifacts"), Net::default(), limits);
        Self { artifacts, allowed: AllowList::from_lines([format!("http://{address}").as_str()]).expect("a list"), folder }
    }

    async fn get(&self, url: &str, sha256: &str) -> Result<Fetched, Reason> {
        let artifact = Artifact { url: url.to_owned(), sha256: sha256.to_owned(), path: "/app".into() };
        self.artifacts.get(self.allowed.clone(), project(), &artifact).await
    }
}

fn project() -> ProjectId {
    "0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa".parse().expect("an id")
}

fn code(result: Result<Fetched, Reason>) -> String {
    result.err().expect("refused").code
}

#[tokio::test]
async fn many_who_want_the_same_share_one_download_and_it_stays() {
    let (address, asked) = serve(Box::new(|_, _| ok(b"hello"))).await;
    let own = Own::new(&address);
    let (url, sum) = (format!("http://{address}/a"), checksum(b"hello"));
    let all = futures::future::join_all((0..20).map(|_| own.get(&url, &sum))).await;
    assert!(all.iter().all(Result::is_ok));
    assert!(own.get(&url, &sum).await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let kept: Vec<_> = std::fs::read_dir(own.folder.path().join("artifacts")).expect("a folder").collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
}

#[tokio::test]
async fn nothing_is_fetched_onto_a_disk_that_is_as_good_as_full() {
    let (address, _) = serve(Box::new(|_, _| ok(b"hello"))).await;
    let mut own = Own::new(&address);
    let (url, sum) = (format!("http://{address}/a"), checksum(b"hello"));
    let folder = own.folder.path().join("artifacts");
    let limits = Limits { artifact: 1000, floor: Floor { bytes: u64::MAX, parts: 1 }, ..Limits::default() };
    own.artifacts = Artifacts::new(folder.clone(), Net::default(), limits);
    let refused = own.get(&url, &sum).await.err().expect("refused");
    assert!(refused.code == "portal_disk_full" && refused.message.contains("operator"), "{refused:?}");
    assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 0, "not even a beginning");
}

/// A server that answers its connections with these texts, one after the other; what it was asked.
async fn raw(answers: &'static [&'static str]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
            while !head.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut buffer).await.expect("readable");
                head.extend_from_slice(&buffer[..read]);
            }
            kept.lock().expect("no panic").push(String::from_utf8_lossy(&head).to_lowercase());
            stream.write_all(answer.as_bytes()).await.expect("written");
            stream.shutdown().await.expect("closed");
        }
    });
    (address, heads)
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_was_cut_goes_on() {
    let (address, heads) = raw(&[
        "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhel",
        "HTTP/1.1 206 Part\r\nconnection: close\r\ncontent-range: bytes 3-4/5\r\ncontent-length: 2\r\n\r\nlo",
    ])
    .await;
    let own = Own::new(&address);
    assert!(own.get(&format!("http://{address}/a"), &checksum(b"hello")).await.is_ok());
    let heads = heads.lock().expect("no panic");
    assert!(heads.len() == 3 && heads[2].contains("range: bytes=3-") && !heads[1].contains("range:"), "{heads:?}");
}

#[tokio::test]
async fn who_is_outside_leads_nowhere_inside_also_where_an_operator_allows_it() {
    let (inside, asked) = serve(Box::new(|_, _| ok(b"hello"))).await;
    let to = format!("http://{inside}/x");
    let redirect =
        move |_: usize, _: &Request<Incoming>| Response::builder().status(302).header("location", &to).body(Full::default()).expect("an answer");
    let (outside, _) = serve(Box::new(redirect)).await;
    let port = outside.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let folder = tempfile::tempdir().expect("a folder");
    let allowed = AllowList::from_lines([format!("http://{inside}").as_str(), format!("http://{outside}").as_str()]).expect("a list");
    let artifact = Artifact { url: format!("http://{outside}/a"), sha256: checksum(b"hello"), path: "/app".into() };
    let get = async |net: Net, name: &str| {
        Artifacts::new(folder.path().join(name), net, Limits::default()).get(allowed.clone(), project(), &artifact).await
    };
    assert!(get(Net::default(), "inside").await.is_ok(), "one that is inside itself may");
    assert_eq!(asked.swap(0, Ordering::SeqCst), 1);
    let refused = get(Net::default().calling_public(&[port]), "outside").await.err().expect("refused");
    assert!(refused.code == "address_refused" && refused.message.contains("leads on to"), "{refused:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn all_that_is_under_way_has_one_room() {
    let all = AtomicU64::new(0);
    let (one, other) = (download::Room::new(&all, 10), download::Room::new(&all, 10));
    assert!(one.takes(4) && other.takes(6) && !one.takes(5));
    assert!(one.takes(0) && other.takes(10));
    drop((one, other));
    assert_eq!(all.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_cannot_be_is_told_by_what_it_is() {
    let (address, asked) = serve(Box::new(|_, request| match request.uri().path() {
        "/missing" => status(StatusCode::NOT_FOUND),
        "/private" => status(StatusCode::FORBIDDEN),
        "/large" => Response::new(Full::new(Bytes::from(vec![0; 2000]))),
        "/away" => Response::builder().status(302).header("location", "http://127.0.0.1:9/x").body(Full::default()).expect("an answer"),
        _ => ok(b"something else"),
    }))
    .await;
    let own = Own::new(&address);
    let sum = checksum(b"hello");
    for (path, wanted) in [
        ("/other", "artifact_mismatch"),
        ("/missing", "artifact_not_found"),
        ("/private", "artifact_denied"),
        ("/large", "artifact_too_large"),
        ("/away", "address_refused"),
    ] {
        assert_eq!(code(own.get(&format!("http://{address}{path}?token=hidden"), &sum).await), wanted);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 5, "none of it is asked twice");
    let told = own.get(&format!("http://{address}/other?token=hidden"), &sum).await.err().expect("refused");
    assert!(told.message.contains(&checksum(b"something else")) && !told.message.contains("hidden"), "{told:?}");
    assert_eq!(code(own.get("https://127.0.0.1:9/x", &sum).await), "address_refused");
}
