//! Numbers as people read them.

use model::quantity::shown_bytes;
use model::views::metrics::Unit;

/// A number with its unit: `0.25 cores`, `12.4 MiB/s`.
pub(crate) fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Cores => format!("{} {}", number(value), if number(value) == "1" { "core" } else { "cores" }),
        Unit::Bytes => bytes(value),
        Unit::BytesPerSecond => format!("{}/s", bytes(value)),
        Unit::Percent => format!("{} %", number(value)),
        Unit::Count | Unit::Times => number(value),
        Unit::PerSecond => format!("{}/s", number(value)),
    }
}

/// The same for an axis, whose title names the unit where numbers do not.
pub(super) fn tick(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Cores | Unit::Count | Unit::PerSecond | Unit::Times => number(value),
        Unit::Bytes | Unit::BytesPerSecond | Unit::Percent => shown(unit, value),
    }
}

/// What a chart's title says of its unit.
pub(super) const fn said(unit: Unit) -> &'static str {
    match unit {
        Unit::Cores => "cores",
        Unit::PerSecond => "per second",
        Unit::Times => "times",
        Unit::Bytes | Unit::BytesPerSecond | Unit::Percent | Unit::Count => "",
    }
}

fn bytes(value: f64) -> String {
    shown_bytes(value.max(0.0).round() as u64)
}

/// Three digits that count, without zeros at the end.
fn number(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if size >= 100.0 => return format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ => {
            // Of nothing the logarithm is less than all.
            let places = (2.0 - size.log10().floor()).clamp(3.0, 6.0) as usize;
            format!("{value:.places$}")
        }
    };
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { String::from("0") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(0.0), "0");
        assert_eq!(number(-0.0), "0");
        assert_eq!(number(0.25), "0.25");
        assert_eq!(number(0.0004), "0.0004");
        assert_eq!(number(0.015_84), "0.0158");
        assert_eq!(number(-0.001_234), "-0.00123");
        assert_eq!(number(0.000_000_1), "0");
        assert_eq!(number(1.0), "1");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(1234.5), "1234");
        assert_eq!(number(100.0), "100");
    }

    #[test]
    fn each_unit_is_said_its_own_way() {
        assert_eq!(shown(Unit::Cores, 0.5), "0.5 cores");
        assert_eq!(shown(Unit::Cores, 0.0015), "0.0015 cores", "little is not nothing");
        assert_eq!(shown(Unit::Cores, 1.0), "1 core");
        assert_eq!(shown(Unit::Bytes, 256.0 * 1024.0 * 1024.0), "256 MiB");
        assert_eq!(shown(Unit::BytesPerSecond, 1536.0), "1.5 KiB/s");
        assert_eq!(shown(Unit::Percent, 42.0), "42 %");
        assert_eq!(shown(Unit::Count, 7.0), "7");
        assert_eq!(shown(Unit::PerSecond, 2.5), "2.5/s");
        assert_eq!(shown(Unit::Times, 2.0), "2");
        assert_eq!(tick(Unit::Cores, 0.5), "0.5");
        assert_eq!(tick(Unit::Bytes, 1024.0), "1.0 KiB");
    }
}
