//! Kept lines of logs on disk.
