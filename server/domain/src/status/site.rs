//! Which projects stand on the whole site's page. Whoever shows something stands there; operators may take a project off, which keeps its own page.

use model::page::{Page, PageRequest};
use model::status::SiteForm;
use model::views::status::SiteProjectView;

use super::things::SHOWS;
use crate::access::{May, Site, can};
use crate::args;
use crate::change::Record;
use crate::db::Row;
use crate::error::Result;
use crate::live::Signal;
use crate::platform::Platform;
use crate::projects::Project;

fn view(row: &Row<'_>) -> Result<SiteProjectView> {
    Ok(SiteProjectView { project: row.get("name")?, title: row.get("title")?, off_site: row.get("off_site")? })
}

/// The projects that show something, and those that were taken off, by name.
pub async fn projects(platform: &Platform, _: &May<can::ManageStatus, Site>, page: &PageRequest) -> Result<Page<SiteProjectView>> {
    let limit = page.limit();
    let sql = "SELECT p.name, COALESCE(h.title, '') AS title, COALESCE(h.off_site, FALSE) AS off_site FROM projects p
               LEFT JOIN status_pages h ON h.project_id = p.id
               WHERE p.deleted_at IS NULL AND p.name > $1 AND (COALESCE(h.off_site, FALSE) OR (NOT COALESCE(h.hidden, FALSE) AND (
                   EXISTS (SELECT 1 FROM legacy_services l WHERE l.project_id = p.id AND l.shown)
                   OR EXISTS (SELECT 1 FROM services s JOIN desired d ON d.service_id = s.id JOIN revisions r ON r.id = d.revision_id
                              WHERE s.project_id = p.id AND s.deleted_at IS NULL AND r.descriptor LIKE $2
                              AND (h.environment_id IS NULL OR h.environment_id = d.environment_id)))))
               ORDER BY p.name LIMIT $3";
    let arguments = args![page.after.as_deref().unwrap_or_default(), SHOWS, i64::from(limit) + 1];
    let items = platform.read().await?.all(sql, arguments, view).await?;
    Ok(Page::cut(items, limit, |item| item.project.clone()))
}

/// Takes a project off the whole site's page, or puts it back.
pub async fn put(
    platform: &Platform,
    site: &May<can::ManageStatus, Site>,
    project: &May<can::ManageStatus, Project>,
    form: &SiteForm,
) -> Result<SiteProjectView> {
    let mut change = platform.change(site.actor()).await?;
    let sql = "INSERT INTO status_pages (id, project_id, title, about, hidden, off_site, updated_by, updated_at)
               VALUES ($1, $2, '', '', FALSE, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET off_site = excluded.off_site";
    let id = project.id.to_string();
    change.exec(sql, args![&id, project.id, form.off_site, site.actor().name(), platform.now()]).await?;
    let sql = "SELECT p.name, h.title, h.off_site FROM status_pages h JOIN projects p ON p.id = h.project_id WHERE h.id = $1";
    let written = change.one(sql, args![&id], view).await?;
    change.wake(Signal::Status);
    let action = if form.off_site { "status.take_off" } else { "status.put_back" };
    change.commit(Record::new(action, "status page", &project.name).project(project)).await?;
    Ok(written)
}
