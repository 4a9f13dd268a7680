//! Alerts of machines, and of what runs on them while they are away: one alert for one cause, and none of what the portal did not see.

use model::ids::MachineId;

use super::*;
use crate::keys::Keys;
use crate::machines::{self, Seen};
use crate::worker::Worker;

impl Scene {
    /// The only machine, as its engine was found.
    async fn machine_is(&self, state: &str) {
        let mut write = self.store.worker.change().await.expect("a transaction");
        write.exec("UPDATE machines SET state = $1, since = $2", args![state, self.store.platform.now()]).await.expect("written");
        write.finish().await.expect("kept");
    }

    /// A task that runs from now on, of which no sample ever comes.
    async fn task_runs(&self) {
        self.deployed(1, "succeeded").await;
        let (machine, now): (MachineId, Millis) = (self.store.machine().await.id, self.store.platform.now());
        let mut write = self.store.worker.change().await.expect("a transaction");
        let revision: RevisionId = write.one("SELECT id FROM revisions", args![], |row| row.get("id")).await.expect("a revision");
        let sql = "INSERT INTO tasks (id, service_id, environment_id, machine_id, revision_id, slot, state, health, restarts, created_at, started_at)
                   VALUES ($1, $2, $3, $4, $5, 1, 'running', 'none', 0, $6, $6)";
        write.exec(sql, args![self.task, self.service, self.environment, machine, revision, now]).await.expect("a task");
        write.finish().await.expect("kept");
    }

    /// Later, somebody looks.
    async fn after(&self, seconds: u64) {
        self.store.later(seconds);
        self.look().await;
    }

    /// What fires anywhere, by rule, with what is said of it.
    async fn firing(&self, operators: &Seeing) -> Vec<(String, String)> {
        let firing = list(&self.store.platform, operators, Some(AlertState::Firing), &PageRequest::default()).await.expect("alerts");
        firing.items.into_iter().map(|alert| (alert.rule, alert.summary)).collect()
    }

    async fn operators(&self) -> Seeing {
        let oda = self.store.person("oda", true).await;
        Seeing::of(&self.store.platform, &oda, None).await.expect("allowed")
    }
}

#[tokio::test]
async fn a_machine_that_never_answered_is_an_alert_after_a_while_and_a_removed_one_is_none() {
    let scene = Scene::open().await;
    prepare(&scene.store.platform).await.expect("prepared");
    let operators = scene.operators().await;
    scene.after(600).await;
    assert!(scene.firing(&operators).await.is_empty(), "nobody asked its engine yet");
    scene.machine_is("away").await;
    scene.look().await;
    scene.after(50).await;
    assert!(scene.firing(&operators).await.is_empty(), "not for a minute yet");
    scene.after(20).await;
    let firing = scene.firing(&operators).await;
    assert_eq!(firing.iter().map(|(rule, _)| rule.as_str()).collect::<Vec<_>>(), ["Machine does not answer"]);
    assert!(firing[0].1.contains("has not answered since the machine was added on"), "{}", firing[0].1);
    let mut write = scene.store.worker.change().await.expect("a transaction");
    write.exec("UPDATE machines SET removed_at = $1", args![scene.store.platform.now()]).await.expect("removed");
    write.finish().await.expect("kept");
    scene.after(10).await;
    assert!(scene.firing(&operators).await.is_empty(), "it is over at once");
    scene.after(600).await;
    assert!(scene.firing(&operators).await.is_empty());
}

#[tokio::test]
async fn the_time_in_which_no_portal_looked_does_not_count() {
    let scene = Scene::open().await;
    prepare(&scene.store.platform).await.expect("prepared");
    let operators = scene.operators().await;
    scene.machine_is("away").await;
    scene.look().await;
    scene.store.later(3_600);
    let entropy = Box::new(|buffer: &mut [u8]| getrandom::fill(buffer).expect("randomness"));
    let next = Platform::with(scene.store.db.clone(), Keys::of([7; 32]), scene.store.clock.clone(), entropy);
    #[expect(clippy::disallowed_methods, reason = "a test does what a loop does")]
    let worker = Worker::hire(&next, "test");
    work::evaluate(&worker).await.expect("a look");
    scene.store.later(50);
    work::evaluate(&worker).await.expect("a look");
    assert!(scene.firing(&operators).await.is_empty(), "it may have answered meanwhile");
    scene.store.later(20);
    work::evaluate(&worker).await.expect("a look");
    assert_eq!(scene.firing(&operators).await.len(), 1);
}

#[tokio::test]
async fn tasks_give_no_samples_only_while_they_run_on_a_machine_that_answers() {
    let scene = Scene::open().await;
    let form = RuleForm { name: "No samples".into(), kind: "absent".into(), of: "services".into(), after: "1m".into(), ..RuleForm::default() };
    scene.rule(form).await;
    scene.after(600).await;
    scene.after(600).await;
    assert!(scene.states().await.is_empty(), "nothing runs");
    scene.task_runs().await;
    scene.machine_is("away").await;
    scene.after(600).await;
    scene.after(600).await;
    assert!(scene.states().await.is_empty(), "that its machine is away is another alert");
    scene.machine_is("up").await;
    scene.look().await;
    assert!(scene.states().await.is_empty(), "samples may yet come");
    scene.after(60).await;
    assert_eq!(scene.states().await, [AlertState::Pending]);
    scene.after(60).await;
    assert_eq!(scene.states().await, [AlertState::Firing]);
    scene.machine_is("away").await;
    scene.look().await;
    assert_eq!(scene.states().await, [AlertState::Resolved]);
}

#[tokio::test]
async fn a_machine_that_answers_and_gives_no_samples_is_told_of_once_and_by_its_cause() {
    let scene = Scene::open().await;
    prepare(&scene.store.platform).await.expect("prepared");
    let operators = scene.operators().await;
    let rules = async || scene.firing(&operators).await.into_iter().map(|(rule, _)| rule).collect::<Vec<_>>();
    scene.machine_is("up").await;
    scene.look().await;
    scene.after(60).await;
    for _ in 0..4 {
        scene.after(60).await;
    }
    assert!(rules().await.is_empty(), "not for five minutes yet");
    scene.after(60).await;
    assert_eq!(rules().await, ["No samples"]);
    // It goes away: after a minute it is one alert, and another one.
    scene.machine_is("away").await;
    scene.look().await;
    scene.after(60).await;
    assert_eq!(rules().await, ["Machine does not answer"]);
}

#[tokio::test]
async fn a_certificate_that_an_engine_shows_is_told_of_twice_before_its_end() {
    let scene = Scene::open().await;
    prepare(&scene.store.platform).await.expect("prepared");
    let operators = scene.operators().await;
    let machine = scene.store.machine().await;
    let shows = async |days: u64| {
        let ends = scene.store.platform.now().plus(std::time::Duration::from_secs(days * 86_400));
        let up = Seen::Up {
            id: "E1".into(),
            version: "28.5".into(),
            api_version: "1.51".into(),
            os: "Debian".into(),
            cpus: 2,
            memory: 1 << 30,
            certificate_ends: Some(ends),
        };
        machines::seen(&scene.store.worker, &machine, &up).await.expect("recorded");
    };
    let rules = async || {
        let mut rules: Vec<String> = scene.firing(&operators).await.into_iter().map(|(rule, _)| rule).collect();
        rules.sort();
        rules
    };
    shows(15).await;
    scene.look().await;
    assert!(rules().await.is_empty());
    scene.after(2 * 86_400).await;
    assert_eq!(rules().await, ["Certificate runs out"]);
    scene.after(10 * 86_400 + 1).await;
    assert_eq!(rules().await, ["Certificate is about to end", "Certificate runs out"]);
    shows(90).await;
    scene.look().await;
    assert!(rules().await.is_empty(), "it was renewed");
}
