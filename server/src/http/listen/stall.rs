//! A connection whose reader must go on reading. While nothing is to be written nothing is measured: long uploads, sockets of shells and
//! streams of events may be silent for as long as they like.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Fails where what is to be written is not taken for so long.
pub(super) struct Stalling<S> {
    stream: S,
    longest: Duration,
    /// Runs while a write waits; none of whose bytes were taken since.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S: Unpin> Stalling<S> {
    pub(super) fn new(stream: S, longest: Duration) -> Self {
        Self { stream, longest, waits: None }
    }

    /// One attempt to write. That anything was taken begins the time anew.
    fn attempt<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = write(Pin::new(&mut self.stream), context) {
            self.waits = None;
            return Poll::Ready(done);
        }
        let longest = self.longest;
        let waits = self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + longest)));
        ready!(waits.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read what it asked for")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.attempt(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.attempt(context, |stream, context| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const LONGEST: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_reading_is_cut() {
        let (ours, _theirs) = duplex(16);
        let began = Instant::now();
        let error = Stalling::new(ours, LONGEST).write_all(&[0; 100]).await.expect_err("nobody reads");
        assert_eq!((error.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_slowly_is_not_and_silence_is_no_stall() {
        let (ours, mut theirs) = duplex(16);
        let mut ours = Stalling::new(ours, LONGEST);
        let reader = tokio::spawn(async move {
            let mut came = 0;
            let mut some = [0; 8];
            while let Ok(count @ 1..) = theirs.read(&mut some).await {
                came += count;
                tokio::time::sleep(LONGEST / 2).await;
            }
            came
        });
        ours.write_all(&[0; 200]).await.expect("it is read");
        tokio::time::sleep(LONGEST * 100).await;
        ours.write_all(&[0; 100]).await.expect("nothing was to be written for long");
        drop(ours);
        assert_eq!(reader.await.expect("it ends"), 300);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_the_other_side_to_write_waits() {
        let (ours, mut theirs) = duplex(16);
        let mut ours = Stalling::new(ours, LONGEST);
        let writer = tokio::spawn(async move {
            tokio::time::sleep(LONGEST * 10).await;
            theirs.write_all(b"late").await.expect("taken");
        });
        let mut came = [0; 4];
        ours.read_exact(&mut came).await.expect("an upload may pause");
        writer.await.expect("it ends");
    }
}
