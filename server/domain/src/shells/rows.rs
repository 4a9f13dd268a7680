//! The rows of shells, as far as sessions write them: one is made before a shell's first byte, and written once more when it is over.

use model::ids::{ProjectId, ServiceId, ShellId, TaskId, UserId};
use model::time::Millis;

use super::{Ending, Order};
use crate::access::{May, can};
use crate::args;
use crate::change::{Change, Record};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::services::Task;

/// Whether the project has its shells recorded.
pub(super) async fn recorded(platform: &Platform, project: ProjectId) -> Result<bool> {
    platform.read().await?.one("SELECT shells_recorded FROM projects WHERE id = $1", args![project], |row| row.get("shells_recorded")).await
}

/// A shell that is about to begin.
pub(super) struct Begun<'a> {
    pub may: &'a May<can::OpenShell, Task>,
    pub shell: ShellId,
    pub order: &'a Order,
    pub container: &'a str,
    pub mark: &'a str,
    pub recorded: bool,
    pub at: Millis,
}

impl Begun<'_> {
    /// Writes it down, with its audit record.
    pub(super) async fn write(&self, platform: &Platform) -> Result<()> {
        let Self { may, order, .. } = self;
        let actor = may.actor();
        let terminal = &order.terminal;
        let command = terminal.command.as_ref().map(|command| serde_json::json!(command).to_string());
        let mut change = platform.change(actor).await?;
        let sql = "INSERT INTO shells (id, project_id, service_id, environment_id, task_id, machine_id, container, mark, opened_by_id, opened_by,
                   address, why, command, as_user, workdir, opened_at, recorded, recording_bytes)
                   SELECT $1, s.project_id, t.service_id, t.environment_id, t.id, t.machine_id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0
                   FROM tasks t JOIN services s ON s.id = t.service_id WHERE t.id = $2";
        let args = args![
            self.shell,
            may.id,
            self.container,
            self.mark,
            actor.account()?.id.to_string(),
            actor.name(),
            actor.address(),
            &order.why,
            command,
            terminal.user.clone(),
            terminal.workdir.clone(),
            self.at,
            self.recorded
        ];
        if change.exec(sql, args).await? == 0 {
            return Err(Error::NotFound { what: "task" });
        }
        change.touch(Topic::Service(may.service.id));
        change.touch(Topic::Project(may.service.project.id));
        let detail = serde_json::json!({
            "session": self.shell.to_string(), "service": may.service.name, "environment": may.environment, "slot": may.slot, "why": order.why,
            "user": terminal.user, "workdir": terminal.workdir, "command": terminal.command, "recorded": self.recorded,
        });
        change.commit(Record::new("shell.open", "task", may.id).project(&may.service.project).detail(detail)).await
    }
}

/// More is known of how its processes are found again.
pub(super) async fn amend(platform: &Platform, shell: ShellId, mark: &str) -> Result<()> {
    let mut change = platform.bookkeeping().await?;
    change.exec("UPDATE shells SET mark = $2 WHERE id = $1 AND ended_at IS NULL", args![shell, mark]).await?;
    change.finish().await
}

/// A shell that is over.
pub(super) struct Over<'a> {
    pub shell: ShellId,
    pub project: ProjectId,
    pub service: ServiceId,
    pub ending: &'a Ending,
    /// Of its recording.
    pub bytes: u64,
    /// Whether nothing is left of it; else the reason alone is written, and somebody goes on ending it.
    pub ended: bool,
}

impl Over<'_> {
    pub(super) async fn write(&self, platform: &Platform) -> Result<()> {
        let at = self.ended.then(|| platform.now());
        let bytes = i64::try_from(self.bytes).unwrap_or(i64::MAX);
        let mut change = platform.bookkeeping().await?;
        let sql = "UPDATE shells SET ended_at = $2, ended_why = $3, exit_code = $4, recording_bytes = $5 WHERE id = $1 AND ended_at IS NULL";
        change.exec(sql, args![self.shell, at, self.ending.why(), self.ending.exit_code(), bytes]).await?;
        if self.bytes > 0 {
            change.wake(Signal::Recordings);
        }
        change.touch(Topic::Service(self.service));
        change.touch(Topic::Project(self.project));
        change.finish().await
    }
}

/// Somebody ends it: the reason stands, whoever comes to do it.
pub(super) async fn asked_to_end(change: &mut Change, shell: ShellId) -> Result<()> {
    change.exec("UPDATE shells SET ended_why = 'ended' WHERE id = $1 AND ended_at IS NULL", args![shell]).await.map(drop)
}

/// Whose a shell was, where it was, and how it ended.
pub(super) struct Past {
    pub task: TaskId,
    pub project: ProjectId,
    pub opened_by: String,
    pub ended_why: Option<String>,
    pub ended: bool,
}

impl Past {
    pub(super) fn is_of(&self, owner: UserId) -> bool {
        self.opened_by == owner.to_string()
    }
}

pub(super) async fn past(tx: &mut Tx, shell: ShellId) -> Result<Option<Past>> {
    let sql = "SELECT task_id, project_id, opened_by_id, ended_why, ended_at FROM shells WHERE id = $1";
    tx.opt(sql, args![shell], |row| {
        Ok(Past {
            task: row.get("task_id")?,
            project: row.get("project_id")?,
            opened_by: row.get("opened_by_id")?,
            ended_why: row.get("ended_why")?,
            ended: row.get::<Option<Millis>>("ended_at")?.is_some(),
        })
    })
    .await
}
