//! Bodies of answers: small ones whole, up to a limit; blobs as streams that end when they stop coming or come too slowly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::Failure;

/// Longest wait for the next bytes.
const IDLE: Duration = Duration::from_secs(45);
/// So much of waiting is one look at the speed...
const LOOK: Duration = Duration::from_secs(60);
/// ...in which at least so many bytes must come: 8 KiB a second.
const SLOWEST: u64 = 480 * 1024;
/// Longest time for a whole small body: a manifest, a list, a token.
const WHOLE: Duration = Duration::from_secs(30);

/// Bytes that came.
pub type Tally = Arc<AtomicU64>;

/// A blob on its way.
pub struct Fetch {
    /// Which of its bytes comes first.
    pub start: u64,
    pub(super) body: Incoming,
}

impl Fetch {
    /// Its bytes, counted as they come. What is cut, stands still or crawls ends with an error.
    pub fn stream(self, tally: Tally) -> impl Stream<Item = Result<Bytes, &'static str>> + Unpin + Send {
        let state = Some((self.body, Pace::default(), tally));
        Box::pin(futures::stream::unfold(state, |state| async {
            let (mut body, mut pace, tally) = state?;
            loop {
                let began = Instant::now();
                let frame = match tokio::time::timeout(IDLE, body.frame()).await {
                    Err(_) => return Some((Err("nothing came any more"), None)),
                    Ok(None) => return None,
                    Ok(Some(Err(_))) => return Some((Err("the connection was cut"), None)),
                    Ok(Some(Ok(frame))) => frame,
                };
                let Ok(bytes) = frame.into_data() else { continue };
                if !pace.keeps(bytes.len() as u64, began.elapsed()) {
                    return Some((Err("it came too slowly"), None));
                }
                tally.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                return Some((Ok(bytes), Some((body, pace, tally))));
            }
        }))
    }
}

/// How fast it came lately. Only waiting counts: what we do with the bytes in between is our own affair.
#[derive(Default)]
struct Pace {
    came: u64,
    waited: Duration,
}

impl Pace {
    fn keeps(&mut self, bytes: u64, waited: Duration) -> bool {
        self.came += bytes;
        self.waited += waited;
        if self.waited < LOOK {
            return true;
        }
        std::mem::take(self).came >= SLOWEST
    }
}

/// The whole body, if it is not too large.
pub(super) async fn whole(host: &str, answer: Response<Incoming>, most: usize) -> Result<Bytes, Failure> {
    let collected = tokio::time::timeout(WHOLE, Limited::new(answer.into_body(), most).collect()).await;
    match collected {
        Err(_) => Err(Failure::passing("cut", format!("{host} did not finish its answer in time"))),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Failure::last("too_large", format!("{host} answers with more than {most} bytes where that is the most that is accepted")))
        }
        Ok(Err(_)) => Err(Failure::passing("cut", format!("the connection to {host} was cut"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crawls_is_given_up_and_what_only_pauses_is_not() {
        let mut pace = Pace::default();
        assert!(pace.keeps(SLOWEST, Duration::from_secs(40)));
        assert!(pace.keeps(1, Duration::from_secs(40)), "enough came in this look");
        assert!(pace.keeps(1, Duration::from_secs(40)));
        assert!(!pace.keeps(1, Duration::from_secs(40)));
    }
}
