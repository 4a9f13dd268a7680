//! A terminal's process as this machine sees it, for images without a shell: the engine tells its id, and where the engine runs beside us we may
//! end it ourselves. A process is looked at by a handle that holds it, so that no other one that is given its id meanwhile is ever signalled; and
//! only one that is in the container's control group.

use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// Rounds of looking for processes of a session: one may start another meanwhile.
const ROUNDS: u32 = 5;

/// The leader of a terminal's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HostProcess {
    pid: u32,
    /// When it was started, in ticks since the machine was.
    start: u64,
}

/// What the kernel says of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    zombie: bool,
    session: u32,
    start: u64,
}

impl HostProcess {
    /// The process of this id, if it is one of this container on this machine.
    pub(super) fn find(pid: u32, container: &str) -> Option<Self> {
        let stat = stat(pid)?;
        // In another space of process ids the number is somebody else's.
        (stat.session == pid && in_container(pid, container)).then_some(Self { pid, start: stat.start })
    }

    /// Kills all processes of its session that are in the container.
    pub(super) fn end(&self, container: &str) -> io::Result<()> {
        if stat(self.pid).is_some_and(|stat| stat.start != self.start) {
            return Ok(());
        }
        for _ in 0..ROUNDS {
            let mut found = false;
            for pid in processes()? {
                found |= end(pid, self.pid, container)?;
            }
            if !found {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Err(io::Error::other("processes of the terminal are left, though they were killed"))
    }
}

/// Kills one process, if it is of this session and container; whether it was.
fn end(pid: u32, session: u32, container: &str) -> io::Result<bool> {
    let wanted = || stat(pid).is_some_and(|stat| stat.session == session && !stat.zombie) && in_container(pid, container);
    if !wanted() {
        return Ok(false);
    }
    let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
    let Ok(handle) = pidfd_open(id, PidfdFlags::empty()) else { return Ok(false) };
    // Looked at again under the handle: from here on the id is this process's, or it is dead.
    if !wanted() {
        return Ok(false);
    }
    match pidfd_send_signal(handle, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn processes() -> io::Result<Vec<u32>> {
    let names = std::fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(names.collect())
}

fn in_container(pid: u32, container: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| !container.is_empty() && text.contains(container))
}

fn stat(pid: u32) -> Option<Stat> {
    read(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// `pid (name) state ppid group session ... start ...`; the name may hold anything.
fn read(line: &str) -> Option<Stat> {
    let mut fields = line.rsplit_once(") ")?.1.split(' ');
    let zombie = fields.next()? == "Z";
    let session = fields.nth(2)?.parse().ok()?;
    let start = fields.nth(15)?.parse().ok()?;
    Some(Stat { zombie, session, start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let line = "7 (a) b (c)) S 1 7 5 34816 7 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 99 1";
        assert_eq!(read(line), Some(Stat { zombie: false, session: 5, start: 4242 }));
        assert_eq!(read("nonsense"), None);
    }

    #[test]
    fn what_is_in_no_such_container_is_not_found() {
        let own = std::process::id();
        assert!(stat(own).is_some_and(|stat| stat.start > 0));
        assert_eq!(HostProcess::find(own, &"f".repeat(64)), None);
        assert!(!end(own, stat(own).expect("we run").session, &"f".repeat(64)).expect("looked"), "it is left alone");
    }
}
