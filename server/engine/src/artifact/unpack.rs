//! An artifact as the archive that an engine unpacks: what is in a tar, tar.gz or zip file below the path where it should be, anything else as
//! one file. Read and written on the way; nothing is unpacked on the portal's disk.
//!
//! Nothing in it leaves its folder: no `..`, no absolute names, nothing through a link of its own; no device nodes; bounded in size and number.
//! All of it belongs to root and can be read by everyone, whatever the task's user is.

mod metered;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, Write};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use model::descriptor::Artifact;
use tokio::sync::mpsc;

use super::{Limits, shown};
use metered::{Metered, Purse};

/// Bytes that are handed on at once.
const PIECE: usize = 64 * 1024;
/// Longest target of a link.
const LINK: u64 = 4_096;
/// Most bytes of what comes before an entry's content in a tar file: its header, a long name, a long target, attributes.
const BEFORE: u64 = 4 << 20;
/// Bytes of a zip file's list for each entry that it may have, and for finding the list.
const LISTED: (u64, u64) = (128, 1 << 20);
/// Most bytes of all names.
const NAMES: usize = 64 << 20;

/// Why it cannot be.
#[derive(Debug)]
pub(super) enum Wrong {
    /// Nobody takes it any more.
    Cut,
    /// It is not what it should be, and why.
    Artifact(String),
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Cut } else { Self::Artifact(error.to_string()) }
    }
}

fn wrong<T>(message: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong::Artifact(message.into()))
}

/// Hands an archive on in pieces.
pub(super) struct Sink {
    pieces: mpsc::Sender<Bytes>,
    piece: Vec<u8>,
}

impl Sink {
    pub(super) fn new(pieces: mpsc::Sender<Bytes>) -> Self {
        Self { pieces, piece: Vec::with_capacity(PIECE) }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.pieces.blocking_send(Bytes::from(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// What sort of file it is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Tar,
    TarGz,
    Zip,
    Plain,
}

fn sort(name: &str) -> Sort {
    let name = name.to_ascii_lowercase();
    match () {
        () if name.ends_with(".tar") => Sort::Tar,
        () if name.ends_with(".tar.gz") || name.ends_with(".tgz") => Sort::TarGz,
        () if name.ends_with(".zip") => Sort::Zip,
        () => Sort::Plain,
    }
}

/// Writes the archive.
pub(super) fn into(mut file: File, artifact: &Artifact, limits: &Limits, sink: impl Write) -> Result<(), Wrong> {
    file.rewind()?;
    let name = shown(&artifact.url).rsplit('/').next().unwrap_or_default();
    let mut packer = Packer {
        archive: tar::Builder::new(sink),
        base: artifact.path.trim_matches('/').to_owned(),
        links: BTreeSet::new(),
        left: limits.unpacked,
        entries: limits.entries,
        names: NAMES,
    };
    match sort(name) {
        Sort::Tar => packer.tar(io::BufReader::new(file))?,
        Sort::TarGz => packer.tar(MultiGzDecoder::new(io::BufReader::new(file)))?,
        Sort::Zip => packer.zip(io::BufReader::new(file))?,
        Sort::Plain => packer.plain(file, artifact, name)?,
    }
    packer.archive.into_inner()?.flush()?;
    Ok(())
}

struct Packer<W: Write> {
    archive: tar::Builder<W>,
    /// Where it goes, without slashes around it.
    base: String,
    /// Links that came in it.
    links: BTreeSet<String>,
    left: u64,
    entries: usize,
    names: usize,
}

impl<W: Write> Packer<W> {
    fn tar(&mut self, from: impl Read) -> Result<(), Wrong> {
        let purse = Purse::default();
        let mut archive = tar::Archive::new(Metered::new(from, purse.clone()));
        purse.put(BEFORE);
        for entry in archive.entries()? {
            let mut entry = entry?;
            // Its content is counted where it is read.
            purse.put(u64::MAX);
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let place = self.place(&name)?;
            let kind = entry.header().entry_type();
            let regular = matches!(kind, tar::EntryType::Regular | tar::EntryType::Continuous);
            if place.is_none() || !regular {
                // What should have no content, and may have some.
                self.charge(entry.size())?;
                io::copy(&mut entry, &mut io::sink())?;
            }
            let mode = entry.header().mode()?;
            let target = entry.link_name_bytes().map(|target| String::from_utf8_lossy(&target).into_owned());
            match (kind, place, target) {
                (tar::EntryType::XGlobalHeader, ..) | (_, None, _) => {}
                (tar::EntryType::Directory, Some(path), _) => self.folder(&path, mode)?,
                (tar::EntryType::Symlink, Some(path), Some(target)) => self.link(path, &target)?,
                (tar::EntryType::Link, Some(path), Some(target)) => self.same(&path, &target)?,
                (_, Some(path), _) if regular => {
                    let size = entry.size();
                    self.file(&path, mode, size, &mut entry)?;
                }
                _ => return wrong(format!("{name} is a device or something else that is neither a file, a folder nor a link")),
            }
            purse.put(BEFORE);
        }
        Ok(())
    }

    fn zip(&mut self, from: impl Read + Seek) -> Result<(), Wrong> {
        let broken = |error: zip::result::ZipError| Wrong::Artifact(error.to_string());
        let purse = Purse::default();
        purse.put(LISTED.0 * self.entries as u64 + LISTED.1);
        let mut archive = zip::ZipArchive::new(Metered::new(from, purse.clone())).map_err(broken)?;
        purse.put(u64::MAX);
        if archive.len() > self.entries {
            return wrong(format!("it holds {} files and folders; at most {} are unpacked", archive.len(), self.entries));
        }
        for at in 0..archive.len() {
            let mut entry = archive.by_index(at).map_err(broken)?;
            let name = entry.name().map_err(broken)?.into_owned();
            let Some(path) = self.place(&name.replace('\\', "/"))? else { continue };
            let mode = entry.unix_mode();
            if entry.is_dir() {
                self.folder(&path, mode.unwrap_or(0o755))?;
            } else if entry.is_symlink() {
                let mut target = String::new();
                (&mut entry).take(LINK).read_to_string(&mut target)?;
                self.link(path, &target)?;
            } else if mode.is_some_and(|mode| !matches!(mode & 0o170_000, 0 | 0o100_000)) {
                return wrong(format!("{name} is a device or something else that is neither a file, a folder nor a link"));
            } else {
                let size = entry.size();
                self.file(&path, mode.unwrap_or(0o644), size, &mut entry)?;
            }
        }
        Ok(())
    }

    /// One file: at the path, or in the folder that the path with a slash at its end names. A program can be run.
    fn plain(&mut self, mut from: File, artifact: &Artifact, name: &str) -> Result<(), Wrong> {
        let path = match artifact.path.ends_with('/') {
            true => self.place(name)?.ok_or_else(|| Wrong::Artifact("its address names no file; give the whole path".into()))?,
            false => self.base.clone(),
        };
        let size = from.metadata()?.len();
        let mut head = Vec::new();
        (&mut from).take(4).read_to_end(&mut head)?;
        from.rewind()?;
        let program = head.starts_with(b"#!") || head == b"\x7fELF";
        self.file(&path, if program { 0o755 } else { 0o644 }, size, &mut from)
    }

    /// Where something goes; none: it is the folder itself.
    fn place(&mut self, name: &str) -> Result<Option<String>, Wrong> {
        self.entries = match self.entries.checked_sub(1) {
            Some(left) => left,
            None => return wrong("it holds too many files and folders"),
        };
        let shown: String = name.chars().take(100).collect();
        if name.starts_with('/') || name.split('/').any(|part| part == "..") || name.contains('\0') {
            return wrong(format!("{shown:?} would be outside of its folder"));
        }
        let mut path = self.base.clone();
        let mut inside = false;
        for part in name.split('/').filter(|part| !matches!(*part, "" | ".")) {
            if inside && self.links.contains(&path) {
                return wrong(format!("{shown:?} would go through a link of its own"));
            }
            path.push('/');
            path.push_str(part);
            inside = true;
        }
        if path.len() > 4_095 {
            return wrong(format!("{shown:?} is too long a name"));
        }
        self.names = match self.names.checked_sub(path.len()) {
            Some(left) => left,
            None => return wrong("the names in it are too long together"),
        };
        Ok(inside.then_some(path))
    }

    /// Counts bytes of content.
    fn charge(&mut self, size: u64) -> Result<(), Wrong> {
        self.left = match self.left.checked_sub(size) {
            Some(left) => left,
            None => return wrong("unpacked it is larger than what is allowed"),
        };
        Ok(())
    }

    fn file(&mut self, path: &str, mode: u32, size: u64, from: &mut impl Read) -> Result<(), Wrong> {
        self.charge(size)?;
        let run = if mode & 0o111 == 0 { 0 } else { 0o111 };
        let mut header = header(tar::EntryType::Regular, (mode & 0o777) | 0o444 | run);
        header.set_size(size);
        let mut counted = Counted { from: from.take(size), count: 0 };
        self.archive.append_data(&mut header, path, &mut counted)?;
        if counted.count != size {
            return wrong(format!("{path} is cut: {} of {size} bytes", counted.count));
        }
        // What is replaced by a file is no link any more.
        self.links.remove(path);
        Ok(())
    }

    fn folder(&mut self, path: &str, mode: u32) -> Result<(), Wrong> {
        if self.links.contains(path) {
            return wrong(format!("{path:?} is a folder and a link"));
        }
        let mut header = header(tar::EntryType::Directory, (mode & 0o777) | 0o555);
        header.set_size(0);
        Ok(self.archive.append_data(&mut header, format!("{path}/"), io::empty())?)
    }

    fn link(&mut self, path: String, target: &str) -> Result<(), Wrong> {
        if target.is_empty() || target.len() as u64 >= LINK || target.contains('\0') {
            return wrong(format!("{path:?} is a link that leads nowhere"));
        }
        let mut header = header(tar::EntryType::Symlink, 0o777);
        header.set_size(0);
        self.archive.append_link(&mut header, &path, target)?;
        self.links.insert(path);
        Ok(())
    }

    /// Another name for a file of the same archive.
    fn same(&mut self, path: &str, target: &str) -> Result<(), Wrong> {
        let Some(target) = self.place(target)? else { return wrong(format!("{path:?} is another name for a folder")) };
        if self.links.contains(&target) {
            return wrong(format!("{path:?} is another name for a link"));
        }
        let mut header = header(tar::EntryType::Link, 0o644);
        header.set_size(0);
        Ok(self.archive.append_link(&mut header, path, &target)?)
    }
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(1);
    header
}

struct Counted<R> {
    from: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.count += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
