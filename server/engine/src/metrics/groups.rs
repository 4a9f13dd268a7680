//! Where the control groups of a container are: from the groups of its first process and from where hierarchies are mounted. Pure.
//!
//! That the process is the container's is proven by its group's name, which holds the container's id. Where it does not, the id of the process is of
//! another name space or another machine, and nothing of it is read.

use std::path::{Path, PathBuf};

/// Where hierarchies of control groups are mounted, as far as this process sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mounts {
    v1: Vec<Mount>,
    v2: Option<Mount>,
}

#[derive(Clone, Debug)]
struct Mount {
    /// What of the hierarchy is shown.
    root: String,
    /// Where.
    point: PathBuf,
    /// Of version 1: its controllers.
    controllers: Vec<String>,
}

impl Mount {
    /// The folder of a group, if it is within what is shown.
    fn folder(&self, group: &str) -> Option<PathBuf> {
        let within = if self.root == "/" { group } else { group.strip_prefix(&self.root).filter(|rest| rest.is_empty() || rest.starts_with('/'))? };
        // What is outside of our own name space begins with such steps.
        if within.split('/').any(|step| step == "..") {
            return None;
        }
        Some(self.point.join(within.trim_start_matches('/')))
    }
}

impl Mounts {
    /// From `/proc/self/mountinfo`.
    pub(crate) fn read(mountinfo: &str) -> Self {
        let mut mounts = Self::default();
        for line in mountinfo.lines() {
            let Some((place, kind)) = line.split_once(" - ") else { continue };
            let mut place = place.split(' ').skip(3);
            let (Some(root), Some(point)) = (place.next(), place.next()) else { continue };
            let mut kind = kind.split(' ');
            let (Some(file_system), Some(options)) = (kind.next(), kind.nth(1)) else { continue };
            let mount = |controllers| Mount { root: root.to_owned(), point: unescape(point), controllers };
            match file_system {
                "cgroup" => mounts.v1.push(mount(options.split(',').map(str::to_owned).collect())),
                "cgroup2" if mounts.v2.is_none() => mounts.v2 = Some(mount(Vec::new())),
                _ => {}
            }
        }
        mounts
    }
}

/// A path of mountinfo, in which blanks and the like stand as octal numbers.
pub(crate) fn unescape(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;

    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = bytes.get(at + 1..at + 4).filter(|digits| bytes[at] == b'\\' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        match octal {
            Some(digits) => {
                out.push(digits.iter().fold(0_u8, |number, digit| number.wrapping_mul(8).wrapping_add(digit - b'0')));
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(out))
}

/// The folders of a container's groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Groups {
    /// Of version 1: one for each controller, as far as there is one.
    V1 { cpu: Option<PathBuf>, cpuacct: PathBuf, memory: Option<PathBuf>, blkio: Option<PathBuf>, pids: Option<PathBuf> },
    /// Of version 2.
    V2(PathBuf),
}

/// Why a container's groups cannot be read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The process is not the container's.
    Elsewhere,
    /// The part of the tree of control groups in which it is, is not mounted here.
    Hidden,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Elsewhere => "the engine's processes are not seen in /proc: the engine, or the portal, is in a name space of its own",
            Self::Hidden => "the control groups of the engine's containers are not mounted where the portal runs",
        })
    }
}

impl Groups {
    /// From `/proc/<pid>/cgroup` of the container's first process. Whatever driver the engine has (`/docker/<id>`,
    /// `/system.slice/docker-<id>.scope`) and whatever parent it was given: the group whose name holds the id is the container's; the process itself
    /// may be in one below.
    pub(crate) fn find(mounts: &Mounts, proc_cgroup: &str, container: &str) -> Result<Self, Unreadable> {
        let lines: Vec<(&str, &str)> = proc_cgroup.lines().filter_map(|line| line.split_once(':')?.1.split_once(':')).collect();
        if container.len() < 12 || !lines.iter().any(|(_, group)| own(group, container).is_some()) {
            return Err(Unreadable::Elsewhere);
        }
        let v1 = |controller: &str| {
            let (_, group) = lines.iter().find(|(controllers, _)| controllers.split(',').any(|one| one == controller))?;
            let mount = mounts.v1.iter().find(|mount| mount.controllers.iter().any(|one| one == controller))?;
            mount.folder(own(group, container)?)
        };
        // Version 1 keeps its hierarchies beside an empty one of version 2.
        if lines.iter().any(|(controllers, _)| controllers.split(',').any(|one| one == "cpuacct" || one == "memory")) {
            let cpuacct = v1("cpuacct").ok_or(Unreadable::Hidden)?;
            return Ok(Self::V1 { cpu: v1("cpu"), cpuacct, memory: v1("memory"), blkio: v1("blkio"), pids: v1("pids") });
        }
        let group = lines.iter().find(|(controllers, _)| controllers.is_empty()).and_then(|(_, group)| own(group, container));
        let folder = group.and_then(|group| mounts.v2.as_ref()?.folder(group));
        folder.map(Self::V2).ok_or(Unreadable::Hidden)
    }

    /// The file without which nothing is known, and which says when a container is gone.
    pub(crate) fn first(&self) -> (&Path, &'static str) {
        match self {
            Self::V1 { cpuacct, .. } => (cpuacct, "cpuacct.usage"),
            Self::V2(folder) => (folder, "cpu.stat"),
        }
    }
}

/// The path of a group up to the part that holds the container's id.
fn own<'a>(group: &'a str, container: &str) -> Option<&'a str> {
    let begin = group.find(container)?;
    let end = group[begin..].find('/').map_or(group.len(), |length| begin + length);
    Some(&group[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3a35c94a69b97abc5368f80557cf1a2f6f19f46e1123afbdaf8501881eb55018";

    const V1: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const V2: &str = "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";

    fn v1_of(group: &str) -> String {
        ["9:name=systemd:", "7:blkio:", "4:memory:", "2:cpu,cpuacct:", "0::"].map(|before| format!("{before}{group}\n")).concat()
    }

    #[test]
    fn hierarchies_of_version_1_are_found_by_their_controllers() {
        let found = Groups::find(&Mounts::read(V1), &v1_of(&format!("/docker/{ID}")), ID).expect("found");
        let at = |controller: &str| PathBuf::from(format!("/sys/fs/cgroup/{controller}/docker/{ID}"));
        let expected =
            Groups::V1 { cpu: Some(at("cpu,cpuacct")), cpuacct: at("cpu,cpuacct"), memory: Some(at("memory")), blkio: Some(at("blkio")), pids: None };
        assert_eq!(found, expected);
        assert_eq!(found.first().0.join(found.first().1), at("cpu,cpuacct").join("cpuacct.usage"));
    }

    #[test]
    fn every_driver_and_parent_is_found() {
        let mounts = Mounts::read(V2);
        for group in [
            format!("/docker/{ID}"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/team.slice/team-a.slice/docker-{ID}.scope"),
            format!("/user.slice/user-1000.slice/user@1000.service/app.slice/docker-{ID}.scope"),
        ] {
            let expected = Groups::V2(PathBuf::from(format!("/sys/fs/cgroup{group}")));
            assert_eq!(Groups::find(&mounts, &format!("0::{group}\n"), ID), Ok(expected.clone()), "{group}");
            // What runs in it has groups of its own (an init system, an engine in an engine).
            assert_eq!(Groups::find(&mounts, &format!("0::{group}/init.scope\n"), ID), Ok(expected), "{group}");
        }
    }

    #[test]
    fn what_is_not_proven_or_not_shown_is_not_read() {
        let other = format!("/docker/{}", ID.replace('3', "4"));
        assert_eq!(Groups::find(&Mounts::read(V2), &format!("0::{other}\n"), ID), Err(Unreadable::Elsewhere), "another container's process");
        assert_eq!(Groups::find(&Mounts::read(V2), "0::/\n", ID), Err(Unreadable::Elsewhere));
        assert_eq!(Groups::find(&Mounts::read(V2), "0::/docker/\n", ""), Err(Unreadable::Elsewhere), "no id proves nothing");
        assert_eq!(Groups::find(&Mounts::read(""), &format!("0::/docker/{ID}\n"), ID), Err(Unreadable::Hidden));
        assert_eq!(Groups::find(&Mounts::read(V2), &format!("0::/../{ID}\n"), ID), Err(Unreadable::Hidden), "outside of our own name space");
        // A portal in a container of its own sees its own group alone.
        let own = V2.replace(" / /sys", " /docker/0123 /sys");
        assert_eq!(Groups::find(&Mounts::read(&own), &format!("0::/docker/{ID}\n"), ID), Err(Unreadable::Hidden));
    }

    #[test]
    fn a_part_of_a_tree_may_be_mounted() {
        let part = V2.replace(" / /sys/fs/cgroup ", " /docker /host\\040groups ");
        let found = Groups::find(&Mounts::read(&part), &format!("0::/docker/{ID}\n"), ID);
        assert_eq!(found, Ok(Groups::V2(PathBuf::from(format!("/host groups/{ID}")))));
    }
}
