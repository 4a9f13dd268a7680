//! The deletion of an image or of a whole repository, with what would be lost by it.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::manifest::Kind;
use model::views::images::{ImageView, RepositoryCounts};
use model::views::lineage::ImageLineage;

use super::{count, is_artifact};
use crate::api::images::{DeleteImage, DeleteRepository};
use crate::components::{Confirm, Csrf, Keep, ProblemNotice, Submit, TextField, sentence};
use crate::page::problem;

/// When its bytes are given back.
const BYTES_LATER: &str = "Its bytes count for the project until the registry's next collection of what nothing needs, which lets things rest first (a day, if the operators chose nothing else). Until then the same can be pushed again quickly.";

/// What goes with a repository, one sentence each.
fn lost_with_repository(counts: RepositoryCounts) -> Vec<String> {
    let mut all = vec![format!(
        "{} and {} go, for everybody and for good.",
        count(counts.tags, "tag", "tags"),
        count(counts.images, "image, index or artifact", "images, indexes and artifacts")
    )];
    if counts.runs > 0 {
        all.push(format!(
            "Its images run in {}. What runs goes on, but cannot be started on another machine or pulled again.",
            count(counts.runs, "place", "places")
        ));
    }
    if counts.revisions > 0 {
        all.push(format!("{} made from them: a roll-back to any of these fails.", count(counts.revisions, "revision is", "revisions are")));
    }
    all
}

/// What goes with the image, one sentence each.
fn lost(image: &ImageView, lineage: &ImageLineage) -> Vec<String> {
    let mut all = Vec::new();
    let number = |items: usize| i64::try_from(items).unwrap_or(i64::MAX);
    if !image.tags.is_empty() {
        let named: Vec<&str> = image.tags.iter().take(12).map(|tag| tag.as_str()).collect();
        let more = image.tags.len() - named.len();
        let more = if more > 0 { format!(" and at least {more} more") } else { String::new() };
        all.push(format!(
            "{} with it: {}{more}.",
            if image.tags.len() == 1 { "The tag that names it goes" } else { "The tags that name it go" },
            named.join(", ")
        ));
    }
    let uses = &image.uses;
    let runs = number(uses.runs.len()) + uses.hidden_runs;
    if runs > 0 {
        let places: Vec<String> = uses.runs.iter().take(6).map(|run| format!("{}/{} in {}", run.project, run.service, run.environment)).collect();
        let hidden = if uses.hidden_runs > 0 { format!(" ({} in projects that you do not see)", uses.hidden_runs) } else { String::new() };
        let places = if places.is_empty() { String::new() } else { format!(": {}", places.join(", ")) };
        all.push(format!(
            "It runs in {}{places}{hidden}. What runs goes on, but cannot be started on another machine or pulled again.",
            count(runs, "place", "places")
        ));
    }
    if uses.revisions > 0 {
        all.push(format!(
            "{} made from it: nobody can go back to {} any more.",
            count(uses.revisions, "revision is", "revisions are"),
            if uses.revisions == 1 { "it" } else { "them" }
        ));
    }
    if !image.referrers.is_empty() {
        all.push(format!(
            "{} about it: signatures and the like. They would be about nothing.",
            count(number(image.referrers.len()), "artifact is", "artifacts are")
        ));
    }
    let children = number(lineage.children.len());
    if children > 0 {
        all.push(format!(
            "{}{} built on it: they keep their layers and can be pulled as before, and their lineage says that it is gone.",
            if lineage.more_children { "More than " } else { "" },
            count(children, "repository has images", "repositories have images")
        ));
    }
    if !image.listed_in.is_empty() {
        all.push(format!(
            "{} it: for its platform they could no longer be pulled.",
            count(number(image.listed_in.len()), "index lists", "indexes list")
        ));
    }
    all
}

/// The button and the question.
#[component]
pub(super) fn Delete(
    /// The image.
    image: ImageView,
    /// What is built on it.
    lineage: ImageLineage,
    /// What is sent.
    delete: ServerAction<DeleteImage>,
) -> impl IntoView {
    let short = image.digest.short();
    let what = match image.kind {
        Kind::Index => "index",
        _ if is_artifact(image.kind, image.artifact_type.as_deref()) => "artifact",
        _ => "image",
    };
    let because = image.immutable.as_deref().map(sentence);
    let losses = lost(&image, &lineage).into_iter().map(|text| view! { <li>{text}</li> }).collect_view();
    view! {
        <Confirm id="delete-image" button=format!("Delete {what}") title=format!("Delete {what} {short}?") because>
            <ul class="bullets">{losses}<li>"Layers that other images need stay. "{BYTES_LATER}</li></ul>
            <ProblemNotice problem=problem(delete)/>
            <ActionForm action=delete attr:class="form">
                <Csrf/>
                <input type="hidden" name="project" value=image.project.to_string()/>
                <input type="hidden" name="repository" value=image.repository.to_string()/>
                <input type="hidden" name="digest" value=image.digest.to_string()/>
                <TextField name="typed" label=format!("Type {short} to confirm") mono=true required=true exactly=short scope="delete"/>
                <div class="actions"><Keep dialog="delete-image"/><Submit label=format!("Delete {what}") look="button-danger-fill" pending=delete.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

/// The same for a whole repository.
#[component]
pub(super) fn DeleteWhole(
    /// Its project.
    project: String,
    /// The repository.
    repository: String,
    /// What it holds.
    counts: RepositoryCounts,
    /// What is sent.
    delete: ServerAction<DeleteRepository>,
) -> impl IntoView {
    let whole = format!("{project}/{repository}");
    let losses = lost_with_repository(counts).into_iter().map(|text| view! { <li>{text}</li> }).collect_view();
    view! {
        <Confirm id="delete-repository" button="Delete repository" title=format!("Delete {whole}?")>
            <ul class="bullets">{losses}<li>{BYTES_LATER}</li></ul>
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

#[cfg(test)]
mod tests {
    use super::*;
    use model::views::images::ImageUses;
    use serde_json::json;

    #[test]
    fn what_is_lost_is_named() {
        let json = json!({
            "project": "shop", "repository": "web", "digest": format!("sha256:{}", "a".repeat(64)), "media_type": "x/y", "kind": "image",
            "artifact_type": null, "size": 1, "tags": ["1", "latest"], "parts": [], "config": null, "annotations": {}, "subject": null,
            "referrers": [{"digest": format!("sha256:{}", "b".repeat(64)), "artifact_type": null, "size": 1}],
            "pushed_at": 0, "pushed_by": "dev", "pulled_at": null, "pulls": 0, "manifest_size": 1,
        });
        let mut image: ImageView = serde_json::from_value(json).expect("a view");
        let child = json!({"project": "shop", "repository": "app", "tag": "1", "digest": image.digest, "since": 0});
        let lineage = json!({"stacks": [], "children": [child], "more_children": false, "unfinished": false});
        let lineage: ImageLineage = serde_json::from_value(lineage).expect("a lineage");
        let text = lost(&image, &lineage).join("\n");
        assert!(text.contains("1 repository has images built on it: they keep their layers"), "{text}");
        assert!(text.contains("1, latest") && text.contains("1 artifact is about it"), "{text}");
        image.uses = ImageUses { revisions: 2, hidden_runs: 1, ..ImageUses::default() };
        let text = lost(&image, &lineage).join("\n");
        assert!(text.contains("2 revisions are made from it") && text.contains("1 in projects that you do not see"), "{text}");
    }

    #[test]
    fn a_repository_is_lost_in_numbers() {
        let text = lost_with_repository(RepositoryCounts { tags: 1, images: 3, runs: 2, revisions: 1 }).join("\n");
        assert!(text.contains("1 tag and 3 images, indexes and artifacts go") && text.contains("run in 2 places"), "{text}");
        assert!(text.contains("1 revision is made from them"), "{text}");
        assert_eq!(lost_with_repository(RepositoryCounts::default()).len(), 1);
    }
}
