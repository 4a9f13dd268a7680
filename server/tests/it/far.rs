//! A machine elsewhere: a network namespace with a Docker Engine behind TLS and an SSH server, made and ended by `scripts/far-engine.sh`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use tempfile::TempDir;

/// Numbers tell the machines of a run apart.
static NUMBER: AtomicU8 = AtomicU8::new(1);

/// A machine elsewhere; it ends when it is dropped.
pub struct Far {
    folder: TempDir,
    number: u8,
}

impl Far {
    /// Starts one; none where no network namespace may be made (the tests do not run as root, with the engine at hand).
    pub fn start() -> Option<Self> {
        let allowed = Command::new("unshare").args(["--net", "true"]).status().is_ok_and(|status| status.success());
        if !allowed {
            eprintln!("no network namespace may be made here: nothing is tried with engines elsewhere");
            return None;
        }
        let far = Self { folder: tempfile::tempdir().expect("a folder"), number: NUMBER.fetch_add(1, Ordering::Relaxed) };
        far.run("start");
        Some(far)
    }

    fn run(&self, verb: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/far-engine.sh");
        let ran = Command::new(script).arg(verb).arg(self.folder.path()).arg(self.number.to_string()).output().expect("bash");
        assert!(ran.status.success(), "far-engine.sh {verb}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Ends its engine.
    pub fn pause(&self) {
        self.run("pause");
    }

    /// Starts its engine again.
    pub fn resume(&self) {
        self.run("resume");
    }

    /// Lets its engine hang: connections are still taken, and nothing is answered.
    pub fn freeze(&self) {
        self.run("freeze");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.run("thaw");
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("10.99.{}.2", self.number)
    }

    /// This machine's address, as it is reached from there.
    pub fn ours(&self) -> String {
        format!("10.99.{}.1", self.number)
    }

    /// The virtual card by which this machine reaches it; it goes with it.
    pub fn card(&self) -> String {
        format!("far{}", self.number)
    }

    /// The folder with all of it.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// A certificate or key of `tls/`, or a key of `ssh/`.
    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect(name)
    }

    /// Runs docker there; its standard output.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let host = format!("unix://{}", self.folder.path().join("engine/docker.sock").display());
        let ran = Command::new("docker").arg("--host").arg(host).args(arguments).output().expect("the docker client");
        assert!(ran.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).trim().to_owned()
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("engine/dockerd.log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(5).collect();
            eprintln!("the end of the far engine's log: {tail:#?}");
        }
        self.run("stop");
    }
}
