//! Reads `/proc/<pid>/net/dev`: what went over each interface of a network name space. Pure.

use super::usage::{Direction, Traffic};

/// All interfaces with their names, but for the loopback.
pub(crate) fn interfaces(text: &str) -> impl Iterator<Item = (&str, Traffic)> {
    text.lines().filter_map(|line| {
        let (name, numbers) = line.split_once(':')?;
        let name = name.trim();
        if name == "lo" {
            return None;
        }
        let mut all = [0_u64; 12];
        let mut words = numbers.split_ascii_whitespace();
        for number in &mut all {
            *number = words.next()?.parse().ok()?;
        }
        let received = Direction { bytes: all[0], packets: all[1], errors: all[2], drops: all[3] };
        let sent = Direction { bytes: all[8], packets: all[9], errors: all[10], drops: all[11] };
        Some((name, Traffic { received, sent }))
    })
}

/// All of them together.
pub(crate) fn total(text: &str) -> Traffic {
    let mut total = Traffic::default();
    interfaces(text).for_each(|(_, traffic)| total.add(&traffic));
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 3429218    1826    0    0    0     0          0         0  3429218    1826    0    0    0     0       0          0
  eth0:506172376   24445    1    2    0     0          0         0  1516673   18304    3    4    0     0       0          0
  eth1:    1000      10    0    0    0     0          0         0     2000      20    0    0    0     0       0          0
";

    #[test]
    fn the_loopback_is_left_out_and_the_rest_summed_up() {
        let names: Vec<&str> = interfaces(TEXT).map(|(name, _)| name).collect();
        assert_eq!(names, ["eth0", "eth1"], "also where the first number touches the name");
        let received = Direction { bytes: 506_173_376, packets: 24_455, errors: 1, drops: 2 };
        let sent = Direction { bytes: 1_518_673, packets: 18_324, errors: 3, drops: 4 };
        assert_eq!(total(TEXT), Traffic { received, sent });
        assert_eq!(total(""), Traffic::default());
    }
}
