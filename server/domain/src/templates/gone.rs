//! What goes: a template, and what a deleted project or service leaves. Rows that history names stay; documents that nothing was made from do not.

use model::ids::{ProjectId, ServiceId};
use model::names::TemplateName;
use model::time::Millis;

use super::{Writes, by_name};
use crate::args;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::platform::Platform;

/// Deletes a template. Services that were made from it run on, and say so; they cannot be deployed from it any more. The versions that they were made
/// from stay, for what those make can still be looked at.
pub async fn delete(platform: &Platform, may: &impl Writes, name: &TemplateName) -> Result<()> {
    let owner = may.owner();
    let mut change = platform.change(may.actor()).await?;
    change.lock_key(&owner.turn()).await?;
    let Some((id, _)) = by_name(&mut change, &owner, name).await? else { return Err(Error::NotFound { what: "template" }) };
    change.exec("UPDATE templates SET deleted_at = $2 WHERE id = $1", args![id, platform.now()]).await?;
    let sql = "DELETE FROM template_versions WHERE template_id = $1 AND NOT EXISTS (SELECT 1 FROM service_templates u
               WHERE u.template_id = template_versions.template_id AND u.version = template_versions.number)";
    change.exec(sql, args![id]).await?;
    owner.touch(&mut change);
    change.commit(owner.record("template.delete", name)).await
}

/// A project, or one service of it, is being deleted.
pub(crate) async fn forget(tx: &mut Tx, project: ProjectId, service: Option<ServiceId>, now: Millis) -> Result<()> {
    let sql = "DELETE FROM service_templates WHERE service_id IN (SELECT id FROM services WHERE project_id = $1 AND ($2 IS NULL OR id = $2))";
    tx.exec(sql, args![project, service]).await?;
    if service.is_some() {
        return Ok(());
    }
    tx.exec("UPDATE templates SET deleted_at = $2 WHERE project_id = $1 AND deleted_at IS NULL", args![project, now]).await?;
    let sql = "DELETE FROM template_versions WHERE template_id IN (SELECT id FROM templates WHERE project_id = $1)";
    tx.exec(sql, args![project]).await.map(drop)
}
