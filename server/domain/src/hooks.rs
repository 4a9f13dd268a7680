//! Hooks: doors by which CI brings another image of a service into one environment. Whoever delivers proves it with the hook's secret; the hook then
//! acts as an account of its own, with what a developer's robot may, and everything that holds for a person's deployment holds for its one: the
//! grant, the quota, the approval.
//!
//! *A delivery is worked on once.* Its row is written first, under the key that its sender gives it; the answer and the deployment are written in one
//! transaction. A repeat finds the answer, or waits for it; a portal that was killed in between leaves a row that the next repeat takes over.

use model::hooks::NotKept;

use crate::access::{May, can};
use crate::services::Service;

mod bodies;
mod bounds;
mod claim;
mod decide;
mod deliver;
mod envelope;
mod keep;
mod log;
mod manage;
mod proofs;
mod rates;
mod remembered;
mod rows;
#[cfg(test)]
mod tests;

pub(crate) use claim::Claim;
pub(crate) use deliver::begun;
pub use deliver::{Delivered, Received, deliver, wait};
pub use envelope::Envelope;
pub use log::{deliveries, delivery, redeliver};
pub use manage::{HookChange, create, delete, get, list, rotate, update};
pub(crate) use rates::Rates;
pub(crate) use remembered::Repeats;
pub(crate) use rows::by_id;

crate::text_columns! { NotKept }

/// Whether whoever sends this keeps what is refused at the head of a queue, and sends it again for ever: distribution's notifications.
#[must_use]
pub fn is_queued(envelope: &Envelope, body: &[u8]) -> bool {
    bodies::read(envelope, body).is_queued()
}

/// The permission that everything but a delivery needs.
pub type MayManage = May<can::ManageHooks, Service>;

/// What a hook's secret is sealed for.
pub(crate) fn secret_purpose(id: impl std::fmt::Display) -> String {
    format!("hook-secret {id}")
}

/// What a delivery is sealed for.
pub(crate) fn request_purpose(id: impl std::fmt::Display) -> String {
    format!("hook-delivery {id}")
}
