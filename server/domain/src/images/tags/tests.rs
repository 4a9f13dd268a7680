use std::collections::BTreeSet;

use model::access::Role;
use model::names::{ProjectName, RepositoryPath};

use super::*;
use crate::images::RepositoryKey;
use crate::testing::Store;
use crate::{Actor, db};

const MANY: usize = 10_000;

struct Many {
    store: Store,
    may: May<can::Pull, Repository>,
}

/// A repository with 10,000 tags: every hundredth names an index, every thousandth an artifact.
async fn many() -> Many {
    let store = Store::open().await;
    let ana: Actor = store.person("ana", false).await;
    let shop: ProjectName = store.project("shop", &ana, Role::Developer).await;
    for (tag, digit) in [("image", 'a'), ("index", 'b'), ("artifact", 'c')] {
        store.image(&shop, "web", tag, digit).await;
    }
    let web: RepositoryPath = "web".parse().expect("a path");
    let may: May<can::Pull, Repository> = ana.may(&store.platform, &RepositoryKey { project: &shop, repository: &web }).await.expect("allowed");
    let mut write = store.platform.bookkeeping().await.expect("a transaction");
    write.exec("DELETE FROM tags", args![]).await.expect("none");
    let image = format!("UPDATE manifests SET artifact_type = '{}' WHERE digest LIKE 'sha256:a%'", media_type::OCI_CONFIG);
    write.exec(image, args![]).await.expect("an image");
    write.exec("UPDATE manifests SET kind = 'index' WHERE digest LIKE 'sha256:b%'", args![]).await.expect("an index");
    write.exec("UPDATE manifests SET artifact_type = 'application/spdx+json' WHERE digest LIKE 'sha256:c%'", args![]).await.expect("an artifact");
    let numbers: Vec<usize> = (0..MANY).collect();
    for some in numbers.chunks(500) {
        let rows = some.iter().map(|n| {
            let digit = if n % 1000 == 500 {
                'c'
            } else if n % 100 == 7 {
                'b'
            } else {
                'a'
            };
            // Several were pushed in one millisecond.
            format!("($1, '{}', 'sha256:{}', {}, 'dev')", name(*n), digit.to_string().repeat(64), 1_000_000 + n / 3)
        });
        let rows = rows.collect::<Vec<_>>().join(", ");
        let sql = format!("INSERT INTO tags (repository_id, name, digest, pushed_at, pusher) VALUES {rows}");
        write.exec(sql, args![may.id]).await.expect("tags");
    }
    write.finish().await.expect("kept");
    Many { store, may }
}

fn name(n: usize) -> String {
    format!("v{}.{}-Build_{n}", n % 7, n % 100)
}

impl Many {
    async fn page(&self, query: &TagQuery, after: Option<String>, limit: u32) -> Page<TagView> {
        tags(&self.store.platform, &self.may, query, &PageRequest { after, limit: Some(limit) }).await.expect("read")
    }

    async fn walk(&self, query: &TagQuery, limit: u32) -> Vec<TagView> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.page(query, after, limit).await;
            all.extend(page.items);
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    }
}

fn query(order: TagOrder, q: &str, matching: Matching, kind: Option<TagKind>) -> TagQuery {
    TagQuery { order, q: q.into(), matching, kind }
}

#[tokio::test]
async fn ten_thousand_tags_are_walked_found_and_filtered() {
    let many = many().await;
    let all: BTreeSet<String> = (0..MANY).map(name).collect();
    for order in [TagOrder::Name, TagOrder::Newest] {
        let walked = many.walk(&query(order, "", Matching::Contains, None), 200).await;
        assert_eq!(walked.len(), MANY, "each once");
        assert_eq!(walked.iter().map(|tag| tag.name.to_string()).collect::<BTreeSet<_>>(), all);
        let sorted = walked.windows(2).all(|two| match order {
            TagOrder::Name => two[0].name.as_str() < two[1].name.as_str(),
            TagOrder::Newest => (two[0].pushed_at, two[0].name.as_str()) > (two[1].pushed_at, two[1].name.as_str()),
        });
        assert!(sorted, "{order:?}");
        // A beginning, which is exact, and a part, which is not.
        let begin = many.walk(&query(order, "v3.1", Matching::Prefix, None), 150).await;
        assert_eq!(begin.len(), all.iter().filter(|name| name.starts_with("v3.1")).count());
        let part = many.walk(&query(order, "build_99", Matching::Contains, None), 7).await;
        assert_eq!(part.len(), all.iter().filter(|name| name.contains("Build_99")).count());
        let signs = many.walk(&query(order, "%", Matching::Contains, None), 7).await;
        assert!(signs.is_empty(), "a sign of patterns means itself");
        let long = query(order, &"x".repeat(60_000), Matching::Contains, None);
        assert_eq!(many.page(&long, None, 10).await, Page { items: Vec::new(), next: None });
        let indexes = many.walk(&query(order, "", Matching::Contains, Some(TagKind::Index)), 40).await;
        assert_eq!(indexes.len(), MANY / 100);
        let artifacts = many.walk(&query(order, "", Matching::Contains, Some(TagKind::Artifact)), 40).await;
        assert_eq!(artifacts.len(), MANY / 1000);
        let images = many.page(&query(order, "v", Matching::Prefix, Some(TagKind::Image)), None, 200).await;
        assert_eq!(images.items.len(), 200);
    }
}

#[tokio::test]
async fn no_page_looks_through_more_than_it_may() {
    let many = many().await;
    let mut write = many.store.platform.bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO tags (repository_id, name, digest, pushed_at, pusher)
               SELECT repository_id, $1 || name, digest, pushed_at + $2, pusher FROM tags";
    for (letter, later) in [("y", 100_000), ("z", 200_000)] {
        write.exec(sql, args![letter, later]).await.expect("as many again");
    }
    write.finish().await.expect("kept");
    // The only match is the oldest tag: it is found by going on, not at once.
    let rare = query(TagOrder::Newest, &format!("{}x", name(0)), Matching::Contains, None);
    let none = many.page(&rare, None, 50).await;
    assert!(none.items.is_empty() && none.next.is_some(), "half of the tags were looked through");
    let oldest = query(TagOrder::Newest, "build_0", Matching::Contains, None);
    let first = many.page(&oldest, None, 50).await;
    let second = many.page(&oldest, first.next.clone(), 50).await;
    assert_eq!((first.items.len(), second.items.len()), (2, 2));
    assert_eq!(many.walk(&rare, 50).await.len(), 0, "and in the end it ends");
}

#[tokio::test]
async fn pages_are_read_along_an_index() {
    let many = many().await;
    if matches!(many.store.platform.read().await.expect("a transaction"), db::Tx::Pg(_)) {
        return; // PostgreSQL plans by what it knows of the table; the statements are the same.
    }
    let deep = [Place::Name(name(MANY / 2)), Place::Time(1_002_000, name(MANY / 2))];
    for (order, deep) in [TagOrder::Name, TagOrder::Newest].into_iter().zip(deep) {
        let plain_query = query(order, "", Matching::Contains, None);
        let mut plans = Vec::new();
        for from in [None, Some(&deep)] {
            plans.push(many.plan(plain(many.may.id, &plain_query, from, 51)).await);
            let searched = query(order, "x", Matching::Contains, None);
            let window = many.plan(filtered(many.may.id, &searched, from, 500, 51)).await;
            assert!(window.iter().any(|step| step.starts_with("SEARCH t USING")), "{window:?}");
            assert!(!window.iter().any(|step| step.starts_with("SCAN t") && !step.contains("USING") && step.contains("tags")), "{window:?}");
        }
        let prefix = query(TagOrder::Name, "v1", Matching::Prefix, None);
        plans.push(many.plan(plain(many.may.id, &prefix, None, 51)).await);
        for plan in plans {
            assert!(plan.iter().any(|step| step.starts_with("SEARCH t USING")), "{plan:?}");
            assert!(plan.iter().all(|step| !step.contains("SCAN") && !step.contains("TEMP B-TREE")), "nothing is read whole or sorted: {plan:?}");
        }
    }
}

impl Many {
    async fn plan(&self, (sql, arguments): (String, Vec<Value>)) -> Vec<String> {
        let mut tx = self.store.platform.read().await.expect("a transaction");
        tx.all(format!("EXPLAIN QUERY PLAN {sql}"), arguments, |row| row.get("detail")).await.expect("a plan")
    }
}

#[test]
fn patterns_mean_themselves() {
    assert_eq!(contains("a_B%\\"), "%a\\_b\\%\\\\%");
}
