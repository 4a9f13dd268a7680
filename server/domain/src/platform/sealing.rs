//! What is encrypted at rest, and keys that are made of the portal's own.

use super::Platform;
use crate::db::Tx;
use crate::error::Result;
use crate::keys::Keys;

impl Platform {
    /// Encrypts what is kept for a moment, bound to its purpose. A change of the key ends it; what is to stay is sealed by [`Platform::seal_in`].
    #[must_use]
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Vec<u8> {
        self.inner.keys.seal(purpose, self.random_bytes(), plain)
    }

    /// Encrypts what is stored in this transaction, with the key that is in force until it ends.
    pub async fn seal_in(&self, tx: &mut Tx, purpose: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let id = crate::keys::rotation::in_force(tx, self).await?;
        self.inner.keys.seal_with(&id, purpose, self.random_bytes(), plain).ok_or_else(|| {
            crate::Error::Unavailable(
                "secrets are sealed with another key since: the key file beside this portal is an old one; put the new one there".into(),
            )
        })
    }

    /// The same content for another row of this transaction: what was sealed with an older key is sealed anew, for a change of the key that is under
    /// way may have been through with it.
    pub(crate) async fn seal_again_in(&self, tx: &mut Tx, purpose: &str, sealed: Vec<u8>) -> Result<Vec<u8>> {
        let id = crate::keys::rotation::in_force(tx, self).await?;
        if sealed.is_empty() || crate::keys::is_sealed_with(&id, &sealed) {
            return Ok(sealed);
        }
        let plain = zeroize::Zeroizing::new(self.open(purpose, &sealed)?);
        self.seal_in(tx, purpose, &plain).await
    }

    /// Under what a name and password are remembered: useless to whoever reads the memory without the key.
    pub(crate) fn credential_key(&self, username: &str, secret: &model::secret::Secret) -> [u8; 32] {
        self.inner.keys.derive(&format!("credential {} {username}{}", username.len(), secret.expose()))
    }

    /// Under what a delivery is remembered: the key of a hash that nobody else makes.
    pub(crate) fn delivery_key(&self) -> [u8; 32] {
        self.inner.keys.derive("hook deliveries")
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    /// Opens what [`Platform::seal`] or [`Platform::seal_in`] made for the same purpose.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        self.inner.keys.open(purpose, sealed)
    }

    /// A key for one purpose.
    #[must_use]
    pub fn derive_key(&self, purpose: &str) -> [u8; 32] {
        self.inner.keys.derive(purpose)
    }
}
