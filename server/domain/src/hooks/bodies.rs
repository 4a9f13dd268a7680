//! What a delivery says, in the words of whoever sends it: our own body, registries (Docker Hub, Harbor, distribution's notifications), GitHub,
//! GitLab, Gitea. What a sender adds some day is passed over; what it must say and does not is told. Pure.

use model::digest::Digest;
use model::image::ImageReference;
use model::names::TagName;
use model::problem::FieldError;
use model::template::Answers;
use serde_json::Value;

use super::envelope::Envelope;

mod git;
mod own;
mod registries;
#[cfg(test)]
mod tests;

/// What was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    /// Who sends so.
    pub sender: &'static str,
    /// What its sender calls it.
    pub event: String,
    /// Which delivery it is, where its body alone says so.
    pub key: Option<String>,
    /// What it says, or what is wrong with it.
    pub said: Result<Said, Vec<FieldError>>,
}

impl Letter {
    /// Whether its sender sends what is refused again for ever, and nothing else meanwhile.
    pub(super) fn is_queued(&self) -> bool {
        self.sender == registries::DISTRIBUTION
    }
}

/// What a delivery says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Its sender tries the hook.
    Ping,
    /// Nothing that deploys, and why.
    Nothing(String),
    /// There are images, the newest last; `meant`: they were sent to this very hook, so what does not fit is a mistake.
    Images {
        /// What there is.
        images: Vec<Offer>,
        /// Whether what does not fit is a mistake.
        meant: bool,
    },
}

impl Said {
    fn offered(images: Vec<Offer>) -> Self {
        Self::Images { images, meant: false }
    }
}

/// An image that there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// Of which repository.
    pub of: Of,
    /// Its tag.
    pub tag: Option<TagName>,
    /// Its content.
    pub digest: Option<Digest>,
    /// Where it comes from.
    pub source: Source,
    /// The workflow that a git server ran for it, where it is the end of such a run; empty: it is not named.
    pub workflow: Option<String>,
    /// Answers to the template that the service is made from.
    pub answers: Answers,
}

/// A repository of images, as far as a delivery says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Of {
    /// It does not say: that of the service.
    #[default]
    Service,
    /// By its path, at whatever host.
    Path(String),
    /// By its whole name.
    Image(ImageReference),
}

/// Where an image comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    /// The commit.
    pub commit: Option<String>,
    /// The branch or tag.
    pub reference: Option<String>,
    /// The build's page.
    pub build: Option<String>,
    /// Who.
    pub author: Option<String>,
    /// Why: the commit's message.
    pub message: Option<String>,
    /// The commit's page.
    pub link: Option<String>,
}

/// Reads a delivery.
pub(super) fn read(envelope: &Envelope, body: &[u8]) -> Letter {
    // Gitea sends GitHub's headers besides its own.
    let named = [("x-gitea-event", "gitea"), ("x-github-event", "github"), ("x-gitlab-event", "gitlab")];
    let named = named.into_iter().find_map(|(header, sender)| Some((sender, envelope.get(header)?.to_owned())));
    let value = match parse(envelope, body) {
        Ok(value) => value,
        Err(error) => {
            let (sender, event) = named.unwrap_or(("slipway", "deploy".into()));
            return Letter { sender, event, key: None, said: Err(vec![error]) };
        }
    };
    if let Some((sender, event)) = named {
        let said = match sender {
            "gitea" => git::gitea(&event, &value),
            "gitlab" => git::gitlab(&event, &value),
            _ => git::github(&event, &value),
        };
        return Letter { sender, event, key: None, said: Ok(said) };
    }
    if value.get("events").is_some_and(Value::is_array) {
        return registries::distribution(&value);
    }
    if value.get("push_data").is_some() && value.get("repository").is_some() {
        return Letter { sender: "dockerhub", event: "push".into(), key: None, said: Ok(registries::docker_hub(&value)) };
    }
    if let (Some(kind), Some(_)) = (text(&value, "/type"), value.get("event_data")) {
        return Letter { sender: "harbor", said: Ok(registries::harbor(&kind, &value)), event: kind, key: None };
    }
    Letter { sender: "slipway", event: "deploy".into(), key: None, said: own::read(&value) }
}

/// The body as JSON; GitHub sends it in a form's field where nobody chose otherwise.
pub(super) fn parse(envelope: &Envelope, body: &[u8]) -> Result<Value, FieldError> {
    let form = envelope.get("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let inside = if form { field(body, b"payload=") } else { None };
    let bytes = inside.as_deref().unwrap_or(body);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(FieldError::new("body", "it is empty; send a JSON object, like {\"tag\": \"1.4.2\"}"));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| FieldError::new("body", format!("it is no JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(FieldError::new("body", "it must be a JSON object, like {\"tag\": \"1.4.2\"}")) }
}

/// A form's field, decoded.
fn field(body: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let value = body.split(|byte| *byte == b'&').find_map(|pair| pair.strip_prefix(name))?;
    let mut decoded = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(byte) = value.get(at) {
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(value.get(at + 1..at + 3)?).ok()?;
                decoded.push(u8::from_str_radix(digits, 16).ok()?);
                at += 2;
            }
            other => decoded.push(*other),
        }
        at += 1;
    }
    Some(decoded)
}

/// A text of the body by its JSON pointer; none where it is empty.
fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn tag(value: &Value, pointer: &str) -> Option<TagName> {
    text(value, pointer)?.parse().ok()
}

fn digest(value: &Value, pointer: &str) -> Option<Digest> {
    text(value, pointer)?.parse().ok()
}

/// The first line, and of that as much as a history shows.
fn line(text: &str) -> String {
    const SHOWN: usize = 300;
    text.lines().next().unwrap_or_default().trim().chars().take(SHOWN).collect()
}
