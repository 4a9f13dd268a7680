//! Probes of services outside of containers, through the guard that keeps addresses inside from whoever may not name them. Each is probed by itself
//! and what was found of it is taken in when it is there: a dead address costs its own wait and nobody else's. Projects take turns: each has a few at
//! a time, and one at a time at each of its hosts, however many it has.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::status::work::{self, Aim, Found, RunFound, Thing};
use domain::{Topic, Worker};
use http::Request;
use http::header::USER_AGENT;
use http_body_util::Empty;
use model::ids::ProjectId;
use model::outside::AllowList;
use model::status::{Address, Scheme};
use outbound::{Http, Net};
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use super::{EVERY, PATIENCE, SOON, millis};

/// Probes at the same time.
const AT_ONCE: usize = 64;
/// Of one project.
const OF_PROJECT: usize = 4;
/// Of one project at one host.
const OF_HOST: usize = 1;
/// What is found within so long is taken in together.
const GATHER: Duration = Duration::from_millis(500);

/// The loop that probes them.
pub struct LegacyProbes {
    worker: Worker,
    net: Net,
    lanes: Lanes,
    looking: JoinSet<Found>,
    /// What waits for its turn or is probed, by its task.
    busy: HashMap<Id, String>,
    /// When each is to be probed again; one that is not in it: at the next look.
    due: HashMap<String, (ProjectId, Instant)>,
}

impl LegacyProbes {
    /// Nothing is probed before [`LegacyProbes::run`].
    #[must_use]
    pub fn new(worker: Worker, net: Net) -> Self {
        Self { worker, net, lanes: Lanes::new(), looking: JoinSet::new(), busy: HashMap::new(), due: HashMap::new() }
    }

    /// The loop, for ever.
    pub async fn run(mut self) {
        let worker = self.worker.clone();
        let mut changes = worker.platform().live();
        let mut look = tokio::time::interval(SOON);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                _ = look.tick() => worker.turn(self.begin()).await,
                Some(done) = self.looking.join_next_with_id() => self.took(done).await,
                changed = changes.recv() => {
                    match changed {
                        Ok(Topic::Project(project)) => self.due.retain(|_, (own, _)| *own != project),
                        Ok(_) => {}
                        // What was missed may have been about any of them.
                        Err(_) => self.due.clear(),
                    }
                    Ok(())
                }
            };
            if let Err(error) = done {
                tracing::warn!(%error, "services outside of containers could not be probed for the status page; it is tried again");
            }
        }
    }

    /// Begins to probe what is due.
    async fn begin(&mut self) -> domain::Result<()> {
        let plan = work::plan_legacy(&self.worker).await?;
        let now = Instant::now();
        let due = self.due(plan.things, now);
        if due.is_empty() {
            return Ok(());
        }
        self.lanes.tidy();
        let allowed = Arc::new(plan.allowed);
        // None: this machine has no certificates to trust.
        let http = self.net.client(Arc::clone(&allowed), true).await.ok();
        let look = Arc::new(Look { net: self.net.clone(), allowed, http });
        for thing in due {
            let Aim::Legacy(address) = &thing.aim else { continue };
            let lane = self.lanes.lane(thing.project, &address.host);
            let (id, project, look) = (thing.id.clone(), thing.project, Arc::clone(&look));
            let task = self.looking.spawn(async move {
                // Nobody closes a lane, so there is always a turn.
                let _turn = lane.turn().await;
                look.at(thing).await
            });
            self.due.insert(id.clone(), (project, now + EVERY));
            self.busy.insert(task.id(), id);
        }
        Ok(())
    }

    /// Those that are to be probed now. What is known of others than these is forgotten.
    fn due(&mut self, things: Vec<Thing>, now: Instant) -> Vec<Thing> {
        let shown: HashSet<String> = things.iter().map(|thing| thing.id.clone()).collect();
        self.due.retain(|thing, _| shown.contains(thing));
        let busy: HashSet<&String> = self.busy.values().collect();
        // Looks come by the clock: what is nearly due belongs to this one.
        let until = now + SOON / 2;
        let is_due = |thing: &Thing| !busy.contains(&thing.id) && self.due.get(&thing.id).is_none_or(|(_, at)| *at <= until);
        things.into_iter().filter(is_due).collect()
    }

    /// Takes in what was found first, and with it what was found soon after.
    async fn took(&mut self, first: Result<(Id, Found), JoinError>) -> domain::Result<()> {
        tokio::time::sleep(GATHER).await;
        let mut found = Vec::new();
        let mut next = Some(first);
        while let Some(done) = next {
            match done {
                Ok((task, one)) => {
                    self.busy.remove(&task);
                    found.push(one);
                }
                Err(error) => {
                    self.busy.remove(&error.id());
                    tracing::warn!(%error, "a probe of a service outside of containers broke");
                }
            }
            next = self.looking.try_join_next_with_id();
        }
        if found.is_empty() {
            return Ok(());
        }
        let soon = Instant::now() + SOON;
        for suspect in work::took(&self.worker, &found).await? {
            if let Some((_, at)) = self.due.get_mut(&suspect) {
                *at = soon.min(*at);
            }
        }
        Ok(())
    }
}

/// Who may probe now, and who waits: in the order in which they came, each project and each of its hosts for itself.
struct Lanes {
    hosts: HashMap<(ProjectId, String), Arc<Semaphore>>,
    projects: HashMap<ProjectId, Arc<Semaphore>>,
    whole: Arc<Semaphore>,
}

/// One's place in it.
struct Lane {
    host: Arc<Semaphore>,
    project: Arc<Semaphore>,
    whole: Arc<Semaphore>,
}

impl Lanes {
    fn new() -> Self {
        Self { hosts: HashMap::new(), projects: HashMap::new(), whole: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    fn lane(&mut self, project: ProjectId, host: &str) -> Lane {
        let of_host = self.hosts.entry((project, host.to_owned())).or_insert_with(|| Arc::new(Semaphore::new(OF_HOST)));
        let of_project = self.projects.entry(project).or_insert_with(|| Arc::new(Semaphore::new(OF_PROJECT)));
        Lane { host: Arc::clone(of_host), project: Arc::clone(of_project), whole: Arc::clone(&self.whole) }
    }

    /// Takes away the lanes in which nobody is.
    fn tidy(&mut self) {
        self.hosts.retain(|_, lane| Arc::strong_count(lane) > 1);
        self.projects.retain(|_, lane| Arc::strong_count(lane) > 1);
    }
}

impl Lane {
    /// Waits for one's turn. Whoever waits at a host takes no place of its project, and whoever waits for its project none of the others'.
    async fn turn(&self) -> Result<[SemaphorePermit<'_>; 3], AcquireError> {
        Ok([self.host.acquire().await?, self.project.acquire().await?, self.whole.acquire().await?])
    }
}

/// What probes work with.
struct Look {
    net: Net,
    allowed: Arc<AllowList>,
    http: Option<Http>,
}

impl Look {
    async fn at(&self, thing: Thing) -> Found {
        let mut found = Found { thing, runs: Vec::new(), millis: Vec::new(), why: None };
        let Aim::Legacy(address) = found.thing.aim.clone() else { return found };
        let began = Instant::now();
        let answered = tokio::time::timeout(PATIENCE, self.legacy(&address)).await;
        match answered.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))) {
            Ok(()) => found.millis.push(millis(began)),
            Err(why) => found.why = Some(why),
        }
        found.runs.push(RunFound { wanted: 1, good: u32::from(found.why.is_none()), unseen: 0 });
        found
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
    use futures::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn look(allowed: &str) -> Look {
        let allowed = Arc::new(AllowList::from_lines(allowed.lines()).expect("a list"));
        let net = Net::default();
        let http = net.client(Arc::clone(&allowed), true).await.ok();
        Look { net, allowed, http }
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
        let probe = async |allowed: &str, address: String| look(allowed).await.legacy(&address.parse().expect("an address")).await;
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
        let look = look(&format!("http://127.0.0.1:{port}")).await;
        let address: Address = format!("http://127.0.0.1:{port}/health").parse().expect("an address");
        assert_eq!(look.legacy(&address).await, Err("it answered 503".to_owned()));
    }

    #[tokio::test]
    async fn nobodys_dead_addresses_take_the_turns_of_others() {
        let mut lanes = Lanes::new();
        let project = |text: &str| text.parse::<ProjectId>().expect("an id");
        let (many, few) = (project("0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11"), project("0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a12"));
        let dead: Vec<Lane> = (0..20).map(|host| lanes.lane(many, &format!("dead-{host}.example.com"))).collect();
        let probing: Vec<_> = dead.iter().filter_map(|lane| lane.turn().now_or_never()).collect();
        assert_eq!(probing.len(), OF_PROJECT, "the others wait");
        let shop = lanes.lane(few, "shop.example.com");
        let turn = shop.turn().now_or_never();
        assert!(turn.is_some(), "whose project has nothing dead does not wait");
        assert!(lanes.lane(few, "shop.example.com").turn().now_or_never().is_none(), "a host is probed by one at a time");
        assert!(lanes.lane(few, "dead-0.example.com").turn().now_or_never().is_some(), "others' probes of the same host are theirs");
        drop((turn, probing));
        assert!(dead[19].turn().now_or_never().is_some(), "who waited is next");
        drop((shop, dead));
        lanes.tidy();
        assert!(lanes.hosts.is_empty() && lanes.projects.is_empty());
    }
}
