//! Streams that somebody may read for as long as their permission holds, and as the portal runs.

use domain::access::{Key, Lease};
use domain::{Error, Result};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use super::Portal;

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
