//! The two ratchets. Every door that the portal serves (pages, server functions, REST, registry, streams) is knocked at as everybody who may
//! stand before it, and the answers are a snapshot that a person can read. Every change that succeeded must have left an audit record. A new
//! door fails this test until it has a sample; the list of changes without a record may only shrink.

mod cast;
mod door;
mod needs;
mod samples;
mod scene;
pub mod world;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cast::Cast;
use reqwest::StatusCode;
use world::World;

use crate::portal::TestPortal;

/// Requests that change nothing that anybody sees: bytes on their way into the registry, a plan, a preview, a token for a client. May only shrink.
const LEAVE_NO_RECORD: [&str; 16] = [
    "POST /auth/token",
    "POST /v2/{name}/blobs/uploads/",
    "PATCH /v2/{name}/blobs/uploads/{upload}",
    "PUT /v2/{name}/blobs/uploads/{upload}",
    "DELETE /v2/{name}/blobs/uploads/{upload}",
    "DELETE /v2/{name}/blobs/{digest}",
    "POST /api/v1/projects/{project}/services/{service}/plan",
    "POST /api/v1/projects/{project}/services/{service}/revisions/{revision}/plan",
    "POST /api/v1/projects/{project}/clone/plan",
    "POST /fn/deployments/plan",
    "POST /api/v1/templates/preview",
    "POST /api/v1/templates/{template}/render",
    "POST /api/v1/projects/{project}/templates/preview",
    "POST /api/v1/projects/{project}/templates/{template}/render",
    "POST /fn/templates/preview",
    "POST /fn/templates/plan",
];

/// Whether a request that succeeded leaves another world behind. After a plan, a preview or a token for a client the world is as it was; bytes on
/// their way into the registry are in it.
fn spends(door: &str) -> bool {
    !LEAVE_NO_RECORD.contains(&door) || door.contains(" /v2/")
}

/// A door, as its line in the snapshot begins.
fn doors(portal: &TestPortal) -> BTreeSet<(String, String)> {
    let mut doors: BTreeSet<_> = portal.running.doors.iter().map(|door| (door.method.clone(), door.path.clone())).collect();
    doors.extend(registry::ENDPOINTS.iter().map(|door| (door.method.to_owned(), door.path.to_owned())));
    doors
}

#[tokio::test]
async fn every_door_answers_everybody_as_designed() {
    let portal = TestPortal::start().await;
    let mut cast = Cast::gather(&portal).await;
    let shared = World::build(&portal, &cast, needs::everything()).await;
    let mut picture = format!("{:<90}{}\n", "", Cast::NAMES.map(|name| format!("{name:<10}")).concat());
    let mut unrecorded = Vec::new();
    let mut unknown = Vec::new();
    for (method, path) in doors(&portal) {
        let door = format!("{method} {path}");
        let _ = write!(picture, "{door:<90}");
        let reads = method == "GET" || samples::reads(&path);
        let mut fresh = None;
        for caller in 0..Cast::NAMES.len() {
            if !reads && fresh.is_none() {
                fresh = Some(World::build(&portal, &cast, needs::of(&path)).await);
            }
            let world = fresh.as_ref().unwrap_or(&shared);
            let Some(request) = samples::request(&portal, &mut cast, caller, world, &method, &path).await else {
                unknown.push(door.clone());
                break;
            };
            let before = world::records(&portal).await;
            let status = request.send().await.unwrap_or_else(|error| panic!("{door} as {}: {error}", Cast::NAMES[caller])).status();
            let _ = write!(picture, "{:<10}", status.as_u16());
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{door} as {}", Cast::NAMES[caller]);
            if !reads && (status.is_success() || status.is_redirection()) {
                // Something changed: the next caller gets a world as it was.
                if spends(&door)
                    && let Some(spent) = fresh.take()
                {
                    spent.retire(&portal).await;
                }
                if world::records(&portal).await == before && !LEAVE_NO_RECORD.contains(&door.as_str()) {
                    unrecorded.push(door.clone());
                }
            }
        }
        if let Some(spent) = fresh {
            spent.retire(&portal).await;
        }
        picture.push('\n');
    }
    assert!(unknown.is_empty(), "doors without a sample request (add them to access/samples.rs): {unknown:#?}");
    assert!(unrecorded.is_empty(), "changes that left no audit record: {unrecorded:#?}");
    let lines: String = picture.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    insta::assert_snapshot!(lines);
}
