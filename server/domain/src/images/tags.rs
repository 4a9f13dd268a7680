//! The list of a repository's tags, read along the index of its order from the cursor on: a page deep in the list costs what the first does.
//!
//! What no index answers (a text somewhere in the name, what sort of thing a tag names) is looked for in windows of the list that
//! grow until the page is full, and in no more than [`SCAN`] tags for one page. A page that ends there says where to go on, even if it is empty: so
//! no question, however rare its answer, makes one request read a whole large repository.

use std::collections::{BTreeMap, BTreeSet};

use model::digest::Digest;
use model::ids::RepositoryId;
use model::manifest::config::ImageConfig;
use model::manifest::media_type;
use model::names::TagName;
use model::page::{Page, PageRequest};
use model::views::images::{Matching, TagKind, TagOrder, TagQuery, TagView};

use super::Repository;
use super::repositories::numbered_cursor;
use super::rules::guard;
use crate::access::{May, can};
use crate::args;
use crate::db::{Json, Row, Tx, Value, placeholders};
use crate::error::Result;
use crate::platform::Platform;

/// Most tags that are looked through for one page.
pub const SCAN: i64 = 20_000;
/// No tag has a longer name, so nothing is looked for that is longer.
const LONGEST: usize = 128;
/// The windows in which they are: most searches are answered by the first.
const WINDOWS: [i64; 3] = [500, 2_000, SCAN - 2_500];

/// The repository's tags.
pub async fn tags(platform: &Platform, may: &May<can::Pull, Repository>, query: &TagQuery, page: &PageRequest) -> Result<Page<TagView>> {
    let limit = page.limit();
    if query.q.len() > LONGEST {
        return Ok(Page { items: Vec::new(), next: None });
    }
    let mut tx = platform.read().await?;
    let mut from = page.after.as_deref().filter(|after| !after.is_empty()).map(|after| Place::read(query.order, after)).transpose()?;
    if !is_filtered(query) {
        let (sql, arguments) = plain(may.id, query, from.as_ref(), i64::from(limit) + 1);
        let items = tx.all(sql, arguments, tag).await?;
        return whole(&mut tx, may, Page::cut(items, limit, |item| Place::of(query.order, item).text())).await;
    }
    let mut items: Vec<TagView> = Vec::new();
    for window in WINDOWS {
        let end = window_end(&mut tx, may.id, query, from.as_ref(), window).await?;
        let wanted = i64::from(limit) + 1 - items.len() as i64;
        let (sql, arguments) = filtered(may.id, query, from.as_ref(), window, wanted);
        items.extend(tx.all(sql, arguments, tag).await?);
        if items.len() > limit as usize || end.is_none() {
            return whole(&mut tx, may, Page::cut(items, limit, |item| Place::of(query.order, item).text())).await;
        }
        from = end;
    }
    whole(&mut tx, may, Page { items, next: from.map(|place| place.text()) }).await
}

/// The page with what stands elsewhere: the rules that protect its tags, platforms and signatures. Two statements, however long it is.
async fn whole(tx: &mut Tx, may: &May<can::Pull, Repository>, mut page: Page<TagView>) -> Result<Page<TagView>> {
    let rules = guard::rules(tx, &may.project).await?;
    let digests: BTreeSet<Digest> = page.items.iter().map(|tag| tag.digest).collect();
    let beside = beside(tx, may.id, &digests).await?;
    for tag in &mut page.items {
        tag.immutable = rules.immutable_by(may.path.as_str(), tag.name.as_str()).map(|rule| rule.name.clone());
        if let Some((platforms, signed)) = beside.get(&tag.digest) {
            tag.platforms.clone_from(platforms);
            tag.signed = *signed;
        }
    }
    Ok(page)
}

/// For which platforms these are, and whether something that signs lies beside them: referrers, and tags as cosign writes them.
async fn beside(tx: &mut Tx, repository: RepositoryId, digests: &BTreeSet<Digest>) -> Result<BTreeMap<Digest, (Vec<String>, bool)>> {
    if digests.is_empty() {
        return Ok(BTreeMap::new());
    }
    let list = placeholders(2, digests.len());
    let sql = format!(
        "SELECT m.digest, p.platform, CASE WHEN p.digest IS NULL AND m.kind = 'image' THEN m.config END AS config,
             CASE WHEN EXISTS (SELECT 1 FROM manifests s WHERE s.repository_id = m.repository_id AND s.subject = m.digest
                     AND (s.artifact_type LIKE '%sigstore%' OR s.artifact_type LIKE '%cosign%' OR s.artifact_type LIKE '%notary.signature%'))
                 OR EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = m.repository_id AND t.name = replace(m.digest, ':', '-') || '.sig')
                 THEN TRUE ELSE FALSE END AS signed
         FROM manifests m
         LEFT JOIN manifest_parts p ON p.repository_id = m.repository_id AND p.manifest = m.digest AND p.role = 'manifest' AND p.platform <> 'unknown/unknown'
         WHERE m.repository_id = $1 AND m.digest IN ({list}) ORDER BY m.digest, p.position"
    );
    let mut arguments = args![repository];
    arguments.extend(digests.iter().map(Value::from));
    let read = |row: &Row<'_>| {
        let config: Option<Json<ImageConfig>> = row.get("config")?;
        let platform = row.get::<Option<String>>("platform")?.or_else(|| config.and_then(|json| json.0.platform()));
        Ok((row.get::<Digest>("digest")?, platform, row.get::<bool>("signed")?))
    };
    let mut found: BTreeMap<Digest, (Vec<String>, bool)> = BTreeMap::new();
    for (digest, platform, signed) in tx.all(sql, arguments, read).await? {
        let (platforms, is_signed) = found.entry(digest).or_default();
        *is_signed = signed;
        platforms.extend(platform.filter(|platform| !platforms.contains(platform)));
    }
    Ok(found)
}

fn is_filtered(query: &TagQuery) -> bool {
    // A beginning is a range of the index by name.
    query.kind.is_some() || !(query.q.is_empty() || (query.matching == Matching::Prefix && query.order == TagOrder::Name))
}

/// Where a page begins: behind this tag.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Name(String),
    Time(i64, String),
}

impl Place {
    fn read(order: TagOrder, text: &str) -> Result<Self> {
        Ok(match order {
            TagOrder::Name => Self::Name(text.to_owned()),
            TagOrder::Newest => numbered_cursor(text).map(|(at, name)| Self::Time(at, name.to_owned()))?,
        })
    }

    fn of(order: TagOrder, tag: &TagView) -> Self {
        match order {
            TagOrder::Name => Self::Name(tag.name.to_string()),
            TagOrder::Newest => Self::Time(tag.pushed_at.0, tag.name.to_string()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Time(at, name) => format!("{at}:{name}"),
        }
    }
}

const COLUMNS: &str = "t.name, t.digest, t.pushed_at, t.pusher, m.media_type, m.kind, m.artifact_type, m.content_size, m.pulled_at, m.pulls";
const JOIN: &str = "JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest";

fn order_by(order: TagOrder) -> &'static str {
    match order {
        TagOrder::Name => "t.name",
        TagOrder::Newest => "t.pushed_at DESC, t.name DESC",
    }
}

/// The condition that the index answers, with `$1` for the repository.
fn range(repository: RepositoryId, query: &TagQuery, from: Option<&Place>) -> (String, Vec<Value>) {
    let mut arguments = args![repository];
    let mut condition = "t.repository_id = $1".to_owned();
    match from {
        None => {}
        Some(Place::Name(name)) => {
            arguments.push(name.into());
            condition += &format!(" AND t.name > ${}", arguments.len());
        }
        Some(Place::Time(at, name)) => {
            arguments.extend(args![*at, name]);
            condition += &format!(" AND (t.pushed_at, t.name) < (${}, ${})", arguments.len() - 1, arguments.len());
        }
    }
    if query.order == TagOrder::Name && query.matching == Matching::Prefix && !query.q.is_empty() {
        condition += &begins(&query.q, &mut arguments);
    }
    (condition, arguments)
}

/// Names that begin so. All that a tag's name may have sorts before DEL.
fn begins(text: &str, arguments: &mut Vec<Value>) -> String {
    arguments.extend(args![text, format!("{text}\u{7f}")]);
    format!(" AND t.name >= ${} AND t.name < ${}", arguments.len() - 1, arguments.len())
}

fn plain(repository: RepositoryId, query: &TagQuery, from: Option<&Place>, limit: i64) -> (String, Vec<Value>) {
    let (condition, mut arguments) = range(repository, query, from);
    arguments.push(limit.into());
    let (order, last) = (order_by(query.order), arguments.len());
    (format!("SELECT {COLUMNS} FROM tags t {JOIN} WHERE {condition} ORDER BY {order} LIMIT ${last}"), arguments)
}

/// The same within a window of the list, and of that what the query asks for.
fn filtered(repository: RepositoryId, query: &TagQuery, from: Option<&Place>, window: i64, limit: i64) -> (String, Vec<Value>) {
    let (condition, mut arguments) = range(repository, query, from);
    arguments.extend(args![window, limit]);
    let (order, last) = (order_by(query.order), arguments.len());
    let mut filter = String::new();
    match query.matching {
        _ if query.q.is_empty() => {}
        Matching::Contains => {
            arguments.push(contains(&query.q).into());
            filter += &format!(" AND lower(t.name) LIKE ${} ESCAPE '\\'", arguments.len());
        }
        Matching::Prefix if query.order == TagOrder::Newest => filter += &begins(&query.q, &mut arguments),
        Matching::Prefix => {}
    }
    if let Some(kind) = query.kind {
        filter += &of_kind(kind);
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM (SELECT t.repository_id, t.name, t.digest, t.pushed_at, t.pusher FROM tags t WHERE {condition}
             ORDER BY {order} LIMIT ${}) t {JOIN} WHERE TRUE{filter} ORDER BY {order} LIMIT ${last}",
        last - 1
    );
    (sql, arguments)
}

fn of_kind(kind: TagKind) -> String {
    let image = format!("(m.kind = 'image' AND m.artifact_type IN ('{}', '{}'))", media_type::OCI_CONFIG, media_type::DOCKER_CONFIG);
    match kind {
        TagKind::Image => format!(" AND {image}"),
        TagKind::Index => " AND m.kind = 'index'".to_owned(),
        TagKind::Artifact => format!(" AND m.kind <> 'index' AND NOT COALESCE({image}, FALSE)"),
    }
}

/// The last tag of a window; none where the list ends within it.
async fn window_end(tx: &mut Tx, repository: RepositoryId, query: &TagQuery, from: Option<&Place>, window: i64) -> Result<Option<Place>> {
    let (condition, mut arguments) = range(repository, query, from);
    arguments.push((window - 1).into());
    let (order, last) = (order_by(query.order), arguments.len());
    let sql = format!("SELECT t.name, t.pushed_at FROM tags t WHERE {condition} ORDER BY {order} LIMIT 1 OFFSET ${last}");
    tx.opt(sql, arguments, |row| {
        Ok(match query.order {
            TagOrder::Name => Place::Name(row.get("name")?),
            TagOrder::Newest => Place::Time(row.get("pushed_at")?, row.get("name")?),
        })
    })
    .await
}

/// A pattern for LIKE that finds this text anywhere, whatever signs are in it.
pub(super) fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_ascii_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

fn tag(row: &Row<'_>) -> Result<TagView> {
    Ok(TagView {
        name: row.get("name")?,
        digest: row.get("digest")?,
        media_type: row.get("media_type")?,
        kind: row.get("kind")?,
        artifact_type: row.get("artifact_type")?,
        size: row.get("content_size")?,
        pushed_at: row.get("pushed_at")?,
        pushed_by: row.get("pusher")?,
        pulled_at: row.get("pulled_at")?,
        pulls: row.get("pulls")?,
        immutable: None,
        platforms: Vec::new(),
        signed: false,
    })
}

/// The newest tags' names, newest first.
pub(super) async fn newest_names(tx: &mut Tx, repository: RepositoryId, count: u32) -> Result<Vec<TagName>> {
    let sql = "SELECT name FROM tags WHERE repository_id = $1 ORDER BY pushed_at DESC, name DESC LIMIT $2";
    tx.all(sql, args![repository, count], |row| row.get("name")).await
}

#[cfg(test)]
mod tests;
