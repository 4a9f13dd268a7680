//! The public status page: what everybody may see of services whose owners show them, and of services outside of containers.
//!
//! Two loops keep it. One probes ([`work::plan`], [`work::took`]) and counts for how long what was found; the other draws a [`Board`] of all that
//! is shown ([`work::draw`]), which stays in memory. Readers are answered from the board alone: however many there are, neither the database nor an
//! engine hears of them, and the page stands when either is gone: once the last round of probes is too long ago ([`Status::board_at`]), it says that
//! nothing is known since. A board holds views of `model::views::status` and nothing that is not for everybody.

use model::names::ProjectName;
use model::status::{Impact, IncidentKind, IncidentState};

use crate::access::{Held, can};
use crate::change::Record;

mod board;
mod incidents;
mod judge;
mod legacy;
mod memory;
mod pages;
mod site;
mod spans;
#[cfg(test)]
mod tests;
mod things;
pub mod work;

pub use board::{Board, Picture};
pub use incidents::{create, list, remove, say};
pub use legacy::{create as create_legacy, delete as delete_legacy, list as list_legacy, update as update_legacy};
pub use memory::Status;
pub use pages::{get as page, put as put_page};
pub use site::{projects as site_projects, put as put_site_project};

crate::text_columns! { Impact, IncidentKind, IncidentState }

/// The permission to write the status page of a project, or of the site.
pub type Managing = Held<can::ManageStatus>;

/// The audit record of something that was done to a page.
fn record(may: &Managing, action: &'static str, kind: &'static str, target: impl ToString) -> Record {
    let record = Record::new(action, kind, target);
    match may.project() {
        Some(project) => record.project(project),
        None => record,
    }
}

/// How an incident names a service: in its project by its name, on the site's page with the project before it.
fn called(of_site: bool, project: &ProjectName, name: &str) -> String {
    if of_site { format!("{project}/{name}") } else { name.to_owned() }
}
