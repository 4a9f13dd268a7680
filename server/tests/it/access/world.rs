//! What doors lead to: a project with one of everything. Each change gets a world of its own, so that no answer depends on the one before.
//! What is planted in a world is there until a change is made, and with the change the world is spent.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::args;
use model::ids::{ProjectId, ShellId, TaskId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::cast::Cast;
use super::needs::Part;
use crate::portal::{PASSWORD, Person, TestPortal};
use crate::push::push;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A project with members, a repository, a service, a deployment, a task and somebody to be managed, or as much of it as a door needs. What it does
/// not hold has no name.
#[derive(Default)]
pub struct World {
    pub project: String,
    pub victim: String,
    pub digest: String,
    pub blob: String,
    pub deployment: String,
    pub task: String,
    /// A shell that the developer has open in the task; it is recorded.
    pub shell: String,
    pub copy: String,
    /// An environment and a machine of its own; they are made where a door is about them.
    pub place: String,
    pub machine: String,
    /// A template of the project; one of the whole site has the same name, where a door is about that.
    pub template: String,
    /// What it was built of.
    pub parts: BTreeSet<Part>,
    /// Whether its environment is there, its configuration, and the site's template.
    placed: Cell<bool>,
    configured: Cell<bool>,
    offered: Cell<bool>,
    /// The dry run of its rules that was accepted.
    reviewed: OnceCell<String>,
}

impl World {
    /// Builds one of these parts.
    pub async fn build(portal: &TestPortal, cast: &Cast, parts: BTreeSet<Part>) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut world = Self {
            project: format!("p{number}"),
            victim: format!("victim{number}"),
            place: format!("e{number}"),
            machine: format!("m{number}"),
            template: format!("t{number}"),
            ..Self::default()
        };
        // The operator of the cast builds: its token needs no hash.
        let builder = cast.person(Cast::NAMES.len() - 1);
        for part in &parts {
            world.add(*part, portal, builder).await;
        }
        world.parts = parts;
        world
    }

    async fn add(&mut self, part: Part, portal: &TestPortal, builder: &Person) {
        let project = format!("/api/v1/projects/{}", self.project);
        match part {
            Part::Project => {
                builder.post("/api/v1/projects", json!({"name": self.project})).await.expect_status(StatusCode::CREATED).await;
                plant_members(portal, &self.project).await;
            }
            Part::Victim => {
                let person = json!({"username": self.victim, "password": PASSWORD});
                builder.post("/api/v1/users", person).await.expect_status(StatusCode::CREATED).await;
                let path = format!("{project}/members/{}", self.victim);
                builder.put(&path, json!({"role": "guest"})).await.expect_status(StatusCode::CREATED).await;
            }
            Part::Image => {
                let pushed = push(builder, &format!("{}/web", self.project), "1", b"a layer").await;
                (self.digest, self.blob) = (pushed.manifest, pushed.layer);
            }
            Part::Robot => {
                let robot = json!({"name": "ci", "role": "developer", "expires_in_days": 30});
                builder.post(&format!("{project}/robots"), robot).await.expect_status(StatusCode::CREATED).await;
            }
            Part::Credential => {
                let credential = json!({"username": "u", "secret": "s"});
                let path = format!("{project}/registries/registry.example.com");
                builder.put(&path, credential).await.expect_status(StatusCode::NO_CONTENT).await;
            }
            Part::Service => {
                builder.post(&format!("{project}/services"), json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
            }
            Part::Template => {
                let path = format!("{project}/templates/{}", self.template);
                builder.put(&path, json!({"document": Self::document(&self.template)})).await.expect_status(StatusCode::CREATED).await;
            }
            Part::Deployment => {
                let wanted = json!({"template": format!("own/{}", self.template), "answers": {}});
                let path = format!("{project}/services/web/deployments");
                let deployed = builder.post(&path, wanted).await.expect_status(StatusCode::ACCEPTED).await;
                deployed["id"].as_str().expect("an id").clone_into(&mut self.deployment);
                let task = plant_task(portal, &self.deployment).await;
                self.task = task.to_string();
                self.shell = plant_shell(portal, task, Cast::account("developer")).await.to_string();
            }
            Part::CopyIn => self.copy = plant_copy(portal, &self.project, builder).await,
        }
    }

    /// Nothing is to be done for it any more: hundreds of worlds that wait for an engine would keep the portal busier than the callers do.
    #[expect(clippy::disallowed_methods, reason = "without an engine nothing comes to an end; the ends are planted")]
    pub async fn retire(&self, portal: &TestPortal) {
        const OWN: &str = "service_id IN (SELECT s.id FROM services s JOIN projects p ON p.id = s.project_id WHERE p.name = $1)";
        if !self.parts.contains(&Part::Service) {
            return;
        }
        let mut write = portal.platform().bookkeeping().await.expect("a transaction");
        for what in [
            "UPDATE tasks SET ended_at = created_at, removed_at = created_at WHERE ended_at IS NULL AND",
            "UPDATE deployments SET state = 'cancelled', finished_at = created_at WHERE finished_at IS NULL AND",
            "DELETE FROM desired WHERE",
        ] {
            write.exec(format!("{what} {OWN}"), args![&self.project]).await.expect("an end");
        }
        write.finish().await.expect("kept");
    }

    /// The smallest document of a template.
    pub fn document(name: &str) -> String {
        format!("name: {name}\ndescriptor: |\n  image: web:1\n")
    }
}

/// Sees to it that the world's template of the whole site is there. There are not so many as there are worlds.
pub async fn site_template(cast: &Cast, world: &World) {
    if world.offered.replace(true) {
        return;
    }
    let path = format!("/api/v1/templates/{}", world.template);
    let made = cast.person(Cast::NAMES.len() - 1).put(&path, json!({"document": World::document(&world.template)})).await;
    assert!(made.status().is_success(), "{path}: {}", made.status());
}

/// The cast's people, each in the role that they are called by.
#[expect(clippy::disallowed_methods, reason = "members of hundreds of projects; that a request lets people in is asked of the doors for it")]
async fn plant_members(portal: &TestPortal, project: &str) {
    let platform = portal.platform();
    let mut write = platform.bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO members (project_id, user_id, role, since)
               SELECT p.id, u.id, $1, $2 FROM projects p, users u WHERE p.name = $3 AND u.username = $4";
    for role in ["guest", "developer", "admin"] {
        let written = write.exec(sql, args![role, platform.now(), project, Cast::account(role)]).await.expect("a member");
        assert_eq!(written, 1, "{role}");
    }
    write.finish().await.expect("kept");
}

/// A copy that waits for long, so that no loop takes it up meanwhile.
#[expect(clippy::disallowed_methods, reason = "a copy that is asked for begins at once; this one is to stay as it is")]
async fn plant_copy(portal: &TestPortal, project: &str, builder: &Person) -> String {
    let asked = json!({"from": "registry.example.com/team/app:1", "to": "later:1"});
    let path = format!("/api/v1/projects/{project}/copies");
    let made = builder.post(&path, asked).await.expect_status(StatusCode::ACCEPTED).await;
    let id = made["id"].as_str().expect("an id").to_owned();
    let mut write = portal.platform().bookkeeping().await.expect("a transaction");
    let sql = "UPDATE copies SET state = 'queued', due_at = $2, finishing = FALSE, finished_at = NULL WHERE id = $1";
    write.exec(sql, args![&id, i64::MAX / 2]).await.expect("it waits");
    write.finish().await.expect("kept");
    id
}

/// A task as reconciliation would have made it; there is no engine here.
#[expect(clippy::disallowed_methods, reason = "without an engine nothing makes tasks; the rows are planted")]
pub async fn plant_task(portal: &TestPortal, deployment: &str) -> TaskId {
    let platform = portal.platform();
    let id: TaskId = platform.new_id();
    let mut write = platform.bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO tasks (id, service_id, environment_id, machine_id, revision_id, deployment_id, slot, state, health, container, restarts, created_at)
               SELECT $1, d.service_id, d.environment_id, (SELECT id FROM machines WHERE name = 'local'), d.revision_id, d.id, 1, 'running', 'none', 'c0ffee', 0, d.created_at
               FROM deployments d WHERE d.id = $2";
    write.exec(sql, args![id, deployment]).await.expect("a task");
    // The revision is the one that serves, so that it can be stopped, scaled and rolled back to.
    let sql = "UPDATE desired SET revision_id = (SELECT revision_id FROM deployments WHERE id = $1)
               WHERE service_id = (SELECT service_id FROM deployments WHERE id = $1)";
    write.exec(sql, args![deployment]).await.expect("a desired revision");
    write.finish().await.expect("kept");
    id
}

/// A shell that somebody has open in a task, and the beginning of its recording.
#[expect(clippy::disallowed_methods, reason = "without an engine no shell opens; the row is planted")]
pub async fn plant_shell(portal: &TestPortal, task: TaskId, account: &str) -> ShellId {
    let platform = portal.platform();
    let id: ShellId = platform.new_id();
    let mut write = platform.bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO shells (id, project_id, service_id, environment_id, task_id, machine_id, container, mark, opened_by_id, opened_by, address, why,
               opened_at, recorded, recording_bytes)
               SELECT $1, s.project_id, t.service_id, t.environment_id, t.id, t.machine_id, 'c0ffee', 'a mark', u.id, u.username, '192.0.2.7', 'a look', $4, $5, 0
               FROM tasks t JOIN services s ON s.id = t.service_id JOIN users u ON u.username = $3 WHERE t.id = $2 RETURNING project_id";
    let project: ProjectId = write.one(sql, args![id, task, account, platform.now(), true], |row| row.get("project_id")).await.expect("a shell");
    write.finish().await.expect("kept");
    let folder = portal.folder().join("recordings").join(project.to_string());
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(format!("{id}.cast")), RECORDING).expect("a recording");
    id
}

/// A recording whose portal was killed: its last line is cut.
pub const RECORDING: &str = concat!(
    r#"{"version":2,"width":91,"height":33,"timestamp":1795166400,"title":"dee in web.1","env":{"TERM":"xterm-256color"}}"#,
    "\n[0.5,\"o\",\"$ \"]\n[1.25,\"o\",\"ls\\r\\n\"]\n[2.0,\"o\",\"cut he"
);

/// A run of the registry's upkeep that has ended.
#[expect(clippy::disallowed_methods, reason = "a run that works would end or not while callers knock; the row is planted")]
pub async fn run(portal: &TestPortal) -> String {
    let id = portal.platform().new_id::<model::ids::RunId>().to_string();
    let mut write = portal.platform().bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO registry_runs (id, kind, dry_run, state, asked_by, started_at, ended_at, place, counts)
               VALUES ($1, 'collect', $2, 'done', 'admin', 1, 2, '', '{}')";
    write.exec(sql, args![&id, false]).await.expect("a run");
    write.finish().await.expect("kept");
    id
}

/// Sees to it that the world's environment is there, with its machine.
pub async fn environment(cast: &Cast, world: &World) {
    if world.placed.replace(true) {
        return;
    }
    let builder = cast.person(Cast::NAMES.len() - 1);
    let path = format!("/api/v1/environments/{}", world.place);
    let answer = builder.put(&path, json!({"registry_address": "10.0.0.5:3000", "projects": [world.project]})).await;
    assert!(answer.status().is_success(), "{}", answer.status());
    let path = format!("{path}/machines/{}", world.machine);
    let answer = builder.put(&path, json!({"engine": "unix:///nowhere.sock", "untested": true})).await;
    assert!(answer.status().is_success(), "{}", answer.status());
}

/// Lets pushes deploy the world's service in an environment that is there.
pub async fn push_rule(cast: &Cast, world: &World, place: &str) {
    let path = format!("/api/v1/projects/{}/services/web/push-rules/{place}", world.project);
    let answer = cast.person(Cast::NAMES.len() - 1).put(&path, json!({"repository": "web"})).await;
    assert!(answer.status().is_success(), "{}", answer.status());
}

/// Lets the world's deployment wait for an approval.
#[expect(clippy::disallowed_methods, reason = "its environment is not protected, so that it is deployed to; the state is planted")]
pub async fn waiting(portal: &TestPortal, world: &World) {
    let mut write = portal.platform().bookkeeping().await.expect("a transaction");
    let sql =
        "UPDATE deployments SET state = 'pending', expires_at = $2, finished_at = NULL, reason_code = NULL, reason_message = NULL WHERE id = $1";
    write.exec(sql, args![&world.deployment, i64::MAX / 2]).await.expect("it waits");
    write.finish().await.expect("kept");
}

/// How many audit records there are.
#[expect(clippy::disallowed_methods, reason = "the count is what the test is about")]
pub async fn records(portal: &TestPortal) -> i64 {
    let mut tx = portal.platform().read().await.expect("a transaction");
    tx.one("SELECT COUNT(*) AS n FROM audit", args![], |row| row.get("n")).await.expect("a count")
}

/// Gives the world's project rules for images and puts them in force, once; the dry run that was accepted.
pub async fn rules_in_force(cast: &Cast, world: &World) -> String {
    if let Some(run) = world.reviewed.get() {
        return run.clone();
    }
    let builder = cast.person(Cast::NAMES.len() - 1);
    let path = format!("/api/v1/projects/{}/image-rules", world.project);
    let rules = json!({"immutable": [{"name": "first", "tags": "w*"}], "retention": {"rules": [{"name": "first", "keep": [{"newest": 3}]}]}});
    builder.put(&path, rules).await.expect_status(StatusCode::OK).await;
    let run = builder.post(&format!("{path}/dry-run?wait=60"), json!({})).await.expect_status(StatusCode::ACCEPTED).await;
    builder.post(&format!("{path}/activate"), json!({"dry_run": run["id"]})).await.expect_status(StatusCode::OK).await;
    let run = run["id"].as_str().expect("an id");
    world.reviewed.get_or_init(|| run.to_owned()).clone()
}

/// Gives the world's project and service one entry of each sort, once.
pub async fn configured(cast: &Cast, world: &World) {
    if world.configured.replace(true) {
        return;
    }
    let builder = cast.person(Cast::NAMES.len() - 1);
    let project = format!("/api/v1/projects/{}", world.project);
    for base in [project.clone(), format!("{project}/services/web")] {
        for (path, body) in [
            ("variables/LOG_LEVEL", json!({"value": "info"})),
            ("configs/app.conf", json!({"content": "x"})),
            ("secrets/db_password", json!({"value": "s"})),
        ] {
            builder.put(&format!("{base}/{path}"), body).await.expect_status(StatusCode::OK).await;
        }
    }
}

/// An upload of the caller's own, where they may push; a made-up one elsewhere.
pub async fn upload(portal: &TestPortal, cast: &Cast, caller: usize, world: &World) -> String {
    let path = format!("/v2/{}/web/blobs/uploads/", world.project);
    let begun = cast.person(caller).request(Method::POST, &path).send().await.expect("an answer");
    match begun.headers().get("location") {
        Some(location) if begun.status() == StatusCode::ACCEPTED => {
            let text = location.to_str().expect("a location");
            text.rsplit('/').next().and_then(|last| last.split('?').next()).expect("an upload").to_owned()
        }
        _ => portal.platform().new_id::<model::ids::UploadId>().to_string(),
    }
}

/// The first of the caller's own sessions or tokens, made where there is none.
pub async fn own(cast: &Cast, caller: usize, kind: &str) -> String {
    // Robots and narrow tokens have none, and may make none.
    if caller == 0 || caller >= Cast::NAMES.len() {
        return String::from("0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11");
    }
    let person = cast.person(caller);
    if kind == "tokens" {
        let body = json!({"name": "spare", "scopes": ["read"]});
        let made = person.post("/api/v1/me/tokens", body).await.expect_status(StatusCode::CREATED).await;
        return made["token"]["id"].as_str().expect("an id").to_owned();
    }
    let list: Value = person.get("/api/v1/me/sessions").await.expect_status(StatusCode::OK).await;
    list["items"][0]["id"].as_str().expect("a session").to_owned()
}
