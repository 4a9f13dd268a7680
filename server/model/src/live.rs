//! How pages hear of changes, as far as both ends must agree.

/// Topics of one stream at most: with ids, an address that proxies take (8 KiB) has room for so many. The worker that all tabs of a browser share asks
/// for no more.
pub const TOPICS_MAX: usize = 128;
