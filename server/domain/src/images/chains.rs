//! The chain of an image: one value for a whole stack of layers, so that "who stands on this" is one look into an index. Much like the
//! image specification's ChainID, but seeded with the platform: equal files for other machines are another image.
//!
//! A layer is named by its blob, which the repository holds: only who has a base's bytes can be shown to stand on it, or to have brought
//! them in. What a configuration says of unpacked contents is a claim that anybody can make of anything, and would tell who has what.
//! So two compressions of one content are two layers; and layers that lie elsewhere, which nobody needs to have, make no chain.

use std::fmt;

use model::manifest::Descriptor;
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

/// The chains of an image with these layers, lowest first: one up to each layer. None where there are too many, or one lies elsewhere.
#[must_use]
pub fn chains(config: Option<&ImageConfig>, layers: &[Descriptor]) -> Vec<Chain> {
    if layers.len() > MOST_LAYERS || layers.iter().any(Descriptor::is_foreign) {
        return Vec::new();
    }
    let platform = config.and_then(ImageConfig::platform).unwrap_or_default();
    let mut below: [u8; 32] = Sha256::digest(format!("slipway chain packed {platform}")).into();
    let mut all = Vec::with_capacity(layers.len());
    for layer in layers {
        below = Sha256::new().chain_update(below).chain_update(layer.digest.to_string()).finalize().into();
        all.push(Chain(below));
    }
    all
}

#[cfg(test)]
mod tests {
    use model::digest::Digest;
    use model::manifest::config::RootFs;

    use super::*;

    fn digest(digit: char) -> Digest {
        format!("sha256:{}", digit.to_string().repeat(64)).parse().expect("a digest")
    }

    fn config(architecture: &str, ids: &str) -> ImageConfig {
        let diff_ids = ids.chars().map(|digit| digest(digit).to_string()).collect();
        ImageConfig { os: "linux".into(), architecture: architecture.into(), rootfs: Some(RootFs { diff_ids }), ..ImageConfig::default() }
    }

    fn layers(digits: &str) -> Vec<Descriptor> {
        let layer = |digit| Descriptor {
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".into(),
            digest: digest(digit),
            size: 1,
            urls: None,
            annotations: None,
            platform: None,
            artifact_type: None,
        };
        digits.chars().map(layer).collect()
    }

    #[test]
    fn a_prefix_of_layers_is_a_prefix_of_chains() {
        let base = chains(Some(&config("amd64", "ab")), &layers("12"));
        let app = chains(Some(&config("amd64", "abc")), &layers("123"));
        assert_eq!(app[..2], base[..]);
        assert_ne!(chains(Some(&config("amd64", "bac")), &layers("213"))[1], base[1], "the order counts");
    }

    #[test]
    fn blobs_and_platforms_count_and_claims_do_not() {
        let one = chains(Some(&config("amd64", "ab")), &layers("12"));
        assert_ne!(chains(Some(&config("amd64", "ab")), &layers("89")), one, "whoever claims the contents has not the bytes");
        assert_eq!(chains(Some(&config("amd64", "cd")), &layers("12")), one);
        assert_ne!(chains(Some(&config("arm64", "ab")), &layers("12")), one);
        assert_eq!(chains(None, &layers("12")), chains(Some(&ImageConfig::default()), &layers("12")));
    }

    #[test]
    fn what_nobody_needs_to_have_makes_no_chain() {
        let mut elsewhere = layers("12");
        elsewhere[0].media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
        elsewhere[0].urls = Some(vec!["https://example.com/layer".into()]);
        assert!(chains(None, &elsewhere).is_empty());
        assert!(chains(None, &vec![layers("1").remove(0); MOST_LAYERS + 1]).is_empty());
    }
}
