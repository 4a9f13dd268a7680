//! Requests to the doors of the status page. What they are about is planted.

use domain::args;
use model::ids::{IncidentId, LegacyServiceId, ProjectId};
use serde_json::{Value, json};

use crate::access::world::World;
use crate::portal::TestPortal;

/// An incident and a service outside of containers.
#[expect(clippy::disallowed_methods, reason = "each caller needs its own, whoever may write one; the rows are planted")]
async fn plant(portal: &TestPortal, world: &World, of_site: bool) -> (String, String) {
    let platform = portal.platform();
    let mut write = platform.bookkeeping().await.expect("a transaction");
    let project: ProjectId =
        write.one("SELECT id FROM projects WHERE name = $1", args![&world.project], |row| row.get("id")).await.expect("a project");
    let holder = (!of_site).then_some(project);
    let sql = "SELECT id FROM status_incidents WHERE title = 'planted' AND state = 'investigating' AND project_id IS NOT DISTINCT FROM $1 LIMIT 1";
    let known: Option<IncidentId> = write.opt(sql, args![holder], |row| row.get("id")).await.expect("an answer");
    let incident = known.unwrap_or_else(|| platform.new_id());
    if known.is_none() {
        let sql =
            "INSERT INTO status_incidents (id, project_id, kind, title, impact, state, components, starts_at, created_by, created_at, updated_at)
                   VALUES ($1, $2, 'incident', 'planted', 'minor', 'investigating', '[]', 1, 'admin', 1, 1)";
        write.exec(sql, args![incident, holder]).await.expect("an incident");
    }
    let legacy: LegacyServiceId = platform.new_id();
    let sql = "INSERT INTO legacy_services (id, project_id, name, title, address, shown, updated_by, updated_at)
               VALUES ($1, $2, 'planted', '', 'https://legacy.example.com:443/', $3, 'admin', 1) ON CONFLICT DO NOTHING";
    write.exec(sql, args![legacy, project, false]).await.expect("a service");
    let sql = "SELECT id FROM legacy_services WHERE name = 'planted' AND project_id = $1";
    let legacy: LegacyServiceId = write.one(sql, args![project], |row| row.get("id")).await.expect("a service");
    write.finish().await.expect("kept");
    (incident.to_string(), legacy.to_string())
}

/// The path with the parameters of these doors filled in.
pub async fn fill(portal: &TestPortal, world: &World, path: &str) -> String {
    let path = path.replace("{badge}", "web.svg");
    if !path.contains("{incident}") && !path.contains("{legacy}") {
        return path;
    }
    let (incident, legacy) = plant(portal, world, !path.contains("{project}")).await;
    path.replace("{incident}", &incident).replace("{legacy}", &legacy)
}

/// The body for a door of the API; none where it is another's.
pub fn body(method: &str, path: &str) -> Option<Value> {
    let path = path.strip_prefix("/api/v1/projects/{project}").or_else(|| path.strip_prefix("/api/v1"))?;
    Some(match (method, path) {
        ("PUT", "/status-page") => json!({"title": "Our services"}),
        ("PUT", "/status-page/projects/{project}") => json!({"off_site": true}),
        ("POST", "/incidents") => json!({"title": "Slow", "text": "We look into it."}),
        ("POST", "/incidents/{incident}/updates") => json!({"text": "It is over.", "state": "resolved"}),
        ("POST", "/legacy-services") => json!({"name": "another", "address": "https://legacy.example.com/", "hidden": true}),
        ("PUT", "/legacy-services/{legacy}") => json!({"name": "planted", "address": "tcp://legacy.example.com:5432", "hidden": true}),
        _ => return None,
    })
}

/// The fields of a server function's form; none where it is another's.
pub async fn form(portal: &TestPortal, world: &World, path: &str) -> Option<Vec<(&'static str, String)>> {
    let called = path.strip_prefix("/fn/status/")?;
    let (incident, legacy) = plant(portal, world, false).await;
    let project = ("project", world.project.clone());
    let text = |text: &str| text.to_owned();
    Some(match called {
        "get" => vec![project],
        "put_project" => vec![project, ("off_site", text("true"))],
        "put_page" => vec![project, ("form[title]", text("Our services"))],
        "create_incident" => vec![project, ("form[title]", text("Slow")), ("form[text]", text("We look into it."))],
        "say" => vec![project, ("incident", incident), ("form[text]", text("Still slow."))],
        "remove_incident" => vec![project, ("incident", incident)],
        "put_legacy" => {
            vec![project, ("form[name]", text("another")), ("form[address]", text("https://legacy.example.com/")), ("form[hidden]", text("true"))]
        }
        "delete_legacy" => vec![project, ("legacy", legacy)],
        _ => return None,
    })
}
