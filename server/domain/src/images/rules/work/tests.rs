use model::access::Role;
use model::names::ProjectName;
use model::page::PageRequest;
use model::rules::ImageRules;
use model::views::rules::RuleRunState;

use super::super::{activate, detail, dry_run, list, put, run, wait};
use super::*;
use crate::access::{Actor, May, can};
use crate::projects;
use crate::testing::Store;

/// A project whose repository `web` has tags `t0000`, `t0001`, ..., pushed in that order, a second apart.
struct Shop {
    store: Store,
    ana: Actor,
    project: ProjectName,
}

impl Shop {
    async fn with_tags(count: usize) -> Self {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let project = store.project("shop", &ana, Role::Admin).await;
        let digest = store.image(&project, "web", "t0000", 'a').await;
        let mut write = store.platform.bookkeeping().await.expect("a transaction");
        for at in 1..count {
            let sql = "INSERT INTO tags (repository_id, name, digest, pushed_at, pusher)
                       SELECT m.repository_id, $1, m.digest, m.pushed_at + $2, 'test' FROM manifests m WHERE m.digest = $3";
            write.exec(sql, args![format!("t{at:04}"), i64::try_from(at).expect("small") * 1000, &digest]).await.expect("a tag");
        }
        write.finish().await.expect("kept");
        Self { store, ana, project }
    }

    async fn may(&self) -> May<can::ManageImageRules, Project> {
        self.store.may(&self.ana, &self.project).await
    }

    /// Keeps the newest 10, in force.
    async fn in_force(&self, daily_at: Option<u8>) {
        let mut rules: ImageRules = serde_json::from_str(r#"{"retention": {"rules": [{"name": "few", "keep": [{"newest": 10}]}]}}"#).expect("rules");
        rules.retention.daily_at = daily_at;
        put(&self.store.platform, &self.may().await, rules).await.expect("stored");
        let looked = dry_run(&self.store.platform, &self.may().await, None).await.expect("begun");
        self.all().await;
        activate(&self.store.platform, &self.may().await, looked.id).await.expect("in force");
    }

    async fn all(&self) {
        while tend(&self.store.worker).await.expect("tended") {}
    }

    async fn tags(&self) -> Vec<String> {
        let mut tx = self.store.platform.read().await.expect("a transaction");
        tx.all("SELECT name FROM tags ORDER BY name", args![], |row| row.get("name")).await.expect("tags")
    }
}

#[tokio::test]
async fn a_run_that_is_cut_after_any_page_goes_on_there() {
    let shop = Shop::with_tags(350).await;
    shop.in_force(None).await;
    let begun = run(&shop.store.platform, &shop.may().await).await.expect("begun");
    let mut pages = 0;
    loop {
        // Cut in the middle of a page, nothing of it is kept.
        let mut tx = shop.store.worker.change().await.expect("a transaction");
        let before = shop.tags().await.len();
        if let Some((mut half, _)) = load(&mut tx, begun.id).await.expect("read") {
            enter(&mut tx, &mut half).await.expect("entered");
            tx.exec("DELETE FROM tags", args![]).await.expect("deleted");
        }
        drop(tx);
        step(&shop.store.worker, begun.id).await.expect("a step");
        pages += 1;
        let after = shop.tags().await.len();
        assert!(before - after <= PAGE, "a page at a time");
        let view = list(&shop.store.platform, &shop.may().await, &PageRequest::default()).await.expect("runs").items.remove(0);
        if view.state == RuleRunState::Done {
            break;
        }
    }
    assert!(pages > 4, "{pages}");
    assert_eq!(shop.tags().await, (340..350).map(|at| format!("t{at:04}")).collect::<Vec<_>>());
    let page = PageRequest { limit: Some(200), after: None };
    let first = detail(&shop.store.platform, &shop.may().await, begun.id, None, &page).await.expect("a report");
    let rest = PageRequest { after: first.items.next.clone(), ..page };
    let second = detail(&shop.store.platform, &shop.may().await, begun.id, None, &rest).await.expect("a report");
    let told: Vec<i64> = first.items.items.iter().chain(&second.items.items).map(|item| item.number).collect();
    assert_eq!(told, (0..340).collect::<Vec<_>>(), "each once");
    assert_eq!((first.run.counts.tags_gone, first.run.counts.tags_kept), (340, 10));
    let records = shop.store.audit().await.into_iter().filter(|record| record.starts_with("tag.delete")).count();
    assert_eq!(records, 340);
}

#[tokio::test]
async fn the_hour_begins_one_run_a_day_after_what_is_under_way() {
    let shop = Shop::with_tags(20).await;
    shop.in_force(Some(3)).await;
    shop.all().await;
    assert_eq!(shop.tags().await.len(), 20, "not before its hour");
    shop.store.later(86_400);
    dry_run(&shop.store.platform, &shop.may().await, None).await.expect("begun");
    begin_due(&shop.store.worker).await.expect("looked");
    shop.all().await;
    assert_eq!(shop.tags().await.len(), 20, "the dry run was under way");
    shop.all().await;
    assert_eq!(shop.tags().await.len(), 10);
    shop.all().await;
    let runs = list(&shop.store.platform, &shop.may().await, &PageRequest::default()).await.expect("runs").items;
    assert_eq!(runs.iter().filter(|run| run.asked_by == "schedule").count(), 1);
}

#[tokio::test]
async fn changed_rules_and_a_deleted_project_end_a_run() {
    let shop = Shop::with_tags(350).await;
    shop.in_force(None).await;
    let begun = run(&shop.store.platform, &shop.may().await).await.expect("begun");
    step(&shop.store.worker, begun.id).await.expect("a step");
    put(&shop.store.platform, &shop.may().await, ImageRules::default()).await.expect("stored");
    shop.all().await;
    let left = shop.tags().await.len();
    assert!(left > 200, "{left}");
    let view = detail(&shop.store.platform, &shop.may().await, begun.id, None, &PageRequest::default()).await.expect("a report").run;
    assert_eq!(view.state, RuleRunState::Cancelled);
    assert!(view.error.is_some_and(|text| text.contains("rules were changed")));

    shop.in_force(None).await;
    run(&shop.store.platform, &shop.may().await).await.expect("begun");
    projects::delete(&shop.store.platform, &shop.store.may(&shop.ana, &shop.project).await).await.expect("deleted");
    shop.all().await;
    assert_eq!(shop.tags().await.len(), left);
}

#[tokio::test]
async fn who_loses_the_permission_waits_no_longer() {
    const LONG: Duration = Duration::from_secs(60);
    let shop = Shop::with_tags(20).await;
    shop.in_force(None).await;
    let platform = &shop.store.platform;
    let mut lease = shop.ana.lease::<can::ManageImageRules, ProjectName>(platform, shop.project.clone()).await.expect("allowed");
    let begun = run(platform, lease.may()).await.expect("begun");
    projects::delete(platform, &shop.store.may(&shop.ana, &shop.project).await).await.expect("deleted");
    let waited = tokio::time::timeout(LONG / 2, wait(platform, &mut lease, begun.id, LONG)).await.expect("before the span ends");
    assert!(matches!(waited, Err(Error::NotFound { what: "project" })), "{waited:?}");
}

#[tokio::test]
async fn few_dry_runs_are_kept() {
    let shop = Shop::with_tags(3).await;
    shop.in_force(None).await;
    for _ in 0..8 {
        shop.store.later(1);
        dry_run(&shop.store.platform, &shop.may().await, None).await.expect("begun");
        shop.all().await;
    }
    let runs = list(&shop.store.platform, &shop.may().await, &PageRequest::default()).await.expect("runs").items;
    assert_eq!(i64::try_from(runs.len()), Ok(DRY_RUNS_MAX));
}
