//! Asks applications what they tell of themselves, where their descriptor says so. Beside the turns: an application that hangs or tells too much
//! harms nobody but itself, and that it did not answer is a figure, too (`up`).

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::metrics::{Key, Metric, Value};
use domain::Worker;
use domain::machines::Machine;
use domain::metrics::work::{self, Running};
use model::descriptor::Metrics;
use model::ids::{RevisionId, TaskId};
use model::time::Millis;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::admitted::{self, Admitted};
use super::exposition;
use super::patience::Patience;
use super::still_standing;
use crate::docker::root_cause;
use crate::way::Way;

/// Most bytes of an answer.
const MOST: usize = 1 << 20;
/// Longest wait for one.
const LIMIT: Duration = Duration::from_secs(5);
/// Longest time that a turn waits for those that it asked; what comes later is told in the next one.
const WAIT: Duration = Duration::from_secs(1);

/// What is asked of a task.
struct Order {
    way: Way,
    metrics: Arc<Metrics>,
}

/// What a task of this service told, or why it did not.
struct Answer {
    task: TaskId,
    key: Key,
    /// When it answered, or was given up.
    at: Millis,
    told: Result<exposition::Told, String>,
    /// It was waited for as long as may be.
    hung: bool,
}

/// The applications of one machine.
pub(crate) struct Scrapes {
    http: Option<reqwest::Client>,
    /// What revisions want asked; none: nothing.
    wanted: HashMap<RevisionId, Option<Arc<Metrics>>>,
    /// The ports under which tasks are published on their machine.
    published: HashMap<TaskId, Option<u16>>,
    asked: JoinSet<Answer>,
    busy: HashSet<TaskId>,
    patience: Patience,
    told: HashMap<TaskId, (Millis, Vec<Value>)>,
    admitted: Admitted,
    /// Those of which a problem is known.
    troubled: HashSet<TaskId>,
    wait: Duration,
}

impl Scrapes {
    pub(crate) fn new(step: Duration) -> Self {
        Self {
            http: None,
            wanted: HashMap::new(),
            published: HashMap::new(),
            asked: JoinSet::new(),
            busy: HashSet::new(),
            patience: Patience::new(),
            told: HashMap::new(),
            admitted: Admitted::default(),
            troubled: HashSet::new(),
            wait: WAIT.min(step / 5),
        }
    }

    /// Asks all tasks of which it is wanted, that are not being asked still, and that did not hang lately.
    pub(crate) async fn begin(&mut self, worker: &Worker, machine: &Machine, tasks: &[Running]) {
        self.forget(worker, tasks);
        for task in tasks {
            let Some(metrics) = self.wanted_of(worker, task).await else { continue };
            let (id, key) = (task.member.task, task.key);
            if self.busy.contains(&id) {
                continue;
            }
            if self.patience.rests(id) {
                self.told.insert(id, (worker.platform().now(), vec![up(false)]));
                continue;
            }
            let published = self.published_of(worker, id, metrics.port).await;
            let way = Way::of(machine, task.address.as_deref(), metrics.port, published);
            let Some(http) = self.http() else { return };
            self.busy.insert(id);
            let (order, platform) = (Order { way, metrics }, worker.platform().clone());
            let asking = async move {
                let began = Instant::now();
                let page = ask(&http, &order).await;
                let (at, hung) = (platform.now(), page.is_err() && began.elapsed() >= LIMIT);
                let told = match page {
                    Ok(page) => read(page, order.metrics).await,
                    Err(why) => Err(why),
                };
                Answer { task: id, key, at, told, hung }
            };
            self.asked.spawn(self.patience.gates(key).through(asking));
        }
    }

    /// Waits a moment for those that were asked, and takes in what they told.
    pub(crate) async fn wait(&mut self, worker: &Worker) {
        if self.asked.is_empty() {
            return;
        }
        let until = Instant::now() + self.wait;
        while let Ok(Some(done)) = tokio::time::timeout_at(until, self.asked.join_next()).await {
            let Some(Answer { task, key, at, told, hung }) = still_standing(done) else { continue };
            self.busy.remove(&task);
            self.patience.asked(task, hung);
            let mut values = vec![up(told.is_ok())];
            let problem = match told {
                Ok(mut told) => {
                    told.values.retain(|value| value.label != "up");
                    let new = self.admitted.admit(worker.platform().now(), key, &mut told.values);
                    values.append(&mut told.values);
                    left_out(told.left_out, new)
                }
                Err(why) => Some(why),
            };
            if problem.is_some() {
                self.troubled.insert(task);
            } else {
                self.troubled.remove(&task);
            }
            work::scraped(worker, task, problem);
            self.told.insert(task, (at, values));
        }
    }

    /// What a task told since this was last asked, and when.
    pub(crate) fn take(&mut self, task: TaskId) -> Option<(Millis, Vec<Value>)> {
        self.told.remove(&task)
    }

    /// Forgets what is of no task any more.
    fn forget(&mut self, worker: &Worker, tasks: &[Running]) {
        let (ids, revisions): (HashSet<TaskId>, HashSet<RevisionId>) = tasks.iter().map(|task| (task.member.task, task.revision)).unzip();
        self.wanted.retain(|revision, _| revisions.contains(revision));
        self.published.retain(|task, _| ids.contains(task));
        self.told.retain(|task, _| ids.contains(task));
        self.patience.keep(&ids, &tasks.iter().map(|task| task.key).collect());
        self.troubled.retain(|task| {
            let stays = ids.contains(task);
            if !stays {
                work::scraped(worker, *task, None);
            }
            stays
        });
    }

    async fn wanted_of(&mut self, worker: &Worker, task: &Running) -> Option<Arc<Metrics>> {
        if let Some(known) = self.wanted.get(&task.revision) {
            return known.clone();
        }
        match domain::deployments::work::revision(worker, task.revision).await {
            Ok(revision) => {
                let metrics = revision.descriptor.metrics.map(Arc::new);
                self.wanted.insert(task.revision, metrics.clone());
                metrics
            }
            Err(error) => {
                tracing::debug!(%error, "a revision could not be read; it is tried again at the next turn");
                None
            }
        }
    }

    async fn published_of(&mut self, worker: &Worker, task: TaskId, port: u16) -> Option<u16> {
        if let Some(known) = self.published.get(&task) {
            return *known;
        }
        let published = work::published(worker, task, port).await.ok()?;
        self.published.insert(task, published);
        published
    }

    fn http(&mut self) -> Option<reqwest::Client> {
        if self.http.is_none() {
            let client = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .pool_max_idle_per_host(1)
                .pool_idle_timeout(Duration::from_secs(30))
                .user_agent("slipway-metrics")
                .build();
            self.http = client.inspect_err(|error| tracing::warn!(%error, "applications cannot be asked for their figures")).ok();
        }
        self.http.clone()
    }
}

/// What is said of series that are not kept: those beyond what a task may tell, and those that are new on a day that had enough of them.
fn left_out(beyond: usize, new: usize) -> Option<String> {
    let (most, bytes, of_day) = (exposition::SERIES, Value::LABEL, admitted::SERIES);
    let beyond =
        (beyond > 0).then(|| format!("{beyond} series are not kept: a task may have {most}, whose names and labels are at most {bytes} bytes long"));
    let new = (new > 0).then(|| {
        format!(
            "{new} series are not kept: the service told {of_day} others on this day; labels should not hold what is always new, like ids and times"
        )
    });
    let said: Vec<String> = beyond.into_iter().chain(new).collect();
    (!said.is_empty()).then(|| said.join(". "))
}

/// Whether a task answers, as a figure of its own.
fn up(up: bool) -> Value {
    Value::labelled(Metric::AppGauge, "up", if up { 1.0 } else { 0.0 })
}

/// Where an application is asked.
struct Place {
    address: SocketAddr,
    /// For whoever sees the service.
    said: String,
}

/// What an application answered.
#[derive(Debug)]
struct Page {
    text: String,
    /// Where, for whoever sees the service.
    said: String,
}

/// Asks one application, at its own address, or where it is published if that is out of reach.
async fn ask(http: &reqwest::Client, order: &Order) -> Result<Page, String> {
    let Metrics { port, path, .. } = &*order.metrics;
    // By which name or address another machine is reached is for operators.
    let target = order.way.target(LIMIT).await.map_err(|_| format!("port {port}: the name of the task's machine could not be resolved"))?;
    let own = |address: SocketAddr| Place { address, said: format!("http://{address}{path}") };
    let published = |address: SocketAddr| Place { address, said: format!("{path} at its published port {}", address.port()) };
    let (first, second) = match (target.container, target.published) {
        (Some(address), other) => (own(address), other.map(published)),
        (None, Some(address)) => (published(address), None),
        (None, None) => {
            return Err(format!(
                "port {port}: the task has no address that could be asked; on an engine of another machine this port must be published"
            ));
        }
    };
    let (text, place) = match (get(http, &first, path).await, &second) {
        (Err(Miss { out_of_reach: true, .. }), Some(second)) => (get(http, second, path).await, second),
        (answer, _) => (answer, &first),
    };
    let text = text.map_err(|miss| miss.why)?;
    Ok(Page { text, said: place.said.clone() })
}

/// Reads what is asked for. On a thread: it may be long, and nothing else should wait for it.
async fn read(page: Page, metrics: Arc<Metrics>) -> Result<exposition::Told, String> {
    let Page { text, said } = page;
    let reading = tokio::task::spawn_blocking(move || exposition::read(&text, &metrics.names));
    let read = still_standing(reading.await).ok_or_else(|| "the portal is being stopped".to_owned())?;
    read.map_err(|line| format!("GET {said}: line {line} of what it answers is not in Prometheus' text format"))
}

/// Why there is no answer.
struct Miss {
    why: String,
    /// Another way may help.
    out_of_reach: bool,
}

async fn get(http: &reqwest::Client, place: &Place, path: &str) -> Result<String, Miss> {
    let miss = |why: String| Miss { why: format!("GET {}: {why}", place.said), out_of_reach: false };
    let url = format!("http://{}{path}", place.address);
    let asked = http.get(url).header("accept", "text/plain; version=0.0.4").timeout(LIMIT).send().await;
    let mut answer = asked.map_err(|error| Miss { out_of_reach: error.is_connect(), ..miss(cause(&error)) })?;
    if !answer.status().is_success() {
        return Err(miss(format!("it answered {}", answer.status().as_u16())));
    }
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(piece)) if body.len() + piece.len() > MOST => return Err(miss(format!("it answered more than {} KiB", MOST / 1024))),
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) => break,
            Err(error) => return Err(miss(cause(&error))),
        }
    }
    String::from_utf8(body).map_err(|_| miss("what it answered is no text".to_owned()))
}

/// In plain words.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", LIMIT.as_secs());
    }
    root_cause(error)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What is told by somebody who answers this to whoever asks.
    async fn asked(answer: &'static str, names: &[&str]) -> Result<exposition::Told, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let metrics = Arc::new(Metrics { port: address.port(), path: "/metrics".into(), names });
        let order = Order { way: Way { container: Some(address), published: None }, metrics };
        let mut scrapes = Scrapes::new(Duration::from_secs(10));
        let http = scrapes.http().expect("a client");
        read(ask(&http, &order).await?, order.metrics).await
    }

    #[tokio::test]
    async fn what_is_asked_for_comes_and_nothing_else() {
        let told = asked("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\njobs 3\nother 4\n", &["jobs"]).await.expect("told");
        assert_eq!(told.values, [Value::labelled(Metric::AppGauge, "jobs", 3.0)]);
    }

    #[test]
    fn series_that_are_left_out_are_told_with_their_limit() {
        assert_eq!(left_out(0, 0), None);
        let (beyond, new) = (left_out(3, 0).expect("told"), left_out(0, 7).expect("told"));
        assert!(beyond.starts_with("3 series") && beyond.contains("a task may have 100"), "{beyond}");
        assert!(new.starts_with("7 series") && new.contains("400 others on this day"), "{new}");
        assert_eq!(left_out(3, 7), Some(format!("{beyond}. {new}")));
    }

    #[tokio::test]
    async fn what_goes_wrong_is_said_in_words() {
        let wrong = [
            ("HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n", "it answered 404"),
            ("HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\nconnection: close\r\n\r\n", "it answered 302"),
            ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok 1\n<html>\n", "line 2 of what it answers"),
        ];
        for (answer, words) in wrong {
            let why = asked(answer, &["jobs"]).await.expect_err("wrong");
            assert!(why.contains(words) && why.contains("GET http://127.0.0.1:") && why.contains("/metrics"), "{why}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_said_too() {
        let (free, _held) = crate::probe::tests::closed_port();
        let metrics = Arc::new(Metrics { port: free.port(), path: "/metrics".into(), names: Vec::new() });
        let mut scrapes = Scrapes::new(Duration::from_secs(10));
        let http = scrapes.http().expect("a client");
        let nowhere = Order { way: Way { container: None, published: None }, metrics: Arc::clone(&metrics) };
        assert!(ask(&http, &nowhere).await.expect_err("nowhere").contains("must be published"));
        let closed = Order { way: Way { container: Some(free), published: None }, metrics: Arc::clone(&metrics) };
        assert!(ask(&http, &closed).await.expect_err("closed").contains("refused"));
        let published = Some((free.ip().to_string(), free.port()));
        let why = ask(&http, &Order { way: Way { container: None, published }, metrics }).await.expect_err("closed");
        assert!(why.starts_with(&format!("GET /metrics at its published port {}: ", free.port())), "where the machine is, is for operators: {why}");
    }
}
