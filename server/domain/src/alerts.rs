//! Alerts: rules that people write and that a site begins with, and what is wrong by them. A loop looks every few seconds whether each rule holds
//! for each thing ([`work`]), from the last samples in memory and from what the database says of tasks, deployments and machines; how an alert
//! begins and ends is decided by [`life`], which is pure. Who hears of it is decided by [`crate::notices`], which knows nothing of alerts.

use model::alerts::{AlertState, Rule, Severity};
use model::ids::ProjectId;

use crate::access::{Held, can};
use crate::args;
use crate::change::Record;
use crate::db::Json;
use crate::error::Result;
use crate::live::Topic;
use crate::platform::Platform;

mod certificate;
mod figures;
mod judge;
mod life;
mod list;
mod open;
mod rules;
mod silences;
mod steps;
mod telling;
#[cfg(test)]
mod tests;
pub mod work;
mod world;

pub use certificate::ends as certificate_ends;
pub use list::{acknowledge, firing, get, list};
pub(crate) use list::{fired, fired_on};
pub use rules::{count as count_rules, create as create_rule, delete as delete_rule, list as list_rules, places, update as update_rule};
pub use silences::{create as create_silence, end as end_silence, list as list_silences};

crate::text_columns! { AlertState, Severity }

/// The permission to see alerts: a project's for whoever sees its services, the site's for operators.
pub type Seeing = Held<can::SeeServices, can::ManageAlerts>;
/// The permission to say that an alert was seen, and to silence it.
pub type Answering = Held<can::AnswerAlerts>;
/// The permission to write rules.
pub type Managing = Held<can::ManageAlerts>;

/// The setting that says that the site has had its first rules: those that operators delete stay deleted.
const SHIPPED: &str = "alert_rules_shipped";

/// Gives a new site its first rules. Idempotent.
pub async fn prepare(platform: &Platform) -> Result<()> {
    let mut write = platform.bookkeeping().await?;
    write.lock_key("alert rules").await?;
    if crate::site::setting(&mut write, SHIPPED).await?.is_some() {
        return Ok(());
    }
    for rule in Rule::shipped() {
        let id: model::ids::AlertRuleId = platform.new_id();
        let sql = "INSERT INTO alert_rules (id, project_id, name, rule, updated_by, updated_at) VALUES ($1, $2, $3, $4, 'slipway', $5)
                   ON CONFLICT DO NOTHING";
        write.exec(sql, args![id, None::<ProjectId>, &rule.name, Json(&rule), platform.now()]).await?;
    }
    crate::site::put_setting(&mut write, SHIPPED, "1").await?;
    write.finish().await
}

/// What pages watch for a holder's alerts.
fn topic(project: Option<ProjectId>) -> Topic {
    project.map_or(Topic::SiteAlerts, Topic::Alerts)
}

/// The audit record of something that was done to a holder's alerts.
fn record<P: can::Permission, Q: can::Permission>(may: &Held<P, Q>, action: &'static str, kind: &'static str, target: impl ToString) -> Record {
    let record = Record::new(action, kind, target);
    match may.project() {
        Some(project) => record.project(project),
        None => record,
    }
}
