//! Answers of deliveries that came more than once, in memory: a sender that goes on repeating costs the database nothing. What is remembered is
//! found by all that was sent, the proof among it, and it holds until anybody's access changes: a hook that is disabled or deleted, a secret that
//! is rotated, a service or an environment that goes are heard at once. What nobody told this process (another one wrote it, or who wrote it was cut
//! off behind the commit) is heard when the database is asked again, as leases are. One with a proof that rests on the time is proved each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use model::hooks::HookAnswer;
use model::time::Millis;
use sha2::Sha256;

use super::deliver::Received;
use super::rows::Hook;
use crate::access::CHECK_AGAIN;
use crate::platform::Platform;

/// Deliveries that are remembered before all are forgotten: at most some 16 MiB, mostly less than one.
const CAPACITY: usize = 1024;
/// Largest body of a delivery that is remembered, in bytes.
const BODY: usize = 64 * 1024;

/// A keyed hash of all that was sent, and where to: nobody makes one who does not know the key, and so nobody learns anything from a look for it.
pub(super) type Print = [u8; 32];

/// By what a delivery is remembered; none: it is too large for that, or proves something for a time alone.
pub(super) fn print(platform: &Platform, address: &str, received: &Received) -> Option<Print> {
    if received.body.len() > BODY || received.envelope.proof("webhook-signature").is_some() {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&platform.delivery_key()).expect("HMAC takes keys of any length");
    let mut part = |bytes: &[u8]| {
        mac.update(&(bytes.len() as u64).to_be_bytes());
        mac.update(bytes);
    };
    part(address.as_bytes());
    for (name, value) in received.envelope.all() {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    part(&received.body);
    Some(mac.finalize().into_bytes().into())
}

/// A delivery that was proved and answered.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    pub hook: Hook,
    pub answer: HookAnswer,
    /// When the database was asked.
    pub at: Millis,
    /// How often anybody's access had changed before that.
    pub access: u64,
    /// When the first of the hook's secrets ends by itself; none: none of them does.
    pub until: Option<Millis>,
}

/// Deliveries that were answered lately.
#[derive(Default)]
pub(crate) struct Repeats(Mutex<HashMap<Print, Arc<Remembered>>>);

impl Repeats {
    /// What is remembered and still holds; `access` is how often anybody's access has changed by now.
    pub(super) fn get(&self, print: &Print, now: Millis, access: u64) -> Option<Arc<Remembered>> {
        let mut all = self.all();
        let found = all.get(print)?;
        // One that was asked in the future was asked before the clock went back.
        let fresh = found.at <= now && now.since(found.at) < CHECK_AGAIN && found.until.is_none_or(|until| now < until);
        if fresh && found.access == access {
            return Some(Arc::clone(found));
        }
        all.remove(print);
        None
    }

    pub(super) fn put(&self, print: Print, answered: Remembered) {
        let mut all = self.all();
        if all.len() >= CAPACITY {
            all.clear();
        }
        all.insert(print, Arc::new(answered));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Print, Arc<Remembered>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
