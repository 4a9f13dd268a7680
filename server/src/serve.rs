//! Assembly: from a configuration to a running portal and, at a signal, to its orderly end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::environments::{self, Local};
use domain::site::{self, FirstRun};
use domain::{Error, Platform, Result, templates};
use leptos::prelude::LeptosOptions;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::EnvFilter;

use crate::config::{Origin, Serve};
use crate::http::{self, Portal};
use crate::{admin, workers};

/// How long uploads and shells may go on after a signal to stop.
const GRACE: Duration = Duration::from_secs(20);

/// Runs the portal until a signal; a second signal ends it at once.
pub async fn run(config: Box<Serve>) -> Result<()> {
    log(&config);
    let platform = admin::open(&config.store).await?;
    // Whoever hears that the portal is ready may sign in.
    let first = site::first_run(&platform, config.admin_password.as_ref()).await?;
    let running = start(&config, platform).await?;
    greet(&running, &first);
    let stop = running.stop.clone();
    tokio::spawn(async move {
        signalled().await;
        tracing::info!("stopping: what is under way may finish; a second signal stops at once");
        stop.cancel();
        signalled().await;
        std::process::exit(130);
    });
    running.finished().await
}

fn log(config: &Serve) {
    let filter = EnvFilter::try_from_env("SLIPWAY_LOG").unwrap_or_else(|_| EnvFilter::new("info,tower_sessions=warn,tower_sessions_core=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber in one process (tests) is not an error.
    let _ = if config.log_json { builder.json().try_init() } else { builder.try_init() };
}

async fn signalled() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// A portal that runs.
pub struct Running {
    /// The portal's shared parts.
    pub portal: Portal,
    /// The port that it listens on.
    pub port: u16,
    /// The port at which `/metrics` is served alone, where that was asked for.
    pub metrics_port: Option<u16>,
    /// Every door, for the test that compares them with its table.
    pub doors: Vec<http::table::Door>,
    /// Cancelled, it stops.
    pub stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
    loops: TaskTracker,
    failed: CancellationToken,
}

impl Running {
    /// Resolves when everything has ended. A loop that crashed is an error.
    pub async fn finished(self) -> Result<()> {
        self.server.await.map_err(|error| Error::internal(format!("the server crashed: {error}")))?;
        self.stop.cancel();
        self.loops.close();
        self.loops.wait().await;
        self.portal.registry.finish().await;
        self.portal.platform.close().await;
        if self.failed.is_cancelled() { Err(Error::internal("a background loop crashed; see the log")) } else { Ok(()) }
    }
}

/// Starts the portal over an open platform: registry, engine loops, doors.
pub async fn start(config: &Serve, platform: Platform) -> Result<Running> {
    domain::keys::rotation::check(&platform).await?;
    let listeners = listen(config.listen).await?;
    let port = listeners[0].local_addr()?.port();
    let metrics_listener = match config.metrics_listen {
        Some(address) => Some(bind(address, "SLIPWAY_METRICS_LISTEN").await?),
        None => None,
    };
    let metrics_port = metrics_listener.as_ref().map(TcpListener::local_addr).transpose()?.map(|address| address.port());
    let origin = config.origin(port)?;
    let hosts = hosts(config.listen, port, &origin);
    let stop = CancellationToken::new();
    // The key may be elsewhere, and behind a link.
    let key = config.store.key_file();
    platform.set_own_paths(&[std::fs::canonicalize(&config.store.data_dir)?, std::fs::canonicalize(&key).unwrap_or(key)]);
    platform.plug_recordings(config.store.data_dir.join("recordings"));
    let local = local(config, port, &origin, &hosts)?;
    environments::prepare(&platform, &local).await?;
    domain::deployments::prepare(&platform).await?;
    templates::shipped::prepare(&platform).await?;
    domain::alerts::prepare(&platform).await?;
    let registry =
        registry::Registry::open(&platform, &config.store.data_dir, origin.as_str(), hosts.clone(), config.collect_after.duration()).await?;
    let logs = config.store.data_dir.join("logs");
    let opened = tokio::task::spawn_blocking(move || logs::Store::open(logs, logs::Options::default())).await;
    platform.plug_logs(opened.map_err(|error| Error::internal(format!("opening the kept logs: {error}")))??);
    if let Some(options) = config.metrics() {
        let metrics = config.store.data_dir.join("metrics");
        let opened = tokio::task::spawn_blocking(move || metrics::Store::open(metrics, options)).await;
        platform.plug_metrics(opened.map_err(|error| Error::internal(format!("opening the kept samples: {error}")))??);
    }
    let portal = Portal {
        platform,
        origin,
        hosts,
        leptos: leptos(config),
        registry,
        status: Arc::default(),
        requests: Arc::default(),
        stopping: stop.clone(),
    };
    let loops = TaskTracker::new();
    let failed = CancellationToken::new();
    workers::recover(&portal).await?;
    workers::start(&portal, &config.store.data_dir, &loops, &stop, &failed)?;
    // While connections still stand, so that whoever has a shell is told.
    loops.spawn({
        let (platform, stop) = (portal.platform.clone(), stop.clone());
        async move {
            stop.cancelled().await;
            domain::shells::stop(&platform).await;
        }
    });
    let (router, doors) = http::router(&portal);
    if let Some(listener) = metrics_listener {
        let router = http::metrics::router(&portal);
        loops.spawn(http::listen::serve(vec![listener], router, stop.clone(), GRACE));
    }
    let server = tokio::spawn(http::listen::serve(listeners, router, stop.clone(), GRACE));
    Ok(Running { portal, port, metrics_port, doors, stop, server, loops, failed })
}

/// The configured address, and the loopback beside it: the local engine pulls from there.
async fn listen(address: SocketAddr) -> Result<Vec<TcpListener>> {
    let first = bind(address, "SLIPWAY_LISTEN").await?;
    let port = first.local_addr()?.port();
    let covers_loopback = address.ip().is_unspecified() || address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST);
    if covers_loopback {
        return Ok(vec![first]);
    }
    let second = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), "SLIPWAY_LISTEN").await?;
    Ok(vec![first, second])
}

async fn bind(address: SocketAddr, variable: &str) -> Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| Error::Unavailable(format!("cannot listen on {address}: {error}; choose another with {variable}")))
}

/// The names that this portal answers to.
fn hosts(listen: SocketAddr, port: u16, origin: &Origin) -> Arc<[String]> {
    let mut hosts = vec![origin.authority().to_owned(), format!("localhost:{port}"), format!("127.0.0.1:{port}")];
    if !listen.ip().is_unspecified() {
        hosts.push(SocketAddr::new(listen.ip(), port).to_string());
    }
    hosts.sort();
    hosts.dedup();
    hosts.into()
}

/// Where the pages' files are. `bundle` puts what pages load into a folder whose name is new with every build.
fn leptos(config: &Serve) -> LeptosOptions {
    let site = config.site_dir();
    let build = std::fs::read_to_string(site.join("build")).unwrap_or_default();
    LeptosOptions::builder()
        .output_name("slipway")
        .site_root(site.to_string_lossy().into_owned())
        .site_pkg_dir(format!("pkg/{}", build.trim()))
        .site_addr(config.listen)
        .build()
}

/// What the configuration says about the environment `local`: services are reachable where the portal is.
fn local(config: &Serve, port: u16, origin: &Origin, hosts: &[String]) -> Result<Local> {
    let ip = config.listen.ip();
    let named = origin.authority().rsplit_once(':').map_or(origin.authority(), |(host, _)| host);
    // Cookies don't know ports: a service under the portal's own name would be sent the portal's session. So links name the machine's address.
    let host = if ip.is_unspecified() { own_address() } else { ip }.to_string();
    if host == named {
        tracing::warn!(
            address = host,
            "services are reached under the portal's own name and are sent its cookies: set SLIPWAY_PUBLIC_URL to another name"
        );
    }
    Ok(Local {
        registry_address: format!("127.0.0.1:{port}"),
        registry_hosts: hosts.to_vec(),
        engine: config.docker_host(),
        host,
        publish_address: ip.to_string(),
        ports: Local::PORTS,
        subnet_pool: Local::POOL.parse().map_err(|error| Error::internal(format!("the default pool of networks: {error}")))?,
    })
}

/// The address that this machine has towards others. Nothing is sent to find it out.
fn own_address() -> IpAddr {
    let found = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        // An address for documentation (RFC 5737): only the route to it is looked up.
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    found.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

/// The one line that a person needs: where to open it and how to sign in.
#[expect(clippy::print_stdout, reason = "the one line of the program that is for its standard output")]
fn greet(running: &Running, first: &FirstRun) {
    let url = running.portal.origin.as_str();
    match first {
        FirstRun::Done => println!("Slipway is at {url}"),
        FirstRun::Made => println!("Slipway is at {url}: sign in as admin with SLIPWAY_ADMIN_PASSWORD"),
        FirstRun::Token(token) => println!("Slipway is at {url}: make the first account at {url}/setup?token={}", token.expose()),
    }
}
