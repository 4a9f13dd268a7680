//! The life of an alert of each kind, over the database: it is wrong for a while, it is told, it is right for a while, it is told.

use std::cell::Cell;

use model::ids::MachineId;

use super::super::certificate::tests::ending;
use super::*;

/// A rule that waits for a minute on both sides.
fn form(kind: &str) -> RuleForm {
    RuleForm { name: "Memory".into(), kind: kind.into(), after: "1m".into(), resolve_after: "1m".into(), ..RuleForm::default() }
}

impl Scene {
    /// For so long somebody looks every ten seconds.
    async fn looks(&self, seconds: u64) {
        for _ in 0..seconds / 10 {
            self.store.later(10);
            self.look().await;
        }
    }

    async fn seen_by(&self, may: &Seeing) -> Vec<AlertState> {
        let alerts = list(&self.store.platform, may, None, &PageRequest::default()).await.expect("alerts").items;
        alerts.into_iter().map(|alert| alert.state).collect()
    }

    /// From now on it is wrong: pending at first, and firing after a minute.
    async fn fires(&self, may: &Seeing, look: impl AsyncFn(u64)) {
        assert!(self.seen_by(may).await.is_empty());
        look(10).await;
        assert_eq!(self.seen_by(may).await, [AlertState::Pending]);
        look(50).await;
        assert_eq!(self.seen_by(may).await, [AlertState::Pending]);
        look(10).await;
        assert_eq!(self.seen_by(may).await, [AlertState::Firing]);
    }

    /// From now on it is right: firing at first, and over after a minute.
    async fn is_over(&self, may: &Seeing, look: impl AsyncFn(u64)) {
        look(60).await;
        assert_eq!(self.seen_by(may).await, [AlertState::Firing]);
        look(10).await;
        assert_eq!(self.seen_by(may).await, [AlertState::Resolved]);
    }

    async fn write(&self, sql: &'static str) {
        let mut write = self.store.worker.change().await.expect("a transaction");
        assert!(write.exec(sql, args![]).await.expect("written") > 0, "{sql}");
        write.finish().await.expect("kept");
    }

    /// A task that runs from now on, on a machine that answers.
    async fn task(&self) {
        self.deployed(1, "succeeded").await;
        let (machine, now): (MachineId, Millis) = (self.store.machine().await.id, self.store.platform.now());
        let mut write = self.store.worker.change().await.expect("a transaction");
        write.exec("UPDATE machines SET state = 'up', since = $1", args![now]).await.expect("up");
        let revision: RevisionId = write.one("SELECT id FROM revisions", args![], |row| row.get("id")).await.expect("a revision");
        let sql = "INSERT INTO tasks (id, service_id, environment_id, machine_id, revision_id, slot, state, health, restarts, created_at, started_at)
                   VALUES ($1, $2, $3, $4, $5, 1, 'running', 'healthy', 0, $6, $6)";
        write.exec(sql, args![self.task, self.service, self.environment, machine, revision, now]).await.expect("a task");
        write.finish().await.expect("kept");
    }

    /// The machine is reached with a certificate that ends then.
    async fn certificate(&self, ends: &str) {
        let machine = self.store.machine().await.id;
        let kept = serde_json::json!({ "ca": ending(ends) }).to_string();
        let mut write = self.store.worker.change().await.expect("a transaction");
        let sealed = self.store.platform.seal_in(&mut write, &crate::machines::purpose(machine), kept.as_bytes()).await.expect("sealed");
        write.exec("UPDATE machines SET secrets = $2 WHERE id = $1", args![machine, sealed]).await.expect("written");
        write.finish().await.expect("kept");
    }
}

#[tokio::test]
async fn a_sum_that_grows_too_fast() {
    let scene = Scene::open().await;
    scene.rule(RuleForm { metric: "cpu_used".into(), value: "0.5".into(), ..form("rate") }).await;
    let (used, cores) = (Cell::new(0.0), Cell::new(0.9));
    let look = async |seconds: u64| {
        for _ in 0..seconds / 10 {
            scene.store.later(10);
            used.set(used.get() + cores.get() * 10e6);
            let member = Some(Member { task: scene.task, slot: 1, revision: 1 });
            let values = vec![Value::new(Metric::CpuUsed, used.get())];
            scene.samples.append(scene.store.platform.now().0, &[Sample { key: scene.key, member, values }]).expect("kept");
            scene.look().await;
        }
    };
    look(10).await;
    assert!(scene.states().await.is_empty(), "one sample is no growth");
    scene.fires(&scene.seeing, &look).await;
    let summary = scene.alerts().await.remove(0).summary;
    assert!(summary.contains("CPU is 0.9"), "{summary}");
    cores.set(0.1);
    scene.is_over(&scene.seeing, &look).await;
    assert_eq!(scene.told().await, [FIRING, RESOLVED]);
}

#[tokio::test]
async fn samples_that_do_not_come() {
    let scene = Scene::open().await;
    scene.rule(form("absent")).await;
    scene.task().await;
    scene.looks(50).await;
    assert!(scene.states().await.is_empty(), "they may yet come");
    scene.fires(&scene.seeing, async |seconds| scene.looks(seconds).await).await;
    scene.is_over(&scene.seeing, async |seconds| scene.uses(|_| 100.0, seconds).await).await;
    assert_eq!(scene.told().await, [FIRING, RESOLVED]);
}

#[tokio::test]
async fn tasks_that_fail_again_and_again() {
    let scene = Scene::open().await;
    scene.rule(form("crash_loop")).await;
    let mut write = scene.store.worker.change().await.expect("a transaction");
    let sql = "INSERT INTO failures (service_id, environment_id, slot, times, first_at, last_at, next_at, code, message, lines)
               VALUES ($1, $2, 1, 3, $3, $3, $3, 'exited', 'exited with 1', '')";
    write.exec(sql, args![scene.service, scene.environment, scene.store.platform.now()]).await.expect("failures");
    write.finish().await.expect("kept");
    scene.fires(&scene.seeing, async |seconds| scene.looks(seconds).await).await;
    assert!(scene.alerts().await[0].summary.ends_with("3 failures in a row, the last: exited with 1"));
    scene.write("DELETE FROM failures").await;
    scene.is_over(&scene.seeing, async |seconds| scene.looks(seconds).await).await;
    assert_eq!(scene.told().await, [FIRING, RESOLVED]);
}

#[tokio::test]
async fn a_health_check_that_does_not_pass() {
    let scene = Scene::open().await;
    scene.rule(form("unhealthy")).await;
    scene.task().await;
    scene.looks(60).await;
    scene.write("UPDATE tasks SET health = 'unhealthy'").await;
    scene.fires(&scene.seeing, async |seconds| scene.looks(seconds).await).await;
    scene.write("UPDATE tasks SET health = 'healthy'").await;
    scene.is_over(&scene.seeing, async |seconds| scene.looks(seconds).await).await;
    assert_eq!(scene.told().await, [FIRING, RESOLVED]);
}

#[tokio::test]
async fn a_deployment_that_failed() {
    let scene = Scene::open().await;
    scene.rule(form("deploy_failed")).await;
    scene.deployed(1, "succeeded").await;
    scene.looks(60).await;
    scene.store.later(1);
    scene.deployed(2, "rolled_back").await;
    scene.fires(&scene.seeing, async |seconds| scene.looks(seconds).await).await;
    scene.deployed(3, "succeeded").await;
    scene.is_over(&scene.seeing, async |seconds| scene.looks(seconds).await).await;
    assert_eq!(scene.told().await, [FIRING, RESOLVED]);
}

#[tokio::test]
async fn a_certificate_that_ends_soon() {
    let scene = Scene::open().await;
    let platform = &scene.store.platform;
    let oda = scene.store.person("oda", true).await;
    let (seeing, managing) = (Seeing::of(platform, &oda, None).await.expect("allowed"), Managing::of(platform, &oda, None).await.expect("allowed"));
    create_rule(platform, &managing, &RuleForm { value: "14".into(), ..form("certificate_ends") }).await.expect("a rule");
    scene.certificate("271120083000Z").await;
    scene.looks(60).await;
    // The tests' clock begins on 20 November 2026.
    scene.certificate("261201083000Z").await;
    scene.fires(&seeing, async |seconds| scene.looks(seconds).await).await;
    scene.certificate("281120083000Z").await;
    scene.is_over(&seeing, async |seconds| scene.looks(seconds).await).await;
    assert!(scene.told().await.is_empty(), "machines are the operators'");
}
