//! Of what there is something: so that what was deleted elsewhere meanwhile can be deleted here.

use std::collections::BTreeSet;
use std::io;

use model::ids::{MachineId, ProjectId, ServiceId};

use crate::{Key, Store, files};

impl Store {
    /// The projects of which something is kept, in order.
    ///
    /// # Errors
    /// When folders cannot be read.
    pub fn projects(&self) -> io::Result<Vec<ProjectId>> {
        Ok(self.listed(files::projects(&self.0.folder)?, |key| match key {
            Key::Service { project, .. } => Some(*project),
            Key::Machine(_) => None,
        }))
    }

    /// The services of a project of which something is kept, in order.
    ///
    /// # Errors
    /// When folders cannot be read.
    pub fn services(&self, project: ProjectId) -> io::Result<Vec<ServiceId>> {
        Ok(self.listed(files::services(&self.0.folder, project)?, |key| match key {
            Key::Service { project: of, service, .. } if *of == project => Some(*service),
            _ => None,
        }))
    }

    /// The machines of which something is kept, in order.
    ///
    /// # Errors
    /// When folders cannot be read.
    pub fn machines(&self) -> io::Result<Vec<MachineId>> {
        Ok(self.listed(files::machines(&self.0.folder)?, |key| match key {
            Key::Machine(machine) => Some(*machine),
            Key::Service { .. } => None,
        }))
    }

    /// What has a folder, and what is in journals alone as yet.
    fn listed<T: Ord>(&self, folders: Vec<T>, of: impl Fn(&Key) -> Option<T>) -> Vec<T> {
        let mut all: BTreeSet<T> = folders.into_iter().collect();
        all.extend(self.state().journals.values().flat_map(|hour| hour.journal.keys()).filter_map(|key| of(&key)));
        all.into_iter().collect()
    }
}
