//! The chain of an image: one value for a whole stack of layers, so that "who stands on this" is one look into an index. Much like the
//! image specification's ChainID, but seeded with the platform: equal files for other machines are another image.
//!
//! A layer is named by its unpacked content where the configuration tells it (two compressions of one content are one layer), else by
//! its blob. Nothing here is trusted: a configuration can claim what it likes, and then its image is shown standing where it claims.

use std::fmt;

use model::digest::Digest;
use model::manifest::config::ImageConfig;
use sha2::{Digest as _, Sha256};

use crate::db::{Column, Row, Value};
use crate::error::{Error, Result};

/// Images with more layers than this have no chains: no engine runs them.
pub const MOST_LAYERS: usize = 256;

/// A stack of layers, from the lowest up to one of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain([u8; 32]);

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::keys::hex(&self.0[..6]))
    }
}

impl Column for Chain {
    fn read(row: &Row<'_>, column: &str) -> Result<Self> {
        let bytes: Vec<u8> = row.get(column)?;
        bytes.try_into().map(Self).map_err(|_| Error::internal(format!("column {column} holds no chain")))
    }
}

impl Column for Option<Chain> {
    fn read(row: &Row<'_>, column: &str) -> Result<Self> {
        let bytes: Option<Vec<u8>> = row.get(column)?;
        bytes.map(|bytes| bytes.try_into().map(Chain).map_err(|_| Error::internal(format!("column {column} holds no chain")))).transpose()
    }
}

impl From<Chain> for Value {
    fn from(chain: Chain) -> Self {
        Self::Blob(Some(chain.0.to_vec()))
    }
}

impl From<Option<Chain>> for Value {
    fn from(chain: Option<Chain>) -> Self {
        Self::Blob(chain.map(|chain| chain.0.to_vec()))
    }
}

/// The chains of an image with these layers, lowest first: one up to each layer. None where there are too many.
#[must_use]
pub fn chains(config: Option<&ImageConfig>, layers: &[Digest]) -> Vec<Chain> {
    if layers.len() > MOST_LAYERS {
        return Vec::new();
    }
    let unpacked = config.and_then(|config| config.rootfs.as_ref()).map(|rootfs| rootfs.diff_ids.as_slice());
    let unpacked = unpacked.filter(|ids| ids.len() == layers.len() && ids.iter().all(|id| id.parse::<Digest>().is_ok()));
    let (sort, contents): (&str, Vec<String>) = match unpacked {
        Some(ids) => ("unpacked", ids.to_vec()),
        None => ("packed", layers.iter().map(ToString::to_string).collect()),
    };
    let platform = config.and_then(ImageConfig::platform).unwrap_or_default();
    let seed = Sha256::digest(format!("slipway chain {sort} {platform}"));
    let mut below: [u8; 32] = seed.into();
    let mut all = Vec::with_capacity(contents.len());
    for content in contents {
        below = Sha256::new().chain_update(below).chain_update(content).finalize().into();
        all.push(Chain(below));
    }
    all
}

#[cfg(test)]
mod tests {
    use model::manifest::config::RootFs;

    use super::*;

    fn digest(digit: char) -> Digest {
        format!("sha256:{}", digit.to_string().repeat(64)).parse().expect("a digest")
    }

    fn config(architecture: &str, ids: &str) -> ImageConfig {
        let diff_ids = ids.chars().map(|digit| digest(digit).to_string()).collect();
        ImageConfig { os: "linux".into(), architecture: architecture.into(), rootfs: Some(RootFs { diff_ids }), ..ImageConfig::default() }
    }

    fn layers(digits: &str) -> Vec<Digest> {
        digits.chars().map(digest).collect()
    }

    #[test]
    fn a_prefix_of_layers_is_a_prefix_of_chains() {
        let base = chains(Some(&config("amd64", "ab")), &layers("12"));
        let app = chains(Some(&config("amd64", "abc")), &layers("123"));
        assert_eq!(app[..2], base[..]);
        assert_ne!(chains(Some(&config("amd64", "bac")), &layers("123"))[1], base[1], "the order counts");
    }

    #[test]
    fn compression_does_not_count_and_platforms_do() {
        let one = chains(Some(&config("amd64", "ab")), &layers("12"));
        assert_eq!(chains(Some(&config("amd64", "ab")), &layers("89")), one);
        assert_ne!(chains(Some(&config("arm64", "ab")), &layers("12")), one);
    }

    #[test]
    fn without_unpacked_digests_the_blobs_count() {
        let packed = chains(None, &layers("12"));
        assert_eq!(packed, chains(Some(&ImageConfig::default()), &layers("12")));
        let odd = ImageConfig { rootfs: Some(RootFs { diff_ids: vec!["x".into(), "y".into()] }), ..ImageConfig::default() };
        assert_eq!(packed, chains(Some(&odd), &layers("12")));
        assert_eq!(packed[..1], chains(None, &layers("1"))[..]);
        assert!(chains(None, &vec![digest('a'); MOST_LAYERS + 1]).is_empty());
    }
}
