//! One repository: its tags, searched, filtered and paged.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Form;
use leptos_router::hooks::use_navigate;
use model::access::Action;
use model::manifest::{Kind, artifact};
use model::page::Page;
use model::views::images::{RepositoryCounts, TagView};
use model::views::projects::ProjectView;

use super::super::projects::current;
use super::loss::DeleteWhole;
use super::untagged::UntaggedTable;
use super::{More, SortHead, grouped, size};
use crate::api::images::{DeleteRepository, DeleteTag, Listed, RepositoryPage, TagSearch, UNTAGGED, list_tags};
use crate::boot::boot;
use crate::components::{
    Ago, Badge, Choice, Command, Confirm, Crumb, Crumbs, Csrf, Digest, Empty, Keep, ProblemNotice, Select, Submit, TextField, Tone,
};
use crate::live::Pulse;
use crate::page::{RowChange, change, loaded_in, param, query, row_change};
use crate::urls;

/// Platforms that are named with a tag.
const PLATFORMS_SHOWN: usize = 3;

/// What a page of the list was asked for and what came.
type Read = (String, TagSearch, String, RepositoryPage);

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
            Ok::<Read, crate::api::ApiError>((repository, search, after, page))
        },
    );
    let delete_tag = row_change::<DeleteTag>("Tag deleted", Some(pulse));
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
fn Tags(project: ProjectView, listed: Read, delete_tag: RowChange<DeleteTag>, delete: ServerAction<DeleteRepository>) -> impl IntoView {
    let (repository, search, after, RepositoryPage { listed, counts }) = listed;
    let (name, may_delete) = (project.name.to_string(), project.may(Action::DeleteImages));
    let reference = format!("{}/{name}/{repository}", boot().registry);
    let first = match &listed {
        Listed::Tags(page) => page.items.first().map(|tag| tag.name.to_string()),
        Listed::Untagged(_) => None,
    };
    let commands = first.map(|first| {
        // The newest tag is not offered: who copies the line would move it.
        let push = project.may(Action::Push).then(|| format!("docker push {reference}:TAG"));
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
                {may_delete.then(|| view! { <div class="actions"><DeleteWhole project=name.clone() repository=repository.clone() counts delete/></div> })}
            </div>
        </div>
        {commands}
        <section class="panel">
            {match listed {
                Listed::Tags(page) => {
                    let shown = page.items.len();
                    view! {
                        <header class="stretch"><h2>"Tags "<span class="count">{of_all(&search, &after, shown, counts)}</span></h2></header>
                        <div class="panel-body">
                            <Search project=name.clone() repository=repository.clone() search=search.clone()/>
                            <ProblemNotice problem=delete_tag.unplaced()/>
                        </div>
                        <TagTable project=name repository reference search after page may_delete delete_tag/>
                    }.into_any()
                }
                Listed::Untagged(page) => view! {
                    <header class="stretch"><h2>"Without a tag"</h2></header>
                    <div class="panel-body">
                        <Search project=name.clone() repository=repository.clone() search=search.clone()/>
                        <p class="muted small">"Images that no tag names: deleted tags, and tags that were pushed again, leave them behind. They keep their bytes, and can be pulled by their digest, until they are deleted."</p>
                    </div>
                    <UntaggedTable project=name repository after page/>
                }.into_any(),
            }}
        </section>
    }
    .into_any()
}

/// How many tags there are, and how many of them are here.
fn of_all(search: &TagSearch, after: &str, shown: usize, counts: RepositoryCounts) -> String {
    let all = i64::try_from(shown).is_ok_and(|shown| shown >= counts.tags);
    if all || searched(search) || !after.is_empty() {
        return grouped(counts.tags);
    }
    format!("{} of {}", grouped(i64::try_from(shown).unwrap_or(0)), grouped(counts.tags))
}

fn searched(search: &TagSearch) -> bool {
    !(search.q.is_empty() && search.kind.is_empty())
}

pub(super) fn address(project: &str, repository: &str, search: &TagSearch, after: &str) -> String {
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
        Choice::new(UNTAGGED, "Without a tag"),
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
    delete_tag: RowChange<DeleteTag>,
) -> impl IntoView {
    let next = page.next.as_ref().map(|next| address(&project, &repository, &search, next));
    let first = (!after.is_empty()).then(|| address(&project, &repository, &search, ""));
    let searched = searched(&search);
    let untagged = address(&project, &repository, &TagSearch { kind: UNTAGGED.to_owned(), ..TagSearch::default() }, "");
    if page.items.is_empty() {
        let all = urls::repository(&project, &repository);
        let more = next.is_some();
        return view! {
            {if searched && more {
                view! { <Empty title="Nothing found so far"><p>"Many tags were looked through, and there are more."</p></Empty> }.into_any()
            } else if searched {
                view! { <Empty title="No such tag"><p>"No tag is as you asked."</p><a href=all>"All tags"</a></Empty> }.into_any()
            } else {
                view! { <Empty title="No tags"><p>"What was pushed here is reachable by its digest alone. Push something with a tag, and it appears here."</p><a href=untagged>"Images without a tag"</a></Empty> }.into_any()
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
                <th scope="col">"Last pull"</th>
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
pub(super) fn kind(kind: Kind, artifact_type: Option<&str>) -> Option<String> {
    let known = artifact_type.and_then(artifact::name);
    match kind {
        Kind::Index => Some("Index".to_owned()),
        Kind::Image if known == Some("Image") => None,
        _ => Some(known.or(artifact_type).unwrap_or("Artifact").to_owned()),
    }
}

/// What it is and for which platforms: `Index, linux/amd64, linux/arm64`.
fn about(tag: &TagView) -> Option<String> {
    let more = tag.platforms.len().saturating_sub(PLATFORMS_SHOWN);
    let platforms = tag.platforms.iter().take(PLATFORMS_SHOWN).cloned();
    let all: Vec<String> = kind(tag.kind, tag.artifact_type.as_deref()).into_iter().chain(platforms).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!all.is_empty()).then(|| format!("{}{more}", all.join(", ")))
}

#[component]
fn TagRow(project: String, repository: String, reference: String, tag: TagView, may_delete: bool, delete_tag: RowChange<DeleteTag>) -> impl IntoView {
    let (name, digest) = (tag.name.to_string(), tag.digest.to_string());
    // Tags that differ in their signs alone have dialogs of their own.
    let id = format!("delete-tag-{}", name.replace('_', "__").replace('.', "_d"));
    let (of, at) = (name.clone(), repository.clone());
    let refused = delete_tag.problem(move |sent: &DeleteTag| sent.tag == of && sent.repository == at);
    let because = tag.immutable.as_ref().map(|rule| format!("Immutable by the rule {rule}: an admin of the project can take that away under Rules"));
    view! {
        <tr>
            <td data-label="Tag" class="table-main">
                <a href=urls::image(&project, &repository, &name)>{name.clone()}</a>
                {because.clone().map(|why| view! { " "<span title=why><Badge tone=Tone::Idle text="immutable"/></span> })}
                {tag.signed.then(|| view! { " "<span title="A signature lies beside it. The portal does not check whose it is."><Badge tone=Tone::Idle text="signed"/></span> })}
                {about(&tag).map(|about| view! { <span class="table-side small muted">{about}</span> })}
            </td>
            <td data-label="Digest"><Digest value=digest.clone()/></td>
            <td data-label="Size" class="number">{size(tag.size)}</td>
            <td data-label="Pulls" class="number">{grouped(tag.pulls)}</td>
            <td data-label="Last pull">{match tag.pulled_at { Some(at) => view! { <Ago at/> }.into_any(), None => "never".into_any() }}</td>
            <td data-label="Pushed"><span><Ago at=tag.pushed_at/>" by "{tag.pushed_by}</span></td>
            <td class="end">
                {may_delete.then(|| view! {
                    <Confirm id=id.clone() button="Delete" look="button-small button-danger"  title=format!("Delete tag {name}?") because=because.clone() on_open=delete_tag.forget()>
                        <p>"The name "<code class="inline">{format!("{reference}:{name}")}</code>" can no longer be pulled."</p>
                        <p>"Services that run it go on: they hold the digest "<code class="inline">{digest}</code>"."</p>
                        <p>"The image stays, and so do its bytes. If no other tag names it, it is listed under "<em>"Without a tag"</em>" until it is deleted or retention takes it."</p>
                        <ProblemNotice problem=refused/>
                        <ActionForm action=delete_tag.action>
                            <Csrf/>
                            <input type="hidden" name="project" value=project/>
                            <input type="hidden" name="repository" value=repository/>
                            <input type="hidden" name="tag" value=name.clone()/>
                            <div class="actions"><Keep dialog=id/><Submit label="Delete tag" look="button-danger-fill" pending=delete_tag.action.pending()/></div>
                        </ActionForm>
                    </Confirm>
                })}
            </td>
        </tr>
    }
    .into_any()
}
