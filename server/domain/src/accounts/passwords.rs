//! Password hashes: argon2id with its parameters stored beside each hash, computed off the runtime and at most two at a time.

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash, phc::Salt};
use argon2::{Algorithm, Argon2, Params, Version};
use model::secret::Secret;

use crate::error::{Error, Result};
use crate::platform::Platform;

/// How long one waits for a turn.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// 19 MiB, two passes, one lane: the OWASP recommendation for argon2id.
fn hasher() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("these parameters are valid");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Checks a new password; the error names `field`.
pub fn check(field: &str, username: impl AsRef<str>, password: &Secret) -> Result<()> {
    model::password::check(username.as_ref(), password.expose()).map_err(|message| Error::invalid(field, message))
}

/// Hashes a password into a PHC string.
pub(crate) async fn hash(platform: &Platform, password: &Secret) -> Result<String> {
    let salt = platform.random_bytes::<16>();
    let password = password.clone();
    run(platform, move || {
        let salt = Salt::new(&salt).map_err(|error| Error::internal(format!("salt: {error}")))?;
        let hash = hasher().hash_password_with_salt(password.expose().as_bytes(), salt.as_ref());
        hash.map(|hash| hash.to_string()).map_err(|error| Error::internal(format!("argon2: {error}")))
    })
    .await
}

/// Whether the password is the one of the hash. Without a hash it takes the same time and is wrong.
pub(crate) async fn verify(platform: &Platform, hash: Option<String>, password: &Secret) -> Result<bool> {
    if password.expose().len() > model::password::MAX_BYTES {
        return Ok(false);
    }
    let Some(hash) = hash else {
        self::hash(platform, password).await?;
        return Ok(false);
    };
    let password = password.clone();
    run(platform, move || {
        let parsed = PasswordHash::new(&hash).map_err(|error| Error::internal(format!("a stored hash is damaged: {error}")))?;
        // The parameters come from the stored hash, not from ours.
        Ok(Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok())
    })
    .await
}

async fn run<T: Send + 'static>(platform: &Platform, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let permit = tokio::time::timeout(PATIENCE, platform.hashers().acquire_owned()).await;
    let busy = |_| Error::Unavailable("too many passwords are being checked at once; try again in a moment".into());
    let _permit = permit.map_err(busy)?.map_err(|_| Error::internal("the hashers are closed"))?;
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal(format!("hashing: {error}")))?
}
