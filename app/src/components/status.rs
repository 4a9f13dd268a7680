//! States as words with a tone: colour and shape help, the word says it.

use leptos::prelude::*;

/// How a state is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Ok,
    /// Under way.
    Busy,
    /// Somebody should look.
    Warn,
    /// Broken.
    Bad,
    /// At rest, on purpose.
    Idle,
}

impl Tone {
    /// The word that the style sheet knows.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Idle => "idle",
        }
    }
}

/// A state.
#[component]
pub(crate) fn Badge(
    /// How it is meant.
    tone: Tone,
    /// The word.
    #[prop(into)]
    text: String,
) -> impl IntoView {
    view! { <span class="badge" data-tone=tone.as_str()>{text}</span> }.into_any()
}

pub(crate) use model::quantity::shown_bytes as bytes;

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_have_three_digits() {
        assert_eq!(super::bytes(0), "0 B");
        assert_eq!(super::bytes(999), "999 B");
        assert_eq!(super::bytes(1024), "1.0 KiB");
        assert_eq!(super::bytes(13 * 1024 * 1024 + 400_000), "13.4 MiB");
        assert_eq!(super::bytes(256 << 20), "256 MiB");
    }
}
