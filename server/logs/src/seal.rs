//! Compressing journals that are full into segments, on a thread of its own: whoever adds lines never waits for it. And deleting segments.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::frame;
use crate::plan::{Kept, Sealed, journal_path, segment_path};
use crate::recover::{sealed, set};
use crate::segment::Writer;
use crate::stream::{Full, Inner, lock};

/// Starts the thread. It ends when nobody can hand it anything any more.
pub(crate) fn start() -> io::Result<Sender<Full>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("logs-seal".to_owned()).spawn(move || run(&receiver))?;
    Ok(sender)
}

fn run(receiver: &Receiver<Full>) {
    while let Ok((stream, number)) = receiver.recv() {
        let Some(stream) = stream.upgrade() else { continue };
        if let Err(error) = stream.seal(number) {
            // The journal is as good as the segment; it is tried again when the store is tidied.
            tracing::warn!(folder = %stream.path().display(), segment = number, %error, "a journal of kept logs could not be compressed");
        }
    }
}

impl Inner {
    /// Compresses a journal that is no longer written to. Does nothing where that is done.
    pub(crate) fn seal(&self, number: u64) -> io::Result<()> {
        let _turn = lock(&self.working);
        let Some((length, lines, before)) = self.full(number) else { return Ok(()) };
        let temporary = self.folder.join(format!("{number}.tmp"));
        let made = self.compress(number, length, lines, before, &temporary);
        if made.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        let made = made?;
        fs::rename(&temporary, segment_path(&self.folder, number))?;
        File::open(&self.folder)?.sync_all()?;
        let mut state = self.state();
        if let Some(part) = state.parts.iter_mut().find(|part| part.number() == number) {
            *part = Kept::Sealed(made);
        }
        drop(state);
        fs::remove_file(journal_path(&self.folder, number))
    }

    /// The length of a full journal, its lines, and those of the one before it.
    fn full(&self, number: u64) -> Option<(u64, u32, u32)> {
        let state = self.state();
        let last = state.parts.back()?.number();
        state.parts.iter().find_map(|part| match part {
            Kept::Journal(journal) if journal.number == number && number != last && !state.removed => {
                Some((journal.length, journal.lines, journal.before))
            }
            _ => None,
        })
    }

    fn compress(&self, number: u64, length: u64, lines: u32, before: u32, temporary: &std::path::Path) -> io::Result<Sealed> {
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        File::open(journal_path(&self.folder, number))?.read_exact_at(&mut bytes, 0)?;
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(temporary)?;
        let mut writer = Writer::new(file, before, self.options.clone())?;
        let mut cursors = std::collections::HashMap::new();
        let mut failed = None;
        frame::walk(&bytes, 0, |at, frame| {
            let mut line = frame.first;
            let said = frame::read(&bytes[at..], frame, &mut |read| {
                if failed.is_none() {
                    failed = writer.line(line, &read).err();
                }
                line = line.saturating_add(1);
            });
            for (task, text) in said.into_iter().flat_map(|said| said.cursors) {
                set(&mut cursors, task, text);
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let (index, _) = writer.finish(lines, cursors.into_iter().collect())?;
        Ok(sealed(number, &index))
    }

    /// Deletes the oldest part if it has this number, and tells how many lines and bytes it had. The journal in use goes when another one is there.
    pub(crate) fn delete_oldest(self: &Arc<Self>, number: u64) -> io::Result<Option<(u32, u64)>> {
        let _turn = lock(&self.working);
        if self.state().parts.back().is_some_and(|last| last.number() == number) {
            self.rotate()?;
        }
        let part = {
            let mut state = self.state();
            if state.parts.len() < 2 || state.parts.front().is_none_or(|part| part.number() != number) {
                return Ok(None);
            }
            // Whoever still has to read it is told that it is gone.
            state.ring.clear();
            state.parts.pop_front()
        };
        let Some(part) = part else { return Ok(None) };
        let path = part.path(&self.folder);
        let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Some((if part.lines() == u32::MAX { 0 } else { part.lines() }, bytes))),
        }
    }
}
