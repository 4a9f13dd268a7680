use std::sync::Arc;

use model::access::Role;
use model::machine::MachineForm;
use model::names::{EnvironmentName, MachineName, ProjectName};
use model::secret::Secret;

use super::*;
use crate::access::{Actor, can};
use crate::clock::TestClock;
use crate::configs::{self, Content, Edit, HolderKey, Hush};
use crate::environments::{self, EnvironmentOrder};
use crate::keys::{Keys, is_sealed_with};
use crate::machines::{self, Machine};
use crate::services::credentials;
use crate::testing::Store;

/// Two processes over one database and one key file.
struct Site {
    store: Store,
    ana: Actor,
    project: ProjectName,
    folder: tempfile::TempDir,
}

impl Site {
    async fn open() -> Self {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let project = store.project("shop", &ana, Role::Admin).await;
        Self { store, ana, project, folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("key")
    }

    /// A process that starts now.
    fn process(&self) -> Platform {
        let keys = Keys::load_or_create(&self.path(), [1; 32]).expect("a key");
        let entropy = Box::new(|buffer: &mut [u8]| getrandom::fill(buffer).expect("randomness"));
        let clock: Arc<TestClock> = self.store.clock.clone();
        Platform::with(self.store.db.clone(), keys, clock, entropy)
    }

    async fn put_secret(&self, process: &Platform, name: &str) -> Result<()> {
        let may = self.ana.may::<can::Configure, _>(process, &HolderKey { project: &self.project, service: None }).await?;
        let content = Content::Secret(Hush::new(format!("secret {name}").into_bytes()));
        configs::put(process, &may, None, name, &content, &Edit::default()).await.map(drop)
    }

    async fn put_credential(&self, process: &Platform, host: &str) {
        let may = self.ana.may(process, &self.project).await.expect("allowed");
        credentials::put(process, &may, host, "robot", &Secret::new(format!("token of {host}"))).await.expect("kept");
    }

    /// Everything that is stored opens, and says what it said.
    async fn all_open(&self, process: &Platform) -> usize {
        let mut tx = process.read().await.expect("a transaction");
        let sql = "SELECT scope_id, name, content FROM config_entries WHERE kind = 'secret'";
        let row = |row: &crate::db::Row<'_>| Ok((row.get::<String>("scope_id")?, row.get::<String>("name")?, row.get::<Vec<u8>>("content")?));
        let rows = tx.all(sql, args![], row).await.expect("rows");
        for (scope, name, content) in &rows {
            let plain = process.open(&configs::secret_purpose(scope, name), content).expect("it opens");
            assert_eq!(plain, format!("secret {name}").into_bytes());
        }
        let sql = "SELECT project_id, host FROM registry_credentials";
        let hosts: Vec<(model::ids::ProjectId, String)> =
            tx.all(sql, args![], |row| Ok((row.get("project_id")?, row.get("host")?))).await.expect("rows");
        for (project, host) in &hosts {
            let (_, secret) = credentials::open(&mut tx, process, *project, host).await.expect("it opens").expect("there");
            assert_eq!(secret.expose(), format!("token of {host}"));
        }
        rows.len() + hosts.len()
    }

    /// Adds or changes a machine behind SSH, as an operator; without a key the kept one stays.
    async fn put_machine(&self, root: &Actor, process: &Platform, key: Option<&str>) -> Result<()> {
        let order = EnvironmentOrder {
            description: String::new(),
            registry_address: Some("10.0.0.5:3000".into()),
            protected: false,
            second_person: false,
            open: true,
            projects: Vec::new(),
        };
        let far: EnvironmentName = "far".parse().expect("a name");
        environments::put(process, &root.may(process, &crate::access::Site).await?, &far, &order).await?;
        let form = MachineForm { engine: "ssh://u@docker1".into(), ssh_key: key.unwrap_or_default().into(), ..MachineForm::default() };
        let name: MachineName = "docker1".parse().expect("a name");
        machines::put(process, &root.may(process, &far).await?, &name, &form, true).await.map(drop)
    }

    async fn machine(&self) -> Machine {
        let all = machines::all(&self.store.worker).await.expect("read");
        all.into_iter().find(|machine| machine.name.as_str() == "docker1").expect("there")
    }

    async fn fill(&self, process: &Platform) {
        for n in 0..70 {
            self.put_secret(process, &format!("s{n}")).await.expect("kept");
        }
        self.put_credential(process, "registry.example.com").await;
    }
}

#[tokio::test]
async fn everything_is_sealed_anew_and_a_portal_that_runs_goes_on() {
    let site = Site::open().await;
    let running = site.process();
    site.fill(&running).await;
    let old = std::fs::read(site.path()).expect("a key");
    let done = rotate(&site.process(), [2; 32], false).await.expect("changed");
    assert_eq!(done, Rotated { resealed: 71, lost: 0, finished_earlier: false });
    let new = std::fs::read(site.path()).expect("a key");
    assert_eq!((new.len(), new[0]), (32, 2));
    assert_eq!(site.all_open(&running).await, 71, "the running one finds the new key");
    site.put_secret(&running, "later").await.expect("and seals with it");
    site.put_credential(&running, "another.example.com").await;
    let fresh = site.process();
    check(&fresh).await.expect("the right key");
    assert_eq!(site.all_open(&fresh).await, 73, "nothing needs the old key");
    std::fs::write(site.path(), &old).expect("put back");
    let wrong = site.process();
    assert!(check(&wrong).await.expect_err("the old key").to_string().contains("--give-up-lost"));
    assert!(site.put_secret(&wrong, "never").await.is_err(), "nothing is sealed with a key that is over");
    let audit = site.store.audit().await;
    assert!(audit.contains(&"key.rotate slipway".to_owned()));
}

#[tokio::test]
async fn keys_of_machines_are_sealed_anew_too_and_given_again_where_they_are_lost() {
    let site = Site::open().await;
    let root = site.store.person("root", true).await;
    let running = site.process();
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n";
    site.put_machine(&root, &running, Some(key)).await.expect("kept");
    let before = site.machine().await;
    let done = rotate(&site.process(), [2; 32], false).await.expect("changed");
    assert_eq!((done.resealed, done.lost), (1, 0));
    let after = site.machine().await;
    assert!(before.secrets != after.secrets && !is_sealed_with(&root_id([1; 32]), after.secrets.as_deref().unwrap_or_default()));
    for process in [&running, &site.process()] {
        let door = machines::door(process, &after).expect("it opens");
        assert_eq!(door.ssh.expect("keys").key.expose(), key);
    }
    site.put_machine(&root, &running, None).await.expect("kept");
    assert_eq!(site.machine().await.secrets, after.secrets, "keys that stay are not written");

    // With a key that nobody has any more.
    std::fs::write(site.path(), [5; 32]).expect("another key");
    let done = rotate(&site.process(), [6; 32], true).await.expect("given up");
    assert_eq!((done.resealed, done.lost), (0, 1));
    let fresh = site.process();
    let lost = machines::door(&fresh, &site.machine().await).expect_err("lost");
    assert!(lost.to_string().contains("give them again"), "{lost}");
    let missing = site.put_machine(&root, &fresh, None).await.expect_err("nothing is kept");
    assert!(matches!(&missing, Error::Invalid(fields) if fields[0].field == "ssh_key"), "{missing}");
    site.put_machine(&root, &fresh, Some(key)).await.expect("given again");
    let door = machines::door(&fresh, &site.machine().await).expect("it opens");
    assert_eq!(door.ssh.expect("keys").key.expose(), key);
}

fn root_id(bytes: [u8; 32]) -> KeyId {
    Root(Zeroizing::new(bytes)).id()
}

#[tokio::test]
async fn cut_off_anywhere_it_is_finished_by_the_next() {
    for stop_after in 0..4 {
        let site = Site::open().await;
        let running = site.process();
        site.fill(&running).await;
        // What the command does, up to where it is killed.
        let mut keys = file::read(&site.path()).expect("a key");
        let new = Root(Zeroizing::new([2; 32]));
        keys.insert(0, new.clone());
        file::write(&site.path(), &keys).expect("both keys");
        let killed = site.process();
        if stop_after > 0 {
            point_to(&killed, &new).await.expect("pointed");
        }
        let mut done = Rotated::default();
        for _ in 1..stop_after {
            reseal(&killed, &SEALED[1], &new, false, &mut done).await.expect("some");
        }
        assert_eq!(site.all_open(&running).await, 71, "after {stop_after}");
        assert_eq!(site.all_open(&site.process()).await, 71, "a portal that starts now");
        site.put_secret(&running, "meanwhile").await.expect("kept");
        let done = rotate(&site.process(), [3; 32], false).await.expect("finished");
        assert!(done.finished_earlier);
        let key = std::fs::read(site.path()).expect("a key");
        assert_eq!((key.len(), key[0]), (32, 2));
        assert_eq!(site.all_open(&site.process()).await, 72);
        assert_eq!(site.all_open(&running).await, 72);
    }
}

#[tokio::test]
async fn what_is_brought_back_meanwhile_is_sealed_with_the_new_key() {
    let site = Site::open().await;
    let running = site.process();
    site.put_secret(&running, "a").await.expect("kept");
    let may = site.ana.may::<can::Configure, _>(&running, &HolderKey { project: &site.project, service: None }).await.expect("allowed");
    configs::remove(&running, &may, None, model::configs::EntryKind::Secret, "a", &Edit::default()).await.expect("removed");
    let new = Root(Zeroizing::new([2; 32]));
    let old = file::read(&site.path()).expect("a key");
    file::write(&site.path(), &[new.clone(), old[0].clone()]).expect("both keys");
    point_to(&site.process(), &new).await.expect("pointed");
    configs::restore(&running, &may, None, 1, &Edit::default()).await.expect("restored");
    let mut tx = running.read().await.expect("a transaction");
    let sql = "SELECT content FROM config_entries WHERE until IS NULL";
    let content: Vec<u8> = tx.one(sql, args![], |row| row.get("content")).await.expect("it");
    drop(tx);
    assert!(crate::keys::is_sealed_with(&new.id(), &content), "the change of the key may have been through with the older row");
    assert_eq!(site.all_open(&running).await, 2);
}

#[tokio::test]
async fn what_is_set_meanwhile_is_never_lost() {
    let site = Arc::new(Site::open().await);
    let running = site.process();
    site.fill(&running).await;
    let busy = {
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            for n in 0..40 {
                site.put_secret(&running, &format!("m{n}")).await.expect("kept");
            }
        })
    };
    for round in 2..5 {
        rotate(&site.process(), [round; 32], false).await.expect("changed");
    }
    busy.await.expect("no panic");
    let again = rotate(&site.process(), [9; 32], false).await.expect("changed");
    assert_eq!(again.resealed, 111);
    assert_eq!(site.all_open(&site.process()).await, 111);
}

#[tokio::test]
async fn a_lost_key_is_told_and_what_it_sealed_is_set_again() {
    let site = Site::open().await;
    let running = site.process();
    site.fill(&running).await;
    std::fs::write(site.path(), [5; 32]).expect("another key");
    let started = site.process();
    assert!(check(&started).await.is_err());
    let refused = rotate(&started, [6; 32], false).await.expect_err("nothing opens");
    assert!(refused.to_string().contains("--give-up-lost"), "{refused}");
    let done = rotate(&site.process(), [7; 32], true).await.expect("given up");
    assert_eq!((done.resealed, done.lost), (0, 71));
    let fresh = site.process();
    check(&fresh).await.expect("it starts");
    site.put_secret(&fresh, "s0").await.expect("set again");
    let mut tx = fresh.read().await.expect("a transaction");
    let project: model::ids::ProjectId = tx.one("SELECT id FROM projects", args![], |row| row.get("id")).await.expect("it");
    let lost = credentials::open(&mut tx, &fresh, project, "registry.example.com").await.expect_err("lost");
    assert!(lost.to_string().contains("set it again"), "{lost}");
}

/// A column that a migration calls sealed and that is not changed here would be lost with the next change of the key.
#[test]
fn every_sealed_column_is_known() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
    let mut found = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("migrations").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        let mut table = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("CREATE TABLE ").or_else(|| line.strip_prefix("ALTER TABLE ")) {
                table = rest.split([' ', '(']).next().unwrap_or_default();
            }
            let (code, comment) = line.split_once("--").unwrap_or((line, ""));
            if code.contains("BYTEA") && comment.contains("sealed") {
                let column =
                    code.trim().trim_start_matches(&format!("ALTER TABLE {table} ADD COLUMN ")).split(' ').next().unwrap_or_default().to_owned();
                found.push(format!("{table}.{column}"));
            }
        }
    }
    let mut known: Vec<String> = SEALED.iter().map(|sealed| format!("{}.{}", sealed.table, sealed.column)).collect();
    found.sort();
    known.sort();
    assert_eq!(found, known);
}
