//! What a run decided, as it is kept.

use model::ids::RuleRunId;
use model::views::rules::RuleItem;

use crate::args;
use crate::change::Bookkeeping;
use crate::db::placeholder_rows;
use crate::error::Result;

const COLUMNS: usize = 10;

/// Adds to a run's report.
pub(super) async fn add(tx: &mut Bookkeeping, run: RuleRunId, items: &[RuleItem]) -> Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    let mut arguments = Vec::with_capacity(items.len() * COLUMNS);
    for item in items {
        let (repository, tag, digest) = (&item.repository, item.tag.clone(), item.digest);
        arguments.extend(args![run, item.number, item.goes, item.kind, repository, tag, digest, item.size, item.rule.clone(), &item.why]);
    }
    let rows = placeholder_rows(items.len(), COLUMNS);
    let sql = format!("INSERT INTO image_rule_items (run_id, number, goes, kind, repository, tag, digest, size, rule, why) VALUES {rows}");
    tx.exec(sql, arguments).await.map(drop)
}
