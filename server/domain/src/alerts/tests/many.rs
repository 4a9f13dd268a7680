//! Many alerts: one rule has only so many of them, and nobody else's are kept from beginning.

use model::alerts::OPEN_MOST;

use super::*;

/// How many names the application tells; each is wrong by each rule.
const NAMES: usize = OPEN_MOST + 30;

fn form(name: &str) -> RuleForm {
    RuleForm { name: name.into(), kind: "threshold".into(), metric: "app_gauge".into(), value: "10".into(), ..RuleForm::default() }
}

fn numbers(value: f64) -> Vec<(String, f64)> {
    (0..NAMES).map(|number| (format!("queue_{number:03}"), value)).collect()
}

impl Scene {
    /// How many alerts fire by this rule.
    async fn count(&self, may: &Seeing, rule: &str) -> usize {
        let (platform, mut all, mut after) = (&self.store.platform, 0, None);
        loop {
            let page = list(platform, may, Some(AlertState::Firing), &PageRequest { after, limit: Some(200) }).await.expect("alerts");
            all += page.items.iter().filter(|alert| alert.rule == rule).count();
            if page.next.is_none() {
                return all;
            }
            after = page.next;
        }
    }

    /// What each rule leaves out, by name.
    async fn left_out(&self, may: &Seeing) -> Vec<i64> {
        list_rules(&self.store.platform, may).await.expect("rules").items.into_iter().map(|rule| rule.left_out).collect()
    }

    /// Another project, of which a service tells the same.
    async fn another_project(&self) -> (Seeing, Key) {
        let platform = &self.store.platform;
        let ben = self.store.person("ben", false).await;
        let name = self.store.project("post", &ben, Role::Admin).await;
        let seeing = Seeing::of(platform, &ben, Some(&name)).await.expect("allowed");
        let (project, service): (_, ServiceId) = (seeing.project_id().expect("a project"), platform.new_id());
        let mut write = self.store.worker.change().await.expect("a transaction");
        let sql = "INSERT INTO services (id, project_id, name, created_at, created_by) VALUES ($1, $2, 'mail', 1, 'ben')";
        write.exec(sql, args![service, project]).await.expect("a service");
        let sql = "INSERT INTO desired (service_id, environment_id, state, updated_at) VALUES ($1, $2, 'running', 1)";
        write.exec(sql, args![service, self.environment]).await.expect("it runs");
        write.finish().await.expect("kept");
        (seeing, Key::Service { project, service, environment: self.environment })
    }
}

#[tokio::test]
async fn a_rule_has_so_many_alerts_says_what_it_leaves_out_and_other_rules_have_theirs() {
    let scene = Scene::open().await;
    scene.rule(form("One")).await;
    scene.rule(form("Two")).await;
    scene.tells(&numbers(99.0), 10).await;
    for rule in ["One", "Two"] {
        assert_eq!(scene.count(&scene.seeing, rule).await, OPEN_MOST, "{rule}");
    }
    assert_eq!(scene.left_out(&scene.seeing).await, [30, 30]);
    let first = scene.alerts().await;
    scene.tells(&numbers(99.0), 30).await;
    assert_eq!(scene.alerts().await, first, "the same ones are left out each time");
    scene.tells(&numbers(1.0), 10).await;
    assert_eq!(scene.count(&scene.seeing, "One").await, 0);
    assert_eq!(scene.left_out(&scene.seeing).await, [0, 0]);
}

#[tokio::test]
async fn what_one_project_has_too_much_of_keeps_no_other_from_being_told() {
    let scene = Scene::open().await;
    let platform = &scene.store.platform;
    let oda = scene.store.person("oda", true).await;
    let (seeing, managing) = (Seeing::of(platform, &oda, None).await.expect("allowed"), Managing::of(platform, &oda, None).await.expect("allowed"));
    create_rule(platform, &managing, &form("Site")).await.expect("a rule");
    scene.tells(&numbers(99.0), 10).await;
    assert_eq!(scene.count(&seeing, "Site").await, OPEN_MOST);
    let (theirs, key) = scene.another_project().await;
    let member = Some(Member { task: platform.new_id(), slot: 1, revision: 1 });
    let values = vec![Value::labelled(Metric::AppGauge, "letters", 99.0)];
    scene.samples.append(platform.now().0, &[Sample { key, member, values }]).expect("kept");
    scene.tells(&numbers(99.0), 10).await;
    assert_eq!(scene.count(&theirs, "Site").await, 1);
    assert_eq!(scene.left_out(&seeing).await, [30]);
}
