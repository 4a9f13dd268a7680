//! Changes of a place's configuration. Each makes one new version, whole or not at all; what changes nothing makes none. A change can name the
//! version that it is based on, and is refused where another came in between.

use std::collections::{BTreeMap, BTreeSet};

use model::configs::{EntryKind, FILE_MAX, SECRET_MAX, check_name, check_value};
use model::names::EnvironmentName;
use model::problem::FieldError;
use model::views::configs::ChangedView;
use serde_json::json;

use super::next::{Fresh, Next};
use super::scopes::{self, Name};
use super::{Holder, Hush, Scope, place, secret_purpose, uses};
use crate::access::{May, can};
use crate::change::{Change, Record};
use crate::environments::Environment;
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::platform::Platform;

/// Longest reason that a person gives, in characters.
const WHY_MAX: usize = 1000;

/// What an entry is to hold.
#[derive(Clone, Debug)]
pub enum Content {
    /// A variable's value.
    Variable(String),
    /// A file's bytes.
    File(Vec<u8>),
    /// A secret's bytes.
    Secret(Hush),
}

impl Content {
    pub(super) fn kind(&self) -> EntryKind {
        match self {
            Self::Variable(_) => EntryKind::Variable,
            Self::File(_) => EntryKind::File,
            Self::Secret(_) => EntryKind::Secret,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Variable(value) => value.as_bytes(),
            Self::File(bytes) => bytes,
            Self::Secret(secret) => secret.expose(),
        }
    }

    /// What is wrong with it, by the field that holds it.
    fn check(&self) -> Result<()> {
        let size = self.bytes().len();
        match self {
            Self::Variable(value) => check_value(value).map_err(|message| Error::invalid("value", message)),
            Self::File(_) if size > FILE_MAX => Err(Error::invalid("content", format!("{size} bytes; a file has at most {FILE_MAX}"))),
            Self::Secret(_) if size == 0 => Err(Error::invalid("value", "an empty text is no secret")),
            Self::Secret(_) if size > SECRET_MAX => Err(Error::invalid("value", format!("{size} bytes; a secret has at most {SECRET_MAX}"))),
            Self::File(_) | Self::Secret(_) => Ok(()),
        }
    }
}

/// How a change is meant.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// The newest version that whoever changes it has seen; none: whatever it is now.
    pub based_on: Option<i64>,
    /// Why, for the history.
    pub why: String,
}

/// A change under way: the scope is locked.
struct Draft<'a> {
    platform: &'a Platform,
    may: &'a May<can::Configure, Holder>,
    environment: Option<Environment>,
    change: Change,
    next: Next,
}

impl<'a> Draft<'a> {
    async fn begin(platform: &'a Platform, may: &'a May<can::Configure, Holder>, environment: Option<&EnvironmentName>, edit: &Edit) -> Result<Self> {
        if edit.why.chars().count() > WHY_MAX || edit.why.contains('\0') {
            return Err(Error::invalid("why", format!("at most {WHY_MAX} characters")));
        }
        let mut change = platform.change(may.actor()).await?;
        let environment = place(&mut change, &may.project, environment).await?;
        let (service, at) = (may.service.as_ref().map(|service| service.id), environment.as_ref().map(|one| one.id));
        let next = Next::of(&mut change, platform, may.project.id, service, at, edit.based_on).await?;
        Ok(Self { platform, may, environment, change, next })
    }

    async fn set(&mut self, name: &str, content: &Content) -> Result<()> {
        self.next.set(&mut self.change, self.platform, name, content).await
    }

    /// Writes the version, with its record.
    async fn finish(mut self, edit: &Edit, restored: Option<i64>, record: Record) -> Result<ChangedView> {
        if self.next.is_like_now() {
            let uses = uses::of(&mut self.change, self.may, self.environment.as_ref()).await?;
            return Ok(ChangedView { version: self.next.scope.version, changed: false, uses });
        }
        let version = self.next.write(&mut self.change, self.platform, self.may.actor(), edit, restored).await?;
        let uses = uses::of(&mut self.change, self.may, self.environment.as_ref()).await?;
        self.change.touch(match &self.may.service {
            Some(service) => Topic::Service(service.id),
            None => Topic::Project(self.may.project.id),
        });
        self.change.commit(record).await?;
        Ok(ChangedView { version, changed: true, uses })
    }

    fn record(&self, action: &'static str, kind: &'static str, target: &str, more: serde_json::Value) -> Record {
        let service = self.may.service.as_ref().map(|service| service.name.as_str());
        let environment = self.environment.as_ref().map(|one| one.name.as_str());
        let mut detail = json!({ "service": service, "environment": environment, "version": self.next.scope.version + 1 });
        if let (Some(detail), serde_json::Value::Object(more)) = (detail.as_object_mut(), more) {
            detail.extend(more);
        }
        Record::new(action, kind, target).project(&self.may.project).detail(detail)
    }
}

/// Sets one entry of a place.
///
/// # Errors
/// `Invalid` by field (`name`, `value`, `content`), `Conflict` where somebody else was first or there is no room.
pub async fn put(
    platform: &Platform,
    may: &May<can::Configure, Holder>,
    environment: Option<&EnvironmentName>,
    name: &str,
    content: &Content,
    edit: &Edit,
) -> Result<ChangedView> {
    check_name(content.kind(), name).map_err(|message| Error::invalid("name", message))?;
    content.check()?;
    let mut draft = Draft::begin(platform, may, environment, edit).await?;
    draft.set(name, content).await?;
    let record = draft.record(
        "config.set",
        content.kind().as_str(),
        name,
        match content {
            Content::Secret(_) => json!({}),
            Content::Variable(_) | Content::File(_) => json!({ "bytes": content.bytes().len() }),
        },
    );
    draft.finish(edit, None, record).await
}

/// Takes one entry of a place away; what it stood in front of is heard again.
pub async fn remove(
    platform: &Platform,
    may: &May<can::Configure, Holder>,
    environment: Option<&EnvironmentName>,
    kind: EntryKind,
    name: &str,
    edit: &Edit,
) -> Result<ChangedView> {
    let mut draft = Draft::begin(platform, may, environment, edit).await?;
    let name: Name = (kind, name.to_owned());
    if draft.next.stands(&name).is_none() {
        return Err(Error::NotFound { what: kind.as_str() });
    }
    let record = draft.record("config.delete", kind.as_str(), &name.1, json!({}));
    draft.next.unset.insert(name);
    draft.finish(edit, None, record).await
}

/// Puts these variables in the place of all that the place itself has.
///
/// # Errors
/// `Invalid`: the variables that are wrong, as `variables.NAME`.
pub async fn put_variables(
    platform: &Platform,
    may: &May<can::Configure, Holder>,
    environment: Option<&EnvironmentName>,
    variables: &BTreeMap<String, String>,
    edit: &Edit,
) -> Result<ChangedView> {
    let wrong = |(name, value): (&String, &String)| {
        let message = check_name(EntryKind::Variable, name).and_then(|()| check_value(value)).err()?;
        Some(FieldError::new(format!("variables.{}", name.chars().take(60).collect::<String>()), message))
    };
    let errors: Vec<FieldError> = variables.iter().filter_map(wrong).take(50).collect();
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    let mut draft = Draft::begin(platform, may, environment, edit).await?;
    for (name, value) in variables {
        draft.set(name, &Content::Variable(value.clone())).await?;
    }
    let gone = draft.next.now.iter().filter(|entry| entry.kind == EntryKind::Variable && !variables.contains_key(&entry.name));
    draft.next.unset = gone.map(|entry| (entry.kind, entry.name.clone())).collect();
    let set: Vec<&String> = draft.next.set.keys().map(|(_, name)| name).collect();
    let removed: Vec<&String> = draft.next.unset.iter().map(|(_, name)| name).collect();
    let record = draft.record("config.set_variables", "configuration", may.label(), json!({ "set": set, "removed": removed }));
    draft.finish(edit, None, record).await
}

/// Makes a new version that holds what an older one held.
///
/// # Errors
/// `NotFound`: no such version. `Conflict`: it is not whole any more, or somebody else was first.
pub async fn restore(
    platform: &Platform,
    may: &May<can::Configure, Holder>,
    environment: Option<&EnvironmentName>,
    version: i64,
    edit: &Edit,
) -> Result<ChangedView> {
    let mut draft = Draft::begin(platform, may, environment, edit).await?;
    if version < 1 || version > draft.next.scope.version {
        return Err(Error::NotFound { what: "version" });
    }
    if version < draft.next.scope.kept_from {
        return Err(Error::conflict("version_given_up", format!("version {version} is not whole any more: old contents were given up for room")));
    }
    let then = scopes::entries(&mut draft.change, &[Scope { version, ..draft.next.scope }]).await?;
    for entry in &then {
        let name = (entry.kind, entry.name.clone());
        if draft.next.stands(&name).is_none_or(|now| now.stamp != entry.stamp) {
            // A secret keeps its stamp: it is the same one.
            let mut content = scopes::content(&mut draft.change, entry).await?;
            if entry.kind == EntryKind::Secret {
                content = platform.seal_again_in(&mut draft.change, &secret_purpose(entry.scope, &entry.name), content).await?;
            }
            draft.next.set.insert(name, Fresh { stamp: entry.stamp.clone(), size: entry.size, is_text: entry.is_text, content });
        }
    }
    let names: BTreeSet<Name> = then.into_iter().map(|entry| (entry.kind, entry.name)).collect();
    draft.next.unset = draft.next.now.iter().map(|entry| (entry.kind, entry.name.clone())).filter(|name| !names.contains(name)).collect();
    let record = draft.record("config.restore", "configuration", may.label(), json!({ "restored": version }));
    draft.finish(edit, Some(version), record).await
}

impl Holder {
    /// What it is called in records.
    fn label(&self) -> &str {
        self.service.as_ref().map_or(self.project.name.as_str(), |service| service.name.as_str())
    }
}
