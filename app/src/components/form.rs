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

/// A refusal leads to the first field that is marked, else to the notice that says why: both may be far above the button that was pressed.
pub(crate) fn lead_to_mistake(refused: Signal<Option<Problem>>) {
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        if refused.with(Option::is_some) {
            // Once it stands there.
            request_animation_frame(focus_mistake);
        }
    });
    #[cfg(not(feature = "hydrate"))]
    let _ = refused;
}

#[cfg(feature = "hydrate")]
fn focus_mistake() {
    use wasm_bindgen::JsCast;
    let found = |what: &str| document().query_selector(what).ok().flatten();
    let Some(place) = found("#main [aria-invalid=true]").or_else(|| found("#main .notice[role=alert]")) else { return };
    if !place.has_attribute("aria-invalid") {
        _ = place.set_attribute("tabindex", "-1");
    }
    if let Ok(place) = place.dyn_into::<web_sys::HtmlElement>() {
        _ = place.focus();
    }
}

/// What an answer says about one field.
pub(crate) fn field_error(problem: Signal<Option<Problem>>, name: &'static str) -> Signal<Option<String>> {
    Signal::derive(move || problem.with(|problem| problem.as_ref()?.field(name).map(str::to_owned)))
}
