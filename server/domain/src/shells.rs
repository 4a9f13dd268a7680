//! Shells: a terminal in a running task. Who opened one, where, as whom and why is on record before its first byte.
//!
//! A shell is a row and, while it lives, a *session* in memory that outlives its client's connection: a client that was cut off attaches again and
//! goes on from the byte that it had last, nothing lost and nothing twice. A session without a client is ended after a while; with its owner's
//! permission, its task, or the portal it ends at once. Its processes end with it ([`work`] ends those of a portal that was killed).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::ids::{ShellId, TaskId, UserId};
use model::views::services::TaskState;
use tokio::sync::watch;

use crate::access::{Actor, Lease, May, Resource, can};
use crate::change::Record;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::ports::ShellOrder;
use crate::services;
use crate::streams::{self, Slot};

mod ending;
mod life;
mod opening;
pub mod recording;
mod replay;
pub mod retention;
mod rows;
mod session;
#[cfg(test)]
mod tests;
pub mod watching;
pub mod work;

pub use ending::Ending;
use life::Life;
use opening::Opening;
use session::Session;
pub use session::{Attachment, Hands, Said};

/// Longest name of a user, a folder or a program, and longest reason, in bytes.
const TEXT_MAX: usize = 255;
/// Output kept and sent ahead of what the client has shown, in bytes; beyond it the terminal waits.
pub const AHEAD_MAX: u64 = 1024 * 1024;
/// How long a session lives without a client.
pub const GRACE: Duration = Duration::from_secs(60);
/// Idle proxies cut after a minute, some sooner.
const PING: Duration = Duration::from_secs(20);
/// A client that answered no ping, or took nothing, for so long is gone.
const DEAD: Duration = Duration::from_secs(60);
/// How long whoever ends a shell waits until it has ended.
const END_WAIT: Duration = Duration::from_secs(10);
/// How long a stop of the portal waits for its shells: less than connections get.
const STOP_WAIT: Duration = Duration::from_secs(15);

/// A shell to open.
#[derive(Clone, Debug)]
pub struct Order {
    /// What to run and how.
    pub terminal: ShellOrder,
    /// What it is for, in its owner's words; may be empty.
    pub why: String,
}

impl Order {
    fn check(&self) -> Result<()> {
        let fine = |text: &str| !text.is_empty() && text.len() <= TEXT_MAX && !text.contains('\0');
        let user = self.terminal.user.iter().map(|text| ("user", text));
        let workdir = self.terminal.workdir.iter().map(|text| ("workdir", text));
        let command = self.terminal.command.iter().flatten().map(|text| ("command", text));
        if let Some((field, _)) = user.chain(workdir).chain(command).find(|(_, text)| !fine(text)) {
            return Err(Error::invalid(field, format!("1 to {TEXT_MAX} bytes without NUL, or left out")));
        }
        if self.why.len() > TEXT_MAX || self.why.chars().any(char::is_control) {
            return Err(Error::invalid("why", format!("one line of at most {TEXT_MAX} bytes")));
        }
        Ok(())
    }
}

/// How long sessions wait for their clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long a session lives without a client.
    pub grace: Duration,
    /// How often a client is asked whether it is there.
    pub ping: Duration,
    /// After so long without a word a client is gone.
    pub dead: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { grace: GRACE, ping: PING, dead: DEAD }
    }
}

/// The sessions of this process. Cheap to clone.
#[derive(Clone)]
pub struct Shells(Arc<Inner>);

struct Inner {
    sessions: Mutex<Sessions>,
    /// How many shells may still have processes: what a stop waits for.
    busy: watch::Sender<usize>,
    failing: Mutex<work::Failing>,
    patience: Mutex<Patience>,
}

#[derive(Default)]
struct Sessions {
    by_id: HashMap<ShellId, Arc<Session>>,
    /// Shells that are being opened, live, or are being ended.
    busy: HashSet<ShellId>,
    /// Those of them that somebody ended while they were being opened.
    asked_to_end: HashMap<ShellId, Ending>,
    stopping: bool,
}

impl Default for Shells {
    fn default() -> Self {
        Self(Arc::new(Inner { sessions: Mutex::default(), busy: watch::channel(0).0, failing: Mutex::default(), patience: Mutex::default() }))
    }
}

impl Shells {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failing(&self) -> MutexGuard<'_, work::Failing> {
        self.0.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.sessions().by_id.len()
    }

    /// How long sessions wait for their clients.
    #[must_use]
    pub fn patience(&self) -> Patience {
        *self.0.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another patience, for tests. Connections that are there keep theirs.
    #[doc(hidden)]
    pub fn set_patience(&self, patience: Patience) {
        *self.0.patience.lock().unwrap_or_else(PoisonError::into_inner) = patience;
    }

    /// Another grace, for tests.
    #[doc(hidden)]
    pub fn set_grace(&self, grace: Duration) {
        self.set_patience(Patience { grace, ..self.patience() });
    }

    /// How many shells may have processes.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.0.busy.borrow()
    }

    /// A place for a shell that is being opened; none: the portal stops.
    fn begin(&self, id: ShellId) -> Result<Busy> {
        // Counted first, and never under the lock: a stop that sees nobody may rely on it, and who waits for the count may ask who is left.
        self.0.busy.send_modify(|count| *count += 1);
        let busy = Busy { shells: self.clone(), id };
        let mut sessions = self.sessions();
        if sessions.stopping {
            drop(sessions);
            return Err(Error::Unavailable("the portal is stopping; open the shell when it is back".into()));
        }
        sessions.busy.insert(id);
        drop(sessions);
        Ok(busy)
    }

    fn add(&self, session: &Arc<Session>) {
        let mut sessions = self.sessions();
        sessions.by_id.insert(session.id, Arc::clone(session));
        let ending = sessions.asked_to_end.remove(&session.id).or_else(|| sessions.stopping.then(Ending::stopping));
        if let Some(ending) = ending {
            session.ask_to_end(ending);
        }
    }

    /// Ends one that lives, or as soon as it does.
    fn ask_to_end(&self, id: ShellId, ending: Ending) {
        let mut sessions = self.sessions();
        if let Some(session) = sessions.by_id.get(&id) {
            session.ask_to_end(ending);
        } else if sessions.busy.contains(&id) {
            sessions.asked_to_end.entry(id).or_insert(ending);
        }
    }

    /// What became of it is in its row from now on.
    fn remove(&self, session: &Session) {
        self.sessions().by_id.remove(&session.id);
    }

    fn find(&self, id: ShellId) -> Option<Arc<Session>> {
        self.sessions().by_id.get(&id).cloned()
    }

    /// Whether somebody in this process sees to it.
    fn is_busy(&self, id: ShellId) -> bool {
        self.sessions().busy.contains(&id)
    }

    /// Forgets sessions of an account that are over; whether there were any.
    fn forget_ended(&self, owner: UserId) -> bool {
        let own: Vec<_> = self.sessions().by_id.values().filter(|session| session.owner == owner).cloned().collect();
        own.iter().filter(|session| session.forget()).count() > 0
    }
}

/// A shell is being opened, lives, or is being ended.
struct Busy {
    shells: Shells,
    id: ShellId,
}

impl Drop for Busy {
    fn drop(&mut self) {
        {
            let mut sessions = self.shells.sessions();
            sessions.busy.remove(&self.id);
            sessions.asked_to_end.remove(&self.id);
        }
        self.shells.0.busy.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// The right to one open shell of an account. One without a client counts as well; one that is over does not.
///
/// # Errors
/// `TooManyOpen` when the account has its most.
pub fn slot(platform: &Platform, actor: &Actor) -> Result<Slot> {
    match streams::open(platform, actor, streams::Kind::Shell) {
        Err(Error::TooManyOpen(_)) if platform.shells().forget_ended(actor.account()?.id) => streams::open(platform, actor, streams::Kind::Shell),
        slot => slot,
    }
}

/// Opens a shell. It rests on the lease, and takes the slot along.
///
/// # Errors
/// `Conflict` with `not_running`, `no_container` or `command_not_found` (the image has no shell); `Unavailable` when the engine is away.
pub async fn open(platform: &Platform, lease: Lease<can::OpenShell, TaskId>, slot: Slot, order: &Order) -> Result<Attachment> {
    order.check()?;
    let may = lease.may();
    if may.state != TaskState::Running {
        return Err(Error::conflict("not_running", format!("this task is {}; a shell needs a running one", may.state)));
    }
    let place = services::place(may)?;
    let id: ShellId = platform.new_id();
    let busy = platform.shells().begin(id)?;
    let opening = Opening::new(platform, may, order, id, &place);
    let shell = match platform.engines().shell(&place, &order.terminal, &opening).await {
        Ok(shell) => shell,
        Err(error) => {
            opening.give_up(&error).await;
            return Err(error);
        }
    };
    let recorder = opening.into_recorder();
    let session = Arc::new(Session::new(id, may.id, may.actor().account()?.id, slot));
    let (project, service) = (may.service.project.id, may.service.id);
    platform.shells().add(&session);
    let attachment = session.attach(0)?;
    let size = (order.terminal.columns, order.terminal.rows);
    let life = Life { platform: platform.clone(), session, shell, recorder, lease, busy, project, service, size, wanted: None };
    tokio::spawn(life.live());
    Ok(attachment)
}

/// Attaches again to a shell of the same account, from output byte `received` on. It rests on this lease from now on, and an older attachment is
/// told to go.
///
/// # Errors
/// `NotFound` where it is no shell of the caller in this task; `Conflict` with `ended` where it is over, or `lost` where that byte is not kept.
pub async fn attach(platform: &Platform, lease: Lease<can::OpenShell, TaskId>, shell: ShellId, received: u64) -> Result<Attachment> {
    let may = lease.may();
    let owner = may.actor().account()?.id;
    if let Some(session) = platform.shells().find(shell) {
        if session.owner != owner || session.task != may.id {
            return Err(Error::NotFound { what: "shell" });
        }
        let attachment = session.attach(received)?;
        session.rest_on(lease);
        return Ok(attachment);
    }
    match rows::past(&mut platform.read().await?, shell).await? {
        Some(past) if past.is_of(owner) && past.task == may.id => Err(Error::conflict("ended", ending::gone(past.ended_why.as_deref()))),
        _ => Err(Error::NotFound { what: "shell" }),
    }
}

/// Ends a shell of the permission's project, and waits until it has ended. Whose shells that may be is what the permission was asked for.
///
/// # Errors
/// `NotFound` where it is no shell of the project; `Conflict` with `ended` where it is over.
pub async fn end<P, R: Resource>(platform: &Platform, may: &May<P, R>, shell: ShellId) -> Result<()> {
    let missing = Error::NotFound { what: "shell" };
    let Some(project) = may.project() else { return Err(missing) };
    let mut change = platform.change(may.actor()).await?;
    let Some(past) = rows::past(&mut change, shell).await?.filter(|past| past.project == project.id) else { return Err(missing) };
    if past.ended {
        return Err(Error::conflict("ended", ending::gone(past.ended_why.as_deref())));
    }
    rows::asked_to_end(&mut change, shell).await?;
    let detail = serde_json::json!({"task": past.task.to_string()});
    change.commit(Record::new("shell.end", "shell", shell).project(project).detail(detail)).await?;
    platform.shells().ask_to_end(shell, Ending::ended_by(may.actor().name()));
    let mut busy = platform.shells().0.busy.subscribe();
    let over = busy.wait_for(|_| !platform.shells().is_busy(shell));
    // One whose engine is away is ended when it is back.
    let _ = tokio::time::timeout(END_WAIT, over).await;
    Ok(())
}

/// Ends all shells, because the portal stops: their clients are told. Resolves when their processes have ended, or after a while.
pub async fn stop(platform: &Platform) {
    let shells = platform.shells();
    let mut busy = shells.0.busy.subscribe();
    let open: Vec<Arc<Session>> = {
        let mut sessions = shells.sessions();
        sessions.stopping = true;
        sessions.by_id.values().cloned().collect()
    };
    for session in open {
        session.ask_to_end(Ending::stopping());
    }
    if tokio::time::timeout(STOP_WAIT, busy.wait_for(|count| *count == 0)).await.is_err() {
        tracing::warn!(shells = shells.count(), "shells could not be ended in time; they are when the portal is back");
    }
}
