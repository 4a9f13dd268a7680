//! The registry's doors and those of the API, knocked at by those who are not simply people with their password: robots of each role, robots of
//! elsewhere, robots and people whose time is over, narrow tokens, and visitors of an internal project. And the registry's doors once more with
//! the tokens of `/auth/token`, as docker does.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use model::names::AccountName;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::cast::Cast;
use super::scene::{FURTHER, Scene, Strangers, Unchanged, is_internal};
use super::world::{self, World};
use super::{LEAVE_NO_RECORD, doors, needs, samples, spends};
use crate::portal::{Person, TestPortal};

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
    let private = Scene::build(&portal, &cast, needs::everything(), false).await;
    let mut shared = [private, Scene::build(&portal, &cast, needs::everything(), true).await];
    let mut unchanged = Unchanged::default();
    let machine = |path: &str| path.starts_with("/v2") || path.starts_with("/auth/") || path.starts_with("/api/v1/");
    let mut picture = head(&FURTHER);
    for (method, path) in doors(&portal).into_iter().filter(|(_, path)| machine(path)) {
        let door = format!("{method} {path}");
        let _ = write!(picture, "{door:<90}");
        let mut fresh: [Option<Scene>; 2] = [None, None];
        for name in FURTHER {
            let side = usize::from(is_internal(name));
            if method != "GET" && fresh[side].is_none() {
                fresh[side] = Some(unchanged.take(&portal, &cast, &path, side == 1).await);
            }
            let scene = fresh[side].as_mut().unwrap_or(&mut shared[side]);
            let caller = scene.caller(&portal, &cast, &strangers, name).await;
            cast.enlist(caller);
            let request = samples::request(&portal, &mut cast, Cast::NAMES.len(), &scene.world, &method, &path).await;
            let request = request.unwrap_or_else(|| panic!("{door} has no sample"));
            let before = world::records(&portal).await;
            forget_failures(&portal);
            let status = request.send().await.expect("an answer").status();
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{door} as {name}");
            let _ = write!(picture, "{:<10}", status.as_u16());
            if method != "GET" && status.is_success() {
                if spends(&door)
                    && let Some(spent) = fresh[side].take()
                {
                    spent.world.retire(&portal).await;
                }
                let recorded = world::records(&portal).await > before || LEAVE_NO_RECORD.contains(&door.as_str());
                assert!(recorded, "{door} as {name} left no audit record");
            }
        }
        for scene in fresh.into_iter().flatten() {
            unchanged.give_back(&portal, &path, scene).await;
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
    let mut unchanged = Unchanged::default();
    let only: BTreeSet<_> = doors(&portal).into_iter().filter(|(_, path)| path.starts_with("/v2/{name}")).collect();
    for (method, path) in only {
        let door = format!("{method} {path}");
        let _ = write!(picture, "{door:<90}");
        let mut fresh: [Option<Scene>; 2] = [None, None];
        for (at, name) in names.iter().copied().enumerate() {
            let side = usize::from(is_internal(name));
            if fresh[side].is_none() {
                fresh[side] = Some(unchanged.take(&portal, &cast, &path, side == 1).await);
            }
            let scene = fresh[side].as_mut().expect("built");
            let own = format!("{}/web", scene.world.project);
            let (person, repository, actions) = match name {
                "only pull" => (cast.person(4).clone(), own, "pull"),
                "elsewhere" => (cast.person(4).clone(), format!("{}/other", scene.world.project), "pull,push,delete"),
                _ if at < Cast::NAMES.len() => (cast.person(at).clone(), own, "pull,push,delete"),
                _ => (scene.caller(&portal, &cast, &strangers, name).await, own, "pull,push,delete"),
            };
            forget_failures(&portal);
            cast.enlist(person.bearing(&token(&person, &repository, actions).await));
            let request = samples::request(&portal, &mut cast, Cast::NAMES.len(), &scene.world, &method, &path).await.expect("a sample");
            let status = request.send().await.expect("an answer").status();
            let _ = write!(picture, "{:<10}", status.as_u16());
            if method != "GET"
                && status.is_success()
                && let Some(spent) = fresh[side].take()
            {
                spent.world.retire(&portal).await;
            }
        }
        for scene in fresh.into_iter().flatten() {
            unchanged.give_back(&portal, &path, scene).await;
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
    let world = World::build(&portal, &cast, needs::everything()).await;
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
