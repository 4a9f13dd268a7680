//! A project's images: repositories, their tags, single images, and what is built on what. Lists are searched, sorted and paged by their
//! addresses, so that they work without a script and can be sent to somebody.

mod configuration;
mod content;
mod image;
mod layers;
mod lineage;
mod loss;
mod picture;
mod repositories;
mod tags;
mod untagged;

pub(crate) use image::Image;
pub(crate) use lineage::Lineage;
pub(crate) use repositories::Repositories;
pub(crate) use tags::Repository;

use leptos::prelude::*;
use model::access::Action;
use model::manifest::{Kind, artifact};
use model::quantity::grouped;
use model::views::projects::ProjectView;

use crate::components::{Tab, Tabs};
use crate::urls;

/// The views of a project's images.
#[component]
pub(super) fn ImageTabs(project: ProjectView) -> impl IntoView {
    let mut tabs = vec![Tab::new(urls::project_page(&project.name, "images"), "Repositories"), Tab::new(urls::lineage(&project.name), "Lineage")];
    if project.may(Action::Push) {
        tabs.push(Tab::deep(urls::image_rules(&project.name), "Rules"));
    }
    view! { <Tabs label="Images" tabs/> }
}

/// Bytes that the database counts.
fn size(bytes: i64) -> String {
    crate::components::bytes(u64::try_from(bytes).unwrap_or(0))
}

/// Whether it is neither an image nor an index: a chart, a signature, a list of parts.
fn is_artifact(kind: Kind, artifact_type: Option<&str>) -> bool {
    kind != Kind::Index && !(kind == Kind::Image && artifact_type.and_then(artifact::name) == Some("Image"))
}

/// `1 tag`, `2 tags`.
fn count(number: i64, one: &str, more: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { more })
}

/// The head of a column by which its table can be sorted.
#[component]
fn SortHead(
    /// What it says.
    name: &'static str,
    /// Where it leads.
    href: String,
    /// Whether the table is sorted by it.
    current: bool,
    /// Whether from the highest down.
    #[prop(optional)]
    down: bool,
    /// Whether the column holds numbers.
    #[prop(optional)]
    number: bool,
) -> impl IntoView {
    let sort = if down { "descending" } else { "ascending" };
    view! {
        <th scope="col" class:number=number aria-sort=current.then_some(sort)>
            <a href=href>{name}{current.then(|| view! { <span aria-hidden="true">{if down { " \u{2193}" } else { " \u{2191}" }}</span> })}</a>
        </th>
    }
    .into_any()
}

/// Where a list goes on, and back to where it began.
#[component]
fn More(
    /// The first page, where this is another one.
    first: Option<String>,
    /// The next page, where there is one.
    next: Option<String>,
    /// What the next page is called.
    label: &'static str,
) -> impl IntoView {
    (first.is_some() || next.is_some()).then(|| {
        view! {
            <footer class="row">
                {first.map(|href| view! { <a href=href>"First page"</a> })}
                {next.map(|href| view! { <a href=href rel="next">{label}</a> })}
            </footer>
        }
    })
}
