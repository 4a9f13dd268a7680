//! `/auth/token` and who may do what: Docker's token specification, and the design's role table at the registry's door.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Read, call, digest, get, push_image, send, shop};
use crate::portal::{PASSWORD, Person, TestPortal, client};

/// `application/x-www-form-urlencoded`: everything that is not a letter or digit as its bytes.
fn urlencode(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
    };
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

pub(super) async fn token(person: &Person, scopes: &[&str]) -> String {
    let query: Vec<(&str, &str)> = [("service", "slipway")].into_iter().chain(scopes.iter().map(|scope| ("scope", *scope))).collect();
    let answer = get(person, &format!("/auth/token?{}", urlencode(&query))).await.expect(200).json();
    assert_eq!(answer["token"], answer["access_token"]);
    assert!(answer["expires_in"].as_i64().expect("seconds") >= 60);
    answer["token"].as_str().expect("a token").to_owned()
}

pub(super) fn bearing(portal: &TestPortal, token: &str, method: Method, path: &str) -> RequestBuilder {
    client().request(method, format!("{}{path}", portal.base)).bearer_auth(token)
}

pub(super) async fn with(portal: &TestPortal, token: &str, method: Method, path: &str) -> Read {
    send(bearing(portal, token, method, path)).await
}

/// What a token says it is for: the claims are the bearer's to read.
pub(super) fn access(token: &str) -> Value {
    use base64::Engine as _;
    let body = token.split('.').nth(1).expect("three parts");
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).expect("base64");
    serde_json::from_slice::<Value>(&json).expect("json")["access"].clone()
}

#[tokio::test]
async fn who_brings_nothing_is_told_where_to_get_a_token() {
    let portal = shop().await;
    let nobody = portal.nobody();
    let realm = format!("Bearer realm=\"{}/auth/token\",service=\"slipway\"", portal.base);
    let base = get(&nobody, "/v2/").await.expect_error(401, "UNAUTHORIZED");
    assert_eq!(base.header("www-authenticate"), realm);
    assert_eq!(base.header("docker-distribution-api-version"), "registry/2.0");
    let pull = get(&nobody, "/v2/shop/web/manifests/1").await.expect(401);
    assert_eq!(pull.header("www-authenticate"), format!("{realm},scope=\"repository:shop/web:pull\""));
    let push = call(&nobody, Method::POST, "/v2/shop/team/web/blobs/uploads/", "").await.expect(401);
    assert_eq!(push.header("www-authenticate"), format!("{realm},scope=\"repository:shop/team/web:pull,push\""));
    // Nothing is told of what there is: an unknown name looks the same.
    get(&nobody, "/v2/other/web/manifests/1").await.expect(401);
    get(&nobody, "/v2/Bad/manifests/1").await.expect(401);
}

#[tokio::test]
async fn an_unknown_host_is_never_repeated() {
    let portal = shop().await;
    let request = portal.nobody().request(Method::GET, "/v2/").header("host", "evil.example:1");
    let challenge = send(request).await.expect(401);
    let port = portal.running.port;
    assert!(challenge.header("www-authenticate").contains(&format!("realm=\"http://localhost:{port}/auth/token\"")));
}

#[tokio::test]
async fn a_token_is_the_intersection_of_asked_and_allowed() {
    let portal = shop().await;
    portal.new_project("hidden", &[]).await;
    let scopes = ["repository:shop/web:pull,push,delete", "repository:hidden/web:pull repository:shop/new:push"];
    let allowed = access(&token(&portal.person("dev"), &scopes).await);
    let expected = json!([
        {"type": "repository", "name": "shop/new", "actions": ["push"]},
        {"type": "repository", "name": "shop/web", "actions": ["pull", "push"]},
    ]);
    assert_eq!(allowed, expected);
    let allowed = access(&token(&portal.person("gus"), &scopes).await);
    assert_eq!(allowed, json!([{"type": "repository", "name": "shop/web", "actions": ["pull"]}]));
    assert_eq!(access(&token(&portal.person("eve"), &scopes).await), json!([]));
    let everything = access(&token(&portal.person("ana"), &["repository:shop/web:*"]).await);
    assert_eq!(everything[0]["actions"], json!(["pull", "push", "delete"]));
}

#[tokio::test]
async fn one_bad_scope_does_not_spoil_the_others() {
    let portal = shop().await;
    portal.new_project("hidden", &[]).await;
    let scopes = [
        "nonsense",
        "repository:../etc:pull",
        "repository:hidden/web:pull,push",
        "repository:shop/web:fly,push,pull machine:shop:start",
        "repository:nowhere/web:*",
        "registry:catalog:*",
        "repository(plugin):shop/base:pull",
    ];
    let bearer = token(&portal.person("dev"), &scopes).await;
    let expected = json!([
        {"type": "repository", "name": "shop/base", "actions": ["pull"]},
        {"type": "repository", "name": "shop/web", "actions": ["pull", "push"]},
        {"type": "registry", "name": "catalog", "actions": ["*"]},
    ]);
    assert_eq!(access(&bearer), expected);
    with(&portal, &bearer, Method::POST, "/v2/shop/web/blobs/uploads/").await.expect(202);
    with(&portal, &bearer, Method::POST, "/v2/shop/base/blobs/uploads/").await.expect_error(401, "UNAUTHORIZED");
    with(&portal, &bearer, Method::POST, "/v2/hidden/web/blobs/uploads/").await.expect_error(404, "NAME_UNKNOWN");
    with(&portal, &bearer, Method::GET, "/v2/_catalog").await.expect(200);
}

#[tokio::test]
async fn nobody_is_let_in_by_no_door_and_is_told_where_to_sign_in() {
    let portal = shop().await;
    push_image(&portal.person("dev"), "shop/web", "1", "one").await;
    portal.person("ana").patch("/api/v1/projects/shop", json!({"internal": true})).await.expect_status(reqwest::StatusCode::NO_CONTENT).await;
    let empty = token(&portal.nobody(), &["repository:shop/web:pull,push"]).await;
    for door in registry::ENDPOINTS.iter().filter(|door| door.path.starts_with("/v2")) {
        let upload = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11";
        let path = door.path.replace("{name}", "shop/web").replace("{reference}", "1").replace("{upload}", upload);
        let path = path.replace("{digest}", &digest(b"layer one").to_string());
        let method: Method = door.method.parse().expect("a method");
        for answer in [call(&portal.nobody(), method.clone(), &path, "").await, with(&portal, &empty, method, &path).await] {
            let refused = answer.expect_error(401, "UNAUTHORIZED");
            assert!(refused.header("www-authenticate").starts_with("Bearer realm="), "{path}");
        }
    }
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_whatever_they_bring() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_image(&dev, "shop/web", "1", "one").await;
    let made = dev.post("/api/v1/me/tokens", json!({"name": "ci", "scopes": ["push"]})).await;
    let made = made.expect_status(reqwest::StatusCode::CREATED).await;
    let personal = portal.person("dev").with_secret(made["secret"].as_str().expect("a secret"));
    let scope = ["repository:shop/web:pull,push"];
    let (by_password, by_token) = (token(&dev, &scope).await, token(&personal, &scope).await);
    let upload = with(&portal, &by_password, Method::POST, "/v2/shop/web/blobs/uploads/").await.expect(202).header("location").to_owned();
    for bearer in [&by_password, &by_token] {
        with(&portal, bearer, Method::GET, "/v2/shop/web/manifests/1").await.expect(200);
    }
    let disable = async |disabled: bool| {
        let answer = portal.person("admin").patch("/api/v1/users/dev", json!({"disabled": disabled})).await;
        answer.expect_status(reqwest::StatusCode::OK).await
    };
    disable(true).await;
    for bearer in [&by_password, &by_token] {
        with(&portal, bearer, Method::GET, "/v2/shop/web/manifests/1").await.expect_error(401, "UNAUTHORIZED");
        with(&portal, bearer, Method::PATCH, &upload).await.expect_error(401, "UNAUTHORIZED");
        with(&portal, bearer, Method::GET, "/v2/").await.expect_error(401, "UNAUTHORIZED");
    }
    get(&personal, "/auth/token").await.expect_error(401, "UNAUTHORIZED");
    disable(false).await;
    with(&portal, &by_password, Method::GET, "/v2/shop/web/manifests/1").await.expect_error(401, "UNAUTHORIZED");
    get(&personal, "/v2/shop/web/manifests/1").await.expect(200);
}

#[tokio::test]
async fn a_robot_gets_its_token_by_query_and_by_form_with_its_role_as_the_most() {
    let portal = shop().await;
    push_image(&portal.person("dev"), "shop/web", "1", "one").await;
    let wanted = json!({"name": "ci", "role": "guest", "expires_in_days": 30});
    let made = portal.person("ana").post("/api/v1/projects/shop/robots", wanted).await.expect_status(reqwest::StatusCode::CREATED).await;
    let (name, secret) = (made["username"].as_str().expect("a name"), made["secret"].as_str().expect("a secret"));
    let robot = portal.nobody().named(name, secret);
    let scope = "repository:shop/web:pull,push,delete";
    let by_query = token(&robot, &[scope]).await;
    assert_eq!(access(&by_query), json!([{"type": "repository", "name": "shop/web", "actions": ["pull"]}]));
    let fields =
        [("grant_type", "password"), ("service", "slipway"), ("client_id", "ci"), ("username", name), ("password", secret), ("scope", scope)];
    let request = portal.nobody().request(Method::POST, "/auth/token").header("content-type", "application/x-www-form-urlencoded");
    let answer = send(request.body(urlencode(&fields))).await.expect(200).json();
    assert_eq!(answer["scope"], "repository:shop/web:pull");
    let by_form = answer["access_token"].as_str().expect("a token").to_owned();
    for bearer in [&by_query, &by_form] {
        with(&portal, bearer, Method::GET, "/v2/shop/web/manifests/1").await.expect(200);
        let denied = with(&portal, bearer, Method::POST, "/v2/shop/web/blobs/uploads/").await.expect_error(403, "DENIED");
        let text = denied.json()["errors"][0]["message"].as_str().expect("a text").to_owned();
        assert!(text.contains("as a robot with the role guest you may not push"), "{text}");
    }
    // The name is part of the credential.
    get(&portal.nobody().named("robot-shop.other", secret), "/auth/token").await.expect_error(401, "UNAUTHORIZED");
    get(&portal.nobody().named("ana", secret), "/auth/token").await.expect_error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn nobody_gets_a_token_that_reaches_nothing_and_a_wrong_password_gets_none() {
    let portal = shop().await;
    let empty = token(&portal.nobody(), &["repository:shop/web:pull"]).await;
    assert_eq!(access(&empty), json!([]));
    let refused = with(&portal, &empty, Method::GET, "/v2/shop/web/tags/list").await.expect_error(401, "UNAUTHORIZED");
    assert!(refused.header("www-authenticate").contains("scope=\"repository:shop/web:pull\""));
    get(&portal.person("dev").with_secret("wrong wrong wrong"), "/auth/token").await.expect_error(401, "UNAUTHORIZED");
    let unknown = get(&portal.person("no-such-person"), "/auth/token").await.expect_error(401, "UNAUTHORIZED");
    assert_eq!(unknown.header("www-authenticate"), "Basic realm=\"slipway\"");
}

#[tokio::test]
async fn clients_may_post_a_form_instead() {
    let portal = shop().await;
    let post = |fields: &[(&str, &str)]| {
        let request = portal.nobody().request(Method::POST, "/auth/token");
        send(request.header("content-type", "application/x-www-form-urlencoded").body(urlencode(fields)))
    };
    let scope = "repository:shop/web:pull,push repository:shop/base:pull";
    let fields =
        [("grant_type", "password"), ("service", "slipway"), ("client_id", "test"), ("username", "dev"), ("password", PASSWORD), ("scope", scope)];
    let answer = post(&fields).await.expect(200).json();
    assert_eq!(answer["scope"], "repository:shop/base:pull repository:shop/web:pull,push");
    let token = answer["access_token"].as_str().expect("a token");
    with(&portal, token, Method::GET, "/v2/").await.expect(200);
    post(&[("grant_type", "refresh_token"), ("refresh_token", "x")]).await.expect(400);
    post(&[("grant_type", "password"), ("username", "dev"), ("password", "wrong wrong wrong")]).await.expect_error(401, "UNAUTHORIZED");
    let long = "x".repeat(70_000);
    assert!(post(&[("grant_type", &long)]).await.expect(400).code() == "UNSUPPORTED");
}

#[tokio::test]
async fn roles_hold_at_the_registrys_door() {
    let portal = shop().await;
    let (ana, dev, gus, eve) = (portal.person("ana"), portal.person("dev"), portal.person("gus"), portal.person("eve"));
    push_image(&dev, "shop/web", "1", "one").await;
    let manifest = "/v2/shop/web/manifests/1";
    for person in [&ana, &dev, &gus] {
        get(person, manifest).await.expect(200);
    }
    let unknown = get(&eve, manifest).await.expect_error(404, "NAME_UNKNOWN");
    let missing = get(&eve, "/v2/nowhere/web/manifests/1").await.expect_error(404, "NAME_UNKNOWN");
    let text = |read: &Read| read.json()["errors"][0]["message"].as_str().expect("a text").to_owned();
    assert_eq!(text(&unknown).replace("shop", "X"), text(&missing).replace("nowhere", "X"));
    let denied = call(&gus, Method::POST, "/v2/shop/web/blobs/uploads/", "").await.expect_error(403, "DENIED");
    assert!(text(&denied).contains("as guest you may not push"), "{}", text(&denied));
    call(&eve, Method::POST, "/v2/shop/web/blobs/uploads/", "").await.expect_error(404, "NAME_UNKNOWN");
    call(&dev, Method::DELETE, manifest, "").await.expect_error(403, "DENIED");
    call(&gus, Method::DELETE, manifest, "").await.expect_error(403, "DENIED");
    call(&eve, Method::DELETE, manifest, "").await.expect_error(404, "NAME_UNKNOWN");
    call(&ana, Method::DELETE, manifest, "").await.expect(202);
}

#[tokio::test]
async fn an_internal_project_may_be_pulled_by_anybody_who_is_signed_in() {
    let portal = shop().await;
    push_image(&portal.person("dev"), "shop/web", "1", "one").await;
    portal.person("ana").patch("/api/v1/projects/shop", json!({"internal": true})).await.expect_status(reqwest::StatusCode::NO_CONTENT).await;
    get(&portal.person("eve"), "/v2/shop/web/manifests/1").await.expect(200);
    call(&portal.person("eve"), Method::POST, "/v2/shop/web/blobs/uploads/", "").await.expect_error(403, "DENIED");
    get(&portal.nobody(), "/v2/shop/web/manifests/1").await.expect(401);
}

#[tokio::test]
async fn a_token_for_one_repository_does_not_reach_another() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_image(&dev, "shop/web", "1", "one").await;
    push_image(&dev, "shop/other", "1", "two").await;
    let web = token(&dev, &["repository:shop/web:pull"]).await;
    with(&portal, &web, Method::GET, "/v2/shop/web/manifests/1").await.expect(200);
    let short = with(&portal, &web, Method::GET, "/v2/shop/other/manifests/1").await.expect_error(401, "UNAUTHORIZED");
    assert!(short.header("www-authenticate").contains("scope=\"repository:shop/other:pull\",error=\"insufficient_scope\""));
    with(&portal, &web, Method::POST, "/v2/shop/web/blobs/uploads/").await.expect(401);
    with(&portal, &web, Method::GET, "/v2/_catalog").await.expect(401);
}

#[tokio::test]
async fn what_a_bearer_may_do_is_asked_anew_at_each_request() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_image(&dev, "shop/web", "1", "one").await;
    let token = token(&dev, &["repository:shop/web:pull,push"]).await;
    with(&portal, &token, Method::POST, "/v2/shop/web/blobs/uploads/").await.expect(202);
    let (ana, ok) = (portal.person("ana"), reqwest::StatusCode::OK);
    ana.put("/api/v1/projects/shop/members/dev", json!({"role": "guest"})).await.expect_status(reqwest::StatusCode::CREATED).await;
    with(&portal, &token, Method::POST, "/v2/shop/web/blobs/uploads/").await.expect_error(403, "DENIED");
    with(&portal, &token, Method::GET, "/v2/shop/web/manifests/1").await.expect(200);
    portal.person("admin").patch("/api/v1/users/dev", json!({"disabled": true})).await.expect_status(ok).await;
    with(&portal, &token, Method::GET, "/v2/shop/web/manifests/1").await.expect_error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_personal_token_is_a_ceiling_here_too_and_ends_with_its_revocation() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_image(&dev, "shop/web", "1", "one").await;
    let made = dev.post("/api/v1/me/tokens", json!({"name": "ci", "scopes": ["pull"]})).await;
    let made = made.expect_status(reqwest::StatusCode::CREATED).await;
    let puller = portal.person("dev").with_secret(made["secret"].as_str().expect("a secret"));
    let registry_token = token(&puller, &["repository:shop/web:pull,push"]).await;
    assert_eq!(access(&registry_token)[0]["actions"], json!(["pull"]));
    with(&portal, &registry_token, Method::GET, "/v2/shop/web/manifests/1").await.expect(200);
    get(&puller, "/v2/shop/web/manifests/1").await.expect(200);
    call(&puller, Method::POST, "/v2/shop/web/blobs/uploads/", "").await.expect_error(403, "DENIED");
    let id = made["token"]["id"].as_str().expect("an id");
    dev.delete(&format!("/api/v1/me/tokens/{id}")).await.expect_status(reqwest::StatusCode::NO_CONTENT).await;
    get(&puller, "/v2/shop/web/manifests/1").await.expect_error(401, "UNAUTHORIZED");
    with(&portal, &registry_token, Method::GET, "/v2/shop/web/manifests/1").await.expect_error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn an_engine_pulls_what_it_was_granted_and_nothing_else() {
    use domain::ports::PullGrants as _;
    let portal = shop().await;
    let dev = portal.person("dev");
    push_image(&dev, "shop/web", "1", "one").await;
    push_image(&dev, "shop/other", "1", "two").await;
    let name = |text: &str| text.parse().expect("a path");
    let registry = &portal.running.portal.registry;
    let grant = registry.pull_grant(&"shop".parse().expect("a name"), &name("web"));
    let grant = grant.expose();
    with(&portal, grant, Method::GET, "/v2/").await.expect(200);
    with(&portal, grant, Method::GET, "/v2/shop/web/manifests/1").await.expect(200);
    with(&portal, grant, Method::GET, "/v2/shop/other/manifests/1").await.expect_error(404, "NAME_UNKNOWN");
    with(&portal, grant, Method::POST, "/v2/shop/web/blobs/uploads/").await.expect_error(403, "DENIED");
    with(&portal, grant, Method::DELETE, "/v2/shop/web/manifests/1").await.expect_error(403, "DENIED");
    with(&portal, grant, Method::GET, "/v2/_catalog").await.expect_error(403, "DENIED");
}
