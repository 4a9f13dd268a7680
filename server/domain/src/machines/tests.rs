use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use model::machine::MachineForm;
use model::views::environments::{HostKeyView, MachineView, StepState, TrialStep};

use super::*;
use crate::access::Actor;
use crate::ports::{EngineDoor, Trial, TrialOrder};
use crate::testing::{SomeEngines, Store};

const PEM: &str = "-----BEGIN PRIVATE KEY-----\nTOPSECRET\n-----END PRIVATE KEY-----";

/// Engines that answer as the test says, and remember how they were asked.
#[derive(Default)]
struct Fake {
    answer: Mutex<Option<Trial>>,
    door: Mutex<Option<EngineDoor>>,
}

#[async_trait]
impl SomeEngines for Fake {
    async fn try_door(&self, order: &TrialOrder) -> Trial {
        *self.door.lock().expect("held by nobody else") = Some(order.door.clone());
        self.answer.lock().expect("held by nobody else").clone().unwrap_or_else(|| answers("E-new"))
    }
}

fn answers(id: &str) -> Trial {
    let steps = vec![TrialStep { step: "reach".into(), state: StepState::Ok, message: "It answers.".into() }];
    Trial { steps, host_key: None, engine_id: Some(id.into()) }
}

fn fails(host_key: Option<&str>) -> Trial {
    let steps = vec![TrialStep { step: "identity".into(), state: StepState::Failed, message: "Nobody confirmed its key.".into() }];
    Trial { steps, host_key: host_key.map(|key| HostKeyView { key: key.into(), fingerprint: "SHA256:x".into() }), engine_id: None }
}

struct Yard {
    store: Store,
    root: Actor,
    fake: Arc<Fake>,
}

impl Yard {
    async fn open() -> Self {
        let store = Store::open().await;
        let root = store.person("root", true).await;
        let fake = Arc::new(Fake::default());
        store.platform.plug(fake.clone(), fake.clone());
        let yard = Self { store, root, fake };
        let order = environments::EnvironmentOrder {
            description: String::new(),
            registry_address: Some("10.0.0.5:3000".into()),
            protected: false,
            second_person: false,
            open: true,
            projects: Vec::new(),
        };
        let may = yard.root.may(&yard.store.platform, &Site).await.expect("allowed");
        environments::put(&yard.store.platform, &may, &"far".parse().expect("a name"), &order).await.expect("kept");
        yard
    }

    fn answer(&self, trial: Trial) {
        *self.fake.answer.lock().expect("held by nobody else") = Some(trial);
    }

    fn door(&self) -> EngineDoor {
        self.fake.door.lock().expect("held by nobody else").clone().expect("it was tried")
    }

    async fn far(&self) -> May<can::ManageEnvironments, Environment> {
        let name: EnvironmentName = "far".parse().expect("a name");
        self.root.may(&self.store.platform, &name).await.expect("there")
    }

    async fn put(&self, name: &str, form: &MachineForm, untested: bool) -> Result<(MachineView, bool)> {
        let name: MachineName = name.parse().expect("a name");
        put(&self.store.platform, &self.far().await, &name, form, untested).await.map(|(view, _, new)| (view, new))
    }

    async fn machine(&self, name: &str) -> Machine {
        all(&self.store.worker).await.expect("read").into_iter().find(|machine| machine.name.as_str() == name).expect("there")
    }

    async fn remove(&self, name: &str, gone: bool) -> Result<()> {
        remove(&self.store.platform, &self.far().await, &name.parse().expect("a name"), gone).await
    }

    /// A task on a machine, as reconciliation makes one.
    async fn task_on(&self, machine: &str) {
        let machine = self.machine(machine).await;
        let project = self.store.project("shop", &self.root, model::access::Role::Admin).await;
        self.store.image(&project, "web", "1", 'a').await;
        let service: model::names::ServiceName = "web".parse().expect("a name");
        let platform = &self.store.platform;
        crate::services::create(platform, &self.store.may(&self.root, &project).await, &service).await.expect("created");
        let may = self.root.may(platform, &crate::services::ServiceKey { project: &project, service: &service }).await.expect("allowed");
        let request = crate::deployments::Request {
            intent: crate::deployments::Intent::in_environment(Some(machine.environment.clone())),
            descriptor: model::descriptor::Descriptor::parse("image: web:1").expect("a descriptor"),
        };
        let made = crate::deployments::deploy(platform, &may, &request).await.expect("deployed");
        let mut write = platform.bookkeeping().await.expect("a transaction");
        let sql =
            "INSERT INTO tasks (id, service_id, environment_id, machine_id, revision_id, deployment_id, slot, state, health, container, restarts,
                   created_at) SELECT $1, d.service_id, d.environment_id, $2, d.revision_id, d.id, 1, 'running', 'none', 'c', 0, 0
                   FROM deployments d WHERE d.id = $3";
        write.exec(sql, args![platform.new_id::<model::ids::TaskId>(), machine.id, made.id]).await.expect("a task");
        write.finish().await.expect("kept");
    }
}

fn code<T>(result: Result<T>) -> (&'static str, String) {
    match result {
        Err(Error::Conflict { code, message }) => (code, message),
        Err(other) => panic!("expected a conflict, got {other:?}"),
        Ok(_) => panic!("expected a conflict"),
    }
}

fn tls() -> MachineForm {
    MachineForm { engine: "tcp://docker1:2376".into(), ca: PEM.into(), certificate: PEM.into(), key: PEM.into(), ..MachineForm::default() }
}

fn ssh() -> MachineForm {
    MachineForm { engine: "ssh://u@docker2".into(), ssh_key: PEM.into(), ..MachineForm::default() }
}

fn up(id: &str) -> Seen {
    Seen::Up {
        id: id.into(),
        version: "28.5".into(),
        api_version: "1.51".into(),
        os: "Debian".into(),
        cpus: 2,
        memory: 1 << 30,
        certificate_ends: None,
    }
}

#[tokio::test]
async fn a_machine_is_kept_with_sealed_keys_that_nobody_reads() {
    let yard = Yard::open().await;
    let (view, new) = yard.put("docker1", &tls(), false).await.expect("kept");
    assert!(new && view.tested_at.is_some());
    assert_eq!((view.guard, view.host.as_str(), view.publish_address.as_deref()), (Some(Guard::Tls), "docker1", Some("0.0.0.0")));
    let keys = yard.door().tls.expect("keys");
    assert!(keys.ca.contains("TOPSECRET") && keys.client.is_some());
    let machine = yard.machine("docker1").await;
    let sealed = machine.secrets.clone().expect("sealed");
    assert!(!sealed.windows(9).any(|bytes| bytes == b"TOPSECRET"));
    assert_eq!(door(&yard.store.platform, &machine).expect("opened"), yard.door());
    let everything = format!("{view:?} {machine:?} {:?}", yard.store.audit().await) + &serde_json::to_string(&view).expect("JSON");
    assert!(!everything.contains("TOPSECRET"));

    // What is left out stays; what is typed takes its place.
    let (_, new) = yard.put("docker1", &MachineForm { engine: "tcp://docker1:2377".into(), ..MachineForm::default() }, false).await.expect("kept");
    assert!(!new && yard.door().tls.is_some_and(|keys| keys.client.is_some()));
    let other = PEM.replace("TOPSECRET", "OTHER");
    yard.put("docker1", &MachineForm { ca: other, ..MachineForm { engine: "tcp://docker1:2377".into(), ..MachineForm::default() } }, false)
        .await
        .expect("kept");
    let keys = yard.door().tls.expect("keys");
    assert!(keys.ca.contains("OTHER") && keys.client.is_some_and(|(certificate, _)| certificate.contains("TOPSECRET")));
    let plain = MachineForm { engine: "tcp://docker1:2375".into(), without_tls: true, ..MachineForm::default() };
    let (view, _) = yard.put("docker1", &plain, false).await.expect("kept");
    assert_eq!((view.guard, view.state), (Some(Guard::Nothing), MachineState::Unknown));
    seen(&yard.store.worker, &yard.machine("docker1").await, &up("E-new")).await.expect("recorded");
    assert_eq!(yard.put("docker1", &plain, false).await.expect("kept").0.state, MachineState::Up);
    assert!(yard.machine("docker1").await.secrets.is_none(), "keys that nobody needs are forgotten");
    let audit = yard.store.audit().await;
    assert!(audit.contains(&"machine.create docker1".into()) && audit.contains(&"machine.update docker1".into()), "{audit:?}");
}

#[tokio::test]
async fn what_fails_its_test_is_saved_only_on_demand() {
    let yard = Yard::open().await;
    yard.answer(fails(Some("ssh-ed25519 AAAA")));
    let (code, message) = code(yard.put("docker2", &ssh(), false).await);
    assert_eq!(code, "machine_test_failed");
    assert!(message.contains("Nobody confirmed its key.") && message.contains("ssh-ed25519 AAAA"), "{message}");
    assert_eq!(all(&yard.store.worker).await.expect("read").len(), 1, "nothing was kept");
    let (view, _) = yard.put("docker2", &ssh(), true).await.expect("kept");
    assert_eq!((view.tested_at, view.guard), (None, Some(Guard::Ssh)));
    assert!(yard.door().ssh.is_some_and(|keys| keys.host_key.is_none()));

    // Confirmed once, it stays confirmed at this server, and nowhere else.
    yard.answer(answers("E2"));
    let confirmed = MachineForm { host_key: "ssh-ed25519 AAAA".into(), ..MachineForm { engine: "ssh://u@docker2".into(), ..MachineForm::default() } };
    assert!(yard.put("docker2", &confirmed, false).await.expect("kept").0.tested_at.is_some());
    let again = MachineForm { host_key: String::new(), engine: "ssh://other@docker2".into(), ..MachineForm::default() };
    yard.put("docker2", &again, false).await.expect("kept");
    assert!(yard.door().ssh.is_some_and(|keys| keys.host_key.as_deref() == Some("ssh-ed25519 AAAA") && keys.key.expose().contains("TOPSECRET")));
    yard.put("docker2", &MachineForm { engine: "ssh://u@docker3".into(), ..again }, false).await.expect("kept");
    assert!(yard.door().ssh.is_some_and(|keys| keys.host_key.is_none()));
    let form = MachineForm { engine: "tcp://docker2:2376".into(), ..MachineForm::default() };
    assert!(
        matches!(yard.put("docker2", &form, true).await, Err(Error::Invalid(fields)) if fields[0].field == "ca"),
        "keys for SSH are none for TLS"
    );
    let plain = MachineForm { engine: "tcp://docker2:2375".into(), without_tls: true, ..MachineForm::default() };
    let (view, _) = yard.put("docker2", &plain, false).await.expect("kept");
    assert_eq!((view.guard, yard.machine("docker2").await.secrets), (Some(Guard::Nothing), None), "and are forgotten where they open nothing");
}

#[tokio::test]
async fn one_engine_is_one_machine() {
    let yard = Yard::open().await;
    yard.answer(answers("E1"));
    yard.put("docker1", &tls(), false).await.expect("kept");
    let (docker1, local) = (yard.machine("docker1").await, yard.machine("local").await);
    assert!(seen(&yard.store.worker, &docker1, &up("E1")).await.expect("recorded"));
    assert!(seen(&yard.store.worker, &docker1, &up("E1")).await.expect("recorded"), "it is itself");
    let (code, message) = code(yard.put("docker2", &MachineForm { engine: "tcp://docker1.lan:2376".into(), ..tls() }, false).await);
    assert!(code == "machine_test_failed" && message.contains("docker1 already"), "{message}");

    // One that turns out to be another's is not used.
    assert!(!seen(&yard.store.worker, &local, &up("E1")).await.expect("recorded"));
    let local = yard.machine("local").await;
    assert_eq!(local.state, MachineState::Away);
    assert!(seen(&yard.store.worker, &docker1, &Seen::Away("gone".into())).await.is_ok());
    assert!(seen(&yard.store.worker, &local, &up("E1")).await.expect("recorded"), "the other one does not hold it any more");
}

#[tokio::test]
async fn a_machine_with_tasks_is_not_exchanged_and_not_removed() {
    let yard = Yard::open().await;
    yard.answer(answers("E1"));
    yard.put("docker1", &tls(), false).await.expect("kept");
    let machine = yard.machine("docker1").await;
    seen(&yard.store.worker, &machine, &up("E1")).await.expect("recorded");
    // What is reached as before is not asked anew: nobody would.
    let wider = MachineForm { engine: "tcp://docker1:2376".into(), first_port: "21000".into(), ..MachineForm::default() };
    let (view, _) = yard.put("docker1", &wider, false).await.expect("kept");
    assert_eq!((view.state, view.ports.0), (MachineState::Up, 21_000));
    assert!(yard.machine("docker1").await.same_door(&machine));
    yard.task_on("docker1").await;
    // The same engine at another address is no other machine.
    yard.put("docker1", &MachineForm { engine: "tcp://docker1.lan:2376".into(), ..MachineForm::default() }, false).await.expect("kept");
    yard.answer(answers("E9"));
    let moved = MachineForm { engine: "tcp://docker9:2376".into(), ..MachineForm::default() };
    let (refused, message) = code(yard.put("docker1", &moved, false).await);
    assert!(refused == "machine_in_use" && message.contains("shop/web"), "{message}");
    yard.answer(fails(None));
    assert_eq!(code(yard.put("docker1", &moved, true).await).0, "machine_in_use", "and not to one that nobody could look at");

    let (refused, message) = code(yard.remove("docker1", false).await);
    assert!(refused == "machine_in_use" && message.contains("shop/web"), "{message}");
    seen(&yard.store.worker, &yard.machine("docker1").await, &up("E1")).await.expect("recorded");
    assert_eq!(code(yard.remove("docker1", true).await).0, "machine_answers");
    seen(&yard.store.worker, &yard.machine("docker1").await, &Seen::Away("burnt".into())).await.expect("recorded");
    yard.remove("docker1", true).await.expect("removed");
    assert_eq!(all(&yard.store.worker).await.expect("read").len(), 1);
    let lost = "SELECT COUNT(*) AS n FROM tasks WHERE state = 'lost' AND ended_at IS NOT NULL AND removed_at IS NOT NULL";
    let lost: i64 = yard.store.platform.read().await.expect("a transaction").one(lost, args![], |row| row.get("n")).await.expect("a count");
    assert_eq!(lost, 1);
    yard.answer(answers("E1"));
    assert!(yard.put("docker1", &tls(), false).await.expect("its name and its engine are free").1);
}

#[tokio::test]
async fn what_the_configuration_made_is_changed_there() {
    let yard = Yard::open().await;
    let name: EnvironmentName = "local".parse().expect("a name");
    let local: May<can::ManageEnvironments, Environment> = yard.root.may(&yard.store.platform, &name).await.expect("there");
    let machine: MachineName = "local".parse().expect("a name");
    let refused = put(&yard.store.platform, &local, &machine, &tls(), true).await.map(drop);
    assert_eq!(code(refused).0, "machine_configured");
    assert_eq!(code(remove(&yard.store.platform, &local, &machine, true).await).0, "machine_configured");
    assert_eq!(code(yard.put("local", &tls(), true).await).0, "machine_taken", "of another environment");
    assert!(try_machine(&yard.store.platform, &local, &machine, None).await.expect("tried").passed, "it can be tried");
    let nobody: MachineName = "nobody".parse().expect("a name");
    assert!(matches!(try_machine(&yard.store.platform, &local, &nobody, None).await, Err(Error::NotFound { .. })));
}
