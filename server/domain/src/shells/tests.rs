use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use model::access::Role;
use model::descriptor::Descriptor;
use model::names::{ProjectName, ServiceName, Username};
use model::shell::ToClient;
use model::views::deployments::DeploymentState;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::args;
use crate::deployments::work::{NewTask, WorkKey};
use crate::deployments::{self, Intent, Request};
use crate::keys::Keys;
use crate::ports::{Place, Shell, ShellControl, ShellExit, ShellKeeper};
use crate::services::ServiceKey;
use crate::testing::{SomeEngines, Store};
use crate::{projects, worker::Worker};

mod records;

const SOON: Duration = Duration::from_secs(20);

/// An engine whose terminals end in the test.
#[derive(Default)]
struct Fake {
    opened: Mutex<Option<mpsc::UnboundedSender<Process>>>,
    /// It does not answer when it is to end something.
    away: AtomicBool,
    /// Marks of terminals that were ended later.
    swept: Mutex<Vec<String>>,
    /// It begins no terminal before the test says so.
    slow: AtomicBool,
    go_on: tokio::sync::Notify,
    /// Its terminals have no such command, as it turns out when they are started.
    lacks: AtomicBool,
}

/// The other end of a terminal.
struct Process {
    output: DuplexStream,
    input: DuplexStream,
    control: Arc<Control>,
}

#[derive(Default)]
struct Control {
    code: AtomicI64,
    ended: AtomicUsize,
    away: AtomicBool,
    sizes: Mutex<Vec<(u16, u16)>>,
}

#[async_trait]
impl ShellControl for Control {
    async fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        self.sizes.lock().expect("held by nobody else").push((columns, rows));
        Ok(())
    }

    async fn exit(&self) -> Result<ShellExit> {
        Ok(ShellExit::Code(self.code.load(Ordering::SeqCst)))
    }

    async fn end(&self) -> Result<()> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("away".into()));
        }
        self.ended.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl SomeEngines for Fake {
    async fn shell(&self, place: &Place, _: &ShellOrder, keeper: &dyn ShellKeeper) -> Result<Shell> {
        keeper.keep(&format!("mark of {}", place.container())).await?;
        if self.lacks.load(Ordering::SeqCst) {
            keeper.amend(&format!("mark of {} and its process", place.container())).await?;
            return Err(Error::conflict("command_not_found", "this image has no such command"));
        }
        if self.slow.load(Ordering::SeqCst) {
            self.go_on.notified().await;
        }
        let (output, ours) = duplex(16 * 1024);
        let (input, typed) = duplex(16 * 1024);
        let control = Arc::new(Control { away: AtomicBool::new(self.away.load(Ordering::SeqCst)), ..Control::default() });
        let process = Process { output, input, control: Arc::clone(&control) };
        self.opened.lock().expect("held by nobody else").as_ref().expect("a test listens").send(process).expect("a test listens");
        let output: std::pin::Pin<Box<dyn AsyncRead + Send>> = Box::pin(ours);
        Ok(Shell { output, input: Box::pin(typed), control })
    }

    async fn end_shell(&self, _: &Place, mark: &str) -> Result<()> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("away".into()));
        }
        self.swept.lock().expect("held by nobody else").push(mark.to_owned());
        Ok(())
    }
}

/// A task that runs, its project's developer and admin, and the engine.
struct Yard {
    store: Store,
    ana: Actor,
    root: Actor,
    project: ProjectName,
    task: TaskId,
    fake: Arc<Fake>,
    opened: mpsc::UnboundedReceiver<Process>,
}

impl Yard {
    async fn open() -> Self {
        let store = Store::open().await;
        let (ana, root) = (store.person("ana", false).await, store.person("root", true).await);
        let project = store.project("shop", &ana, Role::Developer).await;
        store.image(&project, "web", "1", 'a').await;
        let name: ServiceName = "web".parse().expect("a name");
        services::create(&store.platform, &store.may(&ana, &project).await, &name).await.expect("created");
        let may = ana.may(&store.platform, &ServiceKey { project: &project, service: &name }).await.expect("allowed");
        let request = Request { intent: Intent::default(), descriptor: Descriptor::parse("image: web:1").expect("a descriptor") };
        let deployment = deployments::deploy(&store.platform, &may, &request).await.expect("deployed");
        let key = WorkKey { service: may.id, environment: store.machine().await.environment_id };
        deployments::work::advance(&store.worker, deployment.id, DeploymentState::Rolling, None).await.expect("recorded");
        let work = deployments::work::load(&store.worker, key).await.expect("loaded").expect("something was deployed");
        let revision = work.target().expect("something should run").revision;
        let new = NewTask { key, revision, deployment: Some(deployment.id), machine: &work.machines[0], slot: 1, run: None };
        let task = deployments::work::create_task(&store.worker, &new).await.expect("made").id;
        deployments::work::task_running(&store.worker, task, "c1", None, store.platform.now()).await.expect("recorded");
        let (sender, opened) = mpsc::unbounded_channel();
        let fake = Arc::new(Fake { opened: Mutex::new(Some(sender)), ..Fake::default() });
        store.platform.plug(fake.clone(), fake.clone());
        Self { store, ana, root, project, task, fake, opened }
    }

    fn platform(&self) -> &Platform {
        &self.store.platform
    }

    async fn lease(&self, actor: &Actor) -> Result<Lease<can::OpenShell, TaskId>> {
        actor.lease(self.platform(), self.task).await
    }

    async fn shell(&mut self) -> (Attachment, Process) {
        let lease = self.lease(&self.ana).await.expect("allowed");
        let slot = slot(self.platform(), &self.ana).expect("room");
        let attachment = open(self.platform(), lease, slot, &order("")).await.expect("a shell");
        (attachment, self.opened.recv().await.expect("a process"))
    }

    async fn attach(&self, shell: ShellId, received: u64) -> Result<Attachment> {
        attach(self.platform(), self.lease(&self.ana).await.expect("allowed"), shell, received).await
    }

    /// The row: whether it is over, why, with which code.
    async fn row(&self, shell: ShellId) -> (bool, Option<String>, Option<i64>) {
        let sql = "SELECT ended_at, ended_why, exit_code FROM shells WHERE id = $1";
        let read = |row: &crate::db::Row<'_>| {
            Ok((row.get::<Option<model::time::Millis>>("ended_at")?.is_some(), row.get("ended_why")?, row.get("exit_code")?))
        };
        self.platform().read().await.expect("a transaction").one(sql, args![shell], read).await.expect("a row")
    }

    /// Waits until nothing is left of a shell but its row.
    async fn quiet(&self) {
        let mut busy = self.platform().shells().0.busy.subscribe();
        timeout(SOON, busy.wait_for(|count| *count == 0)).await.expect("in time").expect("it counts");
    }

    async fn expel(&self) {
        let may = self.store.may::<can::ManageMembers>(&self.root, &self.project).await;
        let name: Username = "ana".parse().expect("a name");
        projects::remove_member(self.platform(), &may, &name).await.expect("removed");
    }
}

fn order(command: &str) -> Order {
    let command = model::shell::command(command).expect("words");
    Order { terminal: ShellOrder { command, user: None, workdir: None, columns: 80, rows: 24 }, why: "to look".into() }
}

async fn next(attachment: &mut Attachment) -> Said {
    timeout(SOON, attachment.next()).await.expect("something is said")
}

/// Reads on until there is nothing to read for now; says nothing of what was shown.
async fn drain(attachment: &mut Attachment) -> u64 {
    let mut bytes = 0;
    while let Ok(said) = timeout(Duration::from_millis(300), attachment.next()).await {
        if let Said::Output(part) = said {
            bytes += part.len() as u64;
        }
    }
    bytes
}

/// Reads until the last word.
async fn ending(attachment: &mut Attachment) -> (Vec<u8>, ToClient) {
    let mut shown = Vec::new();
    loop {
        match next(attachment).await {
            Said::Output(bytes) => {
                shown.extend_from_slice(&bytes);
                attachment.hands().shown(u64::MAX);
            }
            Said::Taken(_) => {}
            Said::Ended(ending) => return (shown, ending.told().clone()),
        }
    }
}

fn code(told: &ToClient) -> &str {
    match told {
        ToClient::Error { code, .. } => code,
        other => panic!("no error: {other:?}"),
    }
}

/// Numbers from a seed (xorshift), so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Prints a counter until somebody types `!`, and keeps what was typed.
async fn count(mut process: Process) -> (Vec<u8>, Vec<u8>) {
    let (mut printed, mut typed) = (Vec::new(), Vec::new());
    let mut number = 0;
    while !typed.contains(&b'!') {
        let line = format!("{number}\r\n");
        number += 1;
        process.output.write_all(line.as_bytes()).await.expect("printed");
        printed.extend_from_slice(line.as_bytes());
        let mut part = [0; 64];
        if let Some(Ok(count)) = process.input.read(&mut part).now_or_never() {
            typed.extend_from_slice(&part[..count]);
        }
    }
    (printed, typed)
}

/// A client whose line is cut now and then: it knows what reached it, and no more.
#[derive(Default)]
struct Client {
    received: Vec<u8>,
    keys: Vec<u8>,
}

impl Client {
    /// One connection of at most so many steps; true: the session is over.
    async fn connect(&mut self, attachment: &mut Attachment, steps: u64, dice: &mut Dice) -> bool {
        let hands = attachment.hands();
        for step in 0..steps {
            match next(attachment).await {
                // The first word says what need not be typed again.
                Said::Taken(taken) if step == 0 => {
                    hands.typed(&self.keys[usize::try_from(taken).expect("small")..]);
                    continue;
                }
                Said::Taken(_) => {}
                // Sent, and never arrived.
                Said::Output(_) if step + 1 == steps && dice.roll(2) == 0 => {}
                Said::Output(bytes) => {
                    self.received.extend_from_slice(&bytes);
                    hands.shown(self.received.len() as u64);
                }
                Said::Ended(ending) => {
                    assert_eq!(*ending.told(), ToClient::Exit { code: 0 });
                    return true;
                }
            }
            if steps == u64::MAX {
                if step == 1 {
                    self.keys.push(b'!');
                    hands.typed(b"!");
                }
                continue;
            }
            let key = format!("<{}>", self.keys.len());
            self.keys.extend_from_slice(key.as_bytes());
            if dice.roll(8) == 0 {
                // Typed into a line that was cut already.
                return false;
            }
            hands.typed(key.as_bytes());
        }
        false
    }
}

#[tokio::test]
async fn a_hundred_cuts_lose_nothing_and_double_nothing() {
    let mut yard = Yard::open().await;
    let (mut attachment, process) = yard.shell().await;
    let id = attachment.id();
    let counting = tokio::spawn(count(process));
    let (mut client, mut dice) = (Client::default(), Dice(0x5eed));
    for _ in 0..100 {
        let steps = dice.roll(40);
        assert!(!client.connect(&mut attachment, steps, &mut dice).await, "it counts on");
        drop(attachment);
        attachment = yard.attach(id, client.received.len() as u64).await.expect("it goes on");
    }
    assert!(client.connect(&mut attachment, u64::MAX, &mut dice).await);
    let (printed, typed) = counting.await.expect("no panic");
    assert_eq!(client.received.len(), printed.len());
    assert!(client.received == printed, "every number once, in order");
    assert_eq!(String::from_utf8_lossy(&typed), String::from_utf8_lossy(&client.keys), "every key once, in order");
}

#[tokio::test]
async fn a_client_that_shows_nothing_holds_a_mebibyte_and_ctrl_c_passes_it() {
    let mut yard = Yard::open().await;
    let (mut attachment, Process { mut output, mut input, control: _control }) = yard.shell().await;
    let flood = tokio::spawn(async move { while output.write_all(&[b'y'; 8 * 1024]).await.is_ok() {} });
    assert_eq!(drain(&mut attachment).await, AHEAD_MAX);
    attachment.hands().typed(b"\x03");
    assert_eq!(timeout(SOON, input.read_u8()).await.expect("in time").expect("a key"), 3, "what is typed waits for nothing that is shown");
    attachment.hands().shown(1000);
    assert_eq!(drain(&mut attachment).await, 1000, "as much as was shown may follow");
    flood.abort();
}

#[tokio::test]
async fn a_shell_that_nobody_comes_back_to_is_ended_for_good() {
    let mut yard = Yard::open().await;
    let (attachment, process) = yard.shell().await;
    let id = attachment.id();
    assert_eq!(yard.row(id).await, (false, None, None));
    yard.platform().shells().set_grace(Duration::from_millis(50));
    drop(attachment);
    yard.quiet().await;
    assert_eq!(process.control.ended.load(Ordering::SeqCst), 1, "its process too");
    assert_eq!(yard.row(id).await, (true, Some("left".into()), None));
    let Err(Error::Conflict { code: "ended", message }) = yard.attach(id, 0).await.map(drop) else { panic!("it is refused") };
    assert!(message.contains("too long"), "{message}");
}

#[tokio::test]
async fn a_session_without_a_client_counts_and_one_that_is_over_does_not() {
    let mut yard = Yard::open().await;
    let mut held = Vec::new();
    for _ in 0..streams::Kind::Shell.most() {
        let (attachment, process) = yard.shell().await;
        held.push((attachment.id(), process));
    }
    let refused = slot(yard.platform(), &yard.ana).map(drop).expect_err("all of them wait for their owner");
    assert_eq!(refused.problem().code, "too_many_open");
    // One ends; nobody asked how yet.
    let (id, process) = held.pop().expect("one");
    drop(process);
    let over = async {
        while yard.row(id).await.1.as_deref() != Some("exited") {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, over).await.expect("it ends");
    let again = slot(yard.platform(), &yard.ana).expect("its place is free");
    drop(again);
}

#[tokio::test]
async fn the_newest_attachment_has_it_and_the_older_one_is_told() {
    let mut yard = Yard::open().await;
    let (mut older, mut process) = yard.shell().await;
    let id = older.id();
    process.output.write_all(b"hello").await.expect("printed");
    assert_eq!(next(&mut older).await, Said::Taken(0));
    assert_eq!(next(&mut older).await, Said::Output(Bytes::from_static(b"hello")));
    let hands = older.hands();
    hands.typed(b"abc");
    let mut newer = yard.attach(id, 2).await.expect("attached");
    let (_, told) = ending(&mut older).await;
    assert_eq!(code(&told), "replaced");
    hands.typed(b"lost");
    hands.shown(5);
    drop(older);
    assert_eq!(next(&mut newer).await, Said::Taken(3), "what the older one typed is not typed again");
    assert_eq!(next(&mut newer).await, Said::Output(Bytes::from_static(b"llo")));
    newer.hands().typed(b"def");
    let mut typed = [0; 6];
    timeout(SOON, process.input.read_exact(&mut typed)).await.expect("in time").expect("typed");
    assert_eq!(&typed, b"abcdef");
    for byte in [1, 6] {
        let Err(Error::Conflict { code: "lost", .. }) = yard.attach(id, byte).await.map(drop) else { panic!("byte {byte} is not there") };
    }
    assert_eq!(process.control.ended.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn how_it_ended_is_told_to_whoever_was_away() {
    let mut yard = Yard::open().await;
    let (attachment, mut process) = yard.shell().await;
    let id = attachment.id();
    drop(attachment);
    process.output.write_all(b"the last words").await.expect("printed");
    process.control.code.store(3, Ordering::SeqCst);
    drop(process);
    yard.quiet().await;
    assert_eq!(yard.row(id).await, (true, Some("exited".into()), Some(3)));
    let mut attachment = yard.attach(id, 4).await.expect("its end is kept for a while");
    assert_eq!(ending(&mut attachment).await, (b"last words".to_vec(), ToClient::Exit { code: 3 }));
    attachment.done();
    let gone = async { while yard.attach(id, 14).await.is_ok() {} };
    timeout(SOON, gone).await.expect("and forgotten when it was told");
}

#[tokio::test]
async fn a_lost_role_ends_it_also_while_nobody_is_there() {
    for watched in [true, false] {
        let mut yard = Yard::open().await;
        let (mut attachment, mut process) = yard.shell().await;
        let id = attachment.id();
        let mut there = None;
        if watched {
            next(&mut attachment).await;
            process.output.write_all(b"secret").await.expect("printed");
            there = Some(attachment);
        } else {
            drop(attachment);
        }
        yard.expel().await;
        yard.quiet().await;
        assert_eq!(process.control.ended.load(Ordering::SeqCst), 1);
        assert_eq!(yard.row(id).await.1.as_deref(), Some("access_lost"));
        if let Some(mut attachment) = there {
            let (shown, told) = ending(&mut attachment).await;
            assert_eq!((shown.as_slice(), code(&told)), (&b""[..], "not_found"), "cut at once");
        }
        assert!(yard.lease(&yard.ana).await.is_err());
    }
}

#[tokio::test]
async fn nobody_attaches_to_another_ones_shell() {
    let mut yard = Yard::open().await;
    let (attachment, _process) = yard.shell().await;
    let lease = yard.lease(&yard.root).await.expect("an operator may open shells here");
    let error = attach(yard.platform(), lease, attachment.id(), 0).await.map(drop).expect_err("but this one is not theirs");
    assert!(matches!(error, Error::NotFound { what: "shell" }), "{error}");
    let error = yard.attach(yard.platform().new_id(), 0).await.map(drop).expect_err("there is none");
    assert!(matches!(error, Error::NotFound { what: "shell" }), "{error}");
}

#[tokio::test]
async fn an_admin_ends_a_shell_and_its_owner_reads_who_it_was() {
    let mut yard = Yard::open().await;
    let (mut attachment, process) = yard.shell().await;
    let id = attachment.id();
    let may = yard.store.may::<can::ManageProject>(&yard.root, &yard.project).await;
    end(yard.platform(), &may, id).await.expect("ended");
    assert_eq!(process.control.ended.load(Ordering::SeqCst), 1, "when the answer comes, it is over");
    assert_eq!(yard.row(id).await, (true, Some("ended".into()), None));
    let (_, told) = ending(&mut attachment).await;
    assert_eq!(told, ToClient::Error { code: "ended".into(), message: "root ended this shell".into() });
    assert!(yard.store.audit().await.contains(&format!("shell.end {id}")));
    assert!(matches!(end(yard.platform(), &may, id).await, Err(Error::Conflict { code: "ended", .. })));
    let missing = yard.platform().new_id();
    assert!(matches!(end(yard.platform(), &may, missing).await, Err(Error::NotFound { what: "shell" })));
}

#[tokio::test]
async fn a_portal_that_stops_tells_and_ends_all_and_opens_no_more() {
    let mut yard = Yard::open().await;
    let (mut attachment, process) = yard.shell().await;
    let (away, other) = yard.shell().await;
    let (one, two) = (attachment.id(), away.id());
    drop(away);
    stop(yard.platform()).await;
    assert_eq!((process.control.ended.load(Ordering::SeqCst), other.control.ended.load(Ordering::SeqCst)), (1, 1));
    assert_eq!(code(&ending(&mut attachment).await.1), "stopping");
    for id in [one, two] {
        assert_eq!(yard.row(id).await, (true, Some("portal_stopped".into()), None));
    }
    let lease = yard.lease(&yard.ana).await.expect("allowed");
    let slot = slot(yard.platform(), &yard.ana).expect("room");
    assert!(matches!(open(yard.platform(), lease, slot, &order("")).await.map(drop), Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn what_a_killed_portal_left_is_ended_by_the_next_one() {
    let mut yard = Yard::open().await;
    let (attachment, _process) = yard.shell().await;
    let id = attachment.id();
    let tended = work::tend(&yard.store.worker).await.expect("looked");
    assert_eq!(tended, (0, 0), "what lives is left alone");
    // Another life of the portal over the same database; the first one does nothing any more.
    let entropy = Box::new(|buffer: &mut [u8]| getrandom::fill(buffer).expect("randomness"));
    let next = Platform::with(yard.store.db.clone(), Keys::of([7; 32]), yard.store.clock.clone(), entropy);
    next.plug(yard.fake.clone(), yard.fake.clone());
    #[expect(clippy::disallowed_methods, reason = "a test does what a loop does")]
    let worker = Worker::hire(&next, "test");
    yard.fake.away.store(true, Ordering::SeqCst);
    assert_eq!(work::tend(&worker).await.expect("looked"), (0, 1), "not while its engine is away");
    assert_eq!(yard.row(id).await, (false, None, None));
    yard.fake.away.store(false, Ordering::SeqCst);
    assert_eq!(work::tend(&worker).await.expect("looked"), (1, 0));
    assert_eq!(*yard.fake.swept.lock().expect("held by nobody else"), ["mark of c1"]);
    assert_eq!(yard.row(id).await, (true, Some("portal_restarted".into()), None));
    let lease = yard.ana.lease(&next, yard.task).await.expect("allowed");
    let Err(Error::Conflict { code: "ended", message }) = attach(&next, lease, id, 0).await.map(drop) else { panic!("it is over") };
    assert!(message.contains("restarted"), "{message}");
}

#[tokio::test]
async fn what_cannot_be_ended_now_is_ended_later_for_the_same_reason() {
    let mut yard = Yard::open().await;
    yard.fake.away.store(true, Ordering::SeqCst);
    let (attachment, mut process) = yard.shell().await;
    let id = attachment.id();
    attachment.leave();
    yard.quiet().await;
    assert_eq!(yard.row(id).await, (false, Some("left".into()), None), "its processes may be there: it is not over");
    let mut typed = Vec::new();
    process.input.read_to_end(&mut typed).await.expect("typed");
    assert_eq!(typed, b"\x03\x1c\x04", "it was asked to end as its user would");
    yard.fake.away.store(false, Ordering::SeqCst);
    assert_eq!(work::tend(&yard.store.worker).await.expect("looked"), (1, 0));
    assert_eq!(yard.row(id).await, (true, Some("left".into()), None));
}

#[tokio::test]
async fn shells_that_cannot_be_ended_are_left_alone_for_a_while_and_keep_no_other_waiting() {
    let mut yard = Yard::open().await;
    yard.fake.away.store(true, Ordering::SeqCst);
    let (mut ids, mut processes) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (attachment, process) = yard.shell().await;
        ids.push(attachment.id());
        processes.push(process);
        attachment.leave();
    }
    yard.quiet().await;
    // One that lives is none of them, wherever it stands.
    let (_living, _process) = yard.shell().await;
    for _ in 0..3 {
        assert_eq!(work::tend_some(&yard.store.worker, 2).await.expect("looked"), (0, 2), "a moment later it is tried again");
    }
    yard.fake.away.store(false, Ordering::SeqCst);
    assert_eq!(work::tend_some(&yard.store.worker, 2).await.expect("looked"), (1, 0), "the next one has its turn");
    yard.fake.away.store(true, Ordering::SeqCst);
    yard.store.later(14);
    assert_eq!(work::tend_some(&yard.store.worker, 2).await.expect("looked"), (0, 0));
    yard.store.later(1);
    assert_eq!(work::tend_some(&yard.store.worker, 2).await.expect("looked"), (0, 2));
    yard.fake.away.store(false, Ordering::SeqCst);
    yard.store.later(29);
    assert_eq!(work::tend_some(&yard.store.worker, 2).await.expect("looked"), (0, 0), "longer than the last time");
    yard.store.later(1);
    assert_eq!(work::tend_some(&yard.store.worker, 2).await.expect("looked"), (2, 0));
    for id in ids {
        assert_eq!(yard.row(id).await, (true, Some("left".into()), None));
    }
}

#[tokio::test]
async fn a_shell_that_is_ended_while_it_is_opened_ends_as_soon_as_it_is_there() {
    let mut yard = Yard::open().await;
    yard.fake.slow.store(true, Ordering::SeqCst);
    let may = yard.store.may::<can::ManageProject>(&yard.root, &yard.project).await;
    let lease = yard.lease(&yard.ana).await.expect("allowed");
    let slot = slot(yard.platform(), &yard.ana).expect("room");
    let platform = yard.platform().clone();
    let opening = tokio::spawn(async move { open(&platform, lease, slot, &order("")).await });
    let on_record = async {
        loop {
            let mut tx = yard.platform().read().await.expect("a transaction");
            let found: Option<ShellId> = tx.opt("SELECT id FROM shells", args![], |row| row.get("id")).await.expect("read");
            drop(tx);
            if let Some(id) = found {
                break id;
            }
            tokio::task::yield_now().await;
        }
    };
    let id = timeout(SOON, on_record).await.expect("its row is there first");
    let asked = async {
        while !yard.platform().shells().sessions().asked_to_end.contains_key(&id) {
            tokio::task::yield_now().await;
        }
        yard.fake.go_on.notify_one();
    };
    let (ended, ()) = timeout(SOON, async { tokio::join!(end(yard.platform(), &may, id), asked) }).await.expect("in time");
    ended.expect("ended");
    let mut attachment = opening.await.expect("no panic").expect("a shell");
    let process = yard.opened.recv().await.expect("a process");
    let (_, told) = ending(&mut attachment).await;
    assert_eq!(told, ToClient::Error { code: "ended".into(), message: "root ended this shell".into() });
    assert_eq!(process.control.ended.load(Ordering::SeqCst), 1);
    assert_eq!(yard.row(id).await, (true, Some("ended".into()), None));
    assert!(yard.platform().shells().sessions().asked_to_end.is_empty());
}

#[tokio::test]
async fn a_shell_that_cannot_be_written_down_leaves_no_recording() {
    let yard = Yard::open().await;
    let mut write = yard.platform().bookkeeping().await.expect("a transaction");
    write.exec("ALTER TABLE shells RENAME TO gone", args![]).await.expect("renamed");
    write.finish().await.expect("kept");
    let lease = yard.lease(&yard.ana).await.expect("allowed");
    let slot = slot(yard.platform(), &yard.ana).expect("room");
    open(yard.platform(), lease, slot, &order("")).await.map(drop).expect_err("it is on record or not at all");
    let shelf = yard.platform().recordings().expect("a folder");
    let project = std::fs::read_dir(shelf.folder()).expect("the folder").next().expect("a recording was begun").expect("readable").path();
    assert_eq!(std::fs::read_dir(project).expect("the project's folder").count(), 0);
}

#[tokio::test]
async fn who_types_faster_than_is_taken_waits_and_what_is_typed_at_once_arrives_whole() {
    let mut yard = Yard::open().await;
    let (attachment, mut process) = yard.shell().await;
    let hands = attachment.hands();
    let paste: Vec<u8> = (0..2_097_152_u32).map(|at| (at % 251) as u8).collect();
    assert!(hands.has_room());
    hands.typed(&paste);
    assert!(!hands.has_room(), "a mebibyte and more waits");
    let mut typed = vec![0; paste.len()];
    timeout(SOON, process.input.read_exact(&mut typed)).await.expect("in time").expect("typed");
    assert!(typed == paste, "every byte, in order");
    timeout(SOON, hands.room()).await.expect("there is room again");
}

#[tokio::test]
async fn of_many_sizes_the_last_one_is_told() {
    let mut yard = Yard::open().await;
    let (attachment, process) = yard.shell().await;
    for columns in 81..=180 {
        attachment.hands().resize(columns, 30);
    }
    let told = async {
        while process.control.sizes.lock().expect("held by nobody else").last() != Some(&(180, 30)) {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, told).await.expect("the last size is the terminal's");
}

#[tokio::test]
async fn what_is_wrong_with_an_order_is_said_by_its_field() {
    let yard = Yard::open().await;
    let long = "x".repeat(256);
    for (field, order) in [
        ("command", Order { terminal: ShellOrder { command: Some(vec![long.clone()]), ..order("").terminal }, ..order("") }),
        ("user", Order { terminal: ShellOrder { user: Some("a\0".into()), ..order("").terminal }, ..order("") }),
        ("workdir", Order { terminal: ShellOrder { workdir: Some(long.clone()), ..order("").terminal }, ..order("") }),
        ("why", Order { why: long.clone(), ..order("") }),
        ("why", Order { why: "two\nlines".into(), ..order("") }),
    ] {
        let lease = yard.lease(&yard.ana).await.expect("allowed");
        let slot = slot(yard.platform(), &yard.ana).expect("room");
        let Err(Error::Invalid(fields)) = open(yard.platform(), lease, slot, &order).await.map(drop) else { panic!("{field} is refused") };
        assert_eq!(fields[0].field, field);
    }
}
