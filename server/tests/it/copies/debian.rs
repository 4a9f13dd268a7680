//! From Debian's registry (docker-registry 2.8), which knows no list of referrers: whole indexes, chosen platforms, what refers to them.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// Debian's registry over a folder of its own.
struct Registry {
    port: u16,
    http: reqwest::Client,
    process: Child,
    _folder: TempDir,
}

impl Registry {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
            folder.path().join("data").display()
        );
        std::fs::write(&config, text).expect("written");
        let process = Command::new("docker-registry").arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.expect("docker-registry is installed (Debian's package of this name; make test gets it)");
        let registry = Self { port, http: crate::portal::client(), process, _folder: folder };
        for _ in 0..200 {
            if registry.http.get(format!("{}/v2/", registry.base())).send().await.is_ok() {
                return registry;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("docker-registry does not answer");
    }

    fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn push_blob(&self, bytes: &[u8]) {
        let begun = self.http.post(format!("{}/v2/team/app/blobs/uploads/", self.base())).send().await.expect("an answer");
        let place = begun.headers()["location"].to_str().expect("text").to_owned();
        let joint = if place.contains('?') { '&' } else { '?' };
        let url = format!("{place}{joint}digest={}", digest_of(bytes));
        let kept = self.http.put(url).header("content-type", "application/octet-stream").body(bytes.to_vec()).send().await.expect("an answer");
        assert_eq!(kept.status(), StatusCode::CREATED);
    }

    async fn push_manifest(&self, reference: &str, kind: &str, body: &[u8]) {
        let url = format!("{}/v2/team/app/manifests/{reference}", self.base());
        let kept = self.http.put(url).header("content-type", kind).body(body.to_vec()).send().await.expect("an answer");
        assert_eq!(kept.status(), StatusCode::CREATED, "{:?}", kept.text().await);
    }

    async fn push(&self, image: &Image) {
        self.push_blob(&image.config).await;
        self.push_blob(&image.layer).await;
        self.push_manifest(&image.digest(), IMAGE, &image.manifest).await;
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `team/app:1.2` for two platforms, with an artifact that refers to the index and a signature beside it by tag.
struct Upstream {
    registry: Registry,
    amd64: Image,
    arm64: Image,
    index: Vec<u8>,
    artifact: Vec<u8>,
}

async fn upstream() -> Upstream {
    let registry = Registry::start().await;
    let (amd64, arm64) = (Image::new("amd64", &bytes(700_000)), Image::new("arm64", &bytes(300_001)));
    registry.push(&amd64).await;
    registry.push(&arm64).await;
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [amd64.described("amd64"), arm64.described("arm64")]});
    let index = format!("{index}  \n").into_bytes();
    registry.push_manifest("1.2", INDEX, &index).await;
    let empty = b"{}".to_vec();
    registry.push_blob(&empty).await;
    let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(&empty), "size": 2});
    let artifact = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "artifactType": "application/vnd.example.sbom", "config": empty, "layers": [empty],
        "subject": {"mediaType": INDEX, "digest": digest_of(&index), "size": index.len()},
    });
    let artifact = artifact.to_string().into_bytes();
    registry.push_manifest(&digest_of(&artifact), IMAGE, &artifact).await;
    let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": IMAGE, "digest": digest_of(&artifact), "size": artifact.len(), "artifactType": "application/vnd.example.sbom"}]});
    let beside = digest_of(&index).replace(':', "-");
    registry.push_manifest(&beside, INDEX, list.to_string().as_bytes()).await;
    let signature = json!({"schemaVersion": 2, "mediaType": IMAGE, "config": empty, "layers": []});
    registry.push_manifest(&format!("{beside}.sig"), IMAGE, signature.to_string().as_bytes()).await;
    Upstream { registry, amd64, arm64, index, artifact }
}

#[tokio::test]
async fn a_whole_index_arrives_byte_for_byte_with_what_refers_to_it() {
    let (portal, upstream) = (shop().await, upstream().await);
    allow(&portal, &[upstream.registry.base()]).await;
    let dev = portal.person("dev");
    let from = format!("127.0.0.1:{}/team/app:1.2", upstream.registry.port);
    let view = copied(&dev, json!({"from": from, "referrers": true})).await;
    assert_eq!((&view["repository"], &view["tag"], &view["by"]), (&json!("app"), &json!("1.2"), &json!("dev")));
    assert_eq!(view["digest"], digest_of(&upstream.index));
    assert_eq!(view["progress"]["bytes"]["done"], view["progress"]["bytes"]["total"], "{view}");
    assert_eq!(manifest(&dev, "shop/app", "1.2").await, Some((INDEX.into(), upstream.index.clone())));
    for image in [&upstream.amd64, &upstream.arm64] {
        assert_eq!(manifest(&dev, "shop/app", &image.digest()).await, Some((IMAGE.into(), image.manifest.clone())));
        assert!(blob(&dev, "shop/app", &digest_of(&image.layer)).await == image.layer);
        assert!(blob(&dev, "shop/app", &digest_of(&image.config)).await == image.config);
    }
    let referrers = dev.get(&format!("/v2/shop/app/referrers/{}", digest_of(&upstream.index))).await.expect_status(StatusCode::OK).await;
    assert_eq!(referrers["manifests"][0]["digest"], digest_of(&upstream.artifact), "{referrers}");
    assert!(manifest(&dev, "shop/app", &format!("{}.sig", digest_of(&upstream.index).replace(':', "-"))).await.is_some());
    // Once more into another repository: everything lies here already.
    let view = copied(&dev, json!({"from": from, "to": "mirror/app"})).await;
    assert_eq!((&view["tag"], &view["progress"]["here"]), (&json!("1.2"), &view["progress"]["bytes"]["total"]), "{view}");
    assert_eq!(manifest(&dev, "shop/mirror/app", "1.2").await.map(|(_, body)| body), Some(upstream.index));
}

#[tokio::test]
async fn chosen_platforms_are_images_with_tags_of_their_own() {
    let (portal, upstream) = (shop().await, upstream().await);
    allow(&portal, &[upstream.registry.base()]).await;
    let dev = portal.person("dev");
    let from = format!("127.0.0.1:{}/team/app:1.2", upstream.registry.port);
    copied(&dev, json!({"from": from, "to": "one", "platforms": ["linux/arm64"]})).await;
    assert_eq!(manifest(&dev, "shop/one", "1.2").await, Some((IMAGE.into(), upstream.arm64.manifest.clone())));
    assert_eq!(manifest(&dev, "shop/one", &upstream.amd64.digest()).await, None, "the other one stays away");
    let view = copied(&dev, json!({"from": from, "to": "two:x", "platforms": ["linux/arm64", "linux/amd64"]})).await;
    assert_eq!(view["progress"]["tags"], json!(["x-linux-amd64", "x-linux-arm64"]));
    assert_eq!(manifest(&dev, "shop/two", "x").await, None);
    assert_eq!(manifest(&dev, "shop/two", "x-linux-amd64").await.map(|(_, body)| body), Some(upstream.amd64.manifest.clone()));
    let message = fails(&dev, json!({"from": from, "platforms": ["linux/s390x"]}), "platform_not_found").await;
    assert!(message.contains("linux/amd64, linux/arm64"), "{message}");
    let by_digest = format!("127.0.0.1:{}/team/app@{}", upstream.registry.port, upstream.amd64.digest());
    let view = copied(&dev, json!({"from": by_digest, "to": "pinned"})).await;
    assert_eq!(view["tag"], Value::Null);
    assert_eq!(manifest(&dev, "shop/pinned", &upstream.amd64.digest()).await.map(|(_, body)| body), Some(upstream.amd64.manifest.clone()));
    fails(&dev, json!({"from": by_digest, "to": "wrong", "platforms": ["linux/arm64"]}), "platform_not_found").await;
    let message = fails(&dev, json!({"from": from.replace("1.2", "9")}), "not_found").await;
    assert!(message.contains("team/app:9"), "{message}");
}
