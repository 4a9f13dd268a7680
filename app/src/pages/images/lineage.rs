//! What a project's images are built on: the services that run on an outdated base first, then the tree as a picture and as a table, and
//! what the repositories share.

use leptos::prelude::*;
use leptos_meta::Title;
use model::views::lineage::{NodeView, OutdatedService, ShareView};
use model::views::projects::ProjectView;

use super::super::projects::current;
use super::picture::{BaseLink, Tree, moved};
use super::{ImageTabs, size};
use crate::api::images::{Gone, LineagePage, get_lineage};
use crate::components::{Ago, Empty};
use crate::live::Pulse;
use crate::page::loaded_in;
use crate::pages::projects::PushCommands;
use crate::urls;

/// The lineage of a project's images.
#[component]
pub(crate) fn Lineage() -> impl IntoView {
    let project = current();
    let pulse = Pulse::new();
    let data = Resource::new(move || (project.name.get(), pulse.track()), |(name, _)| get_lineage(name));
    loaded_in(project.view, data, move |project, lineage| {
        pulse.watch(format!("images:{}", project.id));
        pulse.watch(format!("project:{}", project.id));
        view! { <ImageTabs project=project.clone()/><Whole project page=lineage/> }
    })
}

#[component]
fn Whole(project: ProjectView, page: LineagePage) -> impl IntoView {
    let LineagePage { lineage, gone } = page;
    let gone = StoredValue::new(gone);
    let name = project.name.to_string();
    if lineage.nodes.is_empty() {
        return view! {
            <section class="panel">
                <Empty title="Nothing to show yet">
                    <p>"Once there are images, it is shown here which of them are built on which: each that begins with all layers of another one stands on it."</p>
                    {project.may(model::access::Action::Push).then(|| view! { <PushCommands project=name/> })}
                </Empty>
            </section>
        }
        .into_any();
    }
    view! {
        <Title text=format!("Lineage of {name}")/>
        {lineage.unfinished.then(|| view! { <p class="muted">"Some images are still being looked at; they appear here in a moment."</p> })}
        {(!lineage.outdated.is_empty()).then(|| view! { <Outdated project=name.clone() services=lineage.outdated gone/> })}
        <section class="panel">
            <header><h2>"Bases and what is built on them"</h2></header>
            <div class="panel-body">
                <p class="muted small">
                    "The newest image of each repository, below the one whose layers it begins with. Bars: what it inherits, and in colour what it adds."
                    {lineage.more.then_some(" Only the first 200 repositories by name take part.")}
                </p>
                <Tree nodes=lineage.nodes.clone() gone/>
                <details class="as-table"><summary>"The same as a table"</summary><TreeTable nodes=lineage.nodes gone/></details>
            </div>
        </section>
        {(!lineage.shares.is_empty()).then(|| view! { <Shares project=name shares=lineage.shares/> })}
    }
    .into_any()
}

/// Services on a base whose tag has moved on.
#[component]
fn Outdated(project: String, services: Vec<OutdatedService>, gone: StoredValue<Gone>) -> impl IntoView {
    let number = services.len();
    let rows = services
        .into_iter()
        .map(|one| {
            let since = one.base.moved.iter().map(|moved| moved.at).min();
            view! {
                <tr>
                    <td data-label="Service" class="table-main"><a href=urls::service(&project, &one.service)>{one.service.to_string()}</a></td>
                    <td data-label="Environment">{one.environment.to_string()}</td>
                    <td data-label="Runs"><span class="break">{one.image}<span class="table-side small muted">{format!("revision {}", one.revision)}</span></span></td>
                    <td data-label="Stands on"><span class="break"><BaseLink base=one.base.clone() gone/></span></td>
                    <td data-label="Since then"><span>{gone.with_value(|gone| moved(&one.base, gone))}", "{since.map(|at| view! { <Ago at/> })}</span></td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Running on an outdated base "<span class="count">{number}</span></h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Service"</th><th scope="col">"Environment"</th><th scope="col">"Runs"</th><th scope="col">"Stands on"</th>
                    <th scope="col">"Since then"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            <footer>"Build these images again on the newer base, push them and deploy."</footer>
        </section>
    }
    .into_any()
}

/// The tree, for those who do not see pictures.
#[component]
fn TreeTable(nodes: Vec<NodeView>, gone: StoredValue<Gone>) -> impl IntoView {
    let mut above: Vec<String> = Vec::new();
    let rows = nodes
        .into_iter()
        .map(|node| {
            let name = node.image.as_ref().map_or_else(
                || String::from("another project\u{2019}s image"),
                |image| {
                    if image.own {
                        format!("{}:{}", image.repository, image.tag)
                    } else {
                        format!("{}/{}:{}", image.project, image.repository, image.tag)
                    }
                },
            );
            above.truncate(node.depth);
            let base = above.last().cloned().unwrap_or_else(|| String::from("\u{2013}"));
            above.push(name.clone());
            let outdated = node
                .outdated
                .iter()
                .filter_map(|base| Some(format!("{}:{}", base.repository, gone.with_value(|gone| moved(base, gone))?)))
                .collect::<Vec<_>>()
                .join("; ");
            view! {
                <tr>
                    <td data-label="Image" class="table-main">{name}</td>
                    <td data-label="Built on">{base}</td>
                    <td data-label="Size" class="number">{(node.size > 0).then(|| size(node.size))}</td>
                    <td data-label="Its own" class="number">{(node.size > 0).then(|| size(node.size - node.inherited))}</td>
                    <td data-label="Services" class="number">{node.services}</td>
                    <td data-label="Outdated">{outdated}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <table class="table">
            <thead><tr>
                <th scope="col">"Image"</th><th scope="col">"Built on"</th><th scope="col" class="number">"Size"</th>
                <th scope="col" class="number">"Its own"</th><th scope="col" class="number">"Services"</th><th scope="col">"Outdated"</th>
            </tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}

/// What repositories have in common with others.
#[component]
fn Shares(project: String, shares: Vec<ShareView>) -> impl IntoView {
    let rows = shares
        .into_iter()
        .map(|share| {
            #[expect(clippy::cast_precision_loss, reason = "a share in percent")]
            let percent = if share.size > 0 { share.shared as f64 * 100.0 / share.size as f64 } else { 0.0 };
            let bar = format!("{percent:.1}%");
            view! {
                <tr>
                    <td data-label="Repository" class="table-main"><a href=urls::repository(&project, &share.repository)>{share.repository.to_string()}</a></td>
                    <td data-label="Size" class="number">{size(share.size)}</td>
                    <td data-label="Shared" class="number">{size(share.shared)}</td>
                    <td data-label="Of it" class="share">
                        <span class="row-tight">
                            <svg class="picture bar" width="120" height="6" aria-hidden="true">
                                <rect class="picture-back" width="100%" height="6" rx="3"></rect><rect class="picture-bar" width=bar height="6" rx="3"></rect>
                            </svg>
                            <span class="small muted number">{format!("{percent:.0} %")}</span>
                        </span>
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Shared bytes"</h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Repository"</th><th scope="col" class="number">"Size"</th><th scope="col" class="number">"Shared with others"</th>
                    <th scope="col"><span class="visually-hidden">"Share"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            <footer>"Of the layers and configurations that a repository holds, those that other repositories hold as well. They are stored once."</footer>
        </section>
    }
    .into_any()
}
