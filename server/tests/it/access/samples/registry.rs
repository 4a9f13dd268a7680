//! Samples of the registry's doors.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::super::cast::Cast;
use super::super::world::{self, World};
use crate::portal::{PASSWORD, TestPortal};
use crate::push::digest_of;

const BYTES: &[u8] = b"some bytes";

/// The sample of a door; those below `/v2`, and the one that gives tokens for them.
pub async fn request(portal: &TestPortal, cast: &Cast, caller: usize, world: &World, verb: Method, path: &str) -> RequestBuilder {
    let reference = if verb == Method::DELETE { world.digest.as_str() } else { "1" };
    let mut place = path
        .replace("{name}", &format!("{}/web", world.project))
        .replace("{reference}", reference)
        .replace("{digest}", if path.contains("referrers") { &world.digest } else { &world.blob });
    if path.contains("{upload}") {
        place = place.replace("{upload}", &world::upload(portal, cast, caller, world).await);
    }
    let person = cast.person(caller);
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": []}).to_string();
    match (verb.clone(), path) {
        (Method::PUT, "/v2/{name}/manifests/{reference}") => person.request(verb, &place).header("content-type", kind).body(index),
        (Method::PUT, _) => person.request(verb, &format!("{place}?digest={}", digest_of(BYTES))).body(BYTES),
        (Method::PATCH, _) => person.request(verb, &place).body(BYTES),
        (Method::POST, "/auth/token") => {
            let fields = [("grant_type", "password"), ("service", "slipway"), ("client_id", "test"), ("username", "admin"), ("password", PASSWORD)];
            person.request(verb, &place).form(&fields)
        }
        _ => person.request(verb, &place),
    }
}
