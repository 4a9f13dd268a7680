//! The layers of an image beside the commands that made them, the lowest first; steps that made no layer are there too, and say so.

use leptos::prelude::*;
use model::manifest::config::Step;
use model::manifest::history::{command, pair};
use model::views::images::PartView;
use model::views::lineage::{Owner, StackView};

use super::size;
use crate::components::{Badge, Digest, Tone};

/// The layers and the history.
#[component]
pub(super) fn Layers(
    /// The layers, lowest first.
    layers: Vec<PartView>,
    /// The steps, first to last.
    history: Vec<Step>,
    /// Who brought each layer in, where that is known.
    stack: Option<StackView>,
    /// Layers that are damaged on the disk.
    damaged: Vec<model::digest::Digest>,
) -> impl IntoView {
    let largest = layers.iter().map(|layer| layer.size).max().unwrap_or(0).max(1);
    let owners: Vec<String> = stack.map(owners).unwrap_or_default();
    let apart = !history.is_empty() && history.iter().filter(|step| !step.empty_layer).count() != layers.len();
    let number = layers.len();
    let rows = pair(&history, layers.len())
        .into_iter()
        .map(|made| {
            let step = made.step.and_then(|at| history.get(at));
            let text = step.map(|step| command(&step.created_by)).filter(|text| !text.is_empty());
            let text = text.or_else(|| step.map(|step| step.comment.clone()).filter(|text| !text.is_empty()));
            let layer = made.layer.and_then(|at| Some((at, layers.get(at)?.clone())));
            let owner = layer.as_ref().and_then(|(at, _)| owners.get(*at).cloned());
            let broken = layer.as_ref().is_some_and(|(_, layer)| damaged.contains(&layer.digest));
            view! { <Row text layer largest owner broken/> }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Layers and how they were made "<span class="count">{number}</span></h2></header>
            {apart.then(|| view! { <p class="panel-body muted">"The history does not say which step made which layer: they stand apart, steps first."</p> })}
            <table class="table layers">
                <thead><tr>
                    <th scope="col">"Step"</th><th scope="col">"Brought in by"</th><th scope="col">"Layer"</th><th scope="col" class="number">"Size"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

fn owners(stack: StackView) -> Vec<String> {
    let of = |owner: &Owner| match owner {
        Owner::Image(base) => format!("{}/{}:{}", base.project, base.repository, base.tag),
        Owner::AnotherProject => String::from("another project"),
        Owner::Itself => String::from("this image"),
    };
    stack.blocks.iter().flat_map(|block| std::iter::repeat_n(of(&block.owner), block.layers.len())).collect()
}

#[component]
fn Row(text: Option<String>, layer: Option<(usize, PartView)>, largest: i64, owner: Option<String>, broken: bool) -> impl IntoView {
    let said =
        text.map_or_else(|| view! { <span class="faint">"not told"</span> }.into_any(), |text| view! { <code class="step">{text}</code> }.into_any());
    let Some((_, layer)) = layer else {
        return view! {
            <tr class="layers-empty"><td data-label="Step">{said}</td><td></td><td data-label="Layer" class="faint">"no layer"</td><td></td></tr>
        }
        .into_any();
    };
    #[expect(clippy::cast_precision_loss, reason = "a bar")]
    let bar = format!("{:.1}%", (layer.size.max(0) as f64 * 100.0 / largest as f64).max(1.0));
    let foreign = layer.media_type.contains("nondistributable") || layer.media_type.contains("foreign");
    view! {
        <tr>
            <td data-label="Step">{said}</td>
            <td data-label="Brought in by"><span class="layers-owner" title=owner.clone()>{owner.clone()}</span></td>
            <td data-label="Layer"><Digest value=layer.digest.to_string()/>{broken.then(|| view! { " "<Badge tone=Tone::Bad text="damaged"/> })}{foreign.then(|| view! { <span class="small muted">" kept elsewhere"</span> })}</td>
            <td data-label="Size" class="number layer-size">
                <span>{size(layer.size)}</span>
                <svg class="picture bar" width="96" height="6" aria-hidden="true">
                    <rect class="picture-back" width="100%" height="6" rx="3"></rect><rect class="picture-bar" width=bar height="6" rx="3"></rect>
                </svg>
            </td>
        </tr>
    }
    .into_any()
}
