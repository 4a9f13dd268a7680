//! The binary `slipway`: serve the portal, migrate its database, mend what nobody can sign in to mend any more.

use std::process::ExitCode;

use clap::Parser as _;
use slipway::config::{Command, Slipway};

fn main() -> ExitCode {
    let slipway = Slipway::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(slipway)),
        Err(error) => Err(domain::Error::internal(format!("the runtime does not start: {error}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("slipway: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(slipway: Slipway) -> domain::Result<()> {
    match slipway.command {
        Command::Serve(config) => slipway::serve::run(config).await,
        Command::Migrate(store) => slipway::admin::migrate(&store).await,
        Command::Admin(command) => slipway::admin::run(command).await,
    }
}
