//! The configuration of a revision: which versions it was made with, what of them reaches its tasks, and what a descriptor asks for that is not
//! there. A revision keeps its configuration as it keeps its image.

use std::collections::{BTreeMap, BTreeSet};

use model::configs::{EntryKind, VARIABLE_MAX, nearest};
use model::descriptor::{Change, Descriptor, ENV_TOTAL_MAX};
use model::ids::{EnvironmentId, RevisionId};
use model::problem::FieldError;
use model::secret::{HIDDEN, Secret};
use model::views::configs::{ConfigurationOf, LevelVersion};
use sha2::{Digest as _, Sha256};

use super::coming::{self, Coming};
use super::scopes::{self, Effective, Entry};
use super::{Hush, Scope, secret_purpose};
use crate::args;
use crate::db::Tx;
use crate::environments::Environment;
use crate::error::{Error, Result};
use crate::keys::hex;
use crate::platform::Platform;
use crate::services::Service;

/// A configuration at certain versions, and what of it a descriptor uses.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    /// The environment whose configuration it is; none: of a revision from before there was any.
    pub environment: Option<EnvironmentId>,
    scopes: Vec<Scope>,
    /// The entries that reach tasks.
    used: Vec<Entry>,
    /// A hash of them; empty where there are none.
    pub fingerprint: String,
}

/// The newest configuration of a service in an environment, for this descriptor.
///
/// # Errors
/// `Invalid`: names that the descriptor uses and that are not there, by field.
pub(crate) async fn newest(tx: &mut Tx, service: &Service, environment: &Environment, d: &Descriptor) -> Result<Pinned> {
    let scopes = scopes::chain(tx, service.project.id, Some(service.id), Some(environment.id)).await?;
    let entries = scopes::entries(tx, &scopes).await?;
    judged(scopes, entries, environment, d)
}

/// The same as it would be once these secrets are set. It is for looking at: nothing of it can be kept.
pub(crate) async fn newest_with(
    tx: &mut Tx,
    platform: &Platform,
    service: &Service,
    environment: &Environment,
    d: &Descriptor,
    coming: &Coming,
) -> Result<Pinned> {
    let mut scopes = scopes::chain(tx, service.project.id, Some(service.id), Some(environment.id)).await?;
    let mut entries = scopes::entries(tx, &scopes).await?;
    coming::assumed(platform, service, environment, coming, &mut scopes, &mut entries);
    judged(scopes, entries, environment, d)
}

fn judged(scopes: Vec<Scope>, entries: Vec<Entry>, environment: &Environment, d: &Descriptor) -> Result<Pinned> {
    let effective = scopes::effective(&scopes, entries);
    let errors = missing(&effective, d, environment);
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    Ok(of(Some(environment.id), scopes, &effective, d))
}

fn of(environment: Option<EnvironmentId>, scopes: Vec<Scope>, effective: &Effective, d: &Descriptor) -> Pinned {
    let used: Vec<Entry> = used(effective, d).cloned().collect();
    Pinned { environment, scopes, fingerprint: fingerprint(&used), used }
}

/// The configuration that a revision names.
pub(crate) async fn of_revision(tx: &mut Tx, revision: RevisionId, d: &Descriptor) -> Result<Pinned> {
    let sql = "SELECT config_environment_id, config_used FROM revisions WHERE id = $1";
    let (environment, fingerprint) =
        tx.one(sql, args![revision], |row| Ok((row.get("config_environment_id")?, row.get::<String>("config_used")?))).await?;
    let scopes = scopes::of_revision(tx, revision).await?;
    let effective = scopes::effective(&scopes, scopes::entries(tx, &scopes).await?);
    // What was written down holds, also when old contents were given up since.
    Ok(Pinned { fingerprint, ..of(environment, scopes, &effective, d) })
}

impl Pinned {
    /// Writes down that a revision runs with this.
    pub(crate) async fn keep(&self, tx: &mut Tx, revision: RevisionId) -> Result<()> {
        let sql = "UPDATE revisions SET config_environment_id = $2, config_used = $3 WHERE id = $1";
        tx.exec(sql, args![revision, self.environment, &self.fingerprint]).await?;
        for scope in &self.scopes {
            let sql = "INSERT INTO revision_configs (revision_id, scope_id, version) VALUES ($1, $2, $3)";
            tx.exec(sql, args![revision, scope.id, scope.version]).await?;
        }
        Ok(())
    }

    /// Whether all that it held is still kept.
    pub(crate) fn whole(&self) -> bool {
        self.fingerprint.is_empty() || self.scopes.iter().all(|scope| scope.version >= scope.kept_from)
    }

    /// Refuses what cannot run any more, since contents were given up.
    pub(crate) fn still_there(&self, revision: i64) -> Result<()> {
        if self.whole() {
            return Ok(());
        }
        let message = format!("the configuration of revision {revision} is no longer kept; deploy its image again with today's");
        Err(Error::conflict("configuration_gone", message))
    }

    /// The same for people.
    pub(crate) fn view(&self, environment: &Environment) -> ConfigurationOf {
        let environment = (!self.scopes.is_empty()).then(|| environment.name.clone());
        ConfigurationOf { environment, versions: self.versions() }
    }

    fn versions(&self) -> Vec<LevelVersion> {
        self.scopes.iter().map(|scope| LevelVersion { level: scope.level, version: scope.version }).collect()
    }

    /// What reaches tasks of `self` and not of `before`, and the other way round. Of secrets only that.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<Change> {
        if self.fingerprint == before.fingerprint {
            return Vec::new();
        }
        if !before.whole() {
            let what = |text: &str| Some(text.to_owned());
            return vec![Change { field: "configuration".into(), before: what("(no longer kept)"), after: what("(another)") }];
        }
        let by_name = |pinned: &Self| pinned.used.iter().map(|entry| ((entry.kind, entry.name.clone()), entry.clone())).collect::<BTreeMap<_, _>>();
        let (old, new) = (by_name(before), by_name(self));
        let names: BTreeSet<_> = old.keys().chain(new.keys()).cloned().collect();
        let changed = names.into_iter().filter(|name| old.get(name).map(|entry| &entry.stamp) != new.get(name).map(|entry| &entry.stamp));
        changed
            .map(|name| {
                let (before, after) = (old.get(&name), new.get(&name));
                let both = before.is_some() && after.is_some();
                Change {
                    field: format!("{}s.{}", name.0, name.1),
                    before: before.map(|entry| shown(entry, HIDDEN)),
                    after: after.map(|entry| shown(entry, if both { "(changed)" } else { HIDDEN })),
                }
            })
            .collect()
    }
}

/// An entry in a list of differences.
fn shown(entry: &Entry, secret: &str) -> String {
    match (entry.kind, &entry.value) {
        (EntryKind::Secret, _) => secret.to_owned(),
        (_, Some(value)) => value.clone(),
        (_, None) => format!("{} bytes, sha256:{}", entry.size, entry.stamp.chars().take(12).collect::<String>()),
    }
}

/// The entries that reach a task: every variable that the descriptor says nothing else for, and the files and secrets that it names.
fn used<'a>(effective: &'a Effective, d: &'a Descriptor) -> impl Iterator<Item = &'a Entry> {
    let of_secrets: BTreeSet<&str> = d.secrets.iter().filter_map(|secret| secret.env.as_deref()).collect();
    effective.values().map(|found| &found.value).filter(move |entry| match entry.kind {
        EntryKind::Variable => !d.env.contains_key(&entry.name) && !of_secrets.contains(entry.name.as_str()),
        EntryKind::File => d.configs.iter().any(|config| config.name == entry.name),
        EntryKind::Secret => d.secrets.iter().any(|secret| secret.name == entry.name),
    })
}

fn fingerprint(used: &[Entry]) -> String {
    if used.is_empty() {
        return String::new();
    }
    let mut lines: Vec<String> = used.iter().map(|entry| format!("{} {} {}", entry.kind, entry.name, entry.stamp)).collect();
    lines.sort_unstable();
    hex(&Sha256::digest(lines.join("\n")))
}

/// The hash of what a descriptor uses of what is in force.
pub(super) fn fingerprint_of(effective: &Effective, d: &Descriptor) -> String {
    fingerprint(&used(effective, d).cloned().collect::<Vec<_>>())
}

/// The entries of one scope that a descriptor uses, by name.
pub(super) fn used_from(effective: &Effective, d: &Descriptor, scope: Option<model::ids::ConfigScopeId>) -> Vec<String> {
    used(effective, d).filter(|entry| Some(entry.scope) == scope).map(|entry| format!("{} {}", entry.kind, entry.name)).collect()
}

/// What a descriptor asks for and does not get.
fn missing(effective: &Effective, d: &Descriptor, environment: &Environment) -> Vec<FieldError> {
    let find = |kind: EntryKind, name: &str| effective.get(&(kind, name.to_owned()));
    let absent = |kind: EntryKind, name: &str| {
        let other = if kind == EntryKind::File { EntryKind::Secret } else { EntryKind::File };
        let known: Vec<&str> = effective.keys().filter(|(of, _)| *of == kind).map(|(_, name)| name.as_str()).collect();
        let hint = if find(other, name).is_some() {
            format!("there is a {other} of that name: name it under {}", if other == EntryKind::File { "configs" } else { "secrets" })
        } else if let Some(near) = nearest(name, known.iter().copied()) {
            format!("did you mean {near:?}?")
        } else if known.is_empty() {
            String::from("nothing of that sort is set yet")
        } else {
            format!("there are: {}", known.iter().take(20).copied().collect::<Vec<_>>().join(", "))
        };
        format!("there is no {kind} {name:?} in the configuration of this service in {}; {hint}", environment.name)
    };
    let mut errors = Vec::new();
    for (at, config) in d.configs.iter().enumerate() {
        if find(EntryKind::File, &config.name).is_none() {
            errors.push(FieldError::new(format!("descriptor.configs[{at}].name"), absent(EntryKind::File, &config.name)));
        }
    }
    for (at, secret) in d.secrets.iter().enumerate() {
        match find(EntryKind::Secret, &secret.name) {
            None => errors.push(FieldError::new(format!("descriptor.secrets[{at}].name"), absent(EntryKind::Secret, &secret.name))),
            Some(found) if secret.env.is_some() && (!found.value.is_text || found.value.size > i64::try_from(VARIABLE_MAX).unwrap_or(i64::MAX)) => {
                let message = format!(
                    "the secret {:?} is no text of at most {VARIABLE_MAX} bytes, which a variable holds; give it a path instead",
                    secret.name
                );
                errors.push(FieldError::new(format!("descriptor.secrets[{at}].env"), message));
            }
            Some(_) => {}
        }
    }
    let own: usize = d.env.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let size = |entry: &Entry| entry.name.len() + usize::try_from(entry.size).unwrap_or(usize::MAX) + 2;
    let in_env =
        |entry: &&Entry| entry.kind == EntryKind::Variable || d.secrets.iter().any(|secret| secret.name == entry.name && secret.env.is_some());
    let total = used(effective, d).filter(|entry| entry.kind != EntryKind::File).filter(in_env).map(size).fold(own, usize::saturating_add);
    if total > ENV_TOTAL_MAX {
        let message = format!("together with those of the configuration all variables have {total} bytes; at most {ENV_TOTAL_MAX} are taken");
        errors.push(FieldError::new("descriptor.env", message));
    }
    errors
}

/// The secrets' and files' contents that a revision's tasks get.
pub(crate) struct Delivered {
    /// Variables of the centre.
    pub variables: BTreeMap<String, String>,
    /// Files, by name.
    pub files: BTreeMap<String, Hush>,
    /// Secrets, by name.
    pub secrets: BTreeMap<String, Hush>,
}

/// Everything that a revision's tasks get of its configuration.
///
/// # Errors
/// `Unavailable`, naming what is not kept any more.
pub(crate) async fn delivered(tx: &mut Tx, platform: &Platform, revision: RevisionId, d: &Descriptor) -> Result<Delivered> {
    let pinned = of_revision(tx, revision, d).await?;
    let mut found = Delivered { variables: BTreeMap::new(), files: BTreeMap::new(), secrets: BTreeMap::new() };
    for entry in &pinned.used {
        match entry.kind {
            EntryKind::Variable => {
                found.variables.insert(entry.name.clone(), entry.value.clone().unwrap_or_default());
            }
            EntryKind::File => {
                found.files.insert(entry.name.clone(), Hush::new(scopes::content(tx, entry).await?));
            }
            EntryKind::Secret => {
                let sealed = scopes::content(tx, entry).await?;
                let lost = |error: Error| match error {
                    Error::Unavailable(_) => Error::Unavailable(format!(
                        "the secret {:?} was lost together with the key that it was sealed with; set it again",
                        entry.name
                    )),
                    other => other,
                };
                let plain = platform.open(&secret_purpose(entry.scope, &entry.name), &sealed).map_err(lost)?;
                found.secrets.insert(entry.name.clone(), Hush::new(plain));
            }
        }
    }
    if !pinned.whole() && fingerprint(&pinned.used) != pinned.fingerprint {
        return Err(Error::Unavailable("the configuration of this revision is no longer kept; deploy it again with today's".into()));
    }
    Ok(found)
}

/// The texts that must not be seen in what an engine tells of a revision's tasks.
pub(crate) async fn secret_texts(tx: &mut Tx, platform: &Platform, revision: RevisionId, d: &Descriptor) -> Result<Vec<Secret>> {
    if d.secrets.is_empty() {
        return Ok(Vec::new());
    }
    let found = delivered(tx, platform, revision, d).await?;
    Ok(found.secrets.values().filter_map(|secret| std::str::from_utf8(secret.expose()).ok()).map(Secret::new).collect())
}
