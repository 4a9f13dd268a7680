//! Blobs and uploads as files of the data folder. Nothing here knows a repository's rights or the database.
//!
//! A blob is whole or not there: an upload is a file of its own, hashed while it is written; when its digest is right it is
//! synced, renamed to its place and its folder synced, in this order. A crash in between leaves an upload, which can be
//! resumed or expires, or a whole blob that no row names yet, which can be pushed again.

use std::io;

mod blobs;
mod download;
mod uploads;

pub use blobs::{Blobs, Found};
pub use download::{Buffers, Download};
pub use uploads::{Appended, Finished, Stopped, Upload, UploadKey, Uploads};

/// Bytes that are hashed and written, or read and sent, at a time. Each transfer holds a few of these, whatever it moves.
const PIECE: usize = 256 * 1024;

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
