//! Turns the compiled wasm module, the style sheets, xterm.js and the public files into the folder that the server serves.
//!
//! `bundle debug|release TARGET`, run in the workspace's root after cargo, writes `TARGET/{debug,release}/site`: it lies next to the
//! server of the same profile, because a server and a wasm module of different profiles do not hydrate each other's pages. What pages
//! load lies in a folder named by a hash of its content, so it may be cached for ever; a release has `.br` and `.gz` beside every
//! file that gains by it.
//!
//! It compiles nothing and fetches nothing. Where no input changed since the last time it does nothing. The new folder takes
//! the old one's place at the very end: a failure leaves the old site as it was.

mod inputs;
mod module;
mod pack;
mod site;

use std::{env, error::Error, fs, path::PathBuf, process::ExitCode, time::Instant};

/// What failed, in one sentence for the person at the terminal.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Where things are, for one profile. Paths are relative to the workspace's root unless `TARGET` is absolute.
struct Paths {
    /// The module as cargo left it.
    wasm: PathBuf,
    /// The folder to write.
    site: PathBuf,
    /// What the last run was made of.
    stamp: PathBuf,
    /// Made small, with compressed copies.
    release: bool,
}

impl Paths {
    fn of(profile: &str, target: &str) -> Result<Self> {
        let (wasm_profile, release) = match profile {
            "debug" => ("debug", false),
            "release" => ("wasm-release", true),
            other => return Err(format!("unknown profile {other}: debug or release").into()),
        };
        let out = PathBuf::from(target).join(profile);
        Ok(Self {
            wasm: PathBuf::from(target).join("wasm32-unknown-unknown").join(wasm_profile).join("frontend.wasm"),
            site: out.join("site"),
            stamp: out.join("site.stamp"),
            release,
        })
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [profile, target] = arguments.as_slice() else {
        return Err("usage: bundle debug|release TARGET".into());
    };
    let paths = Paths::of(profile, target)?;
    let stamp = inputs::stamp(&paths)?;
    let known = fs::read_to_string(&paths.stamp).unwrap_or_default();
    let build = fs::read_to_string(paths.site.join("build")).unwrap_or_default();
    if known == format!("{stamp}{build}") && !build.is_empty() {
        return Ok(());
    }
    let started = Instant::now();
    let build = site::write(&paths)?;
    fs::write(&paths.stamp, format!("{stamp}{build}"))?;
    eprintln!("bundle: {} in {:.1} s", paths.site.display(), started.elapsed().as_secs_f32());
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bundle: {error}");
            ExitCode::FAILURE
        }
    }
}
