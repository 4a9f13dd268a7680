//! How entries differ, line by line. Of secrets only that they do: their content is not even read here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::configs::EntryKind;
use model::views::configs::{DiffLine, EntryDiff, LineKind};
use similar::{ChangeTag, TextDiff};

use super::scopes::{self, Entry, Name};
use crate::db::Tx;
use crate::error::{Error, Result};

/// Longest text that is compared line by line, in bytes.
const TEXT_MAX: i64 = 128 * 1024;
/// Most lines of one entry that are shown.
const LINES_MAX: usize = 400;
/// Lines around what differs.
const AROUND: usize = 2;
/// After this, texts that are very unlike are compared more roughly.
const PATIENCE: Duration = Duration::from_millis(300);

/// What differs from some entries to others of the same place.
pub(super) async fn between(tx: &mut Tx, before: Vec<Entry>, after: Vec<Entry>) -> Result<Vec<EntryDiff>> {
    let by_name = |entries: Vec<Entry>| entries.into_iter().map(|entry| ((entry.kind, entry.name.clone()), entry)).collect::<BTreeMap<Name, Entry>>();
    let (old, new) = (by_name(before), by_name(after));
    let names: BTreeSet<&Name> = old.keys().chain(new.keys()).collect();
    let mut diffs = Vec::new();
    for name in names {
        let (before, after) = (old.get(name), new.get(name));
        if before.map(|entry| &entry.stamp) == after.map(|entry| &entry.stamp) {
            continue;
        }
        let texts = match (text(tx, before).await?, text(tx, after).await?) {
            (Some(old), Some(new)) if name.0 != EntryKind::Secret => Some((old, new)),
            _ => None,
        };
        let (before, after) = (before.is_some(), after.is_some());
        diffs.push((EntryDiff { kind: name.0, name: name.1.clone(), before, after, lines: Vec::new() }, texts));
    }
    // Work for a processor, which keeps nobody else waiting.
    let compare = move || {
        let deadline = Instant::now() + PATIENCE;
        let compared = |(diff, texts): (EntryDiff, Option<(String, String)>)| match texts {
            Some((old, new)) => EntryDiff { lines: lines(&old, &new, deadline), ..diff },
            None => diff,
        };
        diffs.into_iter().map(compared).collect()
    };
    tokio::task::spawn_blocking(compare).await.map_err(|error| Error::internal(format!("comparing: {error}")))
}

/// The text of an entry; empty where there is no entry, none where it is not to be shown.
async fn text(tx: &mut Tx, entry: Option<&Entry>) -> Result<Option<String>> {
    let Some(entry) = entry else { return Ok(Some(String::new())) };
    if entry.kind == EntryKind::Secret || !entry.is_text || entry.size > TEXT_MAX {
        return Ok(None);
    }
    match &entry.value {
        Some(value) => Ok(Some(value.clone())),
        None => Ok(String::from_utf8(scopes::content(tx, entry).await?).ok()),
    }
}

fn lines(old: &str, new: &str, deadline: Instant) -> Vec<DiffLine> {
    let diff = TextDiff::configure().deadline(deadline).diff_lines(old, new);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(AROUND) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let kind = match change.tag() {
                ChangeTag::Delete => LineKind::Cut,
                ChangeTag::Insert => LineKind::Add,
                ChangeTag::Equal => LineKind::Same,
            };
            lines.push(DiffLine { kind, text: change.value().trim_end_matches(['\n', '\r']).to_owned() });
        }
    }
    let more = lines.len().saturating_sub(LINES_MAX);
    if more > 0 {
        lines.truncate(LINES_MAX);
        lines.push(DiffLine { kind: LineKind::Same, text: format!("... {more} more lines") });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown_with_a_little_around() {
        let old: String = (0..50).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 25\n", "line twenty-five\n");
        let soon = Instant::now() + Duration::from_secs(60);
        let shown: Vec<_> = lines(&old, &new, soon).into_iter().map(|line| (line.kind, line.text)).collect();
        assert_eq!(shown.len(), 6);
        assert!(shown.contains(&(LineKind::Cut, "line 25".into())) && shown.contains(&(LineKind::Add, "line twenty-five".into())));
        assert!(lines(&old, &old, soon).is_empty());
        let long: String = (0..2000).map(|n| format!("{n}\n")).collect();
        let shown = lines("", &long, soon);
        assert_eq!((shown.len(), shown[LINES_MAX].text.as_str()), (LINES_MAX + 1, "... 1600 more lines"));
    }
}
