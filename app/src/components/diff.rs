//! What changes from one description to another, field by field.

use leptos::prelude::*;
use model::descriptor::Change;

/// Shows what differs.
#[component]
pub(crate) fn Changes(
    /// The differences, in their order.
    changes: Vec<Change>,
) -> impl IntoView {
    if changes.is_empty() {
        return view! { <p class="muted">"Nothing differs."</p> }.into_any();
    }
    let items = changes
        .into_iter()
        .map(|change| {
            let line = |kind: &'static str, sign: &'static str, said: &'static str, value: String| {
                let field = change.field.clone();
                view! {
                    <li data-kind=kind>
                        <span aria-hidden="true">{sign}</span>
                        <span><span class="visually-hidden">{said}</span>{format!("{field}: {value}")}</span>
                    </li>
                }
            };
            let before = change.before.clone().map(|value| line("cut", "-", "before: ", value));
            let after = change.after.clone().map(|value| line("add", "+", "after: ", value));
            view! { {before}{after} }
        })
        .collect_view();
    view! { <div class="diff" tabindex="0" role="region" aria-label="Changes"><ol>{items}</ol></div> }.into_any()
}
