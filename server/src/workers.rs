//! Every background loop, in one list. Each is idempotent, takes no input, compares what is with what should be, and is woken by a timer and
//! by signals. One that crashes takes the portal down with a failing exit code: a portal with a dead loop only looks alive.

use std::sync::Arc;
use std::time::Duration;

use domain::environments::{self, Local};
use domain::{Error, Result, Worker, accounts};
use engine::Engine;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Serve;
use crate::http::Portal;

/// How often what has ended is swept away.
const SWEEP: Duration = Duration::from_secs(600);

/// Starts them all.
#[expect(clippy::disallowed_methods, reason = "the one place that makes workers")]
pub async fn start(portal: &Portal, config: &Serve, port: u16, loops: &TaskTracker, stop: &CancellationToken, failed: &CancellationToken) -> Result<()> {
    let hire = |name| Worker::hire(&portal.platform, name);
    environments::prepare(&portal.platform, &local(portal, config, port)?).await?;
    portal.registry.serve_engines(hire("registry"));
    let engine = Engine::new(hire("engine"), Arc::new(portal.registry.clone()))?;
    portal.platform.plug(engine.live(), Arc::new(portal.registry.clone()));
    spawn(loops, stop, failed, "engine", engine.run());
    spawn(loops, stop, failed, "sweep", sweep(hire("sweep")));
    Ok(())
}

/// The environment `local` as the configuration has it.
fn local(portal: &Portal, config: &Serve, port: u16) -> Result<Local> {
    let subnet_pool = Local::POOL.parse().map_err(|error| Error::internal(format!("the default pool of networks: {error}")))?;
    Ok(Local {
        registry_address: format!("127.0.0.1:{port}"),
        registry_hosts: portal.hosts.to_vec(),
        engine: config.docker_host(),
        host: "127.0.0.1".to_owned(),
        publish_address: "127.0.0.1".to_owned(),
        ports: Local::PORTS,
        subnet_pool,
    })
}

/// Runs a loop until the portal stops; a loop that ends or panics by itself stops the portal.
fn spawn(loops: &TaskTracker, stop: &CancellationToken, failed: &CancellationToken, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
    let (stop, failed) = (stop.clone(), failed.clone());
    let task = tokio::spawn({
        let stop = stop.clone();
        async move { stop.run_until_cancelled(work).await.is_none() }
    });
    loops.spawn(async move {
        if !matches!(task.await, Ok(true)) {
            tracing::error!(loop.name = name, "a background loop ended; the portal stops");
            failed.cancel();
            stop.cancel();
        }
    });
}

/// Removes what has ended: sessions.
async fn sweep(worker: Worker) {
    loop {
        match accounts::sessions::sweep(&worker).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(sessions = gone, "ended sessions were removed"),
            Err(error) => tracing::warn!(%error, "ended sessions could not be removed"),
        }
        tokio::time::sleep(SWEEP).await;
    }
}
