//! Kept lines of logs on disk: for each stream (a service in an environment) a folder with a journal that lines are added to and with compressed
//! segments that never change. Lines are searched with what ripgrep is made of. All functions block: callers that are asynchronous use a thread.
//!
//! A line's place in the stream ([`LineId`]) is fixed when it is added, and lines are read in the order of their places. A batch is put in the order
//! of time when it is added; so lines of several tasks stand in the order of time as far as they came in one batch.
//!
//! This crate never asks the time, knows no HTTP, no database and no engine, and never says who may read.

mod bytes;
mod chunk;
mod columns;
mod context;
mod frame;
mod item;
mod journal;
mod last;
mod matcher;
mod plan;
mod read;
mod recover;
mod ring;
mod scan;
mod seal;
mod segment;
mod store;
mod stream;
mod trail;
mod words;

pub use last::Past;
pub use matcher::{BadPattern, Matcher};
pub use scan::Near;
pub use store::{Options, Removed, Store};
pub use stream::Stream;
pub use trail::Trail;
pub use words::{Batch, Found, Gone, InvalidLineId, Kind, LineId, Progress, Record, Select, Start, StreamKey};

#[cfg(test)]
mod tests;
