//! The steps of alerts as they are written, each together with its notices; and how many things each rule leaves out.

use std::collections::HashMap;

use model::alerts::AlertState;
use model::ids::{AlertId, AlertRuleId};
use model::notices::Event;
use model::time::Millis;

use super::judge::Finding;
use super::life::{Phase, Step};
use super::open::Open;
use super::silences::Sides;
use super::telling::{Told, tell};
use super::topic;
use super::world::{self, Kept};
use crate::args;
use crate::change::Bookkeeping;
use crate::db::Json;
use crate::error::Result;
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::worker::Worker;

/// Steps that are written at once: whoever else writes waits no longer than for these and their notices.
const BATCH: usize = 50;

/// What is to be written of one alert.
pub(super) struct Move<'a> {
    pub step: Step,
    /// Who is to be told that it fires and was not, because it was silenced then.
    pub late: Sides,
    /// Who is not to hear of it now.
    pub hushed: Sides,
    pub alert: Option<Open>,
    pub finding: Option<Finding<'a>>,
}

impl Move<'_> {
    pub fn order(&self) -> String {
        let known = self.alert.as_ref().map(|alert| alert.fingerprint.clone());
        known.or_else(|| self.finding.as_ref().map(Finding::fingerprint)).unwrap_or_default()
    }

    /// Whether nobody sees it: a note of ours about what goes on as it was.
    fn is_quiet(&self) -> bool {
        let is_note = match (self.step, self.alert.as_ref().map(|alert| alert.phase)) {
            (Step::Note(Phase::Firing { .. }), _) => true,
            (Step::Note(Phase::Pending { since, .. }), Some(Phase::Pending { since: before, .. })) => since == before,
            _ => false,
        };
        is_note && !self.late.any()
    }
}

/// Writes all steps, some at a time. How many alerts began or ended.
pub(super) async fn write(worker: &Worker, moves: Vec<Move<'_>>, now: Millis) -> Result<u64> {
    let mut moves = moves.into_iter().peekable();
    let mut turns = 0;
    while moves.peek().is_some() {
        turns += batch(worker, moves.by_ref().take(BATCH).collect(), now).await?;
    }
    Ok(turns)
}

async fn batch(worker: &Worker, moves: Vec<Move<'_>>, now: Millis) -> Result<u64> {
    let platform = worker.platform();
    let mut change = worker.change().await?;
    change.lock_key("alerts").await?;
    let mut turns = 0;
    let mut seen = false;
    for one in moves {
        let quiet = one.is_quiet();
        let project = one.alert.as_ref().map(|alert| alert.project).or_else(|| one.finding.as_ref().map(|finding| finding.thing.project)).flatten();
        let moved = match (&one.alert, &one.finding) {
            (Some(alert), _) => go_on(&mut change, &one, alert, now).await?,
            (None, Some(finding)) => begin(&mut change, platform, finding, &one, now).await?,
            (None, None) => false,
        };
        turns += u64::from(moved);
        if let Some(project) = project.filter(|_| !quiet) {
            change.touch(Topic::Alerts(project));
        }
        seen |= !quiet;
    }
    if seen {
        change.touch(topic(None));
        change.wake(Signal::Notices);
    }
    change.finish().await?;
    Ok(turns)
}

/// Notes of each rule for how many things it holds beyond the alerts that it may have.
pub(super) async fn note_left_out(worker: &Worker, rules: &[Kept], left_out: &HashMap<AlertRuleId, i64>) -> Result<()> {
    let counted = rules.iter().map(|kept| (kept, left_out.get(&kept.id).copied().unwrap_or_default()));
    let changed: Vec<(&Kept, i64)> = counted.filter(|(kept, count)| kept.left_out != *count).collect();
    for some in changed.chunks(BATCH) {
        let mut change = worker.change().await?;
        for (kept, count) in some {
            change.exec("UPDATE alert_rules SET left_out = $2 WHERE id = $1", args![kept.id, *count]).await?;
            change.touch(topic(kept.project));
        }
        change.finish().await?;
    }
    Ok(())
}

/// The first step of an alert.
async fn begin(tx: &mut Bookkeeping, platform: &Platform, finding: &Finding<'_>, one: &Move<'_>, now: Millis) -> Result<bool> {
    let fires = one.step == Step::Fire;
    let (thing, kept) = (&finding.thing, finding.kept);
    let changed = if fires { world::changed(tx, thing).await? } else { None };
    let told = if fires { Sides::default().neither(one.hushed) } else { Sides::default() };
    let id: AlertId = platform.new_id();
    let sql =
        "INSERT INTO alerts (id, fingerprint, rule_id, rule, of_site, severity, project_id, service_id, environment_id, machine_id, subject, state,
               summary, link, changed, since, held_at, fired_at, told, told_site, routes)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16, $17, $18, $19, $20) ON CONFLICT DO NOTHING";
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
        told.project,
        told.site,
        Json(&kept.rule.routes),
    ];
    let fresh = tx.exec(sql, arguments).await? > 0;
    if fresh {
        tell_sides(tx, Told::of(finding, changed.as_ref()), told, Event::AlertFiring, now);
    }
    Ok(fresh && fires)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A further step of an alert. It is taken only where the alert is as it was read.
async fn go_on(tx: &mut Bookkeeping, one: &Move<'_>, alert: &Open, now: Millis) -> Result<bool> {
    match one.step {
        Step::Forget => tx.exec("DELETE FROM alerts WHERE id = $1 AND state = 'pending'", args![alert.id]).await.map(|_| false),
        Step::Note(Phase::Pending { since, held }) => {
            let sql = "UPDATE alerts SET since = $2, held_at = $3 WHERE id = $1 AND state = 'pending'";
            tx.exec(sql, args![alert.id, since, held]).await.map(|_| false)
        }
        Step::Note(Phase::Firing { calm_since }) => {
            tx.exec("UPDATE alerts SET calm_since = $2 WHERE id = $1 AND state = 'firing'", args![alert.id, calm_since]).await?;
            tell_late(tx, alert, one.late, now).await
        }
        Step::Fire => match &one.finding {
            Some(finding) => fire(tx, alert, finding, Sides::default().neither(one.hushed), now).await,
            None => Ok(false),
        },
        Step::Resolve => {
            let sql = "UPDATE alerts SET state = 'resolved', resolved_at = $2 WHERE id = $1 AND state = 'firing'";
            let moved = tx.exec(sql, args![alert.id, now]).await? > 0;
            // Who did not hear that it began does not hear that it is over.
            if moved {
                tell_sides(tx, alert.told(), alert.told, Event::AlertResolved, now);
            }
            Ok(moved)
        }
        Step::Stay => tell_late(tx, alert, one.late, now).await,
    }
}

/// What was pending is an alert.
async fn fire(tx: &mut Bookkeeping, alert: &Open, finding: &Finding<'_>, told: Sides, now: Millis) -> Result<bool> {
    let changed = world::changed(tx, &finding.thing).await?;
    let rule = &finding.kept.rule;
    let sql = "UPDATE alerts SET state = 'firing', fired_at = $2, summary = $3, link = $4, changed = $5, severity = $6, rule = $7, told = $8,
               told_site = $9, routes = $10 WHERE id = $1 AND state = 'pending'";
    let change = changed.as_ref().map(json);
    let arguments =
        args![alert.id, now, &finding.summary, &finding.link, change, rule.severity, &rule.name, told.project, told.site, Json(&rule.routes)];
    let moved = tx.exec(sql, arguments).await? > 0;
    if moved {
        tell_sides(tx, Told::of(finding, changed.as_ref()), told, Event::AlertFiring, now);
    }
    Ok(moved)
}

/// The silence is over and it still fires.
async fn tell_late(tx: &mut Bookkeeping, alert: &Open, late: Sides, now: Millis) -> Result<bool> {
    if !late.any() {
        return Ok(false);
    }
    let told = alert.told.or(late);
    let sql = "UPDATE alerts SET told = $2, told_site = $3 WHERE id = $1 AND state = 'firing' AND told = $4 AND told_site = $5";
    if tx.exec(sql, args![alert.id, told.project, told.site, alert.told.project, alert.told.site]).await? > 0 {
        tell_sides(tx, alert.told(), late, Event::AlertFiring, now);
    }
    Ok(false)
}

/// Tells these sides alone.
fn tell_sides(tx: &mut Bookkeeping, told: Told<'_>, sides: Sides, event: Event, now: Millis) {
    if sides.any() {
        let told = Told { project: told.project.filter(|_| sides.project), of_site: told.of_site && sides.site, ..told };
        tell(tx, &told, event, now);
    }
}
