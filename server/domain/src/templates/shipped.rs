//! The templates that come with Slipway: the files of `templates/`, put in place as the site's at each start. A release with another text brings a
//! new version. What operators wrote stays as versions of their own; what they deleted stays deleted; a template of theirs that has the same name is
//! left alone.

#[cfg(test)]
mod tests;

use model::names::TemplateName;
use model::template::Template;

use super::{Owner, Written, add_version, begin, by_name, digest};
use crate::args;
use crate::error::{Error, Result};
use crate::platform::Platform;

/// The documents.
pub const DOCUMENTS: [&str; 5] = [
    include_str!("../../../../templates/static-site.yaml"),
    include_str!("../../../../templates/http-service.yaml"),
    include_str!("../../../../templates/java-web.yaml"),
    include_str!("../../../../templates/worker.yaml"),
    include_str!("../../../../templates/scheduled-job.yaml"),
];

/// Who wrote them, where a name is shown.
const BY: &str = "slipway";

/// Puts them in place. Idempotent; run at each start.
pub async fn prepare(platform: &Platform) -> Result<()> {
    for text in DOCUMENTS {
        let template = super::read_document(text).map_err(|errors| Error::internal(format!("a template of this release: {errors:?}")))?;
        put(platform, text, &template).await?;
    }
    Ok(())
}

async fn put(platform: &Platform, text: &str, template: &Template) -> Result<()> {
    let site = Owner { project: None };
    let mut write = platform.bookkeeping().await?;
    write.lock_key(&site.turn()).await?;
    let written = Written { text, template, shipped: true, note: "came with this release", by: BY };
    match by_name(&mut write, &site, &template.name).await? {
        Some((id, found)) if found.shipped => {
            let sql = "SELECT digest FROM template_versions WHERE template_id = $1 AND shipped ORDER BY number DESC LIMIT 1";
            let newest: Option<String> = write.opt(sql, args![id], |row| row.get("digest")).await?;
            if newest.as_deref() == Some(digest(text).as_str()) {
                return Ok(());
            }
            add_version(&mut write, platform, id, found.version + 1, &written).await?;
        }
        Some(_) => return Ok(()),
        None if was_deleted(&mut write, &template.name).await? => return Ok(()),
        None => {
            let id = begin(&mut write, platform, &site, &template.name, true, BY).await?;
            add_version(&mut write, platform, id, 1, &written).await?;
        }
    }
    write.finish().await
}

async fn was_deleted(tx: &mut crate::db::Tx, name: &TemplateName) -> Result<bool> {
    let sql = "SELECT COUNT(*) AS n FROM templates WHERE project_id IS NULL AND name = $1 AND shipped AND deleted_at IS NOT NULL";
    let count: i64 = tx.one(sql, args![name], |row| row.get("n")).await?;
    Ok(count > 0)
}
