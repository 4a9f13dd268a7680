//! What a machine's collector does on a thread that may block: it reads the kernel's files of all containers and of the machine, one after the other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ::metrics::Value;
use model::ids::TaskId;
use model::time::Millis;

use super::files::Files;
use super::groups::{Mounts, Unreadable};
use super::host::Host;
use super::reader::Reader;
use super::usage::Usage;

/// Where the kernel shows processes.
const PROC: &str = "/proc";
/// Where it shows devices.
const SYS: &str = "/sys";

/// What is read of this machine.
#[derive(Debug)]
pub(crate) struct Local {
    reader: Reader,
    host: Host,
    files: HashMap<TaskId, Files>,
    identity: Option<(String, u64)>,
}

/// A container whose files are to be found.
#[derive(Debug)]
pub(crate) struct Opening {
    pub task: TaskId,
    pub container: String,
    pub pid: u32,
    pub own_net: bool,
}

/// What is to be read in a turn.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// Tasks of which nothing is read any more.
    pub close: Vec<TaskId>,
    /// Whether the engine is on this machine: then the machine is read as well. What it is, is an engine's kernel release and memory.
    pub engine: Option<(String, u64)>,
    /// The folder of that engine's data.
    pub root: Option<String>,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Of containers.
    pub usages: HashMap<TaskId, Usage>,
    /// Those that cannot be read here.
    pub unreadable: Vec<(TaskId, Unreadable)>,
    /// Those that are gone, or were started anew.
    pub gone: Vec<TaskId>,
    /// Of the machine; nothing where the engine is not on this one.
    pub machine: Vec<Value>,
    /// When that was read.
    pub machine_at: Option<Millis>,
}

/// What tells the time.
pub(crate) type Now<'a> = &'a dyn Fn() -> Millis;

impl Found {
    /// Reads what a container used.
    fn read(&mut self, task: TaskId, files: &mut Files, reader: &mut Reader, now: Now<'_>) {
        let at = Some(now());
        match files.read(reader) {
            Ok(usage) => {
                self.usages.insert(task, Usage { at, ..usage });
            }
            Err(_) => self.gone.push(task),
        }
    }
}

impl Local {
    /// `data`: the folder of the portal's own data.
    pub(crate) fn new(data: Option<PathBuf>) -> Self {
        Self { reader: Reader::default(), host: Host::new(Path::new(PROC), Path::new(SYS), data), files: HashMap::new(), identity: None }
    }

    /// Reads everything that is open. Blocks.
    pub(crate) fn turn(&mut self, order: &Order, now: Now<'_>) -> Found {
        let mut found = Found::default();
        order.close.iter().for_each(|task| drop(self.files.remove(task)));
        for (task, files) in &mut self.files {
            found.read(*task, files, &mut self.reader, now);
        }
        found.gone.iter().for_each(|task| drop(self.files.remove(task)));
        if let Some(engine) = &order.engine {
            if self.identity.is_none() {
                self.identity = self.host.identity(&mut self.reader);
            }
            if self.identity.as_ref() == Some(engine) {
                found.machine_at = Some(now());
                found.machine = self.host.read(&mut self.reader, order.root.as_deref());
            }
        }
        found
    }

    /// Finds the files of containers that are new, and reads those. Blocks.
    pub(crate) fn open(&mut self, openings: &[Opening], now: Now<'_>) -> Found {
        let mut found = Found::default();
        let proc = Path::new(PROC);
        let mounts = self.reader.read(proc, "self/mountinfo").map(Mounts::read).unwrap_or_default();
        for opening in openings {
            match Files::open(&mut self.reader, proc, &mounts, &opening.container, opening.pid, opening.own_net) {
                Ok(mut files) => {
                    found.read(opening.task, &mut files, &mut self.reader, now);
                    self.files.insert(opening.task, files);
                }
                Err(why) => found.unreadable.push((opening.task, why)),
            }
        }
        found.gone.iter().for_each(|task| drop(self.files.remove(task)));
        found
    }
}
