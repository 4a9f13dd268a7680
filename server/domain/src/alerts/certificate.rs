//! When a certificate ends, read from its PEM text or its DER bytes: as much of X.509 as that needs (RFC 5280, section 4.1.2.5). Whether it is to be
//! trusted is decided where it is used.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::time::Millis;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// When the first of these certificates to end does; none where there is none that can be read.
pub(super) fn earliest_end(pem: &str) -> Option<Millis> {
    let mut rest = pem;
    let mut earliest = None;
    while let Some((_, after)) = rest.split_once("-----BEGIN CERTIFICATE-----") {
        let (body, after) = after.split_once("-----END CERTIFICATE-----")?;
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let end = STANDARD.decode(body).ok().and_then(|der| ends(&der));
        earliest = [earliest, end].into_iter().flatten().min();
        rest = after;
    }
    earliest
}

/// When a certificate ends that is given in DER; none where it cannot be read.
#[must_use]
pub fn ends(der: &[u8]) -> Option<Millis> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut inner, _) = element(certificate, SEQUENCE)?;
    if inner.first() == Some(&VERSION) {
        inner = element(inner, VERSION)?.1;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        inner = element(inner, *inner.first()?)?.1;
    }
    let (validity, _) = element(inner, SEQUENCE)?;
    let (_, after) = element(validity, *validity.first()?)?;
    let kind = *after.first()?;
    let (text, _) = element(after, kind)?;
    time(kind, std::str::from_utf8(text).ok()?)
}

/// The content of the element that begins here, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(kind: u8, text: &str) -> Option<Millis> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let full = match (kind, digits.len()) {
        (UTC_TIME, 12) => format!("{}{digits}", if digits < "50" { "20" } else { "19" }),
        (GENERALIZED_TIME, 14) => digits.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| &full[from..to];
    Millis::parse_rfc3339(&format!("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut der = if length < 0x80 { vec![tag, length as u8] } else { vec![tag, 0x82, (length >> 8) as u8, length as u8] };
        der.extend(content);
        der
    }

    /// A certificate that ends then: `271120083000Z`.
    pub fn ending(at: &str) -> String {
        pem(tlv(UTC_TIME, at.as_bytes()), true)
    }

    fn pem(not_after: Vec<u8>, with_version: bool) -> String {
        let validity = tlv(SEQUENCE, &[tlv(UTC_TIME, b"200101000000Z"), not_after].concat());
        let version = if with_version { tlv(VERSION, &tlv(0x02, &[2])) } else { Vec::new() };
        let long = tlv(SEQUENCE, &[0; 200]);
        let inner = [version, tlv(0x02, &[1, 2, 3]), tlv(SEQUENCE, &[]), long, validity, tlv(SEQUENCE, &[])].concat();
        let der = tlv(SEQUENCE, &[tlv(SEQUENCE, &inner), tlv(SEQUENCE, &[])].concat());
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
    }

    #[test]
    fn the_end_is_read_and_the_earliest_counts() {
        let first = pem(tlv(UTC_TIME, b"271120083000Z"), true);
        assert_eq!(earliest_end(&first).map(Millis::rfc3339).as_deref(), Some("2027-11-20T08:30:00.000Z"));
        let late = pem(tlv(GENERALIZED_TIME, b"20551120083000Z"), false);
        assert_eq!(earliest_end(&late).map(Millis::rfc3339).as_deref(), Some("2055-11-20T08:30:00.000Z"));
        assert_eq!(earliest_end(&format!("{late}{first}")), earliest_end(&first));
        let old = pem(tlv(UTC_TIME, b"991120083000Z"), true);
        assert_eq!(earliest_end(&old).map(Millis::rfc3339).as_deref(), Some("1999-11-20T08:30:00.000Z"));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for text in ["", "-----BEGIN CERTIFICATE-----\nAAAA", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----"] {
            assert_eq!(earliest_end(text), None, "{text}");
        }
        let cut = pem(tlv(UTC_TIME, b"271399999999Z"), true);
        assert_eq!(earliest_end(&cut), None);
        let whole = STANDARD.decode(pem(tlv(UTC_TIME, b"271120083000Z"), true).lines().nth(1).expect("a body")).expect("base64");
        for length in 0..whole.len() / 4 {
            assert_eq!(ends(&whole[..length]), None, "cut after {length} bytes");
        }
    }
}
