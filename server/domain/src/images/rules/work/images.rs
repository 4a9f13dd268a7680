//! A page of a repository's images that no tag names: those that are old enough and that nothing needs go. Never one that an index lists, one
//! that is about an image that is there, or one that a service may still need. What an index listed, and what was about it, can go with it: the
//! images are gone through again until none goes.

use model::digest::Digest;
use model::ids::RepositoryId;
use model::names::RepositoryPath;
use model::views::rules::{RuleItem, RuleItemKind};
use serde_json::json;

use super::report;
use super::{PAGE, Run};
use crate::args;
use crate::change::{Bookkeeping, Record};
use crate::error::Result;
use crate::images::rules::guard;
use crate::live::Topic;
use crate::worker::Worker;

/// How deep indexes may lie in each other; what lies deeper goes with the next run.
const PASSES: u32 = 8;
/// Whose rule it is, in reports and records.
const RULE: &str = "untagged images";

/// Decides the next page.
pub(super) async fn step(worker: &Worker, tx: &mut Bookkeeping, run: &mut Run, repository: RepositoryId, path: &RepositoryPath) -> Result<()> {
    let Some(days) = run.rules.retention.untagged_after_days else {
        run.leave();
        return Ok(());
    };
    let found = page(tx, run, repository, days).await?;
    let digests: Vec<Digest> = found.iter().map(|(digest, _)| *digest).collect();
    let needed = guard::needed(tx, &run.project, path, repository, &digests).await?;
    let mut items = Vec::new();
    for (digest, size) in &found {
        let goes = !needed.contains_key(digest);
        let why = needed.get(digest).cloned().unwrap_or_else(|| format!("no tag for {days} d, and nothing needs it"));
        if goes {
            run.counts.images_gone += 1;
            run.counts.bytes_gone += u64::try_from(*size).unwrap_or(0);
            run.place.any = true;
        }
        if goes && !run.dry_run {
            tx.exec("DELETE FROM manifests WHERE repository_id = $1 AND digest = $2", args![repository, digest]).await?;
            let record = Record::new("image.delete", "image", format!("{}/{path}@{digest}", run.project.name)).project(&run.project);
            tx.record(worker, RULE, &record.detail(json!({ "why": why, "run": run.id }))).await?;
            tx.touch(Topic::Images(run.project.id));
        }
        if goes || (run.dry_run && run.place.pass == 0) {
            let (repository, rule) = (path.clone(), goes.then(|| RULE.to_owned()));
            let number = run.place.items;
            run.place.items += 1;
            items.push(RuleItem { number, goes, kind: RuleItemKind::Image, repository, tag: None, digest: *digest, size: *size, rule, why });
        }
    }
    report::add(tx, run.id, &items).await?;
    match found.last() {
        Some((last, _)) if found.len() == PAGE => run.place.digest = last.to_string(),
        _ if run.place.any && run.place.pass + 1 < PASSES => {
            run.place.pass += 1;
            run.place.any = false;
            run.place.digest = String::new();
        }
        _ => run.leave(),
    }
    Ok(())
}

async fn page(tx: &mut Bookkeeping, run: &Run, repository: RepositoryId, days: u32) -> Result<Vec<(Digest, i64)>> {
    let before = run.now.minus(std::time::Duration::from_secs(u64::from(days) * 86_400));
    // In a dry run what would be gone is still there.
    let gone = |image: &str| {
        format!(
            "EXISTS (SELECT 1 FROM image_rule_items i WHERE i.run_id = $5 AND i.digest = {image} AND i.repository = $6 AND i.kind = 'image' AND i.goes)"
        )
    };
    let sql = format!(
        "SELECT m.digest, m.content_size FROM manifests m WHERE m.repository_id = $1 AND m.digest > $2
           AND m.pushed_at <= $3 AND COALESCE(m.untagged_at, m.pushed_at) <= $3
           AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)
           AND NOT EXISTS (SELECT 1 FROM manifest_parts p WHERE p.repository_id = m.repository_id AND p.digest = m.digest AND p.role = 'manifest' AND NOT {})
           AND NOT EXISTS (SELECT 1 FROM manifests s WHERE s.repository_id = m.repository_id AND s.digest = m.subject AND NOT {})
           AND NOT {} ORDER BY m.digest LIMIT $4",
        gone("p.manifest"),
        gone("s.digest"),
        gone("m.digest"),
    );
    let arguments = args![repository, &run.place.digest, before, i64::try_from(PAGE).unwrap_or(i64::MAX), run.id, &run.place.repository];
    tx.all(sql, arguments, |row| Ok((row.get("digest")?, row.get("content_size")?))).await
}
