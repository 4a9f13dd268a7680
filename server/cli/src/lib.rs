//! The client commands of the binary: sign in to a portal from a terminal, open a shell in a task, read and search logs. They speak with a
//! portal through the same doors as every other program, so what somebody may do is checked there, and recorded there. Nothing here
//! touches a database or an engine.

mod account;
mod client;
mod error;
mod logs;
mod shell;
mod target;
mod terminal;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Subcommand;

pub use error::{Error, Result};

/// What a person does from a terminal.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign in to a portal and keep a token for the commands below (in a file that only you can read).
    Login(account::Login),
    /// Forget a portal's token, here and there.
    Logout(account::Logout),
    /// Open a shell in a running task: `slipway shell shop/web`, `slipway shell shop/web.2 -- top`.
    Shell(shell::Shell),
    /// Read a service's log, of all its tasks in the order of time: `slipway logs -f shop/web`.
    Logs(logs::Logs),
}

/// Does it. The exit code is the shell's own where there is one, else 2 for what was typed wrongly and 1 for another failure.
pub async fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Login(login) => account::login(login).await.map(|()| 0),
        Command::Logout(logout) => account::logout(logout).await.map(|()| 0),
        Command::Shell(shell) => shell::run(shell).await,
        Command::Logs(order) => logs::run(order).await.map(|()| 0),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(Error::Quiet) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever would read it may be gone.
            let _ = writeln!(std::io::stderr(), "slipway: {error}");
            ExitCode::from(error.code())
        }
    }
}
