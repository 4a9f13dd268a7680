//! One request for each door, right in everything but, perhaps, who sends it.

mod hooks;
mod reads;
mod registry;
mod status;
mod watching;

pub use reads::reads;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::cast::Cast;
use super::world::{self, World};
use crate::portal::{PASSWORD, TestPortal};

const NEW_PASSWORD: &str = "another good password";

/// Whether a door is about somebody who is managed.
pub fn needs_victim(path: &str) -> bool {
    path.contains("{username}") || path.starts_with("/fn/accounts/") || path.ends_with("_member")
}

/// The sample of a door; none where nobody has written it yet.
pub async fn request(portal: &TestPortal, cast: &mut Cast, caller: usize, world: &World, method: &str, path: &str) -> Option<RequestBuilder> {
    let verb: Method = method.parse().expect("a method");
    if path.starts_with("/v2") || path.starts_with("/auth/") {
        return Some(registry::request(portal, cast, caller, world, verb, path).await);
    }
    if is_configuration(path) {
        world::configured(cast, world).await;
    }
    // An image is deleted by its digest alone.
    let by_digest = verb == Method::DELETE && path.ends_with("/images/{reference}");
    let named = if by_digest { path.replace("{reference}", &world.digest) } else { path.to_owned() };
    if path == "/hooks/{hook}" {
        // Nothing is proved: for everybody there is no such hook. Each has one of their own, so that none is slowed down for others' failures.
        return Some(portal.nobody().request(verb, &format!("/hooks/{caller:032x}")).json(&json!({"tag": "1"})));
    }
    let named = status::fill(portal, world, &watching::fill(portal, world, &named).await).await;
    let place = fill(portal, cast, caller, world, &hooks::fill(portal, cast, world, &named).await).await;
    if path.starts_with("/fn/") {
        let mut fields = match form_apart(portal, cast, world, path).await {
            Some(fields) => fields,
            None => form(portal, cast, caller, world, path).await?,
        };
        // These doors end sessions, their own or others of the same person.
        let ended = path.starts_with("/fn/accounts/") && !reads(path);
        fields.push(("csrf", cast.csrf(portal, caller, ended).await));
        return Some(cast.page(portal, caller, verb, &place).form(&fields));
    }
    if path == "/healthz" || path == "/readyz" {
        return Some(portal.nobody().request(verb, &place));
    }
    if path.starts_with("/api") || path.starts_with("/discovery/") || path == "/metrics" {
        let request = cast.person(caller).request(verb.clone(), &place);
        if path.ends_with("/image-rules/activate") {
            return Some(request.json(&json!({"dry_run": world::rules_in_force(cast, world).await})));
        }
        return match verb {
            Method::GET | Method::DELETE => Some(request),
            _ => Some(request.json(&body_apart(method, path).or_else(|| body(world, method, path))?)),
        };
    }
    // Pages and streams.
    (verb == Method::GET).then_some(())?;
    cast.csrf(portal, caller, false).await;
    Some(cast.page(portal, caller, verb, &place).header("accept", "text/html"))
}

/// The fields of a form whose samples stand in a file of their own.
async fn form_apart(portal: &TestPortal, cast: &Cast, world: &World, path: &str) -> Option<Vec<(&'static str, String)>> {
    if let Some(fields) = watching::form(portal, world, path).await {
        return Some(fields);
    }
    match hooks::form(portal, cast, world, path).await {
        Some(fields) => Some(fields),
        None => status::form(portal, world, path).await,
    }
}

/// The same of a body.
fn body_apart(method: &str, path: &str) -> Option<Value> {
    watching::body(method, path).or_else(|| hooks::body(method, path)).or_else(|| status::body(method, path))
}

/// Whether a door is one of the configuration centre's.
fn is_configuration(path: &str) -> bool {
    let words = ["/configuration", "/variables", "/configs", "/secrets", "/fn/configs/", "/roll"];
    words.iter().any(|word| path.contains(word)) && !path.ends_with("/rollback")
}

/// The path with its parameters filled in.
async fn fill(portal: &TestPortal, cast: &Cast, caller: usize, world: &World, path: &str) -> String {
    let session = if path.contains("{session}") { world::own(cast, caller, "sessions").await } else { String::new() };
    let token = if path.contains("{token}") { world::own(cast, caller, "tokens").await } else { String::new() };
    let run = match path {
        _ if path.contains("rules") && !path.contains("alert") && !path.contains("push-rules") => world::rules_in_force(cast, world).await,
        _ if path.contains("{run}") => world::run(portal).await,
        _ => String::new(),
    };
    if path.contains("{environment}") || path.contains("/clone") || path.contains("{machine}/metrics") {
        world::environment(cast, world).await;
    }
    if path.ends_with("/push-rules/{environment}") {
        world::push_rule(cast, world, &world.place).await;
    }
    if ["/approve", "/refuse", "/ask-again", "/{deployment}/plan"].iter().any(|end| path.ends_with(end)) {
        world::waiting(portal, world).await;
    }
    if path.contains("{template}") && !path.contains("{project}") {
        world::site_template(cast, world).await;
    }
    path.replace("/tasks/{task}/file", "/tasks/{task}/file?path=%2Fetc%2Fpasswd")
        .replace("{run}", &run)
        .replace("/discovery/nginx/{project}/{file}", "/discovery/nginx/{project}/web.conf")
        .replace("{environment}", &world.place)
        .replace("{machine}", if path.starts_with("/api/v1/machines/") { "local" } else { &world.machine })
        .replace("{project}", &world.project)
        .replace("{username}", &world.victim)
        .replace("{robot}", "ci")
        .replace("{repository}", "web")
        .replace("{tag}", "1")
        .replace("{reference}", "1")
        .replace("{service}", "web")
        .replace("{deployment}", &world.deployment)
        .replace("{task}", &world.task)
        .replace("{shell}", &world.shell)
        .replace("{revision}", "1")
        .replace("{before}", "1")
        .replace("{template}", &world.template)
        .replace("/variables/{name}", "/variables/LOG_LEVEL")
        .replace("/configs/{name}", "/configs/app.conf")
        .replace("/secrets/{name}", "/secrets/db_password")
        .replace("{version}", "1")
        .replace("{container}", "elsewhere")
        .replace("{host}", "registry.example.com")
        .replace("{copy}", &world.copy)
        .replace("{session}", &session)
        .replace("{token}", &token)
        .replace("{*rest}", "nothing-here")
}

fn body(world: &World, method: &str, path: &str) -> Option<Value> {
    Some(match (method, path.strip_prefix("/api/v1")?) {
        ("POST", "/users") => json!({"username": format!("new-{}", world.victim), "password": PASSWORD}),
        ("PATCH", "/users/{username}") => json!({"disabled": true}),
        ("PUT", "/users/{username}/password") => json!({"password": NEW_PASSWORD}),
        ("PUT", "/me/password") => json!({"current_password": PASSWORD, "new_password": PASSWORD}),
        ("POST", "/me/tokens") => json!({"name": "more", "scopes": ["read"]}),
        ("POST", "/projects") => json!({"name": format!("new-{}", world.project)}),
        ("PATCH", "/projects/{project}") => json!({"description": "changed"}),
        ("PUT", "/quotas/default") => json!({"tags": 100_000}),
        ("PUT", "/projects/{project}/quota") => json!({"bytes": "10GiB", "tags": 500, "cpus": 400}),
        ("PUT", "/projects/{project}/image-rules") => json!({"immutable": [{"tags": "v*"}]}),
        ("POST", "/projects/{project}/image-rules/dry-run" | "/projects/{project}/image-rules/run") => json!({}),
        ("PUT", "/projects/{project}/members/{username}") => json!({"role": "developer"}),
        ("POST", "/projects/{project}/robots") => json!({"name": "another", "role": "guest", "expires_in_days": 1}),
        ("PATCH", "/projects/{project}/robots/{robot}") => json!({"description": "changed"}),
        ("POST", "/projects/{project}/robots/{robot}/rotate") => json!({"overlap_hours": 1}),
        ("PUT", "/projects/{project}/registries/{host}") => json!({"username": "u", "secret": "s"}),
        ("POST", "/projects/{project}/registries/{host}/check") => json!({}),
        ("POST", "/projects/{project}/copies") => json!({"from": "registry.example.com/team/app:1"}),
        ("PUT", "/host-folders") => json!({"allowed": ["/srv/media read-only"]}),
        ("PUT", "/outside-registries") => json!({"allowed": ["registry.lan:5000"]}),
        ("POST", "/projects/{project}/services") => json!({"name": "another"}),
        ("POST", "/projects/{project}/services/{service}/plan" | "/projects/{project}/services/{service}/deployments") => {
            json!({"descriptor": "image: web:1\nreplicas: 2"})
        }
        ("POST", "/projects/{project}/services/{service}/runs") => json!({}),
        ("PUT", "/projects/{project}/services/{service}/push-rules/{environment}") => json!({"repository": "web", "tags": "v*"}),
        ("PUT", path) if path.ends_with("/variables") => json!({"variables": {"A": "1"}}),
        ("PUT", path) if path.ends_with("/configs/{name}") => json!({"content": "changed"}),
        ("PUT", path) if path.ends_with("/variables/{name}") || path.ends_with("/secrets/{name}") => json!({"value": "changed"}),
        ("POST", path) if path.ends_with("/configuration/restore") => json!({"version": 1}),
        ("POST", "/projects/{project}/services/{service}/roll" | "/projects/{project}/configuration/roll") => json!({}),
        ("PUT", "/projects/{project}/services/{service}/descriptor") => json!({"image": "web:1", "replicas": 3}),
        ("PUT", "/environments/{environment}") => json!({"registry_address": "10.0.0.5:3000", "projects": [world.project]}),
        ("PUT", "/environments/{environment}/freeze") => json!({"why": "because"}),
        ("PUT", "/environments/{environment}/machines/{machine}") => json!({"engine": "unix:///nowhere.sock", "untested": true}),
        ("POST", "/environments/{environment}/machines/{machine}/test") => json!({}),
        ("PUT", "/environments/{environment}/machines/{machine}/pruning") => {
            json!({"enabled": true, "keep": 3, "min_hours": 24, "fuller_than": 90})
        }
        ("POST", "/environments/{environment}/machines/{machine}/pruning") => json!({"dry_run": true}),
        ("POST", "/projects/{project}/clone" | "/projects/{project}/clone/plan") => json!({"from": "local", "to": world.place}),
        ("POST", "/projects/{project}/services/{service}/revisions/{revision}/plan") => json!({}),
        ("POST", "/projects/{project}/services/{service}/rollback") => json!({"revision": 1}),
        ("POST", "/projects/{project}/services/{service}/scale") => json!({"replicas": 2}),
        ("PUT", "/templates/{template}" | "/projects/{project}/templates/{template}") => {
            json!({"document": World::document(&world.template).replace("web:1", "web:2"), "note": "changed"})
        }
        ("POST", "/templates/preview" | "/projects/{project}/templates/preview") => json!({"document": World::document("tried")}),
        ("POST", "/templates/{template}/render" | "/projects/{project}/templates/{template}/render") => json!({}),
        // Refused to whoever may, so that no run is at work when the next caller knocks.
        ("POST", "/registry/runs") => json!({"kind": "scrub", "dry_run": true}),
        ("PUT", "/usage/prices") => json!({"currency": "EUR", "per": {"cpu_hours": "0.05"}}),
        ("PUT", "/registry/schedule") => json!({"collect_hours": null, "scrub_days": null, "scrub_rate": 50}),
        ("POST", path) if path.ends_with("/restart") || path.ends_with("/start") || path.ends_with("/stop") || path.ends_with("/cancel") => json!({}),
        ("POST", path) if path.ends_with("/approve") || path.ends_with("/refuse") || path.ends_with("/ask-again") => json!({"why": "because"}),
        _ => return None,
    })
}

/// The fields of a server function's form, without the token.
async fn form(portal: &TestPortal, cast: &Cast, caller: usize, world: &World, path: &str) -> Option<Vec<(&'static str, String)>> {
    let project = || ("project", world.project.clone());
    let service = || ("service", String::from("web"));
    let environment = || ("environment", String::from("local"));
    let repository = || ("repository", String::from("web"));
    let victim = || ("username", world.victim.clone());
    let robot = || ("robot", String::from("ci"));
    let place = || ("environment", world.place.clone());
    let machine = || ("machine", world.machine.clone());
    if path.starts_with("/fn/cloning/")
        || path.starts_with("/fn/pruning/")
        || path == "/fn/metrics/machine"
        || path.starts_with("/fn/environments/") && path != "/fn/environments/list"
    {
        world::environment(cast, world).await;
    }
    if matches!(path, "/fn/deployments/approve" | "/fn/deployments/refuse" | "/fn/deployments/ask_again") {
        world::waiting(portal, world).await;
    }
    if path == "/fn/pushes/delete" {
        world::push_rule(cast, world, "local").await;
    }
    let text = |text: &str| text.to_owned();
    Some(match path.strip_prefix("/fn/")? {
        "accounts/login" => vec![("username", text("admin")), ("password", text(PASSWORD))],
        "accounts/set_up" => vec![("token", text("wrong")), ("username", text("root-two")), ("password", text(PASSWORD))],
        "accounts/change_password" => vec![("current", text(PASSWORD)), ("new", text(PASSWORD))],
        "accounts/end_session" => vec![("session", world::own(cast, caller, "sessions").await)],
        "accounts/create_token" => vec![("name", text("page")), ("scopes[0]", text("read"))],
        "accounts/revoke_token" => vec![("token", world::own(cast, caller, "tokens").await)],
        "accounts/create_user" => vec![("username", format!("new-{}", world.victim)), ("password", text(PASSWORD))],
        "accounts/set_disabled" => vec![victim(), ("disabled", text("true"))],
        "accounts/set_operator" => vec![victim(), ("operator", text("true"))],
        "accounts/reset_password" => vec![victim(), ("password", text(NEW_PASSWORD))],
        "accounts/delete_user" => vec![victim()],
        "audit/project"
        | "images/repositories"
        | "images/lineage"
        | "projects/get"
        | "projects/members"
        | "robots/list"
        | "services/list"
        | "outside/credentials"
        | "outside/copies"
        | "usage/project"
        | "deployments/list" => vec![project()],
        "metrics/machine" => vec![machine()],
        "deployments/form" | "deployments/revisions" | "services/get" | "services/delete" | "logs/page" | "events/service" => {
            vec![project(), service()]
        }
        "events/machine" => vec![("machine", text("local"))],
        "deployments/plan" | "deployments/deploy" => {
            vec![project(), service(), environment(), ("form[image]", text("web:1")), ("form[replicas]", text("2"))]
        }
        "deployments/text" | "metrics/service" => vec![project(), service()],
        "deployments/plan_text" | "deployments/deploy_text" => {
            vec![project(), service(), environment(), ("text", text("image: web:1\nreplicas: 2\n"))]
        }
        "imports/read" => vec![("machine", text("local")), ("container", text("elsewhere"))],
        "imports/begin" => vec![project(), ("name", text("another")), ("text", text("image: web:1\n"))],
        "deployments/plan_back" => vec![project(), service(), environment(), ("revision", text("1"))],
        "deployments/rollback" => vec![project(), service(), environment(), ("revision", text("1"))],
        "deployments/scale" => vec![project(), service(), environment(), ("replicas", text("2"))],
        "jobs/list" | "jobs/run" | "pushes/delete" => vec![project(), service(), environment()],
        "discovery/get" | "pushes/get" => vec![project(), service()],
        "pushes/put" => vec![project(), service(), environment(), ("form[repository]", text("web"))],
        "deployments/restart" | "deployments/start" | "deployments/stop" => vec![project(), service(), environment()],
        "environments/get" | "environments/managed_one" | "environments/remove" | "environments/thaw" => vec![place()],
        "environments/freeze" => vec![place(), ("why", text("because"))],
        "pruning/get" => vec![place(), machine()],
        "pruning/put" => vec![place(), machine(), ("keep", text("3")), ("min_hours", text("24")), ("fuller_than", text("90"))],
        "pruning/run" => vec![place(), machine(), ("dry_run", text("true"))],
        "cloning/plan" | "cloning/begin" => vec![project(), ("from", text("local")), ("to", world.place.clone())],
        "environments/put" => vec![place(), ("registry_address", text("10.0.0.5:3000")), ("projects", world.project.clone())],
        "environments/machine_form" | "environments/remove_machine" => vec![place(), machine()],
        "environments/put_machine" => {
            vec![place(), machine(), ("act", text("save")), ("untested", text("true")), ("form[engine]", text("unix:///nowhere.sock"))]
        }
        "deployments/get" | "deployments/cancel" | "deployments/waiting" => vec![project(), service(), ("deployment", world.deployment.clone())],
        "deployments/approve" | "deployments/refuse" | "deployments/ask_again" => {
            vec![project(), service(), ("deployment", world.deployment.clone()), ("why", text("because"))]
        }
        "deployments/compare" => vec![project(), service(), ("before", text("1")), ("after", text("1"))],
        path if path.starts_with("configs/") => configuration(world, path)?,
        "quotas/get" | "image_rules/get" | "image_rules/dry_run" | "image_rules/run" => vec![project()],
        "quotas/set" => vec![project(), ("limits[bytes]", text("10GiB")), ("limits[tags]", text("500")), ("limits[cpus]", text("400"))],
        "quotas/set_default" => vec![("limits[tags]", text("100000"))],
        "image_rules/put_immutable" => vec![project(), ("name", text("releases")), ("tags", text("v*"))],
        "image_rules/put_retention" => vec![project(), ("rule[name]", text("few")), ("rule[newest]", text("5"))],
        "image_rules/remove_immutable" | "image_rules/remove_retention" => vec![project(), ("name", text("first"))],
        "image_rules/schedule" => vec![project(), ("untagged_days", text("30")), ("daily_at", text("3"))],
        "image_rules/run_detail" | "image_rules/activate" => vec![project(), ("run", world::rules_in_force(cast, world).await)],
        "images/tags" | "images/delete_repository" => vec![project(), repository()],
        "images/get" => vec![project(), repository(), ("reference", text("1"))],
        "images/delete_image" => vec![project(), repository(), ("digest", world.digest.clone())],
        "images/delete_tag" => vec![project(), repository(), ("tag", text("1"))],
        "logs/inspect" | "inspect/processes" | "inspect/changes" => vec![("task", world.task.clone())],
        "inspect/file" => vec![("task", world.task.clone()), ("path", text("/etc/passwd"))],
        "services/running" => vec![("id", world.task.clone())],
        "projects/create" => vec![("name", format!("new-{}", world.project))],
        "projects/delete" => vec![project()],
        "projects/update" => vec![project(), ("form[description]", text("changed"))],
        "projects/set_member" => vec![project(), victim(), ("role", text("developer"))],
        "projects/remove_member" => vec![project(), victim()],
        "robots/create" => vec![project(), ("name", text("another")), ("role", text("guest")), ("expires_in_days", text("30"))],
        "robots/update" => vec![project(), robot(), ("role", text("guest"))],
        "robots/set_disabled" => vec![project(), robot(), ("disabled", text("true"))],
        "robots/rotate" => vec![project(), robot(), ("overlap_hours", text("24"))],
        "robots/delete" => vec![project(), robot()],
        "shells/list" => vec![project()],
        "shells/get" | "shells/end" => vec![project(), ("shell", world.shell.clone())],
        "services/create" => vec![project(), ("name", text("another"))],
        "templates/list" => vec![project()],
        "templates/get" | "templates/editor" | "templates/delete" => vec![project(), ("template", world.template.clone())],
        "templates/preview" => vec![project(), ("document", World::document("tried"))],
        "templates/save" => vec![project(), ("document", World::document("another"))],
        "templates/form" | "templates/of_service" => vec![project(), service()],
        "templates/plan" | "templates/deploy" => {
            vec![project(), service(), environment(), ("of[template]", format!("own/{}", world.template)), ("of[version]", text("1"))]
        }
        "upkeep/run" => vec![("kind", text("scrub")), ("dry_run", text("true"))],
        "upkeep/cancel" => vec![("run", world::run(portal).await)],
        "upkeep/schedule" => vec![("scrub_rate", text("50"))],
        "outside/put_credential" => vec![project(), ("host", text("registry.example.com")), ("username", text("u")), ("secret", text("s"))],
        "outside/delete_credential" | "outside/check_credential" => vec![project(), ("host", text("registry.example.com"))],
        "outside/copy" => vec![project(), ("from", text("registry.example.com/team/app:1"))],
        "outside/cancel_copy" => vec![project(), ("copy", world.copy.clone())],
        "folders/set" => vec![("allowed", text("/srv/media read-only"))],
        "usage/set_prices" => vec![("prices[currency]", text("EUR")), ("prices[cpu_hours]", text("0.05"))],
        "outside/set" => vec![("allowed", text("registry.lan:5000"))],
        "accounts/logout"
        | "accounts/end_other_sessions"
        | "accounts/set_up_needed"
        | "accounts/sessions"
        | "accounts/tokens"
        | "accounts/users"
        | "audit/site"
        | "environments/list"
        | "environments/managed"
        | "outside/settings"
        | "folders/settings"
        | "environments/foreign"
        | "imports/projects"
        | "quotas/list"
        | "projects/list"
        | "projects/may_create"
        | "services/mine"
        | "deployments/to_approve"
        | "metrics/machines"
        | "metrics/overview"
        | "usage/site"
        | "upkeep/storage" => Vec::new(),
        _ => return None,
    })
}

/// The fields of the configuration centre's forms; the world's project was configured just now.
fn configuration(world: &World, path: &str) -> Option<Vec<(&'static str, String)>> {
    let at = ("at[project]", world.project.clone());
    let text = |text: &str| text.to_owned();
    // As often as `world::configured` changes it.
    let based_on = ("based_on", text("3"));
    Some(match path {
        "configs/get" | "configs/roll_all" => vec![at],
        "configs/put_variable" => vec![at, based_on, ("name", text("A")), ("value", text("1"))],
        "configs/put_variables" => vec![at, based_on, ("lines", text("A=1"))],
        "configs/put_file" => vec![at, based_on, ("name", text("b.conf")), ("content", text("x"))],
        "configs/put_secret" => vec![at, based_on, ("name", text("key")), ("value", text("x"))],
        "configs/remove" => vec![at, based_on, ("kind", text("variable")), ("name", text("LOG_LEVEL"))],
        "configs/restore" => vec![at, based_on, ("version", text("1"))],
        "configs/roll" => vec![("project", world.project.clone()), ("service", text("web")), ("environment", text("local"))],
        _ => return None,
    })
}
