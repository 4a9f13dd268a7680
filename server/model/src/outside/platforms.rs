//! Platforms as people write them: `linux/amd64`, `linux/arm/v7`.

use crate::manifest::Platform;

/// Reads a platform.
///
/// # Errors
/// Says what would be right.
pub fn read_platform(text: &str) -> Result<Platform, String> {
    let word =
        |part: &str| !part.is_empty() && part.len() <= 32 && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let parts: Vec<&str> = text.trim().split('/').collect();
    match parts.as_slice() {
        [os, architecture] if word(os) && word(architecture) => {
            Ok(Platform { os: (*os).to_owned(), architecture: (*architecture).to_owned(), variant: None })
        }
        [os, architecture, variant] if word(os) && word(architecture) && word(variant) => {
            Ok(Platform { os: (*os).to_owned(), architecture: (*architecture).to_owned(), variant: Some((*variant).to_owned()) })
        }
        _ => Err(format!("{:?} is no platform: write linux/amd64, linux/arm64 or linux/arm/v7", text.chars().take(40).collect::<String>())),
    }
}

/// Whether an image for `found` is what somebody who wrote `wanted` means. A variant that is not written may be any; arm64 is v8 anyway.
#[must_use]
pub fn is_meant(wanted: &Platform, found: &Platform) -> bool {
    let variant = |platform: &Platform| platform.variant.clone().filter(|variant| !(platform.architecture == "arm64" && variant == "v8"));
    wanted.os == found.os
        && wanted.architecture == found.architecture
        && variant(wanted).is_none_or(|wanted| variant(found).as_ref() == Some(&wanted))
}

/// The platform as a part of a tag: `linux-amd64`.
#[must_use]
pub fn in_tag(platform: &Platform) -> String {
    platform.to_string().replace(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')), "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        read_platform(text).expect("a platform")
    }

    #[test]
    fn platforms_are_meant_with_and_without_their_variant() {
        assert!(is_meant(&platform("linux/amd64"), &platform("linux/amd64")));
        assert!(is_meant(&platform("linux/arm"), &platform("linux/arm/v7")));
        assert!(!is_meant(&platform("linux/arm/v6"), &platform("linux/arm/v7")));
        assert!(is_meant(&platform("linux/arm64/v8"), &platform("linux/arm64")));
        assert!(is_meant(&platform("linux/arm64"), &platform("linux/arm64/v8")));
        assert!(!is_meant(&platform("linux/amd64"), &platform("windows/amd64")));
        assert_eq!(in_tag(&platform("linux/arm/v7")), "linux-arm-v7");
    }

    #[test]
    fn what_is_no_platform_is_told() {
        for wrong in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/am d64", "linux/amd64\n/x y"] {
            assert!(read_platform(wrong).is_err(), "{wrong:?}");
        }
    }
}
