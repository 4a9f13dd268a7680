//! Images are copied in from other registries: from Debian's registry, from another portal, and from sources that misbehave.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::portal::{Person, TestPortal};
use crate::push::{digest_of, push, push_blob};

mod access;
mod debian;
mod faults;
mod page;
mod rules;
mod source;

use source::{Reply, Source};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// A portal with the project `shop`: `ana` (admin), `dev` (developer), `gus` (guest).
async fn shop() -> TestPortal {
    let portal = TestPortal::start().await;
    for name in ["ana", "dev", "gus"] {
        portal.new_person(name).await;
    }
    portal.new_project("shop", &[("ana", "admin"), ("dev", "developer"), ("gus", "guest")]).await;
    portal
}

/// What operators allow from now on.
async fn allow(portal: &TestPortal, lines: &[String]) {
    portal.person("admin").put("/api/v1/outside-registries", json!({"allowed": lines})).await.expect_status(StatusCode::OK).await;
}

/// Asks for a copy; its id.
async fn ask(person: &Person, body: Value) -> String {
    let made = person.post("/api/v1/projects/shop/copies", body).await.expect_status(StatusCode::ACCEPTED).await;
    made["id"].as_str().expect("an id").to_owned()
}

/// Waits until a copy is over.
async fn over(person: &Person, id: &str) -> Value {
    let view = person.get(&format!("/api/v1/projects/shop/copies/{id}?wait=60")).await.expect_status(StatusCode::OK).await;
    assert!(!["queued", "running"].contains(&view["state"].as_str().expect("a state")), "not over in time: {view}");
    view
}

/// Asks, waits, and expects the image to be here.
async fn copied(person: &Person, body: Value) -> Value {
    let id = ask(person, body).await;
    let view = over(person, &id).await;
    assert_eq!(view["state"], "succeeded", "{view}");
    view
}

/// Asks, waits, and expects it to fail with this code; the message.
async fn fails(person: &Person, body: Value, code: &str) -> String {
    let id = ask(person, body).await;
    let view = over(person, &id).await;
    assert_eq!((&view["state"], &view["reason"]["code"]), (&json!("failed"), &json!(code)), "{view}");
    view["reason"]["message"].as_str().expect("a message").to_owned()
}

/// A manifest as it is here: type and bytes.
async fn manifest(person: &Person, name: &str, reference: &str) -> Option<(String, Vec<u8>)> {
    let answer = person.request(Method::GET, &format!("/v2/{name}/manifests/{reference}")).send().await.expect("an answer");
    if answer.status() == StatusCode::NOT_FOUND {
        return None;
    }
    assert_eq!(answer.status(), StatusCode::OK);
    let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
    Some((kind, answer.bytes().await.expect("a body").to_vec()))
}

async fn blob(person: &Person, name: &str, digest: &str) -> Vec<u8> {
    let answer = person.request(Method::GET, &format!("/v2/{name}/blobs/{digest}")).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK, "{digest}");
    answer.bytes().await.expect("a body").to_vec()
}

/// What of an image is served.
struct Image {
    manifest: Vec<u8>,
    config: Vec<u8>,
    layer: Vec<u8>,
}

impl Image {
    /// An image of one layer.
    fn new(architecture: &str, layer: &[u8]) -> Self {
        let layer = layer.to_vec();
        let config = json!({"architecture": architecture, "os": "linux", "config": {"Cmd": ["/web"]}, "rootfs": {"type": "layers", "diff_ids": [digest_of(&layer)]}});
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": IMAGE,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(&config), "size": config.len()},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest_of(&layer), "size": layer.len()}],
        });
        // Spaces that no writer of JSON would keep: the bytes must arrive as they are.
        Self { manifest: format!(" {}\n", serde_json::to_string_pretty(&manifest).expect("JSON")).into_bytes(), config, layer }
    }

    fn digest(&self) -> String {
        digest_of(&self.manifest)
    }

    fn described(&self, architecture: &str) -> Value {
        json!({"mediaType": IMAGE, "digest": self.digest(), "size": self.manifest.len(), "platform": {"os": "linux", "architecture": architecture}})
    }

    /// Serves it as `team/app:1`, with a layer that is served so.
    async fn serve(&self, source: &Source, layer: Vec<Reply>) {
        let manifest = Reply::ok(&self.manifest).typed(IMAGE);
        source.serve("/v2/team/app/manifests/1", vec![manifest.clone()]);
        source.serve(&format!("/v2/team/app/manifests/{}", self.digest()), vec![manifest]);
        source.serve(&format!("/v2/team/app/blobs/{}", digest_of(&self.config)), vec![Reply::ok(&self.config)]);
        source.serve(&self.layer_path(), layer);
    }

    fn layer_path(&self) -> String {
        format!("/v2/team/app/blobs/{}", digest_of(&self.layer))
    }
}

/// Bytes that compress badly and differ everywhere.
fn bytes(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}
