//! The look at all rules: what begins, what ends, who hears of it. Each step is written together with its notices in one transaction, and only
//! where the alert is as it was read: a second portal over the same database tells nothing twice.

use std::collections::HashMap;
use std::time::Duration;

use metrics::{Key, Latest};
use model::alerts::OPEN_MOST;
use model::ids::{AlertRuleId, ProjectId};
use model::time::Millis;

use super::figures::{self, FRESH};
use super::judge::{self, Finding, Lost, Place};
use super::life::{Phase, Seen, Spans, Step, step};
use super::open::{self, Open};
use super::silences::{self, Sides, Silence};
use super::steps::{self, Move};
use super::world::{self, Kept, Thing};
use crate::args;
use crate::error::Result;
use crate::worker::Worker;

/// How long an alert that is over is remembered.
const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);
/// Nothing is waited for.
const AT_ONCE: Spans = Spans { after: Duration::ZERO, resolve_after: Duration::ZERO };

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
    let open = open::all(&mut tx).await?;
    let silences = silences::in_force(&mut tx, now).await?;
    drop(tx);
    let latest = figures::latest(platform, now).await?;
    let findings = judge::findings(&rules, &world, latest.as_deref(), now);
    let look = Look {
        now,
        started: platform.counters().started,
        rules: rules.iter().map(|kept| (kept.id, kept)).collect(),
        places: judge::places(&world),
        sampled: latest.as_deref().map(figures::by_key).unwrap_or_default(),
        silences,
    };
    let (moves, left_out) = look.moves(open, findings);
    let turns = steps::write(worker, moves, now).await?;
    steps::note_left_out(worker, &rules, &left_out).await?;
    Ok(turns)
}

/// What one look is made with.
struct Look<'a> {
    now: Millis,
    /// When the portal began.
    started: Millis,
    rules: HashMap<AlertRuleId, &'a Kept>,
    places: HashMap<Place, &'a Thing>,
    sampled: HashMap<Key, Vec<&'a Latest>>,
    silences: Vec<Silence>,
}

impl Look<'_> {
    /// What is to be written, and of how many things each rule holds beyond the alerts that it may have.
    fn moves<'f>(self, open: Vec<Open>, mut findings: HashMap<String, Finding<'f>>) -> (Vec<Move<'f>>, HashMap<AlertRuleId, i64>) {
        let mut moves = Vec::new();
        let mut taken: HashMap<(AlertRuleId, Option<ProjectId>), usize> = HashMap::new();
        for alert in open {
            let finding = findings.remove(&alert.fingerprint);
            let holder = (alert.rule_id, alert.project);
            let next = self.go_on(alert, finding);
            if !matches!(next.step, Step::Forget | Step::Resolve) {
                *taken.entry(holder).or_default() += 1;
            }
            if next.step != Step::Stay || next.late.any() {
                moves.push(next);
            }
        }
        let mut fresh: Vec<Move<'f>> = findings.into_values().filter_map(|finding| self.begin(finding)).collect();
        // In one order, so that the same ones are left out each time.
        fresh.sort_by_cached_key(Move::order);
        let mut left_out: HashMap<AlertRuleId, i64> = HashMap::new();
        for next in fresh {
            let Some(finding) = &next.finding else { continue };
            let taken = taken.entry((finding.kept.id, finding.thing.project)).or_default();
            if *taken >= OPEN_MOST {
                *left_out.entry(finding.kept.id).or_default() += 1;
            } else {
                *taken += 1;
                moves.push(next);
            }
        }
        // And what is told at once is told in the same order everywhere.
        moves.sort_by_cached_key(Move::order);
        (moves, left_out)
    }

    /// What follows for an alert that is there.
    fn go_on<'f>(&self, mut alert: Open, finding: Option<Finding<'f>>) -> Move<'f> {
        let kept = self.rules.get(&alert.rule_id).copied();
        if let Some(kept) = kept {
            alert.rule.clone_from(&kept.rule.name);
        }
        let usual = kept.map_or(AT_ONCE, spans);
        let (seen, spans) = match &finding {
            Some(finding) => (finding.seen, usual),
            None => match self.lost(kept, &alert) {
                Lost::Over => (Seen::Calm, AT_ONCE),
                Lost::Calm => (Seen::Calm, usual),
                Lost::Unknown => (Seen::Unknown, usual),
            },
        };
        // A clock that was set back must not keep it waiting until it is there again.
        let from = finding.as_ref().and_then(|finding| finding.counts_from).filter(|from| *from <= self.now);
        let phase = from.map_or(alert.phase, |from| alert.phase.not_before(from));
        let hushed = silences::hushed(&self.silences, alert.project, &alert.rule, &alert.subject);
        // Nobody is told any more that it began, once it seems to be over.
        let wrong = match alert.phase {
            Phase::Pending { .. } => false,
            Phase::Firing { calm_since } => seen == Seen::Holds || (seen == Seen::Unknown && calm_since.is_none()),
        };
        let late = if wrong { alert.told.neither(hushed) } else { Sides::default() };
        Move { step: step(self.now, spans, Some(phase), seen), late, hushed, alert: Some(alert), finding }
    }

    /// What is known of an alert of which its rule found nothing.
    fn lost(&self, kept: Option<&Kept>, alert: &Open) -> Lost {
        let thing = alert.place().and_then(|place| self.places.get(&place)).copied();
        let latest = thing.and_then(|thing| self.sampled.get(&thing.key)).map(Vec::as_slice).unwrap_or_default();
        let lost = judge::without_finding(kept, thing, &alert.subject.part, latest, self.now);
        // What a portal that just began has not sampled yet is not gone.
        let is_new = self.started <= self.now && self.now.since(self.started) < FRESH;
        if lost == Lost::Calm && is_new { Lost::Unknown } else { lost }
    }

    /// The first step of what is no alert yet.
    fn begin<'f>(&self, finding: Finding<'f>) -> Option<Move<'f>> {
        let step = step(self.now, spans(finding.kept), None, finding.seen);
        if step == Step::Stay {
            return None;
        }
        let hushed = silences::hushed(&self.silences, finding.thing.project, &finding.kept.rule.name, &finding.thing.names);
        Some(Move { step, late: Sides::default(), hushed, alert: None, finding: Some(finding) })
    }
}

fn spans(kept: &Kept) -> Spans {
    Spans { after: kept.rule.after.duration(), resolve_after: kept.rule.resolve_after.duration() }
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
