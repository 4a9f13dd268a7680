//! Where there is nothing yet, and where it is still on its way.

use leptos::prelude::*;

/// An empty list: what would stand here and what to do about it.
#[component]
pub(crate) fn Empty(
    /// What is missing.
    #[prop(into)]
    title: String,
    /// What to do: a sentence, a command, a button.
    children: Children,
) -> impl IntoView {
    view! { <div class="empty"><h3>{title}</h3>{children()}</div> }.into_any()
}

/// Room for rows that are on their way, as high as they will be.
#[component]
pub(crate) fn Skeleton(
    /// How many rows.
    #[prop(default = 4)]
    rows: usize,
) -> impl IntoView {
    let lines = (0..rows).map(|_| view! { <div><div class="skeleton"></div></div> }).collect_view();
    view! { <div class="panel skeleton-rows" aria-busy="true" aria-label="Loading">{lines}</div> }.into_any()
}
