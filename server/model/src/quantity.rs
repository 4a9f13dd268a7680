//! Amounts as people write them in a descriptor or a form: memory, processor shares, spans of time. Each is a type that
//! prints the shortest text which reads back as the same amount, and that text is what is stored and compared.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a text is no amount, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidQuantity(String);

/// Gives a quantity its serde form: the text that it prints.
macro_rules! as_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = InvalidQuantity;

            fn try_from(text: String) -> Result<Self, InvalidQuantity> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(amount: $name) -> Self {
                amount.to_string()
            }
        }
    };
}

mod ports;

pub use ports::PortRange;

/// A size for people: `12.4 MiB`.
#[must_use]
pub fn shown_bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut amount = size as f64;
    let mut unit = 0;
    while amount >= 1000.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if unit == 0 || amount >= 99.95 { format!("{amount:.0} {}", UNITS[unit]) } else { format!("{amount:.1} {}", UNITS[unit]) }
}

/// A count with its thousands apart: `10,000`.
#[must_use]
pub fn grouped(number: impl Into<i128>) -> String {
    let number = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount of memory in bytes; `256MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Memory(u64);
as_text!(Memory);

/// The units of memory, largest first. All are powers of 1024, as the engine counts.
const MEMORY_UNITS: &[(&str, u64)] = &[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Memory {
    /// This many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// This many times 1024 x 1024 bytes.
    #[must_use]
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1 << 20))
    }

    /// The amount in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Memory {
    type Err = InvalidQuantity;

    /// Reads `256MiB`, and the short forms that other tools taught: `256Mi`, `256M`, `256m`, `512k`, `1.5GiB`. `MB` and
    /// `GB` are refused, because some tools mean 1000 by them and others 1024.
    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let wrong = || InvalidQuantity(format!("{text:?} is not an amount of memory; write it like 256MiB or 1.5GiB"));
        let text_in = text.trim();
        let digits = text_in.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text_in.len());
        let (number, unit) = text_in.split_at(digits);
        let unit = unit.trim();
        if unit.is_empty() && number.parse::<u64>().is_ok() {
            return Err(InvalidQuantity(format!("{number} has no unit; did you mean {number}MiB?")));
        }
        let factor = match unit {
            "B" | "b" => 1,
            "KiB" | "Ki" | "K" | "k" => 1 << 10,
            "MiB" | "Mi" | "M" | "m" => 1 << 20,
            "GiB" | "Gi" | "G" | "g" => 1 << 30,
            "TiB" | "Ti" | "T" | "t" => 1 << 40,
            "KB" | "kB" | "kb" | "MB" | "mb" | "GB" | "gb" | "TB" | "tb" => {
                let binary = format!("{}iB", unit[..1].to_uppercase());
                return Err(InvalidQuantity(format!("{unit} means 1000 to some and 1024 to others; did you mean {number}{binary}?")));
            }
            _ => return Err(wrong()),
        };
        exact(number, factor).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = MEMORY_UNITS.iter().find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size)).unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

/// `number` times `factor`, where `number` is a decimal with at most one point; none when it overflows, is too long, or
/// does not come out whole.
fn exact(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 9 || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    let value = u128::from(whole.parse::<u64>().ok()?).checked_mul(scale)?.checked_add(fraction)?.checked_mul(u128::from(factor))?;
    if value % scale != 0 { None } else { u64::try_from(value / scale).ok() }
}

/// A share of processors in thousandths of one; `0.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus(u32);

impl Cpus {
    /// The smallest share that the engine takes.
    pub const MIN: Self = Self(10);
    /// More than any machine has; guards against a slip of the hand.
    pub const MAX: Self = Self(1_024_000);

    /// This many thousandths of a processor, if between a hundredth and 1024.
    #[must_use]
    pub const fn from_millis(millis: u32) -> Option<Self> {
        if millis < Self::MIN.0 || millis > Self::MAX.0 { None } else { Some(Self(millis)) }
    }

    /// The share in thousandths of a processor.
    #[must_use]
    pub const fn millis(self) -> u32 {
        self.0
    }

    /// The share in billionths of a processor, as the engine takes it (`NanoCpus`).
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0 as i64 * 1_000_000
    }

    /// The share that a decimal number says, to three places.
    ///
    /// # Errors
    /// Not between 0.01 and 1024, or finer than a thousandth.
    pub fn from_number(number: f64) -> Result<Self, InvalidQuantity> {
        let millis = number * 1000.0;
        let near = (millis - millis.round()).abs() < 1e-6;
        if !near || !(10.0..=1_024_000.0).contains(&millis) {
            return Err(Self::wrong(&number.to_string()));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was just checked")]
        let millis = millis.round() as u32;
        Ok(Self(millis))
    }

    fn wrong(text: &str) -> InvalidQuantity {
        InvalidQuantity(format!("{text:?} is not a number of processors; write it like 0.5 or 2 (0.01 to 1024, at most three decimals)"))
    }
}

impl FromStr for Cpus {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let trimmed = text.trim();
        if trimmed.is_empty() || !trimmed.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(Self::wrong(text));
        }
        Self::from_number(trimmed.parse::<f64>().map_err(|_| Self::wrong(text))?)
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

// In documents a share is a number, as people write it.
impl Serialize for Cpus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1000) { serializer.serialize_u32(self.0 / 1000) } else { serializer.serialize_f64(f64::from(self.0) / 1000.0) }
    }
}

impl<'de> Deserialize<'de> for Cpus {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_number(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A span of time in milliseconds; `5s`, `1m30s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(u64);
as_text!(Span);

/// The units of time, largest first, in milliseconds.
const SPAN_UNITS: &[(&str, u64)] = &[("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Span {
    /// This many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// This many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The span in milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The span as the standard library has it.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Span {
    type Err = InvalidQuantity;

    /// Reads `500ms`, `5s`, `1.5s`, `1m30s`, `2h`: units from large to small, each at most once.
    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let wrong = || InvalidQuantity(format!("{text:?} is not a span of time; write it like 5s, 1m30s or 500ms"));
        let mut rest = text.trim();
        if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidQuantity(format!("{rest} has no unit; did you mean {rest}s?")));
        }
        if rest.is_empty() {
            return Err(wrong());
        }
        let (mut total, mut after) = (0_u64, 0);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let place = SPAN_UNITS.iter().position(|(name, _)| *name == unit).filter(|place| *place >= after).ok_or_else(wrong)?;
            let part = exact(number, SPAN_UNITS[place].1).ok_or_else(wrong)?;
            total = total.checked_add(part).ok_or_else(wrong)?;
            (after, rest) = (place + 1, tail);
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, size) in SPAN_UNITS {
            if rest >= *size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn memory(text: &str) -> Result<u64, String> {
        text.parse::<Memory>().map(Memory::bytes).map_err(|error| error.to_string())
    }

    fn span(text: &str) -> Result<u64, String> {
        text.parse::<Span>().map(Span::millis).map_err(|error| error.to_string())
    }

    #[test]
    fn thousands_stand_apart() {
        let said = [0, 7, 999, 1000, 10_000, 1_234_567, -1_000].map(grouped);
        assert_eq!(said, ["0", "7", "999", "1,000", "10,000", "1,234,567", "-1,000"]);
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn memory_is_read_in_the_usual_spellings() {
        for text in ["256MiB", "256Mi", "256M", "256m", " 256 MiB ", "0.25GiB", "262144k", "268435456B"] {
            assert_eq!(memory(text), Ok(256 << 20), "{text}");
        }
        assert_eq!(Memory::from_mib(1536).to_string(), "1536MiB");
        assert_eq!(Memory::from_mib(2048).to_string(), "2GiB");
        assert_eq!(Memory::from_bytes(0).to_string(), "0B");
    }

    #[test]
    fn memory_without_a_clear_unit_is_asked_about() {
        assert!(memory("256").expect_err("no unit").contains("256MiB?"));
        assert!(memory("1GB").expect_err("two meanings").contains("1GiB?"));
        for text in ["", "MiB", "-1MiB", "1e3MiB", "1..5MiB", "1.MiB", "0.3B", "99999999999999999999MiB", "256MiB x"] {
            assert!(memory(text).is_err(), "{text}");
        }
    }

    #[test]
    fn processors_are_decimals() {
        assert_eq!("0.5".parse::<Cpus>().map(Cpus::nanos), Ok(500_000_000));
        assert_eq!("2".parse::<Cpus>().map(|cpus| cpus.to_string()), Ok("2".into()));
        for text in ["", "0", "0.001", "1.2345", "1025", "-1", "nan", "inf", "1e2", "half"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
        assert_eq!(serde_json::to_string(&Cpus::from_millis(500)).ok().as_deref(), Some("0.5"));
        assert_eq!(serde_json::to_string(&Cpus::from_millis(2000)).ok().as_deref(), Some("2"));
    }

    #[test]
    fn spans_are_read_in_parts() {
        assert_eq!(span("5s"), Ok(5_000));
        assert_eq!(span("1m30s"), Ok(90_000));
        assert_eq!(span("1.5s"), Ok(1_500));
        assert_eq!(span("500ms"), Ok(500));
        assert!(span("5").expect_err("no unit").contains("5s?"));
        for text in ["", "s", "5 s", "30s1m", "5s5s", "-5s", "1d", "99999999999999999999h", "5seconds"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bytes in 0_u64..1 << 50, millis in 10_u32..=1_024_000, time in 0_u64..1 << 50) {
            let (memory, time) = (Memory::from_bytes(bytes), Span::from_millis(time));
            let cpus = Cpus::from_millis(millis).expect("in range");
            prop_assert_eq!(memory.to_string().parse(), Ok(memory));
            prop_assert_eq!(cpus.to_string().parse(), Ok(cpus));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
            let json = serde_json::to_string(&cpus).expect("a number");
            prop_assert_eq!(serde_json::from_str::<Cpus>(&json).ok(), Some(cpus));
        }

        #[test]
        fn junk_is_refused_without_a_fall(text in "\\PC{0,40}") {
            let _ = (text.parse::<Memory>(), text.parse::<Cpus>(), text.parse::<Span>());
        }
    }
}
