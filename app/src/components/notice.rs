//! What Slipway has to say in the middle of a page: what happened, what was kept, what to do.

use leptos::prelude::*;
use model::problem::Problem;

use super::status::Tone;

/// A notice.
#[component]
pub(crate) fn Notice(
    /// How it is meant.
    tone: Tone,
    /// Its first line.
    #[prop(optional, into)]
    title: String,
    /// The rest.
    children: Children,
) -> impl IntoView {
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    view! {
        <div class="notice" data-tone=tone.as_str() role=role>
            <div>
                {(!title.is_empty()).then_some(view! { <p><strong>{title}</strong></p> })}
                {children()}
            </div>
        </div>
    }
    .into_any()
}

/// Why a form or a button was refused. What stands beside its field already is not said twice.
#[component]
pub(crate) fn ProblemNotice(
    /// The answer.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
    /// Fields that show their own error.
    #[prop(default = &[])]
    beside: &'static [&'static str],
) -> impl IntoView {
    move || {
        problem.get().map(|problem| {
            let more: Vec<_> = problem
                .fields
                .iter()
                .filter(|error| !beside.contains(&error.field.as_str()))
                .map(|error| view! { <li><code>{error.field.clone()}</code>": "{error.message.clone()}</li> })
                .collect();
            let wait = problem.retry_after.map(|seconds| view! { <p>{format!("Try again in {seconds} s.")}</p> });
            view! {
                <Notice tone=Tone::Bad title=problem.kind.title()>
                    <p>{problem.detail.clone()}</p>
                    {(!more.is_empty()).then_some(view! { <ul>{more}</ul> })}
                    {wait}
                </Notice>
            }
        })
    }
}
