//! The routes: where alerts and deployments are told. Below Admin also how e-mail leaves.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_meta::Title;
use model::notices::{Event, NoticeState, RouteKind, check_name};
use model::views::notices::{RouteMade, RouteView};

use super::Sections;
use super::mail::Mail;
use crate::api::ApiError;
use crate::api::notices::{PutRoute, RoutesPage, list_routes};
use crate::components::{Ago, Badge, CheckBox, Choice, CopyButton, Csrf, Empty, Notice, ProblemNotice, Select, Submit, TextField, Tone, field_error};
use crate::live::Pulse;
use crate::page::{change, loaded, param, problem};
use crate::urls;

/// Fields that show their own error.
const BESIDE: &[&str] = &["name", "kind", "address", "secret", "events"];

/// The routes.
#[component]
pub(crate) fn Routes() -> impl IntoView {
    let project = param("project");
    let pulse = Pulse::new();
    let data = Resource::new(move || (project.get(), pulse.track()), |(project, _)| list_routes(project));
    let put = change::<PutRoute>("Route saved", Some(pulse));
    loaded(data, move |page| {
        pulse.watch(page.topic.clone());
        view! { <Whole project=project.get_untracked() page put/> }
    })
}

#[component]
fn Whole(project: String, page: RoutesPage, put: ServerAction<PutRoute>) -> impl IntoView {
    let RoutesPage { routes, mail, made, .. } = page;
    let of_site = project.is_empty();
    let none = routes.is_empty();
    let rows = routes.into_iter().map(|route| view! { <Row project=project.clone() route mail/> }).collect_view();
    let fresh = move || answered(put).filter(|made| made.secret.is_some());
    view! {
        <Title text="Routes of alerts"/>
        <Sections project=project.clone() current="/routes" may_manage=true/>
        {made.map(|made| view! { <Made made/> })}
        {move || fresh().map(|made| view! { <Made made/> })}
        <section class="panel">
            <header><h2>"Routes"</h2></header>
            {if none {
                view! { <Empty title="No routes yet"><p>"Alerts and deployments stand on the portal's pages alone until there is a route that tells of them."</p></Empty> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr><th scope="col">"Route"</th><th scope="col">"Address"</th><th scope="col">"Notifies when"</th><th scope="col">"State"</th><th scope="col">"Updated"</th></tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
        </section>
        <section class="panel">
            <header><h2>"New route"</h2></header>
            <div class="panel-body"><Fields project=project.clone() route=None put/></div>
        </section>
        {of_site.then(|| view! { <Mail/> })}
    }
    .into_any()
}

/// What webhooks are signed with, this once.
#[component]
pub(super) fn Made(made: RouteMade) -> impl IntoView {
    let secret = made.secret.unwrap_or_default();
    view! {
        <Notice tone=Tone::Ok title=format!("Copy the secret of {} now; it is not shown again.", made.route.name)>
            <div class="command"><pre tabindex="0" aria-label="secret"><code>{secret.clone()}</code></pre><CopyButton text=secret what="secret"/></div>
            <p class="small muted">"Each notice bears webhook-id, webhook-timestamp and webhook-signature, as Standard Webhooks says. What comes twice has the same webhook-id."</p>
        </Notice>
    }
    .into_any()
}

/// How a route does, in a few words; `mail`: whether e-mail can leave.
pub(super) fn state(route: &RouteView, mail: bool) -> (Tone, String) {
    let waiting = if route.waiting > 0 { format!(", {} waiting", route.waiting) } else { String::new() };
    match route {
        RouteView { lost: true, .. } => (Tone::Bad, "its address was lost".into()),
        RouteView { enabled: false, .. } => (Tone::Idle, "switched off".into()),
        RouteView { kind: RouteKind::Email, .. } if !mail => (Tone::Warn, format!("no mail server is set{waiting}")),
        RouteView { last: Some(NoticeState::Failed), .. } => (Tone::Bad, format!("last delivery failed{waiting}")),
        RouteView { waiting: 1.., .. } => (Tone::Busy, format!("{} waiting", route.waiting)),
        RouteView { last: Some(_), .. } => (Tone::Ok, "works".into()),
        RouteView { .. } => (Tone::Idle, "not tried yet".into()),
    }
}

#[component]
fn Row(project: String, route: RouteView, mail: bool) -> impl IntoView {
    let href = urls::alerts(&project, &format!("/routes/{}", route.id));
    let (tone, word) = state(&route, mail);
    let tells =
        if route.events.is_empty() { "never".to_owned() } else { route.events.iter().map(|event| event.says()).collect::<Vec<_>>().join(", ") };
    view! {
        <tr>
            <td data-label="Route" class="table-main"><a class="break" href=href>{route.name.clone()}</a></td>
            <td data-label="Address"><span class="break">{format!("{}: {}", route.kind, route.shown)}</span></td>
            <td data-label="Notifies when">{tells}</td>
            <td data-label="State"><Badge tone text=word/></td>
            <td data-label="Updated"><span><Ago at=route.updated_at/>" by "{route.by.clone()}</span></td>
        </tr>
    }
    .into_any()
}

fn kinds() -> Vec<Choice> {
    let says = |kind: RouteKind| match kind {
        RouteKind::Webhook => "Webhook (signed JSON)",
        RouteKind::Slack => "Slack or compatible",
        RouteKind::Email => "E-mail",
    };
    RouteKind::ALL.iter().map(|kind| Choice::new(kind.as_str(), says(*kind))).collect()
}

/// The form of a route that is there, or of a new one.
#[component]
pub(super) fn Fields(project: String, route: Option<RouteView>, put: ServerAction<PutRoute>) -> impl IntoView {
    let refused = problem(put);
    let known = route.is_some();
    let needed = !known;
    let id = route.as_ref().map(|route| route.id.to_string()).unwrap_or_default();
    let name = route.as_ref().map(|route| route.name.clone()).unwrap_or_default();
    let kind = route.as_ref().map_or(RouteKind::Webhook, |route| route.kind).to_string();
    let of_site = project.is_empty();
    let tells = |event: Event| route.as_ref().map_or_else(|| event.is_usual(of_site), |route| route.events.contains(&event));
    let events = Event::CHOSEN.map(|event| view! { <CheckBox name="events[]" value=event.as_str() label=event.says() checked=tells(event)/> });
    let events = events.into_iter().collect_view();
    let disabled = route.as_ref().is_some_and(|route| !route.enabled);
    let address_hint = if known {
        "Empty: as it was. It is never shown."
    } else {
        "The whole address of a webhook, or addresses of e-mail with commas between. It is never shown again."
    };
    let secret_hint = if known { "Empty: as it was." } else { "Of webhooks alone. Empty: one is made, and shown once." };
    view! {
        <ProblemNotice problem=refused beside=BESIDE/>
        <ActionForm action=put attr:class="form">
            <Csrf/>
            <input type="hidden" name="project" value=project/>
            <input type="hidden" name="route" value=id/>
            <div class="fields fields-wide">
                <TextField name="form[name]" label="Name" required=true value=name check=Some(check_name) error=field_error(refused, "name")/>
                <Select name="form[kind]" label="Kind" choices=kinds() value=kind error=field_error(refused, "kind")/>
                <TextField name="form[address]" label="Address" required=needed mono=true placeholder="https://hooks.example.com/..." error=field_error(refused, "address") hint=address_hint/>
                <TextField name="form[secret]" label="Signing secret" kind="password" optional=true mono=true error=field_error(refused, "secret") hint=secret_hint/>
            </div>
            <fieldset class="stack-s">
                <legend class="label">"Notify when"</legend>
                <div class="fields">{events}</div>
                {of_site.then(|| view! { <p class="small muted">"Deployments are those of all projects."</p> })}
                <p class="error" aria-live="polite">{move || field_error(refused, "events").get()}</p>
            </fieldset>
            <CheckBox name="form[disabled]" label="Switched off" hint="Nothing is sent; what waits is kept for two days." checked=disabled/>
            <div class="actions"><Submit label="Save route" pending=put.pending()/></div>
        </ActionForm>
    }
    .into_any()
}

/// The answer of an action, once it is there.
pub(super) fn answered<S>(action: ServerAction<S>) -> Option<S::Output>
where
    S: ServerFn<Error = ApiError> + Clone + Send + Sync + 'static,
    S::Output: Clone + Send + Sync + 'static,
{
    action.value().get().and_then(Result::ok)
}
