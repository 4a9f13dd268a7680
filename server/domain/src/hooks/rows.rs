//! A hook's row, as deliveries meet it, and the account that it acts as.

use std::collections::BTreeSet;

use model::access::Scope;
use model::hooks::HookRule;
use model::ids::{EnvironmentId, HookId, ProjectId, ServiceId, UserId};
use model::names::{AccountName, EnvironmentName, HookName, ProjectName, ServiceName};
use model::time::Millis;
use zeroize::Zeroizing;

use super::proofs::Opened;
use super::secret_purpose;
use crate::access::{Account, Actor, Credential};
use crate::args;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::platform::Platform;

/// Characters of what a hook's URL ends with: 128 bits.
const ADDRESS: usize = 32;

/// A hook of a service that is there.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub id: HookId,
    account: UserId,
    project_id: ProjectId,
    pub project: ProjectName,
    pub service_id: ServiceId,
    pub service: ServiceName,
    pub environment_id: EnvironmentId,
    pub environment: EnvironmentName,
    pub name: HookName,
    pub rule: HookRule,
    pub disabled: bool,
}

const SELECT: &str = "SELECT h.id, h.project_id, h.service_id, h.environment_id, h.name, h.rule, h.disabled_at, p.name AS project, s.name AS service,
    e.name AS environment FROM hooks h JOIN projects p ON p.id = h.project_id JOIN services s ON s.id = h.service_id
    JOIN environments e ON e.id = h.environment_id WHERE p.deleted_at IS NULL AND s.deleted_at IS NULL AND e.removed_at IS NULL";

fn hook(row: &Row<'_>) -> Result<Hook> {
    Ok(Hook {
        id: row.get("id")?,
        account: row.get("id")?,
        project_id: row.get("project_id")?,
        project: row.get("project")?,
        service_id: row.get("service_id")?,
        service: row.get("service")?,
        environment_id: row.get("environment_id")?,
        environment: row.get("environment")?,
        name: row.get("name")?,
        rule: row.get::<Json<HookRule>>("rule")?.0,
        disabled: row.get::<Option<Millis>>("disabled_at")?.is_some(),
    })
}

impl Hook {
    /// Who acts. It may deploy in its project and nothing else; that it deploys its own service alone is seen to where it does.
    pub fn actor(&self, address: &str) -> Actor {
        let account = Account {
            id: self.account,
            name: AccountName::of_hook(&self.project, &self.service, &self.name),
            operator: false,
            robot: Some(self.project_id),
            password_since: Millis(0),
        };
        let scopes = BTreeSet::from([Scope::Deploy, Scope::Pull]);
        Actor::account_with(account, Credential::Hook(self.id), Some(scopes), address.to_owned())
    }
}

/// The hook whose URL ends so.
pub(super) async fn by_address(tx: &mut Tx, address: &str) -> Result<Option<Hook>> {
    if address.len() != ADDRESS || !address.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(None);
    }
    tx.opt(format!("{SELECT} AND h.address = $1"), args![address], hook).await
}

/// A hook of a service, by its name.
pub(super) async fn named(tx: &mut Tx, service: ServiceId, name: &HookName) -> Result<Hook> {
    let found = tx.opt(format!("{SELECT} AND h.service_id = $1 AND h.name = $2"), args![service, name], hook).await?;
    found.ok_or(Error::NotFound { what: "hook" })
}

/// The caller behind a hook that proved itself earlier, as it is now; none where it is gone or disabled.
pub(crate) async fn by_id(tx: &mut Tx, id: HookId, address: &str) -> Result<Option<Actor>> {
    let found = tx.opt(format!("{SELECT} AND h.id = $1"), args![id], hook).await?;
    Ok(found.filter(|hook| !hook.disabled).map(|hook| hook.actor(address)))
}

/// Secrets of a hook.
#[derive(Default)]
pub(super) struct Secrets {
    pub opened: Vec<Opened>,
    /// When the first of them ends; none: none does.
    pub until: Option<Millis>,
}

/// The secrets that hold now. One that was lost with its key proves nothing.
pub(super) async fn secrets(tx: &mut Tx, platform: &Platform, hook: HookId) -> Result<Secrets> {
    let sql = "SELECT id, secret, ends_at FROM hook_secrets WHERE hook_id = $1 AND (ends_at IS NULL OR ends_at > $2) ORDER BY id LIMIT 4";
    let read = |row: &Row<'_>| Ok((row.get("id")?, row.get("secret")?, row.get("ends_at")?));
    let sealed: Vec<(String, Vec<u8>, Option<Millis>)> = tx.all(sql, args![hook, platform.now()], read).await?;
    let mut secrets = Secrets::default();
    for (id, bytes, ends_at) in sealed.into_iter().filter(|(_, bytes, _)| !bytes.is_empty()) {
        let plain = String::from_utf8(platform.open(&secret_purpose(id), &bytes)?);
        secrets.opened.push(Zeroizing::new(plain.map_err(|_| Error::internal("a hook's secret is no text"))?));
        secrets.until = secrets.until.into_iter().chain(ends_at).min();
    }
    Ok(secrets)
}
