//! Reads what stands in files of control groups, of both versions. Pure: texts in, numbers out. What cannot be read is none.

use super::usage::{Accesses, Block, Throttling};

/// The number of a file that holds one. `max` and `-1`, which mean no limit, are none.
pub(crate) fn single(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The number behind a key, in a file of lines with a key and a number each.
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Version 1: `cpu.stat`, whose times are nanoseconds.
pub(crate) fn throttling_v1(text: &str) -> Option<Throttling> {
    let time = keyed(text, "throttled_time")? / 1000;
    Some(Throttling { periods: keyed(text, "nr_periods")?, throttled: keyed(text, "nr_throttled")?, time })
}

/// Version 2: `cpu.stat`, whose times are microseconds. Where the controller is not on, only `usage_usec` stands there.
pub(crate) fn throttling_v2(text: &str) -> Option<Throttling> {
    let time = keyed(text, "throttled_usec")?;
    Some(Throttling { periods: keyed(text, "nr_periods")?, throttled: keyed(text, "nr_throttled")?, time })
}

/// Version 2: `cpu.max`: how long it may run in each period. Version 1 has it in two files.
pub(crate) fn cores(quota_and_period: &str) -> Option<f64> {
    let mut words = quota_and_period.split_ascii_whitespace();
    let quota: f64 = words.next()?.parse().ok()?;
    let period: f64 = words.next()?.parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// Version 1: the sum over all devices of what was read and written, from `blkio.throttle.io_service_bytes_recursive` and `io_serviced_recursive`.
pub(crate) fn block_v1(bytes: &str, times: &str) -> Block {
    let sum = |text: &str, wanted: &str| -> u64 {
        let numbers = text.lines().filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            // The last line is a total without a device.
            let (_device, kind, number) = (words.next()?, words.next()?, words.next()?);
            if kind == wanted { number.parse::<u64>().ok() } else { None }
        });
        numbers.sum()
    };
    let accesses = Accesses { reads: sum(times, "Read"), writes: sum(times, "Write") };
    Block { read: sum(bytes, "Read"), written: sum(bytes, "Write"), accesses: Some(accesses) }
}

/// Version 2: the same from `io.stat`.
pub(crate) fn block_v2(text: &str) -> Block {
    let (mut block, mut accesses) = (Block::default(), Accesses::default());
    for word in text.split_ascii_whitespace() {
        let Some((key, number)) = word.split_once('=') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match key {
            "rbytes" => block.read += number,
            "wbytes" => block.written += number,
            "rios" => accesses.reads += number,
            "wios" => accesses.writes += number,
            _ => {}
        }
    }
    Block { accesses: Some(accesses), ..block }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_whole_key() {
        let text = "inactive_file 5\ntotal_inactive_file 7\nfile 3\n";
        assert_eq!(keyed(text, "inactive_file"), Some(5));
        assert_eq!(keyed(text, "total_inactive_file"), Some(7));
        assert_eq!(keyed(text, "inactive"), None);
        assert_eq!(single("42\n"), Some(42));
        assert_eq!((single("max\n"), single("-1\n"), single("")), (None, None, None));
    }

    #[test]
    fn a_limit_of_processors_is_in_cores() {
        assert_eq!(cores("50000 100000\n"), Some(0.5));
        assert_eq!(cores("max 100000"), None);
        assert_eq!(cores("-1 100000"), None);
        assert_eq!(cores("50000"), None);
    }

    #[test]
    fn throttled_time_is_in_microseconds() {
        let v1 = "nr_periods 1200\nnr_throttled 600\nthrottled_time 30000500000\nnr_bursts 0\nburst_time 0\n";
        let v2 = "usage_usec 60000000\nuser_usec 1\nsystem_usec 2\nnr_periods 1200\nnr_throttled 600\nthrottled_usec 30000500\n";
        let expected = Throttling { periods: 1200, throttled: 600, time: 30_000_500 };
        assert_eq!((throttling_v1(v1), throttling_v2(v2)), (Some(expected), Some(expected)));
        assert_eq!(throttling_v2("usage_usec 5\nuser_usec 3\nsystem_usec 2\n"), None);
    }

    #[test]
    fn devices_are_summed_up() {
        let bytes = "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Async 0\n8:0 Total 12288\n8:16 Read 4096\n8:16 Write 0\nTotal 16384\n";
        let times = "8:0 Read 1\n8:0 Write 2\n8:16 Read 1\nTotal 4\n";
        let expected = Block { read: 8192, written: 8192, accesses: Some(Accesses { reads: 2, writes: 2 }) };
        let nothing = Block { accesses: Some(Accesses::default()), ..Block::default() };
        assert_eq!(block_v1(bytes, times), expected);
        assert_eq!(block_v1("Total 0\n", "Total 0\n"), nothing);
        let v2 = "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=5 dios=1\n";
        assert_eq!(block_v2(v2), expected);
        assert_eq!(block_v2(""), nothing);
    }
}
