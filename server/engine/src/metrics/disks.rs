//! How full the machine's file systems are: those on disks of its own, and whatever holds the portal's data and the engine's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::metrics::{Metric, Value};

use super::groups::unescape;
use super::reader::Reader;

/// File systems that are on disks of the machine. Those that another machine serves are left out: when it is away, whoever asks for their size waits.
const KINDS: [&str; 13] = ["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "vfat", "exfat", "ntfs3"];
/// Most file systems that are told.
const MOST: usize = 64;
/// The list of mounts is long where there are many containers: it is read in each sixth turn.
const LIST: u32 = 6;

/// The machine's file systems.
#[derive(Debug)]
pub(crate) struct Disks {
    proc: PathBuf,
    data: Option<PathBuf>,
    /// For which folder of the engine the list was made.
    engine: Option<String>,
    mounts: Vec<PathBuf>,
    turn: u32,
}

/// A line of the list of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mounted {
    /// Numbers of the device; the same for all places where it is mounted.
    device: String,
    /// Whether all of it is mounted there, and not a folder of it.
    whole: bool,
    point: PathBuf,
    kind: String,
}

fn mounted(line: &str) -> Option<Mounted> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(2);
    let (device, root, point) = (place.next()?, place.next()?, place.next()?);
    Some(Mounted { device: device.to_owned(), whole: root == "/", point: unescape(point), kind: kind.split(' ').next()?.to_owned() })
}

/// Which mounts are told: each file system once, where all of it is mounted and at its shortest path, and those that hold these folders.
fn choose(mountinfo: &str, always: &[&Path]) -> Vec<PathBuf> {
    let all: Vec<Mounted> = mountinfo.lines().filter_map(mounted).collect();
    let length = |mount: &Mounted| mount.point.as_os_str().len();
    let mut chosen: BTreeMap<&str, &Mounted> = BTreeMap::new();
    for mount in all.iter().filter(|mount| KINDS.contains(&mount.kind.as_str())) {
        let known = chosen.entry(mount.device.as_str()).or_insert(mount);
        if (!mount.whole, length(mount)) < (!known.whole, length(known)) {
            *known = mount;
        }
    }
    for folder in always {
        // The last one that was mounted at a place is the one that is seen there.
        let around = all.iter().rev().filter(|mount| folder.starts_with(&mount.point));
        if let Some(mount) = around.reduce(|best, mount| if length(best) < length(mount) { mount } else { best }) {
            chosen.entry(mount.device.as_str()).or_insert(mount);
        }
    }
    let mut points: Vec<PathBuf> = chosen.into_values().map(|mount| mount.point.clone()).collect();
    points.sort();
    points.truncate(MOST);
    points
}

impl Disks {
    pub(crate) fn new(proc: &Path, data: Option<PathBuf>) -> Self {
        Self { proc: proc.to_owned(), data, engine: None, mounts: Vec::new(), turn: 0 }
    }

    /// How full they are. `engine`: the folder of the engine's data.
    pub(crate) fn read(&mut self, reader: &mut Reader, engine: Option<&str>) -> Vec<Value> {
        if self.turn == 0 || self.engine.as_deref() != engine {
            self.engine = engine.map(str::to_owned);
            let always: Vec<&Path> = self.data.as_deref().into_iter().chain(engine.map(Path::new)).collect();
            self.mounts = reader.find(&self.proc, "self/mountinfo", |text| Some(choose(text, &always))).unwrap_or_default();
        }
        self.turn = (self.turn + 1) % LIST;
        self.mounts.iter().filter_map(|point| size(point)).flatten().collect()
    }
}

/// What is not free for everybody counts as used: at 100 % nothing more fits, but for the part that is set aside for root.
fn size(point: &Path) -> Option<[Value; 4]> {
    let found = rustix::fs::statvfs(point).ok()?;
    let label = point.to_str()?;
    if found.f_blocks == 0 {
        return None;
    }
    let value = |metric, number: u64| Value::labelled(metric, label.to_owned(), number as f64);
    Some([
        value(Metric::DiskSize, found.f_blocks.saturating_mul(found.f_frsize)),
        value(Metric::DiskUsed, found.f_blocks.saturating_sub(found.f_bavail).saturating_mul(found.f_frsize)),
        value(Metric::DiskInodes, found.f_files),
        value(Metric::DiskInodesUsed, found.f_files.saturating_sub(found.f_ffree)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 25 0:27 / /dev/shm rw,relatime - tmpfs tmpfs rw
50 27 8:1 / /var/lib/docker rw - xfs /dev/sda1 rw
51 27 8:1 /volumes /srv/volumes rw - xfs /dev/sda1 rw
52 27 8:2 / /mnt/my\\040disk rw shared:4 - ext4 /dev/sdb1 rw
60 27 0:55 / /var/lib/docker/overlay2/abc/merged rw - overlay overlay rw,lowerdir=/x
61 27 0:60 / /home rw - nfs4 server:/home rw
62 27 0:61 / /data rw - tmpfs tmpfs rw
";

    fn points(always: &[&str]) -> Vec<String> {
        let always: Vec<&Path> = always.iter().map(Path::new).collect();
        choose(MOUNTS, &always).into_iter().map(|point| point.display().to_string()).collect()
    }

    #[test]
    fn each_file_system_on_a_disk_is_told_once() {
        assert_eq!(points(&[]), ["/", "/mnt/my disk", "/var/lib/docker"]);
    }

    #[test]
    fn what_holds_the_data_is_told_whatever_it_is() {
        assert_eq!(points(&["/data/slipway", "/var/lib/docker"]), ["/", "/data", "/mnt/my disk", "/var/lib/docker"]);
        assert_eq!(points(&["/home/me/slipway"]), ["/", "/home", "/mnt/my disk", "/var/lib/docker"]);
    }

    #[test]
    fn this_machine_has_a_disk_with_something_on_it() {
        let data = tempfile::tempdir().expect("a folder");
        let mut disks = Disks::new(Path::new("/proc"), Some(data.path().to_owned()));
        let values = disks.read(&mut Reader::default(), None);
        let of = |metric| values.iter().filter(|value| value.metric == metric).map(|value| value.value).fold(0.0, f64::max);
        assert!(of(Metric::DiskSize) > 0.0 && of(Metric::DiskUsed) <= of(Metric::DiskSize), "{values:?}");
    }
}
