//! What a deploy would do, from what is stored: which fields change, which tasks are made and ended in which order. And the rule that depends
//! on other services: a fixed port that somebody else holds.

use model::descriptor::{Descriptor, Kind, UpdateOrder};
use model::problem::FieldError;
use model::views::deployments::{PlanAct, PlanView};
use model::views::environments::MachineState;
use model::views::services::DesiredState;

use super::begin::{Wanted, wanted};
use super::source::Source;
use super::steps::{Living, steps};
use super::{frozen, revisions};
use crate::args;
use crate::configs::pinned::Pinned;
use crate::db::Tx;
use crate::environments::Environment;
use crate::error::{Error, Result};
use crate::machines;
use crate::services::Service;

pub(super) async fn plan(
    tx: &mut Tx,
    service: &Service,
    environment: &Environment,
    d: &Descriptor,
    source: &Source,
    configuration: &Pinned,
) -> Result<PlanView> {
    let wanted = wanted(tx, service, environment).await?;
    let current = match wanted.as_ref().and_then(|wanted| wanted.revision) {
        Some(id) => Some(revisions::by_id(tx, id).await?),
        None => None,
    };
    let spec = source.spec(&d.task_part(), configuration);
    let living = living(tx, service, environment, &spec).await?;
    let same = u32::try_from(living.iter().filter(|task| task.fits).count()).unwrap_or(u32::MAX);
    let other = u32::try_from(living.len()).unwrap_or(u32::MAX) - same;
    let rollout = steps(d.update.order, d.standing(), d.update.parallelism, &living);
    let changes = match &current {
        Some(current) => revisions::changes(tx, current, d, source.digest, configuration).await?,
        None => Vec::new(),
    };
    let stopped = wanted.as_ref().is_some_and(|wanted| wanted.state == DesiredState::Stopped);
    let notes = notes(d, source, wanted.as_ref(), environment, other, away(tx, environment).await?);
    Ok(PlanView {
        environment: environment.name.clone(),
        image: source.image.to_string(),
        digest: source.digest,
        current: current.as_ref().map(|current| current.number),
        unchanged: current.is_some() && changes.is_empty() && !stopped && other == 0 && same == d.standing(),
        changes,
        order: d.update.order,
        creates: rollout.count(PlanAct::Make),
        ends: rollout.count(PlanAct::End),
        steps: rollout.steps,
        tasks: d.standing(),
        at_most: rollout.at_most,
        each_run: (d.kind == Kind::Job).then_some(d.replicas),
        takes: Vec::new(),
        notes,
        configuration: configuration.view(environment),
        frozen: environment.frozen.clone(),
        second_person: false,
        own: false,
        changed_since: Vec::new(),
    })
}

/// What to know before. `other` counts the tasks that would end, `away` is how the environment's machines do.
fn notes(d: &Descriptor, source: &Source, wanted: Option<&Wanted>, environment: &Environment, other: u32, away: Away) -> Vec<String> {
    let mut notes = Vec::new();
    if wanted.is_some_and(|wanted| wanted.state == DesiredState::Stopped) {
        notes.push(String::from("the service is stopped; a deploy starts it"));
    }
    if wanted.is_some_and(|wanted| wanted.next.is_some()) {
        notes.push(String::from("a deployment is under way; this one takes its place"));
    }
    if source.digest.is_none() {
        notes.push(String::from("an image of another registry is pinned to its content when it is fetched"));
    }
    if d.kind == Kind::Job {
        notes.push(match &d.schedule {
            Some(schedule) => format!("a job: it runs at {schedule}, and when somebody asks"),
            None => String::from("a job without a schedule: it runs once when it is deployed, and when somebody asks"),
        });
    }
    if d.update.order == UpdateOrder::StopFirst && other > 0 {
        notes.push(String::from("each task ends before its successor starts: what it serves is away in between"));
    }
    if environment.protected {
        let other = if environment.second_person { ", somebody else than who asked for it," } else { "" };
        let who = format!("until a project admin or an operator{other} approves it");
        notes.push(format!("{} is protected: the deployment waits {who}; what runs there runs on meanwhile", environment.name));
    }
    if let Some(freeze) = &environment.frozen {
        notes.push(format!("{}; only an operator brings something there, with a reason", frozen::says(&environment.name, freeze)));
    }
    match away {
        Away::No => {}
        Away::Yes => notes.push(format!("the engine of {} does not answer; the deployment waits for it", environment.name)),
        Away::NoMachine => notes.push(format!("{} has no machine yet; the deployment waits until an operator adds one", environment.name)),
    }
    notes
}

/// The tasks that live there and were not asked to end.
async fn living(tx: &mut Tx, service: &Service, environment: &Environment, spec: &str) -> Result<Vec<Living>> {
    let sql = "SELECT t.id, t.slot, r.number, r.spec, (t.state = 'running' AND t.health IN ('none', 'healthy')) AS serves
               FROM tasks t JOIN revisions r ON r.id = t.revision_id
               WHERE t.service_id = $1 AND t.environment_id = $2 AND t.ended_at IS NULL AND t.state <> 'stopping' ORDER BY t.slot, t.id LIMIT 1000";
    tx.all(sql, args![service.id, environment.id], |row| {
        Ok(Living {
            task: row.get("id")?,
            slot: u32::try_from(row.get::<i64>("slot")?).map_err(|_| Error::internal("column slot holds no slot"))?,
            revision: row.get("number")?,
            fits: row.get::<String>("spec")? == spec,
            serves: row.get("serves")?,
        })
    })
    .await
}

/// Whether no machine of an environment can take tasks now.
enum Away {
    No,
    Yes,
    NoMachine,
}

async fn away(tx: &mut Tx, environment: &Environment) -> Result<Away> {
    let machines = machines::of(tx, environment, false).await?;
    if machines.is_empty() {
        return Ok(Away::NoMachine);
    }
    Ok(if machines.iter().all(|machine| machine.state == MachineState::Away) { Away::Yes } else { Away::No })
}

/// Refuses fixed ports that another service's tasks hold on every machine of the environment.
pub(super) async fn refuse_taken_ports(tx: &mut Tx, service: &Service, environment: &Environment, d: &Descriptor) -> Result<()> {
    let mut errors = Vec::new();
    for (at, port) in d.ports.iter().enumerate() {
        let Some(host) = port.host else { continue };
        // Whose it is stays untold: the service may be one that the caller may not know of.
        let sql = "SELECT COUNT(*) AS machines, CAST(COALESCE(SUM(CASE WHEN EXISTS (SELECT 1 FROM ports h JOIN tasks t ON t.id = h.task_id
                   WHERE h.machine_id = m.id AND h.protocol = $2 AND h.port = $3 AND t.service_id <> $4) THEN 1 ELSE 0 END), 0) AS BIGINT) AS held
                   FROM machines m WHERE m.environment_id = $1 AND m.removed_at IS NULL";
        let arguments = args![environment.id, port.protocol.as_str(), u32::from(host), service.id];
        let (machines, held): (i64, i64) = tx.one(sql, arguments, |row| Ok((row.get("machines")?, row.get("held")?))).await?;
        if machines > 0 && held >= machines {
            let message =
                format!("{host}/{} is held by another service in {}; choose another one, or leave host out", port.protocol, environment.name);
            errors.push(FieldError::new(format!("descriptor.ports[{at}].host"), message));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}
