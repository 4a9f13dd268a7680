//! The client over real TLS: whom it trusts, and what it says where it does not.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Made for these tests, and known to everybody: no secret.
const AUTHORITY: &[u8] = include_bytes!("tests/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("tests/certificate.pem");
const KEY: &[u8] = include_bytes!("tests/key.pem");

/// A registry over https at `localhost`.
async fn serve() -> u16 {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let answer =
                service_fn(|_: Request<hyper::body::Incoming>| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}")))) });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    port
}

fn trusting() -> Outside {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(AUTHORITY).expect("a certificate")).expect("an authority");
    Outside::new(Net::trusting(roots).expect("TLS"))
}

async fn check(outside: &Outside, host: &str, allowed: &str) -> CheckView {
    let allowed = AllowList::from_lines(allowed.lines()).expect("a list");
    outside.check(&host.parse().expect("a host"), None, &allowed).await
}

#[tokio::test]
async fn https_is_spoken_with_whom_this_machine_trusts() {
    let port = serve().await;
    let host = format!("localhost:{port}");
    let view = check(&trusting(), &host, &host).await;
    assert_eq!(view.state, CheckState::Open, "{view:?}");
    let view = check(&trusting(), &format!("127.0.0.1:{port}"), "127.0.0.0/8\n::1/128").await;
    assert_eq!(view.state, CheckState::Open, "{view:?}");
    let stranger = Outside::new(Net::trusting(RootCertStore::empty()).expect("TLS"));
    let view = check(&stranger, &host, &host).await;
    assert!(view.state == CheckState::Unreachable && view.message.contains("certificate"), "{view:?}");
    let view = check(&trusting(), &host, "").await;
    assert!(view.state == CheckState::NotAllowed && view.message.contains("loopback"), "{view:?}");
    // Plain HTTP, where https is answered.
    let view = check(&trusting(), &host, &format!("http://{host}")).await;
    assert_eq!(view.state, CheckState::Unreachable, "{view:?}");
}

#[tokio::test]
async fn a_name_that_nobody_knows_and_a_port_where_nobody_is_are_told() {
    let view = check(&trusting(), "nowhere.invalid", "").await;
    assert!(view.state == CheckState::Unreachable && view.message.contains("cannot be"), "{view:?}");
    // Held, so that nobody else is given it, and nobody listens.
    let held = tokio::net::TcpSocket::new_v4().expect("a socket");
    held.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let closed = held.local_addr().expect("an address");
    let view = check(&trusting(), &closed.to_string(), &closed.to_string()).await;
    assert_eq!(view.state, CheckState::Unreachable, "{view:?}");
}

#[test]
fn what_others_say_begins_no_line_and_is_no_longer_than_a_message() {
    let failure = Failure::last("x", "a \"key\"\n2026 INFO admin signed in\u{1b}[31m\u{2028}\u{202e}\u{9b}\u{e4}");
    assert_eq!(failure.message, "a \"key\"\\n2026 INFO admin signed in\\u{1b}[31m\\u{2028}\\u{202e}\\u{9b}\u{e4}");
    assert_eq!(failure.reason().message, failure.message);
    let long = Failure::passing("x", "y".repeat(4 << 20));
    assert_eq!(long.message.chars().count(), MESSAGE + 1);
    assert!(Failure::new("x", "\r", Retry::After(CHECK_TIME)).message == "\\r");
}

/// A registry over plain HTTP that answers every request so; how often it was asked.
async fn plain(status: u16, header: Option<(&'static str, String)>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (header, count) = (header.clone(), Arc::clone(&count));
            let answer = service_fn(move |_: Request<hyper::body::Incoming>| {
                count.fetch_add(1, Ordering::SeqCst);
                let mut answer = Response::builder().status(status);
                if let Some((name, value)) = &header {
                    answer = answer.header(*name, value);
                }
                let answer = answer.body(Full::new(Bytes::from_static(b"{}"))).expect("an answer");
                async { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    (port, asked)
}

#[tokio::test]
async fn who_is_outside_leads_nowhere_inside_also_where_an_operator_allows_it() {
    let (inside, asked) = plain(200, None).await;
    let challenge = format!("Bearer realm=\"http://127.0.0.1:{inside}/token\"");
    for (status, header, way) in
        [(307, ("location", format!("http://127.0.0.1:{inside}/admin")), true), (401, ("www-authenticate", challenge), false)]
    {
        let (port, _) = plain(status, Some(header)).await;
        let allowed = format!("http://127.0.0.1:{inside}\nhttp://127.0.0.1:{port}");
        let allowed = AllowList::from_lines(allowed.lines()).expect("a list");
        let host: RegistryHost = format!("127.0.0.1:{port}").parse().expect("a host");
        let manifest = async |outside: &Outside| {
            let session = outside.session(&host, "team/app", None, allowed.clone()).await.expect("a session");
            session.manifest(&"1".parse().expect("a tag")).await
        };
        // As one that is inside itself it may.
        assert_eq!(manifest(&Outside::default()).await.is_ok(), way);
        assert_eq!(asked.swap(0, Ordering::SeqCst), 1);
        let failure = manifest(&Outside::new(Net::default().calling_public(&[port]))).await.expect_err("refused");
        assert!(failure.code == "address_refused" && failure.message.contains("leads on to"), "{failure:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }
}
