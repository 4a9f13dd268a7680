//! The door between pages and the domain: server functions, one module for each feature. A server function unpacks its arguments, makes one
//! domain call and packs the answer. It is a public endpoint, and while a page is rendered its body runs without any middleware: so every
//! check lives in what it calls. What it needs comes from [`server::caller`] (reads) or [`server::mutating`] (everything else).
//!
//! Every function has the prefix `/fn` and a fixed path `feature/verb`.

use leptos::prelude::*;
use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use model::problem::{Problem, ProblemKind};
use serde::{Deserialize, Serialize};

pub(crate) mod accounts;
pub(crate) mod alerts;
#[cfg(feature = "ssr")]
mod answer;
pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod cloning;
pub(crate) mod configs;
pub(crate) mod deployments;
pub(crate) mod descriptor;
pub(crate) mod discovery;
pub(crate) mod environments;
pub(crate) mod events;
pub(crate) mod folders;
pub(crate) mod hooks;
pub(crate) mod image_rules;
pub(crate) mod images;
pub(crate) mod imports;
pub(crate) mod inspect;
pub(crate) mod jobs;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod notices;
pub(crate) mod outside;
#[cfg(feature = "ssr")]
mod parse;
pub(crate) mod projects;
pub(crate) mod pruning;
pub(crate) mod pushes;
pub(crate) mod quotas;
pub(crate) mod robots;
#[cfg(feature = "ssr")]
pub mod server;
pub(crate) mod services;
pub(crate) mod shells;
pub(crate) mod status;
pub(crate) mod templates;
pub(crate) mod upkeep;
pub(crate) mod usage;

/// Why a server function refused: what REST answers too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub struct ApiError(pub Problem);

impl ApiError {
    /// The message for one field, if that field is wrong.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        self.0.field(name).map(str::to_owned)
    }

    /// The sort of refusal.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        self.0.kind
    }
}

impl FromServerFnError for ApiError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        let (kind, code, detail) = match &error {
            ServerFnErrorErr::Request(_) => {
                (ProblemKind::Unavailable, "unreachable", "the portal did not answer; nothing is known to have changed; try again".to_owned())
            }
            ServerFnErrorErr::Args(cause) | ServerFnErrorErr::MissingArg(cause) => {
                (ProblemKind::Invalid, "arguments", format!("the form was not understood: {cause}"))
            }
            other => (ProblemKind::Internal, "internal", format!("the answer was not understood: {other}")),
        };
        Self(Problem::new(kind, code, detail))
    }
}

/// The token that every form of a signed-in person carries; the server puts it into the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsrfToken(pub String);

/// The token for this page's forms: from the context while rendering, from the page's `<meta name="csrf">` in the browser.
#[must_use]
pub fn csrf_token() -> String {
    use_context::<CsrfToken>().unwrap_or_default().0
}
