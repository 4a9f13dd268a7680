//! The server's half of the door: who calls, and how a refusal of the domain becomes an answer.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use domain::{Actor, Platform};
use futures::future::BoxFuture;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use model::problem::{Problem, ProblemKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ApiError;

/// Largest draft that is kept, in bytes: a template's document, its marks of JSON, and the plan beside it.
const DRAFT_MAX: usize = 1024 * 1024;

/// The browser's session, as far as pages need it. The server implements it; nothing else touches cookies.
pub trait BrowserSession: Send + Sync {
    /// Signs an account in: the session gets a new id.
    fn sign_in<'a>(&'a self, account: &'a domain::access::Account) -> BoxFuture<'a, domain::Result<()>>;
    /// Signs out: the session is gone, and what it held open is cut.
    fn sign_out(&self) -> BoxFuture<'_, domain::Result<()>>;
    /// The token that forms of this session carry; none when signed out.
    fn csrf(&self) -> Option<String>;
    /// Keeps a text for the next page of this session alone: what may be shown once.
    fn flash(&self, name: &'static str, text: String) -> BoxFuture<'_, domain::Result<()>>;
    /// Takes such a text; it is gone then.
    fn take_flash(&self, name: &'static str) -> BoxFuture<'_, domain::Result<Option<String>>>;
}

/// Who calls a page or a server function.
#[derive(Clone)]
pub struct Caller {
    /// The platform.
    pub platform: Platform,
    /// Who it is; maybe nobody.
    pub actor: Actor,
    /// Their browser's session.
    pub session: Arc<dyn BrowserSession>,
}

impl Caller {
    /// Keeps what was typed at a place for that place's next page, for a browser without scripts. Of each name there is one at a time.
    pub async fn keep_draft(&self, name: &'static str, place: &str, typed: &impl Serialize) -> Result<(), ApiError> {
        if let Some(text) = draft(place, typed) {
            self.session.flash(name, text).await?;
        }
        Ok(())
    }

    /// Takes what was typed at this place. What was typed at another one waits on.
    pub async fn take_draft<T: DeserializeOwned>(&self, name: &'static str, place: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.session.take_flash(name).await? else { return Ok(None) };
        match drafted(&text) {
            Some((of, typed)) if of == place => Ok(serde_json::from_value(typed).ok()),
            Some(_) => {
                self.session.flash(name, text).await?;
                Ok(None)
            }
            None => Ok(None),
        }
    }
}

/// What was typed, with the place where.
fn draft(place: &str, typed: &impl Serialize) -> Option<String> {
    serde_json::to_string(&(place, typed)).ok().filter(|text| text.len() <= DRAFT_MAX)
}

fn drafted(text: &str) -> Option<(String, serde_json::Value)> {
    serde_json::from_str(text).ok()
}

/// Who calls, for reading.
pub async fn caller() -> Result<Caller, ApiError> {
    use_context::<Caller>().ok_or_else(|| ApiError(Problem::new(ProblemKind::Internal, "internal", "this page has no caller")))
}

/// Who calls, for changing something: signed in, with the token that only this site's pages know.
pub async fn mutating(csrf: &str) -> Result<Caller, ApiError> {
    let caller = caller().await?;
    caller.actor.account()?;
    if caller.session.csrf().is_some_and(|own| bool::from(subtle::ConstantTimeEq::ct_eq(own.as_bytes(), csrf.as_bytes()))) {
        return Ok(caller);
    }
    let text = "the form is out of date: load the page again and send it once more";
    Err(refused(Problem::new(ProblemKind::Forbidden, "csrf", text)))
}

impl From<domain::Error> for ApiError {
    fn from(error: domain::Error) -> Self {
        if let domain::Error::Internal(cause) = &error {
            tracing::error!(error = %cause, "a server function failed");
        }
        refused(error.problem())
    }
}

/// The refusal, with the status of the whole answer set to say the same. A form that a browser without scripts posts is answered with
/// a redirect back to its page instead, which shows the refusal.
pub(super) fn refused(problem: Problem) -> ApiError {
    let posted_form = use_context::<Parts>().is_some_and(|parts| {
        let html = parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"));
        html && parts.method == axum::http::Method::POST
    });
    if !posted_form
        && let Some(response) = use_context::<ResponseOptions>()
        && let Ok(status) = StatusCode::from_u16(problem.kind.status())
    {
        response.set_status(status);
    }
    ApiError(problem)
}

/// A posted form is answered with a redirect to the page that it came from, with the refusal in its address. Where that page already shows
/// an earlier refusal, the earlier one is taken out first: else it would be shown again.
pub fn forget_earlier_refusal(headers: &mut axum::http::HeaderMap) {
    let Some(referer) = headers.get(axum::http::header::REFERER).and_then(|referer| referer.to_str().ok()) else { return };
    let Some((page, query)) = referer.split_once('?') else { return };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("__err=") && !pair.starts_with("__path=")).collect();
    let cleaned = if kept.is_empty() { page.to_owned() } else { format!("{page}?{}", kept.join("&")) };
    if let Ok(value) = axum::http::HeaderValue::from_str(&cleaned) {
        headers.insert(axum::http::header::REFERER, value);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::REFERER;
    use axum::http::{HeaderMap, HeaderValue};

    #[test]
    fn a_draft_names_its_place_and_is_not_endless() {
        let text = super::draft("web local", &("typed", 7)).expect("a draft");
        assert_eq!(super::drafted(&text), Some(("web local".to_owned(), serde_json::json!(["typed", 7]))));
        assert_eq!(super::drafted("typed before drafts had places"), None);
        assert!(super::draft("web local", &"x".repeat(super::DRAFT_MAX)).is_none());
    }

    #[test]
    fn an_earlier_refusal_is_taken_out_and_the_rest_stays() {
        let cleaned = |url: &'static str| {
            let mut headers = HeaderMap::from_iter([(REFERER, HeaderValue::from_static(url))]);
            super::forget_earlier_refusal(&mut headers);
            headers.get(REFERER).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        assert_eq!(cleaned("http://h/login?next=%2Fa&__path=%2Ffn%2Fx&__err=e30").as_deref(), Some("http://h/login?next=%2Fa"));
        assert_eq!(cleaned("http://h/login?__path=a&__err=b").as_deref(), Some("http://h/login"));
        assert_eq!(cleaned("http://h/a?b=c").as_deref(), Some("http://h/a?b=c"));
    }
}
