//! How many alerts fire, beside the name of the page that lists them. Live wherever that name stands; where none fires nothing is there.

use leptos::prelude::*;

use crate::api::alerts::count_firing;
use crate::live::Pulse;
use crate::page::beside;

/// How many alerts of a project fire; of everything, where none is named.
#[component]
pub(crate) fn Firing(
    /// The project's name.
    project: String,
) -> impl IntoView {
    let pulse = Pulse::new();
    let data = Resource::new(move || pulse.track(), move |_| count_firing(project.clone()));
    beside(data, move |count| {
        pulse.watch(count.topic);
        let firing = count.firing;
        // The bare number says nothing to who does not see where it stands.
        (firing > 0).then(|| {
            view! {
                <span class="tab-count" aria-hidden="true">{firing}</span>
                <span class="visually-hidden">{format!(" {firing} firing")}</span>
            }
        })
    })
}
