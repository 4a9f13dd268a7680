//! Kept samples of what tasks and machines use, on disk: for each stream (a service in an environment, or a machine) a folder with files that never
//! change, and one journal for each hour that samples of all streams are added to. All functions block: callers that are asynchronous use a thread.
//!
//! What is sampled is kept as it is for a day, rolled up over five minutes for 90 days and over an hour for two years; [`Store::query`] reads whichever
//! fits the time that is asked for. Roll-ups hold the least, the mean and the peak; percentiles are not kept, since they cannot be put together from
//! those of shorter times. A counter is kept as its sum, and shown as its growth per second; one that begins anew does not grow by a negative number.
//! Where nothing was sampled for [`Options::gap_ms`] there is a gap: also what a counter grew meanwhile is nowhere.
//!
//! This crate never asks the time, knows no HTTP, no database and no engine, and never says who may read.

mod beside;
mod bytes;
mod column;
mod compact;
mod files;
mod held;
mod journal;
mod listing;
mod live;
mod metric;
mod pack;
mod query;
mod raw;
mod record;
mod rolled;
mod rollup;
mod seal;
mod segment;
mod store;
mod together;
mod total;
mod totals;
mod words;

pub use held::Held;
pub use metric::{Kind, Metric, Unit};
pub use store::{Options, Store};
pub use words::{Added, Answer, Key, Latest, Member, Minute, Now, Overview, Point, Removed, Resolution, Sample, Select, Series};
pub use words::{Total, TotalSeries, Totals, Value};

#[cfg(test)]
mod tests;
