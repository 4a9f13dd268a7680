//! One file out of a container, as the engine's archive of it, unpacked while it passes.
//!
//! The engine leads a path within the container's root and out of it never. Links are followed part by part, so that it is known where a path
//! really ends: what lies in the folder of secret files is refused however it is called. Folders, devices, pipes and sockets are refused before
//! anything is read. A file of any size passes through a few pieces of memory, and a wait for the engine is bounded.
//!
//! Between the look at a path and its archive a program in the container may put a link in the place of a folder of it. So nothing leaves
//! before it is known that what was opened is what was looked at ([`Docker::file`]). What remains: a program that swaps so fast that the link stands
//! at each of the looks, and between them does not. The engine tells nothing by which that could be seen; so whoever asks here compares what came
//! with the secrets that they know (`domain`, `services/inspect.rs`). It would be worth something only to a program that may rename folders and may
//! not read the secret: one that may read it can print it.

use bollard::container::PathStatResponse;
use bollard::query_parameters::ContainerArchiveInfoOptionsBuilder;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt as _};
use model::configs::SECRET_MAX;
use model::time::Millis;
use model::views::inspect::FileView;

use super::{Docker, EngineError, Kind, QUICK, Result, WORK, containers::path_part, hijack, limited};

/// The deepest path that is followed, in parts: each is a question to the engine.
const DEEPEST: usize = 64;
/// A block of an archive.
const BLOCK: usize = 512;
/// Longest record about a file that an archive may hold before the file itself.
const RECORD_MAX: u64 = 1 << 20;

/// Bits of a mode as the engine tells them, which are not the kernel's.
const FOLDER: u32 = 1 << 31;
const LINK: u32 = 1 << 27;
const DEVICE: u32 = 1 << 26;
const PIPE: u32 = 1 << 25;
const SOCKET: u32 = 1 << 24;
const CHARACTERS: u32 = 1 << 21;
const IRREGULAR: u32 = 1 << 19;
const PERMISSIONS: u32 = 0o777;

/// A file's content on its way.
pub type Content = BoxStream<'static, Result<Bytes>>;

/// What a path leads to, every link followed.
struct End {
    /// Without any link in it; empty for the root.
    path: String,
    mode: u32,
    size: i64,
    modified: Option<String>,
}

impl End {
    fn root() -> Self {
        Self { path: String::new(), mode: FOLDER, size: 0, modified: None }
    }

    fn new(path: String, seen: PathStatResponse) -> Self {
        Self { path, mode: seen.file_mode, size: seen.size, modified: seen.modification_time }
    }

    fn is_in(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn is_folder(&self) -> bool {
        self.mode & FOLDER != 0
    }

    fn modified_at(&self) -> Option<Millis> {
        self.modified.as_deref().and_then(Millis::parse_rfc3339)
    }

    /// The whole seconds of it: an archive has no more.
    fn second(&self) -> Option<i64> {
        self.modified_at().map(|at| at.0.div_euclid(1000))
    }

    fn view(&self) -> FileView {
        FileView {
            path: self.path.clone(),
            size: u64::try_from(self.size).unwrap_or_default(),
            mode: self.mode & PERMISSIONS,
            modified_at: self.modified_at(),
        }
    }
}

/// What an archive says of the file in it.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    size: u64,
    mode: u32,
    /// Seconds since the epoch; none: it says none that can be read.
    modified: Option<i64>,
}

impl Header {
    /// Whether this is the file that lay at a path before and after the archive was made. It may have been written to meanwhile.
    fn is_between(&self, before: &End, after: &End) -> bool {
        let untouched = before.modified == after.modified && before.size == after.size;
        let in_time = match (before.second(), self.modified, after.second()) {
            // Some engines round up.
            (Some(before), Some(at), Some(after)) => (before..=after + 1).contains(&at),
            _ => true,
        };
        let mode = [before, after].iter().any(|end| end.mode & PERMISSIONS == self.mode);
        before.path == after.path && mode && in_time && (!untouched || u64::try_from(before.size) == Ok(self.size))
    }
}

/// What something is that is no regular file.
fn other_than_file(mode: u32) -> Option<&'static str> {
    let sorts = [
        (FOLDER, "a folder; name a file in it"),
        (LINK, "a link that changed while it was followed; try again"),
        (DEVICE | CHARACTERS, "a device, which has no end"),
        (PIPE, "a pipe, which holds nothing"),
        (SOCKET, "a socket, which holds nothing"),
        (IRREGULAR, "no regular file"),
    ];
    sorts.into_iter().find(|(bit, _)| mode & bit != 0).map(|(_, said)| said)
}

impl Docker {
    /// Looks whether a path of a container leads to a regular file that does not lie in the folder `secrets`.
    ///
    /// # Errors
    /// `NoSuchFile`, `NotAFile`, `SecretFile`, `NoSuchContainer`.
    pub async fn find_file(&self, container: &str, path: &str, secrets: &str) -> Result<FileView> {
        Ok(self.find(container, path, secrets).await?.view())
    }

    async fn find(&self, container: &str, path: &str, secrets: &str) -> Result<End> {
        limited("find the file", WORK, async {
            let end = self.follow(container, path).await?;
            let kept = match self.follow(container, secrets).await {
                Ok(kept) => Some(kept.path),
                Err(EngineError { kind: Kind::NoSuchFile | Kind::NotAFile, .. }) => None,
                Err(error) => return Err(error),
            };
            if kept.is_some_and(|kept| end.is_in(&kept)) {
                return Err(EngineError::new(
                    Kind::SecretFile,
                    "this file holds a secret, and nobody is shown those; a new one can be set at any time",
                ));
            }
            match other_than_file(end.mode) {
                Some(said) => Err(EngineError::new(Kind::NotAFile, format!("{path} is {said}"))),
                None => Ok(end),
            }
        })
        .await
    }

    /// The same file, and its bytes: as many as its size says, or an error.
    ///
    /// The engine leads the path to its end once more when it makes the archive, and once more when it opens the file. What is longer than any
    /// secret is none, whatever was opened: it is taken when more bytes have come than a secret has. What is not is held until the path was
    /// looked at again. The look comes behind the archive, because an engine answers nothing about a container before it is rid of its archive.
    pub async fn file(&self, container: &str, path: &str, secrets: &str) -> Result<(FileView, Content)> {
        let before = self.find(container, path, secrets).await?;
        let asked = format!("/containers/{}/archive?path={}", path_part(container)?, escaped(&before.path));
        let mut archive = Archive::new(hijack::open(self.dialer(), &self.path(&asked).await?, WORK).await?);
        let header = archive.first_file().await?;
        let found = FileView { size: header.size, ..before.view() };
        if let Some(length) = usize::try_from(header.size).ok().filter(|length| *length <= SECRET_MAX) {
            let content = archive.exactly(length).await?.freeze();
            drop(archive);
            let after = self.find(container, &before.path, secrets).await?;
            if !header.is_between(&before, &after) {
                return Err(EngineError::new(Kind::NotAFile, format!("{path} was replaced while it was taken; try again")));
            }
            return Ok((found, stream::iter((!content.is_empty()).then_some(Ok(content))).boxed()));
        }
        archive.fill(SECRET_MAX + 1).await?;
        Ok((found, archive.content(header.size).boxed()))
    }

    /// Leads a path to its end, as the container's own programs would.
    async fn follow(&self, container: &str, path: &str) -> Result<End> {
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.len() > DEEPEST {
            return Err(EngineError::new(Kind::NotAFile, format!("a path of more than {DEEPEST} parts is not followed")));
        }
        let mut end = End::root();
        for part in parts {
            if !end.is_folder() {
                return Err(EngineError::new(Kind::NotAFile, format!("{} is no folder: nothing is below it", end.path)));
            }
            if part == ".." {
                end = End { path: end.path[..end.path.rfind('/').unwrap_or(0)].to_owned(), ..end };
                continue;
            }
            let next = format!("{}/{part}", end.path);
            let seen = self.look_at(container, &next).await?;
            end = if seen.file_mode & LINK == 0 {
                End::new(next, seen)
            } else {
                // The engine follows a link to its very end, within the container.
                let target = seen.link_target.trim_end_matches('/').to_owned();
                if target.is_empty() { End::root() } else { End::new(target.clone(), self.look_at(container, &target).await?) }
            };
        }
        Ok(end)
    }

    /// What lies at a path, whose last part is not followed.
    async fn look_at(&self, container: &str, path: &str) -> Result<PathStatResponse> {
        let container = path_part(container)?;
        let options = ContainerArchiveInfoOptionsBuilder::default().path(path).build();
        let look = async move |client: bollard::Docker| match client.get_container_archive_info(container, Some(options)).await {
            Ok(seen) => Ok(Ok(seen)),
            // Such an answer has no text that would say more.
            Err(bollard::errors::Error::DockerResponseServerError { status_code: status @ (400 | 404 | 500), .. }) => Ok(Err(status)),
            Err(error) => Err(error),
        };
        match self.call("look into the container", QUICK, look).await? {
            Ok(seen) => Ok(seen),
            Err(404) => {
                // Maybe it is the container that is not there.
                self.inspect(container).await?;
                Err(EngineError::new(Kind::NoSuchFile, format!("there is no {path} in this task")))
            }
            Err(_) => Err(EngineError::new(Kind::NotAFile, format!("{path} cannot be followed: does a link in it lead to itself?"))),
        }
    }
}

/// The value of a query.
fn escaped(path: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
    path.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// An archive while it arrives.
struct Archive {
    pieces: Content,
    held: BytesMut,
}

fn broken_off() -> EngineError {
    EngineError::new(Kind::Unreachable, "the file broke off on its way: it changed meanwhile, or the engine went away")
}

impl Archive {
    fn new(pieces: Content) -> Self {
        Self { pieces, held: BytesMut::new() }
    }

    /// The next piece of the archive, whatever its length; never empty.
    async fn piece(&mut self) -> Result<Bytes> {
        loop {
            if !self.held.is_empty() {
                return Ok(self.held.split().freeze());
            }
            let piece = self.pieces.next().await.ok_or_else(broken_off)??;
            if !piece.is_empty() {
                return Ok(piece);
            }
        }
    }

    /// Waits until so many bytes are held, at most a record's.
    async fn fill(&mut self, length: usize) -> Result<()> {
        while self.held.len() < length {
            let piece = self.pieces.next().await.ok_or_else(broken_off)??;
            self.held.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// Exactly so many bytes, at most a record's.
    async fn exactly(&mut self, length: usize) -> Result<BytesMut> {
        self.fill(length).await?;
        Ok(self.held.split_to(length))
    }

    /// Reads up to the first file's content; what is said of it.
    async fn first_file(&mut self) -> Result<Header> {
        let mut told = Told::default();
        loop {
            let block = self.exactly(BLOCK).await?;
            let header = tar::Header::from_byte_slice(&block);
            let size = header.entry_size().map_err(|_| unreadable())?;
            match header.entry_type() {
                // An empty name is the archive's end.
                tar::EntryType::Regular if block[0] != 0 => {
                    let mode = header.mode().map_err(|_| unreadable())? & PERMISSIONS;
                    let plain = || header.mtime().ok().and_then(|at| i64::try_from(at).ok());
                    return Ok(Header { size: told.size.unwrap_or(size), mode, modified: told.modified.or_else(plain) });
                }
                kind @ (tar::EntryType::XHeader | tar::EntryType::XGlobalHeader | tar::EntryType::GNULongName | tar::EntryType::GNULongLink) => {
                    if size > RECORD_MAX {
                        return Err(unreadable());
                    }
                    let length = usize::try_from(size).map_err(|_| unreadable())?;
                    let record = self.exactly(length.next_multiple_of(BLOCK)).await?;
                    if kind == tar::EntryType::XHeader {
                        told.read(&record[..length]);
                    }
                }
                _ => return Err(EngineError::new(Kind::NotAFile, "it became something else than a file while it was looked at; try again")),
            }
        }
    }

    /// The content that follows.
    fn content(self, size: u64) -> impl futures::Stream<Item = Result<Bytes>> + Send + 'static {
        stream::unfold(Some((self, size)), |state| async move {
            let (mut archive, left) = state?;
            if left == 0 {
                return None;
            }
            match archive.piece().await {
                Ok(mut piece) => {
                    piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - piece.len() as u64;
                    Some((Ok(piece), Some((archive, left))))
                }
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

fn unreadable() -> EngineError {
    EngineError::new(Kind::Other, "the engine's archive of the file cannot be read")
}

/// What is told before a header, of a file that a plain header has no room for.
#[derive(Default)]
struct Told {
    size: Option<u64>,
    modified: Option<i64>,
}

impl Told {
    /// Reads a block of records of the form `length key=value`; nothing behind one that is none.
    fn read(&mut self, mut records: &[u8]) {
        while let Some((key_and_value, rest)) = record(records) {
            if let Some(size) = key_and_value.strip_prefix("size=") {
                self.size = size.parse().ok().or(self.size);
            } else if let Some(at) = key_and_value.strip_prefix("mtime=") {
                self.modified = seconds(at).or(self.modified);
            }
            records = rest;
        }
    }
}

/// The first record of a block, without its line end, and what follows. A value that is no text is passed over.
fn record(records: &[u8]) -> Option<(&str, &[u8])> {
    let space = records.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let text = std::str::from_utf8(records.get(space + 1..length)?).unwrap_or_default();
    Some((text.trim_end_matches('\n'), &records[length..]))
}

/// Whole seconds of a number that may have a fraction, rounded down.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let below = whole.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
    Some(seconds - i64::from(below))
}

#[cfg(test)]
mod tests;
