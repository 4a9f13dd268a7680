//! A database of its own for one test, on the PostgreSQL that `SLIPWAY_TEST_POSTGRES` names. The integration tests include this file, too.
//!
//! Each is a copy of one that was migrated once in this process: to migrate takes several times as long. So one test binary at a time uses a server.

use model::secret::Secret;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::sync::OnceCell;

use super::{Location, opened};

/// What all of a process are copies of.
const TEMPLATE: &str = "slipway_test_template";

/// A database for one test. It goes with it.
pub(crate) struct TestDatabase {
    server: String,
    name: String,
    url: String,
}

impl TestDatabase {
    /// None where the run is on SQLite.
    pub(crate) async fn make() -> Option<Self> {
        static MIGRATED: OnceCell<()> = OnceCell::const_new();
        let server = std::env::var("SLIPWAY_TEST_POSTGRES").ok().filter(|url| !url.is_empty())?;
        MIGRATED.get_or_init(|| migrate(&server)).await;
        let mut suffix = [0; 8];
        getrandom::fill(&mut suffix).expect("randomness");
        let name = format!("slipway_test_{:016x}", u64::from_le_bytes(suffix));
        execute(&server, format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}")).await.expect("a database of our own");
        Some(Self { url: url(&server, &name), server, name })
    }

    /// What it is opened by.
    pub(crate) fn url(&self) -> Secret {
        Secret::new(self.url.clone())
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A runtime of its own: the test's one is ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let _ = runtime.block_on(execute(&server, format!("DROP DATABASE {name} WITH (FORCE)")));
        });
        let _ = dropped.join();
    }
}

async fn migrate(server: &str) {
    execute(server, format!("DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")).await.expect("the one of another process goes");
    execute(server, format!("CREATE DATABASE {TEMPLATE}")).await.expect("a database to be copied");
    // What somebody has open is not copied.
    opened(&Location::Postgres(Secret::new(url(server, TEMPLATE)))).await.close().await;
}

async fn execute(server: &str, statement: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(server).await?;
    connection.execute(AssertSqlSafe(statement)).await?;
    connection.close().await
}

/// Where this database of the server is.
fn url(server: &str, name: &str) -> String {
    match server.split_once('?') {
        Some((base, query)) => format!("{}/{name}?{query}", base.trim_end_matches("/postgres")),
        None => format!("{}/{name}", server.trim_end_matches("/postgres")),
    }
}
