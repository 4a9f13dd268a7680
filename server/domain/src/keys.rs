//! The portal's keys: a file of 32 random bytes (0600) from which every other key is derived, and sealing: what is secret at rest is encrypted
//! with XChaCha20-Poly1305, bound to what it is for, and names the key that it was sealed with. While the key is being changed for another
//! ([`rotation`]) the file holds both, the new one first. Never prints a key or what was sealed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

mod file;
pub mod rotation;

/// First byte of what was sealed before keys had names: any of them may be the one.
const UNNAMED: u8 = 1;
/// First byte of what is sealed; behind it stands the key's name.
const NAMED: u8 = 2;
const NONCE: usize = 24;
/// Bytes before the nonce.
const HEAD: usize = 1 + size_of::<KeyId>();

/// A key's name: derived from it, and of no use to find it.
pub type KeyId = [u8; 8];

/// One key.
#[derive(Clone)]
struct Root(Zeroizing<[u8; 32]>);

impl Root {
    fn mac(&self, message: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        self.mac(format!("slipway {purpose}").as_bytes())
    }

    fn id(&self) -> KeyId {
        self.derive("key id").first_chunk().copied().expect("a MAC is longer than a name")
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.derive("sealing").into())
    }

    fn seal(&self, purpose: &str, nonce: [u8; NONCE], plain: &[u8]) -> Vec<u8> {
        let payload = Payload { msg: plain, aad: purpose.as_bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).expect("a text in memory is not too long for the cipher");
        [prefix(&self.id()).as_slice(), &nonce, &sealed].concat()
    }

    fn open(&self, purpose: &str, nonce: [u8; NONCE], body: &[u8]) -> Option<Vec<u8>> {
        self.cipher().decrypt(&XNonce::from(nonce), Payload { msg: body, aad: purpose.as_bytes() }).ok()
    }
}

/// What everything begins with that was sealed with a key of this name.
fn prefix(id: &KeyId) -> [u8; HEAD] {
    let mut prefix = [NAMED; HEAD];
    prefix[1..].copy_from_slice(id);
    prefix
}

/// Whether it was sealed with the key of this name.
pub(crate) fn is_sealed_with(id: &KeyId, sealed: &[u8]) -> bool {
    sealed.starts_with(&prefix(id))
}

/// The portal's keys. Clones share them.
#[derive(Clone)]
pub struct Keys {
    /// The first one when this process began: what is derived stays the same for its life.
    root: Root,
    ring: Arc<RwLock<Vec<Root>>>,
    file: Option<Arc<PathBuf>>,
}

impl Keys {
    /// A key from given bytes, for tests.
    #[must_use]
    pub fn of(root: [u8; 32]) -> Self {
        Self::from_ring(vec![Root(Zeroizing::new(root))], None)
    }

    fn from_ring(ring: Vec<Root>, file: Option<PathBuf>) -> Self {
        Self { root: ring[0].clone(), ring: Arc::new(RwLock::new(ring)), file: file.map(Arc::new) }
    }

    /// Reads the key file; makes it with `fresh` bytes where there is none. A file of another length is refused: going on with a
    /// wrong key would lose every secret.
    pub fn load_or_create(path: &Path, fresh: [u8; 32]) -> Result<Self> {
        let ring = file::read_or_create(path, Root(Zeroizing::new(fresh)))?;
        Ok(Self::from_ring(ring, Some(path.to_owned())))
    }

    /// A key for one purpose. The same purpose gives the same key, until the portal starts with another one.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        self.root.derive(purpose)
    }

    /// The name of the first key.
    fn first(&self) -> KeyId {
        self.root.id()
    }

    fn by_id(&self, id: &KeyId) -> Option<Root> {
        let find = || self.ring.read().unwrap_or_else(PoisonError::into_inner).iter().find(|root| root.id() == *id).cloned();
        find().or_else(|| {
            // Another process changed the key while this one ran: the file has the new one.
            let fresh = file::read(self.file.as_deref()?).ok()?;
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            // What is on its way was sealed with the old ones: they are kept.
            let known: Vec<KeyId> = ring.iter().map(Root::id).collect();
            ring.extend(fresh.into_iter().filter(|root| !known.contains(&root.id())));
            drop(ring);
            find()
        })
    }

    /// Seals what does not outlive the process for long. What is stored is sealed by [`crate::Platform::seal_in`].
    pub(crate) fn seal(&self, purpose: &str, nonce: [u8; NONCE], plain: &[u8]) -> Vec<u8> {
        self.root.seal(purpose, nonce, plain)
    }

    /// Seals with the key of this name; none where it is not at hand.
    pub(crate) fn seal_with(&self, id: &KeyId, purpose: &str, nonce: [u8; NONCE], plain: &[u8]) -> Option<Vec<u8>> {
        self.by_id(id).map(|root| root.seal(purpose, nonce, plain))
    }

    /// Opens what was sealed for the same purpose; anything else is an error that tells nothing.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        if sealed.is_empty() {
            return Err(Error::Unavailable("a secret was lost together with the key that it was sealed with; set it again".into()));
        }
        let wrong = || Error::internal(format!("what was sealed for {purpose} does not open: another key, or damaged"));
        let head = if sealed[0] == UNNAMED { 1 } else { HEAD };
        let (head, rest) = sealed.split_at_checked(head).ok_or_else(wrong)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE>().ok_or_else(wrong)?;
        let opened = match head {
            [UNNAMED] => {
                let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner).clone();
                ring.iter().find_map(|root| root.open(purpose, *nonce, body))
            }
            [NAMED, id @ ..] => id.try_into().ok().and_then(|id| self.by_id(id)).and_then(|root| root.open(purpose, *nonce, body)),
            _ => None,
        };
        opened.ok_or_else(wrong)
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
        for end in 0..sealed.len() {
            assert!(keys.open("registry credential", &sealed[..end]).is_err(), "{end} bytes of it");
        }
        let mut another = sealed.clone();
        another[3] ^= 1;
        assert!(keys.open("registry credential", &another).is_err(), "a key's name is not free to choose");
    }

    #[test]
    fn what_was_sealed_before_keys_had_names_opens() {
        let keys = Keys::of([7; 32]);
        let named = keys.seal("x", [1; 24], b"hunter2");
        let unnamed = [&[UNNAMED][..], &named[HEAD..]].concat();
        assert_eq!(keys.open("x", &unnamed).expect("opens"), b"hunter2");
        let ring = vec![Root(Zeroizing::new([9; 32])), Root(Zeroizing::new([7; 32]))];
        assert_eq!(Keys::from_ring(ring, None).open("x", &unnamed).expect("with the old key of two"), b"hunter2");
    }

    #[test]
    fn a_key_that_came_later_is_found_in_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let running = Keys::load_or_create(&path, [1; 32]).expect("made");
        let old = running.seal("x", [1; 24], b"old");
        let new = Root(Zeroizing::new([2; 32]));
        file::write(&path, std::slice::from_ref(&new)).expect("changed");
        assert_eq!(running.open("x", &new.seal("x", [1; 24], b"new")).expect("read again"), b"new");
        assert_eq!(running.open("x", &old).expect("still known"), b"old");
        assert!(Keys::load_or_create(&path, [3; 32]).expect("read").open("x", &old).is_err());
    }
}
