//! Of what there are samples, so that what belongs to nobody any more can be taken away.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use model::ids::{MachineId, ProjectId, ServiceId};

use crate::{Key, Store, files};

/// Of what there are samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Services, with their projects.
    pub services: BTreeSet<(ProjectId, ServiceId)>,
    /// Machines.
    pub machines: BTreeSet<MachineId>,
}

impl Store {
    /// From one sample of a task to the next, as a rule.
    #[must_use]
    pub fn step(&self) -> Duration {
        Duration::from_millis(self.0.options.step_ms.max(1).unsigned_abs())
    }

    /// Of what there are samples.
    ///
    /// # Errors
    /// When folders cannot be read.
    pub fn held(&self) -> io::Result<Held> {
        let mut held = Held::default();
        let mut keys = files::keys(&self.0.folder)?;
        keys.extend(self.state().journals.values().flat_map(|hour| hour.journal.keys()));
        for key in keys {
            match key {
                Key::Service { project, service, .. } => held.services.insert((project, service)),
                Key::Machine(machine) => held.machines.insert(machine),
            };
        }
        Ok(held)
    }
}
