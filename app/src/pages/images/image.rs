//! One image: what it is made of and stands on, where it runs, how it is configured, what is about it, and what its deletion would lose.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::access::Action;
use model::manifest::config::ImageConfig;
use model::manifest::{Kind, artifact};
use model::reference::Reference;
use model::views::images::{ImageRun, ImageUses, ImageView, Part, PartView, ReferrerView};
use model::views::lineage::{ChildView, ImageLineage, StackView};
use model::views::projects::ProjectView;

use super::super::projects::current;
use super::configuration::{Configuration, Notes};
use super::content::{Content, Manifest, Pull};
use super::layers::Layers;
use super::loss::Delete;
use super::picture::Stack;
use super::{count, grouped, is_artifact, size};
use crate::api::images::{DeleteImage, Gone, ImagePage, get_image};
use crate::boot::boot;
use crate::components::{Ago, Badge, Crumb, Crumbs, Digest, Notice, ProblemNotice, Tone, sentence};
use crate::live::Pulse;
use crate::page::{change, loaded_in, param, problem};
use crate::urls;

/// Tags that are shown with it.
const TAGS_SHOWN: usize = 24;

/// One image by tag or digest.
#[component]
pub(crate) fn Image() -> impl IntoView {
    let project = current();
    let (repository, reference) = (param("repository"), param("reference"));
    let pulse = Pulse::new();
    let data = Resource::new(
        move || (project.name.get(), repository.get(), reference.get(), pulse.track()),
        |(name, repository, reference, _)| async move { get_image(name, repository, reference.clone()).await.map(|page| (reference, page)) },
    );
    let delete = change::<DeleteImage>("Image deleted", None);
    let navigate = use_navigate();
    Effect::new(move |_| {
        if matches!(delete.value().get(), Some(Ok(_))) {
            let list = urls::repository(project.name.get_untracked(), repository.get_untracked());
            navigate(&list, leptos_router::NavigateOptions::default());
        }
    });
    loaded_in(project.view, data, move |project, (reference, page)| {
        pulse.watch(format!("images:{}", project.id));
        view! { <Whole project reference page delete/> }
    })
}

#[component]
fn Whole(project: ProjectView, reference: String, page: ImagePage, delete: ServerAction<DeleteImage>) -> impl IntoView {
    let ImagePage { image, lineage, gone, manifest } = page;
    let gone = StoredValue::new(gone);
    let (name, repository) = (project.name.to_string(), image.repository.to_string());
    let tag = match reference.parse::<Reference>() {
        Ok(Reference::Tag(tag)) => Some(tag),
        _ => None,
    };
    let title = tag.as_ref().map_or_else(|| format!("{repository}@{}", image.digest.short()), |tag| format!("{repository}:{tag}"));
    let path = vec![Crumb::new(urls::project_page(&name, "images"), "Images"), Crumb::new(urls::repository(&name, &repository), repository.clone())];
    let is_index = image.kind == Kind::Index;
    // A list of parts or a signature is nothing that docker pulls or a service runs.
    let artifact = is_artifact(image.kind, image.artifact_type.as_deref());
    let damaged = image.damaged.len();
    let layers: Vec<PartView> = image.parts.iter().filter(|part| part.part == Part::Layer).cloned().collect();
    let history = image.config.as_ref().map(|config| config.history.clone()).unwrap_or_default();
    let pull = tag.or_else(|| image.tags.first().cloned()).map(|tag| tag.to_string());
    let own_stack = if is_index { None } else { lineage.stacks.first().cloned() };
    view! {
        <Title text=format!("{name}/{title}")/>
        <div>
            <Crumbs path/>
            <div class="heading">
                <h2>{title.clone()}</h2>
                <Badge tone=Tone::Idle text=sort(&image)/>
                {image.immutable.is_some().then(|| view! { <Badge tone=Tone::Idle text="immutable"/> })}
                {image.immutable.as_deref().map(|why| view! { <p class="heading-sub small">{sentence(why)}</p> })}
                {project.may(Action::DeleteImages).then(|| view! { <div class="actions"><Delete image=image.clone() lineage=lineage.clone() delete/></div> })}
            </div>
        </div>
        <ProblemNotice problem=problem(delete)/>
        {(damaged > 0).then(|| view! {
            <Notice tone=Tone::Bad title="It cannot be pulled: a part of it is damaged on the disk.">
                <p>{format!("A scrub found {} whose content is no longer what the digest says. Push the same image again, and it is whole.",
                    count(i64::try_from(damaged).unwrap_or(0), "layer or configuration", "layers or configurations"))}</p>
            </Notice>
        })}
        <Figures image=image.clone() layers=layers.len()/>
        <div class="columns">
            <div class="stack">
                {is_index.then(|| view! { <Platforms name=name.clone() repository=repository.clone() parts=image.parts.clone()/> })}
                {(!artifact).then(|| view! { <StandsOn lineage title gone/> })}
                {(!artifact || !image.uses.runs.is_empty()).then(|| view! { <Runs uses=image.uses.clone() index=is_index/> })}
                {(!is_index && !artifact).then(|| view! { <Layers layers history stack=own_stack damaged=image.damaged.clone()/> })}
                {artifact.then(|| view! { <Content parts=image.parts.clone() damaged=image.damaged.clone()/> })}
                <Referrers image=image.clone()/>
            </div>
            <div class="stack">
                <Pull name=format!("{}/{name}/{repository}", boot().registry) tag=pull digest=image.digest.to_string() short=repository.clone() artifact/>
                <Facts image=image.clone()/>
                {image.config.clone().map(|config| view! { <Configuration config/> })}
                <Notes title="Annotations" notes=image.annotations.clone().into_iter().collect()/>
            </div>
        </div>
        <Manifest image manifest reference/>
    }
    .into_any()
}

/// What it is, in a word or two.
fn sort(image: &ImageView) -> String {
    let known = image.artifact_type.as_deref().and_then(artifact::name);
    match image.kind {
        Kind::Index => String::from("Index"),
        Kind::Image if known == Some("Image") => image.config.as_ref().and_then(ImageConfig::platform).unwrap_or_else(|| String::from("Image")),
        _ => known.or(image.artifact_type.as_deref()).unwrap_or("Artifact").to_owned(),
    }
}

#[component]
fn Figures(image: ImageView, layers: usize) -> impl IntoView {
    let listed = image.parts.iter().filter(|part| part.part == Part::Manifest).count();
    let (what, number) = match image.kind {
        Kind::Index => ("Manifests", listed),
        kind if is_artifact(kind, image.artifact_type.as_deref()) => ("Files", layers),
        _ => ("Layers", layers),
    };
    view! {
        <dl class="figures panel">
            <div><dt>"Size"</dt><dd>{size(image.size)}</dd></div>
            <div><dt>{what}</dt><dd>{number}</dd></div>
            <div><dt>"Pulls"</dt><dd>{grouped(image.pulls)}</dd></div>
            <div><dt>"Pushed"</dt><dd><Ago at=image.pushed_at/></dd></div>
        </dl>
    }
    .into_any()
}

#[component]
fn Facts(image: ImageView) -> impl IntoView {
    let (name, repository) = (image.project.clone(), image.repository.clone());
    let more = image.tags.len().saturating_sub(TAGS_SHOWN);
    let none = image.tags.is_empty();
    let tags = image
        .tags
        .iter()
        .take(TAGS_SHOWN)
        .map(|tag| view! { <a class="chip" href=urls::image(&name, &repository, tag)>{tag.to_string()}</a> })
        .collect_view();
    let subject = image.subject.map(|subject| urls::image(&name, &repository, subject)).zip(image.subject);
    let listed = image
        .listed_in
        .iter()
        .map(|index| view! { <a href=urls::image(&name, &repository, index)><code class="digest">{index.short()}</code></a>" " })
        .collect_view();
    let created = image.config.as_ref().and_then(|config| config.created.clone());
    view! {
        <section class="panel">
            <header><h2>"Facts"</h2></header>
            <div class="panel-body"><dl class="facts">
                <dt>"Digest"</dt><dd><Digest value=image.digest.to_string()/></dd>
                <dt>"Tags"</dt>
                <dd><span class="row">{tags}{(more > 0).then(|| view! { <span class="muted small">{format!("and {more} or more")}</span> })}{none.then_some("none: by digest alone")}</span></dd>
                <dt>"Pushed"</dt><dd><Ago at=image.pushed_at/>" by "{image.pushed_by.clone()}</dd>
                <dt>"Last pulled"</dt><dd>{match image.pulled_at { Some(at) => view! { <Ago at/> }.into_any(), None => "never".into_any() }}</dd>
                {created.map(|created| view! { <dt>"Built"</dt><dd>{created}</dd> })}
                {image.config.as_ref().and_then(|config| config.author.clone()).map(|author| view! { <dt>"Author"</dt><dd>{author}</dd> })}
                <dt>"Type"</dt><dd class="small">{image.media_type.clone()}</dd>
                {subject.map(|(href, subject)| view! { <dt>"Is about"</dt><dd><a href=href><code class="digest">{subject.short()}</code></a></dd> })}
                {(!image.listed_in.is_empty()).then(|| view! { <dt>"Listed in"</dt><dd>{listed}</dd> })}
            </dl></div>
        </section>
    }
    .into_any()
}

#[component]
fn Platforms(name: String, repository: String, parts: Vec<PartView>) -> impl IntoView {
    let rows = parts
        .into_iter()
        .filter(|part| part.part == Part::Manifest)
        .map(|part| {
            let platform = match part.platform.as_deref() {
                Some("unknown/unknown") => String::from("Attestation"),
                Some(platform) => platform.to_owned(),
                None => String::from("not told"),
            };
            view! {
                <tr>
                    <td data-label="Platform" class="table-main"><a href=urls::image(&name, &repository, part.digest)>{platform}</a></td>
                    <td data-label="Digest"><Digest value=part.digest.to_string()/></td>
                    <td data-label="Manifest" class="number">{size(part.size)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Platforms"</h2></header>
            <table class="table">
                <thead><tr><th scope="col">"Platform"</th><th scope="col">"Digest"</th><th scope="col" class="number">"Manifest"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

/// The stacks as pictures, and what is built on the image.
#[component]
fn StandsOn(lineage: ImageLineage, title: String, gone: StoredValue<Gone>) -> impl IntoView {
    let ImageLineage { stacks, children, more_children, unfinished } = lineage;
    let stacks: Vec<StackView> = stacks.into_iter().filter(|stack| stack.blocks.iter().any(|block| !block.layers.is_empty())).collect();
    if stacks.is_empty() && children.is_empty() {
        return unfinished
            .then(|| view! { <p class="muted">"What it stands on is still being looked at; it appears here in a moment."</p> })
            .into_any();
    }
    let several = stacks.len() > 1;
    let pictures = stacks
        .into_iter()
        .map(|stack| {
            let (inherited, total) = (stack.inherited(), stack.size);
            let platform = several.then(|| stack.platform.clone().unwrap_or_else(|| stack.digest.short()));
            let said = if stack.blocks.len() == 1 {
                String::from("It stands on no other image that you can see here.")
            } else {
                format!("{} of {} come from what it stands on.", size(inherited), size(total))
            };
            view! {
                <div class="stack-s">
                    {platform.map(|platform| view! { <h3>{platform}</h3> })}
                    <Stack stack name=title.clone() gone/>
                    <p class="muted small">{said}</p>
                </div>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"What it stands on"</h2></header>
            <div class="panel-body">{pictures}</div>
            {(!children.is_empty()).then(|| view! { <Children children more=more_children/> })}
        </section>
    }
    .into_any()
}

#[component]
fn Children(children: Vec<ChildView>, more: bool) -> impl IntoView {
    let number = children.len();
    let items = children
        .into_iter()
        .map(|child| {
            let name = format!("{}/{}:{}", child.project, child.repository, child.tag);
            view! { <li><a href=urls::image(&child.project, &child.repository, &child.tag)>{name}</a><span class="end"><Ago at=child.since/></span></li> }
        })
        .collect_view();
    let heading =
        format!("Built on it: {}{}", if more { "more than " } else { "" }, count(i64::try_from(number).unwrap_or(0), "repository", "repositories"));
    view! { <div class="divided"><h3 class="panel-title">{heading}</h3><ul class="list">{items}</ul></div> }.into_any()
}

#[component]
fn Runs(uses: ImageUses, index: bool) -> impl IntoView {
    let ImageUses { runs, hidden_runs, .. } = uses;
    let none = runs.is_empty();
    let rows = runs.into_iter().map(|run| view! { <Run run index/> }).collect_view();
    let hidden = (hidden_runs > 0).then(|| format!("And in {} of projects that you do not see.", count(hidden_runs, "place", "places")));
    view! {
        <section class="panel">
            <header><h2>"Where it runs now"</h2></header>
            {if none {
                view! { <p class="panel-body muted">"In no service that you can see."</p> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <th scope="col">"Service"</th><th scope="col">"Environment"</th><th scope="col" class="number">"Revision"</th>
                            <th scope="col" class="number">"Tasks"</th><th scope="col">"State"</th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
            {hidden.map(|text| view! { <footer>{text}</footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Run(run: ImageRun, index: bool) -> impl IntoView {
    let (tone, text) = match (run.wanted, run.tasks) {
        (true, 0) => (Tone::Warn, "Should run"),
        (true, _) => (Tone::Ok, "Runs"),
        (false, _) => (Tone::Busy, "On its way in or out"),
    };
    let through = run.through.map(|digest| if index { format!("its image {}", digest.short()) } else { format!("by index {}", digest.short()) });
    view! {
        <tr>
            <td data-label="Service" class="table-main">
                <span><a href=urls::service(&run.project, &run.service)>{format!("{}/{}", run.project, run.service)}</a>
                {through.map(|text| view! { <span class="table-side small muted">{text}</span> })}</span>
            </td>
            <td data-label="Environment">{run.environment.to_string()}</td>
            <td data-label="Revision" class="number">{run.revision}</td>
            <td data-label="Tasks" class="number">{run.tasks}</td>
            <td data-label="State"><Badge tone text/></td>
        </tr>
    }
    .into_any()
}

#[component]
fn Referrers(image: ImageView) -> impl IntoView {
    let (name, repository) = (image.project.clone(), image.repository.clone());
    let row = |referrer: ReferrerView| {
        let artifact_type = referrer.artifact_type.clone().unwrap_or_default();
        let known = artifact::name(&artifact_type)
            .map_or_else(|| if artifact_type.is_empty() { String::from("Artifact without a type") } else { artifact_type.clone() }, str::to_owned);
        let beside = (known != artifact_type && !artifact_type.is_empty()).then_some(artifact_type);
        view! {
            <tr>
                <td data-label="What" class="table-main">
                    <span><a href=urls::image(&name, &repository, referrer.digest)>{known}</a>
                    {beside.map(|text| view! { <span class="table-side small muted">{text}</span> })}</span>
                </td>
                <td data-label="Digest"><Digest value=referrer.digest.to_string()/></td>
                <td data-label="Manifest" class="number">{size(referrer.size)}</td>
            </tr>
        }
    };
    (!image.referrers.is_empty()).then(|| {
        let number = image.referrers.len();
        let rows = image.referrers.clone().into_iter().map(row).collect_view();
        view! {
            <section class="panel">
                <header><h2>"Signatures, bills of materials and the like "<span class="count">{number}</span></h2></header>
                <table class="table">
                    <thead><tr><th scope="col">"What"</th><th scope="col">"Digest"</th><th scope="col" class="number">"Manifest"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </section>
        }
    })
}
