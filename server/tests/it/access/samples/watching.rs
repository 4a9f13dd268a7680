//! Requests to the doors of alerts and of the routes that tell of them. What they are about is planted: no alert fires by itself here.

use domain::args;
use model::ids::{AlertId, AlertRuleId, NoticeId, NoticeRouteId, SilenceId};
use serde_json::{Value, json};

use crate::access::world::World;
use crate::portal::TestPortal;

/// Server functions that only read, though they are called with POST.
pub fn reads(path: &str) -> bool {
    matches!(path, "/fn/alerts/firing" | "/fn/alerts/list" | "/fn/alerts/rules" | "/fn/notices/routes" | "/fn/notices/route" | "/fn/notices/mail")
}

/// One of everything.
struct Planted {
    alert: String,
    rule: String,
    route: String,
    notice: String,
    silence: String,
}

const RULE: &str = r#"{"name":"planted","kind":"threshold","of":"services","metric":"memory_working_set","label":"","compare":"over","value":90.0,
    "share":true,"severity":"warning","service":null,"environment":null,"after":"5m","resolve_after":"5m","routes":[],"enabled":true}"#;
const NOTICE: &str = r#"{"event":"test","title":"t","text":"t","tone":"info","link":"/","project":null,"at":1}"#;

/// Plants one of everything for the world's project, or for the site. An alert is always the project's: operators see it too.
#[expect(clippy::disallowed_methods, reason = "without samples nothing fires, and nothing may be sent; the rows are planted")]
async fn plant(portal: &TestPortal, world: &World, of_site: bool) -> Planted {
    let platform = portal.platform();
    let mut write = platform.bookkeeping().await.expect("a transaction");
    let project: model::ids::ProjectId =
        write.one("SELECT id FROM projects WHERE name = $1", args![&world.project], |row| row.get("id")).await.expect("a project");
    let holder = (!of_site).then_some(project);
    let rule: AlertRuleId = platform.new_id();
    let sql = "INSERT INTO alert_rules (id, project_id, name, rule, updated_by, updated_at) VALUES ($1, $2, 'planted', $3, 'admin', 1) ON CONFLICT DO NOTHING";
    write.exec(sql, args![rule, holder, RULE]).await.expect("a rule");
    let sql = "SELECT id FROM alert_rules WHERE name = 'planted' AND project_id IS NOT DISTINCT FROM $1";
    let rule: AlertRuleId = write.one(sql, args![holder], |row| row.get("id")).await.expect("a rule");
    let alert: AlertId = platform.new_id();
    let sql = "INSERT INTO alerts (id, fingerprint, rule_id, rule, of_site, severity, project_id, service_id, environment_id, subject, state, summary, link,
                   since, fired_at, told, told_site)
               SELECT $1, $2, $3, 'planted', $4, 'warning', $5, d.service_id, d.environment_id, $6, 'firing', 'planted', '/', 1, 1, $7, $7
               FROM desired d JOIN services s ON s.id = d.service_id WHERE s.project_id = $5 LIMIT 1 ON CONFLICT DO NOTHING";
    let subject = json!({"project": world.project, "service": "web", "environment": "local"}).to_string();
    let fingerprint = format!("planted {project}");
    write.exec(sql, args![alert, &fingerprint, rule, of_site, project, subject, true]).await.expect("an alert");
    let sql = "SELECT id FROM alerts WHERE fingerprint = $1 ORDER BY id DESC LIMIT 1";
    let alert: Option<AlertId> = write.opt(sql, args![&fingerprint], |row| row.get("id")).await.expect("an answer");
    let route: NoticeRouteId = platform.new_id();
    let sql = "INSERT INTO notice_routes (id, project_id, name, kind, shown, target, events, enabled, updated_by, updated_at)
               VALUES ($1, $2, 'planted', 'webhook', 'https://hooks.example.com', $3, '[]', $4, 'admin', 1) ON CONFLICT DO NOTHING";
    write.exec(sql, args![route, holder, Vec::<u8>::new(), false]).await.expect("a route");
    let sql = "SELECT id FROM notice_routes WHERE name = 'planted' AND project_id IS NOT DISTINCT FROM $1";
    let route: NoticeRouteId = write.one(sql, args![holder], |row| row.get("id")).await.expect("a route");
    // One test of a route waits at most, and those of others who were asked before never leave.
    write.exec("DELETE FROM notices WHERE route_id = $1 AND state = 'queued'", args![route]).await.expect("none waits");
    let notice: NoticeId = platform.new_id();
    let sql = "INSERT INTO notices (id, route_id, event, notice, state, attempts, due_at, created_at, queued_at, ended_at)
               VALUES ($1, $2, 'test', $3, 'failed', 1, $4, $4, $4, $4)";
    write.exec(sql, args![notice, route, NOTICE, platform.now()]).await.expect("a notice");
    let silence: SilenceId = platform.new_id();
    let sql = "INSERT INTO alert_silences (id, project_id, rule, why, created_by, created_at, ends_at) VALUES ($1, $2, 'other', '', 'admin', 1, $3)";
    write.exec(sql, args![silence, holder, i64::MAX / 2]).await.expect("a silence");
    write.finish().await.expect("kept");
    let alert = alert.map(|id| id.to_string()).unwrap_or_default();
    Planted { alert, rule: rule.to_string(), route: route.to_string(), notice: notice.to_string(), silence: silence.to_string() }
}

/// The path with the parameters of these doors filled in.
pub async fn fill(portal: &TestPortal, world: &World, path: &str) -> String {
    if !["{alert}", "{rule}", "{route}", "{silence}"].iter().any(|name| path.contains(name)) {
        return path.to_owned();
    }
    let planted = plant(portal, world, !path.contains("{project}")).await;
    path.replace("{alert}", &planted.alert)
        .replace("{rule}", &planted.rule)
        .replace("{route}", &planted.route)
        .replace("{notice}", &planted.notice)
        .replace("{silence}", &planted.silence)
}

/// The body for a door of the API; none where it is another's.
pub fn body(method: &str, path: &str) -> Option<Value> {
    let path = path.strip_prefix("/api/v1/projects/{project}").or_else(|| path.strip_prefix("/api/v1"))?;
    Some(match (method, path) {
        ("POST", "/alerts/{alert}/acknowledge") => json!({"note": "seen"}),
        ("POST", "/alert-rules") => json!({"name": "another", "kind": "unhealthy", "after": "2m"}),
        ("PUT", "/alert-rules/{rule}") => json!({"name": "planted", "kind": "threshold", "metric": "pids", "value": "10"}),
        ("POST", "/silences") => json!({"rule": "another", "span": "1h"}),
        ("POST", "/routes") => route("another"),
        ("PUT", "/routes/{route}") => route("planted"),
        ("POST", "/routes/{route}/test" | "/routes/{route}/notices/{notice}/redeliver") => json!({}),
        ("PUT", "/mail") => json!({"host": "mail.example.com", "port": "587", "security": "starttls", "sender": "slipway@example.com"}),
        _ => return None,
    })
}

fn route(name: &str) -> Value {
    json!({"name": name, "kind": "webhook", "address": "https://hooks.example.com/a", "events": ["alert.firing"], "disabled": true})
}

/// The fields of a server function's form; none where it is another's.
pub async fn form(portal: &TestPortal, world: &World, path: &str) -> Option<Vec<(&'static str, String)>> {
    let called = path.strip_prefix("/fn/alerts/").or_else(|| path.strip_prefix("/fn/notices/"))?;
    let planted = plant(portal, world, false).await;
    let project = ("project", world.project.clone());
    let text = |text: &str| text.to_owned();
    Some(match called {
        "firing" | "list" | "rules" | "routes" => vec![project],
        "acknowledge" => vec![project, ("alert", planted.alert)],
        "silence" => vec![project, ("rule", text("another")), ("span", text("1h"))],
        "end_silence" => vec![project, ("silence", planted.silence)],
        "put_rule" => vec![project, ("form[name]", text("another")), ("form[kind]", text("unhealthy"))],
        "delete_rule" => vec![project, ("rule", planted.rule)],
        "put_route" => vec![
            project,
            ("form[name]", text("another")),
            ("form[kind]", text("webhook")),
            ("form[address]", text("https://hooks.example.com/a")),
            ("form[disabled]", text("true")),
        ],
        "delete_route" | "test" | "route" => vec![project, ("route", planted.route)],
        "redeliver" => vec![project, ("route", planted.route), ("notice", planted.notice)],
        "mail" => Vec::new(),
        "put_mail" => vec![
            ("form[host]", text("mail.example.com")),
            ("form[port]", text("587")),
            ("form[security]", text("starttls")),
            ("form[sender]", text("slipway@example.com")),
        ],
        _ => return None,
    })
}
