//! The one store over two databases: SQLite (WAL, embedded) and PostgreSQL. One SQL text serves both: written with
//! PostgreSQL's words and `$n` placeholders. Reading takes any connection; writing takes SQLite's only writer, so that no
//! two writers ever meet a `SQLITE_BUSY` half-way. Nothing here knows what is stored.
//!
//! Rules for the SQL (the same on both): bind the exact type; `SUM` and `COUNT` are cast to BIGINT; paging by row values;
//! `COLLATE "C"` where byte order matters; read-modify-write is one statement with a condition, `FOR UPDATE` (left out
//! on SQLite, whose writer is alone), or [`Tx::lock_key`].

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgPool, Postgres, Sqlite, SqlitePool, Transaction};

mod migrations;
mod placeholders;
mod value;

pub use migrations::LATEST;
pub use placeholders::{BATCH, placeholder_rows, placeholders};
pub use value::{Column, Json, Row, Value};

use crate::error::{Error, Result};

/// Connections that read at the same time.
const READERS: u32 = 4;
/// Connections to PostgreSQL.
const PG_CONNECTIONS: u32 = 16;
/// How long a caller waits for a connection before it is told that the database is busy.
const ACQUIRE: Duration = Duration::from_secs(10);

/// How long a statement waits for others' locks, and how long a transaction may be left alone before the server ends it. SQLite's busy
/// timeout is its likeness.
const PG_PATIENCE: &str = "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'";

/// Where the data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL server, by URL.
    Postgres(model::secret::Secret),
}

/// A handle to the database; cheap to clone.
#[derive(Clone)]
pub enum Db {
    /// SQLite: one writer, several readers.
    Lite {
        /// The only connection that writes.
        writer: SqlitePool,
        /// Connections that read.
        readers: SqlitePool,
    },
    /// PostgreSQL.
    Pg(PgPool),
}

impl Db {
    /// Opens the database, making the file where there is none. Runs no migration.
    pub async fn open(location: &Location) -> Result<Self> {
        match location {
            Location::File(path) => Self::open_file(path).await,
            Location::Postgres(url) => {
                let options: PgConnectOptions = url.expose().parse()?;
                let pool = PgPoolOptions::new().max_connections(PG_CONNECTIONS).acquire_timeout(ACQUIRE);
                let pool = pool.after_connect(|connection, _| Box::pin(async move { connection.execute(PG_PATIENCE).await.map(drop) }));
                Ok(Self::Pg(pool.connect_with(options).await?))
            }
        }
    }

    async fn open_file(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
            .collation("C", |a, b| a.cmp(b));
        // The writer opens first: it makes the file and switches it to WAL.
        let writer = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE);
        // SQLite itself undoes a transaction that a full disk stopped. sqlx does not notice, and would begin none on this connection ever again.
        let writer = writer.before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }));
        let writer = writer.connect_with(options.clone().create_if_missing(true)).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).acquire_timeout(ACQUIRE).connect_with(options.read_only(true)).await?;
        Ok(Self::Lite { writer, readers })
    }

    /// Brings the schema up to date. Refuses a database that a newer Slipway has written to.
    pub async fn migrate(&self) -> Result<()> {
        match self {
            Self::Lite { writer, .. } => migrations::lite().run(writer).await?,
            Self::Pg(pool) => migrations::pg().run(pool).await?,
        }
        Ok(())
    }

    /// A transaction for reading: it sees one state of the data.
    pub async fn read(&self) -> Result<Tx> {
        Ok(match self {
            Self::Lite { readers, .. } => Tx::Lite(readers.begin().await?),
            // Without this each statement sees the state of its own moment.
            Self::Pg(pool) => Tx::Pg(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?),
        })
    }

    /// A transaction for writing. Only a [`crate::Change`] and a worker's change hold one.
    pub(crate) async fn write(&self) -> Result<Tx> {
        Ok(match self {
            // What was acknowledged survives a loss of power.
            Self::Lite { writer, .. } => Tx::Lite(writer.begin_with("PRAGMA synchronous = FULL; BEGIN IMMEDIATE").await?),
            Self::Pg(pool) => Tx::Pg(pool.begin().await?),
        })
    }

    /// The same without waiting for the disk: a loss of power, not the end of the process, may undo what was committed so, but never out of
    /// order, and never once a later [`Self::write`] that wrote something was committed.
    pub(crate) async fn write_relaxed(&self) -> Result<Tx> {
        Ok(match self {
            Self::Lite { writer, .. } => Tx::Lite(writer.begin_with("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE").await?),
            Self::Pg(pool) => {
                let mut tx = pool.begin().await?;
                tx.execute("SET LOCAL synchronous_commit = off").await?;
                Tx::Pg(tx)
            }
        })
    }

    /// Closes every connection, after what runs on them has ended.
    pub async fn close(&self) {
        match self {
            Self::Lite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Pg(pool) => pool.close().await,
        }
    }
}

/// A transaction. Dropped without a commit it is undone.
pub enum Tx {
    /// On SQLite.
    Lite(Transaction<'static, Sqlite>),
    /// On PostgreSQL.
    Pg(Transaction<'static, Postgres>),
}

impl Tx {
    /// Every row, each turned into a value. Only for queries with a `LIMIT` or a bounded result.
    pub async fn all<T>(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Value>, map: impl Fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
        refuse_nul(&args)?;
        match self {
            Self::Lite(tx) => {
                let query = value::bind_lite(sqlx::query(AssertSqlSafe(without_row_locks(sql.into()))), args);
                let rows = query.fetch_all(&mut **tx).await?;
                rows.iter().map(|row| map(&Row::Lite(row))).collect()
            }
            Self::Pg(tx) => {
                let rows = value::bind_pg(sqlx::query(AssertSqlSafe(sql.into())), args).fetch_all(&mut **tx).await?;
                rows.iter().map(|row| map(&Row::Pg(row))).collect()
            }
        }
    }

    /// The first row, if there is one.
    pub async fn opt<T>(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Value>, map: impl Fn(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
        refuse_nul(&args)?;
        match self {
            Self::Lite(tx) => {
                let query = value::bind_lite(sqlx::query(AssertSqlSafe(without_row_locks(sql.into()))), args);
                query.fetch_optional(&mut **tx).await?.map(|row| map(&Row::Lite(&row))).transpose()
            }
            Self::Pg(tx) => {
                let query = value::bind_pg(sqlx::query(AssertSqlSafe(sql.into())), args);
                query.fetch_optional(&mut **tx).await?.map(|row| map(&Row::Pg(&row))).transpose()
            }
        }
    }

    /// The one row that must be there.
    pub async fn one<T>(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Value>, map: impl Fn(&Row<'_>) -> Result<T>) -> Result<T> {
        self.opt(sql, args, map).await?.ok_or_else(|| Error::internal("a row that must exist is missing"))
    }

    /// Runs a statement; answers how many rows it touched.
    pub async fn exec(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Value>) -> Result<u64> {
        refuse_nul(&args)?;
        Ok(match self {
            Self::Lite(tx) => value::bind_lite(sqlx::query(AssertSqlSafe(sql.into())), args).execute(&mut **tx).await?.rows_affected(),
            Self::Pg(tx) => value::bind_pg(sqlx::query(AssertSqlSafe(sql.into())), args).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// From here to the end of the transaction, nobody else holds the same key. On SQLite a writer is alone anyway.
    pub async fn lock_key(&mut self, key: &str) -> Result<()> {
        if let Self::Pg(tx) = self {
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            sqlx::query(sql).bind(key).execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// Makes what was written lasting.
    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::Lite(tx) => tx.commit().await?,
            Self::Pg(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// PostgreSQL's text cannot hold NUL, so none is stored in either. Whoever takes a text from outside may have checked it with a better message.
fn refuse_nul(args: &[Value]) -> Result<()> {
    let holds_nul = |value: &Value| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
    if args.iter().any(holds_nul) { Err(Error::invalid("text", "has a NUL character; leave it out")) } else { Ok(()) }
}

/// SQLite knows no row locks and needs none: a writing transaction is alone.
fn without_row_locks(sql: Cow<'static, str>) -> Cow<'static, str> {
    if !sql.contains(" FOR UPDATE") {
        return sql;
    }
    Cow::Owned(sql.replace(" FOR UPDATE SKIP LOCKED", "").replace(" FOR UPDATE", ""))
}

/// The arguments of a statement, in order: `args![id, name, None::<i64>]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Value::from($value)),*] };
}

#[cfg(test)]
mod tests {
    use model::access::Role;

    use crate::testing::Store;

    #[tokio::test]
    async fn a_reader_sees_one_state_of_the_data() {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let mut tx = store.platform.read().await.expect("begun");
        let mut count = async || tx.one("SELECT COUNT(*) AS n FROM projects", args![], |row| row.get::<i64>("n")).await.expect("read");
        assert_eq!(count().await, 0);
        store.project("shop", &ana, Role::Developer).await;
        assert_eq!(count().await, 0, "what was committed meanwhile is another state");
    }
}
