//! Finding out whose a container's log is, where it is, and how far it was read before.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::logs::{Stream, StreamKey};
use domain::deployments::work::{self, Origin};
use model::ids::TaskId;

use super::Inner;
use super::clerk::{Follow, Opening, Order, Owner};
use super::cursor::Cursor;
use super::intake::Item;
use super::job::{Job, State};
use super::missing::Missing;
use super::remote::Remote;
use crate::docker::{Address, EngineError, Kind, LogFile};

/// Wait after something could not be asked: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What was found out.
struct Opened {
    owner: Owner,
    cursor: Cursor,
    /// None: the container is gone.
    file: Option<LogFile>,
}

/// Finds it out, and has the log collected: by the thread where its file can be read, else here, until it is forgotten. `looking`: while it
/// is there, logs that were found already wait.
pub(super) async fn open(inner: &Arc<Inner>, job: &Arc<Job>, mut looking: Option<Opening>) {
    let mut wait = RETRY.0;
    let opened = loop {
        match prepare(inner, job).await {
            Ok(Some(opened)) => break opened,
            Ok(None) => {
                job.set(State::Gone);
                inner.leave(job);
                return;
            }
            Err(error) => {
                // Nobody waits for what may take long.
                looking = None;
                tracing::debug!(container = job.container, %error, "it could not be found out where a log is; tried again");
                let _ = tokio::time::timeout(wait, job.kicked()).await;
                wait = (wait * 2).min(RETRY.1);
            }
        }
    };
    let Opened { owner, cursor, file } = opened;
    let here = matches!(job.docker().address(), Address::Unix(_));
    if let Some(LogFile { path: Some(path), files }) = file
        && here
        && readable(&path, &job.container).await
    {
        let task = owner.task;
        inner.clerk.tell(Order::Follow(Box::new(Follow { owner, path, files, cursor })));
        job.set(State::File);
        if job.forgotten() {
            inner.clerk.tell(Order::Forget(task));
        }
        return;
    }
    drop(looking);
    let now = inner.worker.platform().now();
    Remote::new(Arc::clone(job), Arc::clone(&inner.clerk), owner, cursor, now).follow().await;
}

/// None: it is no task's, or its service was deleted.
async fn prepare(inner: &Arc<Inner>, job: &Arc<Job>) -> Result<Option<Opened>, String> {
    let _turn = inner.opening.acquire().await.expect("never closed");
    let origin = work::origin(&inner.worker, job.task).await.map_err(|error| error.to_string())?;
    let Some(origin) = origin else { return Ok(None) };
    job.set_started(origin.started);
    let key = StreamKey { project: origin.project, service: origin.key.service, environment: origin.key.environment };
    let store = inner.store.clone();
    let task = job.task;
    let opened = tokio::task::spawn_blocking(move || {
        let stream = store.stream(key)?;
        let known = stream.cursor(task);
        Ok::<_, std::io::Error>((stream, known))
    });
    let (stream, known) = match opened.await.map_err(|error| error.to_string())? {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    tidy(inner, key, &stream).await?;
    let file = match job.docker().log_file(&job.container).await {
        Ok(file) => Some(file),
        Err(EngineError { kind: Kind::NoSuchContainer, .. }) => None,
        Err(error) => return Err(error.to_string()),
    };
    let owner = owner(&origin, task, key, stream);
    let cursor = match known.as_deref().map(|text| Cursor::parse(text, &job.container)) {
        None => Cursor::new(&job.container),
        Some(Some(cursor)) => cursor,
        // Of a container that the task had before.
        Some(None) => {
            let cursor = Cursor::new(&job.container);
            let items = known.as_deref().and_then(left).map_or_else(Vec::new, |item| vec![item]);
            if !inner.clerk.keep(&owner, items, cursor.text()).await {
                return Err("it could not be written down".into());
            }
            cursor
        }
    };
    Ok(Some(Opened { owner, cursor, file }))
}

fn owner(origin: &Origin, task: TaskId, key: StreamKey, stream: Stream) -> Owner {
    let number = |number: i64| u32::try_from(number).unwrap_or_default();
    Owner { task, key, slot: number(origin.slot), revision: number(origin.revision), stream }
}

/// What a cursor says that is missing of a log that nothing more can be read of.
fn left(text: &str) -> Option<Item> {
    let cursor: Cursor = serde_json::from_str(text).ok()?;
    let last = cursor.last.filter(|_| !cursor.done)?;
    Some(Item::Gap(last.at_nanos, Missing::Removed { after: Some(last.at_nanos) }))
}

/// Tasks whose container went while nobody looked, or of which a killed portal did not forget how far they were read. Once for each stream.
async fn tidy(inner: &Arc<Inner>, key: StreamKey, stream: &Stream) -> Result<(), String> {
    if !inner.tidied.lock().expect("no code panics while it holds this lock").insert(key) {
        return Ok(());
    }
    for (task, text) in stream.cursors() {
        let Some(origin) = work::origin(&inner.worker, task).await.map_err(|error| error.to_string())? else { continue };
        if origin.removed && !inner.jobs().contains_key(&task) {
            let items = left(&text).map_or_else(Vec::new, |item| vec![item]);
            // What fails is tried by the next portal.
            inner.clerk.keep(&owner(&origin, task, key, stream.clone()), items, String::new()).await;
        }
    }
    Ok(())
}

/// Whether the engine's file of a container is there to be read. Its path bears the container's id, which nothing else has.
async fn readable(path: &Path, container: &str) -> bool {
    let own = path.to_string_lossy().contains(container);
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || std::fs::File::open(path).and_then(|file| file.metadata()).is_ok_and(|meta| meta.is_file()));
    own && opened.await.unwrap_or(false)
}
