//! Shells as they are watched: which are open and which were, by whom and what for; their recordings; and the end that somebody makes to one. A
//! developer finds their own, an admin everybody's: to whoever may not see one, it is as if it were not there ([`ShellKey`]).

use model::access::Action;
use model::ids::ShellId;
use model::names::{ProjectName, ServiceName};
use model::page::{Page, PageRequest};
use model::time::Millis;
use model::views::shells::ShellView;
use tokio::fs::File;

use super::recording::{Shelf, file};
use crate::access::{Actor, Key, May, Resource, can};
use crate::accounts;
use crate::args;
use crate::db::{Json, Row, Tx, Value};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::projects::Project;
use crate::streams::{self, Slot};

const SELECT: &str = "SELECT h.id, p.name AS project, s.name AS service, e.name AS environment, h.task_id, t.slot, h.opened_by, h.address, h.why,
    h.command, h.as_user, h.workdir, h.opened_at, h.ended_at, h.ended_why, h.exit_code, h.recorded, h.recording_bytes, h.recording_gone_at
    FROM shells h JOIN projects p ON p.id = h.project_id JOIN services s ON s.id = h.service_id JOIN environments e ON e.id = h.environment_id
    JOIN tasks t ON t.id = h.task_id";

/// A shell that the caller may see: their own, or any where they may see everybody's.
#[derive(Clone, Debug)]
pub struct Opened {
    project: Project,
    view: ShellView,
}

impl Resource for Opened {
    const WHAT: &'static str = "shell";
    const VISIBLE: Action = Action::SeeServices;

    fn project(&self) -> Option<&Project> {
        Some(&self.project)
    }
}

/// A shell of a project, for somebody who reads: somebody else's is missing to whoever may not see everybody's.
#[derive(Clone, Debug)]
pub struct ShellKey {
    /// Its project.
    pub project: ProjectName,
    /// The shell.
    pub shell: ShellId,
    /// Who reads.
    pub reader: Actor,
}

impl Key for ShellKey {
    type Resource = Opened;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Opened>> {
        // As they are now: a lease asks for as long as somebody reads. Of a robot nothing changes here.
        let account = self.reader.account()?;
        let account = if account.robot.is_some() { Some(account.clone()) } else { accounts::account(tx, account.id).await? };
        let Some(account) = account else { return Ok(None) };
        let Some(project) = self.project.find(tx).await? else { return Ok(None) };
        let mut arguments: Vec<Value> = args![self.shell, project.id, account.id];
        let reader = self.reader.clone().with_account(account);
        let everybodys = match reader.visible::<can::WatchShells>() {
            Ok(visible) => {
                let (condition, mut more) = visible.condition("p", 4);
                arguments.append(&mut more);
                condition
            }
            // A token that is not for shells.
            Err(_) => "FALSE".to_owned(),
        };
        let sql = format!("{SELECT} WHERE h.id = $1 AND h.project_id = $2 AND (h.opened_by_id = $3 OR {everybodys})");
        let found = tx.opt(sql, arguments, view).await?;
        Ok(found.map(|view| Opened { project, view }))
    }
}

/// Which shells of a project.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Those of this service.
    pub service: Option<ServiceName>,
    /// Those that are open, or those that are not.
    pub open: Option<bool>,
    /// Which part of the list.
    pub page: PageRequest,
}

/// Shells of a project, newest first: the caller's own, or everybody's where they may see them.
pub async fn list(platform: &Platform, may: &May<can::WatchOwnShells, Project>, query: &Query) -> Result<Page<ShellView>> {
    let limit = query.page.limit();
    let mut arguments: Vec<Value> = args![may.id, query.page.before_id(), i64::from(limit) + 1];
    let mut conditions = String::new();
    if !may.also(Action::WatchShells) {
        arguments.push(may.actor().account()?.id.into());
        conditions.push_str(&format!(" AND h.opened_by_id = ${}", arguments.len()));
    }
    if let Some(service) = &query.service {
        arguments.push(service.into());
        conditions.push_str(&format!(" AND s.name = ${}", arguments.len()));
    }
    match query.open {
        Some(true) => conditions.push_str(" AND h.ended_at IS NULL"),
        Some(false) => conditions.push_str(" AND h.ended_at IS NOT NULL"),
        None => {}
    }
    let sql = format!("{SELECT} WHERE h.project_id = $1 AND h.id < $2{conditions} ORDER BY h.id DESC LIMIT $3");
    let items = platform.read().await?.all(sql, arguments, view).await?;
    let mut page = Page::cut(items, limit, |item| item.id.to_string());
    let project = may.id;
    page.items = with_files(platform, page.items, move |shelf, shell| {
        if shell.bytes == 0 {
            shell.bytes = std::fs::metadata(shelf.path(project, shell.id)).map_or(0, |file| file.len());
        }
    })
    .await?;
    Ok(page)
}

/// One shell, with the size of its window.
pub async fn get(platform: &Platform, may: &May<can::WatchOwnShells, Opened>) -> Result<ShellView> {
    let project = may.project.id;
    let read = with_files(platform, vec![may.view.clone()], move |shelf, shell| {
        let path = shelf.path(project, shell.id);
        if shell.bytes == 0 {
            shell.bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
        }
        shell.size = file::size(&path);
    })
    .await?;
    read.into_iter().next().ok_or_else(|| Error::internal("one shell became none"))
}

/// Adds what only the files know: of shells that are open, and of those whose portal was killed, no row says how much is recorded.
async fn with_files(
    platform: &Platform,
    mut shells: Vec<ShellView>,
    add: impl Fn(&Shelf, &mut ShellView) + Send + 'static,
) -> Result<Vec<ShellView>> {
    let Ok(shelf) = platform.recordings() else { return Ok(shells) };
    let look = move || {
        shells.iter_mut().filter(|shell| shell.can_be_watched()).for_each(|shell| add(&shelf, shell));
        shells
    };
    tokio::task::spawn_blocking(look).await.map_err(|error| Error::internal(format!("recordings: {error}")))
}

/// A recording to be sent. Its reader's account has so many at a time: the slot is held until all of it is there.
pub struct Recording {
    /// Its file, at the beginning. Only so many bytes of it are whole lines.
    pub file: File,
    /// Bytes to send.
    pub bytes: u64,
    /// What it is called where it is kept: `web-2026-11-21T09-30-00Z.cast`.
    pub name: String,
    /// Held while it goes out.
    pub slot: Slot,
}

/// The recording of a shell, as far as it has been written: also while the shell is open.
///
/// # Errors
/// `NotFound` that says why there is none: it was not recorded, or its recording was deleted. `TooManyOpen`.
pub async fn recording(platform: &Platform, may: &May<can::WatchOwnShells, Opened>) -> Result<Recording> {
    let shell = &may.view;
    if !shell.recorded {
        return Err(Error::NotFound { what: "recording: this shell was not recorded" });
    }
    if shell.gone {
        return Err(Error::NotFound { what: "recording: it was deleted, because its time was over or the project has newer ones in its place" });
    }
    let slot = streams::open(platform, may.actor(), streams::Kind::Recording)?;
    let path = platform.recordings()?.path(may.project.id, shell.id);
    let opened = tokio::task::spawn_blocking(move || file::open(&path)).await;
    match opened.map_err(|error| Error::internal(format!("a recording: {error}")))? {
        Ok((file, bytes)) if bytes > 0 => Ok(Recording { file: File::from_std(file), bytes, name: name(shell), slot }),
        Ok(_) => Err(Error::NotFound { what: "recording: nothing of it was written" }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::NotFound { what: "recording: its file is not there" }),
        Err(error) => Err(error.into()),
    }
}

fn name(shell: &ShellView) -> String {
    let at = shell.opened_at.rfc3339();
    let seconds = at.split('.').next().unwrap_or_default().replace(':', "-");
    format!("{}-{seconds}Z.cast", shell.service)
}

/// Ends a shell that is open: its own, or any where the caller may see everybody's.
///
/// # Errors
/// `Conflict` with `ended`.
pub async fn end(platform: &Platform, may: &May<can::WatchOwnShells, Opened>) -> Result<()> {
    super::end(platform, may, may.view.id).await
}

fn view(row: &Row<'_>) -> Result<ShellView> {
    let ended_at: Option<Millis> = row.get("ended_at")?;
    let gone = row.get::<Option<Millis>>("recording_gone_at")?.is_some();
    let bytes: i64 = row.get("recording_bytes")?;
    Ok(ShellView {
        id: row.get("id")?,
        project: row.get("project")?,
        service: row.get("service")?,
        environment: row.get("environment")?,
        task: row.get("task_id")?,
        slot: row.get("slot")?,
        by: row.get("opened_by")?,
        address: row.get("address")?,
        why: row.get("why")?,
        command: row.get::<Option<Json<Vec<String>>>>("command")?.map(|json| json.0),
        user: row.get("as_user")?,
        workdir: row.get("workdir")?,
        opened_at: row.get("opened_at")?,
        ended_at,
        ended_why: row.get("ended_why")?,
        exit_code: row.get("exit_code")?,
        recorded: row.get("recorded")?,
        bytes: if gone { 0 } else { u64::try_from(bytes).unwrap_or(0) },
        gone,
        open: ended_at.is_none(),
        size: None,
    })
}
