//! Putting files into a container that does not run yet, and holding such an upload open.
//!
//! The engine unpacks a tar archive inside of the container's root, so nothing of the image is needed for it: no shell, no tools. Folders that
//! are missing above a file are made, owned by root with mode 0755; those that are there keep what they are.

use std::time::Duration;

use bollard::query_parameters::{ContainerArchiveInfoOptionsBuilder, UploadToContainerOptionsBuilder};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::{Docker, EngineError, Kind, QUICK, Result, WORK};

/// Longest time for an upload.
const UPLOAD: Duration = Duration::from_secs(3_600);
/// The two empty blocks at an archive's end.
const END: [u8; 1024] = [0; 1024];

/// One thing to put into a container.
#[derive(Clone)]
pub struct Entry {
    /// Where, from the root.
    pub path: String,
    /// What.
    pub what: What,
}

/// What an entry is. Its content is not printed: it may be a secret.
#[derive(Clone)]
pub enum What {
    /// A file of root's.
    File {
        /// What is in it.
        content: Zeroizing<Vec<u8>>,
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Link {
        /// Where it leads.
        to: String,
    },
}

impl Entry {
    /// A file.
    pub fn file(path: impl Into<String>, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        Self { path: path.into(), what: What::File { content: Zeroizing::new(content.into()), mode } }
    }

    /// A symbolic link.
    pub fn link(path: impl Into<String>, to: impl Into<String>) -> Self {
        Self { path: path.into(), what: What::Link { to: to.into() } }
    }
}

/// A tar archive of these, without its end; wiped when it is dropped.
fn pack(entries: &[Entry]) -> Result<Bytes> {
    let wrong = |path: &str, error: std::io::Error| EngineError::new(Kind::Refused, format!("{path} cannot be put into a container: {error}"));
    // Room for all of it, so that nothing is left behind in a smaller buffer.
    let size: usize = entries.iter().map(|entry| 4_096 + entry.size().next_multiple_of(512)).sum();
    let mut archive = tar::Builder::new(Wiped(Zeroizing::new(Vec::with_capacity(size + END.len()))));
    for entry in entries {
        let path = entry.path.trim_matches('/');
        if path.is_empty() || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(EngineError::new(Kind::Refused, format!("{} is not a file's path", entry.path)));
        }
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1);
        match &entry.what {
            What::File { content, mode } => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(mode & 0o777);
                header.set_size(content.len() as u64);
                archive.append_data(&mut header, path, content.as_slice()).map_err(|error| wrong(path, error))?;
            }
            What::Link { to } => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                archive.append_link(&mut header, path, to).map_err(|error| wrong(path, error))?;
            }
        }
    }
    let whole = archive.into_inner().map_err(|error| wrong("an archive", error))?;
    let length = whole.0.len().saturating_sub(END.len());
    Ok(Bytes::from_owner(whole.0).slice(..length))
}

/// A buffer that is wiped when it is dropped.
struct Wiped(Zeroizing<Vec<u8>>);

impl std::io::Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Entry {
    fn size(&self) -> usize {
        match &self.what {
            What::File { content, .. } => content.len(),
            What::Link { to } => to.len(),
        }
    }
}

/// An upload that the engine has unpacked so far and waits for the end of. What it has mounted meanwhile stays mounted.
pub struct Held {
    rest: mpsc::Sender<Bytes>,
    upload: JoinHandle<Result<()>>,
}

impl Held {
    /// It is still being held.
    pub fn holds(&self) -> bool {
        !self.upload.is_finished()
    }

    /// Lets the engine finish.
    pub async fn finish(self) -> Result<()> {
        // When nobody takes it the upload has failed, and says why.
        let _ = self.rest.send(Bytes::from_static(&END)).await;
        drop(self.rest);
        let abort = self.upload.abort_handle();
        match tokio::time::timeout(WORK, self.upload).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) => Err(EngineError::new(Kind::Other, "an upload was given up")),
            Err(_) => {
                abort.abort();
                Err(EngineError::timed_out("unpack an archive", WORK))
            }
        }
    }
}

impl Docker {
    /// Puts files into a container, before its first start.
    pub async fn put(&self, container: &str, entries: &[Entry]) -> Result<()> {
        let archive = pack(entries)?;
        self.put_archive(container, stream::iter([archive, Bytes::from_static(&END)])).await
    }

    /// Unpacks a tar archive at a container's root. A folder is not replaced by a file.
    pub async fn put_archive(&self, container: &str, archive: impl Stream<Item = Bytes> + Send + 'static) -> Result<()> {
        let options = UploadToContainerOptionsBuilder::default().path("/").no_overwrite_dir_non_dir("true").build();
        self.call("unpack an archive", UPLOAD, async move |client| {
            client.upload_to_container(container, Some(options), bollard::body_stream(archive)).await
        })
        .await
    }

    /// Begins an upload and holds it open.
    pub async fn hold(&self, container: &str, entries: &[Entry]) -> Result<Held> {
        let archive = pack(entries)?;
        let (rest, mut more) = mpsc::channel::<Bytes>(2);
        let body = stream::once(std::future::ready(archive)).chain(stream::poll_fn(move |context| more.poll_recv(context)));
        let (docker, container) = (self.clone(), container.to_owned());
        let upload = tokio::spawn(async move { docker.put_archive(&container, body).await });
        Ok(Held { rest, upload })
    }

    /// Whether there is something at a path of a container.
    pub async fn has_path(&self, container: &str, path: &str) -> Result<bool> {
        let options = ContainerArchiveInfoOptionsBuilder::default().path(path).build();
        let look = async move |client: bollard::Docker| match client.get_container_archive_info(container, Some(options)).await {
            Ok(_) => Ok(true),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        };
        self.call("look into a container", QUICK, look).await
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn an_archive_holds_what_it_should_and_nothing_else() {
        let long = format!("/deep/{}/file", "x".repeat(180));
        let entries = [Entry::file("/etc/app.conf", *b"a = 1", 0o4755), Entry::link("/etc/password", "/run/x/0"), Entry::file(&long, *b"", 0o600)];
        let mut whole = pack(&entries).expect("packed").to_vec();
        whole.extend(END);
        let mut archive = tar::Archive::new(&whole[..]);
        let mut seen = Vec::new();
        for entry in archive.entries().expect("an archive") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").display().to_string();
            let link = entry.link_name().expect("readable").map(|to| to.display().to_string());
            let mut content = String::new();
            let mode = entry.header().mode().expect("a mode");
            entry.read_to_string(&mut content).expect("text");
            seen.push((path, mode, content, link));
        }
        assert_eq!(seen[0], ("etc/app.conf".into(), 0o755, "a = 1".into(), None), "no set-user-id");
        assert_eq!(seen[1], ("etc/password".into(), 0o777, String::new(), Some("/run/x/0".into())));
        assert_eq!(seen[2].0, long.trim_start_matches('/'));
    }

    #[test]
    fn what_is_no_files_path_is_refused() {
        for path in ["/", "", "/a/../b", "/a//b", "/a/."] {
            assert_eq!(pack(&[Entry::file(path, *b"", 0o644)]).expect_err("refused").kind, Kind::Refused, "{path}");
        }
    }
}
