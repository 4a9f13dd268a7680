//! Pieces of a stream that come together: keeping them one by one would wait for each.

use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use tokio::time::{Instant, timeout_at};

use crate::docker::{EngineError, LogPiece};

/// Bytes that are taken at once.
const CHUNK: usize = 2 << 20;
/// What comes within so much time is kept together: each keeping waits its turn.
const TOGETHER: Duration = Duration::from_millis(100);

type Pieces = BoxStream<'static, crate::docker::Result<LogPiece>>;

/// Pieces that came together, and what came after them: more, the end, or an error.
pub(super) struct Chunk {
    pub pieces: Vec<LogPiece>,
    pub end: Option<Result<(), EngineError>>,
}

/// What comes together, after at most so long a wait for the first of it.
pub(super) async fn chunk(pieces: &mut Pieces, most: Option<Duration>) -> Chunk {
    let first = match most {
        Some(most) => match tokio::time::timeout(most, pieces.next()).await {
            Ok(first) => first,
            Err(_) => return Chunk { pieces: Vec::new(), end: None },
        },
        None => pieces.next().await,
    };
    let mut chunk = Chunk { pieces: Vec::new(), end: None };
    let until = Instant::now() + TOGETHER;
    let (mut next, mut bytes) = (Some(first), 0);
    while let Some(piece) = next {
        match piece {
            Some(Ok(piece)) => {
                bytes += piece.text.len() + 64;
                chunk.pieces.push(piece);
            }
            Some(Err(error)) => chunk.end = Some(Err(error)),
            None => chunk.end = Some(Ok(())),
        }
        next = if chunk.end.is_some() || bytes >= CHUNK { None } else { timeout_at(until, pieces.next()).await.ok() };
    }
    chunk
}
