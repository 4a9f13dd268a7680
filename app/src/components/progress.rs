//! How far long work came.

use leptos::prelude::*;

/// A bar with its words.
#[component]
pub(crate) fn Bar(
    /// What is counted.
    #[prop(into)]
    label: String,
    /// How much is done, for people: `3 of 5`.
    #[prop(into)]
    said: String,
    /// How much is done.
    done: u64,
    /// How much there is; 0 while it is not known.
    total: u64,
) -> impl IntoView {
    let bar = if total == 0 {
        view! { <progress aria-label=label.clone()></progress> }.into_any()
    } else {
        view! { <progress aria-label=label.clone() max=total.to_string() value=done.min(total).to_string()></progress> }.into_any()
    };
    view! {
        <div class="progress">
            <p class="progress-line"><span>{label}</span><span class="number">{said}</span></p>
            {bar}
        </div>
    }
    .into_any()
}

/// How a step of some work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It comes later.
    Ahead,
    /// It is being done.
    Now,
    /// It is done.
    Done,
    /// It failed.
    Failed,
    /// It was left, because something else is wanted.
    Left,
}

/// The steps of some work, in their order.
#[component]
pub(crate) fn Steps(
    /// Their names and how they stand.
    steps: Vec<(&'static str, Step)>,
) -> impl IntoView {
    let items = steps
        .into_iter()
        .map(|(name, step)| {
            let (state, said) = match step {
                Step::Ahead => ("ahead", " (to do)"),
                Step::Now => ("now", " (under way)"),
                Step::Done => ("done", " (done)"),
                Step::Failed => ("failed", " (failed)"),
                Step::Left => ("left", " (left)"),
            };
            view! { <li data-state=state aria-current=(step == Step::Now).then_some("step")><span>{name}<span class="visually-hidden">{said}</span></span></li> }
        })
        .collect_view();
    view! { <ol class="steps">{items}</ol> }.into_any()
}
