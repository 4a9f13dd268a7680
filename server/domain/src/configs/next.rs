//! The next version of a place, on its way: what it is to hold, and the rows that say so. The place is locked from the beginning to the end of the
//! transaction; whoever makes a version leaves the record.

use std::collections::{BTreeMap, BTreeSet};

use model::configs::{ENTRIES_MAX, EntryKind, LEVEL_MAX};
use model::ids::{ConfigScopeId, EnvironmentId, ProjectId, ServiceId};
use sha2::{Digest as _, Sha256};

use super::change::{Content, Edit};
use super::scopes::{self, Entry, Name};
use super::{Scope, conflict, room, secret_purpose};
use crate::access::Actor;
use crate::args;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::keys::hex;
use crate::platform::Platform;

/// A row that is to begin with the next version.
pub(super) struct Fresh {
    pub stamp: String,
    pub size: i64,
    pub is_text: bool,
    pub content: Vec<u8>,
}

/// What a place holds, and what it is to hold.
pub(super) struct Next {
    project: ProjectId,
    pub scope: Scope,
    /// What stands there now.
    pub now: Vec<Entry>,
    /// What begins.
    pub set: BTreeMap<Name, Fresh>,
    /// What ends.
    pub unset: BTreeSet<Name>,
}

impl Next {
    /// Locks a place. `based_on`: the version that whoever changes it has seen.
    pub async fn of(
        tx: &mut Tx,
        platform: &Platform,
        project: ProjectId,
        service: Option<ServiceId>,
        environment: Option<EnvironmentId>,
        based_on: Option<i64>,
    ) -> Result<Self> {
        let fresh: ConfigScopeId = platform.new_id();
        let scope = scopes::locked(tx, fresh, project, service, environment).await?;
        if let Some(based_on) = based_on.filter(|version| *version != scope.version) {
            return Err(conflict(scope.version, based_on));
        }
        let now = scopes::entries(tx, &[scope]).await?;
        Ok(Self { project, scope, now, set: BTreeMap::new(), unset: BTreeSet::new() })
    }

    pub fn stands(&self, name: &Name) -> Option<&Entry> {
        self.now.iter().find(|entry| entry.kind == name.0 && entry.name == name.1)
    }

    /// Whether the next version would be like this one.
    pub fn is_like_now(&self) -> bool {
        self.set.is_empty() && self.unset.is_empty()
    }

    /// Lets an entry hold this.
    pub async fn set(&mut self, tx: &mut Tx, platform: &Platform, name: &str, content: &Content) -> Result<()> {
        let (kind, bytes) = (content.kind(), content.bytes());
        let name: Name = (kind, name.to_owned());
        // A secret is always another one: whether it is the same cannot be found out by setting it.
        let stamp = match kind {
            EntryKind::Secret => hex(&platform.random_bytes::<16>()),
            EntryKind::Variable | EntryKind::File => hex(&Sha256::digest(bytes)),
        };
        if self.stands(&name).is_some_and(|entry| entry.stamp == stamp) {
            return Ok(());
        }
        let content = match kind {
            EntryKind::Secret => platform.seal_in(tx, &secret_purpose(self.scope.id, &name.1), bytes).await?,
            EntryKind::Variable | EntryKind::File => bytes.to_vec(),
        };
        let is_text = std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        self.set.insert(name, Fresh { stamp, size, is_text, content });
        Ok(())
    }

    /// Writes the version; its number.
    pub async fn write(self, tx: &mut Tx, platform: &Platform, actor: &Actor, edit: &Edit, restored: Option<i64>) -> Result<i64> {
        self.check_limits()?;
        let gained = self.set.values().map(|fresh| fresh.size).sum();
        room::make(tx, self.project, gained).await?;
        let (scope, version) = (self.scope.id, self.scope.version + 1);
        tx.exec("UPDATE config_scopes SET version = $2 WHERE id = $1", args![scope, version]).await?;
        let sql = "INSERT INTO config_versions (scope_id, number, created_at, created_by_id, created_by, why, restored) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let who = (actor.account()?.id, actor.name());
        tx.exec(sql, args![scope, version, platform.now(), who.0, who.1, edit.why.trim(), restored]).await?;
        for (kind, name) in self.set.keys().chain(&self.unset) {
            let sql = "UPDATE config_entries SET until = $4 WHERE scope_id = $1 AND kind = $2 AND name = $3 AND until IS NULL";
            tx.exec(sql, args![scope, *kind, name, version]).await?;
        }
        for ((kind, name), fresh) in self.set {
            let sql =
                "INSERT INTO config_entries (scope_id, kind, name, since, stamp, size, is_text, content) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            tx.exec(sql, args![scope, kind, name, version, fresh.stamp, fresh.size, fresh.is_text, fresh.content]).await?;
        }
        Ok(version)
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
}
