//! The registry's doors as clients of the OCI distribution-spec 1.1 see them, section by section, and as people of each role do.

use model::digest::{Algorithm, Digest};
use model::manifest::media_type;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::portal::{Person, TestPortal};

mod auth;
mod blobs;
mod challenged;
mod chunks;
mod doors;
mod errors;
mod expiry;
mod full;
mod images;
mod large;
mod lineage;
mod lists;
mod manifests;
mod mounts;
mod races;
mod referrers;
mod upkeep;
mod uploads;

/// A portal with the project `shop` and its people: `ana` (admin), `dev` (developer), `gus` (guest), and `eve`, who is none of its members.
async fn shop() -> TestPortal {
    furnished(TestPortal::start().await).await
}

async fn furnished(portal: TestPortal) -> TestPortal {
    for name in ["ana", "dev", "gus", "eve"] {
        portal.new_person(name).await;
    }
    portal.new_project("shop", &[("ana", "admin"), ("dev", "developer"), ("gus", "guest")]).await;
    portal
}

fn digest(bytes: &[u8]) -> Digest {
    registry::hash::digest(Algorithm::Sha256, bytes)
}

/// An answer, read whole.
struct Read {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Read {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a readable header"))
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The first error's code.
    fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    #[track_caller]
    fn expect_error(self, status: u16, code: &str) -> Self {
        let read = self.expect(status);
        assert_eq!(read.code(), code, "{}", String::from_utf8_lossy(&read.body));
        read
    }
}

async fn send(request: reqwest::RequestBuilder) -> Read {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    Read { status, headers, body: response.bytes().await.expect("a body").to_vec() }
}

async fn get(person: &Person, path: &str) -> Read {
    send(person.request(Method::GET, path)).await
}

async fn call(person: &Person, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Read {
    send(person.request(method, path).body(body)).await
}

/// Begins an upload; its location.
async fn begin(person: &Person, name: &str) -> String {
    let begun = call(person, Method::POST, &format!("/v2/{name}/blobs/uploads/"), "").await.expect(202);
    begun.header("location").to_owned()
}

/// Pushes a blob in one request.
async fn push_blob(person: &Person, name: &str, content: &[u8]) -> Digest {
    let digest = digest(content);
    let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
    call(person, Method::POST, &path, content.to_vec()).await.expect(201);
    digest
}

/// The manifest of an image with a configuration and one layer.
fn image_of(config: &[u8], layer: &[u8]) -> Vec<u8> {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": {"mediaType": media_type::OCI_CONFIG, "digest": digest(config), "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(layer), "size": layer.len()}],
    });
    manifest.to_string().into_bytes()
}

async fn put_manifest(person: &Person, name: &str, reference: &str, content_type: &str, body: &[u8]) -> Read {
    let request = person.request(Method::PUT, &format!("/v2/{name}/manifests/{reference}"));
    send(request.header("content-type", content_type).body(body.to_vec())).await
}

/// Pushes a small image whose content depends on `seed`; its manifest.
async fn push_image(person: &Person, name: &str, tag: &str, seed: &str) -> Vec<u8> {
    let config = json!({"os": "linux", "architecture": "amd64", "config": {"Cmd": ["/serve", seed]}}).to_string();
    let layer = format!("layer {seed}");
    push_blob(person, name, config.as_bytes()).await;
    push_blob(person, name, layer.as_bytes()).await;
    let manifest = image_of(config.as_bytes(), layer.as_bytes());
    put_manifest(person, name, tag, media_type::OCI_MANIFEST, &manifest).await.expect(201);
    manifest
}
