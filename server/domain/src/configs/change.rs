//! Changes of a place's configuration. Each makes one new version, whole or not at all; what changes nothing makes none. A change can name the
//! version that it is based on, and is refused where another came in between.

use std::collections::{BTreeMap, BTreeSet};

use model::configs::{ENTRIES_MAX, EntryKind, FILE_MAX, LEVEL_MAX, SECRET_MAX, check_name, check_value};
use model::ids::ConfigScopeId;
use model::names::EnvironmentName;
use model::problem::FieldError;
use model::views::configs::ChangedView;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::scopes::{self, Entry, Name};
use super::{Holder, Hush, Scope, conflict, place, room, secret_purpose, uses};
use crate::access::{May, can};
use crate::args;
use crate::change::{Change, Record};
use crate::db::Tx;
use crate::environments::Environment;
use crate::error::{Error, Result};
use crate::keys::hex;
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
    fn kind(&self) -> EntryKind {
        match self {
            Self::Variable(_) => EntryKind::Variable,
            Self::File(_) => EntryKind::File,
            Self::Secret(_) => EntryKind::Secret,
        }
    }

    fn bytes(&self) -> &[u8] {
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

/// A row that is to begin with the next version.
struct Fresh {
    stamp: String,
    size: i64,
    is_text: bool,
    content: Vec<u8>,
}

/// A change under way: the scope is locked.
struct Draft<'a> {
    platform: &'a Platform,
    may: &'a May<can::Configure, Holder>,
    environment: Option<Environment>,
    change: Change,
    scope: Scope,
    now: Vec<Entry>,
    set: BTreeMap<Name, Fresh>,
    unset: BTreeSet<Name>,
}

impl<'a> Draft<'a> {
    async fn begin(platform: &'a Platform, may: &'a May<can::Configure, Holder>, environment: Option<&EnvironmentName>, edit: &Edit) -> Result<Self> {
        if edit.why.chars().count() > WHY_MAX || edit.why.contains('\0') {
            return Err(Error::invalid("why", format!("at most {WHY_MAX} characters")));
        }
        let mut change = platform.change(may.actor()).await?;
        let environment = place(&mut change, &may.project, environment).await?;
        let service = may.service.as_ref().map(|service| service.id);
        let fresh: ConfigScopeId = platform.new_id();
        let scope = scopes::locked(&mut change, fresh, may.project.id, service, environment.as_ref().map(|one| one.id)).await?;
        if edit.based_on.is_some_and(|version| version != scope.version) {
            return Err(conflict(scope.version, edit.based_on.unwrap_or_default()));
        }
        let now = scopes::entries(&mut change, &[scope]).await?;
        Ok(Self { platform, may, environment, change, scope, now, set: BTreeMap::new(), unset: BTreeSet::new() })
    }

    fn stands(&self, name: &Name) -> Option<&Entry> {
        self.now.iter().find(|entry| entry.kind == name.0 && entry.name == name.1)
    }

    async fn set(&mut self, name: &str, content: &Content) -> Result<()> {
        let (kind, bytes) = (content.kind(), content.bytes());
        let name: Name = (kind, name.to_owned());
        // A secret is always another one: whether it is the same cannot be found out by setting it.
        let stamp = match kind {
            EntryKind::Secret => hex(&self.platform.random_bytes::<16>()),
            EntryKind::Variable | EntryKind::File => hex(&Sha256::digest(bytes)),
        };
        if self.stands(&name).is_some_and(|entry| entry.stamp == stamp) {
            return Ok(());
        }
        let content = match kind {
            EntryKind::Secret => self.platform.seal_in(&mut self.change, &secret_purpose(self.scope.id, &name.1), bytes).await?,
            EntryKind::Variable | EntryKind::File => bytes.to_vec(),
        };
        let is_text = std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        self.set.insert(name, Fresh { stamp, size, is_text, content });
        Ok(())
    }

    /// Writes the version, with its record.
    async fn finish(mut self, edit: &Edit, restored: Option<i64>, record: Record) -> Result<ChangedView> {
        if self.set.is_empty() && self.unset.is_empty() {
            let uses = uses::of(&mut self.change, self.may, self.environment.as_ref()).await?;
            return Ok(ChangedView { version: self.scope.version, changed: false, uses });
        }
        self.check_limits()?;
        let gained = self.set.values().map(|fresh| fresh.size).sum();
        room::make(&mut self.change, self.may.project.id, gained).await?;
        let version = self.scope.version + 1;
        write_version(&mut self.change, self.platform, self.may, self.scope.id, version, edit, restored).await?;
        let names: BTreeSet<&Name> = self.set.keys().chain(&self.unset).collect();
        for (kind, name) in names {
            let sql = "UPDATE config_entries SET until = $4 WHERE scope_id = $1 AND kind = $2 AND name = $3 AND until IS NULL";
            self.change.exec(sql, args![self.scope.id, *kind, name, version]).await?;
        }
        for ((kind, name), fresh) in std::mem::take(&mut self.set) {
            let sql =
                "INSERT INTO config_entries (scope_id, kind, name, since, stamp, size, is_text, content) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            let arguments = args![self.scope.id, kind, name, version, fresh.stamp, fresh.size, fresh.is_text, fresh.content];
            self.change.exec(sql, arguments).await?;
        }
        let uses = uses::of(&mut self.change, self.may, self.environment.as_ref()).await?;
        self.change.touch(match &self.may.service {
            Some(service) => Topic::Service(service.id),
            None => Topic::Project(self.may.project.id),
        });
        self.change.commit(record).await?;
        Ok(ChangedView { version, changed: true, uses })
    }

    /// How much the place would hold.
    fn check_limits(&self) -> Result<()> {
        let kept = self.now.iter().filter(|entry| {
            let name = (entry.kind, entry.name.clone());
            !self.set.contains_key(&name) && !self.unset.contains(&name)
        });
        let (mut count, mut bytes) = (self.set.len(), self.set.values().map(|fresh| fresh.size).sum::<i64>());
        for entry in kept {
            count += 1;
            bytes += entry.size;
        }
        if count > ENTRIES_MAX && count > self.now.len() {
            return Err(Error::conflict("too_many_entries", format!("there would be {count} entries here; at most {ENTRIES_MAX} are kept")));
        }
        if bytes > LEVEL_MAX {
            return Err(Error::conflict("configuration_full", format!("all entries here would have {bytes} bytes; at most {LEVEL_MAX} are kept")));
        }
        Ok(())
    }

    fn record(&self, action: &'static str, kind: &'static str, target: &str, more: serde_json::Value) -> Record {
        let service = self.may.service.as_ref().map(|service| service.name.as_str());
        let environment = self.environment.as_ref().map(|one| one.name.as_str());
        let mut detail = json!({ "service": service, "environment": environment, "version": self.scope.version + 1 });
        if let (Some(detail), serde_json::Value::Object(more)) = (detail.as_object_mut(), more) {
            detail.extend(more);
        }
        Record::new(action, kind, target).project(&self.may.project).detail(detail)
    }
}

async fn write_version(
    tx: &mut Tx,
    platform: &Platform,
    may: &May<can::Configure, Holder>,
    scope: ConfigScopeId,
    number: i64,
    edit: &Edit,
    restored: Option<i64>,
) -> Result<()> {
    tx.exec("UPDATE config_scopes SET version = $2 WHERE id = $1", args![scope, number]).await?;
    let sql =
        "INSERT INTO config_versions (scope_id, number, created_at, created_by_id, created_by, why, restored) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let who = (may.actor().account()?.id, may.actor().name());
    tx.exec(sql, args![scope, number, platform.now(), who.0, who.1, edit.why.trim(), restored]).await.map(drop)
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
    if draft.stands(&name).is_none() {
        return Err(Error::NotFound { what: kind.as_str() });
    }
    let record = draft.record("config.delete", kind.as_str(), &name.1, json!({}));
    draft.unset.insert(name);
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
    let gone = draft.now.iter().filter(|entry| entry.kind == EntryKind::Variable && !variables.contains_key(&entry.name));
    draft.unset = gone.map(|entry| (entry.kind, entry.name.clone())).collect();
    let set: Vec<&String> = draft.set.keys().map(|(_, name)| name).collect();
    let removed: Vec<&String> = draft.unset.iter().map(|(_, name)| name).collect();
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
    if version < 1 || version > draft.scope.version {
        return Err(Error::NotFound { what: "version" });
    }
    if version < draft.scope.kept_from {
        return Err(Error::conflict("version_given_up", format!("version {version} is not whole any more: old contents were given up for room")));
    }
    let then = scopes::entries(&mut draft.change, &[Scope { version, ..draft.scope }]).await?;
    for entry in &then {
        let name = (entry.kind, entry.name.clone());
        if draft.stands(&name).is_none_or(|now| now.stamp != entry.stamp) {
            // A secret keeps its stamp: it is the same one.
            let mut content = scopes::content(&mut draft.change, entry).await?;
            if entry.kind == EntryKind::Secret {
                content = platform.seal_again_in(&mut draft.change, &secret_purpose(entry.scope, &entry.name), content).await?;
            }
            draft.set.insert(name, Fresh { stamp: entry.stamp.clone(), size: entry.size, is_text: entry.is_text, content });
        }
    }
    let names: BTreeSet<Name> = then.into_iter().map(|entry| (entry.kind, entry.name)).collect();
    draft.unset = draft.now.iter().map(|entry| (entry.kind, entry.name.clone())).filter(|name| !names.contains(name)).collect();
    let record = draft.record("config.restore", "configuration", may.label(), json!({ "restored": version }));
    draft.finish(edit, Some(version), record).await
}

impl Holder {
    /// What it is called in records.
    fn label(&self) -> &str {
        self.service.as_ref().map_or(self.project.name.as_str(), |service| service.name.as_str())
    }
}
