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
mod parts;
mod urls;

use leptos::prelude::*;
use leptos_meta::{MetaTags, Title, provide_meta_context};
use leptos_router::components::{ParentRoute, Route, Router, Routes, RoutingProgress};
use leptos_router::{Lazy, SsrMode, path};

use crate::components::{Clock, THEME_SCRIPT, Toaster, Toasts};
use crate::pages::frame;

/// The document around every page.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let boot = boot::provide_boot();
    let carried = serde_json::to_string(&boot).unwrap_or_default();
    let nonce = leptos::nonce::use_nonce();
    let style = format!("/{}/{}.css", options.site_pkg_dir, options.output_name);
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name=boot::BOOT_META content=carried/>
                <script nonce=nonce>{THEME_SCRIPT}</script>
                <link rel="stylesheet" href=style/>
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
    let (routing, set_routing) = signal(false);
    view! {
        <Title formatter=|title: String| if title.is_empty() { String::from("Slipway") } else { format!("{title} · Slipway") }/>
        <Router set_is_routing=set_routing>
            <div class="routing" aria-hidden="true"><RoutingProgress is_routing=routing max_time=std::time::Duration::from_millis(800)/></div>
            <Pages/>
        </Router>
        <Toasts/>
    }
}

/// Takes over the page that the server rendered. At the end what needs a script is shown, and every control answers.
#[cfg(feature = "hydrate")]
pub async fn take_over() {
    let Some(body) = document().body() else { return };
    let context = std::rc::Rc::new(std::cell::OnceCell::new());
    let found = std::rc::Rc::clone(&context);
    let page = leptos::mount::hydrate_from_async(body, move || {
        _ = found.set(Owner::current_shared_context());
        App()
    });
    page.await.forget();
    // What is read from now on is not in the page.
    if let Some(Some(context)) = context.get() {
        context.hydration_complete();
    }
    if let Some(root) = document().document_element() {
        _ = root.set_attribute("data-ready", "");
    }
}

/// The table of pages.
#[component]
fn Pages() -> impl IntoView {
    view! {
        <Routes fallback=frame::NotFound>
            <Route path=path!("/login") view={Lazy::<parts::Login>::new()} ssr=SsrMode::Async/>
            <Route path=path!("/setup") view={Lazy::<parts::SetUp>::new()} ssr=SsrMode::Async/>
            <ParentRoute path=path!("") view={Lazy::<parts::Portal>::new()} ssr=SsrMode::Async>
                <Route path=path!("/") view={Lazy::<parts::Home>::new()} ssr=SsrMode::Async/>
                <Route path=path!("/projects") view={Lazy::<parts::Projects>::new()} ssr=SsrMode::Async/>
                <Route path=path!("/projects/new") view={Lazy::<parts::NewProject>::new()} ssr=SsrMode::Async/>
                <ParentRoute path=path!("/projects/:project") view={Lazy::<parts::Project>::new()} ssr=SsrMode::Async>
                    <Route path=path!("") view={Lazy::<parts::Dashboard>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/images") view={Lazy::<parts::Repositories>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/images/-/lineage") view={Lazy::<parts::Lineage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/images/-/rules") view={Lazy::<parts::ImageRules>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/images/-/rules/runs/:run") view={Lazy::<parts::RuleRun>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/images/:repository") view={Lazy::<parts::Repository>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/images/:repository/:reference") view={Lazy::<parts::Image>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/deployments") view={Lazy::<parts::ProjectDeployments>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/clone") view={Lazy::<parts::Cloning>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/templates") view={Lazy::<parts::Templates>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/templates/new") view={Lazy::<parts::NewTemplate>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/templates/:template") view={Lazy::<parts::Template>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/templates/:template/edit") view={Lazy::<parts::EditTemplate>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/alerts") view={Lazy::<parts::Alerts>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/alerts/rules") view={Lazy::<parts::AlertRules>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/alerts/rules/:rule") view={Lazy::<parts::AlertRule>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/alerts/routes") view={Lazy::<parts::AlertRoutes>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/alerts/routes/:route") view={Lazy::<parts::AlertRoute>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/status") view={Lazy::<parts::StatusPages>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/members") view={Lazy::<parts::Members>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/configuration") view={Lazy::<parts::ProjectConfiguration>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/robots") view={Lazy::<parts::Robots>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/registries") view={Lazy::<parts::Registries>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/shells") view={Lazy::<parts::Shells>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/shells/:shell") view={Lazy::<parts::Recording>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/usage") view={Lazy::<parts::ProjectUsage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/audit") view={Lazy::<parts::ProjectAudit>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/settings") view={Lazy::<parts::ProjectSettings>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/services/new") view={Lazy::<parts::NewService>::new()} ssr=SsrMode::Async/>
                    <ParentRoute path=path!("/services/:service") view={Lazy::<parts::Service>::new()} ssr=SsrMode::Async>
                        <Route path=path!("") view={Lazy::<parts::Overview>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/deploy") view={Lazy::<parts::Deploy>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/deployments") view={Lazy::<parts::Deployments>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/deployments/:deployment") view={Lazy::<parts::Deployment>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/revisions") view={Lazy::<parts::Revisions>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/template") view={Lazy::<parts::ServiceTemplate>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/pushes") view={Lazy::<parts::Pushes>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/discovery") view={Lazy::<parts::Discovery>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/configuration") view={Lazy::<parts::ServiceConfiguration>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/hooks") view={Lazy::<parts::Hooks>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/hooks/:hook") view={Lazy::<parts::Hook>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/logs") view={Lazy::<parts::Logs>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/metrics") view={Lazy::<parts::Metrics>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/events") view={Lazy::<parts::ServiceEvents>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/shell") view={Lazy::<parts::Shell>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/inspect") view={Lazy::<parts::Inspect>::new()} ssr=SsrMode::Async/>
                        <Route path=path!("/settings") view={Lazy::<parts::ServiceSettings>::new()} ssr=SsrMode::Async/>
                    </ParentRoute>
                </ParentRoute>
                <Route path=path!("/deployments/waiting") view={Lazy::<parts::Waiting>::new()} ssr=SsrMode::Async/>
                <Route path=path!("/overview") view={Lazy::<parts::UseOverview>::new()} ssr=SsrMode::Async/>
                <Route path=path!("/running") view={Lazy::<parts::Running>::new()} ssr=SsrMode::Async/>
                <Route path=path!("/templates") view={Lazy::<parts::Templates>::new()} ssr=SsrMode::Async/>
                <Route path=path!("/templates/new") view={Lazy::<parts::NewTemplate>::new()} ssr=SsrMode::Async/>
                <Route path=path!("/templates/:template") view={Lazy::<parts::Template>::new()} ssr=SsrMode::Async/>
                <Route path=path!("/templates/:template/edit") view={Lazy::<parts::EditTemplate>::new()} ssr=SsrMode::Async/>
                <Route path=path!("/environments") view={Lazy::<parts::Environments>::new()} ssr=SsrMode::Async/>
                <Route path=path!("/environments/:environment") view={Lazy::<parts::Environment>::new()} ssr=SsrMode::Async/>
                <ParentRoute path=path!("/account") view={Lazy::<parts::Account>::new()} ssr=SsrMode::Async>
                    <Route path=path!("") view={Lazy::<parts::Profile>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/sessions") view={Lazy::<parts::Sessions>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/tokens") view={Lazy::<parts::Tokens>::new()} ssr=SsrMode::Async/>
                </ParentRoute>
                <ParentRoute path=path!("/admin") view={Lazy::<parts::Admin>::new()} ssr=SsrMode::Async>
                    <Route path=path!("") view={Lazy::<parts::Users>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/environments") view={Lazy::<parts::AdminEnvironments>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/environments/:environment") view={Lazy::<parts::AdminEnvironment>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/environments/:environment/machines/:machine") view={Lazy::<parts::AdminMachine>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/import") view={Lazy::<parts::Import>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/environments/:environment/machines/:machine/images") view={Lazy::<parts::AdminImages>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/environments/:environment/machines/:machine/metrics") view={Lazy::<parts::MachineMetrics>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/environments/:environment/machines/:machine/events") view={Lazy::<parts::AdminEvents>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/quotas") view={Lazy::<parts::Quotas>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/usage") view={Lazy::<parts::SiteUsage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/registry") view={Lazy::<parts::Upkeep>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/outside-registries") view={Lazy::<parts::OutsideRegistries>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/other-containers") view={Lazy::<parts::Foreign>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/host-folders") view={Lazy::<parts::HostFolders>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/alerts") view={Lazy::<parts::Alerts>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/alerts/rules") view={Lazy::<parts::AlertRules>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/alerts/rules/:rule") view={Lazy::<parts::AlertRule>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/alerts/routes") view={Lazy::<parts::AlertRoutes>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/alerts/routes/:route") view={Lazy::<parts::AlertRoute>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/status") view={Lazy::<parts::StatusPages>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/audit") view={Lazy::<parts::SiteAudit>::new()} ssr=SsrMode::Async/>
                </ParentRoute>
            </ParentRoute>
        </Routes>
    }
}
