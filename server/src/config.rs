//! Configuration: flags and environment variables, the same names in both, as the contract lists them. Nonsense is refused at the
//! start, with what would be right.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use domain::db::Location;
use domain::{Error, Result};
use model::quantity::Span;
use model::secret::Secret;

/// One self-service portal for a team that runs containers on its own machines.
#[derive(Debug, Parser)]
#[command(name = "slipway", version, about)]
pub struct Slipway {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the portal: pages, API, registry, engine loops.
    Serve(Box<Serve>),
    /// Bring the database's schema up to date and leave.
    Migrate(Store),
    /// Mend what nobody can sign in to mend any more.
    Admin(Admin),
    /// What a person does from a terminal.
    #[command(flatten)]
    Client(Box<cli::Command>),
}

/// Where the data is.
#[derive(Clone, Debug, Args)]
pub struct Store {
    /// The folder of everything that is kept: SQLite file, blobs, logs, recordings, key.
    #[arg(long, env = "SLIPWAY_DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// A postgres:// URL; left out: a SQLite file in the data folder.
    #[arg(long, env = "SLIPWAY_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<Secret>,
    /// The key that encrypts secrets at rest; left out: made in the data folder (mode 0600).
    #[arg(long, env = "SLIPWAY_SECRET_KEY_FILE")]
    pub secret_key_file: Option<PathBuf>,
}

impl Store {
    /// Where the database is.
    pub fn location(&self) -> Result<Location> {
        match &self.database_url {
            None => Ok(Location::File(self.data_dir.join("slipway.db"))),
            Some(url) if url.expose().starts_with("postgres://") || url.expose().starts_with("postgresql://") => Ok(Location::Postgres(url.clone())),
            Some(_) => Err(Error::invalid("SLIPWAY_DATABASE_URL", "a URL that begins with postgres://, or left out for SQLite")),
        }
    }

    /// The key file.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.secret_key_file.clone().unwrap_or_else(|| self.data_dir.join("key"))
    }
}

/// How the portal runs.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// The address of everything.
    #[arg(long, env = "SLIPWAY_LISTEN", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,
    /// A further address, at which `/metrics` alone is served, with a token as everywhere.
    #[arg(long, env = "SLIPWAY_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// What users see; https behind a proxy. Left out: http://localhost:<port>.
    #[arg(long, env = "SLIPWAY_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Where the data is.
    #[command(flatten)]
    pub store: Store,
    /// Password of the first operator `admin`; left out: a one-time set-up link is printed.
    #[arg(long, env = "SLIPWAY_ADMIN_PASSWORD", hide_env_values = true)]
    pub admin_password: Option<Secret>,
    /// The engine of the environment `local`; left out: DOCKER_HOST, else the local socket.
    #[arg(long, env = "SLIPWAY_DOCKER_HOST")]
    pub docker_host: Option<String>,
    /// The folder of built pages: `pkg/`, style, static files. Left out: `site` beside the binary.
    #[arg(long, env = "SLIPWAY_SITE_DIR")]
    pub site_dir: Option<PathBuf>,
    /// How long the registry keeps what nothing needs after its last use: 24h, 90m. Longer than the longest push takes: a push may rely on
    /// what was there when it began.
    #[arg(long, env = "SLIPWAY_COLLECT_AFTER", default_value = "24h")]
    pub collect_after: Span,
    /// From one sample of what tasks and machines use to the next; 0s: none are taken, and none are kept. For tests and benchmarks: charts are made
    /// for ten seconds.
    #[arg(long, env = "SLIPWAY_METRICS_EVERY", default_value = "10s", hide = true)]
    pub metrics_every: Span,
    /// Log as JSON lines instead of text.
    #[arg(long, env = "SLIPWAY_LOG_JSON")]
    pub log_json: bool,
}

impl Serve {
    /// The engine's address.
    #[must_use]
    pub fn docker_host(&self) -> String {
        let given = self.docker_host.clone().or_else(|| std::env::var("DOCKER_HOST").ok());
        given.filter(|host| !host.is_empty()).unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned())
    }

    /// The folder of built pages.
    #[must_use]
    pub fn site_dir(&self) -> PathBuf {
        let beside = || std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("site"))).unwrap_or_else(|| "site".into());
        self.site_dir.clone().unwrap_or_else(beside)
    }

    /// What users see, once the port is known.
    pub fn origin(&self, port: u16) -> Result<Origin> {
        let url = self.public_url.clone().unwrap_or_else(|| format!("http://localhost:{port}"));
        Origin::parse(&url)
    }
}

impl Serve {
    /// How samples are kept; none: they are not taken.
    #[must_use]
    pub fn metrics(&self) -> Option<metrics::Options> {
        if self.metrics_every.duration().is_zero() {
            return None;
        }
        let usual = metrics::Options::default();
        let step_ms = i64::try_from(self.metrics_every.duration().as_millis()).unwrap_or(usual.step_ms).clamp(100, 60_000);
        Some(metrics::Options { step_ms, gap_ms: usual.gap_ms.max(step_ms * 9 / 2), ..usual })
    }
}

/// What users type to reach the portal: scheme, host and port, no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Reads an origin.
    pub fn parse(url: &str) -> Result<Self> {
        let wrong =
            || Error::invalid("SLIPWAY_PUBLIC_URL", "http:// or https://, a host and maybe a port, without a path: https://slipway.example.com");
        let uri: http::Uri = url.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let fine = matches!(uri.scheme_str(), Some("http" | "https")) && matches!(uri.path(), "" | "/") && uri.query().is_none();
        match uri.authority() {
            Some(authority) if fine && !authority.as_str().contains('@') => Ok(Self(url.trim_end_matches('/').to_ascii_lowercase())),
            _ => Err(wrong()),
        }
    }

    /// As a browser sends it in `Origin`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Whether cookies may be marked Secure.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

/// What is mended at the machine.
#[derive(Debug, Args)]
pub struct Admin {
    /// What to mend.
    #[command(subcommand)]
    pub command: AdminCommand,
}

/// What is mended at the machine.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Give an account a new password (read from standard input), enable it, and end its sessions.
    ResetPassword {
        /// The account.
        username: String,
        /// Where the data is.
        #[command(flatten)]
        store: Store,
    },
    /// Seal every stored secret with a new key and forget the old one. The portal may run. Cut off, it goes on when it is called again. Where
    /// several portals share a database, copy the key file to each of them afterwards.
    RotateKey {
        /// Empty what no key opens: for a key that is lost. Those secrets must be set again.
        #[arg(long)]
        give_up_lost: bool,
        /// Where the data is.
        #[command(flatten)]
        store: Store,
    },
}

/// Makes a folder for our eyes alone, if it is not there.
pub fn private_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Error::Unavailable(format!("the folder {} cannot be made: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Slipway::command().debug_assert();
    }

    #[test]
    fn samples_are_taken_as_often_as_is_said_or_not_at_all() {
        let step = |every: &str| {
            let given = Slipway::try_parse_from(["slipway", "serve", "--metrics-every", every]).expect("a command line");
            let Command::Serve(config) = given.command else { panic!("another command") };
            config.metrics().map(|options| options.step_ms)
        };
        assert_eq!((step("10s"), step("1s"), step("1ms"), step("1h")), (Some(10_000), Some(1_000), Some(100), Some(60_000)));
        assert_eq!(step("0s"), None);
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        let origin = Origin::parse("https://Slipway.Example.com:8443/").expect("an origin");
        assert_eq!(origin.as_str(), "https://slipway.example.com:8443");
        assert_eq!(origin.authority(), "slipway.example.com:8443");
        for wrong in ["slipway.example.com", "ftp://x", "http://", "https://x/path", "https://a@b", "https://x?y"] {
            assert!(Origin::parse(wrong).is_err(), "{wrong}");
        }
    }
}
