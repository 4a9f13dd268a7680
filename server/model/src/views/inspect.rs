//! Views of what is asked of an engine about one task: its processes, the files that changed since it was made, and one file of it.

use serde::{Deserialize, Serialize};

use crate::text::text_type;
use crate::time::Millis;
use crate::words::words;

/// Longest path of a file, in bytes; the kernel takes no longer one.
pub const PATH_MAX: usize = 4096;

/// The text is no file's path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidFilePath(&'static str);

text_type! {
    /// A file's path within a task: absolute, of at most 4096 bytes, without NUL. Whether there is such a file, and where its links lead, is
    /// known within the task alone; nothing above its root can be named.
    FilePath, InvalidFilePath, |text| {
        if !text.starts_with('/') {
            return Err(InvalidFilePath("a path from the task's root, like /etc/app.conf"));
        }
        if text.len() > PATH_MAX {
            return Err(InvalidFilePath("a path has at most 4096 bytes"));
        }
        if text.contains('\0') {
            return Err(InvalidFilePath("a path holds no NUL"));
        }
        Ok(())
    }
}

/// The processes of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessesView {
    /// What each column is, in the words of the machine's `ps`.
    pub columns: Vec<String>,
    /// A row for each process, as many values as there are columns; secrets are hidden. Its numbers are those of the machine.
    pub items: Vec<Vec<String>>,
    /// How many there are, also where not all are listed.
    pub total: usize,
}

words! {
    /// What became of a file since its container was made.
    ChangeKind,
    /// It was not in the image.
    Added = "added",
    /// It is not as in the image; of a folder: something in it is not.
    Changed = "changed",
    /// It was in the image.
    Deleted = "deleted",
}

/// A file or folder that is not as in the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// What became of it.
    pub kind: ChangeKind,
    /// Its path, from the task's root.
    pub path: String,
}

/// The files of a task that are not as in its image. Those in volumes are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesView {
    /// A page of those that were asked for, each folder before what is in it.
    pub items: Vec<FileChange>,
    /// How many changed in all.
    pub total: usize,
    /// How many of them were asked for.
    pub found: usize,
    /// The path after which the next page begins, where there is one.
    pub next: Option<String>,
}

/// Which changed files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesQuery {
    /// Only those whose path contains this text; upper and lower case differ.
    #[serde(default)]
    pub q: String,
    /// Only those of which this became.
    #[serde(default)]
    pub kind: Option<ChangeKind>,
    /// Only those after this path.
    #[serde(default)]
    pub after: Option<String>,
    /// How many at most: 200, unless said otherwise; never more than 1,000.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl ChangesQuery {
    /// Longest text to look for, in bytes.
    pub const TEXT_MAX: usize = PATH_MAX;

    /// How many are listed.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(200).clamp(1, 1_000)
    }
}

/// A regular file of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// Where it is, every link followed.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// When it was written last, where the engine tells.
    pub modified_at: Option<Millis>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_path_is_absolute_and_not_endless() {
        let path = |text: &str| text.parse::<FilePath>().map(String::from).map_err(|error| error.to_string());
        assert_eq!(path("/etc/../etc/app.conf").as_deref(), Ok("/etc/../etc/app.conf"), "it is the task's own business where that is");
        assert!(path("etc/app.conf").expect_err("relative").contains("like /etc/app.conf"));
        assert!(path("").is_err() && path("/a\0b").is_err());
        assert!(path(&format!("/{}", "a".repeat(PATH_MAX - 1))).is_ok());
        assert!(path(&format!("/{}", "a".repeat(PATH_MAX))).expect_err("too long").contains("4096"));
    }

    #[test]
    fn a_page_of_changes_has_a_limit_whatever_is_asked() {
        let limit = |limit| ChangesQuery { limit, ..ChangesQuery::default() }.limit();
        assert_eq!((limit(None), limit(Some(0)), limit(Some(7)), limit(Some(1_000_000))), (200, 1, 7, 1_000));
    }
}
