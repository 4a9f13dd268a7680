//! Probes of what the public status page shows: tasks of services that opted in, at their addresses, and services outside of containers, through the
//! guard that keeps addresses inside from whoever may not name them. It says what it found and decides nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::machines::Machine;
use domain::status::work::{self, Aim, Found, RunFound, RunningTask, Runs, Thing};
use domain::{Topic, Worker, machines};
use futures::StreamExt as _;
use futures::future::join_all;
use http::Request;
use http::header::USER_AGENT;
use http_body_util::Empty;
use model::descriptor::Probe;
use model::ids::MachineId;
use model::outside::AllowList;
use model::status::{Address, Scheme};
use outbound::{Http, Net};
use tokio::time::Instant;

use crate::probe::{Prober, What};
use crate::way::Way;

/// From one round to the next.
const EVERY: Duration = Duration::from_secs(30);
/// The same while something is worse than it is called, and after a service changed.
const SOON: Duration = Duration::from_secs(5);
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Things that are probed at the same time.
const AT_ONCE: usize = 64;

/// The loop that probes.
pub struct Probes {
    worker: Worker,
    net: Net,
    prober: Prober,
}

/// What one round works with.
struct Round {
    prober: Prober,
    net: Net,
    machines: HashMap<MachineId, Machine>,
    allowed: Arc<AllowList>,
    /// None: this machine has no certificates to trust, or nothing is outside.
    http: Option<Http>,
}

impl Probes {
    /// Nothing is probed before [`Probes::run`].
    ///
    /// # Errors
    /// The client for probes cannot be made.
    pub fn new(worker: Worker, net: Net) -> domain::Result<Self> {
        let prober = Prober::new().map_err(|error| domain::Error::internal(format!("the client for probes: {error}")))?;
        Ok(Self { worker, net, prober })
    }

    /// The loop, for ever.
    pub async fn run(self) {
        // Listening begins before the first round, so that no change falls between the two.
        let mut changes = self.worker.platform().live();
        loop {
            let wait = match self.worker.turn(self.round()).await {
                Ok(true) => SOON,
                Ok(false) => EVERY,
                Err(error) => {
                    tracing::warn!(%error, "what the status page shows could not be probed; it is tried again");
                    SOON
                }
            };
            tokio::time::sleep(SOON.min(wait)).await;
            let changed = async {
                // Having missed some is a reason to look as well.
                while !matches!(changes.recv().await, Ok(Topic::Service(_) | Topic::Project(_)) | Err(_)) {}
            };
            let _ = tokio::time::timeout(wait.saturating_sub(SOON), changed).await;
        }
    }

    async fn round(&self) -> domain::Result<bool> {
        let plan = work::plan(&self.worker).await?;
        let machines = machines::all(&self.worker).await?.into_iter().map(|machine| (machine.id, machine)).collect();
        let allowed = Arc::new(plan.allowed);
        let outside = plan.things.iter().any(|thing| matches!(thing.aim, Aim::Legacy(_)));
        let http = if outside { self.net.client(Arc::clone(&allowed), true).await.ok() } else { None };
        let round = Arc::new(Round { prober: self.prober.clone(), net: self.net.clone(), machines, allowed, http });
        let looks = plan.things.into_iter().map(|thing| {
            let round = Arc::clone(&round);
            async move { round.look(thing).await }
        });
        let looks: Vec<_> = looks.collect();
        let found: Vec<Found> = futures::stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
        work::took(&self.worker, &found).await
    }
}

impl Round {
    async fn look(&self, thing: Thing) -> Found {
        let mut found = Found { thing, runs: Vec::new(), millis: Vec::new(), why: None };
        match found.thing.aim.clone() {
            Aim::Legacy(address) => {
                let began = Instant::now();
                let answered = tokio::time::timeout(PATIENCE, self.legacy(&address)).await;
                match answered.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))) {
                    Ok(()) => found.millis.push(millis(began)),
                    Err(why) => found.why = Some(why),
                }
                found.runs.push(RunFound { wanted: 1, good: u32::from(found.why.is_none()), unseen: 0 });
            }
            Aim::Service(runs) => {
                for run in &runs {
                    found.runs.push(self.run(run, &mut found.millis).await);
                }
            }
        }
        found
    }

    async fn run(&self, run: &Runs, answers: &mut Vec<i64>) -> RunFound {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let Some((what, port)) = what(run.probe.as_ref()) else {
            let good = run.tasks.iter().filter(|task| task.seen && task.healthy).count();
            let unseen = run.tasks.iter().filter(|task| !task.seen).count();
            return RunFound { wanted: run.wanted, good: count(good), unseen: count(unseen) };
        };
        let passed: Vec<i64> = join_all(run.tasks.iter().map(|task| self.task(task, &what, port))).await.into_iter().flatten().collect();
        answers.extend(&passed);
        RunFound { wanted: run.wanted, good: count(passed.len()), unseen: 0 }
    }

    /// How long a task's answer took; none: it did not pass.
    async fn task(&self, task: &RunningTask, what: &What, port: u16) -> Option<i64> {
        let machine = self.machines.get(&task.machine)?;
        let target = Way::of(machine, task.address.as_deref(), port, task.published).target(PATIENCE).await.ok()?;
        let began = Instant::now();
        self.prober.probe(what, &target, PATIENCE).await.passed.then(|| millis(began))
    }

    async fn legacy(&self, address: &Address) -> Result<(), String> {
        if address.scheme == Scheme::Tcp {
            let reached = self.net.reach(Arc::clone(&self.allowed), &address.host, address.port).await;
            return reached.map_err(|error| advice(&error.to_string(), address));
        }
        let http = self.http.as_ref().ok_or("this machine's certificates cannot be read; an operator must look")?;
        let request = Request::get(address.to_string()).header(USER_AGENT, "slipway-probe").body(Empty::<Bytes>::new());
        let request = request.map_err(|error| error.to_string())?;
        let answer = http.request(request).await.map_err(|error| advice(&innermost(&error), address))?;
        let status = answer.status();
        if status.is_success() || status.is_redirection() { Ok(()) } else { Err(format!("it answered {}", status.as_u16())) }
    }
}

fn what(probe: Option<&Probe>) -> Option<(What, u16)> {
    match probe? {
        Probe::Http { port, path } => Some((What::Http { path: path.clone() }, *port)),
        Probe::Tcp { port } => Some((What::Tcp, *port)),
        Probe::Command(_) => None,
    }
}

fn millis(began: Instant) -> i64 {
    i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// The cause that knows most.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Why it was not spoken to, and who can change that.
fn advice(why: &str, address: &Address) -> String {
    if why.contains(" address") && why.contains(" is at a ") {
        let line = match address.scheme {
            Scheme::Http => format!("http://{}:{}", address.host, address.port),
            Scheme::Https | Scheme::Tcp => format!("{}:{}", address.host, address.port),
        };
        return format!("{why}; an operator can allow {line} under Admin, Outside registries");
    }
    why.to_owned()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn round(allowed: &str) -> Round {
        let allowed = Arc::new(AllowList::from_lines(allowed.lines()).expect("a list"));
        let net = Net::default();
        let http = net.client(Arc::clone(&allowed), true).await.ok();
        Round { prober: Prober::new().expect("a client"), net, machines: HashMap::new(), allowed, http }
    }

    /// Answers every connection with this status; the port.
    async fn server(status: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn what_is_inside_is_probed_only_where_an_operator_allows_it() {
        let port = server("200 OK").await;
        let probe = async |allowed: &str, address: String| round(allowed).await.legacy(&address.parse().expect("an address")).await;
        let (tcp, http) = (format!("tcp://127.0.0.1:{port}"), format!("http://127.0.0.1:{port}/"));
        let refused = probe("", tcp.clone()).await.expect_err("not allowed");
        assert!(refused.contains(&format!("an operator can allow 127.0.0.1:{port}")), "{refused}");
        assert!(probe("", http.clone()).await.is_err());
        assert_eq!(probe(&format!("127.0.0.1:{port}"), tcp).await, Ok(()));
        assert_eq!(probe(&format!("http://127.0.0.1:{port}"), http).await, Ok(()));
    }

    #[tokio::test]
    async fn an_answer_that_says_trouble_is_trouble() {
        let port = server("503 Service Unavailable").await;
        let round = round(&format!("http://127.0.0.1:{port}")).await;
        let address: Address = format!("http://127.0.0.1:{port}/health").parse().expect("an address");
        assert_eq!(round.legacy(&address).await, Err("it answered 503".to_owned()));
    }
}
