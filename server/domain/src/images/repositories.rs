//! The list of a project's repositories. By name, push and pulls it is read along an index; size and number of tags are counted, for
//! the shown page alone, or, where they are what the list is sorted by, for all of the project's repositories: that costs what the project is large.

use model::names::REPOSITORY_MAX;
use model::page::{Page, PageRequest};
use model::views::images::{RepositoryOrder, RepositoryQuery, RepositorySummary};

use super::tags::contains;
use crate::access::{May, can};
use crate::args;
use crate::db::{Row, Value};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::projects::Project;

const TAGS: &str = "(SELECT COUNT(*) FROM tags t WHERE t.repository_id = r.id)";
const SIZE: &str = "(SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM repository_blobs rb JOIN blobs b ON b.digest = rb.digest
    WHERE rb.repository_id = r.id)";

/// The project's repositories, without those that hold nothing yet but parts of a first push.
pub async fn repositories(
    platform: &Platform,
    may: &May<can::Pull, Project>,
    query: &RepositoryQuery,
    page: &PageRequest,
) -> Result<Page<RepositorySummary>> {
    let limit = page.limit();
    if query.q.len() > REPOSITORY_MAX {
        // No repository has a longer name.
        return Ok(Page { items: Vec::new(), next: None });
    }
    let (sql, arguments) = statement(may, query, page.after.as_deref().filter(|after| !after.is_empty()), limit)?;
    let summary = |row: &Row<'_>| {
        Ok(RepositorySummary {
            id: row.get("id")?,
            project: may.name.clone(),
            name: row.get("name")?,
            tags: row.get("tags")?,
            size: row.get("size")?,
            pulls: row.get("pulls")?,
            pushed_at: row.get("pushed_at")?,
            pulled_at: row.get("pulled_at")?,
            created_at: row.get("created_at")?,
        })
    };
    let items = platform.read().await?.all(sql, arguments, summary).await?;
    Ok(Page::cut(items, limit, |item| match query.order {
        RepositoryOrder::Name => item.name.to_string(),
        RepositoryOrder::Pushed => format!("{}:{}", item.pushed_at.0, item.name),
        RepositoryOrder::Pulls => format!("{}:{}", item.pulls, item.name),
        RepositoryOrder::Size => format!("{}:{}", item.size, item.name),
        RepositoryOrder::Tags => format!("{}:{}", item.tags, item.name),
    }))
}

fn statement(may: &Project, query: &RepositoryQuery, after: Option<&str>, limit: u32) -> Result<(String, Vec<Value>)> {
    let mut arguments = args![may.id, i64::from(limit) + 1];
    let key = match query.order {
        RepositoryOrder::Name => None,
        RepositoryOrder::Pushed => Some("r.pushed_at"),
        RepositoryOrder::Pulls => Some("r.pulls"),
        RepositoryOrder::Size => Some("r.size"),
        RepositoryOrder::Tags => Some("r.tags"),
    };
    let order = key.map_or_else(|| "r.name".to_owned(), |key| format!("{key} DESC, r.name DESC"));
    let mut conditions = "TRUE".to_owned();
    match (key, after) {
        (_, None) => {}
        (None, Some(after)) => {
            arguments.push(after.into());
            conditions = format!("r.name > ${}", arguments.len());
        }
        (Some(key), Some(after)) => {
            let (value, name) = numbered_cursor(after)?;
            arguments.extend(args![value, name]);
            conditions = format!("({key}, r.name) < (${}, ${})", arguments.len() - 1, arguments.len());
        }
    }
    let mut searched = "TRUE".to_owned();
    if !query.q.is_empty() {
        arguments.push(contains(&query.q).into());
        searched = format!("r.name LIKE ${} ESCAPE '\\'", arguments.len());
    }
    let of_project = format!("r.project_id = $1 AND r.pushed_at IS NOT NULL AND {searched}");
    let columns = "r.id, r.name, r.pulls, r.pushed_at, r.pulled_at, r.created_at";
    let sql = if matches!(query.order, RepositoryOrder::Size | RepositoryOrder::Tags) {
        format!(
            "SELECT r.* FROM (SELECT {columns}, {TAGS} AS tags, {SIZE} AS size FROM repositories r WHERE {of_project}) r
             WHERE {conditions} ORDER BY {order} LIMIT $2"
        )
    } else {
        format!(
            "SELECT {columns}, {TAGS} AS tags, {SIZE} AS size FROM (
                 SELECT {columns} FROM repositories r WHERE {of_project} AND {conditions} ORDER BY {order} LIMIT $2
             ) r ORDER BY {order}"
        )
    };
    Ok((sql, arguments))
}

/// A cursor of a number and a name.
pub(super) fn numbered_cursor(text: &str) -> Result<(i64, &str)> {
    let cursor = text.split_once(':').and_then(|(number, name)| Some((number.parse().ok()?, name)));
    cursor.ok_or_else(|| Error::invalid("after", "take the cursor from an earlier page's next"))
}
