//! A session's own task: it reads what the terminal prints, as far as the client and its recording keep up, gives it what was typed, and ends the process
//! when it must: when the permission is gone, nobody came back in time, somebody asks for it or the portal stops. What cannot be ended, because
//! its engine is away, is left to [`super::work`].

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use model::ids::{ProjectId, ServiceId};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until, timeout};

use super::recording::Recorder;
use super::session::{Chores, Session, ShellLease};
use super::{Busy, Ending, rows};
use crate::error::Error;
use crate::platform::Platform;
use crate::ports::{Shell, ShellControl, ShellExit};

/// Read at once from a terminal that says little, in bytes: so little does one cost that is idle.
const LITTLE: usize = 1024;
/// Read at once at most.
const MUCH: usize = 64 * 1024;
/// A terminal that cannot be ended otherwise is sent what would end it if somebody typed it: interrupt, quit, end of file.
const LAST_WORDS: &[u8] = b"\x03\x1c\x04";
/// How long a terminal may take to take them.
const LAST_WORDS_TIME: Duration = Duration::from_secs(1);

/// How long the engine may take to say how a terminal ended: nobody is heard meanwhile.
const EXIT_TIME: Duration = Duration::from_secs(10);

/// What a session's task holds.
pub(super) struct Life {
    pub platform: Platform,
    pub session: Arc<Session>,
    pub shell: Shell,
    pub recorder: Option<Recorder>,
    pub lease: ShellLease,
    pub busy: Busy,
    pub project: ProjectId,
    pub service: ServiceId,
    /// The size that the terminal has, and the one that is wanted.
    pub size: (u16, u16),
    pub wanted: Option<(u16, u16)>,
}

type Resizing = Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

impl Life {
    /// Until it is over and nobody will ask for it any more.
    pub(super) async fn live(mut self) {
        let ending = self.pump().await;
        // In a box, as all that comes once: an idle shell keeps no room for it.
        Box::pin(self.over(ending)).await;
    }

    /// Ends what is left of it, writes that down, and waits for whoever is away.
    async fn over(mut self, ending: Ending) {
        self.session.over(ending.clone(), cuts(&ending));
        let ended = self.end(&ending).await;
        let bytes = match self.recorder.take() {
            Some(recorder) => recorder.finish().await,
            None => 0,
        };
        let row = rows::Over { shell: self.session.id, project: self.project, service: self.service, ending: &ending, bytes, ended };
        if let Err(error) = row.write(&self.platform).await {
            tracing::warn!(%error, shell = %self.session.id, "the end of a shell could not be written down; it is done again in a moment");
        }
        let Self { platform, session, busy, shell, lease, .. } = self;
        drop((busy, shell, lease));
        // Whoever was away hears how it ended, and what it printed last.
        let until = Instant::now() + platform.shells().patience().grace;
        while !cuts(&ending) && !session.known() {
            tokio::select! {
                () = session.work() => {}
                () = sleep_until(until) => break,
            }
        }
        session.forget();
        platform.shells().remove(&session);
    }

    async fn pump(&mut self) -> Ending {
        let control = Arc::clone(&self.shell.control);
        let mut reader = Reader::default();
        let mut resizing: Resizing = None;
        let mut flushed = true;
        loop {
            let Chores { room, typed, left, size, lease, asked_to_end } = self.session.chores();
            if let Some(ending) = asked_to_end {
                return ending;
            }
            // Before more is read: what cannot be recorded is not shown.
            if let Some(recorder) = self.recorder.as_ref().filter(|recorder| recorder.failed()) {
                return Ending::not_recorded(&recorder.failure().await);
            }
            let keeps_up = self.recorder.as_ref().is_none_or(Recorder::has_room);
            if let Some(lease) = lease {
                self.lease = lease;
            }
            if let Some(size) = size {
                self.wanted = Some(size);
            }
            if resizing.is_none() {
                self.resize(&mut resizing);
            }
            let given_up = left.map(|left| left + self.platform.shells().patience().grace);
            tokio::select! {
                error = self.lease.lost() => return Ending::refused(&error),
                () = self.session.work() => {}
                () = until(given_up) => return Ending::left(),
                error = failure(self.recorder.as_ref()) => return Ending::not_recorded(&error),
                () = recorded(self.recorder.as_ref()), if !keeps_up => {}
                read = reader.read(&mut self.shell.output, room), if room > 0 && keeps_up => match read {
                    Ok(bytes) if !bytes.is_empty() => {
                        if let Some(recorder) = &self.recorder {
                            recorder.output(&bytes);
                        }
                        self.session.printed(bytes);
                    }
                    Ok(_) | Err(_) => return Box::pin(exit(&*control)).await,
                },
                given = give(&mut self.shell.input, typed.as_ref(), flushed), if typed.is_some() || !flushed => match given {
                    Ok(Some(count)) if count > 0 => {
                        if let Some(recorder) = &self.recorder {
                            recorder.typed(count);
                        }
                        self.session.wrote(count);
                        flushed = false;
                    }
                    Ok(None) => flushed = true,
                    Ok(Some(_)) | Err(_) => return Box::pin(exit(&*control)).await,
                },
                () = finished(&mut resizing) => resizing = None,
            }
        }
    }

    /// Tells the engine the size that is wanted; of many that come meanwhile, the last one.
    fn resize(&mut self, resizing: &mut Resizing) {
        let Some(size) = self.wanted.take().filter(|size| *size != self.size) else { return };
        self.size = size;
        if let Some(recorder) = &self.recorder {
            recorder.resize(size.0, size.1);
        }
        let control = Arc::clone(&self.shell.control);
        *resizing = Some(Box::pin(async move {
            if let Err(error) = control.resize(size.0, size.1).await {
                tracing::debug!(%error, "a terminal was not resized");
            }
        }));
    }

    /// Ends what may be left of it; whether nothing is.
    async fn end(&mut self, ending: &Ending) -> bool {
        // A code is known of a process that is gone; what it left behind on purpose is not the session's.
        if ending.exit_code().is_some_and(|code| code >= 0) || *ending == Ending::task_ended() {
            return true;
        }
        let Err(error) = self.shell.control.end().await else { return true };
        tracing::warn!(%error, shell = %self.session.id, "a shell's process could not be ended; it is tried again");
        let typed = async {
            self.shell.input.write_all(LAST_WORDS).await?;
            self.shell.input.flush().await
        };
        // Whether it helps is seen when it is tried again.
        let _ = timeout(LAST_WORDS_TIME, typed).await;
        false
    }
}

/// Whether nothing more is shown after it: who may not go on sees nothing, and a portal that stops does not wait.
fn cuts(ending: &Ending) -> bool {
    ending.exit_code().is_none() && *ending != Ending::task_ended()
}

/// How it ended by itself.
async fn exit(control: &dyn ShellControl) -> Ending {
    match timeout(EXIT_TIME, control.exit()).await {
        Ok(Ok(ShellExit::Code(code))) => Ending::exited(code),
        Ok(Ok(ShellExit::TaskEnded)) => Ending::task_ended(),
        Ok(Err(error)) => Ending::lost_engine(&error),
        Err(_) => Ending::lost_engine(&Error::Unavailable("it does not say how the shell ended".into())),
    }
}

async fn failure(recorder: Option<&Recorder>) -> Error {
    match recorder {
        Some(recorder) => recorder.failure().await,
        None => pending().await,
    }
}

/// When its recording has room again.
async fn recorded(recorder: Option<&Recorder>) {
    match recorder {
        Some(recorder) => recorder.room().await,
        None => pending().await,
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

async fn finished(resizing: &mut Resizing) {
    match resizing {
        Some(resizing) => resizing.await,
        None => pending().await,
    }
}

/// Writes what the terminal takes of these bytes now, and answers how many; without bytes, sees to it that they arrive. Dropping the future loses
/// nothing and counts nothing twice.
async fn give(input: &mut (impl AsyncWrite + Unpin), bytes: Option<&Bytes>, flushed: bool) -> io::Result<Option<usize>> {
    match bytes {
        Some(bytes) => input.write(bytes).await.map(Some),
        None if flushed => pending().await,
        None => input.flush().await.map(|()| None),
    }
}

/// Reads into a buffer that grows with what comes and is given back when little does.
struct Reader {
    buffer: BytesMut,
    size: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self { buffer: BytesMut::new(), size: LITTLE }
    }
}

impl Reader {
    /// What there is, at most `room` bytes; empty at the end. Dropping the future loses nothing.
    async fn read(&mut self, output: &mut (impl AsyncRead + Unpin), room: usize) -> io::Result<Bytes> {
        let most = self.size.min(room);
        self.buffer.reserve(most);
        let count = output.read_buf(&mut (&mut self.buffer).limit(most)).await?;
        // What waits to be shown is counted by its bytes: a few of them keep no large buffer.
        let bytes = if count < self.buffer.capacity() / 2 {
            let bytes = Bytes::copy_from_slice(&self.buffer);
            self.buffer.clear();
            bytes
        } else {
            self.buffer.split().freeze()
        };
        if count == self.size {
            self.size = (self.size * 8).min(MUCH);
        } else if count < LITTLE && self.size > LITTLE {
            self.size = LITTLE;
            self.buffer = BytesMut::new();
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;

    /// Of an engine that never answers.
    struct Silent;

    #[async_trait::async_trait]
    impl ShellControl for Silent {
        async fn resize(&self, _: u16, _: u16) -> Result<()> {
            pending().await
        }

        async fn exit(&self) -> Result<ShellExit> {
            pending().await
        }

        async fn end(&self) -> Result<()> {
            pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_does_not_say_how_it_ended_is_not_waited_for() {
        let ending = timeout(EXIT_TIME * 2, exit(&Silent)).await.expect("an ending");
        assert_eq!((ending.why(), ending.exit_code()), ("failed", None));
        assert!(cuts(&ending), "it is ended like one that may live");
    }

    #[tokio::test]
    async fn a_reader_grows_with_a_flood_and_shrinks_after_it() {
        let flood = vec![7_u8; 300 * 1024];
        let mut output = &flood[..];
        let mut reader = Reader::default();
        let mut sizes = Vec::new();
        loop {
            let bytes = reader.read(&mut output, 1 << 20).await.expect("memory");
            if bytes.is_empty() {
                break;
            }
            sizes.push(bytes.len());
        }
        assert_eq!(sizes.iter().sum::<usize>(), flood.len());
        assert_eq!(sizes[..3], [LITTLE, 8 * LITTLE, MUCH]);
        assert_eq!((reader.size, reader.buffer.capacity()), (LITTLE, 0), "an idle one holds nothing of it");
        let mut little = &b"$ "[..];
        assert_eq!(&reader.read(&mut little, 1 << 20).await.expect("memory")[..], b"$ ");
        let mut much = &flood[..];
        assert_eq!(reader.read(&mut much, 10).await.expect("memory").len(), 10, "never more than there is room for");
    }

    #[tokio::test]
    async fn a_little_that_was_read_keeps_no_large_buffer() {
        let piece = vec![7_u8; 4096];
        let mut reader = Reader { buffer: BytesMut::new(), size: MUCH };
        let mut kept = Vec::new();
        for _ in 0..16 {
            kept.push(reader.read(&mut &piece[..], 1 << 20).await.expect("memory"));
        }
        assert!(kept.iter().all(|bytes| bytes[..] == piece[..]));
        let buffer = reader.buffer.as_ptr();
        kept.push(reader.read(&mut &piece[..], 1 << 20).await.expect("memory"));
        assert_eq!(reader.buffer.as_ptr(), buffer, "one buffer is enough for all of them");
        assert!(reader.buffer.capacity() >= MUCH);
    }
}
