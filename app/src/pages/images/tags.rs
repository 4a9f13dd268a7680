//! One repository: its tags, searched, filtered and paged.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Form;
use leptos_router::hooks::use_navigate;
use model::access::Action;
use model::manifest::{Kind, artifact};
use model::page::Page;
use model::views::images::TagView;
use model::views::projects::ProjectView;

use super::super::projects::current;
use super::{More, SortHead, size};
use crate::api::images::{DeleteRepository, DeleteTag, TagSearch, list_tags};
use crate::boot::boot;
use crate::components::{Ago, Choice, Command, Confirm, Crumb, Crumbs, Csrf, Digest, Empty, Keep, ProblemNotice, Select, Submit, TextField};
use crate::live::Pulse;
use crate::page::{change, loaded_in, param, problem, query};
use crate::urls;

/// What a page of the list was asked for and what came.
type Listed = (String, TagSearch, String, Page<TagView>);

/// One repository and its tags.
#[component]
pub(crate) fn Repository() -> impl IntoView {
    let project = current();
    let repository = param("repository");
    let (order, q, matching, kind, after) = (query("order"), query("q"), query("match"), query("kind"), query("after"));
    let search = Memo::new(move |_| TagSearch { order: order.get(), q: q.get(), matching: matching.get(), kind: kind.get() });
    let pulse = Pulse::new();
    let data = Resource::new(
        move || (project.name.get(), repository.get(), search.get(), after.get(), pulse.track()),
        |(name, repository, search, after, _)| async move {
            let page = list_tags(name, repository.clone(), search.clone(), Some(after.clone())).await?;
            Ok::<Listed, crate::api::ApiError>((repository, search, after, page))
        },
    );
    let delete_tag = change::<DeleteTag>("Tag deleted", Some(pulse));
    let delete = change::<DeleteRepository>("Repository deleted", None);
    let navigate = use_navigate();
    Effect::new(move |_| {
        if matches!(delete.value().get(), Some(Ok(_))) {
            let list = urls::project_page(project.name.get_untracked(), "images");
            navigate(&list, leptos_router::NavigateOptions::default());
        }
    });
    loaded_in(project.view, data, move |project, listed| {
        pulse.watch(format!("images:{}", project.id));
        view! { <Tags project listed delete_tag delete/> }
    })
}

#[component]
fn Tags(project: ProjectView, listed: Listed, delete_tag: ServerAction<DeleteTag>, delete: ServerAction<DeleteRepository>) -> impl IntoView {
    let (repository, search, after, page) = listed;
    let (name, may_delete) = (project.name.to_string(), project.may(Action::DeleteImages));
    let reference = format!("{}/{name}/{repository}", boot().registry);
    let first = page.items.first().map(|tag| tag.name.to_string()).unwrap_or_default();
    let commands = (!first.is_empty()).then(|| {
        let push = project.may(Action::Push).then(|| format!("docker push {reference}:{first}"));
        view! {
            <div class="columns columns-even">
                <section class="stack-s"><h3>"Pull"</h3><Command what="pull command" text=format!("docker pull {reference}:{first}")/></section>
                {push.map(|text| view! { <section class="stack-s"><h3>"Push"</h3><Command what="push command" text/></section> })}
            </div>
        }
    });
    view! {
        <Title text=format!("{name}/{repository}")/>
        <div>
            <Crumbs path=vec![Crumb::new(urls::project_page(&name, "images"), "Images")]/>
            <div class="heading">
                <h2>{repository.clone()}</h2>
                {may_delete.then(|| view! { <div class="actions"><DeleteWhole project=name.clone() repository=repository.clone() delete/></div> })}
            </div>
        </div>
        {commands}
        <section class="panel">
            <header class="stretch"><h2>"Tags"</h2></header>
            <div class="panel-body"><Search project=name.clone() repository=repository.clone() search=search.clone()/></div>
            <TagTable project=name repository reference search after page may_delete delete_tag/>
        </section>
    }
    .into_any()
}

fn address(project: &str, repository: &str, search: &TagSearch, after: &str) -> String {
    let asked = [("q", search.q.as_str()), ("match", &search.matching), ("kind", &search.kind), ("order", &search.order), ("after", after)];
    urls::asking(urls::repository(project, repository), &asked)
}

#[component]
fn Search(project: String, repository: String, search: TagSearch) -> impl IntoView {
    let places = vec![Choice::new("", "Anywhere in the name"), Choice::new("prefix", "At its beginning")];
    let kinds = vec![
        Choice::new("", "Everything"),
        Choice::new("image", "Images"),
        Choice::new("index", "Indexes"),
        Choice::new("artifact", "Other artifacts"),
    ];
    view! {
        <Form method="GET" action=urls::repository(&project, &repository) attr:class="filter" attr:role="search">
            <TextField name="q" label="Search tags" kind="search" value=search.q.clone() mono=true/>
            <Select name="match" label="Where" choices=places value=search.matching.clone()/>
            <Select name="kind" label="What it names" choices=kinds value=search.kind.clone()/>
            <input type="hidden" name="order" value=search.order.clone()/>
            <button type="submit" class="button">"Search"</button>
        </Form>
    }
    .into_any()
}

#[component]
fn TagTable(
    project: String,
    repository: String,
    reference: String,
    search: TagSearch,
    after: String,
    page: Page<TagView>,
    may_delete: bool,
    delete_tag: ServerAction<DeleteTag>,
) -> impl IntoView {
    let next = page.next.as_ref().map(|next| address(&project, &repository, &search, next));
    let first = (!after.is_empty()).then(|| address(&project, &repository, &search, ""));
    let searched = !(search.q.is_empty() && search.kind.is_empty());
    if page.items.is_empty() {
        let all = urls::repository(&project, &repository);
        let more = next.is_some();
        return view! {
            {if searched && more {
                view! { <Empty title="Nothing found so far"><p>"Many tags were looked through, and there are more."</p></Empty> }.into_any()
            } else if searched {
                view! { <Empty title="No such tag"><p>"No tag is as you asked."</p><a href=all>"All tags"</a></Empty> }.into_any()
            } else {
                view! { <Empty title="No tags"><p>"What was pushed here is reachable by its digest alone. Push something with a tag, and it appears here."</p></Empty> }.into_any()
            }}
            <More first next label="Look further"/>
        }
        .into_any();
    }
    let by_name = search.order == "name";
    let order = |order: &str| address(&project, &repository, &TagSearch { order: order.to_owned(), ..search.clone() }, "");
    let (names, newest) = (order("name"), order(""));
    let rows = page
        .items
        .into_iter()
        .map(|tag| view! { <TagRow project=project.clone() repository=repository.clone() reference=reference.clone() tag may_delete delete_tag/> })
        .collect_view();
    view! {
        <table class="table">
            <thead><tr>
                <SortHead name="Tag" href=names current=by_name/>
                <th scope="col">"Digest"</th><th scope="col" class="number">"Size"</th><th scope="col" class="number">"Pulls"</th>
                <SortHead name="Pushed" href=newest current=!by_name down=true/>
                <th scope="col"><span class="visually-hidden">"Actions"</span></th>
            </tr></thead>
            <tbody>{rows}</tbody>
        </table>
        <More first next label=if searched { "Look further" } else { "More tags" }/>
    }
    .into_any()
}

/// What a tag names, where it is no image.
fn kind(tag: &TagView) -> Option<String> {
    let known = tag.artifact_type.as_deref().and_then(artifact::name);
    match tag.kind {
        Kind::Index => Some("Index".to_owned()),
        Kind::Image if known == Some("Image") => None,
        _ => Some(known.or(tag.artifact_type.as_deref()).unwrap_or("Artifact").to_owned()),
    }
}

#[component]
fn TagRow(
    project: String,
    repository: String,
    reference: String,
    tag: TagView,
    may_delete: bool,
    delete_tag: ServerAction<DeleteTag>,
) -> impl IntoView {
    let (name, digest) = (tag.name.to_string(), tag.digest.to_string());
    // Tags that differ in their signs alone have dialogs of their own.
    let id = format!("delete-tag-{}", name.replace('_', "__").replace('.', "_d"));
    view! {
        <tr>
            <td data-label="Tag" class="table-main">
                <a href=urls::image(&project, &repository, &name)>{name.clone()}</a>
                {kind(&tag).map(|kind| view! { <span class="table-side small muted">{kind}</span> })}
            </td>
            <td data-label="Digest"><Digest value=digest.clone()/></td>
            <td data-label="Size" class="number">{size(tag.size)}</td>
            <td data-label="Pulls" class="number">{tag.pulls}</td>
            <td data-label="Pushed"><span><Ago at=tag.pushed_at/>" by "{tag.pushed_by}</span></td>
            <td class="end">
                {may_delete.then(|| view! {
                    <Confirm id=id.clone() button="Delete" look="button-small button-danger" title=format!("Delete tag {name}?")>
                        <p>"The name "<code class="inline">{format!("{reference}:{name}")}</code>" can no longer be pulled."</p>
                        <p>"Services that run it go on: they hold the digest "<code class="inline">{digest}</code>"."</p>
                        <ProblemNotice problem=problem(delete_tag)/>
                        <ActionForm action=delete_tag>
                            <Csrf/>
                            <input type="hidden" name="project" value=project/>
                            <input type="hidden" name="repository" value=repository/>
                            <input type="hidden" name="tag" value=name.clone()/>
                            <div class="actions"><Keep dialog=id/><Submit label="Delete tag" look="button-danger-fill" pending=delete_tag.pending()/></div>
                        </ActionForm>
                    </Confirm>
                })}
            </td>
        </tr>
    }
    .into_any()
}

#[component]
fn DeleteWhole(project: String, repository: String, delete: ServerAction<DeleteRepository>) -> impl IntoView {
    let whole = format!("{project}/{repository}");
    view! {
        <Confirm id="delete-repository" button="Delete repository" title=format!("Delete {whole}?")>
            <p>"All its tags and manifests go, for everybody and for good. Services that run its images go on, but cannot pull them again: a roll-back to them fails."</p>
            <ProblemNotice problem=problem(delete)/>
            <ActionForm action=delete attr:class="form">
                <Csrf/>
                <input type="hidden" name="project" value=project/>
                <input type="hidden" name="repository" value=repository.clone()/>
                <TextField name="typed" label=format!("Type {repository} to confirm") mono=true required=true exactly=repository scope="delete"/>
                <div class="actions"><Keep dialog="delete-repository"/><Submit label="Delete repository" look="button-danger-fill" pending=delete.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}
