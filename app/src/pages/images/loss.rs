//! The deletion of an image, with what would be lost by it.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::views::images::ImageView;

use super::count;
use crate::api::images::DeleteImage;
use crate::components::{Confirm, Csrf, Keep, ProblemNotice, Submit, TextField};
use crate::page::problem;

/// What goes with the image, one sentence each.
fn lost(image: &ImageView) -> Vec<String> {
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
    /// What is sent.
    delete: ServerAction<DeleteImage>,
) -> impl IntoView {
    let short = image.digest.short();
    let losses = lost(&image).into_iter().map(|text| view! { <li>{text}</li> }).collect_view();
    view! {
        <Confirm id="delete-image" button="Delete image" title=format!("Delete image {short}?")>
            <ul class="bullets">{losses}<li>"Layers that nothing else needs are removed later. Until then the same image can be pushed again quickly."</li></ul>
            <ProblemNotice problem=problem(delete)/>
            <ActionForm action=delete attr:class="form">
                <Csrf/>
                <input type="hidden" name="project" value=image.project.to_string()/>
                <input type="hidden" name="repository" value=image.repository.to_string()/>
                <input type="hidden" name="digest" value=image.digest.to_string()/>
                <TextField name="typed" label=format!("Type {short} to confirm") mono=true required=true exactly=short scope="delete"/>
                <div class="actions"><Keep dialog="delete-image"/><Submit label="Delete image" look="button-danger-fill" pending=delete.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::views::images::ImageUses;

    #[test]
    fn what_is_lost_is_named() {
        let json = serde_json::json!({
            "project": "shop", "repository": "web", "digest": format!("sha256:{}", "a".repeat(64)), "media_type": "x/y", "kind": "image",
            "artifact_type": null, "size": 1, "tags": ["1", "latest"], "parts": [], "config": null, "annotations": {}, "subject": null,
            "referrers": [{"digest": format!("sha256:{}", "b".repeat(64)), "artifact_type": null, "size": 1}],
            "pushed_at": 0, "pushed_by": "dev", "pulled_at": null, "pulls": 0, "manifest_size": 1,
        });
        let mut image: ImageView = serde_json::from_value(json).expect("a view");
        let text = lost(&image).join("\n");
        assert!(text.contains("1, latest") && text.contains("1 artifact is about it"), "{text}");
        image.uses = ImageUses { revisions: 2, hidden_runs: 1, ..ImageUses::default() };
        let text = lost(&image).join("\n");
        assert!(text.contains("2 revisions are made from it") && text.contains("1 in projects that you do not see"), "{text}");
    }
}
