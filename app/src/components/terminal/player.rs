//! The player of a terminal's recording. For now it says where the recording is.

use leptos::prelude::*;

/// A recording that can be played.
#[component]
pub(crate) fn Player(
    /// Where the recording is, as asciicast.
    #[prop(into)]
    source: String,
    /// Columns of the window at the beginning.
    width: u16,
    /// Rows of the window at the beginning.
    height: u16,
) -> impl IntoView {
    view! { <p><a href=source rel="external" download="">{format!("A recording of {width} x {height}")}</a></p> }.into_any()
}
