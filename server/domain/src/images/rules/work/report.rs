//! What a run decided, as it is kept.

use model::ids::RuleRunId;
use model::views::rules::RuleItem;

use crate::args;
use crate::change::Bookkeeping;
use crate::error::Result;
use crate::images::rules::guard::places;

const COLUMNS: usize = 10;

/// Adds to a run's report.
pub(super) async fn add(tx: &mut Bookkeeping, run: RuleRunId, items: &[RuleItem]) -> Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    let rows: Vec<String> = (0..items.len()).map(|row| format!("({})", places(row * COLUMNS + 1, COLUMNS))).collect();
    let mut arguments = Vec::with_capacity(items.len() * COLUMNS);
    for item in items {
        let (repository, tag, digest) = (&item.repository, item.tag.clone(), item.digest);
        arguments.extend(args![run, item.number, item.goes, item.kind, repository, tag, digest, item.size, item.rule.clone(), &item.why]);
    }
    let sql =
        format!("INSERT INTO image_rule_items (run_id, number, goes, kind, repository, tag, digest, size, rule, why) VALUES {}", rows.join(", "));
    tx.exec(sql, arguments).await.map(drop)
}
