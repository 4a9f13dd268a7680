//! Alerts of parts that are there no more: a mount, a name that an application tells, what a rule is about.

use model::ids::MachineId;

use super::*;

impl Scene {
    /// For so long the application tells these numbers, and every ten seconds somebody looks.
    pub(super) async fn tells(&self, numbers: &[(String, f64)], seconds: u64) {
        for _ in 0..seconds / 10 {
            self.store.later(10);
            let member = Some(Member { task: self.task, slot: 2, revision: 1 });
            let told = numbers.iter().map(|(name, number)| Value::labelled(Metric::AppGauge, name.clone(), *number));
            let values = std::iter::once(Value::new(Metric::MemoryWorkingSet, 100.0)).chain(told).collect();
            self.samples.append(self.store.platform.now().0, &[Sample { key: self.key, member, values }]).expect("kept");
            self.look().await;
        }
    }

    /// For so long these file systems of the machine are so full, in per cent.
    async fn disks(&self, machine: MachineId, disks: &[(&'static str, f64)], seconds: u64) {
        for _ in 0..seconds / 10 {
            self.store.later(10);
            let sizes = disks.iter().map(|(mount, _)| Value::labelled(Metric::DiskSize, *mount, 100.0));
            let used = disks.iter().map(|(mount, full)| Value::labelled(Metric::DiskUsed, *mount, *full));
            let values = std::iter::once(Value::new(Metric::Load1, 1.0)).chain(sizes).chain(used).collect();
            self.samples.append(self.store.platform.now().0, &[Sample { key: Key::Machine(machine), member: None, values }]).expect("kept");
            self.look().await;
        }
    }

    /// What fires, by part.
    async fn parts(&self, may: &Seeing) -> Vec<String> {
        let firing = list(&self.store.platform, may, Some(AlertState::Firing), &PageRequest::default()).await.expect("alerts").items;
        let mut parts: Vec<String> = firing.into_iter().map(|alert| alert.subject.part).collect();
        parts.sort();
        parts
    }

    /// A rule for what the application tells, of one name or of each.
    async fn queue_rule(&self, label: &str) {
        self.rule(queue_form(label)).await;
    }

    /// The only rule says something else.
    async fn change_the_rule(&self, form: RuleForm) {
        let rule = list_rules(&self.store.platform, &self.seeing).await.expect("rules").items[0].id;
        update_rule(&self.store.platform, &self.managing, rule, &form).await.expect("changed");
        self.look().await;
    }
}

fn queue_form(label: &str) -> RuleForm {
    RuleForm {
        name: "Queue".into(),
        kind: "threshold".into(),
        metric: "app_gauge".into(),
        label: label.into(),
        value: "10".into(),
        resolve_after: "1m".into(),
        ..RuleForm::default()
    }
}

fn numbers(of: &[&str]) -> Vec<(String, f64)> {
    of.iter().map(|name| ((*name).to_owned(), 99.0)).collect()
}

#[tokio::test]
async fn a_mount_that_is_gone_is_calm_and_one_that_nobody_samples_is_not() {
    let scene = Scene::open().await;
    let oda = scene.store.person("oda", true).await;
    let platform = &scene.store.platform;
    let (seeing, managing) = (Seeing::of(platform, &oda, None).await.expect("allowed"), Managing::of(platform, &oda, None).await.expect("allowed"));
    let form = RuleForm {
        name: "Disk".into(),
        kind: "threshold".into(),
        of: "machines".into(),
        metric: "disk_used".into(),
        value: "90 %".into(),
        resolve_after: "2m".into(),
        ..RuleForm::default()
    };
    create_rule(platform, &managing, &form).await.expect("a rule");
    let machine = scene.store.machine().await.id;
    scene.disks(machine, &[("/", 50.0), ("/data", 99.0)], 100).await;
    assert_eq!(scene.parts(&seeing).await, ["/data"]);
    // Nothing at all is sampled: nobody knows.
    for _ in 0..60 {
        scene.store.later(10);
        scene.look().await;
    }
    assert_eq!(scene.parts(&seeing).await, ["/data"]);
    // The machine is back without it: as calm as any other that does not hold, and for as long.
    scene.disks(machine, &[("/", 50.0)], 120).await;
    assert_eq!(scene.parts(&seeing).await, ["/data"]);
    scene.disks(machine, &[("/", 50.0)], 20).await;
    assert!(scene.parts(&seeing).await.is_empty());
}

#[tokio::test]
async fn a_name_that_the_application_does_not_tell_any_more_is_over_after_a_while() {
    let scene = Scene::open().await;
    scene.queue_rule("").await;
    scene.tells(&numbers(&["jobs", "mails"]), 100).await;
    assert_eq!(scene.parts(&scene.seeing).await, ["jobs", "mails"]);
    scene.tells(&numbers(&["mails"]), 60).await;
    assert_eq!(scene.parts(&scene.seeing).await, ["jobs", "mails"], "its last number is fresh");
    scene.tells(&numbers(&["mails"]), 100).await;
    assert_eq!(scene.parts(&scene.seeing).await, ["mails"]);
}

#[tokio::test]
async fn what_a_rule_is_not_about_any_more_is_over() {
    let scene = Scene::open().await;
    scene.queue_rule("").await;
    scene.tells(&numbers(&["jobs", "mails"]), 100).await;
    scene.change_the_rule(queue_form("mails")).await;
    assert_eq!(scene.parts(&scene.seeing).await, ["mails"], "at once");
    // Another figure: there is nothing that is called so, and nothing that is wrong.
    let memory = RuleForm { metric: "memory_working_set".into(), label: String::new(), value: "1GiB".into(), ..queue_form("") };
    scene.change_the_rule(memory).await;
    scene.tells(&numbers(&["jobs", "mails"]), 50).await;
    assert_eq!(scene.parts(&scene.seeing).await, ["mails"], "for as long as the rule says");
    scene.tells(&numbers(&["jobs", "mails"]), 20).await;
    assert!(scene.parts(&scene.seeing).await.is_empty());
    // Another kind.
    scene.change_the_rule(queue_form("")).await;
    assert_eq!(scene.parts(&scene.seeing).await, ["jobs", "mails"]);
    scene.change_the_rule(RuleForm { name: "Queue".into(), kind: "unhealthy".into(), ..RuleForm::default() }).await;
    assert!(scene.parts(&scene.seeing).await.is_empty(), "at once");
}
