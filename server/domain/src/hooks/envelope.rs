//! What stands around a body: headers that say what it is, and proofs, which are kept apart so that nothing shows them.

use std::collections::BTreeMap;

use model::secret::Secret;
use serde::{Deserialize, Serialize};

use super::proofs::By;
use crate::error::{Error, Result};

/// Headers that say what a delivery is.
const SAID: [&str; 12] = [
    "content-type",
    "user-agent",
    "idempotency-key",
    "webhook-id",
    "webhook-timestamp",
    "x-github-event",
    "x-github-delivery",
    "x-gitea-event",
    "x-gitea-delivery",
    "x-gitlab-event",
    "x-gitlab-event-uuid",
    "x-gitlab-instance",
];

/// Headers that prove who sent it.
const PROOFS: [&str; 5] = ["authorization", "x-hub-signature-256", "x-gitea-signature", "x-gitlab-token", "webhook-signature"];

/// Headers that name a delivery, the one that is meant for it first.
const KEYS: [&str; 5] = ["idempotency-key", "webhook-id", "x-github-delivery", "x-gitea-delivery", "x-gitlab-event-uuid"];

/// Longest value that is looked at, in bytes. Several signatures stand in one while secrets are changed.
const VALUE_MAX: usize = 4096;
/// Longest name of a delivery.
const KEY_MAX: usize = 200;

/// The headers of a delivery that mean something here.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Envelope {
    said: BTreeMap<String, String>,
    #[serde(skip)]
    proofs: BTreeMap<String, Secret>,
}

impl Envelope {
    /// Takes what means something; names are in lower case.
    pub fn of<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut envelope = Self::default();
        for (name, value) in headers {
            if value.len() > VALUE_MAX {
                continue;
            }
            if SAID.contains(&name) {
                envelope.said.insert(name.to_owned(), value.trim().to_owned());
            } else if PROOFS.contains(&name) {
                envelope.proofs.insert(name.to_owned(), Secret::new(value.trim()));
            }
        }
        envelope
    }

    /// What a header says.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.said.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What a header proves.
    pub(super) fn proof(&self, name: &str) -> Option<&Secret> {
        self.proofs.get(name)
    }

    /// Which delivery it is, as its sender says: a repeat says the same. Of what Standard Webhooks signs it is the name that is signed: another one
    /// could be put beside it by whoever recorded it.
    pub(super) fn key(&self, by: By) -> Result<Option<String>> {
        let keys: &[&str] = if by == By::Standard { &["webhook-id"] } else { &KEYS };
        let Some((header, value)) = keys.iter().find_map(|header| Some((*header, self.get(header)?))) else { return Ok(None) };
        if value.len() > KEY_MAX || !value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(Error::invalid(header, format!("at most {KEY_MAX} printable characters")));
        }
        Ok(Some(format!("{header}:{value}")))
    }

    /// Whether it is an event of a git server that signs its bodies. Each of them is another one, with numbers and times: the same twice is a repeat.
    pub(super) fn is_signed_event(&self, by: By) -> bool {
        by == By::Body && ["x-github-event", "x-gitea-event"].iter().any(|header| self.get(header).is_some())
    }

    /// All that means something here, by name, the proofs among it.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let said = self.said.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        said.chain(self.proofs.iter().map(|(name, value)| (name.as_str(), value.expose())))
    }

    /// The headers without proofs.
    pub(super) fn said(&self) -> Vec<(String, String)> {
        self.said.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_neither_shown_nor_kept() {
        let envelope = Envelope::of([("authorization", "Bearer hidden-thing"), ("x-github-event", "ping"), ("cookie", "a=b")]);
        assert_eq!(envelope.get("x-github-event"), Some("ping"));
        assert!(envelope.proof("authorization").is_some() && envelope.get("cookie").is_none());
        let shown = format!("{envelope:?} {}", serde_json::to_string(&envelope).expect("JSON"));
        assert!(!shown.contains("hidden-thing"), "{shown}");
    }

    #[test]
    fn the_header_that_is_meant_for_it_names_a_delivery() {
        let key = |headers: &[(&str, &str)]| Envelope::of(headers.iter().copied()).key(By::Secret);
        assert_eq!(key(&[]).expect("none"), None);
        assert_eq!(key(&[("x-github-delivery", "d"), ("idempotency-key", "k")]).expect("a key").as_deref(), Some("idempotency-key:k"));
        assert_eq!(key(&[("x-gitea-delivery", "d")]).expect("a key").as_deref(), Some("x-gitea-delivery:d"));
        assert!(key(&[("idempotency-key", &"k".repeat(201))]).is_err());
    }

    #[test]
    fn what_is_signed_with_its_name_has_no_other() {
        let signed = Envelope::of([("idempotency-key", "k"), ("webhook-id", "w")]);
        assert_eq!(signed.key(By::Standard).expect("a key").as_deref(), Some("webhook-id:w"));
        assert_eq!(signed.key(By::Body).expect("a key").as_deref(), Some("idempotency-key:k"));
    }

    #[test]
    fn only_events_whose_body_is_signed_are_known_by_their_body() {
        for (headers, by, wanted) in [
            (vec![("x-github-event", "workflow_run")], By::Body, true),
            (vec![("x-gitea-event", "package"), ("x-github-event", "package")], By::Body, true),
            (vec![("x-github-event", "workflow_run")], By::Secret, false),
            (vec![("x-gitlab-event", "Pipeline Hook")], By::Body, false),
            (vec![("x-github-delivery", "d")], By::Body, false),
        ] {
            assert_eq!(Envelope::of(headers.iter().copied()).is_signed_event(by), wanted, "{headers:?} {by:?}");
        }
    }
}
