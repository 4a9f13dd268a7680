//! Content digests (OCI image-spec 1.1, "Digests"): the address of every blob and manifest. A value of this type is always
//! well formed and of an algorithm that the registry can verify; it computes nothing (hashing is I/O's neighbour and lives
//! in the registry), so the browser can check a digest with the same code.

use std::fmt;
use std::str::FromStr;

/// How many characters of the hexadecimal part people are shown.
const SHORT: usize = 12;

/// A hash function that the OCI image specification registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, 64 hexadecimal characters. What every client uses.
    Sha256,
    /// SHA-512, 128 hexadecimal characters.
    Sha512,
}

impl Algorithm {
    /// Every algorithm that is understood.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// Its registered name: `sha256` or `sha512`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Bytes of a hash.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl FromStr for Algorithm {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        Self::ALL.into_iter().find(|known| known.as_str() == text).ok_or(InvalidDigest::Algorithm)
    }
}

/// `sha256:<64 hexadecimal characters>` or `sha512:<128>`, lower case. One content has one spelling for each algorithm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    /// Of SHA-256.
    Sha256([u8; 32]),
    /// Of SHA-512.
    Sha512([u8; 64]),
}

/// Why a text is no digest, with what would be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    /// There is no colon.
    #[error("a digest is written sha256:<64 hexadecimal characters>")]
    Shape,
    /// Another algorithm.
    #[error("the digest's algorithm is not known; use sha256 or sha512")]
    Algorithm,
    /// The wrong number of characters.
    #[error("a {} digest has {} hexadecimal characters after the colon", .0.as_str(), .0.size() * 2)]
    Length(Algorithm),
    /// Something else than 0-9 and a-f.
    #[error("a digest has lower-case hexadecimal characters (0-9, a-f) after the colon")]
    Hexadecimal,
}

impl Digest {
    /// The digest that these bytes are.
    ///
    /// # Errors
    /// When there are more or fewer bytes than the algorithm makes.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, InvalidDigest> {
        let wrong = InvalidDigest::Length(algorithm);
        match algorithm {
            Algorithm::Sha256 => bytes.try_into().map(Self::Sha256).map_err(|_| wrong),
            Algorithm::Sha512 => bytes.try_into().map(Self::Sha512).map_err(|_| wrong),
        }
    }

    /// The hash function.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// The hash itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }

    /// The part after the colon.
    #[must_use]
    pub fn hex(&self) -> String {
        let mut hex = String::with_capacity(self.bytes().len() * 2);
        for byte in self.bytes() {
            hex.push(char::from_digit(u32::from(byte >> 4), 16).expect("four bits are a hexadecimal digit"));
            hex.push(char::from_digit(u32::from(byte & 15), 16).expect("four bits are a hexadecimal digit"));
        }
        hex
    }

    /// The first characters of the hexadecimal part, for people. Never compare by it.
    #[must_use]
    pub fn short(&self) -> String {
        let mut hex = self.hex();
        hex.truncate(SHORT);
        hex
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let (algorithm, hex) = text.split_once(':').ok_or(InvalidDigest::Shape)?;
        let algorithm: Algorithm = algorithm.parse()?;
        if hex.len() != algorithm.size() * 2 {
            return Err(InvalidDigest::Length(algorithm));
        }
        let mut bytes = [0; 64];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Self::from_bytes(algorithm, &bytes[..algorithm.size()])
    }
}

fn nibble(character: u8) -> Result<u8, InvalidDigest> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(InvalidDigest::Hexadecimal),
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm().as_str(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_is_printed_as_it_was_read() {
        let digest: Digest = EMPTY.parse().expect("a digest");
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(digest.short(), "e3b0c44298fc");
        assert_eq!(serde_json::to_string(&digest).expect("json"), format!("{EMPTY:?}"));
    }

    #[test]
    fn each_wrong_digest_is_told_apart() {
        let cases = [
            ("", InvalidDigest::Shape),
            ("latest", InvalidDigest::Shape),
            ("md5:d41d8cd98f00b204e9800998ecf8427e", InvalidDigest::Algorithm),
            ("SHA256:00", InvalidDigest::Algorithm),
            ("sha256:00", InvalidDigest::Length(Algorithm::Sha256)),
            ("sha512:00", InvalidDigest::Length(Algorithm::Sha512)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Digest>(), Err(expected), "{text}");
        }
        assert_eq!(EMPTY.to_uppercase().replace("SHA", "sha").parse::<Digest>(), Err(InvalidDigest::Hexadecimal));
        assert_eq!(format!("sha256:{}", "../".repeat(22)).parse::<Digest>(), Err(InvalidDigest::Length(Algorithm::Sha256)));
        assert_eq!(format!("sha256:{}é", "0".repeat(62)).parse::<Digest>(), Err(InvalidDigest::Hexadecimal));
        assert!(InvalidDigest::Length(Algorithm::Sha512).to_string().contains("sha512 digest has 128"));
    }

    proptest! {
        #[test]
        fn every_hash_survives_the_way_through_text(bytes in prop::collection::vec(any::<u8>(), 64), long: bool) {
            let (algorithm, bytes) = if long { (Algorithm::Sha512, &bytes[..]) } else { (Algorithm::Sha256, &bytes[..32]) };
            let digest = Digest::from_bytes(algorithm, bytes).expect("right length");
            prop_assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
            prop_assert_eq!(digest.bytes(), bytes);
        }

        #[test]
        fn order_is_that_of_the_text(a: [u8; 32], b: [u8; 32]) {
            let (a, b) = (Digest::Sha256(a), Digest::Sha256(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn no_text_panics_and_what_is_accepted_is_itself(text in "\\PC{0,140}|sha(256|512):[0-9a-fA-F]{60,130}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
