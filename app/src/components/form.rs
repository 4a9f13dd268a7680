//! What every form has: the token that shows that it is ours, the button that sends it, and the way from an answer to
//! the field that it is about.

use leptos::prelude::*;
use model::problem::Problem;

use crate::boot::boot;

/// The hidden field that shows that a form comes from our own page.
#[component]
pub(crate) fn Csrf() -> impl IntoView {
    view! { <input type="hidden" name="csrf" value=boot().csrf.clone()/> }.into_any()
}

/// The button that sends a form; it waits visibly and cannot be pressed twice.
#[component]
pub(crate) fn Submit(
    /// What it does.
    #[prop(into)]
    label: String,
    /// Whether the form is on its way.
    #[prop(default = Signal::stored(false), into)]
    pending: Signal<bool>,
    /// Its looks beside `button`.
    #[prop(default = "button-primary")]
    look: &'static str,
) -> impl IntoView {
    view! {
        <button type="submit" class=format!("button {look}") aria-disabled=move || pending.get().then_some("true")
            aria-busy=move || pending.get().then_some("true") on:click=move |event| hold(&event, pending)>
            {label}
        </button>
    }
    .into_any()
}

/// A form that is on its way is not sent again. Its button keeps the focus, which one that is disabled would lose.
fn hold(event: &leptos::ev::MouseEvent, pending: Signal<bool>) {
    if pending.get_untracked() {
        event.prevent_default();
    }
}

/// What an answer says about one field.
pub(crate) fn field_error(problem: Signal<Option<Problem>>, name: &'static str) -> Signal<Option<String>> {
    Signal::derive(move || problem.with(|problem| problem.as_ref()?.field(name).map(str::to_owned)))
}
