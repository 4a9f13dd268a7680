//! Over trees of files as kernels wrote them: cgroup v1 of a 6.18 kernel (its hierarchies mounted one by one), v2 as Debian 12's 6.1 has it.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::metrics::usage::{Accesses, Direction, Throttling, Traffic};

const ID: &str = "3a35c94a69b97abc5368f80557cf1a2f6f19f46e1123afbdaf8501881eb55018";

const NET: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     800       8    0    0    0     0          0         0      800       8    0    0    0     0       0          0
  eth0:    1376      16    0    1    0     0          0         0     4242      21    0    0    0     0       0          0
";

const V1: &[(&str, &str)] = &[
    ("cpuacct/docker/ID/cpuacct.usage", "609901245279\n"),
    ("cpu/docker/ID/cpu.stat", "nr_periods 410\nnr_throttled 205\nthrottled_time 10250000000\nnr_bursts 0\nburst_time 0\n"),
    ("cpu/docker/ID/cpu.cfs_quota_us", "50000\n"),
    ("cpu/docker/ID/cpu.cfs_period_us", "100000\n"),
    ("memory/docker/ID/memory.usage_in_bytes", "140591360\n"),
    (
        "memory/docker/ID/memory.stat",
        "cache 0\nrss 0\nswap 0\ninactive_file 12288\nactive_file 0\nhierarchical_memory_limit 268435456\nhierarchical_memsw_limit 536870912\n\
         total_cache 52428800\ntotal_rss 16150528\ntotal_mapped_file 0\ntotal_swap 4096\ntotal_inactive_anon 14893056\ntotal_active_anon 1257472\n\
         total_inactive_file 52428800\ntotal_active_file 0\ntotal_unevictable 0\n",
    ),
    ("memory/docker/ID/memory.limit_in_bytes", "268435456\n"),
    ("memory/docker/ID/memory.memsw.usage_in_bytes", "140595456\n"),
    ("memory/docker/ID/memory.memsw.limit_in_bytes", "536870912\n"),
    ("memory/docker/ID/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
    (
        "blkio/docker/ID/blkio.throttle.io_service_bytes_recursive",
        "254:0 Read 4096\n254:0 Write 8192\n254:0 Sync 12288\n254:0 Async 0\n254:0 Discard 0\n254:0 Total 12288\nTotal 12288\n",
    ),
    (
        "blkio/docker/ID/blkio.throttle.io_serviced_recursive",
        "254:0 Read 1\n254:0 Write 2\n254:0 Sync 3\n254:0 Async 0\n254:0 Discard 0\n254:0 Total 3\nTotal 3\n",
    ),
    ("pids/docker/ID/pids.current", "7\n"),
    ("pids/docker/ID/pids.max", "512\n"),
];

const V2: &[(&str, &str)] = &[
    (
        "system.slice/docker-ID.scope/cpu.stat",
        "usage_usec 609901245\nuser_usec 400000000\nsystem_usec 209901245\nnr_periods 410\nnr_throttled 205\nthrottled_usec 10250000\nnr_bursts 0\nburst_usec 0\n",
    ),
    ("system.slice/docker-ID.scope/cpu.max", "50000 100000\n"),
    ("system.slice/docker-ID.scope/memory.current", "140591360\n"),
    (
        "system.slice/docker-ID.scope/memory.stat",
        "anon 16150528\nfile 52428800\nkernel 1523712\nshmem 0\ninactive_anon 16093184\nactive_anon 57344\ninactive_file 52428800\nactive_file 0\n\
         slab_reclaimable 312896\n",
    ),
    ("system.slice/docker-ID.scope/memory.max", "268435456\n"),
    ("system.slice/docker-ID.scope/memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 3\noom_group_kill 0\n"),
    ("system.slice/docker-ID.scope/memory.swap.current", "4096\n"),
    ("system.slice/docker-ID.scope/memory.swap.max", "268435456\n"),
    ("system.slice/docker-ID.scope/io.stat", "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n"),
    ("system.slice/docker-ID.scope/pids.current", "7\n"),
];

/// A tree of files, and where it is mounted.
fn tree(files: &[(&str, &str)], cgroup: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let all = files.iter().map(|(path, text)| (format!("cgroup/{}", path.replace("ID", ID)), (*text).to_owned()));
    let process = [("proc/4242/cgroup".to_owned(), cgroup.replace("ID", ID)), ("proc/4242/net/dev".to_owned(), NET.to_owned())];
    for (path, text) in all.chain(process) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn mounts(folder: &TempDir, version: u32) -> Mounts {
    let at = folder.path().join("cgroup");
    let at = at.to_str().expect("a path");
    let controllers = ["cpu", "cpuacct", "memory", "blkio", "pids"];
    Mounts::read(&match version {
        1 => controllers.map(|one| format!("32 31 0:29 / {at}/{one} rw,relatime - cgroup cgroup rw,{one}\n")).concat(),
        _ => format!("35 24 0:30 / {at} rw,relatime shared:9 - cgroup2 cgroup2 rw\n"),
    })
}

const GROUP_V1: &str = "8:pids:/docker/ID\n7:blkio:/docker/ID\n4:memory:/docker/ID\n2:cpuacct:/docker/ID\n1:cpu:/docker/ID\n0::/docker/ID\n";
const GROUP_V2: &str = "0::/system.slice/docker-ID.scope\n";

fn expected() -> Usage {
    Usage {
        at: None,
        cpu: Some(609_901_245),
        throttling: Some(Throttling { periods: 410, throttled: 205, time: 10_250_000 }),
        memory: Some(140_591_360),
        inactive_file: Some(52_428_800),
        swap: Some(4096),
        limits: Limits { cpus: Some(0.5), memory: Some(268_435_456), swap: Some(268_435_456) },
        oom_kills: Some(3),
        net: Some(Traffic {
            received: Direction { bytes: 1376, packets: 16, errors: 0, drops: 1 },
            sent: Direction { bytes: 4242, packets: 21, errors: 0, drops: 0 },
        }),
        block: Some(Block { read: 4096, written: 8192, accesses: Some(Accesses { reads: 1, writes: 2 }) }),
        pids: Some(7),
    }
}

fn open(folder: &TempDir, version: u32, own_net: bool) -> Files {
    let (mut reader, proc) = (Reader::default(), folder.path().join("proc"));
    Files::open(&mut reader, &proc, &mounts(folder, version), ID, 4242, own_net).expect("its files")
}

#[test]
fn both_versions_say_the_same_of_the_same_container() {
    for (version, files, group) in [(1, V1, GROUP_V1), (2, V2, GROUP_V2)] {
        let folder = tree(files, group);
        let usage = open(&folder, version, true).read(&mut Reader::default()).expect("read");
        assert_eq!(usage, expected(), "version {version}");
        assert_eq!(usage.working_set(), Some(88_162_560));
    }
}

#[test]
fn a_container_with_the_network_of_the_machine_has_no_figures_of_it() {
    let folder = tree(V1, GROUP_V1);
    let usage = open(&folder, 1, false).read(&mut Reader::default()).expect("read");
    assert_eq!(usage, Usage { net: None, ..expected() });
}

#[test]
fn what_has_no_limit_says_so() {
    let none = |files: &[(&'static str, &'static str)], changes: &[(&str, &'static str)]| {
        let change = |(path, text): &(&'static str, &'static str)| {
            (*path, changes.iter().find(|(name, _)| path.ends_with(name)).map_or(*text, |(_, other)| *other))
        };
        files.iter().map(change).collect::<Vec<_>>()
    };
    let v1 = none(
        V1,
        &[("cpu.cfs_quota_us", "-1\n"), ("memory.limit_in_bytes", "9223372036854771712\n"), ("memory.memsw.limit_in_bytes", "9223372036854771712\n")],
    );
    let usage = open(&tree(&v1, GROUP_V1), 1, true).read(&mut Reader::default()).expect("read");
    assert_eq!((usage.limits.cpus, usage.limits.swap), (None, None));
    let shown = usage.values(8 << 30);
    assert!(!shown.iter().any(|value| value.metric == ::metrics::Metric::MemoryLimit), "{shown:?}");
    let v2 = none(V2, &[("cpu.max", "max 100000\n"), ("memory.max", "max\n"), ("memory.swap.max", "max\n")]);
    assert_eq!(open(&tree(&v2, GROUP_V2), 2, true).read(&mut Reader::default()).expect("read").limits, Limits::default());
}

#[test]
fn a_kernel_without_some_controllers_says_the_rest() {
    let v1: Vec<_> = V1.iter().copied().filter(|(path, _)| !path.starts_with("pids") && !path.contains("memsw")).collect();
    let usage = open(&tree(&v1, GROUP_V1), 1, true).read(&mut Reader::default()).expect("read");
    assert_eq!((usage.pids, usage.limits.swap, usage.memory), (None, None, Some(140_591_360)));
    let v2: Vec<_> = V2.iter().copied().filter(|(path, _)| path.ends_with("cpu.stat") || path.ends_with("memory.current")).collect();
    let usage = open(&tree(&v2, GROUP_V2), 2, true).read(&mut Reader::default()).expect("read");
    assert_eq!((usage.cpu, usage.block, usage.working_set()), (Some(609_901_245), None, Some(140_591_360)));
}

#[test]
fn who_is_gone_is_an_error_and_not_a_zero() {
    let folder = tree(V2, GROUP_V2);
    let mut files = open(&folder, 2, true);
    files.read(&mut Reader::default()).expect("read");
    fs::remove_dir_all(folder.path().join("proc/4242")).expect("removed");
    assert!(files.read(&mut Reader::default()).is_err(), "its first process ended");
    fs::remove_dir_all(folder.path().join("cgroup/system.slice")).expect("removed");
    assert!(files.read(&mut Reader::default()).is_err(), "its group went");
    let (mut reader, proc) = (Reader::default(), folder.path().join("proc"));
    let gone = Files::open(&mut reader, &proc, &mounts(&folder, 2), ID, 4242, true);
    assert_eq!(gone.err(), Some(Unreadable::Elsewhere));
}
