//! A page of a repository's tags: read the last pushed first, decided, and those that go deleted.

use std::collections::BTreeSet;

use model::digest::Digest;
use model::ids::RepositoryId;
use model::names::{RepositoryPath, TagName};
use model::rules::plan::{self, Kept, Plan, Verdict};
use model::time::Millis;
use model::views::rules::{RuleItem, RuleItemKind};
use serde_json::json;

use super::report;
use super::{PAGE, Run, Stage};
use crate::args;
use crate::change::{Bookkeeping, Record};
use crate::db::{Row, Value, placeholders};
use crate::error::Result;
use crate::images::rules::guard;
use crate::live::Topic;
use crate::worker::Worker;

/// A tag with what it names.
struct Found {
    name: TagName,
    digest: Digest,
    pushed_at: Millis,
    pulled_at: Option<Millis>,
    size: i64,
}

/// Decides the next page.
pub(super) async fn step(worker: &Worker, tx: &mut Bookkeeping, run: &mut Run, repository: RepositoryId, path: &RepositoryPath) -> Result<()> {
    let rules = run.rules.clone();
    let mut plan = Plan::new(&rules, path.as_str(), run.now, &run.place.seen);
    if !plan.concerns() && !run.dry_run {
        // Nothing to delete, and nothing to tell of each.
        let count = "SELECT COUNT(*) AS n FROM tags WHERE repository_id = $1";
        let kept: i64 = tx.one(count, args![repository], |row| row.get("n")).await?;
        stays(run, Kept::NoRule, u64::try_from(kept).unwrap_or(0));
        run.place.stage = Stage::Images;
        return Ok(());
    }
    let tags = page(tx, run, repository).await?;
    let digests: Vec<Digest> = tags.iter().map(|tag| tag.digest).collect::<BTreeSet<_>>().into_iter().collect();
    let needed = guard::needed(tx, &run.project, path, repository, &digests).await?;
    let subjects = subjects(tx, repository, &tags).await?;
    let (mut items, mut gone) = (Vec::new(), Vec::new());
    for tag in &tags {
        let accessory = plan::accessory_of(tag.name.as_str()).is_some_and(|subject| subjects.contains(&subject));
        let needed = needed.get(&tag.digest).map(String::as_str);
        let asked = plan::Tag { name: tag.name.as_str(), pushed_at: tag.pushed_at, pulled_at: tag.pulled_at, needed, accessory };
        let (goes, rule, why) = match plan.decide(asked) {
            Verdict::Stays { by, why } => {
                stays(run, by, 1);
                (false, None, why)
            }
            Verdict::Goes { rule, why } => {
                run.counts.tags_gone += 1;
                (true, Some(rule), why)
            }
        };
        if goes && !run.dry_run {
            delete(worker, tx, run, repository, path, tag, rule.as_deref().unwrap_or_default(), &why).await?;
            gone.push(tag.digest);
        }
        if goes || run.dry_run {
            let (repository, digest, size) = (path.clone(), tag.digest, tag.size);
            let number = run.place.items;
            run.place.items += 1;
            items.push(RuleItem { number, goes, kind: RuleItemKind::Tag, repository, tag: Some(tag.name.clone()), digest, size, rule, why });
        }
    }
    guard::lost_a_tag(tx, repository, &gone, worker.platform().now()).await?;
    report::add(tx, run.id, &items).await?;
    if !gone.is_empty() {
        tx.touch(Topic::Images(run.project.id));
    }
    run.place.seen = plan.seen().to_vec();
    match tags.last() {
        Some(last) if tags.len() == PAGE => run.place.tag = Some((last.pushed_at, last.name.to_string())),
        _ => run.place.stage = Stage::Images,
    }
    Ok(())
}

fn stays(run: &mut Run, by: Kept, count: u64) {
    if count > 0 {
        run.counts.tags_kept += count;
        *run.counts.kept_by.entry(by.to_string()).or_default() += count;
    }
}

async fn page(tx: &mut Bookkeeping, run: &Run, repository: RepositoryId) -> Result<Vec<Found>> {
    let mut arguments = args![repository, i64::try_from(PAGE).unwrap_or(i64::MAX)];
    let before = match &run.place.tag {
        None => "TRUE",
        Some((at, name)) => {
            arguments.extend(args![*at, name]);
            "(t.pushed_at, t.name) < ($3, $4)"
        }
    };
    let sql = format!(
        "SELECT t.name, t.digest, t.pushed_at, m.pulled_at, m.content_size FROM tags t
         JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest
         WHERE t.repository_id = $1 AND {before} ORDER BY t.pushed_at DESC, t.name DESC LIMIT $2"
    );
    let found = |row: &Row<'_>| {
        Ok(Found {
            name: row.get("name")?,
            digest: row.get("digest")?,
            pushed_at: row.get("pushed_at")?,
            pulled_at: row.get("pulled_at")?,
            size: row.get("content_size")?,
        })
    };
    tx.all(sql, arguments, found).await
}

/// Of the images that some of these tags belong to, those that are there.
async fn subjects(tx: &mut Bookkeeping, repository: RepositoryId, tags: &[Found]) -> Result<BTreeSet<Digest>> {
    let named: BTreeSet<Digest> = tags.iter().filter_map(|tag| plan::accessory_of(tag.name.as_str())).collect();
    if named.is_empty() {
        return Ok(named);
    }
    let mut arguments = args![repository];
    arguments.extend(named.iter().map(Value::from));
    let sql = format!("SELECT digest FROM manifests WHERE repository_id = $1 AND digest IN ({})", placeholders(2, named.len()));
    Ok(tx.all(sql, arguments, |row| row.get("digest")).await?.into_iter().collect())
}

#[expect(clippy::too_many_arguments, reason = "one deletion with all that its record tells")]
async fn delete(
    worker: &Worker,
    tx: &mut Bookkeeping,
    run: &Run,
    repository: RepositoryId,
    path: &RepositoryPath,
    tag: &Found,
    rule: &str,
    why: &str,
) -> Result<()> {
    let sql = "DELETE FROM tags WHERE repository_id = $1 AND name = $2 AND digest = $3 AND pushed_at = $4";
    tx.exec(sql, args![repository, &tag.name, tag.digest, tag.pushed_at]).await?;
    let record = Record::new("tag.delete", "tag", format!("{}/{path}:{}", run.project.name, tag.name)).project(&run.project);
    tx.record(worker, rule, &record.detail(json!({ "digest": tag.digest, "why": why, "run": run.id }))).await
}
