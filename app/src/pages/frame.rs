//! What stands around the pages of somebody who is signed in, and what stands where no page is.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Outlet;
use leptos_router::hooks::use_location;
use model::problem::{Problem, ProblemKind};

use crate::boot::boot;
use crate::components::{Csrf, Icon, Mark, Sign, ThemeSwitch};
use crate::live::Live;
use crate::page::{LeadTo, Refusal};
use crate::urls;

/// The frame of every page that needs somebody signed in. Nobody is led to the sign-in page before anything is read.
#[component]
pub(crate) fn Portal() -> impl IntoView {
    let location = use_location();
    if boot().me.is_none() {
        let (path, search) = (location.pathname.get_untracked(), location.search.get_untracked());
        let next = if search.is_empty() { path } else { format!("{path}?{search}") };
        return view! { <LeadTo path=urls::login(&next)/> }.into_any();
    }
    let live = expect_context::<Live>();
    view! {
        <a class="skip" href="#main" rel="external">"Skip to content"</a>
        <Top/>
        <main id="main" class="page" tabindex="-1"><Outlet/></main>
        <Foot/>
        <Announcer/>
        {move || live.outdated.get().then(|| view! {
            <p class="offline" role="status">"Slipway was updated. "<a href="" rel="external">"Load this page anew"</a>" when it suits you."</p>
        })}
        {move || live.broken.get().then(|| view! { <p class="offline" role="status">"Not live: the portal does not answer. Trying again."</p> })}
    }
    .into_any()
}

/// Says to screen readers that another page stands here now.
#[component]
fn Announcer() -> impl IntoView {
    let said = RwSignal::new(String::new());
    #[cfg(feature = "hydrate")]
    {
        let path = use_location().pathname;
        Effect::new(move |before: Option<String>| {
            let now = path.get();
            // The first page is announced by the browser.
            if before.is_some_and(|before| before != now) {
                set_timeout(move || _ = said.try_set(document().title()), std::time::Duration::from_millis(300));
            }
            now
        });
    }
    view! { <p class="visually-hidden" role="status">{said}</p> }
}

/// Closes the menu when a page was chosen, and when something beside it is pressed.
#[cfg(feature = "hydrate")]
fn close_menus(path: Memo<String>) {
    use wasm_bindgen::JsCast;
    let close = |but: Option<web_sys::Node>| {
        let Ok(Some(menu)) = document().query_selector("details.menu[open]") else { return };
        if !but.is_some_and(|node| menu.contains(Some(&node))) {
            _ = menu.remove_attribute("open");
        }
    };
    Effect::new(move |_| {
        path.track();
        close(None);
    });
    let pressed = window_event_listener(leptos::ev::click, move |event| close(event.target().and_then(|target| target.dyn_into().ok())));
    on_cleanup(move || pressed.remove());
}

/// The bar on top.
#[component]
fn Top() -> impl IntoView {
    let path = use_location().pathname;
    #[cfg(feature = "hydrate")]
    close_menus(path);
    let section = move |prefix: &'static str| move || path.with(|path| path.starts_with(prefix)).then_some("true");
    let boot = boot();
    let me = boot.me.clone();
    let operator = me.as_ref().is_some_and(|me| me.operator);
    let name = me.map(|me| me.username.to_string()).unwrap_or_default();
    view! {
        <header class="top">
            <div class="top-row">
                <a class="brand" href=urls::HOME aria-label="Slipway, home"><Mark/><span>"Slipway"</span></a>
                <nav aria-label="Main">
                    <a href=urls::PROJECTS aria-current=section("/projects")>"Projects"</a>
                    <a href=urls::OVERVIEW aria-current=section("/overview")>"Monitoring"</a>
                    <a href=urls::TEMPLATES aria-current=section("/templates")>"Templates"</a>
                    <a href=urls::ENVIRONMENTS aria-current=section("/environments")>"Environments"</a>
                    {operator.then(|| view! { <a href=urls::ADMIN aria-current=section("/admin")>"Admin"</a> })}
                </nav>
                <div class="top-end">
                    <details class="menu">
                        <summary aria-label=format!("Account of {name}")><span class="name">{name.clone()}</span><Sign icon=Icon::Down/></summary>
                        <div class="menu-panel">
                            <p class="menu-note">"Signed in as "<strong>{name.clone()}</strong></p>
                            <a href=urls::ACCOUNT>"Account"</a>
                            <a href=urls::ACCOUNT_TOKENS>"Tokens"</a>
                            <a href=urls::ACCOUNT_SESSIONS>"Sessions"</a>
                            <hr/>
                            <div class="menu-note"><ThemeSwitch/></div>
                            <hr/>
                            <SignOut/>
                        </div>
                    </details>
                </div>
            </div>
        </header>
    }
    .into_any()
}

/// Signing out loads the next page whole: nothing of this one is kept.
#[component]
fn SignOut() -> impl IntoView {
    view! {
        <form method="post" action="/fn/accounts/logout">
            <Csrf/>
            <button type="submit" class="item">"Sign out"</button>
        </form>
    }
    .into_any()
}

/// The line below.
#[component]
pub(crate) fn Foot() -> impl IntoView {
    view! {
        <footer class="foot">
            <span>"Slipway "{boot().version}</span>
        </footer>
    }
    .into_any()
}

/// No page has this address.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    let problem = Problem::new(ProblemKind::NotFound, "not_found", "No page has this address.");
    view! {
        <Title text="Not found"/>
        <main id="main" class="page page-narrow stack">
            <p><a class="brand" href=urls::HOME><Mark/><span>"Slipway"</span></a></p>
            <h1>"Not found"</h1>
            <Refusal problem/>
        </main>
    }
    .into_any()
}
