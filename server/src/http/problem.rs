//! How a refusal leaves by an HTTP door: `application/problem+json` (RFC 9457) with a stable `code`. A fault of ours is logged here, once,
//! and its cause is not told.

use std::any::Any;

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::Error;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use model::problem::{Problem, ProblemKind};
use serde::Serialize;

/// A handler's result.
pub type Answer<T> = Result<T, Refusal>;

/// A refusal on its way out.
#[derive(Debug)]
pub struct Refusal(pub Error);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// The JSON form: RFC 9457's members, and ours.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [model::problem::FieldError],
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Error::Internal(cause) = &self.0 {
            tracing::error!(error = %cause, "a request failed");
        }
        respond(&self.0.problem())
    }
}

/// Renders a problem.
#[must_use]
pub fn respond(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Body {
        r#type: "about:blank",
        title: problem.kind.title(),
        status: status.as_u16(),
        detail: &problem.detail,
        code: &problem.code,
        errors: &problem.fields,
    };
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if problem.kind == ProblemKind::Unauthenticated {
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"slipway\""));
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"slipway\", charset=\"UTF-8\""));
    }
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A handler that panicked: the panic is in the log, the client learns that it is our fault.
pub fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Refusal(Error::internal("a handler panicked; see the message above")).into_response()
}
