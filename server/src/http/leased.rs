//! Streams that somebody may read for as long as their permission holds, and as the portal runs; and files, which must also be taken at a pace and
//! within a time, because what they come from is kept busy meanwhile.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use domain::access::{Key, Lease};
use domain::streams::Slot;
use domain::{Error, Result};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::Portal;

/// Pieces of a file that wait for the client.
const AHEAD: usize = 2;
/// A client that takes nothing for so long has gone.
const UNTAKEN: Duration = Duration::from_secs(60);
/// Least pace of a file after a first [`UNTAKEN`], bytes a second on the average: until it is over an engine answers nothing else about its
/// container, not even how to stop it.
const PACE: u64 = 64 << 10;
/// Nothing goes out for longer, whoever is slow.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// What a stream says that ends because the portal does.
pub const STOPPING: &str = "the portal is stopping";

/// The pieces until their end, or until a last one that says why there are no more.
pub fn leased<P, K, T>(portal: &Portal, lease: Lease<P, K>, pieces: BoxStream<'static, Result<T>>) -> BoxStream<'static, Result<T>>
where
    P: Send + 'static,
    K: Key<Resource: Send + 'static> + Send + 'static,
    T: Send + 'static,
{
    let stopping = portal.stopping.clone();
    stream::unfold(Some((lease, pieces)), move |state| {
        let stopping = stopping.clone();
        async move {
            let (mut lease, mut pieces) = state?;
            tokio::select! {
                biased;
                error = lease.lost() => Some((Err(error), None)),
                () = stopping.cancelled() => Some((Err(Error::Unavailable(STOPPING.into())), None)),
                piece = pieces.next() => {
                    let piece = piece?;
                    if let Err(Error::Internal(cause)) = &piece {
                        tracing::error!(error = %cause, "a stream could not be read to its end");
                    }
                    let rest = piece.is_ok().then_some((lease, pieces));
                    Some((piece, rest))
                }
            }
        }
    })
    .boxed()
}

/// A file that goes out as its client takes it. Cut off, it is shorter than was said, so that nobody takes a part for the whole. The slot is held
/// until all of it is taken.
pub fn file<P, K>(portal: &Portal, lease: Lease<P, K>, slot: Slot, pieces: BoxStream<'static, Result<Bytes>>) -> Body
where
    P: Send + 'static,
    K: Key<Resource: Send + 'static> + Send + 'static,
{
    let (taken, ahead) = mpsc::channel(AHEAD);
    let pieces = leased(portal, lease, pieces);
    tokio::spawn(async move {
        send(pieces, taken, Instant::now() + LONGEST).await;
        drop(slot);
    });
    Body::from_stream(ReceiverStream::new(ahead))
}

/// Sends pieces until all of them are taken, or until this moment. An error cuts the connection.
async fn send(mut pieces: BoxStream<'static, Result<Bytes>>, taken: mpsc::Sender<io::Result<Bytes>>, until: Instant) {
    let (mut waited, mut sent_bytes) = (Duration::ZERO, 0);
    loop {
        let piece = tokio::select! {
            biased;
            () = taken.closed() => break,
            () = sleep_until(until) => Err(Error::Unavailable(format!("nothing is sent for longer than {} minutes", LONGEST.as_secs() / 60))),
            piece = pieces.next() => match piece {
                Some(piece) => piece,
                None => break,
            },
        };
        let last = piece.is_err();
        sent_bytes += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        let piece = piece.map_err(|error| io::Error::other(error.problem().detail));
        // Only what the client took its time for counts: the slowness of where it comes from is not its fault.
        let began = Instant::now();
        let sent = timeout(UNTAKEN, taken.send(piece)).await;
        waited += began.elapsed();
        if last || !matches!(sent, Ok(Ok(()))) || too_slow(waited, sent_bytes) {
            break;
        }
    }
}

fn too_slow(waited: Duration, bytes: u64) -> bool {
    waited > UNTAKEN + Duration::from_secs(bytes / PACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_takes_less_than_the_least_pace_is_cut_after_a_while() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        assert!(!too_slow(minutes(1), 0));
        assert!(!too_slow(minutes(11), 10 * 60 * PACE));
        assert!(too_slow(minutes(12), 10 * 60 * PACE));
    }

    /// Bytes that came, and whether the last thing was an error.
    async fn read(mut ahead: mpsc::Receiver<io::Result<Bytes>>) -> (usize, bool) {
        let mut bytes = 0;
        while let Some(piece) = ahead.recv().await {
            match piece {
                Ok(piece) => bytes += piece.len(),
                Err(_) => return (bytes, true),
            }
        }
        (bytes, false)
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_never_ends_is_cut() {
        let drops = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            let piece: Result<Bytes> = Ok(Bytes::from_static(b"drop"));
            Some((piece, ()))
        });
        let (taken, ahead) = mpsc::channel(AHEAD);
        tokio::spawn(send(drops.boxed(), taken, Instant::now() + LONGEST));
        let (bytes, cut) = read(ahead).await;
        assert!(cut && bytes < 4 * 60, "{bytes} bytes");
        let (taken, ahead) = mpsc::channel(AHEAD);
        let short: [Result<Bytes>; 2] = [Ok(Bytes::from_static(b"all")), Ok(Bytes::from_static(b" of it"))];
        tokio::spawn(send(stream::iter(short).boxed(), taken, Instant::now() + LONGEST));
        assert_eq!(read(ahead).await, (9, false));
    }
}
