//! The list of a project's repositories.

use leptos::prelude::*;
use leptos_router::components::Form;
use model::access::Action;
use model::page::Page;
use model::views::images::{RepositoryOrder, RepositorySummary};
use model::views::projects::ProjectView;

use super::super::projects::{PushCommands, current};
use super::{ImageTabs, More, SortHead, grouped, size};
use crate::api::images::list_repositories;
use crate::components::{Ago, Empty};
use crate::live::Pulse;
use crate::page::{loaded_in, query};
use crate::pages::quotas::QuotaLine;
use crate::urls;

/// What of the list is shown.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    order: String,
    q: String,
    after: String,
}

impl Shown {
    fn order(&self) -> RepositoryOrder {
        RepositoryOrder::named(&self.order).unwrap_or_default()
    }

    fn at(&self, project: &str, order: &str, after: &str) -> String {
        let order = if order == RepositoryOrder::default().as_str() { "" } else { order };
        urls::asking(urls::project_page(project, "images"), &[("q", &self.q), ("order", order), ("after", after)])
    }
}

/// The repositories.
#[component]
pub(crate) fn Repositories() -> impl IntoView {
    let project = current();
    let (order, q, after) = (query("order"), query("q"), query("after"));
    let shown = Memo::new(move |_| Shown { order: order.get(), q: q.get(), after: after.get() });
    let pulse = Pulse::new();
    let data = Resource::new(
        move || (project.name.get(), shown.get(), pulse.track()),
        |(name, shown, _)| async move {
            let page = list_repositories(name, shown.order.clone(), shown.q.clone(), Some(shown.after.clone())).await?;
            Ok((shown.order, shown.q, shown.after, page))
        },
    );
    loaded_in(project.view, data, move |project, (order, q, after, page)| {
        pulse.watch(format!("images:{}", project.id));
        view! { <ImageTabs project=project.clone()/><RepositoryTable project page shown=Shown { order, q, after }/> }
    })
}

#[component]
fn RepositoryTable(project: ProjectView, page: Page<RepositorySummary>, shown: Shown) -> impl IntoView {
    let name = project.name.to_string();
    let registries = urls::project_page(&name, "registries");
    let none = page.items.is_empty();
    if none && shown.q.is_empty() && shown.after.is_empty() {
        return view! { <Nothing project/> }.into_any();
    }
    let next = page.next.as_ref().map(|next| shown.at(&name, &shown.order, next));
    let first = (!shown.after.is_empty()).then(|| shown.at(&name, &shown.order, ""));
    let order = shown.order();
    let head = |text: &'static str, by: RepositoryOrder| {
        let (href, number) = (shown.at(&name, by.as_str(), ""), !matches!(by, RepositoryOrder::Name | RepositoryOrder::Pushed));
        view! { <SortHead name=text href current={by == order} down={by != RepositoryOrder::Name} number/> }
    };
    let rows = page.items.into_iter().map(|repository| view! { <RepositoryRow repository/> }).collect_view();
    let sought = format!("No repository of {name} has \u{201c}{}\u{201d} in its name.", shown.q);
    let all = urls::project_page(&name, "images");
    let heads = view! {
        {head("Repository", RepositoryOrder::Name)}{head("Tags", RepositoryOrder::Tags)}{head("Size", RepositoryOrder::Size)}
        {head("Pulls", RepositoryOrder::Pulls)}{head("Last push", RepositoryOrder::Pushed)}
    };
    view! {
        {project.may(Action::Push).then(|| view! { <QuotaLine project=project.clone()/> })}
        <section class="panel">
            <header>
                <h2>"Repositories"</h2>
                <div class="actions search-place">
                    <Form method="GET" action=all.clone() attr:class="search" attr:role="search">
                        <input type="hidden" name="order" value=shown.order.clone()/>
                        <input type="search" name="q" aria-label="Search repositories" placeholder="Search repositories" value=shown.q.clone()/>
                        <button type="submit" class="button">"Search"</button>
                    </Form>
                    {project.may(Action::Push).then(|| view! { <a class="button" href=registries>"Copy an image in"</a> })}
                </div>
            </header>
            {if none {
                view! { <Empty title="No such repository"><p>{sought}</p><a href=all>"All repositories"</a></Empty> }.into_any()
            } else {
                view! { <table class="table"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table> }.into_any()
            }}
            <More first next label="More repositories"/>
        </section>
        {project.may(Action::Push).then(|| view! {
            <section class="panel"><header><h2>"Push an image"</h2></header><div class="panel-body">
                <p class="muted">"Sign in with your user name, and a token as the password: "<a href=urls::ACCOUNT_TOKENS>"make a token"</a>"."</p>
                <PushCommands project=name/>
            </div></section>
        })}
    }
    .into_any()
}

#[component]
fn RepositoryRow(repository: RepositorySummary) -> impl IntoView {
    view! {
        <tr>
            <td data-label="Repository" class="table-main"><a href=urls::repository(&repository.project, &repository.name)>{repository.name.to_string()}</a></td>
            <td data-label="Tags" class="number">{grouped(repository.tags)}</td>
            <td data-label="Size" class="number">{size(repository.size)}</td>
            <td data-label="Pulls" class="number">{grouped(repository.pulls)}</td>
            <td data-label="Last push"><Ago at=repository.pushed_at/></td>
        </tr>
    }
}

#[component]
fn Nothing(project: ProjectView) -> impl IntoView {
    let name = project.name.to_string();
    let registries = urls::project_page(&name, "registries");
    view! {
        <section class="panel">
            <Empty title="No images yet">
                {if project.may(Action::Push) {
                    view! {
                        <p>"Push one, and its repository appears here. Use your user name and a token as the password."</p>
                        <PushCommands project=name/>
                        <a href=urls::ACCOUNT_TOKENS>"Make a token"</a>
                        <p>"Or let Slipway fetch one from another registry:"</p>
                        <a class="button" href=registries>"Copy an image in"</a>
                    }.into_any()
                } else {
                    view! { <p>"Developers of this project push images here."</p> }.into_any()
                }}
            </Empty>
        </section>
    }
    .into_any()
}
