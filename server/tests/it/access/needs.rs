//! What a world must hold for a door. Building worlds is most of what the tables of answers cost, so that none is built that nobody looks at. A door
//! that is not named here gets a world with one of everything, and of its own: a new door is right before it is cheap.

use std::collections::BTreeSet;

use super::samples;

/// A part of a world, in the order in which one stands on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The project, with a guest, a developer and an admin.
    Project,
    /// Somebody to be managed, a guest of the project. Their password costs a hash.
    Victim,
    /// A repository with an image.
    Image,
    /// A robot.
    Robot,
    /// A credential for an outside registry.
    Credential,
    /// A service.
    Service,
    /// A template.
    Template,
    /// A deployment of the service from the template, with a task and a shell in it.
    Deployment,
    /// A copy that waits.
    CopyIn,
}

use Part::{CopyIn, Credential, Deployment, Image, Project, Robot, Service, Template, Victim};

type Parts = &'static [Part];

const EVERYTHING: [Part; 9] = [Project, Victim, Image, Robot, Credential, Service, Template, Deployment, CopyIn];
const NOTHING: Parts = &[];
const PROJECT: Parts = &[Project];
const PERSON: Parts = &[Project, Victim];
const IMAGE: Parts = &[Project, Image];
const ROBOT: Parts = &[Project, Robot];
const CREDENTIAL: Parts = &[Project, Credential];
const COPY: Parts = &[Project, Credential, CopyIn];
const SERVICE: Parts = &[Project, Service];
const TEMPLATE: Parts = &[Project, Template];
const DEPLOYED: Parts = &[Project, Image, Service, Template, Deployment];

/// One of everything.
pub fn everything() -> BTreeSet<Part> {
    EVERYTHING.into()
}

/// What the door's world holds.
pub fn of(path: &str) -> BTreeSet<Part> {
    match known(path) {
        Some(parts) => parts.iter().copied().collect(),
        None => EVERYTHING.into_iter().filter(|part| *part != Victim || samples::needs_victim(path)).collect(),
    }
}

/// What is planted for the door in its world beside the parts, in a word.
pub fn planted(path: &str) -> &'static str {
    const PLANTED: [(&str, &str); 16] = [
        ("/configuration", "configuration"),
        ("/variables", "configuration"),
        ("/configs", "configuration"),
        ("/secrets", "configuration"),
        ("/clone", "environment"),
        ("{environment}", "environment"),
        ("/image-rules", "rules"),
        ("{alert}", "watching"),
        ("{route}", "watching"),
        ("{rule}", "watching"),
        ("{silence}", "watching"),
        ("{upload}", "upload"),
        ("{hook}", "hook"),
        ("/push-rules/", "rule of pushes"),
        ("{incident}", "status"),
        ("{legacy}", "status"),
    ];
    PLANTED.iter().find(|(word, _)| path.contains(word)).map_or("", |(_, what)| what)
}

/// Whether a world in which everybody was refused at this door may serve another that needs the same. Where the clock moves, deployments come to
/// their deadlines and reviews of rules no longer hold.
pub fn serves_again(path: &str) -> bool {
    planted(path) != "rules" && known(path).is_some_and(|parts| !parts.contains(&Deployment))
}

fn known(path: &str) -> Option<Parts> {
    if let Some(called) = path.strip_prefix("/fn/") {
        return of_function(called);
    }
    if let Some(rest) = path.strip_prefix("/v2/{name}/") {
        // What is deleted there is in use.
        return Some(if rest.starts_with("manifests/") { DEPLOYED } else { IMAGE });
    }
    if path == "/auth/token" {
        return Some(NOTHING);
    }
    let path = path.strip_prefix("/api/v1")?;
    match path.strip_prefix("/projects/{project}/") {
        Some(inside) => of_project(inside),
        None => of_site(path),
    }
}

/// Doors of the API that are about no project.
fn of_site(path: &str) -> Option<Parts> {
    Some(match path {
        "/users"
        | "/me/password"
        | "/me/tokens"
        | "/me/tokens/{token}"
        | "/me/sessions/{session}"
        | "/projects"
        | "/host-folders"
        | "/outside-registries"
        | "/mail"
        | "/status-page"
        | "/incidents"
        | "/quotas/default"
        | "/usage/prices"
        | "/registry/runs"
        | "/registry/runs/{run}/cancel"
        | "/registry/schedule"
        | "/alert-rules"
        | "/silences"
        | "/routes"
        | "/templates/preview"
        | "/templates/{template}"
        | "/templates/{template}/render" => NOTHING,
        // What is planted for these is the project's, or lets it in.
        "/alert-rules/{rule}"
        | "/silences/{silence}"
        | "/routes/{route}"
        | "/routes/{route}/test"
        | "/routes/{route}/notices/{notice}/redeliver"
        | "/status-page/projects/{project}"
        | "/incidents/{incident}"
        | "/incidents/{incident}/updates"
        | "/environments/{environment}"
        | "/environments/{environment}/freeze"
        | "/environments/{environment}/machines/{machine}"
        | "/environments/{environment}/machines/{machine}/test"
        | "/environments/{environment}/machines/{machine}/pruning" => PROJECT,
        "/users/{username}" | "/users/{username}/password" => PERSON,
        "/alerts/{alert}/acknowledge" => DEPLOYED,
        _ => return None,
    })
}

/// Doors of the API below a project.
fn of_project(path: &str) -> Option<Parts> {
    Some(match path {
        "alert-rules"
        | "alert-rules/{rule}"
        | "silences"
        | "silences/{silence}"
        | "routes"
        | "routes/{route}"
        | "routes/{route}/test"
        | "routes/{route}/notices/{notice}/redeliver"
        | "robots"
        | "status-page"
        | "incidents"
        | "incidents/{incident}"
        | "incidents/{incident}/updates"
        | "legacy-services"
        | "legacy-services/{legacy}"
        | "services"
        | "templates/preview" => PROJECT,
        "members/{username}" => PERSON,
        "robots/{robot}" | "robots/{robot}/rotate" => ROBOT,
        "registries/{host}" | "registries/{host}/check" | "copies" => CREDENTIAL,
        "copies/{copy}/cancel" => COPY,
        "image-rules" | "image-rules/activate" | "image-rules/dry-run" | "image-rules/run" => IMAGE,
        "templates/{template}/render" => TEMPLATE,
        "configuration/restore" | "variables" | "variables/{name}" | "configs/{name}" | "secrets/{name}" => SERVICE,
        "alerts/{alert}/acknowledge"
        | "clone"
        | "clone/plan"
        | "configuration/roll"
        | "repositories/{repository}"
        | "repositories/{repository}/images/{reference}"
        | "repositories/{repository}/tags/{tag}"
        | "services/{service}"
        | "shells/{shell}"
        | "templates/{template}" => DEPLOYED,
        _ => return of_service(path.strip_prefix("services/{service}/")?),
    })
}

/// Doors of the API below a service.
fn of_service(path: &str) -> Option<Parts> {
    Some(match path {
        "configuration/restore" | "variables" | "variables/{name}" | "configs/{name}" | "secrets/{name}" => SERVICE,
        "deployments"
        | "deployments/{deployment}/approve"
        | "deployments/{deployment}/ask-again"
        | "deployments/{deployment}/cancel"
        | "deployments/{deployment}/refuse"
        | "descriptor"
        | "hooks"
        | "hooks/{hook}"
        | "hooks/{hook}/deliveries/{delivery}/redeliver"
        | "hooks/{hook}/rotate"
        | "plan"
        | "push-rules/{environment}"
        | "restart"
        | "revisions/{revision}/plan"
        | "roll"
        | "rollback"
        | "runs"
        | "scale"
        | "start"
        | "stop" => DEPLOYED,
        _ => return None,
    })
}

/// Server functions.
fn of_function(called: &str) -> Option<Parts> {
    let (module, name) = called.split_once('/')?;
    Some(match (module, name) {
        ("accounts", "set_disabled" | "set_operator" | "reset_password" | "delete_user") | ("projects", "set_member" | "remove_member") => PERSON,
        ("accounts", "login" | "logout" | "set_up" | "change_password" | "end_session" | "end_other_sessions")
        | ("accounts", "create_token" | "revoke_token" | "create_user")
        | ("upkeep", "run" | "cancel" | "schedule")
        | ("projects", "create")
        | ("folders" | "outside", "set")
        | ("quotas", "set_default")
        | ("usage", "set_prices") => NOTHING,
        ("alerts", "delete_rule" | "end_silence" | "put_rule" | "silence")
        | ("notices", "delete_route" | "put_mail" | "put_route" | "redeliver" | "test")
        | ("environments", "freeze" | "put" | "put_machine" | "remove" | "remove_machine" | "thaw")
        | ("status", _)
        | ("pruning", "put" | "run")
        | ("projects", "update")
        | ("robots" | "services", "create")
        | ("templates", "preview" | "save") => PROJECT,
        ("robots", "delete" | "rotate" | "set_disabled" | "update") => ROBOT,
        ("outside", "check_credential" | "copy" | "delete_credential" | "put_credential") => CREDENTIAL,
        ("outside", "cancel_copy") => COPY,
        ("image_rules", "activate" | "dry_run" | "put_immutable" | "put_retention")
        | ("image_rules", "remove_immutable" | "remove_retention" | "run" | "schedule") => IMAGE,
        ("configs", "put_file" | "put_secret" | "put_variable" | "put_variables" | "remove" | "restore") => SERVICE,
        ("configs", "roll" | "roll_all")
        | ("alerts", "acknowledge")
        | ("cloning", "begin")
        | ("hooks" | "pushes", _)
        | ("deployments", "approve" | "ask_again" | "cancel" | "deploy" | "deploy_text" | "plan" | "refuse")
        | ("deployments", "restart" | "rollback" | "scale" | "start" | "stop")
        | ("images", "delete_image" | "delete_repository" | "delete_tag")
        | ("jobs", "run")
        | ("services", "delete")
        | ("shells", "end")
        | ("templates", "delete" | "deploy" | "plan") => DEPLOYED,
        _ => return None,
    })
}
