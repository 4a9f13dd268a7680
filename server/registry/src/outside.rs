//! A client of other registries (OCI distribution-spec 1.1, the pulling side), for copying images in and for checking credentials.
//!
//! People of a project name the hosts, so this client trusts nobody: connections go only where [`net::Guard`] lets them, whatever a name
//! resolves to and whatever a redirect or a challenge says, and from outside nothing leads inside; credentials go to the registry and to the token service that it names, never to
//! where a blob is redirected to; everything that comes is limited in size and, while it comes, in slowness. Bytes are not changed: what is
//! asked for by digest is compared with it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::OutsideRegistries;
use model::outside::{AllowList, RegistryHost};
use model::secret::Secret;
use model::views::copies::{CheckState, CheckView};
use model::views::deployments::Reason;
use tokio::sync::Semaphore;

mod body;
mod challenge;
mod net;
mod referrers;
mod refusal;
mod session;
mod token;

pub use body::{Fetch, Tally};
pub use net::Net;
pub use referrers::Lists;
pub use session::{Document, Session};

/// Checks at the same time.
const CHECKS: usize = 4;
/// Longest time for a check.
const CHECK_TIME: Duration = Duration::from_secs(25);

/// Whether something may go better later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No: somebody has to do something first.
    Never,
    /// It may, in a moment.
    Soon,
    /// The other side said when.
    After(Duration),
}

/// Most characters of a failure's message.
const MESSAGE: usize = 1_000;

/// The text without control characters, which are written out, and no longer than a message is.
fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len().min(MESSAGE));
    for c in text.chars().take(MESSAGE) {
        // Besides those, what turns the direction of writing or ends a line.
        if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            words.extend(c.escape_default());
        } else {
            words.push(c);
        }
    }
    if text.chars().nth(MESSAGE).is_some() {
        words.push('\u{2026}');
    }
    words
}

/// Why something was not got from another registry, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable word for programs.
    pub code: &'static str,
    /// What happened, and what to do.
    pub message: String,
    /// Whether to try again.
    pub retry: Retry,
}

impl Failure {
    /// Somebody has to do something first.
    pub fn last(code: &'static str, message: impl AsRef<str>) -> Self {
        Self::new(code, message, Retry::Never)
    }

    /// It may go better in a moment.
    pub fn passing(code: &'static str, message: impl AsRef<str>) -> Self {
        Self::new(code, message, Retry::Soon)
    }

    /// With a word on when to try again. Messages repeat what other registries say: control characters of theirs are written out, so that
    /// none begins a line of its own in a log or speaks to a terminal, and what is longer than a message is cut.
    pub fn new(code: &'static str, message: impl AsRef<str>, retry: Retry) -> Self {
        Self { code, message: words(message.as_ref()), retry }
    }

    /// As a reason that is stored and shown.
    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::new(self.code, self.message.clone())
    }
}

/// What speaks with other registries.
#[derive(Clone)]
pub struct Outside {
    net: Net,
    checks: Arc<Semaphore>,
}

impl Default for Outside {
    fn default() -> Self {
        Self::new(Net::default())
    }
}

impl Outside {
    /// Speaks over this.
    #[must_use]
    pub fn new(net: Net) -> Self {
        Self { net, checks: Arc::new(Semaphore::new(CHECKS)) }
    }

    /// Begins to speak with a registry, for one repository of it.
    ///
    /// # Errors
    /// When this machine has no certificates to trust.
    pub async fn session(
        &self,
        host: &RegistryHost,
        path: &str,
        credential: Option<(String, Secret)>,
        allowed: AllowList,
    ) -> Result<Session, Failure> {
        Session::open(&self.net, host, path, credential, allowed).await
    }

    async fn answer(&self, host: &RegistryHost, credential: Option<(String, Secret)>, allowed: &AllowList) -> Result<CheckView, Failure> {
        let Ok(_turn) = self.checks.acquire().await else { return Err(Failure::passing("stopping", "the portal is stopping")) };
        let name = credential.as_ref().map(|(name, _)| name.clone());
        let asked = self.session(host, "", credential, allowed.clone()).await?.ping().await?;
        Ok(match (name, asked) {
            (Some(name), true) => CheckView { state: CheckState::Accepted, message: format!("{host} answers, and takes the credential of {name}.") },
            (Some(_), false) => CheckView { state: CheckState::Open, message: format!("{host} answers without asking for a credential.") },
            (None, _) => CheckView { state: CheckState::Open, message: format!("{host} answers; it is spoken to without a credential.") },
        })
    }
}

#[async_trait]
impl OutsideRegistries for Outside {
    async fn check(&self, host: &RegistryHost, credential: Option<(String, Secret)>, allowed: &AllowList) -> CheckView {
        let answered = tokio::time::timeout(CHECK_TIME, self.answer(host, credential, allowed)).await;
        let failure = match answered {
            Ok(Ok(view)) => return view,
            Ok(Err(failure)) => failure,
            Err(_) => Failure::passing("unreachable", format!("{host} did not answer in {} s", CHECK_TIME.as_secs())),
        };
        let state = match failure.code {
            "unauthorized" => CheckState::Refused,
            "address_refused" => CheckState::NotAllowed,
            _ => CheckState::Unreachable,
        };
        CheckView { state, message: failure.message }
    }
}

#[cfg(test)]
mod tests;
