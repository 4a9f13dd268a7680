//! Hashing of content. The assembler of `ring` is used, because a layer's hash is what a push costs: on processors without
//! SHA instructions it is about twice as fast as portable code. Nothing here waits or touches a file.

use model::digest::{Algorithm, Digest};
use ring::digest::{Context, SHA256, SHA512};

/// A hash under way.
#[derive(Clone)]
pub struct Hasher {
    algorithm: Algorithm,
    context: Context,
}

impl Hasher {
    /// Nothing hashed yet.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let context = match algorithm {
            Algorithm::Sha256 => Context::new(&SHA256),
            Algorithm::Sha512 => Context::new(&SHA512),
        };
        Self { algorithm, context }
    }

    /// Which digest it will be.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Takes in the bytes that follow.
    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// The digest of everything taken in.
    #[must_use]
    pub fn finish(self) -> Digest {
        let hash = self.context.finish();
        Digest::from_bytes(self.algorithm, hash.as_ref()).expect("a hash has its algorithm's length")
    }
}

/// The digest of `bytes`.
#[must_use]
pub fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_known_ones() {
        let sha256 = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(Algorithm::Sha256, b"abc").to_string(), sha256);
        let sha512 = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
                      454d4423643ce80e2a9ac94fa54ca49f";
        assert_eq!(digest(Algorithm::Sha512, b"abc").to_string(), sha512);
    }
}
