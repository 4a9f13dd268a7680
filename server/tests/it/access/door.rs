//! The registry's doors and those of the API, knocked at by those who are not simply people with their password: robots of each role, robots of
//! elsewhere, robots and people whose time is over, narrow tokens, and visitors of an internal project. And the registry's doors once more with
//! the tokens of `/auth/token`, as docker does.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use domain::args;
use model::names::AccountName;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::cast::{Cast, with_token};
use super::world::{self, World};
use super::{LEAVE_NO_RECORD, doors, samples};
use crate::portal::{Person, TestPortal};

/// Who stands behind the cast here.
const FURTHER: [&str; 11] = ["visitor", "r-guest", "r-dev", "r-admin", "r-narrow", "r-other", "r-visit", "r-ended", "disabled", "t-pull", "t-deploy"];

/// Callers whose world is internal.
const INTERNAL: [&str; 2] = ["visitor", "r-visit"];

/// Makes a robot; it, as a caller.
async fn robot(builder: &Person, project: &str, wanted: Value) -> Person {
    let made = builder.post(&format!("/api/v1/projects/{project}/robots"), wanted).await.expect_status(StatusCode::CREATED).await;
    builder.named(made["username"].as_str().expect("a name"), made["secret"].as_str().expect("a secret"))
}

/// Those who are the same in every world.
struct Strangers {
    other: Person,
    disabled: Person,
    pull: Person,
    deploy: Person,
}

impl Strangers {
    async fn gather(portal: &TestPortal, cast: &Cast) -> Self {
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
struct Scene {
    world: World,
    further: Vec<Person>,
}

impl Scene {
    async fn build(portal: &TestPortal, cast: &Cast, strangers: &Strangers, with_victim: bool, internal: bool) -> Self {
        let world = World::build(portal, cast, with_victim).await;
        let builder = cast.person(Cast::NAMES.len() - 1);
        let project = world.project.as_str();
        if internal {
            let path = format!("/api/v1/projects/{project}");
            builder.patch(&path, json!({"internal": true})).await.expect_status(StatusCode::NO_CONTENT).await;
        }
        let path = format!("/api/v1/projects/{project}/members/dis");
        builder.put(&path, json!({"role": "admin"})).await.expect_status(StatusCode::CREATED).await;
        let mut further = Vec::new();
        for name in FURTHER {
            further.push(match name {
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
                "disabled" => strangers.disabled.clone(),
                "t-pull" => strangers.pull.clone(),
                _ => strangers.deploy.clone(),
            });
        }
        Self { world, further }
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

/// Lets so much time pass that nobody who is refused has to wait.
fn forget_failures(portal: &TestPortal) {
    portal.clock.as_ref().expect("a clock").advance(Duration::from_secs(3600));
}

fn head(names: &[&str]) -> String {
    format!("{:<90}{}\n", "", names.iter().map(|name| format!("{name:<10}")).collect::<String>())
}

fn trimmed(picture: &str) -> String {
    picture.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[tokio::test]
async fn robots_and_narrow_tokens_are_answered_as_designed() {
    let portal = TestPortal::start_with_clock().await;
    let mut cast = Cast::gather(&portal).await;
    let strangers = Strangers::gather(&portal, &cast).await;
    let private = Scene::build(&portal, &cast, &strangers, true, false).await;
    let shared = [private, Scene::build(&portal, &cast, &strangers, true, true).await];
    let machine = |path: &str| path.starts_with("/v2") || path.starts_with("/auth/") || path.starts_with("/api/v1/");
    let mut picture = head(&FURTHER);
    for (method, path) in doors(&portal).into_iter().filter(|(_, path)| machine(path)) {
        let door = format!("{method} {path}");
        let _ = write!(picture, "{door:<90}");
        let mut fresh: [Option<Scene>; 2] = [None, None];
        for (at, name) in FURTHER.iter().enumerate() {
            let side = usize::from(INTERNAL.contains(name));
            if method != "GET" && fresh[side].is_none() {
                fresh[side] = Some(Scene::build(&portal, &cast, &strangers, samples::needs_victim(&path), side == 1).await);
            }
            let scene = fresh[side].as_ref().unwrap_or(&shared[side]);
            cast.enlist(scene.further.clone());
            let request = samples::request(&portal, &mut cast, Cast::NAMES.len() + at, &scene.world, &method, &path).await;
            let request = request.unwrap_or_else(|| panic!("{door} has no sample"));
            let before = world::records(&portal).await;
            forget_failures(&portal);
            let status = request.send().await.expect("an answer").status();
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{door} as {name}");
            let _ = write!(picture, "{:<10}", status.as_u16());
            if method != "GET" && status.is_success() {
                if let Some(spent) = fresh[side].take() {
                    spent.world.retire(&portal).await;
                }
                let recorded = world::records(&portal).await > before || LEAVE_NO_RECORD.contains(&door.as_str());
                assert!(recorded, "{door} as {name} left no audit record");
            }
        }
        for spent in fresh.into_iter().flatten() {
            spent.world.retire(&portal).await;
        }
        picture.push('\n');
    }
    insta::assert_snapshot!(trimmed(&picture));
}

/// The token that docker would bring: asked for with these actions on this repository.
async fn token(person: &Person, repository: &str, actions: &str) -> String {
    let path = format!("/auth/token?service=slipway&scope=repository:{repository}:{actions}");
    let answer = person.get(&path).await;
    if answer.status() != StatusCode::OK {
        return String::from("none");
    }
    let answer = answer.expect_status(StatusCode::OK).await;
    answer["token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn tokens_of_the_registry_are_answered_as_designed() {
    let portal = TestPortal::start_with_clock().await;
    let mut cast = Cast::gather(&portal).await;
    let strangers = Strangers::gather(&portal, &cast).await;
    let narrowed = ["only pull", "elsewhere"];
    let names: Vec<&str> = Cast::NAMES.into_iter().chain(FURTHER).chain(narrowed).collect();
    let mut picture = head(&names);
    let only: BTreeSet<_> = doors(&portal).into_iter().filter(|(_, path)| path.starts_with("/v2/{name}")).collect();
    for (method, path) in only {
        let door = format!("{method} {path}");
        let _ = write!(picture, "{door:<90}");
        let mut fresh: [Option<Scene>; 2] = [None, None];
        for (at, name) in names.iter().enumerate() {
            let side = usize::from(INTERNAL.contains(name));
            if fresh[side].is_none() {
                fresh[side] = Some(Scene::build(&portal, &cast, &strangers, false, side == 1).await);
            }
            let scene = fresh[side].as_ref().expect("built");
            cast.enlist(scene.further.clone());
            let own = format!("{}/web", scene.world.project);
            forget_failures(&portal);
            let (person, repository, actions) = match *name {
                "only pull" => (cast.person(4), own, "pull"),
                "elsewhere" => (cast.person(4), format!("{}/other", scene.world.project), "pull,push,delete"),
                _ => (cast.person(at), own, "pull,push,delete"),
            };
            let bearer = person.bearing(&token(person, &repository, actions).await);
            cast.enlist([scene.further.clone(), vec![bearer]].concat());
            let caller = Cast::NAMES.len() + FURTHER.len();
            let request = samples::request(&portal, &mut cast, caller, &scene.world, &method, &path).await.expect("a sample");
            let status = request.send().await.expect("an answer").status();
            let _ = write!(picture, "{:<10}", status.as_u16());
            if method != "GET"
                && status.is_success()
                && let Some(spent) = fresh[side].take()
            {
                spent.world.retire(&portal).await;
            }
        }
        for spent in fresh.into_iter().flatten() {
            spent.world.retire(&portal).await;
        }
        picture.push('\n');
    }
    insta::assert_snapshot!(trimmed(&picture));
}

#[tokio::test]
async fn what_is_hidden_is_answered_as_what_is_not_there() {
    let portal = TestPortal::start().await;
    let cast = Cast::gather(&portal).await;
    let strangers = Strangers::gather(&portal, &cast).await;
    let world = World::build(&portal, &cast, false).await;
    // As long as the other one, so that nothing but the name can differ.
    let missing = world.project.replace('p', "q");
    let robot = AccountName::of_robot(&"elsewhere".parse().expect("a name"), &"ci".parse().expect("a name"));
    for (who, person) in [("stranger", cast.person(1)), (robot.as_str(), &strangers.other)] {
        let hidden_token = person.bearing(&token(person, &format!("{}/web", world.project), "pull,push,delete").await);
        let missing_token = person.bearing(&token(person, &format!("{missing}/web"), "pull,push,delete").await);
        for (method, path) in registry::ENDPOINTS.iter().map(|door| (door.method, door.path)).filter(|(_, path)| path.contains("{name}")) {
            let place = |project: &str| {
                let upload = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11";
                let path = path.replace("{name}", &format!("{project}/web")).replace("{reference}", "1").replace("{upload}", upload);
                path.replace("{digest}", &world.blob)
            };
            let method: Method = method.parse().expect("a method");
            for (hidden, not_there) in [(person, person), (&hidden_token, &missing_token)] {
                let (hidden, hidden_kind) = answer(hidden, &method, &place(&world.project)).await;
                let (not_there, _) = answer(not_there, &method, &place(&missing)).await;
                assert_eq!(hidden.replace(&world.project, "X"), not_there.replace(&missing, "X"), "{method} {path} as {who}");
                assert_eq!(hidden_kind, "NAME_UNKNOWN", "{method} {path} as {who}: {hidden}");
            }
        }
    }
}

/// All of an answer but when it was made and its number, and its error's code.
async fn answer(person: &Person, method: &Method, path: &str) -> (String, String) {
    let response = person.request(method.clone(), path).send().await.expect("an answer");
    let mut text = response.status().to_string();
    for (name, value) in response.headers() {
        if name != "date" && name != "x-request-id" {
            let _ = write!(text, "\n{name}: {}", value.to_str().expect("readable"));
        }
    }
    let body = response.text().await.expect("a body");
    let code = serde_json::from_str::<Value>(&body).map(|body| body["errors"][0]["code"].as_str().unwrap_or_default().to_owned());
    (format!("{text}\n\n{body}"), code.unwrap_or_default())
}
