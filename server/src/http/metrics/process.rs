//! The portal's process, under the names that client libraries of Prometheus use.

use std::fs;

use super::text::{Kind, Text};

/// Ticks in a second in which `/proc` counts processor time: fixed, whatever the kernel's own timer does.
const TICKS: f64 = 100.0;

/// What `/proc` says of this process. What cannot be read is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    cpu_seconds: Option<f64>,
    start_seconds: Option<f64>,
    virtual_bytes: Option<f64>,
    resident_bytes: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
    threads: Option<f64>,
}

/// Reads it, on a thread for what blocks.
pub(super) async fn read() -> Process {
    tokio::task::spawn_blocking(|| {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let known = parse(&text("/proc/self/stat"), &text("/proc/self/status"), &text("/proc/self/limits"), &text("/proc/stat"));
        let open_fds = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64);
        Process { open_fds, ..known }
    })
    .await
    .unwrap_or_default()
}

fn parse(stat: &str, status: &str, limits: &str, machine: &str) -> Process {
    // The name in parentheses may hold anything: what follows is counted from its end, where the third field is.
    let fields: Vec<&str> = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<f64>().ok());
    let line = |text: &str, name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let number = |text: Option<String>| text.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    let booted = number(line(machine, "btime "));
    Process {
        cpu_seconds: field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS),
        start_seconds: booted.zip(field(22)).map(|(booted, ticks)| booted + ticks / TICKS),
        virtual_bytes: field(23),
        resident_bytes: number(line(status, "VmRSS:")).map(|kib| kib * 1024.0),
        open_fds: None,
        max_fds: number(line(limits, "Max open files")),
        threads: field(20),
    }
}

/// Writes what is known.
pub(super) fn write(text: &mut Text, process: Process) {
    let all = [
        ("process_cpu_seconds_total", Kind::Counter, "Processor time that the portal used.", process.cpu_seconds),
        ("process_start_time_seconds", Kind::Gauge, "When the portal was started, in seconds since 1970.", process.start_seconds),
        ("process_virtual_memory_bytes", Kind::Gauge, "The portal's virtual memory.", process.virtual_bytes),
        ("process_resident_memory_bytes", Kind::Gauge, "The portal's resident memory.", process.resident_bytes),
        ("process_open_fds", Kind::Gauge, "Files that the portal has open.", process.open_fds),
        ("process_max_fds", Kind::Gauge, "Files that the portal may have open.", process.max_fds),
        ("process_threads", Kind::Gauge, "The portal's threads.", process.threads),
    ];
    for (name, kind, help, value) in all {
        if let Some(value) = value {
            text.single(name, kind, help, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says_is_read() {
        let stat = "4242 (a) b (c) S 1 4242 4242 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 1000 123456789 2500 18446744073709551615 1";
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 524288               files     \n";
        let found = parse(stat, "Name:\tslipway\nVmRSS:\t   10000 kB\n", limits, "cpu 1 2 3\nbtime 1700000000\n");
        let expected = Process {
            cpu_seconds: Some(2.0),
            start_seconds: Some(1_700_000_010.0),
            virtual_bytes: Some(123_456_789.0),
            resident_bytes: Some(10_240_000.0),
            open_fds: None,
            max_fds: Some(1024.0),
            threads: Some(9.0),
        };
        assert_eq!(found, expected);
        assert_eq!(parse("", "", "", ""), Process::default(), "what is not there is not told");
    }
}
