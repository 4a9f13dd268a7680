//! The last batches of a stream that somebody follows, as they are read. Many who follow one stream read the same lines: those are made ready once, when
//! they are added. What is not here is read from the files, and both give the same lines at the same places.
//!
//! It holds all lines from its first one to the stream's end, or none.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::LineId;
use crate::chunk::Chunk;

/// Batches at most: a collector adds some in a second.
const BATCHES: usize = 16;
/// Bytes for each follower: many streams with one follower each take no more than one stream with many.
const EACH: usize = 32 << 10;
/// Bytes at most.
const MOST: usize = 512 << 10;

#[derive(Debug, Default)]
pub(crate) struct Ring {
    chunks: VecDeque<Arc<Chunk>>,
    bytes: usize,
}

impl Ring {
    /// Bytes that it holds at most for so many followers.
    pub(crate) fn most(followers: usize) -> usize {
        followers.saturating_mul(EACH).min(MOST)
    }

    /// Takes in what was just added. What is too much goes, the oldest first.
    pub(crate) fn push(&mut self, chunk: Arc<Chunk>, followers: usize) {
        let most = Self::most(followers);
        self.bytes += chunk.size();
        self.chunks.push_back(chunk);
        while self.bytes > most || self.chunks.len() > BATCHES {
            let Some(oldest) = self.chunks.pop_front() else { break };
            self.bytes -= oldest.size();
        }
    }

    /// Lines were added that are not here, or some that are here were deleted.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What lies behind this place, if all of it is here.
    pub(crate) fn behind(&self, after: LineId) -> Option<Vec<Arc<Chunk>>> {
        let first = self.chunks.front()?;
        let before = match first.first {
            // Where the part before it ends is not known here.
            0 => LineId { segment: first.segment.saturating_sub(1), index: u32::MAX },
            number => LineId { segment: first.segment, index: number - 1 },
        };
        let is_new = |chunk: &&Arc<Chunk>| (chunk.segment, chunk.end()) > (after.segment, after.index.saturating_add(1));
        (after >= before).then(|| self.chunks.iter().filter(is_new).cloned().collect())
    }
}
