//! The choice of a robot's scopes, in the form that makes one and in those that change one.

use leptos::prelude::*;
use model::access::Scope;

use crate::components::CheckBox;

/// The scopes that a robot can be narrowed to.
const NARROW: [(Scope, &str); 7] = [
    (Scope::Read, "see services, logs and charts"),
    (Scope::Pull, "pull images"),
    (Scope::Push, "push images, and pull them"),
    (Scope::Deploy, "create services, deploy and configure; includes reading"),
    (Scope::Shell, "open shells in tasks; only ever by this choice"),
    (Scope::Metrics, "read the figures of the project's services at /metrics, for Prometheus"),
    (Scope::Discovery, "read where the project's services are at /discovery, for nginx, Traefik and Prometheus"),
];

/// What a robot may do, below its role.
#[component]
pub(super) fn Scopes(
    /// What stands above the choice while it is closed.
    title: &'static str,
    /// What is chosen at first.
    #[prop(optional)]
    chosen: Vec<Scope>,
    /// Whether the choice stands open.
    #[prop(optional)]
    open: bool,
    /// What the server says is wrong with it.
    error: Signal<Option<String>>,
) -> impl IntoView {
    let scopes = NARROW
        .into_iter()
        .map(
            |(scope, says)| view! { <CheckBox name="scopes[]" value=scope.as_str() label=scope.as_str() hint=says checked=chosen.contains(&scope)/> },
        )
        .collect_view();
    view! {
        <details open=open>
            <summary>{title}</summary>
            <fieldset class="stack-s">
                <legend class="hint">"With none chosen it may do what goes with its role, shells excepted."</legend>
                <div class="fields">{scopes}</div>
            </fieldset>
        </details>
        <p class="error" aria-live="polite">{move || error.get()}</p>
    }
    .into_any()
}
