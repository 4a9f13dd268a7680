use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
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
        self.artifacts.get(self.allowed.clone(), &artifact).await
    }
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
async fn what_may_pass_is_tried_again_and_what_was_cut_goes_on() {
    let (address, asked) = serve(Box::new(|count, request| match count {
        0 => status(StatusCode::SERVICE_UNAVAILABLE),
        1 => {
            // It announces more than it sends.
            let mut answer = Response::new(Full::new(Bytes::from_static(b"hel")));
            answer.headers_mut().insert("content-length", "5".parse().expect("a value"));
            answer
        }
        _ => {
            let range = request.headers().get("range").map(|range| range.to_str().expect("text").to_owned());
            match range.as_deref() {
                Some("bytes=3-") => Response::builder()
                    .status(206)
                    .header("content-range", "bytes 3-4/5")
                    .body(Full::new(Bytes::from_static(b"lo")))
                    .expect("an answer"),
                _ => ok(b"hello"),
            }
        }
    }))
    .await;
    let own = Own::new(&address);
    assert!(own.get(&format!("http://{address}/a"), &checksum(b"hello")).await.is_ok());
    assert!(asked.load(Ordering::SeqCst) >= 3);
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
