//! A small client of the registry: pushes an image of one layer.

use model::digest::Digest;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::portal::Person;

/// What was pushed.
pub struct Pushed {
    /// The manifest's digest.
    pub manifest: String,
    /// The layer's digest.
    pub layer: String,
}

/// `sha256:` and the hash of some bytes.
pub fn digest_of(bytes: &[u8]) -> String {
    let text = format!("sha256:{}", domain::keys::hex(&Sha256::digest(bytes)));
    text.parse::<Digest>().expect("a digest").to_string()
}

/// Pushes a blob in one request.
pub async fn push_blob(person: &Person, name: &str, bytes: &[u8]) -> String {
    let digest = digest_of(bytes);
    let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
    let answer = person.request(Method::POST, &path).header("content-type", "application/octet-stream").body(bytes.to_vec()).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), StatusCode::CREATED, "{:?}", answer.text().await);
    digest
}

/// Pushes an image of one layer and tags it.
pub async fn push(person: &Person, name: &str, tag: &str, layer: &[u8]) -> Pushed {
    let layer_digest = push_blob(person, name, layer).await;
    let config =
        json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/web"]}, "rootfs": {"type": "layers", "diff_ids": [layer_digest]}});
    let config = config.to_string().into_bytes();
    let config_digest = push_blob(person, name, &config).await;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer_digest, "size": layer.len()}],
    });
    let manifest = manifest.to_string().into_bytes();
    let digest = digest_of(&manifest);
    let request = person.request(Method::PUT, &format!("/v2/{name}/manifests/{tag}"));
    let request = request.header("content-type", "application/vnd.oci.image.manifest.v1+json").body(manifest);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::CREATED, "{:?}", answer.text().await);
    Pushed { manifest: digest, layer: layer_digest }
}
