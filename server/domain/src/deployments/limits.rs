//! What a descriptor may ask of its machine, at every act that brings it: a revision that an operator deployed is not a developer's to bring again.
//! Fixed ports below 1024 are those of the machine's own services, so they need the permission for host privileges; the portal's own port is
//! nobody's. What it may ask of its project's quota: where fixed ports may lie, what a task gets that names no limit, and whether there is
//! room for what would run ([`take`]), under the project's lock.

use model::access::Action;
use model::descriptor::{Descriptor, Probe, Protocol};
use model::problem::FieldError;
use model::quantity::PortRange;
use model::secret::{HIDDEN, names_a_secret};
use model::views::quotas::Taking;

use super::begin::wanted;
use super::revisions::{self, Stored};
use super::source;
use crate::access::{May, can};
use crate::db::Tx;
use crate::environments::Environment;
use crate::error::{Error, Result};
use crate::folders;
use crate::machines::{self, Machine};
use crate::platform::Platform;
use crate::quotas::running;
use crate::services::Service;

/// The first port that any program of a machine may listen on.
const FIRST_ORDINARY: u16 = 1024;

/// Refuses fixed ports that this caller may not take in the environment.
pub(super) async fn refuse_foreign_ports(tx: &mut Tx, may: &May<can::Deploy, Service>, environment: &Environment, d: &Descriptor) -> Result<()> {
    if d.ports.iter().all(|port| port.host.is_none()) {
        return Ok(());
    }
    let machines = machines::by_environment(tx, environment.id).await?;
    let privileged = may.also(Action::UseHostPrivileges);
    let beyond = ports_beyond(tx, may, environment, d).await?;
    let mut errors = Vec::new();
    for (at, port) in d.ports.iter().enumerate() {
        let Some(host) = port.host else { continue };
        let of_project = || beyond.as_ref().filter(|(range, held)| !range.holds(host) && !held.contains(&(host, port.protocol)));
        if let Some(message) = refusal(&machines, host, port.protocol, privileged).or_else(|| of_project().map(|(range, _)| of_range(*range, host))) {
            errors.push(FieldError::new(format!("descriptor.ports[{at}].host"), message));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}

type Fixed = Vec<(u16, Protocol)>;

/// The range in which the project's fixed ports must lie, and those that the service holds there already, which it keeps when the range is
/// made smaller; none: they all lie where they may.
async fn ports_beyond(tx: &mut Tx, service: &Service, environment: &Environment, d: &Descriptor) -> Result<Option<(PortRange, Fixed)>> {
    let Some(range) = running::fixed_ports(tx, service.project.id).await? else { return Ok(None) };
    if d.ports.iter().filter_map(|port| port.host).all(|host| range.holds(host)) {
        return Ok(None);
    }
    let wanted = wanted(tx, service, environment).await?;
    let mut held = Vec::new();
    for revision in wanted.into_iter().flat_map(|wanted| wanted.serving()) {
        let descriptor = revisions::by_id(tx, revision).await?.descriptor;
        held.extend(descriptor.ports.iter().filter_map(|port| Some((port.host?, port.protocol))));
    }
    Ok(Some((range, held)))
}

fn of_range(range: PortRange, host: u16) -> String {
    if range == PortRange::NONE {
        return String::from("this project may take no fixed ports; leave host out, and a free one is given");
    }
    format!("this project's fixed ports lie in {range}; choose one of them instead of {host}, or leave host out")
}

fn refusal(machines: &[Machine], host: u16, protocol: Protocol, privileged: bool) -> Option<String> {
    if protocol == Protocol::Tcp && machines.iter().any(|machine| machine.portal_port() == Some(host)) {
        return Some(format!("{host}/{protocol} is the portal's own port; choose another one, or leave host out"));
    }
    (host < FIRST_ORDINARY && !privileged)
        .then(|| format!("only an operator may take a port below {FIRST_ORDINARY}; choose a higher one than {host}, or leave host out"))
}

/// Checks that the caller may bring a stored revision again: what a deploy of it would ask for now. Whether its image is still in the registry is
/// another question: an engine may have it.
pub(super) async fn still_allowed(
    platform: &Platform,
    tx: &mut Tx,
    may: &May<can::Deploy, Service>,
    environment: &Environment,
    revision: &Stored,
) -> Result<()> {
    source::still_allowed(tx, may.actor(), may, revision).await?;
    refuse_foreign_ports(tx, may, environment, &revision.descriptor).await?;
    folders::refuse(platform, tx, &revision.descriptor).await
}

/// Writes the limits that a task gets into a descriptor that leaves them open, so that its revision is complete. What was written, in words.
pub(super) async fn fill(tx: &mut Tx, service: &Service, d: &Descriptor) -> Result<(Descriptor, Option<String>)> {
    let mut d = d.clone();
    let filled = running::task_limits(tx, service.project.id).await?.fill(&mut d.resources);
    let words =
        (!filled.is_empty()).then(|| format!("each task gets at most {}: the default, since the descriptor says nothing", filled.join(" and ")));
    Ok((d, words))
}

/// Takes the project's lock, and finds out whether there is room for what would run. The caller holds the service's lock already.
pub(super) async fn take(tx: &mut Tx, service: &Service, environment: &Environment, d: &Descriptor) -> Result<Vec<Taking>> {
    running::lock(tx, &service.project).await?;
    room(tx, service, environment, d).await
}

/// The same for a plan, which holds nothing.
pub(super) async fn room(tx: &mut Tx, service: &Service, environment: &Environment, d: &Descriptor) -> Result<Vec<Taking>> {
    running::room(tx, &service.project, (service.id, environment.id), d).await
}

/// Refuses what stands in answers for a value that its reader does not see: whoever sends it back would lose the value.
pub(super) fn refuse_hidden(d: &Descriptor) -> Result<()> {
    let sent_back = d.env.iter().filter(|(name, value)| value.as_str() == HIDDEN && names_a_secret(name));
    let error = |name: &String| {
        FieldError::new(format!("descriptor.env.{name}"), format!("{HIDDEN} stands for a value that was not shown; write the value itself"))
    };
    let mut errors: Vec<FieldError> = sent_back.map(|(name, _)| error(name)).collect();
    // As an import shows what looks like a secret there.
    let check = d.health.as_ref().and_then(|health| if let Probe::Command(command) = &health.probe { Some(command) } else { None });
    for (field, words) in [("entrypoint", d.entrypoint.as_ref()), ("command", d.command.as_ref()), ("health.command", check)] {
        if words.is_some_and(|words| words.iter().any(|word| word.contains(HIDDEN))) {
            errors.push(FieldError::new(
                format!("descriptor.{field}"),
                format!("{HIDDEN} stands for a value that was not shown; write another way to it"),
            ));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}
