//! A world of the registry's doors and those of the API, and who stands before them who is not simply somebody with their password.

use std::collections::{BTreeMap, BTreeSet};

use domain::args;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::cast::{Cast, with_token};
use super::needs::{self, Part};
use super::world::World;
use crate::portal::{Person, TestPortal};

/// Who stands behind the cast here.
pub const FURTHER: [&str; 11] =
    ["visitor", "r-guest", "r-dev", "r-admin", "r-narrow", "r-other", "r-visit", "r-ended", "disabled", "t-pull", "t-deploy"];

/// Whether a caller comes to a project that is internal.
pub fn is_internal(name: &str) -> bool {
    matches!(name, "visitor" | "r-visit")
}

/// Makes a robot; it, as a caller.
async fn robot(builder: &Person, project: &str, wanted: Value) -> Person {
    let made = builder.post(&format!("/api/v1/projects/{project}/robots"), wanted).await.expect_status(StatusCode::CREATED).await;
    builder.named(made["username"].as_str().expect("a name"), made["secret"].as_str().expect("a secret"))
}

/// Those who are the same in every world.
pub struct Strangers {
    pub other: Person,
    disabled: Person,
    pull: Person,
    deploy: Person,
}

impl Strangers {
    /// Makes them.
    pub async fn gather(portal: &TestPortal, cast: &Cast) -> Self {
        let builder = cast.person(Cast::NAMES.len() - 1);
        builder.post("/api/v1/projects", json!({"name": "elsewhere"})).await.expect_status(StatusCode::CREATED).await;
        let other = robot(builder, "elsewhere", json!({"name": "ci", "role": "admin"})).await;
        let disabled = with_token(portal.new_person("dis").await).await;
        builder.patch("/api/v1/users/dis", json!({"disabled": true})).await.expect_status(StatusCode::OK).await;
        Self { other, disabled, pull: narrow(cast, "pull").await, deploy: narrow(cast, "deploy").await }
    }
}

/// The project's admin with a personal token of one scope.
async fn narrow(cast: &Cast, scope: &str) -> Person {
    let admin = cast.person(4).clone();
    let made = admin.post("/api/v1/me/tokens", json!({"name": scope, "scopes": [scope]})).await.expect_status(StatusCode::CREATED).await;
    admin.with_secret(made["secret"].as_str().expect("a secret"))
}

/// A world, and who stands before its doors.
pub struct Scene {
    pub world: World,
    internal: bool,
    /// What its doors plant in it.
    planted: &'static str,
    /// Those who came already.
    here: BTreeMap<&'static str, Person>,
}

impl Scene {
    /// Builds one of these parts, and the project in any case: the robots are its own.
    pub async fn build(portal: &TestPortal, cast: &Cast, mut parts: BTreeSet<Part>, internal: bool) -> Self {
        parts.insert(Part::Project);
        let world = World::build(portal, cast, parts).await;
        if internal {
            let path = format!("/api/v1/projects/{}", world.project);
            let builder = cast.person(Cast::NAMES.len() - 1);
            builder.patch(&path, json!({"internal": true})).await.expect_status(StatusCode::NO_CONTENT).await;
        }
        Self { world, internal, planted: "", here: BTreeMap::new() }
    }

    /// The caller of this name. They are made as their turn comes: most scenes meet a few.
    pub async fn caller(&mut self, portal: &TestPortal, cast: &Cast, strangers: &Strangers, name: &'static str) -> Person {
        if let Some(person) = self.here.get(name) {
            return person.clone();
        }
        let builder = cast.person(Cast::NAMES.len() - 1);
        let project = self.world.project.as_str();
        let person = match name {
            "visitor" => cast.person(1).clone(),
            "r-guest" => robot(builder, project, json!({"name": "guest", "role": "guest"})).await,
            "r-dev" => robot(builder, project, json!({"name": "dev", "role": "developer"})).await,
            "r-admin" => robot(builder, project, json!({"name": "admin", "role": "admin"})).await,
            "r-narrow" => robot(builder, project, json!({"name": "narrow", "role": "admin", "scopes": ["push"]})).await,
            "r-ended" => {
                let ended = robot(builder, project, json!({"name": "ended", "role": "admin"})).await;
                end(portal, project).await;
                ended
            }
            "r-other" | "r-visit" => strangers.other.clone(),
            "disabled" => {
                let path = format!("/api/v1/projects/{project}/members/dis");
                builder.put(&path, json!({"role": "admin"})).await.expect_status(StatusCode::CREATED).await;
                strangers.disabled.clone()
            }
            "t-pull" => strangers.pull.clone(),
            _ => strangers.deploy.clone(),
        };
        self.here.insert(name, person.clone());
        person
    }
}

/// The time of the robot `ended` is over.
#[expect(clippy::disallowed_methods, reason = "the clock of this portal does not move; the end is planted")]
async fn end(portal: &TestPortal, project: &str) {
    let mut write = portal.platform().bookkeeping().await.expect("a transaction");
    let sql = "UPDATE robots SET expires_at = $2 WHERE name = 'ended' AND project_id = (SELECT id FROM projects WHERE name = $1)";
    write.exec(sql, args![project, portal.platform().now()]).await.expect("an end");
    write.finish().await.expect("kept");
}

/// Scenes in which everybody was refused. A refusal changes nothing: they serve the next door that needs the same, and if something was changed
/// after all, the answers there tell.
#[derive(Default)]
pub struct Unchanged(Vec<Scene>);

impl Unchanged {
    /// A scene for this door.
    pub async fn take(&mut self, portal: &TestPortal, cast: &Cast, path: &str, internal: bool) -> Scene {
        let (mut parts, planted) = (needs::of(path), needs::planted(path));
        parts.insert(Part::Project);
        let fits = |scene: &Scene| scene.internal == internal && scene.planted == planted && scene.world.parts == parts;
        let found = self.0.iter().position(fits);
        match found {
            Some(at) => self.0.swap_remove(at),
            None => Scene { planted, ..Scene::build(portal, cast, parts, internal).await },
        }
    }

    /// Takes back the scene of this door.
    pub async fn give_back(&mut self, portal: &TestPortal, path: &str, scene: Scene) {
        if needs::serves_again(path) {
            self.0.push(scene);
        } else {
            scene.world.retire(portal).await;
        }
    }
}
