//! What a descriptor may ask of its machine, at every act that brings it: a revision that an operator deployed is not a developer's to bring again.
//! Fixed ports below 1024 are those of the machine's own services, so they need the permission for host privileges; the portal's own port is
//! nobody's.

use model::access::Action;
use model::descriptor::{Descriptor, Protocol};
use model::problem::FieldError;

use super::revisions::Stored;
use super::source;
use crate::access::{May, can};
use crate::db::Tx;
use crate::environments::Environment;
use crate::error::{Error, Result};
use crate::folders;
use crate::machines::{self, Machine};
use crate::platform::Platform;
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
    let mut errors = Vec::new();
    for (at, port) in d.ports.iter().enumerate() {
        let Some(host) = port.host else { continue };
        if let Some(message) = refusal(&machines, host, port.protocol, privileged) {
            errors.push(FieldError::new(format!("descriptor.ports[{at}].host"), message));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
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
