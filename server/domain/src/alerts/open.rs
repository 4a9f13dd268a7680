//! Alerts that are not over, as they are kept.

use model::alerts::{AlertState, Severity};
use model::ids::{AlertId, AlertRuleId, EnvironmentId, MachineId, ProjectId, ServiceId};
use model::time::Millis;
use model::views::alerts::{ChangedView, SubjectView};

use super::judge::Place;
use super::life::Phase;
use super::silences::Sides;
use super::telling::Told;
use crate::args;
use crate::db::{Json, Row, Tx};
use crate::error::Result;

/// Alerts that are read at a time. How many there are at most follows from the rules: see [`model::alerts::OPEN_MOST`].
const AT_ONCE: usize = 2_000;

/// An alert that is not over.
pub(super) struct Open {
    pub id: AlertId,
    pub fingerprint: String,
    pub rule_id: AlertRuleId,
    pub rule: String,
    pub of_site: bool,
    pub severity: Severity,
    pub project: Option<ProjectId>,
    pub service: Option<ServiceId>,
    pub environment: Option<EnvironmentId>,
    pub machine: Option<MachineId>,
    pub subject: SubjectView,
    pub summary: String,
    pub link: String,
    pub changed: Option<ChangedView>,
    pub phase: Phase,
    /// Who was told that it began.
    pub told: Sides,
    /// Names of the only routes that hear of it; empty: each one.
    pub routes: Vec<String>,
    pub fired_at: Option<Millis>,
}

/// All of them, in the order in which they began.
pub(super) async fn all(tx: &mut Tx) -> Result<Vec<Open>> {
    let sql =
        "SELECT id, fingerprint, rule_id, rule, of_site, severity, project_id, service_id, environment_id, machine_id, subject, state, summary, link,
               changed, since, held_at, fired_at, calm_since, told, told_site, routes FROM alerts
               WHERE state <> 'resolved' AND id > $1 ORDER BY id LIMIT $2";
    let mut all: Vec<Open> = Vec::new();
    loop {
        let last = all.last().map(|alert| alert.id.to_string()).unwrap_or_default();
        let page = tx.all(sql, args![last, AT_ONCE as i64], read).await?;
        let is_last = page.len() < AT_ONCE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

fn read(row: &Row<'_>) -> Result<Open> {
    let phase = match row.get::<AlertState>("state")? {
        AlertState::Pending => {
            let since = row.get("since")?;
            Phase::Pending { since, held: row.get::<Option<Millis>>("held_at")?.unwrap_or(since) }
        }
        AlertState::Firing | AlertState::Resolved => Phase::Firing { calm_since: row.get("calm_since")? },
    };
    Ok(Open {
        id: row.get("id")?,
        fingerprint: row.get("fingerprint")?,
        rule_id: row.get("rule_id")?,
        rule: row.get("rule")?,
        of_site: row.get("of_site")?,
        severity: row.get("severity")?,
        project: row.get("project_id")?,
        service: row.get("service_id")?,
        environment: row.get("environment_id")?,
        machine: row.get("machine_id")?,
        subject: row.get::<Json<SubjectView>>("subject")?.0,
        summary: row.get("summary")?,
        link: row.get("link")?,
        changed: row.get::<Option<Json<ChangedView>>>("changed")?.map(|json| json.0),
        phase,
        told: Sides { project: row.get("told")?, site: row.get("told_site")? },
        routes: row.get::<Json<Vec<String>>>("routes")?.0,
        fired_at: row.get("fired_at")?,
    })
}

impl Open {
    /// Where the thing is found that it is about.
    pub fn place(&self) -> Option<Place> {
        self.environment.map(|environment| (self.service, self.machine, environment))
    }

    /// What is told of it, whatever became of its rule since.
    pub fn told(&self) -> Told<'_> {
        Told {
            rule: &self.rule,
            of_site: self.of_site,
            severity: self.severity,
            project: self.project,
            subject: &self.subject,
            summary: &self.summary,
            link: &self.link,
            routes: &self.routes,
            changed: self.changed.as_ref(),
            since: self.fired_at,
            facts: &[],
        }
    }
}
