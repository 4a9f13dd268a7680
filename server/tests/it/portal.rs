//! A portal under test, and people who use it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::clock::{Clock as _, MachineClock, TestClock};
use domain::db::{Db, Location};
use domain::keys::Keys;
use domain::{Platform, site};
use model::secret::Secret;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use slipway::config::{Serve, Store};
use slipway::serve::{self, Running};
use tempfile::TempDir;

#[path = "../../domain/src/testing/postgres.rs"]
mod postgres;

use postgres::TestDatabase;

/// The password of everybody here; long enough.
pub const PASSWORD: &str = "correct horse battery";

/// A portal that runs for one test.
pub struct TestPortal {
    /// Where it is: `http://127.0.0.1:port`.
    pub base: String,
    /// The portal itself.
    pub running: Running,
    /// Its clock, where the test moves it.
    pub clock: Option<Arc<TestClock>>,
    folder: TempDir,
    database: Option<TestDatabase>,
}

impl TestPortal {
    /// A portal with an operator `admin`, without an engine.
    pub async fn start() -> Self {
        Self::build(None, None).await
    }

    /// The same with a clock that the test moves.
    pub async fn start_with_clock() -> Self {
        Self::start_behind_time(Duration::ZERO).await
    }

    /// The same, with a clock that is so far behind this machine's.
    pub async fn start_behind_time(by: Duration) -> Self {
        let clock = Arc::new(TestClock::at(MachineClock.now().minus(by)));
        Self::build(None, Some(clock)).await
    }

    /// The same as [`Self::start_with_clock`], behind a proxy that speaks https.
    pub async fn start_behind_proxy() -> Self {
        let clock = Arc::new(TestClock::at(MachineClock.now()));
        Self::configured(None, Some(clock), |config| Serve { public_url: Some("https://slipway.example.com".into()), ..config }).await
    }

    /// The same as [`Self::start_with_clock`], with its data below this folder.
    pub async fn start_in(parent: &Path) -> Self {
        let clock = Arc::new(TestClock::at(MachineClock.now()));
        Self::build_in(tempfile::tempdir_in(parent).expect("a data folder"), None, Some(clock)).await
    }

    /// A portal on this engine.
    pub async fn start_on(engine: &str) -> Self {
        Self::build(Some(engine.to_owned()), None).await
    }

    /// A portal on this engine that samples at this pace what tasks use.
    pub async fn start_sampling(engine: &str, every: &str) -> Self {
        let metrics_every = every.parse().expect("a span");
        Self::configured(Some(engine.to_owned()), None, |config| Serve { metrics_every, ..config }).await
    }

    /// A portal on the engine of the test run, which listens at every address of this machine, so that engines elsewhere reach its registry.
    pub async fn start_for_far_engines() -> Self {
        let host = std::env::var("SLIPWAY_TEST_DOCKER_HOST").expect("SLIPWAY_TEST_DOCKER_HOST names the engine that tests may use");
        Self::configured(Some(host), None, |config| Serve { listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), ..config }).await
    }

    /// The same as [`Self::start`], with an address of its own for `/metrics`.
    pub async fn start_with_metrics_address() -> Self {
        Self::configured(None, None, |config| Serve { metrics_listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))), ..config }).await
    }

    async fn configured(engine: Option<String>, clock: Option<Arc<TestClock>>, change: impl FnOnce(Serve) -> Serve) -> Self {
        let folder = tempfile::tempdir().expect("a data folder");
        let database = TestDatabase::make().await;
        let running = start(&change(config(folder.path(), database.as_ref(), engine)), clock.clone()).await;
        Self { base: format!("http://127.0.0.1:{}", running.port), running, clock, folder, database }
    }

    async fn build(engine: Option<String>, clock: Option<Arc<TestClock>>) -> Self {
        Self::build_in(tempfile::tempdir().expect("a data folder"), engine, clock).await
    }

    async fn build_in(folder: TempDir, engine: Option<String>, clock: Option<Arc<TestClock>>) -> Self {
        let database = TestDatabase::make().await;
        let running = start(&config(folder.path(), database.as_ref(), engine), clock.clone()).await;
        Self { base: format!("http://127.0.0.1:{}", running.port), running, clock, folder, database }
    }

    /// Stops it in an orderly way and starts it again over the same data and on another port.
    pub async fn restart(self, engine: Option<String>) -> Self {
        self.restart_after(engine, || {}).await
    }

    /// The same, and does this while it is stopped.
    pub async fn restart_after(self, engine: Option<String>, meanwhile: impl FnOnce()) -> Self {
        let Self { running, clock, folder, database, .. } = self;
        running.stop.cancel();
        running.finished().await.expect("an orderly end");
        meanwhile();
        let config = config(folder.path(), database.as_ref(), engine);
        let running = start(&config, clock.clone()).await;
        let base = format!("http://127.0.0.1:{}", running.port);
        Self { base, running, clock, folder, database }
    }

    /// The platform below it.
    pub fn platform(&self) -> &Platform {
        &self.running.portal.platform
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Somebody who calls the API with user name and password.
    pub fn person(&self, name: &str) -> Person {
        Person { base: self.base.clone(), http: client(), credential: Some((name.to_owned(), PASSWORD.to_owned())), bearer: None }
    }

    /// Somebody who shows nothing.
    pub fn nobody(&self) -> Person {
        Person { base: self.base.clone(), http: client(), credential: None, bearer: None }
    }

    /// Makes an account and answers its owner.
    pub async fn new_person(&self, name: &str) -> Person {
        let body = json!({"username": name, "password": PASSWORD});
        self.person("admin").post("/api/v1/users", body).await.expect_status(StatusCode::CREATED).await;
        self.person(name)
    }

    /// Makes a project as the operator, with members by role.
    pub async fn new_project(&self, name: &str, members: &[(&str, &str)]) {
        let admin = self.person("admin");
        admin.post("/api/v1/projects", json!({"name": name})).await.expect_status(StatusCode::CREATED).await;
        for (member, role) in members {
            let path = format!("/api/v1/projects/{name}/members/{member}");
            admin.put(&path, json!({"role": role})).await.expect_status(StatusCode::CREATED).await;
        }
    }

    /// A browser that is signed in.
    pub async fn browser(&self, name: &str) -> Browser {
        let browser = Browser::new(self);
        let answer = browser.form("/fn/accounts/login", &[("username", name), ("password", PASSWORD)]).await;
        assert!(answer.status().is_success() || answer.status().is_redirection(), "{name} signs in: {}", answer.status());
        browser
    }
}

fn config(folder: &Path, database: Option<&TestDatabase>, engine: Option<String>) -> Serve {
    Serve {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        public_url: None,
        metrics_listen: None,
        store: Store { data_dir: folder.to_owned(), database_url: database.map(TestDatabase::url), secret_key_file: None },
        admin_password: Some(Secret::new(PASSWORD)),
        // A socket that is not there: the portal runs without an engine, and says so.
        docker_host: Some(engine.unwrap_or_else(|| format!("unix://{}", folder.join("no-engine.sock").display()))),
        site_dir: Some(folder.join("site")),
        collect_after: "24h".parse().expect("a span"),
        metrics_every: "10s".parse().expect("a span"),
        log_json: false,
    }
}

async fn start(config: &Serve, clock: Option<Arc<TestClock>>) -> Running {
    let platform = match clock {
        None => slipway::admin::open(&config.store).await.expect("the store opens"),
        Some(clock) => {
            let db = opened(&config.store.location().expect("a location")).await;
            let entropy = Box::new(|buffer: &mut [u8]| getrandom::fill(buffer).expect("randomness"));
            let platform = Platform::with(db, Keys::of([7; 32]), clock, entropy);
            site::prepare(&platform).await.expect("prepared");
            platform
        }
    };
    site::first_run(&platform, config.admin_password.as_ref()).await.expect("an operator");
    serve::start(config, platform).await.expect("the portal starts")
}

/// The database at this place, migrated.
#[expect(clippy::disallowed_methods, reason = "a fixture assembles as serve.rs does")]
async fn opened(location: &Location) -> Db {
    let db = Db::open(location).await.expect("the database opens");
    db.migrate().await.expect("migrated");
    db
}

/// A client that follows nothing, hides nothing, and fails rather than wait for ever.
pub fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    // The portal ends idle connections after 20 s: one is given up before it may meet that end.
    client.timeout(Duration::from_secs(330)).pool_idle_timeout(Duration::from_secs(10)).build().expect("a client")
}

/// Somebody who calls the API.
#[derive(Clone)]
pub struct Person {
    base: String,
    http: reqwest::Client,
    credential: Option<(String, String)>,
    bearer: Option<String>,
}

impl Person {
    /// Somebody who calls a portal that runs as a process of its own.
    pub fn at(base: &str, name: &str) -> Self {
        Self { base: base.to_owned(), http: client(), credential: Some((name.to_owned(), PASSWORD.to_owned())), bearer: None }
    }

    /// Somebody else of the same portal, with this name and secret: a robot.
    pub fn named(&self, name: &str, secret: &str) -> Self {
        Self { credential: Some((name.to_owned(), secret.to_owned())), bearer: None, ..self.clone() }
    }

    /// The same person, who shows a token of `/auth/token` and nothing else.
    pub fn bearing(&self, token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), ..self.clone() }
    }

    /// The same person at another address.
    pub fn elsewhere(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// The same person with another secret: a token.
    pub fn with_secret(mut self, secret: &str) -> Self {
        if let Some((_, old)) = &mut self.credential {
            secret.clone_into(old);
        }
        self
    }

    /// A request, with the person's credential.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match (&self.bearer, &self.credential) {
            (Some(token), _) => request.bearer_auth(token),
            (None, Some((name, secret))) => request.basic_auth(name, Some(secret)),
            (None, None) => request,
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        Answer(request.send().await.expect("an answer"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }
}

/// An answer of the API.
pub struct Answer(pub Response);

impl Answer {
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The body, when the status is this; otherwise the test fails and shows both.
    pub async fn expect_status(self, status: StatusCode) -> Value {
        let found = self.0.status();
        let text = self.0.text().await.expect("a body");
        assert_eq!(found, status, "{text}");
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }
}

/// A browser without scripts: it keeps cookies, sends `Origin` with forms, and knows its page's CSRF token.
pub struct Browser {
    base: String,
    http: reqwest::Client,
    cookie: std::sync::Mutex<Option<String>>,
}

impl Browser {
    /// A browser that has never been here.
    pub fn new(portal: &TestPortal) -> Self {
        Self { base: portal.base.clone(), http: client(), cookie: std::sync::Mutex::default() }
    }

    /// The same for a portal that runs as a process of its own.
    pub fn at(base: &str) -> Self {
        Self { base: base.to_owned(), http: client(), cookie: std::sync::Mutex::default() }
    }

    /// Where its portal is.
    pub fn base(&self) -> &str {
        &self.base
    }

    fn remember(&self, response: &Response) {
        for value in response.headers().get_all("set-cookie") {
            let text = value.to_str().expect("a readable cookie");
            let pair = text.split(';').next().unwrap_or_default();
            let gone = text.contains("Max-Age=0") || pair.ends_with('=');
            *self.cookie.lock().expect("no panic") = (!gone).then(|| pair.to_owned());
        }
    }

    /// A request with the cookie, not yet sent.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match self.cookie.lock().expect("no panic").clone() {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }

    /// Sends a request and keeps its cookies.
    pub async fn send(&self, request: RequestBuilder) -> Response {
        let response = request.send().await.expect("an answer");
        self.remember(&response);
        response
    }

    /// Opens a page.
    pub async fn open(&self, path: &str) -> Response {
        self.send(self.request(Method::GET, path).header("accept", "text/html")).await
    }

    /// Posts to a server function as hydrated pages do.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.send(self.request(Method::POST, path).header("origin", &self.base).form(fields)).await
    }

    /// The token that this session's forms carry, read off a page.
    pub async fn csrf(&self) -> String {
        let page = self.open("/account").await.text().await.expect("a page");
        page.split("csrf&quot;:&quot;").nth(1).and_then(|rest| rest.split("&quot;").next()).unwrap_or_default().to_owned()
    }
}
