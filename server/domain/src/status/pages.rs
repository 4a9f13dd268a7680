//! What heads status pages: titles, a few lines, logos, and whether anybody sees them.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::ids::{EnvironmentId, ProjectId};
use model::status::{LOGO_MAX, Logo, PageForm};
use model::views::status::PageView;

use super::board::{Board, Head, Picture};
use super::{Managing, record};
use crate::args;
use crate::db::{Row, Tx};
use crate::environments;
use crate::error::{Error, Result};
use crate::live::Signal;
use crate::platform::Platform;

/// Most pages.
const MOST: i64 = 5_000;

fn id(may: &Managing) -> String {
    may.project_id().map_or_else(|| "site".to_owned(), |project| project.to_string())
}

/// What heads the page of a project, or of the site.
pub async fn get(platform: &Platform, may: &Managing) -> Result<PageView> {
    read(&mut platform.read().await?, &id(may)).await
}

async fn read(tx: &mut Tx, id: &str) -> Result<PageView> {
    let sql = "SELECT h.title, h.about, h.hidden, h.logo IS NOT NULL AS logo, e.name AS environment FROM status_pages h
               LEFT JOIN environments e ON e.id = h.environment_id WHERE h.id = $1";
    let view = |row: &Row<'_>| {
        Ok(PageView {
            title: row.get("title")?,
            about: row.get("about")?,
            environment: row.get::<Option<String>>("environment")?.unwrap_or_default(),
            logo: row.get("logo")?,
            hidden: row.get("hidden")?,
        })
    };
    let usual = || PageView { title: String::new(), about: String::new(), environment: String::new(), logo: false, hidden: false };
    Ok(tx.opt(sql, args![id], view).await?.unwrap_or_else(usual))
}

/// Writes what heads the page of a project, or of the site.
pub async fn put(platform: &Platform, may: &Managing, form: &PageForm) -> Result<PageView> {
    let order = form.read().map_err(Error::Invalid)?;
    let id = id(may);
    let mut change = platform.change(may.actor()).await?;
    let environment: Option<EnvironmentId> = match (may.project_id(), &order.environment) {
        (_, None) => None,
        (Some(project), Some(name)) => Some(environments::choose(&mut change, project, Some(name)).await?.id),
        (None, Some(_)) => return Err(Error::invalid("environment", "each project's page says which environment counts; leave it out here")),
    };
    let sql = "INSERT INTO status_pages (id, project_id, title, about, environment_id, hidden, off_site, updated_by, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, FALSE, $7, $8) ON CONFLICT (id) DO UPDATE SET title = excluded.title, about = excluded.about,
               environment_id = excluded.environment_id, hidden = excluded.hidden, updated_by = excluded.updated_by,
               updated_at = CASE WHEN excluded.updated_at > status_pages.updated_at THEN excluded.updated_at ELSE status_pages.updated_at + 1 END";
    let arguments = args![&id, may.project_id(), &order.title, &order.about, environment, order.hidden, may.actor().name(), platform.now()];
    change.exec(sql, arguments).await?;
    let picture = match &order.logo {
        Logo::Keep => None,
        Logo::Remove => Some((None, None)),
        Logo::Picture(kind, text) => Some((Some(picture(kind, text)?), Some(*kind))),
    };
    if let Some((bytes, kind)) = picture {
        change.exec("UPDATE status_pages SET logo = $2, logo_kind = $3 WHERE id = $1", args![&id, bytes, kind]).await?;
    }
    let view = read(&mut change, &id).await?;
    change.wake(Signal::Status);
    let detail = serde_json::json!({ "title": view.title, "environment": view.environment, "hidden": view.hidden, "logo": view.logo });
    let name = may.project().map_or_else(|| "site".to_owned(), |project| project.name.to_string());
    change.commit(record(may, "status.page", "status page", name).detail(detail)).await?;
    Ok(view)
}

/// A picture's bytes, if they are what they are called: browsers are told never to guess.
fn picture(kind: &str, text: &str) -> Result<Vec<u8>> {
    let bytes = STANDARD.decode(text).map_err(|_| Error::invalid("logo", "what is behind base64, is not base64"))?;
    let right = match kind {
        "image/png" => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        "image/jpeg" => bytes.starts_with(b"\xff\xd8\xff"),
        _ => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
    };
    if bytes.len() > LOGO_MAX {
        return Err(Error::invalid("logo", format!("at most {} KiB", LOGO_MAX / 1024)));
    }
    if right { Ok(bytes) } else { Err(Error::invalid("logo", format!("this is no {kind}"))) }
}

/// What heads all pages, with the logos of the site and of projects that show something. A logo that the last board has is not read again.
pub(super) async fn heads(tx: &mut Tx, before: &Board, projects: &[ProjectId]) -> Result<Vec<Head>> {
    let shown: HashSet<&ProjectId> = projects.iter().collect();
    let sql = "SELECT h.id, h.project_id, h.title, h.about, h.hidden, h.off_site, h.logo IS NOT NULL AS logo, h.updated_at FROM status_pages h
               ORDER BY CASE WHEN h.project_id IS NULL THEN 0 ELSE 1 END, h.id LIMIT $1";
    let head = |row: &Row<'_>| {
        let head = Head {
            project: row.get::<Option<ProjectId>>("project_id")?,
            title: row.get("title")?,
            about: row.get("about")?,
            hidden: row.get("hidden")?,
            off_site: row.get("off_site")?,
            logo: None,
            updated_at: row.get("updated_at")?,
        };
        Ok((row.get::<String>("id")?, head, row.get::<bool>("logo")?))
    };
    let mut heads = Vec::new();
    for (id, mut head, logo) in tx.all(sql, args![MOST], head).await? {
        if logo && head.project.as_ref().is_none_or(|project| shown.contains(project)) {
            let known = before.known_logo(&head);
            head.logo = if known.is_some() { known } else { read_logo(tx, &id).await? };
        }
        heads.push(head);
    }
    Ok(heads)
}

async fn read_logo(tx: &mut Tx, id: &str) -> Result<Option<Arc<Picture>>> {
    let sql = "SELECT logo, logo_kind FROM status_pages WHERE id = $1";
    let picture = |row: &Row<'_>| {
        let (bytes, kind): (Option<Vec<u8>>, Option<String>) = (row.get("logo")?, row.get("logo_kind")?);
        Ok(bytes.zip(kind).map(|(bytes, kind)| Arc::new(Picture { kind, bytes })))
    };
    Ok(tx.opt(sql, args![id], picture).await?.flatten())
}
