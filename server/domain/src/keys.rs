//! The portal's key: one file of 32 random bytes (0600) from which every other key is derived, and sealing: what is secret
//! at rest is encrypted with XChaCha20-Poly1305, bound to what it is for. Never prints a key or what was sealed.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// First byte of what is sealed; another one means another way of sealing.
const VERSION: u8 = 1;
const NONCE: usize = 24;

/// The portal's key.
#[derive(Clone)]
pub struct Keys {
    root: [u8; 32],
}

impl Keys {
    /// Keys from given bytes, for tests.
    #[must_use]
    pub fn of(root: [u8; 32]) -> Self {
        Self { root }
    }

    /// Reads the key file; makes it with `fresh` bytes where there is none. A file of another length is refused: going on with a
    /// wrong key would lose every secret.
    pub fn load_or_create(path: &Path, fresh: [u8; 32]) -> Result<Self> {
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match made {
            Ok(mut file) => {
                file.write_all(&fresh)?;
                file.sync_all()?;
                Ok(Self { root: fresh })
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let bytes = std::fs::read(path)?;
                let root = bytes
                    .try_into()
                    .map_err(|_| Error::Unavailable(format!("the key file {} has not 32 bytes; put the right one back", path.display())))?;
                Ok(Self { root })
            }
            Err(error) => Err(Error::Unavailable(format!("the key file {} cannot be made: {error}", path.display()))),
        }
    }

    /// A key for one purpose. The same purpose gives the same key.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        self.mac(format!("slipway {purpose}").as_bytes())
    }

    fn mac(&self, message: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.root).expect("HMAC takes keys of any length");
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    pub(crate) fn seal(&self, purpose: &str, nonce: [u8; NONCE], plain: &[u8]) -> Vec<u8> {
        let payload = Payload { msg: plain, aad: purpose.as_bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).expect("a text in memory is not too long for the cipher");
        let mut whole = Vec::with_capacity(1 + NONCE + sealed.len());
        whole.push(VERSION);
        whole.extend_from_slice(&nonce);
        whole.extend_from_slice(&sealed);
        whole
    }

    /// Opens what was sealed for the same purpose; anything else is an error that tells nothing.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let wrong = || Error::internal(format!("what was sealed for {purpose} does not open: another key, or damaged"));
        let (head, body) = sealed.split_at_checked(1 + NONCE).ok_or_else(wrong)?;
        let nonce: [u8; NONCE] = head[1..].try_into().map_err(|_| wrong())?;
        if head[0] != VERSION {
            return Err(wrong());
        }
        self.cipher().decrypt(&XNonce::from(nonce), Payload { msg: body, aad: purpose.as_bytes() }).map_err(|_| wrong())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.derive("sealing").into())
    }
}

/// The hash under which a random token is stored: it needs no salt and no slowness, for it cannot be guessed.
#[must_use]
pub fn token_hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of lower-case hexadecimal; none where it is not.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_purpose_alone() {
        let keys = Keys::of([7; 32]);
        let sealed = keys.seal("registry credential", [1; 24], b"hunter2");
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        assert_eq!(keys.open("registry credential", &sealed).expect("opens"), b"hunter2");
        assert!(keys.open("another purpose", &sealed).is_err());
        assert!(Keys::of([8; 32]).open("registry credential", &sealed).is_err());
        assert!(keys.open("registry credential", &sealed[..10]).is_err());
    }

    #[test]
    fn a_key_file_is_made_once_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let first = Keys::load_or_create(&path, [1; 32]).expect("made");
        let second = Keys::load_or_create(&path, [2; 32]).expect("read");
        assert_eq!(first.derive("x"), second.derive("x"));
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, b"short").expect("written");
        assert!(Keys::load_or_create(&path, [3; 32]).is_err());
    }
}
