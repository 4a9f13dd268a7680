//! `/hooks/{hook}`: where CI and registries deliver. No account comes in here: whoever delivers proves it with the hook's secret, over the body as it
//! was sent. The answer says what became of it, at once or, with `?wait=`, when the deployment that it began has ended.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use domain::hooks::{self, Delivered, Envelope, Received};
use domain::{Error, deployments::DeploymentKey};
use http::header::{HeaderValue, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use model::hooks::{HookAnswer, HookOutcome};
use model::ids::DeploymentId;
use model::views::deployments::{DeploymentState, Reason};
use serde::{Deserialize, Serialize};

use super::caller::client_address;
use super::problem::{Answer, Refusal, respond};
use super::table::Table;
use super::{Portal, api, doors};

/// How long the body may take: senders have theirs at hand.
const BODY_WITHIN: Duration = Duration::from_secs(30);

pub(super) fn table() -> Table {
    doors().post("/hooks/{hook}", deliver)
}

#[derive(Default, Deserialize)]
struct Asked {
    wait: Option<u64>,
}

async fn deliver(State(portal): State<Portal>, Path(hook): Path<String>, Query(asked): Query<Asked>, request: Request) -> Answer<Response> {
    let (parts, body) = request.into_parts();
    let address = client_address(&parts);
    let headers = parts.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let envelope = Envelope::of(headers);
    let body = tokio::time::timeout(BODY_WITHIN, api::whole(Request::from_parts(parts, body), &portal)).await;
    let late = || Refusal(Error::invalid("body", format!("it did not come whole within {} s", BODY_WITHIN.as_secs())));
    let body = body.map_err(|_| late())??;
    let received = Received { envelope: envelope.clone(), body: body.to_vec(), address };
    let answered = answered(&portal, &hook, &asked, received).await;
    if !is_final(&answered) || !hooks::is_queued(&envelope, &body) {
        return answered;
    }
    // A queue that is refused sends the same again for ever, and nothing behind it. The body says what became of it.
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

async fn answered(portal: &Portal, hook: &str, asked: &Asked, received: Received) -> Answer<Response> {
    let delivered = hooks::deliver(&portal.platform, &api::surroundings(portal), hook, received).await?;
    let answer = match asked.wait {
        Some(seconds) => waited(portal, &delivered, Duration::from_secs(seconds)).await?,
        None => delivered.answer.clone(),
    };
    Ok(told(portal, &delivered, &answer))
}

/// Whether it is refused, and would be the next time too, with nothing changed here. Who proved nothing is never among them.
fn is_final(answered: &Answer<Response>) -> bool {
    match answered {
        Ok(response) => !response.status().is_success(),
        Err(Refusal(error)) => matches!(error, Error::Forbidden(_) | Error::Conflict { .. } | Error::Invalid(_) | Error::TooLarge(_)),
    }
}

/// The answer when the deployment has ended. A portal that stops lets nobody wait: the same delivery, sent again, waits on.
async fn waited(portal: &Portal, delivered: &Delivered, span: Duration) -> Answer<HookAnswer> {
    let waited = portal.stopping.run_until_cancelled(hooks::wait(&portal.platform, delivered, span)).await;
    let stopping = || Error::Unavailable("the portal is stopping; send it again when it is back".into());
    Ok(waited.ok_or_else(stopping)??)
}

/// What a sender reads.
#[derive(Serialize)]
struct Told<'a> {
    outcome: HookOutcome,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<DeploymentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<DeploymentState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

fn told(portal: &Portal, delivered: &Delivered, answer: &HookAnswer) -> Response {
    let place = delivered
        .deployment
        .as_ref()
        .map(|DeploymentKey { project, service, deployment }| format!("/projects/{project}/services/{service}/deployments/{deployment}"));
    let mut response = match &answer.problem {
        Some(problem) => respond(problem),
        None => {
            let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let url = place.as_ref().map(|place| format!("{}{place}", portal.origin.as_str().trim_end_matches('/')));
            let HookAnswer { outcome, message, deployment, state, reason, .. } = answer;
            let told = Told { outcome: *outcome, message, deployment: *deployment, state: *state, reason: reason.as_ref(), url };
            (status, Json(told)).into_response()
        }
    };
    mark(response.headers_mut(), delivered, answer, place.as_deref());
    response
}

fn mark(headers: &mut HeaderMap, delivered: &Delivered, answer: &HookAnswer, place: Option<&str>) {
    if let Some(location) = place.and_then(|place| HeaderValue::from_str(&format!("/api/v1{place}")).ok()) {
        headers.insert(LOCATION, location);
    }
    // The same delivery got this answer before.
    if delivered.repeated {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    if answer.outcome == HookOutcome::UnderWay {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
}
