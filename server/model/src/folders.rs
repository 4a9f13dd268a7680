//! Folders of machines that operators let services mount. Pure; nothing is looked up on a machine.
//!
//! A line is a folder (`/srv/media`), or every folder directly in one (`/mnt/shared/*`), and `read-only` behind it where nothing may be written.
//! Nothing deeper is ever mounted, and no folder that can be written to is above another one of the list: whoever writes to a mounted folder could
//! put a symbolic link there that leads anywhere on the machine, and the engine would follow it at the next mount. So links are followed only
//! where operators, and not services, put them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most lines.
const MOST: usize = 200;
/// Folders by which a task would own its machine: neither they, nor what is in them, nor what they are in.
const OWNING: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/run",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/spool/cron",
];

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// Without a slash at its end.
    path: String,
    /// Every folder directly in it, and not itself.
    each: bool,
    read_only: bool,
}

/// The list. Empty: no service mounts a folder of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct FolderList(Vec<Line>);

/// Whether `inner` is `outer` or below it.
fn within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Why a folder of a machine is not mounted, whoever asks and whatever operators list; none: they may let it be.
pub(crate) fn never(path: &str) -> Option<String> {
    let bare = path.trim_end_matches('/');
    let shown: String = path.chars().take(60).collect();
    if bare.is_empty() || OWNING.iter().any(|owning| within(bare, owning) || within(owning, bare)) {
        return Some(format!("{shown} of a machine is never mounted: who holds it, holds the machine"));
    }
    let socket = bare.rsplit('/').next().is_some_and(|name| name.ends_with(".sock"));
    socket.then(|| format!("{shown} is a socket of a machine; the engine's is never given to a task, nor is any other"))
}

/// An absolute path without `.`, `..`, empty parts and a slash at its end.
fn plain(text: &str) -> Option<&str> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let parts = path.strip_prefix('/')?;
    let fine = parts.split('/').all(|part| !matches!(part, "" | "." | ".." | "*")) && !path.contains(['\0', '\n', ':']);
    fine.then_some(path)
}

impl FolderList {
    /// Reads lines; empty ones are left out.
    ///
    /// # Errors
    /// Which line is wrong, and what would be right.
    pub fn from_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let lines: Vec<Line> = lines.map(str::trim).filter(|line| !line.is_empty()).map(str::parse).collect::<Result<_, _>>()?;
        if lines.len() > MOST {
            return Err(format!("at most {MOST} lines are kept"));
        }
        for (at, outer) in lines.iter().enumerate().filter(|(_, line)| !line.read_only) {
            let above = |inner: &Line| within(&inner.path, &outer.path) && (inner.path != outer.path || inner.each || outer.each);
            if let Some((_, inner)) = lines.iter().enumerate().find(|(other, inner)| *other != at && above(inner)) {
                return Err(format!(
                    "{inner} is inside of {outer}, where services may write: a link that one of them puts there could lead another one anywhere; make {} read-only, or leave one of both out",
                    outer.path
                ));
            }
        }
        Ok(Self(lines))
    }

    /// Checks that a folder may be mounted.
    ///
    /// # Errors
    /// What would be right.
    pub fn admits(&self, folder: &str, read_only: bool) -> Result<(), String> {
        let path = plain(folder).ok_or_else(|| format!("{folder} is not a path: write it from the root, without .."))?;
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let mut fits = self.0.iter().filter(|line| if line.each { line.path == parent } else { line.path == path }).peekable();
        if fits.peek().is_none() {
            return Err(format!("{folder} is not one of the folders that operators let services mount; ask one to allow it"));
        }
        if !read_only && fits.all(|line| line.read_only) {
            return Err(format!("nothing may be written to {folder}; add read_only: true"));
        }
        Ok(())
    }

    /// Checks that nothing of the list gives away one of `own`: absolute paths that are nobody's to mount.
    ///
    /// # Errors
    /// Which line does.
    pub fn keeps_out_of(&self, own: &[String]) -> Result<(), String> {
        for line in &self.0 {
            if own.iter().any(|own| line.touches(own)) {
                return Err(format!("{line} holds, or is in, a folder of the portal or of an engine"));
            }
        }
        Ok(())
    }
}

impl Line {
    /// Whether a mount of it would show the folder or something in it, or be in it.
    fn touches(&self, folder: &str) -> bool {
        within(&self.path, folder) || within(folder, &self.path)
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(80).collect();
        let (path, mode) = text.split_once(char::is_whitespace).map_or((text, ""), |(path, mode)| (path, mode.trim()));
        let read_only = match mode {
            "" => false,
            "read-only" => true,
            _ => return Err(format!("{shown:?}: behind a folder there is nothing, or read-only")),
        };
        let (path, each) = path.strip_suffix("/*").map_or((path, false), |path| (path, true));
        let Some(path) = plain(path) else {
            return Err(format!("{shown:?} is none of these: /srv/media, /srv/media read-only, /mnt/shared/* (each folder in it)"));
        };
        match never(path) {
            Some(refusal) => Err(refusal),
            None => Ok(Self { path: path.to_owned(), each, read_only }),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.path, if self.each { "/*" } else { "" }, if self.read_only { " read-only" } else { "" })
    }
}

impl TryFrom<Vec<String>> for FolderList {
    type Error = String;

    fn try_from(lines: Vec<String>) -> Result<Self, String> {
        Self::from_lines(lines.iter().map(String::as_str))
    }
}

impl From<FolderList> for Vec<String> {
    fn from(list: FolderList) -> Self {
        list.0.iter().map(ToString::to_string).collect()
    }
}

/// The list, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderSettings {
    /// One folder each.
    pub allowed: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<FolderList, String> {
        FolderList::from_lines(text.lines())
    }

    #[test]
    fn what_is_listed_may_be_mounted_and_nothing_else() {
        let folders = list("/srv/media read-only\n/mnt/shared/*\n/data/one").expect("a list");
        for (folder, read_only, fits) in [
            ("/srv/media", true, true),
            ("/srv/media/", true, true),
            ("/srv/media", false, false),
            ("/srv/media/x", true, false),
            ("/srv", true, false),
            ("/mnt/shared", true, false),
            ("/mnt/shared/a", false, true),
            ("/mnt/shared/a/link", true, false),
            ("/mnt/shared/../etc", true, false),
            ("/mnt/shared/..", true, false),
            ("/mnt/shared//", true, false),
            ("/mnt/sharedx", true, false),
            ("/data/one", true, true),
            ("/", true, false),
            ("", true, false),
        ] {
            assert_eq!(folders.admits(folder, read_only).is_ok(), fits, "{folder}");
        }
        assert!(FolderList::default().admits("/mnt/shared/a", true).is_err(), "nothing by default");
    }

    #[test]
    fn what_belongs_to_the_machine_is_never_listed() {
        for line in [
            "/",
            "/proc",
            "/proc/1",
            "/sys/fs",
            "/var",
            "/var/run/docker.sock",
            "/run/*",
            "/dev/shm",
            "/var/lib/*",
            "/var/lib/docker/volumes",
            "/*",
            "srv",
            "/a/../b",
            "/a:b",
            "/etc/ssh read-only",
            "/usr/*",
            "/bin",
            "/sbin/*",
            "/lib",
            "/lib64 read-only",
            "/var/spool",
            "/var/spool/cron/crontabs",
            "/mnt/engine.sock",
        ] {
            assert!(list(line).is_err(), "{line}");
        }
        let own = ["/srv/slipway/data".to_owned()];
        for (line, fits) in [("/srv", false), ("/srv/slipway/*", false), ("/srv/slipway/data/blobs", false), ("/srv/media", true)] {
            assert_eq!(list(line).expect("a list").keeps_out_of(&own).is_ok(), fits, "{line}");
        }
    }

    #[test]
    fn what_owns_the_machine_is_never_mounted() {
        for path in [
            "/",
            "/var/run/docker.sock",
            "/run/docker.sock",
            "/run",
            "/var/run/",
            "/var",
            "/var/lib",
            "/var/lib/docker/volumes",
            "/etc/ssh",
            "/proc/1",
            "/mnt/engine.sock",
        ] {
            assert!(never(path).is_some(), "{path}");
        }
        for path in ["/mnt/shared/x", "/srv", "/data", "/var/lib/dockers", "/home/app", "/library", "/var/spool/mail"] {
            assert_eq!(never(path), None, "{path}");
        }
    }

    #[test]
    fn nothing_is_mounted_from_where_a_service_may_put_a_link() {
        for text in [
            "/mnt/shared\n/mnt/shared/a",
            "/mnt/shared\n/mnt/shared/*",
            "/mnt/*\n/mnt/a/b",
            "/mnt/*\n/mnt/a/b read-only",
            "/mnt/shared\n/mnt/shared/* read-only",
        ] {
            assert!(list(text).is_err(), "{text}");
        }
        for text in ["/mnt/shared read-only\n/mnt/shared/a read-only", "/mnt/a\n/mnt/b", "/mnt/shared/*\n/mnt/other"] {
            assert!(list(text).is_ok(), "{text}");
        }
    }
}
