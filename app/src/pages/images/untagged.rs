//! What a repository holds without a tag.

use leptos::prelude::*;
use model::page::Page;
use model::views::images::UntaggedView;

use super::tags::{address, kind};
use super::{More, grouped, size};
use crate::api::images::{TagSearch, UNTAGGED};
use crate::components::{Ago, Digest, Empty};
use crate::urls;

/// Images that no tag names. Each is deleted on its own page, which says what would be lost.
#[component]
pub(super) fn UntaggedTable(
    /// The project.
    project: String,
    /// The repository.
    repository: String,
    /// Behind what the list begins; empty: at its beginning.
    after: String,
    /// The list.
    page: Page<UntaggedView>,
) -> impl IntoView {
    let search = TagSearch { kind: UNTAGGED.to_owned(), ..TagSearch::default() };
    let next = page.next.as_ref().map(|next| address(&project, &repository, &search, next));
    let first = (!after.is_empty()).then(|| address(&project, &repository, &search, ""));
    let none = page.items.is_empty();
    let (title, text) = if next.is_some() {
        ("Nothing found so far", "Many images were looked through, and there are more.")
    } else {
        ("Nothing without a tag", "Every image here has a tag, is a part of an index, or is about another image.")
    };
    let rows = page.items.into_iter().map(|item| view! { <Row project=project.clone() repository=repository.clone() item/> }).collect_view();
    view! {
        {if none {
            view! { <Empty title><p>{text}</p><a href=urls::repository(&project, &repository)>"All tags"</a></Empty> }.into_any()
        } else {
            view! {
                <table class="table">
                    <thead><tr>
                        <th scope="col">"Image"</th><th scope="col">"Digest"</th><th scope="col" class="number">"Size"</th><th scope="col" class="number">"Pulls"</th>
                        <th scope="col">"Last pull"</th><th scope="col">"Pushed"</th><th scope="col">"Lost its tag"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            }.into_any()
        }}
        <More first next label="Look further"/>
    }
    .into_any()
}

#[component]
fn Row(project: String, repository: String, item: UntaggedView) -> impl IntoView {
    let kind = kind(item.kind, item.artifact_type.as_deref()).unwrap_or_else(|| String::from("Image"));
    let when = |at: Option<model::time::Millis>, never: &'static str| at.map_or_else(|| never.into_any(), |at| view! { <Ago at/> }.into_any());
    view! {
        <tr>
            <td data-label="Image" class="table-main"><a href=urls::image(&project, &repository, item.digest)>{kind}</a></td>
            <td data-label="Digest"><Digest value=item.digest.to_string()/></td>
            <td data-label="Size" class="number">{size(item.size)}</td>
            <td data-label="Pulls" class="number">{grouped(item.pulls)}</td>
            <td data-label="Last pull">{when(item.pulled_at, "never")}</td>
            <td data-label="Pushed"><span><Ago at=item.pushed_at/>" by "{item.pushed_by}</span></td>
            <td data-label="Lost its tag">{when(item.untagged_at, "had none")}</td>
        </tr>
    }
    .into_any()
}
