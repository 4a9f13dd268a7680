//! The look at all rules: what begins, what ends, who hears of it. Each step is written together with its notices in one transaction, and only
//! where the alert is as it was read: a second portal over the same database tells nothing twice.

use std::time::Duration;

use model::alerts::{AlertState, Severity};
use model::ids::{AlertId, AlertRuleId, EnvironmentId, MachineId, ProjectId, ServiceId};
use model::notices::Event;
use model::time::Millis;
use model::views::alerts::SubjectView;

use super::judge::{self, Finding};
use super::life::{Phase, Seen, Spans, Step, step};
use super::silences::{self, Silence};
use super::telling::{Told, tell};
use super::topic;
use super::world::{self, Kept};
use crate::args;
use crate::change::Bookkeeping;
use crate::db::{Json, Row, Tx};
use crate::error::Result;
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::worker::Worker;

/// How long an alert that is over is remembered.
const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);
/// Alerts that are not over, at most.
const OPEN_MOST: i64 = 20_000;

/// An alert that is not over.
struct Open {
    id: AlertId,
    fingerprint: String,
    rule_id: AlertRuleId,
    rule: String,
    of_site: bool,
    severity: Severity,
    project: Option<ProjectId>,
    service: Option<ServiceId>,
    environment: Option<EnvironmentId>,
    machine: Option<MachineId>,
    subject: SubjectView,
    summary: String,
    link: String,
    phase: Phase,
    told: bool,
    fired_at: Option<Millis>,
    /// Names of the only routes that were told; empty: each one.
    routes: Vec<String>,
}

async fn open(tx: &mut Tx) -> Result<Vec<Open>> {
    let sql =
        "SELECT id, fingerprint, rule_id, rule, of_site, severity, project_id, service_id, environment_id, machine_id, subject, state, summary, link,
               since, fired_at, calm_since, told, routes FROM alerts WHERE state <> 'resolved' ORDER BY id LIMIT $1";
    tx.all(sql, args![OPEN_MOST], read).await
}

fn read(row: &Row<'_>) -> Result<Open> {
    let phase = match row.get::<AlertState>("state")? {
        AlertState::Pending => Phase::Pending { since: row.get("since")? },
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
        phase,
        told: row.get("told")?,
        fired_at: row.get("fired_at")?,
        routes: row.get::<Json<Vec<String>>>("routes")?.0,
    })
}

/// Looks at every rule once. How many alerts began or ended.
///
/// # Errors
/// When the database does not answer; what was written is whole, and the next look goes on.
pub async fn evaluate(worker: &Worker) -> Result<u64> {
    let platform = worker.platform();
    let now = platform.now();
    let mut tx = platform.read().await?;
    let rules = world::rules(&mut tx).await?;
    let world = world::look(&mut tx, platform, now).await?;
    let open = open(&mut tx).await?;
    let silences = silences::in_force(&mut tx, now).await?;
    drop(tx);
    let latest = super::figures::latest(platform, now).await?;
    let mut findings = judge::findings(&rules, &world, latest.as_deref(), now);
    let mut moves = Vec::new();
    for alert in open {
        let known = findings.remove(&alert.fingerprint);
        let kept = rules.iter().find(|kept| kept.id == alert.rule_id);
        let gone = || {
            let is = |thing: &world::Thing| {
                (thing.service, thing.machine) == (alert.service, alert.machine) && Some(thing.environment) == alert.environment
            };
            judge::without_finding(&rules, &world, latest.as_deref(), alert.rule_id, &alert.subject.part, is, now)
        };
        let (seen, spans) = match (known.as_ref().map_or_else(gone, |finding| Some(finding.seen)), kept) {
            (Some(seen), Some(kept)) => (seen, spans(kept)),
            // Without its rule or its thing there is nothing to wait for.
            _ => (Seen::Calm, Spans { after: Duration::ZERO, resolve_after: Duration::ZERO }),
        };
        // A clock that was set back must not keep it waiting until it is there again.
        let from = known.as_ref().and_then(|finding| finding.counts_from).filter(|from| *from <= now);
        let next = step(now, spans, Some(from.map_or(alert.phase, |from| alert.phase.not_before(from))), seen);
        let hushed = silences.iter().any(|silence| is_silenced(silence, &alert));
        let late = matches!(alert.phase, Phase::Firing { .. }) && !alert.told && !hushed;
        if next != Step::Stay || late {
            moves.push(Move { step: next, late, hushed, alert: Some(alert), finding: known });
        }
    }
    for finding in findings.into_values() {
        let next = step(now, spans(finding.kept), None, finding.seen);
        if next != Step::Stay {
            let hushed = silences.iter().any(|silence| silence.holds(finding.thing.project, &finding.kept.rule.name, &finding.thing.names));
            moves.push(Move { step: next, late: false, hushed, alert: None, finding: Some(finding) });
        }
    }
    // In one order, so that what is told at once is told in the same order everywhere.
    moves.sort_by_key(Move::order);
    apply(worker, moves, now).await
}

fn spans(kept: &Kept) -> Spans {
    Spans { after: kept.rule.after.duration(), resolve_after: kept.rule.resolve_after.duration() }
}

fn is_silenced(silence: &Silence, alert: &Open) -> bool {
    silence.holds(alert.project, &alert.rule, &alert.subject)
}

/// What is to be written of one alert.
struct Move<'a> {
    step: Step,
    /// It fires and nobody was told, because it was silenced then.
    late: bool,
    hushed: bool,
    alert: Option<Open>,
    finding: Option<Finding<'a>>,
}

impl Move<'_> {
    fn order(&self) -> String {
        let known = self.alert.as_ref().map(|alert| alert.fingerprint.clone());
        known.or_else(|| self.finding.as_ref().map(Finding::fingerprint)).unwrap_or_default()
    }
}

async fn apply(worker: &Worker, moves: Vec<Move<'_>>, now: Millis) -> Result<u64> {
    if moves.is_empty() {
        return Ok(0);
    }
    let platform = worker.platform();
    let mut change = worker.change().await?;
    change.lock_key("alerts").await?;
    let mut turns = 0;
    for one in moves {
        let project = one.alert.as_ref().map(|alert| alert.project).or_else(|| one.finding.as_ref().map(|finding| finding.thing.project)).flatten();
        let moved = match (one.alert, one.finding) {
            (Some(alert), finding) => go_on(&mut change, platform, &alert, finding.as_ref(), one.step, one.late, one.hushed, now).await?,
            (None, Some(finding)) => begin(&mut change, platform, &finding, one.step, one.hushed, now).await?,
            (None, None) => false,
        };
        turns += u64::from(moved);
        if let Some(project) = project {
            change.touch(Topic::Alerts(project));
        }
        change.touch(topic(None));
    }
    change.wake(Signal::Notices);
    change.finish().await?;
    Ok(turns)
}

/// The first step of an alert.
async fn begin(tx: &mut Bookkeeping, platform: &Platform, finding: &Finding<'_>, step: Step, hushed: bool, now: Millis) -> Result<bool> {
    let fires = step == Step::Fire;
    let (thing, kept) = (&finding.thing, finding.kept);
    let changed = if fires { world::changed(tx, thing).await? } else { None };
    let id: AlertId = platform.new_id();
    let sql =
        "INSERT INTO alerts (id, fingerprint, rule_id, rule, of_site, severity, project_id, service_id, environment_id, machine_id, subject, state,
               summary, link, changed, since, fired_at, told, routes)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT DO NOTHING";
    let arguments = args![
        id,
        finding.fingerprint(),
        kept.id,
        &kept.rule.name,
        kept.project.is_none(),
        kept.rule.severity,
        thing.project,
        thing.service,
        thing.environment,
        thing.machine,
        Json(&thing.names),
        if fires { AlertState::Firing } else { AlertState::Pending },
        &finding.summary,
        &finding.link,
        changed.as_ref().map(json),
        now,
        fires.then_some(now),
        fires && !hushed,
        Json(&kept.rule.routes),
    ];
    let fresh = tx.exec(sql, arguments).await? > 0;
    if fresh && fires && !hushed {
        tell(tx, platform, &Told::of(finding, changed.as_ref()), Event::AlertFiring, now).await?;
    }
    Ok(fresh && fires)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A further step of an alert. It is taken only where the alert is as it was read.
#[expect(clippy::too_many_arguments, reason = "what a step needs is no thing of its own")]
async fn go_on(
    tx: &mut Bookkeeping,
    platform: &Platform,
    alert: &Open,
    finding: Option<&Finding<'_>>,
    step: Step,
    late: bool,
    hushed: bool,
    now: Millis,
) -> Result<bool> {
    match step {
        Step::Forget => tx.exec("DELETE FROM alerts WHERE id = $1 AND state = 'pending'", args![alert.id]).await.map(|_| false),
        Step::Note(Phase::Pending { since }) => {
            tx.exec("UPDATE alerts SET since = $2 WHERE id = $1 AND state = 'pending'", args![alert.id, since]).await.map(|_| false)
        }
        Step::Note(Phase::Firing { calm_since }) => {
            tx.exec("UPDATE alerts SET calm_since = $2 WHERE id = $1 AND state = 'firing'", args![alert.id, calm_since]).await?;
            if late { tell_late(tx, platform, alert, now).await } else { Ok(false) }
        }
        Step::Fire => {
            let Some(finding) = finding else { return Ok(false) };
            let changed = world::changed(tx, &finding.thing).await?;
            let sql =
                "UPDATE alerts SET state = 'firing', fired_at = $2, summary = $3, link = $4, changed = $5, told = $6, severity = $7, routes = $8
                       WHERE id = $1 AND state = 'pending'";
            let told = changed.as_ref().map(json);
            let arguments =
                args![alert.id, now, &finding.summary, &finding.link, told, !hushed, finding.kept.rule.severity, Json(&finding.kept.rule.routes)];
            let moved = tx.exec(sql, arguments).await? > 0;
            if moved && !hushed {
                tell(tx, platform, &Told::of(finding, changed.as_ref()), Event::AlertFiring, now).await?;
            }
            Ok(moved)
        }
        Step::Resolve => {
            let sql = "UPDATE alerts SET state = 'resolved', resolved_at = $2 WHERE id = $1 AND state = 'firing'";
            let moved = tx.exec(sql, args![alert.id, now]).await? > 0;
            // Who did not hear that it began does not hear that it is over.
            if moved && alert.told {
                tell(tx, platform, &alert.told(), Event::AlertResolved, now).await?;
            }
            Ok(moved)
        }
        Step::Stay if late => tell_late(tx, platform, alert, now).await,
        Step::Stay => Ok(false),
    }
}

/// The silence is over and it still fires.
async fn tell_late(tx: &mut Bookkeeping, platform: &Platform, alert: &Open, now: Millis) -> Result<bool> {
    let moved = tx.exec("UPDATE alerts SET told = $2 WHERE id = $1 AND state = 'firing' AND told = $3", args![alert.id, true, false]).await? > 0;
    if moved {
        tell(tx, platform, &alert.told(), Event::AlertFiring, now).await?;
    }
    Ok(false)
}

impl Open {
    /// Who is told what, whatever became of the rule since.
    fn told(&self) -> Told<'_> {
        Told {
            rule: &self.rule,
            of_site: self.of_site,
            severity: self.severity,
            project: self.project,
            subject: &self.subject,
            summary: &self.summary,
            link: &self.link,
            routes: &self.routes,
            changed: None,
            since: self.fired_at,
            facts: &[],
        }
    }
}

/// Forgets alerts and silences that are long over. How many.
pub async fn tidy(worker: &Worker) -> Result<u64> {
    let before = worker.platform().now().minus(REMEMBERED);
    let mut change = worker.change().await?;
    let mut gone = change.exec("DELETE FROM alerts WHERE state = 'resolved' AND resolved_at < $1", args![before]).await?;
    gone += change.exec("DELETE FROM alert_silences WHERE ends_at < $1", args![before]).await?;
    change.finish().await?;
    Ok(gone)
}
