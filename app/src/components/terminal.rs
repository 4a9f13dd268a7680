//! A terminal in a page: xterm.js, fetched when the first one is shown, over a websocket whose binary frames are the
//! terminal's bytes and whose text frames are JSON control. It says clearly when it is closed and why, and opens again on
//! request. While the connection only broke, it attaches to the same session and continues at the byte where it stopped.

use leptos::prelude::*;

mod player;

pub(crate) use player::Player;

use super::status::{Badge, Tone};

/// How a terminal does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "a terminal lives in the browser"))]
pub(crate) enum Stage {
    /// It is being fetched or opened.
    Opening,
    /// It is open.
    Open,
    /// The connection broke; it tries to come back.
    Broken,
    /// Its program ended with this code.
    Exited(i64),
    /// It was refused or cut, for this reason.
    Closed(String),
}

/// A terminal.
#[component]
pub(crate) fn Terminal(
    /// What it is a terminal of.
    #[prop(into)]
    title: String,
    /// The websocket's path.
    #[prop(into)]
    socket: String,
) -> impl IntoView {
    let stage = RwSignal::new(Stage::Opening);
    let screen = NodeRef::<leptos::html::Div>::new();
    // Counts how often it was opened; each time begins anew.
    let opened = RwSignal::new(0_u32);
    #[cfg(feature = "hydrate")]
    session::run(socket.clone(), screen, stage, opened);
    let _ = socket;
    let badge = move || {
        let (tone, text) = match stage.get() {
            Stage::Opening => (Tone::Busy, String::from("Opening")),
            Stage::Open => (Tone::Ok, String::from("Open")),
            Stage::Broken => (Tone::Warn, String::from("Connection lost, trying again")),
            Stage::Exited(code) => (Tone::Idle, format!("Ended with code {code}")),
            Stage::Closed(_) => (Tone::Bad, String::from("Closed")),
        };
        view! { <Badge tone text/> }
    };
    let over = move || matches!(stage.get(), Stage::Exited(_) | Stage::Closed(_));
    let note = move || match stage.get() {
        Stage::Closed(reason) => Some(reason),
        Stage::Exited(_) => Some(String::from("The shell ended. Its output stays here until you open a new one.")),
        Stage::Opening | Stage::Open | Stage::Broken => None,
    };
    let label = format!("Terminal of {title}");
    view! {
        <section class="shell" aria-label=label>
            <header>
                <strong>{title}</strong>
                <span role="status">{badge}</span>
                <div class="actions">
                    {move || over().then(|| view! {
                        <button type="button" class="button button-small button-primary" on:click=move |_| opened.update(|n| *n += 1)>"Open again"</button>
                    })}
                </div>
            </header>
            <div class="shell-screen" node_ref=screen><noscript>"A terminal needs scripts. The same from your machine: docker exec."</noscript></div>
            {move || note().map(|text| view! { <p class="shell-note" role="alert">{text}</p> })}
        </section>
    }
    .into_any()
}

#[cfg(feature = "hydrate")]
mod session;
