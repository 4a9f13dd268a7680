//! Push deploys: a rule of a service in an environment says which pushes to the embedded registry deploy by themselves. A push that some rule may be
//! about is written down with the push ([`note`]), so none is lost; a loop looks at it, says what became of it, and forgets it ([`work`]).
//!
//! *Who deploys* is whoever pushed, as they are now: their role must let them deploy. What the rule adds is that a token or a robot's secret need not
//! reach further than to push: so a project's admins make rules, as they make hooks. What stands in the way of a deployment by hand stands in the way
//! of this one, and is told on the service's page.
//!
//! *Once*: an image is deployed by pushes once in each environment, under whichever tag and however often it is pushed. So a push cannot undo a
//! rollback, and three tags of one image are one deployment.

use model::digest::Digest;
use model::ids::{PushId, ServiceId};
use model::names::{EnvironmentName, TagName};
use model::page::{Page, PageRequest};
use model::pushes::{PushOutcome, PushRule, PushRuleForm};
use model::views::pushes::{PushRuleView, PushView};

use crate::access::{May, can};
use crate::args;
use crate::change::{Change, Record};
use crate::db::{Json, Row, Tx};
use crate::environments;
use crate::error::{Error, Result};
use crate::images::Destination;
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::services::Service;

#[cfg(test)]
mod tests;
pub mod work;

crate::text_columns! { PushOutcome }

const RULES: &str = "SELECT e.name AS environment, e.protected, u.repository, u.filter, u.enabled, u.updated_by, u.updated_at FROM push_rules u
    JOIN environments e ON e.id = u.environment_id WHERE u.service_id = $1 AND e.removed_at IS NULL";

fn rule(row: &Row<'_>) -> Result<PushRuleView> {
    let Json(filter) = row.get::<Json<model::filters::TagFilter>>("filter")?;
    Ok(PushRuleView {
        environment: row.get("environment")?,
        protected: row.get("protected")?,
        repository: row.get("repository")?,
        tags: filter.tags,
        versions: filter.versions,
        enabled: row.get("enabled")?,
        by: row.get("updated_by")?,
        updated_at: row.get("updated_at")?,
    })
}

/// The rules of a service, by environment: one in each at most.
pub async fn rules(platform: &Platform, may: &May<can::SeeServices, Service>) -> Result<Vec<PushRuleView>> {
    platform.read().await?.all(format!("{RULES} ORDER BY e.name LIMIT 200"), args![may.id], rule).await
}

/// What became of the last pushes that a rule of the service was about, newest first.
pub async fn history(platform: &Platform, may: &May<can::SeeServices, Service>, page: &PageRequest) -> Result<Page<PushView>> {
    let limit = page.limit();
    // One push is one row in each environment, and pages are cut between rows.
    let (push, environment) = page.after.as_deref().and_then(|after| after.split_once(':')).unwrap_or(("g", ""));
    let sql =
        "SELECT o.push_id, e.name AS environment, o.repository, o.tag, o.digest, o.pusher, o.pushed_at, o.outcome, o.reason, o.deployment_id, d.state
               FROM push_outcomes o JOIN environments e ON e.id = o.environment_id LEFT JOIN deployments d ON d.id = o.deployment_id
               WHERE o.service_id = $1 AND (o.push_id < $2 OR (o.push_id = $2 AND e.name > $3)) ORDER BY o.push_id DESC, e.name LIMIT $4";
    let view = |row: &Row<'_>| {
        Ok(PushView {
            id: row.get("push_id")?,
            environment: row.get("environment")?,
            repository: row.get("repository")?,
            tag: row.get("tag")?,
            digest: row.get("digest")?,
            by: row.get("pusher")?,
            pushed_at: row.get("pushed_at")?,
            outcome: row.get("outcome")?,
            reason: row.get("reason")?,
            deployment: row.get("deployment_id")?,
            state: row.get("state")?,
        })
    };
    let items = platform.read().await?.all(sql, args![may.id, push, environment, i64::from(limit) + 1], view).await?;
    Ok(Page::cut(items, limit, |item: &PushView| format!("{}:{}", item.id, item.environment)))
}

/// Sets the rule of a service in an environment. It is about pushes from now on.
pub async fn put(
    platform: &Platform,
    may: &May<can::ManageHooks, Service>,
    environment: &EnvironmentName,
    form: &PushRuleForm,
) -> Result<PushRuleView> {
    let PushRule { repository, filter, enabled } = form.check().map_err(Error::Invalid)?;
    let mut change = platform.change(may.actor()).await?;
    change.lock_key(&lock(may.id)).await?;
    still_there(&mut change, may).await?;
    let environment = environments::choose(&mut change, may.project.id, Some(environment)).await?;
    let sql =
        "INSERT INTO push_rules (service_id, environment_id, repository, filter, enabled, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT (service_id, environment_id) DO UPDATE SET repository = excluded.repository, filter = excluded.filter,
               enabled = excluded.enabled, updated_by = excluded.updated_by, updated_at = excluded.updated_at";
    let arguments = args![may.id, environment.id, &repository, Json(&filter), enabled, may.actor().name(), platform.now()];
    change.exec(sql, arguments).await?;
    let view = change.one(format!("{RULES} AND u.environment_id = $2"), args![may.id, environment.id], rule).await?;
    change.touch(Topic::Service(may.id));
    let detail = serde_json::json!({ "environment": environment.name, "repository": repository, "filter": filter, "enabled": enabled });
    change.commit(record("push_rule.set", may, detail)).await?;
    Ok(view)
}

/// Takes the rule away. What it deployed stays.
pub async fn delete(platform: &Platform, may: &May<can::ManageHooks, Service>, environment: &EnvironmentName) -> Result<()> {
    let mut change = platform.change(may.actor()).await?;
    let sql = "DELETE FROM push_rules WHERE service_id = $1
               AND environment_id = (SELECT e.id FROM environments e WHERE e.name = $2 AND e.removed_at IS NULL)";
    if change.exec(sql, args![may.id, environment]).await? == 0 {
        return Err(Error::NotFound { what: "push rule" });
    }
    change.touch(Topic::Service(may.id));
    change.commit(record("push_rule.delete", may, serde_json::json!({ "environment": environment }))).await
}

fn record(action: &'static str, service: &Service, detail: serde_json::Value) -> Record {
    Record::new(action, "service", &service.name).project(&service.project).detail(detail)
}

/// What is held by whoever makes a rule of a service, and by whoever deletes the service.
fn lock(service: ServiceId) -> String {
    format!("push rules {service}")
}

async fn still_there(tx: &mut Tx, service: &Service) -> Result<()> {
    let sql = "SELECT id FROM services WHERE id = $1 AND deleted_at IS NULL";
    let found: Option<ServiceId> = tx.opt(sql, args![service.id], |row| row.get("id")).await?;
    found.map(drop).ok_or(Error::NotFound { what: "service" })
}

/// A service goes, and its rules with it.
pub(crate) async fn forget(tx: &mut Tx, service: ServiceId) -> Result<()> {
    tx.lock_key(&lock(service)).await?;
    tx.exec("DELETE FROM push_rules WHERE service_id = $1", args![service]).await.map(drop)
}

/// Writes down what is being pushed, in the push's own transaction, where a rule may be about it.
pub async fn note(change: &mut Change, platform: &Platform, may: &May<can::Push, Destination>, tags: &[TagName], digest: &Digest) -> Result<()> {
    let sql = "INSERT INTO pushes (id, project_id, repository, tag, digest, pusher_id, pusher, address, pushed_at, not_before)
               SELECT $1, s.project_id, $3, $4, $5, $6, $7, $8, $9, $9 FROM push_rules u JOIN services s ON s.id = u.service_id
               WHERE s.project_id = $2 AND u.repository = $3 AND u.enabled AND s.deleted_at IS NULL LIMIT 1";
    let pusher = may.actor().account()?.id;
    for tag in tags {
        let id: PushId = platform.new_id();
        let arguments = args![id, may.project.id, &may.path, tag, digest, pusher, may.actor().name(), may.actor().address(), platform.now()];
        if change.exec(sql, arguments).await? > 0 {
            change.wake(Signal::Pushes);
        }
    }
    Ok(())
}
