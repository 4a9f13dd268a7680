//! Which images a machine must keep, and when the next pruning is due.

use model::digest::Digest;
use model::names::{EnvironmentName, MachineName};
use model::views::environments::{PrunePolicy, PruneReport, PruneWhy};

use super::*;
use crate::environments::Environment;
use crate::machines::{self, PruneWork};

const DAY: u64 = 24 * 3_600;

impl Shop {
    async fn manage(&self, root: &Actor) -> May<can::ManageEnvironments, Environment> {
        let local: EnvironmentName = "local".parse().expect("a name");
        root.may(self.platform(), &local).await.expect("allowed")
    }

    /// Brings an image of its own, with success.
    async fn runs_image(&self, tag: &str, letter: char) {
        self.store.image(&self.project, "web", tag, letter).await;
        self.succeed(&self.deploy(&format!("image: web:{tag}")).await).await;
        self.cleared().await;
    }

    /// The containers of what ended are removed, as the engine's side does it.
    async fn cleared(&self) {
        let machine = self.store.machine().await.id;
        for left in work::leftovers(&self.store.worker, machine).await.expect("read") {
            work::task_removed(&self.store.worker, left.task).await.expect("recorded");
        }
    }

    async fn due_at(&self, disk: Option<u8>) -> Option<PruneWork> {
        machines::prune_due(&self.store.worker, self.store.machine().await.id, disk).await.expect("read")
    }

    async fn done(&self, work: &PruneWork) {
        let machine = self.store.machine().await;
        machines::pruned(&self.store.worker, &machine, work, &[], Ok(&PruneReport::default())).await.expect("recorded");
    }
}

fn letters(work: &PruneWork) -> String {
    work.needed.iter().map(|digest| digest.to_string().chars().nth(10).expect("a digit")).collect()
}

#[tokio::test]
async fn what_runs_and_the_last_ones_that_ran_are_needed() {
    let shop = Shop::open().await;
    let root = shop.store.person("root", true).await;
    for (tag, letter) in [("2", 'b'), ("3", 'c'), ("4", 'd'), ("5", 'e')] {
        shop.runs_image(tag, letter).await;
    }
    let name: MachineName = "local".parse().expect("a name");
    let policy = |keep| PrunePolicy { enabled: true, keep, min_hours: 24, fuller_than: 80 };
    machines::put_pruning(shop.platform(), &shop.manage(&root).await, &name, policy(2)).await.expect("kept");
    let work = shop.due_at(None).await.expect("the first one is due at once");
    assert_eq!((letters(&work).as_str(), work.why, work.dry_run), ("de", PruneWhy::Daily, false));
    assert!(work.pulled.is_empty());

    // Back to an old one: it runs, and is one of the last two that ran.
    let back = rollback(shop.platform(), &shop.may().await, &Intent::default(), 1).await.expect("begun");
    shop.store.later(1);
    let work = shop.due_at(None).await.expect("still due");
    assert_eq!(letters(&work), "bde", "what is under way is needed too");
    shop.succeed(&back).await;
    assert_eq!(letters(&shop.due_at(None).await.expect("still due")), "be", "a dead container's image is one of them here");
    shop.cleared().await;
    assert_eq!(letters(&shop.due_at(None).await.expect("still due")), "be");
}

#[tokio::test]
async fn it_is_due_daily_at_once_on_a_full_disk_and_when_somebody_asks() {
    let shop = Shop::open().await;
    let root = shop.store.person("root", true).await;
    let name: MachineName = "local".parse().expect("a name");
    let work = shop.due_at(Some(50)).await.expect("the first one");
    shop.done(&work).await;
    assert!(shop.due_at(Some(50)).await.is_none());
    shop.store.later(1_000);
    assert_eq!(shop.due_at(Some(81)).await.map(|work| work.why), Some(PruneWhy::Full));
    assert!(shop.due_at(Some(80)).await.is_none());
    shop.store.later(DAY);
    assert_eq!(shop.due_at(None).await.map(|work| work.why), Some(PruneWhy::Daily));

    let may = shop.manage(&root).await;
    let off = PrunePolicy { enabled: false, keep: 5, min_hours: 24, fuller_than: 80 };
    machines::put_pruning(shop.platform(), &may, &name, off).await.expect("kept");
    assert!(shop.due_at(Some(99)).await.is_none());
    let asked = machines::prune(shop.platform(), &may, &name, true).await.expect("asked");
    let twice = machines::prune(shop.platform(), &may, &name, false).await.expect_err("one waits");
    assert!(matches!(twice, Error::Conflict { code: "prune_waits", .. }), "{twice:?}");
    let work = shop.due_at(None).await.expect("asked for");
    assert_eq!((work.run, work.dry_run, work.why), (Some(asked.id), true, PruneWhy::Asked));
    shop.done(&work).await;
    let view = machines::pruning(shop.platform(), &may, &name).await.expect("read");
    assert_eq!((view.runs[0].id, view.runs[0].by.as_deref(), view.runs.len()), (asked.id, Some("root"), 2));
    let digest: Digest = shop.digest.parse().expect("a digest");
    let machine = shop.store.machine().await;
    machines::pulled(&shop.store.worker, machine.id, &format!("127.0.0.1:1/shop/web@{digest}"), &digest).await.expect("recorded");
    assert_eq!(machines::pruning(shop.platform(), &may, &name).await.expect("read").pulled, 1);
    let wrong = PrunePolicy { keep: 0, ..off };
    assert_eq!(field(machines::put_pruning(shop.platform(), &may, &name, wrong).await.expect_err("refused")).0, "keep");
}
