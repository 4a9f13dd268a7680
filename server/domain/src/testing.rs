//! A store for one test of the domain: a SQLite file, and with `SLIPWAY_TEST_POSTGRES` a database of that server instead; people,
//! projects and images to try things with. The clock stands still until the test moves it.

use std::sync::Arc;
use std::time::Duration;

use model::access::Role;
use model::ids::{ProjectId, RepositoryId, UserId};
use model::names::ProjectName;
use model::time::Millis;
use tempfile::TempDir;

use crate::access::{Actor, Credential, May, can};
use crate::clock::TestClock;
use crate::db::{Db, Location};
use crate::environments::{self, Local};
use crate::keys::Keys;
use crate::machines::{self, Machine};
use crate::platform::Platform;
use crate::projects::Project;
use crate::worker::Worker;
use crate::{accounts, args, site};

mod engines;
mod postgres;

pub(crate) use engines::SomeEngines;
use postgres::TestDatabase;

/// A store with one environment and one machine.
pub(crate) struct Store {
    pub platform: Platform,
    pub clock: Arc<TestClock>,
    pub db: Db,
    pub worker: Worker,
    _database: Option<TestDatabase>,
    _folder: TempDir,
}

impl Store {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = TestDatabase::make().await;
        let file = || Location::File(folder.path().join("slipway.db"));
        let location = database.as_ref().map_or_else(file, |database| Location::Postgres(database.url()));
        let db = opened(&location).await;
        let clock = Arc::new(TestClock::at(Millis(1_795_166_400_000)));
        let entropy = Box::new(|buffer: &mut [u8]| getrandom::fill(buffer).expect("randomness"));
        let platform = Platform::with(db.clone(), Keys::of([7; 32]), clock.clone(), entropy);
        platform.plug_recordings(folder.path().join("recordings"));
        site::prepare(&platform).await.expect("prepared");
        environments::prepare(&platform, &local((20_000, 20_009))).await.expect("prepared");
        #[expect(clippy::disallowed_methods, reason = "a test does what a loop does")]
        let worker = Worker::hire(&platform, "test");
        Self { platform, clock, db, worker, _database: database, _folder: folder }
    }

    /// Moves the clock, so that what follows is later.
    pub fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Writes past every rule, and tells nobody: as another process does, or time.
    pub async fn write_sql(&self, sql: &'static str) {
        let mut write = self.platform.bookkeeping().await.expect("a transaction");
        write.exec(sql, args![]).await.expect("written");
        write.finish().await.expect("kept");
    }

    pub async fn machine(&self) -> Machine {
        machines::all(&self.worker).await.expect("machines").remove(0)
    }

    /// Somebody who is signed in.
    pub async fn person(&self, name: &str, operator: bool) -> Actor {
        let id: UserId = self.platform.new_id();
        let mut write = self.platform.bookkeeping().await.expect("a transaction");
        let sql = "INSERT INTO users (id, username, password_hash, operator, created_at, credentials_since) VALUES ($1, $2, '-', $3, $4, $4)";
        write.exec(sql, args![id, name, operator, self.platform.now()]).await.expect("an account");
        write.finish().await.expect("kept");
        let actor =
            accounts::actor_by_id(&self.platform, id, Credential::Password { since: self.platform.now() }, None, "127.0.0.1").await.expect("read");
        actor.expect("an actor")
    }

    /// A project with one member.
    pub async fn project(&self, name: &str, member: &Actor, role: Role) -> ProjectName {
        let id: ProjectId = self.platform.new_id();
        let now = self.platform.now();
        let mut write = self.platform.bookkeeping().await.expect("a transaction");
        let sql = "INSERT INTO projects (id, name, description, internal, developer_shells, created_at) VALUES ($1, $2, '', $3, $4, $5)";
        write.exec(sql, args![id, name, false, true, now]).await.expect("a project");
        let sql = "INSERT INTO members (project_id, user_id, role, since) VALUES ($1, $2, $3, $4)";
        write.exec(sql, args![id, member.account().expect("an account").id, role, now]).await.expect("a member");
        write.finish().await.expect("kept");
        name.parse().expect("a name")
    }

    /// An image in the registry's tables, as a push leaves it; `digit` makes its digest.
    pub async fn image(&self, project: &ProjectName, repository: &str, tag: &str, digit: char) -> String {
        let digest = format!("sha256:{}", digit.to_string().repeat(64));
        let now = self.platform.now();
        let mut write = self.platform.bookkeeping().await.expect("a transaction");
        let sql = "INSERT INTO repositories (id, project_id, name, created_at, pulls) SELECT $1, p.id, $2, $3, 0 FROM projects p WHERE p.name = $4
                   ON CONFLICT DO NOTHING";
        let fresh: RepositoryId = self.platform.new_id();
        write.exec(sql, args![fresh, repository, now, project]).await.expect("a repository");
        let sql = "SELECT r.id FROM repositories r JOIN projects p ON p.id = r.project_id WHERE p.name = $1 AND r.name = $2";
        let id: RepositoryId = write.one(sql, args![project, repository], |row| row.get("id")).await.expect("its id");
        let sql = "INSERT INTO manifests (repository_id, digest, media_type, kind, size, content_size, annotations, pushed_at, pusher, pulls, body)
                   VALUES ($1, $2, 'application/vnd.oci.image.manifest.v1+json', 'image', 2, 2, '{}', $3, 'test', 0, $4) ON CONFLICT DO NOTHING";
        write.exec(sql, args![id, &digest, now, b"{}".to_vec()]).await.expect("a manifest");
        let sql = "INSERT INTO tags (repository_id, name, digest, pushed_at, pusher) VALUES ($1, $2, $3, $4, 'test')
                   ON CONFLICT (repository_id, name) DO UPDATE SET digest = excluded.digest";
        write.exec(sql, args![id, tag, &digest, now]).await.expect("a tag");
        write.finish().await.expect("kept");
        digest
    }

    /// Takes an image away, as somebody who deletes it does.
    pub async fn forget_image(&self, digest: &str) {
        let mut write = self.platform.bookkeeping().await.expect("a transaction");
        write.exec("DELETE FROM manifests WHERE digest = $1", args![digest]).await.expect("deleted");
        write.finish().await.expect("kept");
    }

    /// The permission of an actor in a project.
    pub async fn may<P: can::Permission>(&self, actor: &Actor, project: &ProjectName) -> May<P, Project> {
        actor.may(&self.platform, project).await.expect("allowed")
    }

    /// What the audit log says, oldest first.
    pub async fn audit(&self) -> Vec<String> {
        let sql = "SELECT action, target FROM audit ORDER BY id";
        let record = |row: &crate::db::Row<'_>| Ok(format!("{} {}", row.get::<String>("action")?, row.get::<String>("target")?));
        self.platform.read().await.expect("a transaction").all(sql, args![], record).await.expect("records")
    }
}

/// The configuration of the only environment.
pub(crate) fn local(ports: (u16, u16)) -> Local {
    Local {
        registry_address: "127.0.0.1:3000".into(),
        registry_hosts: vec!["localhost:3000".into(), "Slipway.Example.com".into()],
        engine: "unix:///nowhere.sock".into(),
        host: "10.0.0.5".into(),
        publish_address: "127.0.0.1".into(),
        ports,
        subnet_pool: "10.208.0.0/22".parse().expect("a pool"),
    }
}

/// The database at this place, migrated.
async fn opened(location: &Location) -> Db {
    let db = Db::open(location).await.expect("the database opens");
    db.migrate().await.expect("migrated");
    db
}
