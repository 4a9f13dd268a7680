//! A terminal inside a running container.
//!
//! The engine can neither end an exec nor, before API 1.42, give it a size when it is made. So a small gate runs first, in the
//! container's own shell: it prints its process id and waits for a line; we set the size, send the line, and the gate becomes the
//! wanted command, under the same id, in a session of its own. What is left of a session is found by that id and ended.
//!
//! Bytes pass as they are, in both directions. Detach keys are set to what nobody types, so that Ctrl-P is not held back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bollard::exec::{ResizeExecOptions, StartExecOptions};
use bollard::models::ExecConfig;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

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
/// Between looks at an exec that is about to end.
const END_POLL: Duration = Duration::from_millis(20);

/// `$0` is the shell that runs it, the arguments are the wanted command, none for a shell. It answers `\1pid\2`, or `\1!\2` when the command is missing.
const GATE: &str = r#"if [ $# -gt 0 ]; then command -v "$1" >/dev/null 2>&1 || { printf '\001!\002'; exit 127; }; fi
printf '\001%s\002' "$$"
read -r slipway_go
unset slipway_go
[ $# -gt 0 ] && exec "$@"
for slipway_shell in bash ash sh; do
command -v "$slipway_shell" >/dev/null 2>&1 && exec "$slipway_shell"
done
exec "$0""#;

/// Sends the signal `$2` to every process of the session `$1`, with the shell's own means (images have no pkill).
const SWEEP: &str = r#"for stat in /proc/[0-9]*/stat; do
line=; read -r line < "$stat" 2>/dev/null
pid=${stat#/proc/}; pid=${pid%/stat}
rest=${line##*) }
set -f; old_1=$1; old_2=$2; set -- $rest; session=$4; set -- "$old_1" "$old_2"; set +f
[ "$session" = "$1" ] && kill -s "$2" "$pid" 2>/dev/null
done
exit 0"#;

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

/// What can be done to a terminal besides reading and writing. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ExecControl {
    docker: Docker,
    container: String,
    exec: String,
    gate: Option<Gate>,
}

/// How to find the processes again.
#[derive(Debug, Clone)]
struct Gate {
    shell: String,
    user: Option<String>,
    session: u32,
}

/// What became of one attempt to run a gate.
enum Attempt {
    Open(Box<Exec>),
    NoSuchGate(String),
}

impl Docker {
    /// Opens a terminal of the right size.
    ///
    /// # Errors
    /// `CommandNotFound` when the image has no shell or not this command, `WrongState` when the container does not run.
    pub async fn exec(&self, order: &ExecOrder) -> Result<Exec> {
        path_part(&order.container)?;
        let mut answer = String::new();
        for gate in GATES {
            match self.through_gate(order, gate).await? {
                Attempt::Open(exec) => return Ok(*exec),
                Attempt::NoSuchGate(text) => answer = text,
            }
        }
        match &order.command {
            Some(command) => self.without_gate(order, command).await,
            None => Err(EngineError::new(
                Kind::CommandNotFound,
                format!("this image has no shell: none of {} is in it ({})", SHELLS.join(", "), answer.trim()),
            )),
        }
    }

    async fn through_gate(&self, order: &ExecOrder, shell: &str) -> Result<Attempt> {
        let mut command: Vec<String> = [shell, "-c", GATE, shell].map(str::to_owned).into();
        command.extend(order.command.iter().flatten().cloned());
        let (exec, mut output, mut input) = match self.open(order, command).await {
            Err(EngineError { kind: Kind::CommandNotFound, message }) => return Ok(Attempt::NoSuchGate(message)),
            other => other?,
        };
        let (answer, rest) = super::limited("start a process in the container", GATE_TIME, read_answer(&mut output)).await?;
        let mut control = ExecControl { docker: self.clone(), container: order.container.clone(), exec, gate: None };
        let Some(answer) = answer else {
            let text = String::from_utf8_lossy(&rest).into_owned();
            return match control.exit_code().await? {
                126 | 127 => Ok(Attempt::NoSuchGate(text)),
                _ => Err(EngineError::answered(400, &text)),
            };
        };
        let Ok(session) = answer.parse() else {
            let wanted = order.command.iter().flatten().next().map(String::as_str).unwrap_or_default();
            return Err(EngineError::new(Kind::CommandNotFound, format!("this image has no command {wanted:?}")));
        };
        control.gate = Some(Gate { shell: shell.to_owned(), user: order.user.clone(), session });
        control.resize(order.columns, order.rows).await?;
        input.write_all(b"\n").await.map_err(|error| EngineError::new(Kind::Unreachable, error.to_string()))?;
        let output = Box::new(AfterEcho::new(std::io::Cursor::new(rest).chain(output)));
        Ok(Attempt::Open(Box::new(Exec { output, input, control })))
    }

    /// For an image without any shell: the size comes as early as it can, and nothing but the command's own end ends it.
    async fn without_gate(&self, order: &ExecOrder, command: &[String]) -> Result<Exec> {
        let (exec, output, input) = self.open(order, command.to_vec()).await?;
        let control = ExecControl { docker: self.clone(), container: order.container.clone(), exec, gate: None };
        if let Err(error) = control.resize(order.columns, order.rows).await {
            tracing::debug!(%error, "an exec ended before it was resized");
        }
        if !control.running().await? && matches!(control.exit_code().await?, 126 | 127) {
            let wanted = command.first().map(String::as_str).unwrap_or_default();
            return Err(EngineError::new(Kind::CommandNotFound, format!("this image has no command {wanted:?}")));
        }
        Ok(Exec { output, input, control })
    }

    async fn open(&self, order: &ExecOrder, command: Vec<String>) -> Result<(String, hijack::RawRead, hijack::RawWrite)> {
        let version = self.client().await?.client_version();
        let size = vec![usize::from(order.rows), usize::from(order.columns)];
        let knows_size = (version.major_version, version.minor_version) >= (1, 42);
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(true),
            console_size: knows_size.then(|| size.clone()),
            detach_keys: Some(DETACH_KEYS.to_owned()),
            env: Some(vec!["TERM=xterm-256color".to_owned()]),
            cmd: Some(command),
            user: order.user.clone(),
            working_dir: order.workdir.clone(),
            ..ExecConfig::default()
        };
        let container = order.container.clone();
        let made = self.call("open a terminal", QUICK, async move |client| client.create_exec(&container, config).await).await?;
        let mut start = json!({"Detach": false, "Tty": true});
        if knows_size {
            start["ConsoleSize"] = json!(size);
        }
        let path = self.path(&format!("/exec/{}/start", path_part(&made.id)?)).await?;
        let (output, input) = hijack::upgrade(self.dialer(), &path, start.to_string().into_bytes(), WORK).await?;
        Ok((made.id, output, input))
    }

    /// Ends what is left of a session that an earlier life of the portal opened.
    pub async fn end_session(&self, container: &str, shell: &str, user: Option<&str>, session: u32) -> Result<()> {
        for signal in ["HUP", "KILL"] {
            self.sweep(container, shell, user, session, signal).await?;
        }
        Ok(())
    }

    async fn sweep(&self, container: &str, shell: &str, user: Option<&str>, session: u32, signal: &str) -> Result<()> {
        let command = [shell, "-c", SWEEP, shell, &session.to_string(), signal].map(str::to_owned).into();
        let config = ExecConfig { attach_stdout: Some(true), cmd: Some(command), user: user.map(str::to_owned), ..ExecConfig::default() };
        let container = path_part(container)?.to_owned();
        let swept = self
            .call("end a terminal", QUICK, async move |client| {
                let made = client.create_exec(&container, config).await?;
                // Attached, so that it is over when this returns.
                if let bollard::exec::StartExecResults::Attached { mut output, .. } = client.start_exec(&made.id, None::<StartExecOptions>).await? {
                    while let Some(piece) = futures::StreamExt::next(&mut output).await {
                        piece?;
                    }
                }
                Ok(())
            })
            .await;
        match swept {
            // No container, no process.
            Err(EngineError { kind: Kind::NoSuchContainer | Kind::WrongState, .. }) => Ok(()),
            other => other,
        }
    }
}

impl ExecControl {
    /// Process id of the session inside the container, with the shell and user by which it can be ended later; for a record that outlives the portal.
    pub fn session(&self) -> Option<(u32, &str, Option<&str>)> {
        self.gate.as_ref().map(|gate| (gate.session, gate.shell.as_str(), gate.user.as_deref()))
    }

    /// Tells the terminal its size.
    pub async fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        let options = ResizeExecOptions { width: columns.max(1), height: rows.max(1) };
        self.docker.call("resize the terminal", QUICK, async move |client| client.resize_exec(&self.exec, options).await).await
    }

    /// Does its process still run?
    pub async fn running(&self) -> Result<bool> {
        match self.docker.call("look at the terminal", QUICK, async |client| client.inspect_exec(&self.exec).await).await {
            Ok(seen) => Ok(seen.running.unwrap_or_default()),
            Err(EngineError { kind: Kind::NoSuchContainer | Kind::WrongState, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The exit code, once its output has ended; the engine knows it a moment later. -1 when it cannot be known any more.
    pub async fn exit_code(&self) -> Result<i64> {
        for _ in 0..100 {
            match self.docker.call("look at the terminal", QUICK, async |client| client.inspect_exec(&self.exec).await).await {
                Ok(seen) if seen.running == Some(true) => tokio::time::sleep(END_POLL).await,
                Ok(seen) => return Ok(seen.exit_code.unwrap_or(-1)),
                Err(EngineError { kind: Kind::NoSuchContainer | Kind::WrongState, .. }) => return Ok(-1),
                Err(error) => return Err(error),
            }
        }
        Ok(-1)
    }

    /// Ends the session: asks it to hang up, and kills what is left after `grace`.
    pub async fn end(&self, grace: Duration) -> Result<()> {
        let Some(gate) = &self.gate else { return Ok(()) };
        let sweep = async |signal| self.docker.sweep(&self.container, &gate.shell, gate.user.as_deref(), gate.session, signal).await;
        sweep("HUP").await?;
        let until = tokio::time::Instant::now() + grace;
        while self.running().await? && tokio::time::Instant::now() < until {
            tokio::time::sleep(END_POLL).await;
        }
        sweep("KILL").await
    }
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

    #[tokio::test]
    async fn the_gate_answers_between_its_marks() {
        let mut raw: hijack::RawRead = Box::new(&b"\x0142\x02\r\nrest"[..]);
        assert_eq!(read_answer(&mut raw).await.expect("memory"), (Some("42".to_owned()), b"\r\nrest".to_vec()));
        let mut raw: hijack::RawRead = Box::new(&b"OCI runtime exec failed"[..]);
        assert_eq!(read_answer(&mut raw).await.expect("memory").0, None);
    }
}
