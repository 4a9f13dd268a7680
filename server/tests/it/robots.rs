//! Robots, as CI uses them and project admins manage them.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::portal::{PASSWORD, Person, TestPortal};
use crate::push::{digest_of, push, push_blob};

const ROBOTS: &str = "/api/v1/projects/shop/robots";
const DAY: Duration = Duration::from_secs(86_400);

/// A portal with the project `shop`, its admin `ana`, its developer `dev`, and a clock.
async fn shop() -> (TestPortal, Person) {
    let portal = TestPortal::start_with_clock().await;
    let ana = portal.new_person("ana").await;
    portal.new_person("dev").await;
    ana.post("/api/v1/projects", json!({"name": "shop"})).await.expect_status(StatusCode::CREATED).await;
    ana.put("/api/v1/projects/shop/members/dev", json!({"role": "developer"})).await.expect_status(StatusCode::CREATED).await;
    (portal, ana)
}

fn later(portal: &TestPortal, span: Duration) {
    portal.clock.as_ref().expect("a clock").advance(span);
}

async fn make(admin: &Person, wanted: Value) -> Value {
    admin.post(ROBOTS, wanted).await.expect_status(StatusCode::CREATED).await
}

/// The robot as a caller with Basic credentials.
fn as_caller(person: &Person, made: &Value) -> Person {
    person.named(made["username"].as_str().expect("a name"), made["secret"].as_str().expect("a secret"))
}

/// What docker does: a token for these actions, and who bears it.
async fn docker(robot: &Person, repository: &str, actions: &str) -> Person {
    let path = format!("/auth/token?account=robot&service=slipway&scope=repository:{repository}:{actions}");
    let answer = robot.get(&path).await.expect_status(StatusCode::OK).await;
    robot.bearing(answer["token"].as_str().expect("a token"))
}

async fn status(person: &Person, method: Method, path: &str) -> u16 {
    person.request(method, path).send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn a_robot_is_made_used_changed_and_ended() {
    let (portal, ana) = shop().await;
    let made = make(&ana, json!({"name": "ci", "role": "developer", "expires_in_days": 30, "description": "builds"})).await;
    assert_eq!((made["username"].as_str(), made["created_by"].as_str()), (Some("robot-shop.ci"), Some("ana")));
    assert_eq!(made["scopes"], json!(["read", "pull", "push", "deploy"]));
    let secret = made["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("slr_") && secret.len() == 44);

    let robot = as_caller(&ana, &made);
    push(&robot, "shop/web", "1", b"a layer").await;
    let tags = robot.get("/api/v1/projects/shop/repositories/web/tags").await.expect_status(StatusCode::OK).await;
    assert!(tags.to_string().contains("robot-shop.ci"), "who pushed is told: {tags}");
    let bearer = portal.nobody().bearing(secret);
    bearer.post("/api/v1/projects/shop/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
    assert_eq!(status(&bearer, Method::GET, "/v2/shop/web/manifests/1").await, 200);
    let me = bearer.get("/api/v1/me").await.expect_status(StatusCode::OK).await;
    assert_eq!((me["username"].as_str(), me["operator"].as_bool()), (Some("robot-shop.ci"), Some(false)));

    later(&portal, DAY);
    robot.get("/api/v1/projects/shop").await.expect_status(StatusCode::OK).await;
    let listed = ana.get(ROBOTS).await.expect_status(StatusCode::OK).await;
    let seen = &listed["items"][0];
    assert!(seen["secret"].is_null() && !listed.to_string().contains(secret), "a secret is shown once: {listed}");
    assert_eq!(seen["used_at"].as_i64(), seen["created_at"].as_i64().map(|at| at + 86_400_000));
    later(&portal, Duration::from_secs(59));
    robot.get("/api/v1/projects/shop").await.expect_status(StatusCode::OK).await;
    let one = ana.get(&format!("{ROBOTS}/ci")).await.expect_status(StatusCode::OK).await;
    assert_eq!(one["used_at"], seen["used_at"], "to the minute");

    let changed = ana.patch(&format!("{ROBOTS}/ci"), json!({"role": "guest", "description": "pulls", "expires_in_days": null})).await;
    let changed = changed.expect_status(StatusCode::OK).await;
    assert_eq!((changed["scopes"].clone(), changed["expires_at"].clone()), (json!(["read", "pull"]), Value::Null));
    assert_eq!(status(&robot, Method::POST, "/v2/shop/web/blobs/uploads/").await, 403);
    ana.patch(&format!("{ROBOTS}/ci"), json!({"disabled": true})).await.expect_status(StatusCode::OK).await;
    assert_eq!(status(&robot, Method::GET, "/v2/shop/web/manifests/1").await, 401);
    ana.patch(&format!("{ROBOTS}/ci"), json!({"disabled": false})).await.expect_status(StatusCode::OK).await;
    assert_eq!(status(&robot, Method::GET, "/v2/shop/web/manifests/1").await, 200);
    ana.delete(&format!("{ROBOTS}/ci")).await.expect_status(StatusCode::NO_CONTENT).await;
    assert_eq!(status(&robot, Method::GET, "/v2/shop/web/manifests/1").await, 401);
    ana.delete(&format!("{ROBOTS}/ci")).await.expect_status(StatusCode::NOT_FOUND).await;

    let audit = ana.get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await;
    let records = audit["items"].as_array().expect("records");
    let service = records.iter().find(|record| record["action"] == "service.create").expect("what the robot did");
    assert_eq!((service["actor"].as_str(), service["door"].as_str()), (Some("robot-shop.ci"), Some("robot")));
    for action in ["robot.create", "robot.update", "robot.delete"] {
        assert!(records.iter().any(|record| record["action"] == action && record["target"] == "robot-shop.ci"), "{action}");
    }
    assert!(!audit.to_string().contains(secret));
}

#[tokio::test]
async fn what_is_wrong_with_a_robot_is_told_by_field() {
    let (portal, ana) = shop().await;
    for (wanted, field) in [
        (json!({"name": "My CI", "role": "guest"}), "name"),
        (json!({"name": "x".repeat(41), "role": "guest"}), "name"),
        (json!({"name": "ci", "role": "operator"}), "role"),
        (json!({"name": "ci", "role": "guest", "expires_in_days": 0}), "expires_in_days"),
        (json!({"name": "ci", "role": "guest", "scopes": ["push"]}), "scopes"),
        (json!({"name": "ci", "role": "admin", "scopes": ["admin"]}), "scopes"),
        (json!({"name": "ci", "role": "guest", "description": "a\nb"}), "description"),
    ] {
        let refused = ana.post(ROBOTS, wanted).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    make(&ana, json!({"name": "ci", "role": "guest"})).await;
    let taken = ana.post(ROBOTS, json!({"name": "ci", "role": "guest"})).await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(taken["code"], "name_taken");
    for name in ["b", "a", "d"] {
        make(&ana, json!({"name": name, "role": "guest"})).await;
    }
    let page = ana.get(&format!("{ROBOTS}?limit=3")).await.expect_status(StatusCode::OK).await;
    let names = |page: &Value| page["items"].as_array().expect("items").iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
    assert_eq!((names(&page), page["next"].as_str()), (vec![json!("a"), json!("b"), json!("ci")], Some("ci")));
    assert_eq!(names(&ana.get(&format!("{ROBOTS}?after=ci")).await.expect_status(StatusCode::OK).await), [json!("d")]);
    portal.person("dev").get(ROBOTS).await.expect_status(StatusCode::FORBIDDEN).await;
}

#[tokio::test]
async fn docker_comes_in_by_a_token_that_ends_with_the_robot() {
    let (portal, ana) = shop().await;
    let made = make(&ana, json!({"name": "ci", "role": "developer"})).await;
    let robot = as_caller(&ana, &made);
    let docker_push = docker(&robot, "shop/web", "pull,push").await;
    push(&docker_push, "shop/web", "1", b"a layer").await;
    let pull = docker(&robot, "shop/web", "pull").await;
    assert_eq!(status(&pull, Method::GET, "/v2/shop/web/manifests/1").await, 200);
    assert_eq!(status(&pull, Method::POST, "/v2/shop/web/blobs/uploads/").await, 401, "asked for pull, it does not push");

    let change = async |body| drop(ana.patch(&format!("{ROBOTS}/ci"), body).await.expect_status(StatusCode::OK).await);
    change(json!({"disabled": true})).await;
    assert_eq!(status(&pull, Method::GET, "/v2/shop/web/manifests/1").await, 401, "disabled");
    assert_eq!(status(&robot, Method::GET, "/auth/token").await, 401);
    change(json!({"disabled": false})).await;
    assert_eq!(status(&pull, Method::GET, "/v2/shop/web/manifests/1").await, 401, "what was proved before does not come back");

    let pull = docker(&robot, "shop/web", "pull").await;
    ana.post(&format!("{ROBOTS}/ci/rotate"), json!({})).await.expect_status(StatusCode::OK).await;
    assert_eq!(status(&pull, Method::GET, "/v2/shop/web/manifests/1").await, 401, "rotated");

    let made = make(&ana, json!({"name": "short", "role": "guest", "expires_in_days": 1})).await;
    let robot = as_caller(&ana, &made);
    later(&portal, DAY - Duration::from_secs(60));
    let pull = docker(&robot, "shop/web", "pull").await;
    assert_eq!(status(&pull, Method::GET, "/v2/shop/web/manifests/1").await, 200);
    later(&portal, Duration::from_secs(60));
    assert_eq!(status(&pull, Method::GET, "/v2/shop/web/manifests/1").await, 401, "expired, though the token itself is young");
    assert_eq!(status(&robot, Method::GET, "/api/v1/projects/shop").await, 401);
    ana.patch(&format!("{ROBOTS}/short"), json!({"expires_in_days": 1})).await.expect_status(StatusCode::OK).await;
    assert_eq!(status(&robot, Method::GET, "/api/v1/projects/shop").await, 200, "given more time it comes in again");

    let pull = docker(&robot, "shop/web", "pull").await;
    ana.delete(&format!("{ROBOTS}/short")).await.expect_status(StatusCode::NO_CONTENT).await;
    make(&ana, json!({"name": "short", "role": "guest"})).await;
    assert_eq!(status(&pull, Method::GET, "/v2/shop/web/manifests/1").await, 401, "a robot made later is another one");
    assert_eq!(status(&robot, Method::GET, "/v2/shop/web/manifests/1").await, 401);
}

#[tokio::test]
async fn a_secret_is_rotated_without_a_gap() {
    let (portal, ana) = shop().await;
    let made = make(&ana, json!({"name": "ci", "role": "guest"})).await;
    let old = as_caller(&ana, &made);
    let rotate = format!("{ROBOTS}/ci/rotate");
    let rotated = ana.post(&rotate, json!({"overlap_hours": 24})).await.expect_status(StatusCode::OK).await;
    let new = as_caller(&ana, &rotated);
    later(&portal, Duration::from_secs(24 * 3600 - 1));
    for person in [&old, &new] {
        person.get("/api/v1/projects/shop").await.expect_status(StatusCode::OK).await;
    }
    let seen = ana.get(&format!("{ROBOTS}/ci")).await.expect_status(StatusCode::OK).await;
    assert!(seen["previous"]["used_at"].is_i64() && seen["previous"]["ends_at"].is_i64(), "somebody still has it: {seen}");
    later(&portal, Duration::from_secs(1));
    assert_eq!(status(&old, Method::GET, "/api/v1/projects/shop").await, 401);
    assert_eq!(status(&new, Method::GET, "/api/v1/projects/shop").await, 200);
    let refused = ana.post(&rotate, json!({"overlap_hours": 73})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["errors"][0]["field"], "overlap_hours");
    let bare = ana.request(Method::POST, &rotate).send().await.expect("an answer");
    assert_eq!(bare.status(), StatusCode::OK, "without a body the old one ends at once");
    assert_eq!(status(&new, Method::GET, "/api/v1/projects/shop").await, 401);
}

#[tokio::test]
async fn a_robot_cannot_breed_and_is_nobody_elsewhere() {
    let (portal, ana) = shop().await;
    let robot = as_caller(&ana, &make(&ana, json!({"name": "boss", "role": "admin"})).await);
    push(&robot, "shop/web", "1", b"a layer").await;
    for (method, path, body) in [
        (Method::POST, "/api/v1/projects", json!({"name": "mine"})),
        (Method::GET, ROBOTS, Value::Null),
        (Method::POST, ROBOTS, json!({"name": "child", "role": "guest"})),
        (Method::POST, "/api/v1/projects/shop/robots/boss/rotate", json!({})),
        (Method::PATCH, "/api/v1/projects/shop/robots/boss", json!({"expires_in_days": null})),
        (Method::PUT, "/api/v1/projects/shop/members/dev", json!({"role": "admin"})),
        (Method::DELETE, "/api/v1/projects/shop/members/dev", Value::Null),
        (Method::PATCH, "/api/v1/projects/shop", json!({"internal": true})),
        (Method::DELETE, "/api/v1/projects/shop", Value::Null),
        (Method::POST, "/api/v1/me/tokens", json!({"name": "t", "scopes": ["admin"]})),
        (Method::GET, "/api/v1/me/tokens", Value::Null),
        (Method::GET, "/api/v1/me/sessions", Value::Null),
        (Method::PUT, "/api/v1/me/password", json!({"current_password": "x", "new_password": PASSWORD})),
        (Method::GET, "/api/v1/users", Value::Null),
        (Method::POST, "/api/v1/users", json!({"username": "eve", "password": PASSWORD})),
    ] {
        let answer = robot.request(method.clone(), path).json(&body).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{method} {path}: {:?}", answer.text().await);
    }
    assert_eq!(status(&robot, Method::DELETE, "/v2/shop/web/manifests/1").await, 202, "its role allows that");

    portal.new_project("open", &[("ana", "admin")]).await;
    ana.patch("/api/v1/projects/open", json!({"internal": true})).await.expect_status(StatusCode::NO_CONTENT).await;
    let pushed = push(&ana, "open/base", "1", b"a base").await;
    assert_eq!(status(&portal.new_person("eve").await, Method::GET, "/v2/open/base/manifests/1").await, 200);
    for path in ["/v2/open/base/manifests/1", "/api/v1/projects/open", "/api/v1/projects/open/repositories"] {
        assert_eq!(status(&robot, Method::GET, path).await, 404, "{path}");
    }
    let list = robot.get("/api/v1/projects").await.expect_status(StatusCode::OK).await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    let mount = format!("/v2/shop/web/blobs/uploads/?mount={}", pushed.layer);
    for path in [mount.clone(), format!("{mount}&from=open/base")] {
        assert_eq!(status(&robot, Method::POST, &path).await, 202, "nothing is mounted from where it may not pull");
    }
    let catalog = robot.get("/v2/_catalog").await.expect_status(StatusCode::OK).await;
    assert_eq!(catalog["repositories"], json!(["shop/web"]), "{catalog}");

    let browser = crate::portal::Browser::new(&portal);
    let made = make(&ana, json!({"name": "page", "role": "guest"})).await;
    let fields = [("username", made["username"].as_str().expect("a name")), ("password", made["secret"].as_str().expect("a secret"))];
    assert!(browser.form("/fn/accounts/login", &fields).await.status().is_client_error(), "it does not sign in to pages");
    let users = portal.person("admin").get("/api/v1/users").await.expect_status(StatusCode::OK).await;
    let members = ana.get("/api/v1/projects/shop/members").await.expect_status(StatusCode::OK).await;
    assert!(!users.to_string().contains("robot") && !members.to_string().contains("robot"), "{users} {members}");
    ana.put("/api/v1/projects/open/members/robot-shop.boss", json!({"role": "guest"})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    let refused = ana.delete("/api/v1/projects/shop/members/ana").await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "last_admin", "a robot with the role admin is no admin that stays");
}

#[tokio::test]
async fn an_upload_is_its_robots_own() {
    let (_portal, ana) = shop().await;
    let first = as_caller(&ana, &make(&ana, json!({"name": "one", "role": "developer"})).await);
    let second = as_caller(&ana, &make(&ana, json!({"name": "two", "role": "developer"})).await);
    let begun = first.request(Method::POST, "/v2/shop/web/blobs/uploads/").send().await.expect("an answer");
    let place = begun.headers()["location"].to_str().expect("a place").to_owned();
    for other in [&second, &ana] {
        assert_eq!(status(other, Method::GET, &place).await, 404);
        assert_eq!(status(other, Method::DELETE, &place).await, 404);
    }
    let put = format!("{place}?digest={}", digest_of(b"hello"));
    let kept = first.request(Method::PUT, &put).body("hello").send().await.expect("an answer");
    assert_eq!(kept.status(), StatusCode::CREATED);
    // One that was made anew under the same name does not inherit what the other began.
    let begun = first.request(Method::POST, "/v2/shop/web/blobs/uploads/").send().await.expect("an answer");
    let place = begun.headers()["location"].to_str().expect("a place").to_owned();
    ana.delete(&format!("{ROBOTS}/one")).await.expect_status(StatusCode::NO_CONTENT).await;
    let again = as_caller(&ana, &make(&ana, json!({"name": "one", "role": "developer"})).await);
    assert_eq!(status(&again, Method::GET, &place).await, 404);
}

#[tokio::test]
async fn robots_end_with_their_project_and_their_names_come_back_with_it() {
    let (portal, ana) = shop().await;
    let robot = as_caller(&ana, &make(&ana, json!({"name": "ci", "role": "developer"})).await);
    push_blob(&robot, "shop/web", b"a layer").await;
    let pull = docker(&robot, "shop/web", "pull,push").await;
    ana.delete("/api/v1/projects/shop").await.expect_status(StatusCode::NO_CONTENT).await;
    for caller in [&robot, &pull] {
        assert_eq!(status(caller, Method::GET, "/v2/").await, 401);
    }
    later(&portal, 31 * DAY);
    ana.post("/api/v1/projects", json!({"name": "shop"})).await.expect_status(StatusCode::CREATED).await;
    assert_eq!(status(&robot, Method::GET, "/v2/").await, 401, "the old secret is nobody's");
    let again = as_caller(&ana, &make(&ana, json!({"name": "ci", "role": "guest"})).await);
    assert_eq!(status(&again, Method::GET, "/api/v1/projects/shop").await, 200);
}

#[tokio::test]
async fn wrong_secrets_are_slowed_down_and_lock_nobody_out() {
    let (portal, ana) = shop().await;
    let made = make(&ana, json!({"name": "ci", "role": "guest"})).await;
    let robot = as_caller(&ana, &made);
    let wrong = robot.clone().with_secret(&format!("slr_{}", "0".repeat(40)));
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(status(&wrong, Method::GET, "/auth/token").await);
    }
    assert_eq!((answers[0], answers.last()), (401, Some(&429)));
    assert_eq!(status(&robot, Method::GET, "/v2/").await, 200, "the right secret comes in");
    ana.get("/api/v1/projects/shop").await.expect_status(StatusCode::OK).await;
    let under_a_person = ana.clone().with_secret(made["secret"].as_str().expect("a secret"));
    for _ in 0..30 {
        assert!([401, 429].contains(&status(&under_a_person, Method::GET, "/v2/").await));
    }
    // What was right before is not remembered for so long.
    later(&portal, Duration::from_secs(61));
    assert_eq!(status(&ana, Method::GET, "/v2/").await, 200, "the person's own password was not guessed at");
}

#[tokio::test]
async fn the_page_shows_a_secret_once_also_without_scripts() {
    let (portal, ana) = shop().await;
    let browser = portal.browser("ana").await;
    let csrf = browser.csrf().await;
    let page = "/projects/shop/robots";
    let post = async |path: &str, fields: &[(&str, &str)]| {
        let request = browser.request(Method::POST, path).header("origin", &portal.base).header("accept", "text/html");
        let referer = format!("{}{page}", portal.base);
        let answer = browser.send(request.header("referer", referer).form(fields)).await;
        assert!(answer.status().is_redirection(), "{path}: {}", answer.status());
    };
    let open = async || browser.open(page).await.text().await.expect("a page");
    assert!(open().await.contains("No robots yet"));
    let base = [("csrf", csrf.as_str()), ("project", "shop")];
    let new = [("name", "ci"), ("role", "developer"), ("description", "builds"), ("expires_in_days", "0"), ("scopes[0]", "push")];
    post("/fn/robots/create", &[&base[..], &new].concat()).await;
    let shown = open().await;
    let secret = shown.split("slr_").nth(1).map(|rest| rest[..40].to_owned()).expect("the secret, once");
    assert!(shown.contains("docker login") && shown.contains("robot-shop.ci") && shown.contains("--password-stdin"));
    assert_eq!(status(&ana.named("robot-shop.ci", &format!("slr_{secret}")), Method::GET, "/v2/").await, 200);
    let again = open().await;
    assert!(!again.contains("slr_") && again.contains("robot-shop.ci"));

    let robot = [&base[..], &[("robot", "ci")]].concat();
    post("/fn/robots/rotate", &[&robot[..], &[("overlap_hours", "1")]].concat()).await;
    assert!(open().await.contains("slr_"));
    post("/fn/robots/update", &[&robot[..], &[("role", "admin"), ("description", "builds"), ("expires_in_days", "10")]].concat()).await;
    post("/fn/robots/set_disabled", &[&robot[..], &[("disabled", "true")]].concat()).await;
    let seen = ana.get(&format!("{ROBOTS}/ci")).await.expect_status(StatusCode::OK).await;
    assert_eq!((seen["role"].as_str(), seen["scopes"].clone()), (Some("admin"), json!(["push"])));
    assert!(seen["disabled_at"].is_i64() && seen["expires_at"].is_i64() && seen["previous"]["ends_at"].is_i64(), "{seen}");
    let marked = open().await;
    assert!(marked.contains(">disabled</span>") && marked.contains("ends soon") && marked.contains("old secret ends"), "{marked}");
    post("/fn/robots/delete", &robot).await;
    ana.get(&format!("{ROBOTS}/ci")).await.expect_status(StatusCode::NOT_FOUND).await;
    let tab =
        async |name: &str| portal.browser(name).await.open("/projects/shop").await.text().await.expect("a page").contains("/projects/shop/robots");
    assert!(tab("ana").await && !tab("dev").await, "the tab is for admins");
}
