use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": {"mediaType": media_type::OCI_CONFIG, "digest": A, "size": 10},
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": B, "size": 20},
            {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": B, "size": 20},
        ],
    })
}

fn parse(content_type: Option<&str>, body: &Value) -> Result<Manifest, InvalidManifest> {
    Manifest::parse(content_type, body.to_string().as_bytes())
}

#[test]
fn an_image_is_taken_apart() {
    let manifest = parse(Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"), &image()).expect("a manifest");
    assert_eq!(manifest.kind, Kind::Image);
    assert_eq!(manifest.media_type, media_type::OCI_MANIFEST);
    assert_eq!(manifest.blobs().count(), 3);
    assert_eq!(manifest.content_size(), 30);
    assert_eq!(manifest.artifact_type.as_deref(), Some(media_type::OCI_CONFIG));
    assert!(manifest.has_image_config());
}

#[test]
fn more_parts_than_anything_real_has_are_refused() {
    let layer = image()["layers"][0].clone();
    let of = |count: usize| {
        let mut body = image();
        body["layers"] = vec![layer.clone(); count].into();
        parse(None, &body).map(|manifest| manifest.layers.len())
    };
    assert_eq!(of(DESCRIPTORS_MAX), Ok(DESCRIPTORS_MAX));
    assert_eq!(of(DESCRIPTORS_MAX + 1), Err(InvalidManifest::TooMany(DESCRIPTORS_MAX + 1)));
    let index = json!({"schemaVersion": 2, "manifests": vec![layer; DESCRIPTORS_MAX + 1]});
    assert_eq!(parse(Some(media_type::OCI_INDEX), &index), Err(InvalidManifest::TooMany(DESCRIPTORS_MAX + 1)));
    assert_eq!(parse(Some("application/vnd.example+json"), &index), Err(InvalidManifest::TooMany(DESCRIPTORS_MAX + 1)));
}

#[test]
fn an_artifact_says_what_it_is_and_what_it_is_about() {
    let mut body = image();
    body["artifactType"] = json!("application/vnd.example.sbom");
    body["subject"] = json!({"mediaType": media_type::OCI_MANIFEST, "digest": A, "size": 5});
    body["annotations"] = json!({"org.opencontainers.image.title": "sbom"});
    let manifest = parse(None, &body).expect("a manifest");
    assert_eq!(manifest.artifact_type.as_deref(), Some("application/vnd.example.sbom"));
    assert_eq!(manifest.subject.map(|subject| subject.digest.to_string()).as_deref(), Some(A));
    assert_eq!(manifest.annotations["org.opencontainers.image.title"], "sbom");
}

#[test]
fn an_index_lists_platforms() {
    let body = json!({
        "schemaVersion": 2,
        "manifests": [{"mediaType": media_type::OCI_MANIFEST, "digest": A, "size": 5,
                       "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}}],
    });
    let manifest = parse(Some(media_type::OCI_INDEX), &body).expect("an index");
    assert_eq!(manifest.kind, Kind::Index);
    assert_eq!(manifest.manifests[0].platform.as_ref().map(ToString::to_string).as_deref(), Some("linux/arm/v7"));
    assert_eq!(parse(Some(media_type::DOCKER_LIST), &body).map(|index| index.kind), Ok(Kind::Index));
}

#[test]
fn an_unknown_type_is_kept_whatever_it_holds() {
    let manifest = Manifest::parse(Some("application/vnd.example.thing"), b"\x00\xff").expect("kept");
    assert_eq!((manifest.kind, manifest.blobs().count()), (Kind::Other, 0));
    let manifest = parse(Some("application/vnd.example.thing+json"), &image()).expect("kept");
    assert_eq!(manifest.blobs().count(), 3);
}

#[test]
fn a_wrong_manifest_is_told_what_is_wrong() {
    let wrong = |content_type: Option<&str>, change: fn(&mut Value)| {
        let mut body = image();
        change(&mut body);
        parse(content_type, &body).expect_err("refused").to_string()
    };
    assert!(wrong(None, |body| body["mediaType"] = Value::Null).contains("Content-Type"));
    assert!(wrong(Some("no type"), |_| ()).contains("not a media type"));
    assert!(wrong(Some("application/vnd.docker.distribution.manifest.v1+prettyjws"), |_| ()).contains("schema 1"));
    assert!(wrong(Some(media_type::DOCKER_MANIFEST), |_| ()).contains("must be the same"));
    assert!(wrong(None, |body| body["schemaVersion"] = json!(1)).contains("schemaVersion must be 2"));
    assert!(wrong(None, |body| body["layers"][0]["digest"] = json!("sha256:00")).contains("layers[0].digest"));
    assert!(wrong(None, |body| body["config"] = Value::Null).contains("config is missing"));
    assert!(wrong(None, |body| body["layers"] = Value::Null).contains("layers is missing"));
    assert!(wrong(None, |body| body["manifests"] = json!([])).contains("at once"));
    assert!(wrong(None, |body| body["layers"][0]["size"] = json!(-1)).contains("layers[0].size"));
    assert!(wrong(None, |body| body["layers"][0]["mediaType"] = json!("a\u{0}b")).contains("control characters"));
    assert!(wrong(None, |body| body["artifactType"] = json!("a\nb")).contains("control characters"));
    assert!(wrong(None, |body| body["artifactType"] = json!("a".repeat(256))).contains("more than 255 bytes"));
    assert!(wrong(None, |body| body["config"]["mediaType"] = json!("a".repeat(256))).contains("more than 255 bytes"));
    assert!(wrong(None, |body| body["subject"] = json!({"mediaType": "b".repeat(256), "digest": A, "size": 1})).contains("more than 255 bytes"));
    let os = |body: &mut Value| body["layers"][0]["platform"] = json!({"os": "c".repeat(256), "architecture": "amd64"});
    assert!(wrong(None, os).contains("more than 255 bytes"));
    let error = Manifest::parse(Some(media_type::OCI_MANIFEST), b"{}garbage").expect_err("refused");
    assert!(matches!(error, InvalidManifest::Json { .. }));
}

#[test]
fn a_foreign_layer_needs_an_address() {
    let mut body = image();
    body["layers"][0]["mediaType"] = json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    assert!(!parse(None, &body).expect("a manifest").layers[0].is_foreign());
    body["layers"][0]["urls"] = json!(["https://example.com/layer"]);
    assert!(parse(None, &body).expect("a manifest").layers[0].is_foreign());
}

proptest! {
    #[test]
    fn no_body_panics(content_type in prop::option::of("\\PC{0,40}"), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Manifest::parse(content_type.as_deref(), &body);
        let _ = Manifest::parse(Some(media_type::OCI_MANIFEST), &body);
        let _ = config::ImageConfig::parse(&body);
    }

    #[test]
    fn a_media_type_is_fit_for_a_header(text in "[\\PC\\n\\r]{0,40}") {
        if let Ok(manifest) = Manifest::parse(Some(&text), b"") {
            prop_assert!(manifest.media_type.bytes().all(|b| b.is_ascii_graphic()));
        }
    }
}
