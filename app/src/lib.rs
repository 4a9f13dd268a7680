//! Everything that a person sees: the shell of a page, the table of pages, and the door to the domain. Every page is rendered
//! on the server and right without scripts; in the browser it is taken over and becomes live. Nothing in here decides who may
//! do what: pages hide what their reader may not do, the domain refuses it.

#![recursion_limit = "512"]

pub mod api;
pub mod boot;
mod components;
mod live;
mod page;
mod pages;
mod urls;

use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, MetaTags, Title, provide_meta_context};
use leptos_router::components::{ParentRoute, Route, Router, Routes, RoutingProgress};
use leptos_router::{SsrMode, path};

use crate::components::{Clock, THEME_SCRIPT, Toaster, Toasts};
use crate::pages::{account, admin, deployments, frame, home, images, login, members, projects, services, setup};

/// The document around every page.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let boot = boot::provide_boot();
    let carried = serde_json::to_string(&boot).unwrap_or_default();
    let nonce = leptos::nonce::use_nonce();
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name=boot::BOOT_META content=carried/>
                <script nonce=nonce>{THEME_SCRIPT}</script>
                <HashedStylesheet options=options.clone() id="style"/>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <link rel="manifest" href="/manifest.webmanifest"/>
                <AutoReload options=options.clone()/>
                <HydrationScripts options/>
                <MetaTags/>
            </head>
            <body><App/></body>
        </html>
    }
}

/// The portal: what all pages share, and the table of pages.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let boot = boot::provide_boot();
    Clock::provide(boot.now);
    Toaster::provide();
    live::Live::provide();
    #[cfg(feature = "hydrate")]
    Effect::new(|_| {
        // What needs a script is shown from now on.
        if let Some(root) = document().document_element() {
            _ = root.set_attribute("data-ready", "");
        }
    });
    let (routing, set_routing) = signal(false);
    view! {
        <Title formatter=|title: String| if title.is_empty() { String::from("Slipway") } else { format!("{title} · Slipway") }/>
        <Router set_is_routing=set_routing>
            <div class="routing" aria-hidden="true"><RoutingProgress is_routing=routing/></div>
            <Pages/>
        </Router>
        <Toasts/>
    }
}

/// The table of pages.
#[component]
fn Pages() -> impl IntoView {
    view! {
        <Routes fallback=frame::NotFound>
            <Route path=path!("/login") view=login::Login ssr=SsrMode::Async/>
            <Route path=path!("/setup") view=setup::SetUp ssr=SsrMode::Async/>
            <ParentRoute path=path!("") view=frame::Portal ssr=SsrMode::Async>
                <Route path=path!("/") view=home::Home ssr=SsrMode::Async/>
                <Route path=path!("/projects") view=projects::List ssr=SsrMode::Async/>
                <Route path=path!("/projects/new") view=projects::New ssr=SsrMode::Async/>
                <ParentRoute path=path!("/projects/:project") view=projects::Frame ssr=SsrMode::Async>
                    <Route path=path!("") view=projects::Dashboard ssr=SsrMode::Async/>
                    <Route path=path!("/images") view=images::Repositories ssr=SsrMode::Async/>
                    <Route path=path!("/images/:repository") view=images::Repository ssr=SsrMode::Async/>
                    <Route path=path!("/deployments") view=deployments::List ssr=SsrMode::Async/>
                    <Route path=path!("/members") view=members::Members ssr=SsrMode::Async/>
                    <Route path=path!("/registries") view=projects::Registries ssr=SsrMode::Async/>
                    <Route path=path!("/audit") view=projects::Audit ssr=SsrMode::Async/>
                    <Route path=path!("/settings") view=projects::Settings ssr=SsrMode::Async/>
                    <Route path=path!("/services/new") view=services::New ssr=SsrMode::Async/>
                    <ParentRoute path=path!("/services/:service") view=services::Frame ssr=SsrMode::Async>
                        <Route path=path!("") view=services::Overview ssr=SsrMode::Async/>
                        <Route path=path!("/deploy") view=services::Deploy ssr=SsrMode::Async/>
                        <Route path=path!("/deployments") view=services::Deployments ssr=SsrMode::Async/>
                        <Route path=path!("/deployments/:deployment") view=deployments::One ssr=SsrMode::Async/>
                        <Route path=path!("/revisions") view=services::Revisions ssr=SsrMode::Async/>
                        <Route path=path!("/logs") view=services::Logs ssr=SsrMode::Async/>
                        <Route path=path!("/shell") view=services::Shell ssr=SsrMode::Async/>
                        <Route path=path!("/inspect") view=services::Inspect ssr=SsrMode::Async/>
                        <Route path=path!("/settings") view=services::Settings ssr=SsrMode::Async/>
                    </ParentRoute>
                </ParentRoute>
                <ParentRoute path=path!("/account") view=account::Frame ssr=SsrMode::Async>
                    <Route path=path!("") view=account::Profile ssr=SsrMode::Async/>
                    <Route path=path!("/sessions") view=account::Sessions ssr=SsrMode::Async/>
                    <Route path=path!("/tokens") view=account::Tokens ssr=SsrMode::Async/>
                </ParentRoute>
                <ParentRoute path=path!("/admin") view=admin::Frame ssr=SsrMode::Async>
                    <Route path=path!("") view=admin::Users ssr=SsrMode::Async/>
                    <Route path=path!("/environments") view=admin::Environments ssr=SsrMode::Async/>
                    <Route path=path!("/audit") view=admin::Audit ssr=SsrMode::Async/>
                </ParentRoute>
            </ParentRoute>
        </Routes>
    }
}
