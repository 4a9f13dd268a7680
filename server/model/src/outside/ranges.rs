//! Which addresses belong to the public internet (IANA's special-purpose registries for IPv4 and IPv6). What an address carries
//! inside itself (IPv4 in IPv6, NAT64) is judged by what is carried.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What sort of special range the address is in; none: it is a public one.
#[must_use]
pub fn special(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

/// Whether the address is link-local: where clouds keep what tells a machine's secrets.
#[must_use]
pub fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        // fd00:ec2::254 and its like are unique local, and as telling.
        IpAddr::V6(address) => carried(address)
            .map_or_else(|| address.segments()[0] & 0xffc0 == 0xfe80 || address.segments()[..2] == [0xfd00, 0x0ec2], |v4| v4.is_link_local()),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    Some(match (a, b, c) {
        (0, ..) => "no real",
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => "private",
        (100, 64..=127, _) => "shared (carrier)",
        (127, ..) => "loopback",
        (169, 254, _) => "link-local (cloud metadata)",
        (192, 0, 0) | (192, 88, 99) => "protocol",
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => "documentation",
        (198, 18 | 19, _) => "benchmark",
        (224..=239, ..) => "multicast",
        (240..=255, ..) => "reserved",
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(inner) = carried(address) {
        return special_v4(inner);
    }
    let segments = address.segments();
    Some(match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        [first, ..] if first & 0xffc0 == 0xfe80 => "link-local (cloud metadata)",
        [first, ..] if first & 0xfe00 == 0xfc00 => "private",
        [first, ..] if first & 0xff00 == 0xff00 => "multicast",
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => "documentation",
        [0x2001, 0..=0x01ff, ..] | [0x2002, ..] => "protocol",
        [first, ..] if first & 0xe000 == 0x2000 => return None,
        _ => "reserved",
    })
}

/// The IPv4 address that a NAT64 address (RFC 6052, 64:ff9b::/96) leads to.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x0064, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() else { return None };
    Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}
