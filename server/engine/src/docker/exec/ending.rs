//! How a terminal ends, and is ended. The engine cannot end an exec; what can is a sweep: one more exec that signals every process of the
//! terminal's session, as the same user and, where that user may not (after `su` or `sudo`), as root. A [`Mark`] tells all that is needed for it,
//! so that it can be done by a later life of the portal too. A sweep runs what the container has for a shell, which is not ours to trust: whether the
//! terminal's process is over, the engine is asked. One that still runs is ended as this machine sees it, where the engine runs here.
//!
//! It never signals a process of another life of the container, nor one that was given the id of a process that is gone.

use std::time::Duration;

use bollard::exec::{ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::host::HostProcess;
use crate::docker::{Address, Docker, EngineError, Kind, QUICK, Result, Status, containers::path_part};

/// Between looks at an exec that is about to end.
const END_POLL: Duration = Duration::from_millis(20);
/// How often it is looked whether the container ended with the process, and how long in between.
const CONTAINER_LOOKS: u32 = 10;
const CONTAINER_POLL: Duration = Duration::from_millis(50);
/// Sweeps that may find somebody: a process may start another one while we look.
const SWEEPS: u32 = 5;
/// How long the engine may take to know that a process is over.
const ENGINE_SEES: Duration = Duration::from_secs(3);
/// A sweep says two words. Who says more than this, in bytes, in a container that is not ours to trust, is not listened to.
const REPORT_MAX: usize = 64 * 1024;

/// Sends the signal `$2` to every process of the session `$1`, with the shell's own means (images have no pkill), unless its leader is another
/// one than that which started at `$3`. Says `found` once where a process lived, `left` once where it may not signal one.
const SWEEP: &str = r#"found=; left=
look() {
line=; read -r line 2>/dev/null <"$1" || line=
set -f; set -- ${line##*) }; set +f
state=$1; session=$4; start=${20}
}
if [ -n "$3" ]; then
look "/proc/$1/stat"
[ -n "$line" ] && [ "$start" != "$3" ] && exit 0
fi
for stat in /proc/[0-9]*/stat; do
look "$stat"
if [ "$session" = "$1" ] && [ "$state" != Z ]; then
pid=${stat#/proc/}; pid=${pid%/stat}
[ -n "$found" ] || echo found
found=1
kill -s "$2" "$pid" 2>/dev/null || { [ -n "$left" ] || echo left; left=1; }
fi
done
exit 0"#;

/// What can be done to a terminal besides reading and writing. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ExecControl {
    docker: Docker,
    container: String,
    mark: Mark,
}

/// How the processes of a terminal are found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The engine's id of the exec.
    exec: String,
    /// When the container was started, milliseconds since the epoch: started again, it holds none of them.
    life: Option<i64>,
    /// By its session within the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gate: Option<Gate>,
    /// By its process on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<HostProcess>,
}

/// The gate that a terminal came through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gate {
    shell: String,
    user: Option<String>,
    session: u32,
    /// When its leader was started, in ticks since the machine was; none where the container does not tell.
    start: Option<u64>,
}

impl Gate {
    /// From the gate's answer; none: it says that the command is missing.
    pub(super) fn read(answer: &str, shell: &str, user: Option<&str>) -> Option<Self> {
        let (session, start) = answer.split_once(' ').unwrap_or((answer, ""));
        Some(Self { shell: shell.to_owned(), user: user.map(str::to_owned), session: session.parse().ok()?, start: start.trim().parse().ok() })
    }
}

/// How a terminal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Its process did; -1 when the code is not known any more.
    Code(i64),
    /// Its container stopped.
    Container,
}

/// What a sweep met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Swept {
    found: bool,
    left: bool,
}

/// What a sweep says, while it is read: whether its two words came is all that is kept.
#[derive(Debug, Default)]
struct Report {
    swept: Swept,
    read: usize,
    /// The end of what was read: a word may go on in the next piece.
    tail: Vec<u8>,
}

impl Report {
    const FOUND: &[u8] = b"found";
    const LEFT: &[u8] = b"left";

    /// Whether to read on.
    fn take(&mut self, piece: &[u8]) -> bool {
        self.read = self.read.saturating_add(piece.len());
        self.tail.extend_from_slice(&piece[..piece.len().min(REPORT_MAX)]);
        let said = |word: &[u8]| self.tail.windows(word.len()).any(|part| part == word);
        self.swept = Swept { found: self.swept.found || said(Self::FOUND), left: self.swept.left || said(Self::LEFT) };
        let known = self.tail.len().saturating_sub(Self::FOUND.len() - 1);
        self.tail.drain(..known);
        !self.is_too_long()
    }

    fn is_too_long(&self) -> bool {
        self.read > REPORT_MAX
    }
}

impl ExecControl {
    pub(super) fn new(docker: &Docker, container: &str, exec: String) -> Self {
        Self { docker: docker.clone(), container: container.to_owned(), mark: Mark { exec, life: None, gate: None, host: None } }
    }

    /// It came through this gate.
    pub(super) fn behind(&mut self, gate: Gate) {
        self.mark.gate = Some(gate);
    }

    /// Looks for its process among those of this machine; whether it was found.
    pub(super) async fn find_on_this_machine(&mut self) -> bool {
        self.mark.host = self.on_this_machine().await;
        self.mark.host.is_some()
    }

    /// Its process among those of this machine, for an engine that runs here and while it lives.
    async fn on_this_machine(&self) -> Option<HostProcess> {
        if !matches!(self.docker.address(), Address::Unix(_)) {
            return None;
        }
        let seen = self.docker.call("look at the terminal", QUICK, async |client| client.inspect_exec(&self.mark.exec).await).await;
        let pid = seen.ok().filter(|seen| seen.running == Some(true))?.pid?;
        HostProcess::find(u32::try_from(pid).ok()?, &self.container)
    }

    /// How it is found again; asks the engine for the container's life once.
    pub(super) async fn mark(&mut self) -> Result<Mark> {
        if self.mark.life.is_none() {
            self.mark.life = self.docker.inspect(&self.container).await?.started_at;
        }
        Ok(self.mark.clone())
    }

    /// Tells the terminal its size.
    pub async fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        let options = ResizeExecOptions { width: columns.max(1), height: rows.max(1) };
        self.docker.call("resize the terminal", QUICK, async move |client| client.resize_exec(&self.mark.exec, options).await).await
    }

    /// Does its process still run?
    pub async fn running(&self) -> Result<bool> {
        match self.docker.call("look at the terminal", QUICK, async |client| client.inspect_exec(&self.mark.exec).await).await {
            Ok(seen) => Ok(seen.running.unwrap_or_default()),
            Err(EngineError { kind: Kind::NoSuchContainer | Kind::WrongState, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How it ended, once its output has; the engine knows it a moment later.
    pub async fn exit(&self) -> Result<Exit> {
        let code = self.code().await?;
        // Only a process that was killed, or is not known any more, may have gone with its container, whose end is seen a moment later.
        let mut looks = if (0..=128).contains(&code) { 0 } else { CONTAINER_LOOKS };
        while looks > 0 {
            if !self.container_lives().await? {
                return Ok(Exit::Container);
            }
            looks -= 1;
            sleep(CONTAINER_POLL).await;
        }
        Ok(Exit::Code(code))
    }

    /// The exit code; -1 when it cannot be known any more.
    pub(super) async fn code(&self) -> Result<i64> {
        for _ in 0..100 {
            match self.docker.call("look at the terminal", QUICK, async |client| client.inspect_exec(&self.mark.exec).await).await {
                Ok(seen) if seen.running == Some(true) => sleep(END_POLL).await,
                Ok(seen) => return Ok(seen.exit_code.unwrap_or(-1)),
                Err(EngineError { kind: Kind::NoSuchContainer | Kind::WrongState, .. }) => return Ok(-1),
                Err(error) => return Err(error),
            }
        }
        Ok(-1)
    }

    /// Whether the container still runs, in the life in which the terminal was opened.
    async fn container_lives(&self) -> Result<bool> {
        match self.docker.inspect(&self.container).await {
            Ok(seen) => {
                let runs = matches!(seen.status, Status::Running | Status::Paused);
                Ok(runs && (self.mark.life.is_none() || self.mark.life == seen.started_at))
            }
            Err(EngineError { kind: Kind::NoSuchContainer, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends the session: asks it to hang up, and kills what is left after `grace`. Good as well when nothing is left of it.
    ///
    /// # Errors
    /// When processes may be left: the engine is away, or neither the image nor this machine has what it takes.
    pub async fn end(&self, grace: Duration) -> Result<()> {
        if !self.container_lives().await? {
            return Ok(());
        }
        let Some(gate) = &self.mark.gate else { return self.end_on_this_machine().await };
        let swept = self.end_by_sweeps(gate, grace).await;
        if self.is_over().await? {
            return swept;
        }
        let Some(host) = self.on_this_machine().await else {
            let text = "the container's shell does not end the terminal's process, which is not to be seen from here: it still runs";
            return Err(swept.err().unwrap_or_else(|| EngineError::new(Kind::Refused, text)));
        };
        self.kill(host).await?;
        let text = "the terminal's process still runs, though it was killed";
        self.is_over().await?.then_some(()).ok_or_else(|| EngineError::new(Kind::Other, text))
    }

    /// Whether the engine says that its process is over, now or in a moment.
    async fn is_over(&self) -> Result<bool> {
        let until = Instant::now() + ENGINE_SEES;
        while self.running().await? {
            if Instant::now() >= until {
                return Ok(false);
            }
            sleep(END_POLL).await;
        }
        Ok(true)
    }

    /// By what the container itself has: what that says need not be so.
    async fn end_by_sweeps(&self, gate: &Gate, grace: Duration) -> Result<()> {
        if !self.sweep(gate, "HUP").await?.found {
            return Ok(());
        }
        let until = Instant::now() + grace;
        while self.running().await? && Instant::now() < until {
            sleep(END_POLL).await;
        }
        for _ in 0..SWEEPS {
            if !self.sweep(gate, "KILL").await?.found {
                return Ok(());
            }
            sleep(END_POLL).await;
        }
        Err(EngineError::new(Kind::Other, "processes of the terminal are left, though they were killed"))
    }

    async fn end_on_this_machine(&self) -> Result<()> {
        // A mark that was kept before the process ran does not name it.
        let host = match &self.mark.host {
            Some(host) => Some(host.clone()),
            None => self.on_this_machine().await,
        };
        if let Some(host) = host {
            return self.kill(host).await;
        }
        if !self.running().await? {
            return Ok(());
        }
        let text = "the image has no shell and its engine is on another machine: the terminal's process cannot be ended from here";
        Err(EngineError::new(Kind::Refused, text))
    }

    /// Kills the session of this process, as this machine sees it.
    async fn kill(&self, host: HostProcess) -> Result<()> {
        let container = self.container.clone();
        let ended = tokio::task::spawn_blocking(move || host.end(&container)).await;
        ended
            .map_err(|error| EngineError::new(Kind::Other, error.to_string()))?
            .map_err(|error| EngineError::new(Kind::Refused, format!("the terminal's process could not be ended: {error}")))
    }

    /// As the terminal's user, then as root where that user may not.
    async fn sweep(&self, gate: &Gate, signal: &str) -> Result<Swept> {
        match self.sweep_as(gate, gate.user.as_deref(), signal).await {
            Ok(Swept { found, left: false }) => return Ok(Swept { found, left: false }),
            Err(error) if matches!(error.kind, Kind::Unreachable | Kind::TimedOut) => return Err(error),
            // Also where the user is gone from the image.
            Ok(_) | Err(_) => {}
        }
        let root = self.sweep_as(gate, Some("0"), signal).await?;
        Ok(Swept { found: true, left: root.left })
    }

    async fn sweep_as(&self, gate: &Gate, user: Option<&str>, signal: &str) -> Result<Swept> {
        let start = gate.start.map(|start| start.to_string()).unwrap_or_default();
        let command = [gate.shell.as_str(), "-c", SWEEP, &gate.shell, &gate.session.to_string(), signal, &start].map(str::to_owned).into();
        let config = ExecConfig { attach_stdout: Some(true), cmd: Some(command), user: user.map(str::to_owned), ..ExecConfig::default() };
        let container = path_part(&self.container)?.to_owned();
        let swept = self
            .docker
            .call("end a terminal", QUICK, async move |client| {
                let made = client.create_exec(&container, config).await?;
                let mut report = Report::default();
                // Attached, so that it is over when this returns.
                if let StartExecResults::Attached { mut output, .. } = client.start_exec(&made.id, None::<StartExecOptions>).await? {
                    while let Some(piece) = futures::StreamExt::next(&mut output).await {
                        if !report.take(&piece?.into_bytes()) {
                            break;
                        }
                    }
                }
                Ok(report)
            })
            .await;
        match swept {
            Ok(report) if report.is_too_long() => {
                let text = "what ends a terminal is answered by something else in the container: whether processes are left is not known";
                Err(EngineError::new(Kind::Refused, text))
            }
            Ok(report) => Ok(report.swept),
            // No container, no process; but one that is frozen holds them.
            Err(EngineError { kind: Kind::NoSuchContainer | Kind::WrongState, .. }) if !self.container_lives().await? => {
                Ok(Swept { found: false, left: false })
            }
            Err(error) => Err(error),
        }
    }
}

impl Docker {
    /// Ends what is left of a terminal, whoever opened it: see [`ExecControl::end`].
    pub async fn end_exec(&self, container: &str, mark: &Mark, grace: Duration) -> Result<()> {
        path_part(container)?;
        ExecControl { docker: self.clone(), container: container.to_owned(), mark: mark.clone() }.end(grace).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_tells_its_session_and_its_start() {
        let gate = Gate::read("42 123456", "sh", Some("ana")).expect("an answer");
        assert_eq!((gate.session, gate.start, gate.user.as_deref()), (42, Some(123_456), Some("ana")));
        assert_eq!(Gate::read("42 ", "sh", None).expect("an answer").start, None);
        assert_eq!(Gate::read("!", "sh", None), None);
    }

    #[test]
    fn a_sweep_is_read_without_being_kept() {
        let read = |pieces: &[&[u8]]| {
            let mut report = Report::default();
            assert!(pieces.iter().all(|piece| report.take(piece)), "it is short");
            (report.swept.found, report.swept.left)
        };
        assert_eq!(read(&[]), (false, false));
        assert_eq!(read(&[b"found\n"]), (true, false));
        assert_eq!(read(&[b"fo", b"und\nle", b"ft\n"]), (true, true));
        assert_eq!(read(&[b"f", b"o", b"u", b"n", b"d"]), (true, false));
        let mut report = Report::default();
        let said = (0..1000).take_while(|_| report.take(&[b'x'; 1024])).count();
        assert_eq!(said, 64, "who says more is not listened to");
        assert!(report.is_too_long() && report.tail.len() < 8);
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let gate = Gate::read("42 7", "/bin/sh", None);
        let mark = Mark { exec: "e".into(), life: Some(5), gate, host: None };
        let text = serde_json::to_string(&mark).expect("JSON");
        assert_eq!(serde_json::from_str::<Mark>(&text).expect("a mark"), mark);
        assert!(!text.contains("host"), "{text}");
    }
}
