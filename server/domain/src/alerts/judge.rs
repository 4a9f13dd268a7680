//! Whether each rule holds for each thing, and what is said of it. Pure: over the last samples and what the database says.

use std::collections::HashMap;
use std::time::Duration;

use metrics::{Key, Latest};
use model::alerts::{Figure, Of, Rule, RuleKind, shown};
use model::ids::{EnvironmentId, MachineId, ProjectId, ServiceId};
use model::notices::one_line;
use model::time::Millis;
use model::views::alerts::SubjectView;
use model::views::deployments::DeploymentState;
use model::views::environments::MachineState;

use super::figures::{self, FRESH, Worst};
use super::life::Seen;
use super::world::{Host, Kept, Runs, Thing, World};

/// Characters of somebody else's words in a text of ours.
const QUOTED: usize = 300;
/// Characters of the name of a part.
const PART: usize = 200;
/// How much of the time before and after is on the chart that an alert leads to.
const AROUND: Duration = Duration::from_secs(1800);

/// What a look found of a rule and a thing.
pub(super) struct Finding<'a> {
    pub kept: &'a Kept,
    pub thing: Thing,
    pub seen: Seen,
    /// Nothing that was seen before this time counts: the portal was not there, or it was about another outage.
    pub counts_from: Option<Millis>,
    /// What is wrong; where nothing is, it may say anything, and is kept nowhere.
    pub summary: String,
    pub link: String,
    /// What else receivers are told beside it: the figure, its value, its limit; the deployment.
    pub facts: Vec<(String, String)>,
}

impl Finding<'_> {
    /// What tells this rule and thing from all others.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.kept, &self.thing)
    }
}

fn fingerprint(kept: &Kept, thing: &Thing) -> String {
    let id = thing.service.map(|id| id.to_string()).or(thing.machine.map(|id| id.to_string())).unwrap_or_default();
    format!("{} {id} {} {}", kept.id, thing.environment, thing.names.part)
}

/// What every rule finds.
pub(super) fn findings<'a>(rules: &'a [Kept], world: &World, latest: Option<&[Latest]>, now: Millis) -> HashMap<String, Finding<'a>> {
    let by_key = latest.map(figures::by_key);
    let none = Vec::new();
    // What a project's rules are about is looked for among its own services alone.
    let mut services: HashMap<Option<ProjectId>, Vec<&Runs>> = HashMap::from([(None, world.services.iter().collect())]);
    for runs in &world.services {
        services.entry(runs.thing.project).or_default().push(runs);
    }
    let mut all = HashMap::new();
    let mut add = |finding: Finding<'a>| {
        all.insert(finding.fingerprint(), finding);
    };
    for kept in rules {
        let sampled = |key: &Key| by_key.as_ref().map(|by_key| by_key.get(key).unwrap_or(&none).as_slice());
        match kept.rule.of {
            Of::Services => {
                for runs in services.get(&kept.project).into_iter().flatten().filter(|runs| kept.is_about(&runs.thing)) {
                    of_service(kept, runs, sampled(&runs.thing.key), world.started, now).into_iter().for_each(&mut add);
                }
            }
            Of::Machines => {
                for host in world.machines.iter().filter(|host| kept.is_about(&host.thing)) {
                    of_machine(kept, host, sampled(&host.thing.key), world.started, now).into_iter().for_each(&mut add);
                }
            }
        }
    }
    all
}

/// Where a thing is: a service or a machine, in an environment.
pub(super) type Place = (Option<ServiceId>, Option<MachineId>, EnvironmentId);

/// Services that run and machines, by where they are.
pub(super) fn places(world: &World) -> HashMap<Place, &Thing> {
    let services = world.services.iter().filter(|runs| runs.running).map(|runs| &runs.thing);
    let things = services.chain(world.machines.iter().map(|host| &host.thing));
    things.map(|thing| ((thing.service, thing.machine, thing.environment), thing)).collect()
}

/// What is known of an alert where its rule found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Its rule or its thing is gone, or the rule is about something else by now: it is over at once.
    Over,
    /// Its part is gone from a thing that is sampled: it does not hold.
    Calm,
    /// Nobody knows: no samples came.
    Unknown,
}

/// What became of an alert of this part of a thing by this rule, as far as they are there, where the rule found nothing.
pub(super) fn without_finding(kept: Option<&Kept>, thing: Option<&Thing>, part: &str, latest: &[&Latest], now: Millis) -> Lost {
    let (Some(kept), Some(thing)) = (kept, thing) else { return Lost::Over };
    let rule = &kept.rule;
    let is_part = |label: &str| one_line(label, PART) == part;
    let is_meant = if rule.kind.has_figure() { rule.label.is_empty() || is_part(&rule.label) } else { part.is_empty() };
    match rule.kind {
        _ if !is_meant || !kept.is_about(thing) => Lost::Over,
        RuleKind::Threshold | RuleKind::Rate if figures::is_gone(rule, latest, is_part, now) => Lost::Calm,
        RuleKind::Threshold | RuleKind::Rate | RuleKind::Absent => Lost::Unknown,
        // These find something of everything that is there.
        RuleKind::CrashLoop | RuleKind::Unhealthy | RuleKind::DeployFailed | RuleKind::MachineGone | RuleKind::CertificateEnds => Lost::Over,
    }
}

fn holds(holds: bool) -> Seen {
    if holds { Seen::Holds } else { Seen::Calm }
}

/// Whether something gives no samples though it should, since this time. Also what was running before the portal came needs a while to be sampled.
fn absent(sampled: bool, expected: Option<Millis>, started: Millis, now: Millis) -> Seen {
    let is_over = |since: Millis| since > now || now.since(since) >= FRESH;
    match expected {
        _ if sampled => Seen::Calm,
        _ if !is_over(started) => Seen::Unknown,
        None => Seen::Calm,
        Some(since) if is_over(since) => Seen::Holds,
        Some(_) => Seen::Unknown,
    }
}

fn of_service<'a>(kept: &'a Kept, runs: &Runs, latest: Option<&[&Latest]>, started: Millis, now: Millis) -> Vec<Finding<'a>> {
    let thing = &runs.thing;
    let name = thing.names.says();
    let facts = if kept.rule.kind == RuleKind::DeployFailed { deployed(runs) } else { Vec::new() };
    let one = |seen: Seen, summary: String| {
        vec![Finding { kept, thing: thing.clone(), seen, counts_from: None, summary, link: chart(kept, thing, now), facts }]
    };
    match kept.rule.kind {
        RuleKind::Threshold | RuleKind::Rate if runs.running => of_figure(kept, thing, latest.unwrap_or_default(), now),
        RuleKind::Absent if runs.running => {
            let Some(latest) = latest else { return Vec::new() };
            let seen = absent(figures::is_sampled(latest, now), runs.running_since, started, now);
            let text = format!("{name}: no samples of its tasks come, though they run");
            from(runs.running_since.max(Some(started)), one(seen, text))
        }
        RuleKind::CrashLoop => {
            let crashes = runs.crashes.as_ref().filter(|_| runs.running);
            let said = crashes.map(|crashes| format!("{} failures in a row, the last: {}", crashes.times, one_line(&crashes.why, QUOTED)));
            one(holds(crashes.is_some()), format!("{name}: tasks fail again and again; {}", said.unwrap_or_default()))
        }
        RuleKind::Unhealthy => {
            let text = format!("{name}: {} of {} tasks do not pass their health check", runs.unhealthy, runs.tasks);
            one(holds(runs.running && runs.unhealthy > 0), text)
        }
        RuleKind::DeployFailed => {
            let Some(ended) = &runs.ended else { return one(Seen::Calm, String::new()) };
            let failed = matches!(ended.state, DeploymentState::Failed | DeploymentState::RolledBack);
            let what = if ended.state == DeploymentState::RolledBack { "failed and was rolled back" } else { "failed" };
            let text = format!("{name}: the deployment of revision {} by {} {what}: {}", ended.revision, ended.by, one_line(&ended.why, QUOTED));
            one(holds(failed), text)
        }
        RuleKind::Threshold | RuleKind::Rate | RuleKind::Absent | RuleKind::MachineGone | RuleKind::CertificateEnds => Vec::new(),
    }
}

/// The same, counted from this time on.
fn from(counts_from: Option<Millis>, mut findings: Vec<Finding<'_>>) -> Vec<Finding<'_>> {
    for finding in &mut findings {
        finding.counts_from = counts_from;
    }
    findings
}

fn of_machine<'a>(kept: &'a Kept, host: &Host, latest: Option<&[&Latest]>, started: Millis, now: Millis) -> Vec<Finding<'a>> {
    let thing = &host.thing;
    let name = thing.names.says();
    let since = host.since.max(Some(started));
    let one = |seen: Seen, summary: String| {
        vec![Finding { kept, thing: thing.clone(), seen, counts_from: None, summary, link: chart(kept, thing, now), facts: Vec::new() }]
    };
    match kept.rule.kind {
        RuleKind::Threshold | RuleKind::Rate => of_figure(kept, thing, latest.unwrap_or_default(), now),
        RuleKind::Absent => {
            let Some(latest) = latest else { return Vec::new() };
            let sampled = figures::is_sampled(latest, now);
            let seen = match host.state {
                MachineState::Up => absent(sampled, since, started, now),
                MachineState::Unknown => Seen::Unknown,
                // That it is away is an alert of its own.
                MachineState::Away => Seen::Calm,
            };
            from(since, one(seen, format!("{name}: no samples come, though it answers")))
        }
        RuleKind::MachineGone => {
            let said = match (host.awaited_since, host.since) {
                (Some(added), _) => format!("its engine has not answered since the machine was added on {}", added.exact()),
                (None, Some(since)) => format!("its engine has not answered since {}", since.exact()),
                (None, None) => "its engine does not answer".to_owned(),
            };
            let seen = match host.state {
                MachineState::Unknown => Seen::Unknown,
                state => holds(state == MachineState::Away),
            };
            from(since, one(seen, format!("{name}: {said}")))
        }
        RuleKind::CertificateEnds => {
            let Some(ends) = host.certificate_ends else { return one(Seen::Calm, String::new()) };
            let days = (ends.0 - now.0) as f64 / 86_400_000.0;
            let text = if ends > now {
                format!("{name}: a certificate that it is reached with ends on {}; put a new one in before", ends.exact())
            } else {
                format!("{name}: a certificate that it is reached with ended on {}; put a new one in", ends.exact())
            };
            one(holds(days < kept.rule.value), text)
        }
        RuleKind::CrashLoop | RuleKind::Unhealthy | RuleKind::DeployFailed => Vec::new(),
    }
}

fn of_figure<'a>(kept: &'a Kept, thing: &Thing, latest: &[&Latest], now: Millis) -> Vec<Finding<'a>> {
    let worst = figures::worst(&kept.rule, latest, now);
    let finding = |(part, worst): (String, Worst)| {
        let mut thing = thing.clone();
        thing.names.part = one_line(&part, PART);
        let seen = holds(figures::is_wrong(&kept.rule, worst.value));
        // Of all that is looked at, little is wrong.
        let (summary, facts) =
            if seen == Seen::Holds { (said(&kept.rule, &thing, &worst), facts(&kept.rule, &thing, &worst)) } else { Default::default() };
        Finding { kept, seen, counts_from: None, summary, link: chart(kept, &thing, now), thing, facts }
    };
    worst.into_iter().map(finding).collect()
}

/// Thing, figure, value and limit: `shop/web in production: memory is 95 % of its limit (190 MiB of 200 MiB) in task 2; the rule says over 90 % for 5m`.
fn said(rule: &Rule, thing: &Thing, worst: &Worst) -> String {
    let figure = Figure::named(&rule.metric).map_or(rule.metric.as_str(), |figure| figure.says);
    let found = match worst.limit {
        // The limit of throttled periods is all periods, which is no limit to anybody who reads it.
        Some(_) if rule.metric == "cpu_throttled_periods" => format!("CPU throttled in {} of periods", shown(&rule.metric, worst.value, true)),
        Some(limit) => {
            let (amount, limit) = (shown(&rule.metric, worst.amount, false), shown(&rule.metric, limit, false));
            format!("{figure} is {} of its limit ({amount} of {limit})", shown(&rule.metric, worst.value, true))
        }
        None => format!("{figure} is {}", shown(&rule.metric, worst.value, false)),
    };
    let task = worst.slot.map(|slot| format!(" in task {slot}")).unwrap_or_default();
    let span = if rule.after.millis() == 0 { String::new() } else { format!(" for {}", rule.after) };
    let wrong = shown(&rule.metric, rule.value, rule.share);
    format!("{}: {found}{task}; the rule says {} {wrong}{span}", thing.names.says(), rule.compare)
}

/// The figure, its value and its limit, each by itself.
fn facts(rule: &Rule, thing: &Thing, worst: &Worst) -> Vec<(String, String)> {
    let mut facts = vec![("figure", rule.metric.clone()), ("value", shown(&rule.metric, worst.amount, false))];
    facts.extend(worst.limit.map(|limit| ("limit", shown(&rule.metric, limit, false))));
    facts.extend(worst.limit.map(|_| ("share of the limit", shown(&rule.metric, worst.value, true))));
    facts.extend((!thing.names.part.is_empty()).then(|| ("part", thing.names.part.clone())));
    facts.extend(worst.slot.map(|slot| ("task", slot.to_string())));
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The deployment that came to an end last.
fn deployed(runs: &Runs) -> Vec<(String, String)> {
    runs.ended.iter().map(|ended| ("deployment".to_owned(), ended.id.to_string())).collect()
}

/// The page with the charts of that time, at the chart of the rule's figure.
fn chart(kept: &Kept, thing: &Thing, now: Millis) -> String {
    let anchor = crate::metrics::anchor(kept.rule.of, &kept.rule.metric, &thing.names.part).map(|id| format!("#{id}")).unwrap_or_default();
    let (from, to) = (now.minus(AROUND).0.div_euclid(1000), now.plus(AROUND).0.div_euclid(1000));
    let SubjectView { project, service, environment, machine, .. } = &thing.names;
    if thing.service.is_some() {
        format!("/projects/{project}/services/{service}/metrics?environment={environment}&from={from}&to={to}{anchor}")
    } else {
        format!("/admin/environments/{environment}/machines/{machine}/metrics?from={from}&to={to}{anchor}")
    }
}

#[cfg(test)]
mod tests;
