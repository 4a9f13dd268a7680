//! A project's images: repositories, their tags, how to push and pull them.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::access::Action;
use model::page::Page;
use model::views::images::{RepositorySummary, TagView};
use model::views::projects::ProjectView;

use super::projects::{PushCommands, current};
use crate::api::images::{DeleteRepository, DeleteTag, list_repositories, list_tags};
use crate::boot::boot;
use crate::components::{Ago, Command, Confirm, Crumb, Crumbs, Csrf, Digest, Empty, Keep, ProblemNotice, Submit, Tab, Tabs, TextField, bytes};
use crate::live::Pulse;
use crate::page::{change, loaded_in, param, problem, query};
use crate::urls;

/// The repositories.
#[component]
pub(crate) fn Repositories() -> impl IntoView {
    let project = current();
    let after = query("after");
    let pulse = Pulse::new();
    let data = Resource::new(move || (project.name.get(), after.get(), pulse.track()), |(name, after, _)| list_repositories(name, Some(after)));
    loaded_in(project.view, data, move |project, page| {
        pulse.watch(format!("images:{}", project.id));
        view! { <ImageTabs project=project.clone()/><RepositoryTable project page/> }
    })
}

/// The views of a project's images, for those who have more than one.
#[component]
pub(super) fn ImageTabs(project: ProjectView) -> impl IntoView {
    project.may(Action::ManageImageRules).then(|| {
        let tabs = vec![Tab::new(urls::project_page(&project.name, "images"), "Repositories"), Tab::deep(urls::image_rules(&project.name), "Rules")];
        view! { <Tabs label="Images" tabs/> }
    })
}

/// Repositories as a table.
#[component]
pub(super) fn RepositoryTable(project: ProjectView, page: Page<RepositorySummary>) -> impl IntoView {
    let name = project.name.to_string();
    let registries = urls::project_page(&name, "registries");
    if page.items.is_empty() {
        return view! {
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
        .into_any();
    }
    let next = page.next.map(|next| format!("{}?after={}", urls::project_page(&name, "images"), urls::query(&next)));
    let rows = page
        .items
        .into_iter()
        .map(|repository| {
            view! {
                <tr>
                    <td data-label="Repository" class="table-main"><a href=urls::repository(&repository.project, &repository.name)>{repository.name.to_string()}</a></td>
                    <td data-label="Tags" class="number">{repository.tags}</td>
                    <td data-label="Size" class="number">{bytes(u64::try_from(repository.size).unwrap_or(0))}</td>
                    <td data-label="Pulls" class="number">{repository.pulls}</td>
                    <td data-label="Pushed"><Ago at=repository.pushed_at/></td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header>
                <h2>"Repositories"</h2>
                {project.may(Action::Push).then(|| view! { <span class="actions"><a class="button button-small" href=registries>"Copy an image in"</a></span> })}
            </header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Repository"</th><th scope="col" class="number">"Tags"</th><th scope="col" class="number">"Size"</th>
                    <th scope="col" class="number">"Pulls"</th><th scope="col">"Last push"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {next.map(|href| view! { <footer><a href=href>"More repositories"</a></footer> })}
        </section>
        {project.may(Action::Push).then(|| view! {
            <section class="panel"><header><h2>"Push an image"</h2></header><div class="panel-body"><PushCommands project=name/></div></section>
        })}
    }
    .into_any()
}

/// One repository and its tags.
#[component]
pub(crate) fn Repository() -> impl IntoView {
    let project = current();
    let repository = param("repository");
    let after = query("after");
    let pulse = Pulse::new();
    let data = Resource::new(
        move || (project.name.get(), repository.get(), after.get(), pulse.track()),
        |(name, repository, after, _)| async move { list_tags(name, repository.clone(), Some(after)).await.map(|page| (repository, page)) },
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
    loaded_in(project.view, data, move |project, (repository, page)| {
        pulse.watch(format!("images:{}", project.id));
        view! { <Tags project repository page delete_tag delete/> }
    })
}

#[component]
fn Tags(
    project: ProjectView,
    repository: String,
    page: Page<TagView>,
    delete_tag: ServerAction<DeleteTag>,
    delete: ServerAction<DeleteRepository>,
) -> impl IntoView {
    let (name, may_delete) = (project.name.to_string(), project.may(Action::DeleteImages));
    let reference = format!("{}/{name}/{repository}", boot().registry);
    let next = page.next.map(|next| format!("{}?after={}", urls::repository(&name, &repository), urls::query(&next)));
    let none = page.items.is_empty();
    let first = page.items.first().map_or_else(|| String::from("1.0"), |tag| tag.name.to_string());
    let rows = page
        .items
        .into_iter()
        .map(|tag| view! { <TagRow project=name.clone() repository=repository.clone() reference=reference.clone() tag may_delete delete_tag/> })
        .collect_view();
    view! {
        <Title text=format!("{name}/{repository}")/>
        <div>
            <Crumbs path=vec![Crumb::new(urls::project_page(&name, "images"), "Images")]/>
            <div class="heading">
                <h2>{repository.clone()}</h2>
                {may_delete.then(|| view! { <div class="actions"><DeleteWhole project=name.clone() repository=repository.clone() delete/></div> })}
            </div>
        </div>
        <div class="columns columns-even">
            <section class="stack-s"><h3>"Pull"</h3><Command what="pull command" text=format!("docker pull {reference}:{first}")/></section>
            {project.may(Action::Push).then(|| view! {
                <section class="stack-s"><h3>"Push"</h3><Command what="push command" text=format!("docker push {reference}:{first}")/></section>
            })}
        </div>
        <section class="panel">
            <header><h2>"Tags"</h2></header>
            {none.then(|| view! { <Empty title="No tags"><p>"What was pushed here is reachable by digest alone."</p></Empty> })}
            {(!none).then(|| view! {
                <table class="table">
                    <thead><tr>
                        <th scope="col">"Tag"</th><th scope="col">"Digest"</th><th scope="col" class="number">"Size"</th><th scope="col" class="number">"Pulls"</th>
                        <th scope="col">"Pushed"</th><th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            })}
            {next.map(|href| view! { <footer><a href=href>"More tags"</a></footer> })}
        </section>
    }
    .into_any()
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
    let id = format!("delete-tag-{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    view! {
        <tr>
            <td data-label="Tag" class="table-main">{name.clone()}</td>
            <td data-label="Digest"><Digest value=digest.clone()/></td>
            <td data-label="Size" class="number">{bytes(u64::try_from(tag.size).unwrap_or(0))}</td>
            <td data-label="Pulls" class="number">{tag.pulls}</td>
            <td data-label="Pushed"><Ago at=tag.pushed_at/>" by "{tag.pushed_by}</td>
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
