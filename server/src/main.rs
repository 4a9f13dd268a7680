//! The binary `slipway`: serve the portal, migrate its database, mend what nobody can sign in to mend any more.

use std::process::ExitCode;

use clap::Parser as _;
use slipway::config::{Command, Slipway};

/// Gives the memory of password hashes back. By itself glibc learns from the first one that 19 MiB are a usual size and keeps every later one in
/// its heaps for good; a fixed threshold keeps them apart, and two heaps are enough.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "mallopt is called before any thread but this one is there")]
fn tune_allocator() {
    // SAFETY: mallopt takes two integers and touches the allocator's own settings alone.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1024 * 1024);
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

#[cfg(not(target_env = "gnu"))]
fn tune_allocator() {}

fn main() -> ExitCode {
    tune_allocator();
    let slipway = Slipway::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("slipway: the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(slipway));
    // A thread may wait for a key that nobody types any more.
    runtime.shutdown_background();
    code
}

async fn run(slipway: Slipway) -> ExitCode {
    let done = match slipway.command {
        Command::Serve(config) => slipway::serve::run(config).await,
        Command::Migrate(store) => slipway::admin::migrate(&store).await,
        Command::Admin(command) => slipway::admin::run(command).await,
        Command::Client(command) => return cli::run(*command).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("slipway: {error}");
            ExitCode::FAILURE
        }
    }
}
