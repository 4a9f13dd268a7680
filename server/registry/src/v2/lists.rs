//! What there is: repositories, tags (end-8a, end-8b) and referrers (end-12a, end-12b). Each list is cut into pages, with the next one's
//! address in a `Link` header (RFC 8288).

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::access::can;
use http::{HeaderMap, HeaderValue, header};
use model::digest::Digest;
use model::manifest::media_type;
use serde_json::{Value, json};

use super::Call;
use super::blobs::value;
use crate::error::{Code, Error, Result};
use crate::path::Name;
use crate::store;

/// Most entries of one page.
const PAGE_MAX: u32 = 1000;

/// How many entries are wanted.
fn count(call: &Call<'_>) -> Result<u32> {
    let Some(text) = call.parameter("n") else { return Ok(PAGE_MAX) };
    let wrong = || Error::bad_request("n is the number of entries: a whole number from 0 on");
    let number: u64 = text.parse().map_err(|_| wrong())?;
    Ok(u32::try_from(number).unwrap_or(PAGE_MAX).min(PAGE_MAX))
}

fn link(headers: &mut HeaderMap, path: &str, query: &[(&str, &str)]) -> Result<()> {
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    headers.insert(header::LINK, value(&format!("<{path}?{}>; rel=\"next\"", query.join("&")))?);
    Ok(())
}

/// Percent-encoding of everything that has a meaning in a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

pub(super) async fn tags(call: &Call<'_>, name: &Name) -> Result<Response> {
    let repository = call.caller.readable(name).await?;
    let count = count(call)?;
    let last = call.parameter("last").unwrap_or_default();
    let mut tags = store::tags(call.registry.platform(), &repository, last, count + 1).await?;
    let more = tags.len() > count as usize;
    tags.truncate(count as usize);
    let mut headers = HeaderMap::new();
    if let Some(last) = tags.last().filter(|_| more) {
        link(&mut headers, &format!("/v2/{name}/tags/list"), &[("n", &count.to_string()), ("last", last.as_str())])?;
    }
    Ok((headers, Json(json!({ "name": name.to_string(), "tags": tags }))).into_response())
}

pub(super) async fn catalog(call: &Call<'_>) -> Result<Response> {
    const SCOPE: &str = "registry:catalog:*";
    let actor = call.caller.actor(Some(SCOPE))?;
    if call.caller.claims().is_some_and(|claims| !claims.covers_catalog()) {
        let text = "the token does not reach the list of repositories; get one that does";
        return Err(call.caller.challenge(Some(SCOPE), Some("insufficient_scope"), text));
    }
    let visible = actor.visible::<can::Pull>()?;
    let count = count(call)?;
    let last = call.parameter("last").map(str::parse::<Name>).transpose()?;
    let mut names = store::catalog(call.registry.platform(), &visible, last.as_ref(), count + 1).await?;
    let more = names.len() > count as usize;
    names.truncate(count as usize);
    let mut headers = HeaderMap::new();
    if let Some(last) = names.last().filter(|_| more) {
        link(&mut headers, "/v2/_catalog", &[("n", &count.to_string()), ("last", &last.to_string())])?;
    }
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    Ok((headers, Json(json!({ "repositories": names }))).into_response())
}

pub(super) async fn referrers(call: &Call<'_>, name: &Name, subject: &Digest) -> Result<Response> {
    // "If the registry supports the referrers API, the registry MUST NOT return a 404": nothing is about what is not there.
    let repository = call.caller.readable_or_new(name).await?;
    let artifact_type = call.parameter("artifactType").filter(|text| !text.is_empty());
    let wrong = |error: model::digest::InvalidDigest| Error::new(Code::DigestInvalid, format!("last: {error}"));
    let last: Option<Digest> = call.parameter("last").map(str::parse).transpose().map_err(wrong)?;
    let (found, more) = match &repository {
        Some(repository) => store::referrers(call.registry.platform(), repository, subject, artifact_type, last.as_ref()).await?,
        None => (Vec::new(), false),
    };
    let mut headers = HeaderMap::new();
    if let Some(last) = found.last().filter(|_| more) {
        let last = last.digest.to_string();
        let mut query = vec![("last", last.as_str())];
        query.extend(artifact_type.map(|wanted| ("artifactType", wanted)));
        link(&mut headers, &format!("/v2/{name}/referrers/{subject}"), &query)?;
    }
    if artifact_type.is_some() {
        headers.insert("oci-filters-applied", HeaderValue::from_static("artifactType"));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type::OCI_INDEX));
    let manifests: Vec<Value> = found.iter().map(descriptor).collect();
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests });
    Ok((headers, index.to_string()).into_response())
}

fn descriptor(referrer: &store::Referrer) -> Value {
    let mut descriptor = json!({ "mediaType": referrer.media_type, "digest": referrer.digest, "size": referrer.size });
    if let Some(artifact_type) = &referrer.artifact_type {
        descriptor["artifactType"] = json!(artifact_type);
    }
    if !referrer.annotations.is_empty() {
        descriptor["annotations"] = json!(referrer.annotations);
    }
    descriptor
}
