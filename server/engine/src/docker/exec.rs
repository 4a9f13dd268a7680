//! A terminal inside a running container.
//!
//! The engine can neither end an exec nor, before API 1.42, give it a size when it is made. So a small gate runs first, in the
//! container's own shell: it prints its process id and waits for a line; we set the size, send the line, and the gate becomes the
//! wanted command, under the same id, in a session of its own. What is left of a session is found by that id and ended ([`ending`]), also
//! by a later life of the portal: before we send the line, whoever ordered the terminal keeps the [`Mark`] that tells how.
//!
//! A process that made a session of its own (`setsid`, the server of `tmux` or `screen`, a daemon) is not of the terminal's any more, and lives on until
//! its container ends, as after `docker exec`: whoever starts one means it to stay, and nothing that it could not change itself would tell it from the
//! task's own programs. What merely ignores a hang-up, or was put behind, is of the session and ends.
//!
//! An image without a shell has nothing to hold its command back. There the mark is kept between making the exec and starting it; it finds the process
//! by the exec's id, and is kept once more with the process when that is known. So nothing runs anywhere that is not on record.
//!
//! Bytes pass as they are, in both directions. Detach keys are set to what nobody types, so that Ctrl-P is not held back.

mod ending;
mod host;

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::ExecConfig;
use model::shell::NO_SHELL;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use ending::Gate;
pub use ending::{ExecControl, Exit, Mark};

use super::{Docker, EngineError, Kind, QUICK, Result, WORK, containers::path_part, hijack};

/// The shells that are tried, the most comfortable first.
pub const SHELLS: [&str; 3] = ["bash", "ash", "sh"];
/// What may run the gate.
const GATES: [&str; 4] = ["/bin/sh", "sh", "bash", "ash"];
/// The engine holds back a typed prefix of these keys until the next key shows that it was not meant; so the first of them is a
/// rare one, and all four in a row are nobody's wish.
const DETACH_KEYS: &str = "ctrl-^,ctrl-@,ctrl-^,ctrl-@";
/// What an engine may print in place of the gate's answer (an error of its runtime).
const GATE_ANSWER_LIMIT: usize = 4096;
/// How long the gate may take; a busy machine starts a process slowly.
const GATE_TIME: Duration = Duration::from_secs(20);

/// `$0` is the shell that runs it, the arguments are the wanted command, none for a shell. It answers `\1pid start\2` (when it was started, in the
/// kernel's ticks: a process id may be another process's later), or `\1!\2` when the command is missing.
const GATE: &str = r#"if [ $# -gt 0 ]; then command -v "$1" >/dev/null 2>&1 || { printf '\001!\002'; exit 127; }; fi
slipway_start() { read -r slipway_go 2>/dev/null </proc/$$/stat; set -f; set -- ${slipway_go##*) }; set +f; printf '%s' "${20}"; }
printf '\001%s ' "$$"
slipway_start
printf '\002'
read -r slipway_go
unset slipway_go
[ $# -gt 0 ] && exec "$@"
for slipway_shell in bash ash sh; do
command -v "$slipway_shell" >/dev/null 2>&1 && exec "$slipway_shell"
done
exec "$0""#;

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct ExecOrder {
    /// In which container.
    pub container: String,
    /// Program and arguments; `None` for the best shell that the image has.
    pub command: Option<Vec<String>>,
    /// Another user than the container's.
    pub user: Option<String>,
    /// Another working folder than the container's.
    pub workdir: Option<String>,
    /// Size of the window.
    pub columns: u16,
    /// Size of the window.
    pub rows: u16,
}

/// A running terminal. Dropping it closes the connection; the process is ended by [`ExecControl::end`] alone.
pub struct Exec {
    /// What the terminal prints.
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    /// What is typed.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// The rest.
    pub control: ExecControl,
}

/// Whoever keeps how a terminal's processes are found again, before there is anything to find.
#[async_trait]
pub trait Keeper: Sync {
    /// Keeps the mark, before anything runs. Where it cannot, the terminal is not opened.
    async fn keep(&self, mark: &Mark) -> std::result::Result<(), String>;
    /// Keeps another mark of the same terminal in its place, which says more, while it runs.
    async fn amend(&self, mark: &Mark) -> std::result::Result<(), String>;
}

/// What became of one attempt to run a gate.
enum Attempt {
    Open(Box<Exec>),
    NoSuchGate(String),
}

impl Docker {
    /// Opens a terminal of the right size. Its mark is kept before it runs.
    ///
    /// # Errors
    /// `CommandNotFound` when the image has no shell or not this command, `WrongState` when the container does not run; `Refused` when the
    /// mark was not kept. Once it was kept something may be left of a terminal that was not opened after all: [`Docker::end_exec`] ends it.
    pub async fn exec(&self, order: &ExecOrder, keeper: &dyn Keeper) -> Result<Exec> {
        path_part(&order.container)?;
        let mut answer = String::new();
        for gate in GATES {
            match self.through_gate(order, gate, keeper).await? {
                Attempt::Open(exec) => return Ok(*exec),
                Attempt::NoSuchGate(text) => answer = text,
            }
        }
        match &order.command {
            Some(command) => self.without_gate(order, command, keeper).await,
            None => Err(EngineError::new(Kind::CommandNotFound, format!("{NO_SHELL}: none of {} is in it ({})", SHELLS.join(", "), answer.trim()))),
        }
    }

    async fn through_gate(&self, order: &ExecOrder, shell: &str, keeper: &dyn Keeper) -> Result<Attempt> {
        let mut command: Vec<String> = [shell, "-c", GATE, shell].map(str::to_owned).into();
        command.extend(order.command.iter().flatten().cloned());
        let (exec, mut output, mut input) = match self.open(order, command).await {
            Err(EngineError { kind: Kind::CommandNotFound, message }) => {
                return misnamed(order, &message).map_or(Ok(Attempt::NoSuchGate(message)), Err);
            }
            other => other?,
        };
        let (answer, rest) = super::limited("start a process in the container", GATE_TIME, read_answer(&mut output)).await?;
        let mut control = ExecControl::new(self, &order.container, exec);
        let Some(answer) = answer else {
            let text = String::from_utf8_lossy(&rest).into_owned();
            return match control.code().await? {
                126 | 127 => misnamed(order, &text).map_or(Ok(Attempt::NoSuchGate(text)), Err),
                _ => Err(EngineError::answered(400, &text)),
            };
        };
        let Some(gate) = Gate::read(&answer, shell, order.user.as_deref()) else {
            return Err(missing(order.command.as_deref()));
        };
        control.behind(gate);
        let ready = match control.resize(order.columns, order.rows).await {
            Ok(()) => keep(&mut control, keeper).await,
            Err(error) => Err(error),
        };
        if let Err(error) = ready {
            give_up(&control).await;
            return Err(error);
        }
        input.write_all(b"\n").await.map_err(|error| EngineError::new(Kind::Unreachable, error.to_string()))?;
        let output = Box::new(AfterEcho::new(std::io::Cursor::new(rest).chain(output)));
        Ok(Attempt::Open(Box::new(Exec { output, input, control })))
    }

    /// For an image without any shell: the size comes as early as it can, and its process is ended from outside, where that can be done.
    async fn without_gate(&self, order: &ExecOrder, command: &[String], keeper: &dyn Keeper) -> Result<Exec> {
        let exec = self.make_exec(order, command.to_vec()).await?;
        let mut control = ExecControl::new(self, &order.container, exec.clone());
        keep(&mut control, keeper).await?;
        let (output, input) = self.start_exec(order, &exec).await?;
        if let Err(error) = control.resize(order.columns, order.rows).await {
            tracing::debug!(%error, "an exec ended before it was resized");
        }
        if !control.running().await? && matches!(control.code().await?, 126 | 127) {
            return Err(missing(Some(command)));
        }
        if control.find_on_this_machine().await {
            let mark = control.mark().await?;
            keeper.amend(&mark).await.map_err(|error| EngineError::new(Kind::Refused, error))?;
        }
        Ok(Exec { output, input, control })
    }

    async fn open(&self, order: &ExecOrder, command: Vec<String>) -> Result<(String, hijack::RawRead, hijack::RawWrite)> {
        let exec = self.make_exec(order, command).await?;
        let (output, input) = self.start_exec(order, &exec).await?;
        Ok((exec, output, input))
    }

    /// Makes an exec that does not run yet; its id.
    async fn make_exec(&self, order: &ExecOrder, command: Vec<String>) -> Result<String> {
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(true),
            console_size: self.size_at_once(order).await?,
            detach_keys: Some(DETACH_KEYS.to_owned()),
            env: Some(vec!["TERM=xterm-256color".to_owned()]),
            cmd: Some(command),
            user: order.user.clone(),
            working_dir: order.workdir.clone(),
            ..ExecConfig::default()
        };
        let container = order.container.clone();
        let made = self.call("open a terminal", QUICK, async move |client| client.create_exec(&container, config).await).await?;
        Ok(made.id)
    }

    /// Lets it run.
    async fn start_exec(&self, order: &ExecOrder, exec: &str) -> Result<(hijack::RawRead, hijack::RawWrite)> {
        let mut start = json!({"Detach": false, "Tty": true});
        if let Some(size) = self.size_at_once(order).await? {
            start["ConsoleSize"] = json!(size);
        }
        let path = self.path(&format!("/exec/{}/start", path_part(exec)?)).await?;
        hijack::upgrade(self.dialer(), &path, start.to_string().into_bytes(), WORK).await
    }

    /// The size as the engine takes it when an exec is made and started: rows and columns. None: it does not yet.
    async fn size_at_once(&self, order: &ExecOrder) -> Result<Option<Vec<usize>>> {
        let version = self.client().await?.client_version();
        let knows = (version.major_version, version.minor_version) >= (1, 42);
        Ok(knows.then(|| vec![usize::from(order.rows), usize::from(order.columns)]))
    }
}

async fn keep(control: &mut ExecControl, keeper: &dyn Keeper) -> Result<()> {
    let mark = control.mark().await?;
    keeper.keep(&mark).await.map_err(|error| EngineError::new(Kind::Refused, error))
}

/// Ends a terminal that is not opened after all: what nobody will find again must not run.
async fn give_up(control: &ExecControl) {
    if let Err(error) = control.end(Duration::ZERO).await {
        tracing::warn!(%error, "a terminal that was not opened could not be ended");
    }
}

/// What of an order the container does not have, where it is not the command: engines say all of it in one way, and end with the same codes.
fn misnamed(order: &ExecOrder, answer: &str) -> Option<EngineError> {
    let text = answer.to_lowercase();
    let has = |needle: &str| text.contains(needle);
    let refused = |message: String| Some(EngineError::new(Kind::Refused, message));
    match (&order.user, &order.workdir) {
        (Some(user), _) if has("unable to find user") || has("unable to find group") => {
            refused(format!("user: the container knows no user or group {user:?}; take one of its /etc/passwd, or a number"))
        }
        (_, Some(folder)) if has("chdir to cwd") => {
            refused(format!("workdir: the container has no folder {folder:?}; take one that is there, by its whole path"))
        }
        _ => None,
    }
}

fn missing(command: Option<&[String]>) -> EngineError {
    let wanted = command.and_then(<[String]>::first).map(String::as_str).unwrap_or_default();
    EngineError::new(Kind::CommandNotFound, format!("this image has no command {wanted:?}"))
}

/// Reads `\1answer\2`. With the answer comes what followed it; without one, everything that came instead.
async fn read_answer(output: &mut hijack::RawRead) -> Result<(Option<String>, Vec<u8>)> {
    let mut seen = Vec::new();
    loop {
        if seen.len() >= GATE_ANSWER_LIMIT {
            return Ok((None, seen));
        }
        let got = output.read_buf(&mut seen).await.map_err(|error| EngineError::new(Kind::Unreachable, error.to_string()))?;
        let from = seen.iter().position(|byte| *byte == 1);
        let to = seen.iter().position(|byte| *byte == 2);
        if let (Some(from), Some(to)) = (from, to)
            && from < to
        {
            let answer = String::from_utf8_lossy(&seen[from + 1..to]).into_owned();
            seen.drain(..=to);
            return Ok((Some(answer), seen));
        }
        if got == 0 {
            return Ok((None, seen));
        }
    }
}

/// Leaves out the terminal's echo of our line: its very first line end.
struct AfterEcho<R> {
    inner: R,
    echo: bool,
}

impl<R> AfterEcho<R> {
    fn new(inner: R) -> Self {
        Self { inner, echo: true }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for AfterEcho<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        while self.echo {
            let mut byte = [0];
            let mut one = ReadBuf::new(&mut byte);
            ready!(Pin::new(&mut self.inner).poll_read(context, &mut one))?;
            match one.filled() {
                b"\r" => {}
                b"\n" | b"" => self.echo = false,
                other => {
                    buffer.put_slice(other);
                    self.echo = false;
                    return Poll::Ready(Ok(()));
                }
            }
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_echo_of_our_own_line_is_not_shown() {
        for (sent, shown) in [(&b"\r\n$ "[..], &b"$ "[..]), (b"\n\nx", b"\nx"), (b"$ ", b"$ "), (b"", b"")] {
            let mut got = Vec::new();
            AfterEcho::new(sent).read_to_end(&mut got).await.expect("memory");
            assert_eq!(got, shown);
        }
    }

    #[test]
    fn a_user_or_folder_that_is_not_there_is_no_missing_shell() {
        let text = |text: &str| Some(text.to_owned());
        let order = |user, workdir| ExecOrder { container: "c".into(), command: None, user, workdir, columns: 80, rows: 24 };
        let user = "unable to find user nobody-here: no matching entries in passwd file";
        let folder = "OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd (\"/nowhere\") set in config.json failed";
        let shell = "OCI runtime exec failed: exec failed: exec: \"/bin/sh\": stat /bin/sh: no such file or directory: unknown";
        let said = |order: &ExecOrder, answer| misnamed(order, answer).map(|error| error.message);
        let whole = order(text("nobody-here"), text("/nowhere"));
        assert!(said(&whole, user).is_some_and(|said| said.starts_with("user: ")));
        assert!(said(&whole, folder).is_some_and(|said| said.starts_with("workdir: ")));
        assert_eq!(said(&whole, shell), None);
        assert_eq!(said(&order(None, None), folder), None);
    }

    #[tokio::test]
    async fn the_gate_answers_between_its_marks() {
        let mut raw: hijack::RawRead = Box::new(&b"\x0142\x02\r\nrest"[..]);
        assert_eq!(read_answer(&mut raw).await.expect("memory"), (Some("42".to_owned()), b"\r\nrest".to_vec()));
        let mut raw: hijack::RawRead = Box::new(&b"OCI runtime exec failed"[..]);
        assert_eq!(read_answer(&mut raw).await.expect("memory").0, None);
    }
}
