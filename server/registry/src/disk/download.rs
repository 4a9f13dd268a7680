//! A file, or a part of one, as the body of an answer. What the kernel has in memory is read at once; what must come from the
//! disk is read on a thread that may wait. Buffers are used again, since making and clearing them would cost as much as the
//! copying does. A few transfers at a time go by large pieces, which is quickest; who comes while those are taken goes by small ones,
//! so that many clients, or slow ones, cost little memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::task::AtomicWaker;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::PIECE;

/// Large buffers, of [`PIECE`] bytes, over all downloads.
const LARGE: usize = 16;
/// Bytes of a buffer when the large ones are taken.
const SMALL: usize = 32 * 1024;
/// Buffers of one download that are on their way to the client at a time.
const AHEAD: usize = 2;

/// The buffers of all downloads. The large ones are used again.
#[derive(Clone, Default)]
pub struct Buffers(Arc<Mutex<Shelf>>);

#[derive(Default)]
struct Shelf {
    free: Vec<Box<[u8]>>,
    taken: usize,
}

impl Buffers {
    fn take(&self, sent: &Arc<Sent>) -> Buffer {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = if shelf.taken < LARGE {
            shelf.taken += 1;
            shelf.free.pop().unwrap_or_else(|| vec![0; PIECE].into_boxed_slice())
        } else {
            vec![0; SMALL].into_boxed_slice()
        };
        sent.under_way.fetch_add(1, Ordering::AcqRel);
        Buffer { bytes, filled: 0, home: self.clone(), sent: Arc::clone(sent) }
    }
}

/// What of one download is on its way.
#[derive(Default)]
struct Sent {
    under_way: AtomicUsize,
    room: AtomicWaker,
}

impl Sent {
    /// Waits until fewer than [`AHEAD`] buffers are on their way.
    fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.under_way.load(Ordering::Acquire) < AHEAD {
            return Poll::Ready(());
        }
        self.room.register(context.waker());
        // One may have come home before the waker was in place.
        if self.under_way.load(Ordering::Acquire) < AHEAD { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A buffer that goes home when it was sent.
struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
    home: Buffers,
    sent: Arc<Sent>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() == PIECE {
            let mut shelf = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
            shelf.taken -= 1;
            shelf.free.push(std::mem::take(&mut self.bytes));
        }
        self.sent.under_way.fetch_sub(1, Ordering::AcqRel);
        self.sent.room.wake();
    }
}

/// The bytes of a file from one place on, as a body of known length.
pub struct Download {
    file: Arc<File>,
    at: u64,
    left: u64,
    buffers: Buffers,
    sent: Arc<Sent>,
    reading: Option<JoinHandle<io::Result<Buffer>>>,
}

impl Download {
    /// `size` bytes of the file from `at` on; they must be there.
    #[must_use]
    pub fn new(file: File, at: u64, size: u64, buffers: &Buffers) -> Self {
        Self { file: Arc::new(file), at, left: size, buffers: buffers.clone(), sent: Arc::default(), reading: None }
    }

    /// Hands a filled buffer on.
    fn send(&mut self, buffer: Buffer) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if buffer.filled == 0 {
            self.left = 0;
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        self.at += buffer.filled as u64;
        self.left -= buffer.filled as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(buffer)))))
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.reading.is_none() {
            std::task::ready!(self.sent.poll_room(context));
            let mut buffer = self.buffers.take(&self.sent);
            let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.bytes.len());
            if let Some(filled) = read_from_memory(&self.file, &mut buffer.bytes[..wanted], self.at) {
                buffer.filled = filled;
                return self.send(buffer);
            }
            let (file, at) = (Arc::clone(&self.file), self.at);
            self.reading = Some(tokio::task::spawn_blocking(move || {
                buffer.filled = file.read_at(&mut buffer.bytes[..wanted], at)?;
                Ok(buffer)
            }));
        }
        let Some(reading) = self.reading.as_mut() else { return Poll::Pending };
        let read = std::task::ready!(Pin::new(reading).poll(context));
        self.reading = None;
        match read {
            Ok(Ok(buffer)) => self.send(buffer),
            Ok(Err(error)) => Poll::Ready(Some(Err(error))),
            Err(error) => Poll::Ready(Some(Err(io::Error::other(error)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Reads what the kernel has in memory; none where it would have to wait.
#[cfg(target_os = "linux")]
fn read_from_memory(file: &File, buffer: &mut [u8], at: u64) -> Option<usize> {
    let mut slices = [io::IoSliceMut::new(buffer)];
    let filled = rustix::io::preadv2(file, &mut slices, at, rustix::io::ReadWriteFlags::NOWAIT).ok()?;
    (filled > 0).then_some(filled)
}

#[cfg(not(target_os = "linux"))]
fn read_from_memory(_: &File, _: &mut [u8], _: u64) -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn read(size: usize, at: u64, count: u64) -> io::Result<Vec<u8>> {
        let content: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        std::fs::write(&path, &content)?;
        let download = Download::new(File::open(path)?, at, count, &Buffers::default());
        assert_eq!(download.size_hint().exact(), Some(count));
        let bytes = download.collect().await?.to_bytes().to_vec();
        assert!(content[at as usize..].starts_with(&bytes));
        Ok(bytes)
    }

    #[tokio::test]
    async fn a_part_of_a_file_is_sent_whole() {
        assert_eq!(read(10, 0, 10).await.expect("read").len(), 10);
        assert_eq!(read(10, 3, 4).await.expect("read").len(), 4);
        assert_eq!(read(PIECE * 3 + 7, PIECE as u64 - 1, PIECE as u64 * 2).await.expect("read").len(), PIECE * 2);
        assert_eq!(read(10, 10, 0).await.expect("read").len(), 0);
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_is_an_error_and_not_a_short_answer() {
        let error = read(10, 5, 6).await.expect_err("cut");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn many_downloads_go_by_small_pieces_and_all_buffers_come_home() {
        let buffers = Buffers::default();
        let (first, second) = (Arc::default(), Arc::default());
        let large: Vec<Buffer> = (0..LARGE).map(|_| buffers.take(&first)).collect();
        assert!(large.iter().all(|buffer| buffer.bytes.len() == PIECE));
        assert_eq!(buffers.take(&second).bytes.len(), SMALL);
        drop(large);
        assert_eq!(buffers.take(&second).bytes.len(), PIECE);
        let shelf = buffers.0.lock().expect("shelf");
        assert_eq!((shelf.free.len(), shelf.taken), (LARGE, 0));
        assert_eq!(first.under_way.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_holds_two_buffers_and_goes_on_when_one_was_sent() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        std::fs::write(&path, vec![7; PIECE * 4]).expect("file");
        let mut download = Download::new(File::open(path).expect("file"), 0, PIECE as u64 * 4, &Buffers::default());
        let first = download.frame().await.expect("first").expect("read");
        let _second = download.frame().await.expect("second").expect("read");
        assert!(futures::poll!(std::pin::pin!(download.frame())).is_pending());
        drop(first);
        assert!(download.frame().await.expect("third").is_ok());
    }
}
