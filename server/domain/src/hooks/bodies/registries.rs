//! What registries say when something was pushed to them: Docker Hub, Harbor by its default form, and distribution's notifications, which its
//! relatives send too.

use serde_json::Value;

use super::{Letter, Of, Offer, Said, Source, digest, tag, text};

/// What distribution's notifications are called here.
pub(super) const DISTRIBUTION: &str = "distribution";

/// Docker Hub: one tag of one repository.
pub(super) fn docker_hub(value: &Value) -> Said {
    let (Some(path), Some(tag)) = (text(value, "/repository/repo_name"), tag(value, "/push_data/tag")) else {
        return Said::Nothing("Docker Hub named no repository or no tag".into());
    };
    let source = Source { author: text(value, "/push_data/pusher"), ..Source::default() };
    Said::offered(vec![Offer { of: Of::Path(path), tag: Some(tag), source, ..Offer::default() }])
}

/// Harbor's default form: the resources of one repository.
pub(super) fn harbor(kind: &str, value: &Value) -> Said {
    if kind != "PUSH_ARTIFACT" {
        let kind: String = kind.chars().take(40).collect();
        return Said::Nothing(format!("Harbor's event {kind} brings no image; PUSH_ARTIFACT does"));
    }
    let Some(path) = text(value, "/event_data/repository/repo_full_name") else {
        return Said::Nothing("Harbor named no repository".into());
    };
    let source = Source { author: text(value, "/operator"), ..Source::default() };
    let resources = value.pointer("/event_data/resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let images = resources.iter().filter_map(|one| {
        let tag = tag(one, "/tag")?;
        Some(Offer { of: Of::Path(path.clone()), tag: Some(tag), digest: digest(one, "/digest"), source: source.clone(), ..Offer::default() })
    });
    let images: Vec<Offer> = images.collect();
    if images.is_empty() { Said::Nothing("what was pushed to Harbor has no tag".into()) } else { Said::offered(images) }
}

/// Distribution's notifications: several events in one envelope, of which pushes of tagged manifests bring images.
pub(super) fn distribution(value: &Value) -> Letter {
    let events = value.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let images = events.iter().filter(|event| text(event, "/action").as_deref() == Some("push")).filter_map(|event| {
        let (path, tag) = (text(event, "/target/repository")?, tag(event, "/target/tag")?);
        let source = Source { author: text(event, "/actor/name"), ..Source::default() };
        Some(Offer { of: Of::Path(path), tag: Some(tag), digest: digest(event, "/target/digest"), source, ..Offer::default() })
    });
    let images: Vec<Offer> = images.collect();
    let said = if images.is_empty() { Said::Nothing("no tag was pushed".into()) } else { Said::offered(images) };
    let event = events.first().and_then(|event| text(event, "/action")).unwrap_or_else(|| "none".into());
    // What is sent again after no answer came has the same ids.
    let key = events.first().and_then(|event| text(event, "/id")).filter(|id| id.len() <= 100).map(|id| format!("event:{id}"));
    Letter { sender: DISTRIBUTION, event, key, said: Ok(said) }
}
