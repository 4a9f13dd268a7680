//! What is kept of a delivery, to be looked at and delivered again: its headers without proofs, and its body, of which nothing is kept that nobody is
//! shown. A body is looked through before the first byte of it is stored: no crash leaves what would have been hidden a moment later.

use std::collections::BTreeSet;

use model::hooks::NotKept;
use model::secret::HIDDEN;
use model::template::{ParameterKind, Parameters};
use serde_json::Value;

use super::bodies;
use super::deliver::{Received, passes};
use super::envelope::Envelope;
use super::rows::Hook;
use crate::access::{Actor, May, can};
use crate::deployments;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;
use crate::templates::{self, Asked};

/// Largest body that is kept, in bytes.
const BODY: usize = 256 * 1024;
/// The same with its headers and as a text in JSON, which may need more for a byte.
const REQUEST: usize = 2 * BODY;
/// The field of our own body that answers a template.
const PARAMETERS: &str = "parameters";

/// What is kept of a delivery.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Headers and body, as JSON; none: nothing of them.
    pub request: Option<Vec<u8>>,
    /// Why it is not kept whole.
    pub not_kept: Option<NotKept>,
}

impl Kept {
    fn nothing(why: NotKept) -> Self {
        Self { request: None, not_kept: Some(why) }
    }

    /// What was kept whole already.
    pub(super) fn again(request: &[u8]) -> Self {
        Self { request: Some(request.to_vec()), not_kept: None }
    }
}

/// What is kept of a delivery that came. Answers to the template are kept where it asks them openly; where that cannot be told, none is.
///
/// # Errors
/// What passes, and faults of ours.
pub(super) async fn of(platform: &Platform, hook: &Hook, actor: &Actor, received: &Received) -> Result<Kept> {
    let Received { envelope, body, .. } = received;
    if body.len() > BODY {
        return Ok(Kept::nothing(NotKept::Large));
    }
    let text = String::from_utf8_lossy(body);
    let Ok(mut value) = bodies::parse(envelope, body) else {
        // In what cannot be read nothing can be hidden.
        return if text.contains(PARAMETERS) { Ok(Kept::nothing(NotKept::Secret)) } else { whole(envelope, &text, None) };
    };
    if value.get(PARAMETERS).is_none() {
        return whole(envelope, &text, None);
    }
    let open = match asked(platform, hook, actor).await {
        Ok(asked) => asked.map(|asked| open(&asked)).unwrap_or_default(),
        Err(error) if passes(&error) => return Err(error),
        Err(_) => BTreeSet::new(),
    };
    let hidden = hide(&mut value, &open).then_some(NotKept::Secret);
    // As it was read: of what is written twice, the other one was not looked at.
    whole(envelope, &value.to_string(), hidden)
}

fn whole(envelope: &Envelope, body: &str, not_kept: Option<NotKept>) -> Result<Kept> {
    let request = serde_json::to_vec(&(envelope, body)).map_err(|error| Error::internal(format!("a delivery is JSON: {error}")))?;
    Ok(if request.len() > REQUEST { Kept::nothing(NotKept::Large) } else { Kept { request: Some(request), not_kept } })
}

/// What the template asks that made what runs; none: it was described by hand.
async fn asked(platform: &Platform, hook: &Hook, actor: &Actor) -> Result<Option<Parameters>> {
    let may: May<can::Deploy, Service> = actor.may(platform, &hook.service_id).await?;
    let base = deployments::base(platform, &may, hook.environment_id).await?;
    if !base.templated {
        return Ok(None);
    }
    let form = templates::answers::form(platform, &may, Some(&base.environment), &Asked::default()).await?;
    Ok(Some(form.parameters))
}

fn open(asked: &Parameters) -> BTreeSet<String> {
    asked.0.iter().filter(|parameter| parameter.kind != ParameterKind::Secret).map(|parameter| parameter.name.clone()).collect()
}

/// Hides answers to what is not asked openly; whether there were such.
fn hide(body: &mut Value, open: &BTreeSet<String>) -> bool {
    match body.get_mut(PARAMETERS) {
        None | Some(Value::Null) => false,
        Some(Value::Object(given)) => {
            let mut hidden = false;
            for (name, answer) in given.iter_mut() {
                if !open.contains(name) {
                    *answer = Value::from(HIDDEN);
                    hidden = true;
                }
            }
            hidden
        }
        Some(other) => {
            *other = Value::from(HIDDEN);
            true
        }
    }
}

/// Whether what was kept whole answers what is asked as a secret by now.
pub(super) async fn holds_a_secret(platform: &Platform, hook: &Hook, actor: &Actor, envelope: &Envelope, body: &[u8]) -> Result<bool> {
    let Ok(value) = bodies::parse(envelope, body) else { return Ok(false) };
    let Some(given) = value.get(PARAMETERS).and_then(Value::as_object) else { return Ok(false) };
    match asked(platform, hook, actor).await {
        Ok(Some(asked)) => Ok(asked.secrets().into_iter().any(|name| given.contains_key(name))),
        Err(error) if passes(&error) => Err(error),
        // Then it is answered why it cannot be worked on.
        Ok(None) | Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(body: &str) -> (bool, String) {
        let mut value: Value = serde_json::from_str(body).expect("JSON");
        let hidden = hide(&mut value, &BTreeSet::from(["tasks".to_owned()]));
        (hidden, value.to_string())
    }

    #[test]
    fn only_answers_to_open_questions_are_kept() {
        assert_eq!(hidden(r#"{"parameters":{"tasks":3}}"#), (false, r#"{"parameters":{"tasks":3}}"#.into()));
        let (some, text) = hidden(r#"{"tag":"2","parameters":{"tasks":3,"password":"horse","pasword":"horse","list":["horse"]}}"#);
        assert!(some && !text.contains("horse") && text.contains(r#""tasks":3"#) && text.matches(HIDDEN).count() == 3, "{text}");
        for odd in [r#"{"parameters":"password=horse"}"#, r#"{"parameters":[{"password":"horse"}]}"#] {
            let (some, text) = hidden(odd);
            assert!(some && !text.contains("horse"), "{text}");
        }
        assert!(!hidden(r#"{"parameters":null}"#).0);
    }
}
