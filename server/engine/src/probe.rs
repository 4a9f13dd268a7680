//! Health probes that Slipway makes itself: HTTP and TCP, at the container's own address, or at its published port where that
//! address cannot be reached (an engine on another machine).
//!
//! It tells what a probe found, in words for users, and what follows for a task's health. It never stops or starts anything.
//! An answer's body is never read, redirects are not followed, proxies of the environment are not used.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A GET that must answer with a status from 200 to 399.
    Http {
        /// Path and query, beginning with a slash.
        path: String,
    },
    /// A connection that must be taken.
    Tcp,
}

/// Where it is tried.
#[derive(Debug)]
pub struct Target {
    /// In the container's network.
    pub container: Option<SocketAddr>,
    /// On its machine.
    pub published: Option<SocketAddr>,
    /// The container's address turned out to be out of reach.
    unreachable: AtomicBool,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// It passed.
    pub passed: bool,
    /// What happened, for users.
    pub reason: String,
}

/// A task's health after some probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing passed yet, and it is too early to complain.
    Starting,
    /// The last probe passed, or too few failed since one did.
    Healthy,
    /// Too many in a row failed.
    Unhealthy,
}

/// When probes are made and what their failures mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// From one probe to the next.
    pub interval: Duration,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// After the start; failures in it do not count.
    pub start_period: Duration,
}

/// Counts what the probes found.
#[derive(Debug, Clone)]
pub struct Tally {
    rules: Rules,
    started: Instant,
    passed_once: bool,
    failures: u32,
    last_counted: Option<Instant>,
    /// Wait before the next probe while none has passed.
    eager: Duration,
}

/// First wait between two probes of a task that has not passed yet. It doubles up to the interval: a task that is up at once is
/// found healthy at once, without probing a slow one all the time.
const EAGER: Duration = Duration::from_millis(25);

impl Target {
    /// Where to try; at least one of both should be there.
    pub fn new(container: Option<SocketAddr>, published: Option<SocketAddr>) -> Self {
        Self { container, published, unreachable: AtomicBool::new(false) }
    }
}

/// Makes probes. One for all tasks.
#[derive(Debug, Clone)]
pub struct Prober {
    http: reqwest::Client,
}

impl Prober {
    /// A prober.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new() -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // A kept connection would say nothing about whether new ones are taken.
            .pool_max_idle_per_host(0)
            .user_agent("slipway-probe")
            .build()?;
        Ok(Self { http })
    }

    /// One probe, within `timeout`.
    pub async fn probe(&self, what: &What, target: &Target, timeout: Duration) -> Found {
        let direct = target.container.filter(|_| !target.unreachable.load(Ordering::Relaxed) || target.published.is_none());
        let Some(address) = direct.or(target.published) else {
            return Found {
                passed: false,
                reason: "the task has no address that could be probed; on an engine of another machine its port must be published".into(),
            };
        };
        let found = self.at(what, address, timeout).await;
        if let (Some(_), Some(published), Err(Miss { out_of_reach: true, .. })) = (direct, target.published, &found) {
            let second = self.at(what, published, timeout).await;
            // Believed only where it helps: a task that is merely slow keeps being probed directly.
            target.unreachable.store(second.is_ok(), Ordering::Relaxed);
            return second.into();
        }
        found.into()
    }

    async fn at(&self, what: &What, address: SocketAddr, timeout: Duration) -> Result<String, Miss> {
        match what {
            What::Tcp => tcp(address, timeout).await,
            What::Http { path } => self.get(path, address, timeout).await,
        }
    }

    async fn get(&self, path: &str, address: SocketAddr, timeout: Duration) -> Result<String, Miss> {
        let url = format!("http://{address}{path}");
        let answered = self.http.get(&url).timeout(timeout).send().await;
        match answered {
            Ok(response) if response.status().is_success() || response.status().is_redirection() => {
                Ok(format!("GET {url} answered {}", response.status().as_u16()))
            }
            Ok(response) => Err(Miss::new(format!("GET {url} answered {}", response.status().as_u16()))),
            Err(error) if error.is_timeout() => {
                Err(Miss { out_of_reach: error.is_connect(), ..Miss::new(format!("GET {url}: no answer within {}", spell(timeout))) })
            }
            Err(error) => {
                let (text, out_of_reach) = cause(&error);
                Err(Miss { reason: format!("GET {url}: {text}"), out_of_reach })
            }
        }
    }
}

async fn tcp(address: SocketAddr, timeout: Duration) -> Result<String, Miss> {
    match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(format!("{address} takes connections")),
        Ok(Err(error)) => {
            let (text, out_of_reach) = cause(&error);
            Err(Miss { reason: format!("connecting to {address}: {text}"), out_of_reach })
        }
        Err(_) => Err(Miss { reason: format!("connecting to {address}: no answer within {}", spell(timeout)), out_of_reach: true }),
    }
}

/// A probe that did not pass.
struct Miss {
    reason: String,
    /// The address itself seems out of reach, so another way may help.
    out_of_reach: bool,
}

impl Miss {
    fn new(reason: String) -> Self {
        Self { reason, out_of_reach: false }
    }
}

impl From<Result<String, Miss>> for Found {
    fn from(found: Result<String, Miss>) -> Self {
        match found {
            Ok(reason) => Self { passed: true, reason },
            Err(miss) => Self { passed: false, reason: miss.reason },
        }
    }
}

/// The innermost cause in plain words, and whether another way to the task may help.
fn cause(error: &(dyn std::error::Error + 'static)) -> (String, bool) {
    use std::io::ErrorKind as E;
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let Some(io) = innermost.downcast_ref::<std::io::Error>() else { return (innermost.to_string(), false) };
    match io.kind() {
        E::ConnectionRefused => ("connection refused".into(), false),
        E::ConnectionReset | E::ConnectionAborted | E::BrokenPipe | E::UnexpectedEof => ("the connection was closed without an answer".into(), false),
        E::HostUnreachable | E::NetworkUnreachable | E::TimedOut | E::AddrNotAvailable => ("the address cannot be reached".into(), true),
        _ => (io.to_string(), false),
    }
}

fn spell(span: Duration) -> String {
    if span.subsec_millis() == 0 { format!("{} s", span.as_secs()) } else { format!("{} ms", span.as_millis()) }
}

impl Tally {
    /// For a task that was started at `started`.
    pub fn new(rules: Rules, started: Instant) -> Self {
        Self { rules, started, passed_once: false, failures: 0, last_counted: None, eager: EAGER }
    }

    /// For a task that is known to have been healthy: no start period, no hurry.
    pub fn healthy(rules: Rules, now: Instant) -> Self {
        Self { passed_once: true, ..Self::new(rules, now) }
    }

    /// Takes in what a probe found at `now`.
    pub fn take(&mut self, passed: bool, now: Instant) -> Verdict {
        if passed {
            self.passed_once = true;
            self.failures = 0;
            self.last_counted = None;
        } else if self.counts(now) {
            self.failures = self.failures.saturating_add(1);
            self.last_counted = Some(now);
        }
        self.verdict()
    }

    /// Probes come faster than the interval at first; only one failure in an interval counts.
    fn counts(&self, now: Instant) -> bool {
        let early = !self.passed_once && now.duration_since(self.started) < self.rules.start_period;
        let again = self.last_counted.is_some_and(|last| now.duration_since(last) < self.rules.interval.mul_f64(0.9));
        !early && !again
    }

    /// What is known now.
    pub fn verdict(&self) -> Verdict {
        if self.failures >= self.rules.retries.max(1) {
            Verdict::Unhealthy
        } else if self.passed_once {
            Verdict::Healthy
        } else {
            Verdict::Starting
        }
    }

    /// How long to wait before the next probe.
    pub fn pause(&mut self) -> Duration {
        if self.passed_once || self.failures > 0 {
            return self.rules.interval;
        }
        let pause = self.eager.min(self.rules.interval);
        self.eager = self.eager.saturating_mul(2);
        pause
    }
}

#[cfg(test)]
pub(crate) mod tests;
