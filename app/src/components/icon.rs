//! The few signs that Slipway draws itself. They are decoration beside a text or a label, so readers never hear them.

use leptos::prelude::*;

/// A sign of 16 by 16, drawn with the colour of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Icon {
    /// Two sheets.
    Copy,
    /// Done.
    Check,
    /// A menu opens below.
    Down,
    /// Remove, close.
    Cross,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Copy => {
                "M5.5 5.5V3.5a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-2M3.5 5.5h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-6a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1z"
            }
            Self::Check => "M3 8.5 6.5 12 13 4.5",
            Self::Down => "M4 6.5 8 10.5 12 6.5",
            Self::Cross => "M4 4 12 12M12 4 4 12",
        }
    }
}

/// Draws a sign.
#[component]
pub(crate) fn Sign(icon: Icon) -> impl IntoView {
    view! {
        <svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5"
            stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
            <path d=icon.path()/>
        </svg>
    }
    .into_any()
}

/// The mark of Slipway: a slope with three loads on it.
#[component]
pub(crate) fn Mark() -> impl IntoView {
    view! {
        <svg width="20" height="20" viewBox="0 0 32 32" fill="currentColor" aria-hidden="true">
            <path d="M3 25 29 17v5L3 30zM7 13h6v7l-6 1.9zM15 9h6v8.6l-6 1.9zM23 5h4v10.2l-4 1.3z"/>
        </svg>
    }
    .into_any()
}
