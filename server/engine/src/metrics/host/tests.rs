use std::fs;

use super::*;

const STAT: &str = "\
cpu  3080043 445312 587250 1750093 28498 0 11586 235261 40 2
cpu0 1547912 222756 292221 868971 16377 0 3623 116911 40 2
cpu1 1532131 222555 295028 881122 12121 0 7962 118349 0 0
intr 71484174 0 0
ctxt 273198856
btime 1795160000
";

const MEMINFO: &str = "\
MemTotal:       24684084 kB
MemFree:        21951972 kB
MemAvailable:   23366988 kB
Buffers:           12552 kB
Cached:          1539812 kB
SwapTotal:       1000000 kB
SwapFree:         750000 kB
";

const DISKSTATS: &str = "\
   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 263350 40768 52782802 681812 4224499 2741900 448847936 6600706 0 871748 7743352 2819119 368 300774432 292644 891815 168188
 254       1 vda1 100 0 800 1 1 1 8 1 0 1 1
";

const NET: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 3429218    1826    0    0    0     0          0         0  3429218    1826    0    0    0     0       0          0
  eth0: 506172376   24445    0    0    0     0          0         0  1516673   18304    0    0    0     0       0          0
vethab12: 77 1 0 0 0 0 0 0 88 1 0 0 0 0 0 0
docker0: 77 1 0 0 0 0 0 0 88 1 0 0 0 0 0 0
";

const PRESSURE: &str = "\
some avg10=64.28 avg60=27.61 avg300=9.24 total=8272292252
full avg10=0.00 avg60=0.00 avg300=0.00 total=15
";

fn number(values: &[Value], metric: Metric, label: &str) -> Option<f64> {
    values.iter().find(|value| value.metric == metric && value.label == label).map(|value| value.value)
}

#[test]
fn a_machine_is_told_by_its_own_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    };
    let own = [("stat", STAT), ("meminfo", MEMINFO), ("diskstats", DISKSTATS), ("net/dev", NET), ("pressure/io", PRESSURE)];
    own.iter().for_each(|(name, text)| write(&format!("proc/{name}"), text));
    write("proc/loadavg", "3.20 1.72 1.04 8/528 26851\n");
    write("proc/vmstat", "nr_free_pages 5\noom_kill 4\n");
    write("proc/sys/kernel/osrelease", "6.18.44\n");
    write("proc/self/mountinfo", "");
    write("sys/class/net/eth0/device/vendor", "");
    write("sys/block/vda/device/vendor", "");
    let mut host = Host::new(&folder.path().join("proc"), &folder.path().join("sys"), None);
    let mut reader = Reader::default();
    let values = host.read(&mut reader, None);
    let of = |metric, label| number(&values, metric, label);
    assert_eq!(of(Metric::CpuUsed, ""), Some(41_241_910_000.0), "user, nice, system and interrupts, in microseconds");
    assert_eq!((of(Metric::CpuMode, "iowait"), of(Metric::CpuMode, "steal")), (Some(284_980_000.0), Some(2_352_610_000.0)));
    assert_eq!((of(Metric::CpuLimit, ""), of(Metric::Started, "")), (Some(2.0), Some(1_795_160_000.0)));
    assert_eq!((of(Metric::Load1, ""), of(Metric::Load15, "")), (Some(3.2), Some(1.04)));
    assert_eq!(of(Metric::MemoryWorkingSet, ""), Some(1_348_706_304.0), "total minus available");
    assert_eq!((of(Metric::SwapUsed, ""), of(Metric::SwapLimit, "")), (Some(256_000_000.0), Some(1_024_000_000.0)));
    assert_eq!(of(Metric::OomKills, ""), Some(4.0));
    assert_eq!((of(Metric::PressureSome, "io"), of(Metric::PressureFull, "io")), (Some(8_272_292_252.0), Some(15.0)));
    assert_eq!(of(Metric::PressureSome, "cpu"), None, "a kernel without it says nothing");
    assert_eq!((of(Metric::NetReceived, "eth0"), of(Metric::NetSent, "eth0")), (Some(506_172_376.0), Some(1_516_673.0)));
    assert_eq!((of(Metric::NetReceived, "vethab12"), of(Metric::NetReceived, "docker0")), (None, None), "those are counted at what is below them");
    assert_eq!((of(Metric::BlockRead, "vda"), of(Metric::BlockWritten, "vda")), (Some(27_024_794_624.0), Some(229_810_143_232.0)));
    assert_eq!((of(Metric::BlockWrites, "vda"), of(Metric::BlockBusy, "vda")), (Some(4_224_499.0), Some(871_748_000.0)));
    assert_eq!((of(Metric::BlockRead, "loop0"), of(Metric::BlockRead, "vda1")), (None, None));
    assert_eq!(host.identity(&mut reader), Some(("6.18.44".to_owned(), 25_276_502_016)));
}

#[test]
fn a_machine_that_shows_nothing_is_not_a_machine_at_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = Host::new(folder.path(), folder.path(), None);
    assert!(host.read(&mut Reader::default(), None).is_empty());
    assert_eq!(host.identity(&mut Reader::default()), None);
}
