//! What of a container's files is not as in its image. There may be hundreds of thousands: the engine's answer is read object by object while it
//! arrives, all are counted, and no more are kept than one page of those that were asked for.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use futures::StreamExt as _;
use model::views::inspect::{ChangeKind, ChangesQuery, ChangesView, FileChange};
use serde::Deserialize;

use super::{Docker, EngineError, Hidden, Kind, Result, WORK, containers::path_part, hijack, limited};

/// Longest object that is read: a path of the longest sort with each of its bytes escaped.
const OBJECT_MAX: usize = 64 * 1024;

#[derive(Deserialize)]
struct Change {
    #[serde(rename = "Path")]
    path: String,
    #[serde(rename = "Kind")]
    kind: u8,
}

impl Docker {
    /// The changed files of a container that are asked for.
    pub async fn changes(&self, container: &str, query: &ChangesQuery, hidden: &Hidden) -> Result<ChangesView> {
        let path = self.path(&format!("/containers/{}/changes", path_part(container)?)).await?;
        limited("tell what changed", WORK, async {
            let mut pieces = hijack::open(self.dialer(), &path, WORK).await?;
            let (mut objects, mut page) = (Objects::default(), Page::new(query, hidden));
            while let Some(piece) = pieces.next().await {
                let mut wrong = None;
                objects.feed(&piece?, |object| match serde_json::from_slice(object) {
                    Ok(change) => page.see(change),
                    Err(error) => wrong = Some(error),
                });
                if let Some(error) = wrong {
                    return Err(EngineError::new(Kind::Other, format!("the engine's list of changed files could not be read: {error}")));
                }
            }
            Ok(page.view())
        })
        .await
    }
}

/// Cuts a list of flat objects into them while it arrives.
#[derive(Default)]
struct Objects {
    open: Vec<u8>,
    inside: bool,
    text: bool,
    escaped: bool,
}

impl Objects {
    fn feed(&mut self, piece: &[u8], mut see: impl FnMut(&[u8])) {
        for &byte in piece {
            if byte == b'{' && !self.inside {
                self.open.clear();
                self.inside = true;
            }
            if !self.inside {
                continue;
            }
            if self.open.len() < OBJECT_MAX {
                self.open.push(byte);
            }
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.text => self.escaped = true,
                b'"' => self.text = !self.text,
                b'}' if !self.text => {
                    self.inside = false;
                    see(&self.open);
                }
                _ => {}
            }
        }
    }
}

/// A path, ordered as a tree is written down: a folder, then all that is in it.
#[derive(PartialEq, Eq)]
struct Place(String);

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.split('/').cmp(other.0.split('/'))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The page that was asked for, as far as it is known.
struct Page<'a> {
    query: &'a ChangesQuery,
    hidden: &'a Hidden,
    after: Option<Place>,
    /// One more than the page holds, so that it is known whether another follows.
    first: BTreeMap<Place, ChangeKind>,
    total: usize,
    found: usize,
}

impl<'a> Page<'a> {
    fn new(query: &'a ChangesQuery, hidden: &'a Hidden) -> Self {
        let after = query.after.clone().filter(|after| !after.is_empty()).map(Place);
        Self { query, hidden, after, first: BTreeMap::new(), total: 0, found: 0 }
    }

    fn see(&mut self, change: Change) {
        self.total += 1;
        let kind = match change.kind {
            0 => ChangeKind::Changed,
            1 => ChangeKind::Added,
            _ => ChangeKind::Deleted,
        };
        // Cleaned before it is looked at: else one could guess at what is hidden.
        let path = self.hidden.clean(&change.path).unwrap_or(change.path);
        if self.query.kind.is_some_and(|wanted| wanted != kind) || !path.contains(&self.query.q) {
            return;
        }
        self.found += 1;
        let place = Place(path);
        if self.after.as_ref().is_some_and(|after| place <= *after) {
            return;
        }
        self.first.insert(place, kind);
        if self.first.len() > self.query.limit() + 1 {
            self.first.pop_last();
        }
    }

    fn view(mut self) -> ChangesView {
        let more = self.first.len() > self.query.limit();
        if more {
            self.first.pop_last();
        }
        let items: Vec<FileChange> = self.first.into_iter().map(|(Place(path), kind)| FileChange { kind, path }).collect();
        let next = items.last().filter(|_| more).map(|item| item.path.clone());
        ChangesView { items, total: self.total, found: self.found, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str, length: usize) -> Vec<String> {
        let (mut objects, mut seen) = (Objects::default(), Vec::new());
        for piece in text.as_bytes().chunks(length) {
            objects.feed(piece, |object| seen.push(String::from_utf8(object.to_vec()).expect("text")));
        }
        seen
    }

    #[test]
    fn objects_are_found_however_the_answer_is_cut() {
        let text = r#"[{"Path":"/a }{\"","Kind":1},{"Path":"/b\\","Kind":0}]"#;
        let wanted = [r#"{"Path":"/a }{\"","Kind":1}"#, r#"{"Path":"/b\\","Kind":0}"#];
        for length in 1..text.len() {
            assert_eq!(objects(text, length), wanted, "in pieces of {length}");
        }
        assert!(objects("null\n", 2).is_empty());
    }

    fn page(paths: &[(&str, u8)], query: &ChangesQuery, hidden: &Hidden) -> ChangesView {
        let mut page = Page::new(query, hidden);
        for (path, kind) in paths {
            page.see(Change { path: (*path).to_owned(), kind: *kind });
        }
        page.view()
    }

    fn paths(view: &ChangesView) -> Vec<&str> {
        view.items.iter().map(|item| item.path.as_str()).collect()
    }

    #[test]
    fn pages_follow_each_other_in_the_order_of_the_tree() {
        let all = [("/b", 1), ("/a/b", 1), ("/a-b", 2), ("/a", 0), ("/a/b/c", 1), ("/a b", 1)];
        let mut query = ChangesQuery { limit: Some(4), ..ChangesQuery::default() };
        let first = page(&all, &query, &Hidden::default());
        assert_eq!(paths(&first), ["/a", "/a/b", "/a/b/c", "/a b"], "a folder, then what is in it");
        assert_eq!((first.total, first.found, first.next.as_deref()), (6, 6, Some("/a b")));
        query.after = first.next;
        let second = page(&all, &query, &Hidden::default());
        assert_eq!((paths(&second), second.next.as_deref()), (vec!["/a-b", "/b"], None));
        let deleted = page(&all, &ChangesQuery { kind: Some(ChangeKind::Deleted), ..ChangesQuery::default() }, &Hidden::default());
        assert_eq!((paths(&deleted), deleted.total, deleted.found), (vec!["/a-b"], 6, 1));
    }

    #[test]
    fn what_is_hidden_cannot_be_guessed_at() {
        let hidden = Hidden::new(["hunter2-hunter2".to_owned()]);
        let all = [("/tmp/hunter2-hunter2.txt", 1)];
        let asked = |q: &str| page(&all, &ChangesQuery { q: q.into(), ..ChangesQuery::default() }, &hidden);
        assert_eq!(paths(&asked("/tmp")), ["/tmp/(hidden).txt"]);
        assert_eq!((asked("hunter2").found, asked("hunter2").total), (0, 1));
    }

    #[test]
    fn no_more_is_kept_than_a_page() {
        let query = ChangesQuery { limit: Some(1_000_000), ..ChangesQuery::default() };
        let hidden = Hidden::default();
        let mut page = Page::new(&query, &hidden);
        for at in 0..5_000 {
            page.see(Change { path: format!("/f{at}"), kind: 1 });
            assert!(page.first.len() <= 1_001);
        }
        let view = page.view();
        assert_eq!((view.items.len(), view.total, view.found), (1_000, 5_000, 5_000));
        assert!(view.next.is_some());
    }
}
