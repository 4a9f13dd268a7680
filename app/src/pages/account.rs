//! The own account: password, look, sessions, tokens.

mod tokens;

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Outlet;
use model::views::accounts::SessionView;

pub(crate) use tokens::Tokens;

use super::setup::check_password;
use crate::api::accounts::{ChangePassword, EndOtherSessions, EndSession, own_sessions};
use crate::boot::boot;
use crate::components::{Ago, Badge, Csrf, ProblemNotice, Submit, Tab, Tabs, TextField, ThemeSwitch, Tone, field_error};
use crate::live::Pulse;
use crate::page::{change, loaded, problem};
use crate::urls;

/// The frame of the account's pages.
#[component]
pub(crate) fn Frame() -> impl IntoView {
    let me = boot().me;
    let operator = me.as_ref().is_some_and(|me| me.operator);
    let name = me.map(|me| me.username.to_string()).unwrap_or_default();
    let tabs = vec![Tab::new(urls::ACCOUNT, "Account"), Tab::new(urls::ACCOUNT_TOKENS, "Tokens"), Tab::new(urls::ACCOUNT_SESSIONS, "Sessions")];
    view! {
        <Title text="Account"/>
        <div>
            <div class="heading">
                <h1>{name}</h1>
                {operator.then(|| view! { <Badge tone=Tone::Idle text="Operator"/> })}
            </div>
            <Tabs label="Account" tabs/>
        </div>
        <Outlet/>
    }
    .into_any()
}

/// Password and look.
#[component]
pub(crate) fn Profile() -> impl IntoView {
    let action = change::<ChangePassword>("Password changed; your other sessions were ended", None);
    let refused = problem(action);
    let name = boot().me.map(|me| me.username.to_string()).unwrap_or_default();
    view! {
        <div class="columns columns-even">
            <section class="panel">
                <header><h2>"Password"</h2></header>
                <div class="panel-body">
                    <ProblemNotice problem=refused beside=&["current", "new"]/>
                    <ActionForm action attr:class="form">
                        <Csrf/>
                        <input type="text" name="username" autocomplete="username" value=name hidden=true/>
                        <TextField name="current" label="Current password" kind="password" required=true autocomplete="current-password"
                            error=field_error(refused, "current")/>
                        <TextField name="new" label="New password" kind="password" required=true autocomplete="new-password"
                            check=Some(check_password) error=field_error(refused, "new") hint="At least 10 characters. Your other sessions end; tokens stay."/>
                        <div class="actions"><Submit label="Change password" pending=action.pending()/></div>
                    </ActionForm>
                </div>
            </section>
            <section class="panel">
                <header><h2>"Look"</h2></header>
                <div class="panel-body">
                    <p class="muted">"Kept in this browser alone."</p>
                    <ThemeSwitch/>
                </div>
            </section>
        </div>
    }
    .into_any()
}

/// The own sign-ins.
#[component]
pub(crate) fn Sessions() -> impl IntoView {
    let pulse = Pulse::new();
    let data = Resource::new(move || pulse.track(), |_| own_sessions());
    let end = change::<EndSession>("Session ended", Some(pulse));
    let end_others = change::<EndOtherSessions>("Your other sessions were ended", Some(pulse));
    view! {
        <ProblemNotice problem=problem(end)/>
        <ProblemNotice problem=problem(end_others)/>
        {loaded(data, move |sessions| view! { <SessionTable sessions end end_others/> })}
    }
    .into_any()
}

#[component]
fn SessionTable(sessions: Vec<SessionView>, end: ServerAction<EndSession>, end_others: ServerAction<EndOtherSessions>) -> impl IntoView {
    let several = sessions.len() > 1;
    let rows = sessions
        .into_iter()
        .map(|session| {
            let id = session.id.to_string();
            view! {
                <tr>
                    <td data-label="Browser" class="table-main">
                        {browser(&session.agent)}" "{session.current.then(|| view! { <Badge tone=Tone::Ok text="this one"/> })}
                    </td>
                    <td data-label="Address">{session.address}</td>
                    <td data-label="Signed in"><Ago at=session.created_at/></td>
                    <td data-label="Last used"><Ago at=session.seen_at/></td>
                    <td data-label="Ends unused"><Ago at=session.expires_at/></td>
                    <td class="end">
                        {(!session.current).then(|| view! {
                            <ActionForm action=end>
                                <Csrf/>
                                <input type="hidden" name="session" value=id/>
                                <Submit label="End" look="button-small button-danger" pending=end.pending()/>
                            </ActionForm>
                        })}
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header>
                <h2>"Where you are signed in"</h2>
                {several.then(|| view! {
                    <div class="actions">
                        <ActionForm action=end_others>
                            <Csrf/>
                            <Submit label="End all others" look="button-small" pending=end_others.pending()/>
                        </ActionForm>
                    </div>
                })}
            </header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Browser"</th><th scope="col">"Address"</th><th scope="col">"Signed in"</th><th scope="col">"Last used"</th>
                    <th scope="col">"Ends unused"</th><th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            <footer>"Ending a session signs that browser out at once, and cuts its shells and logs."</footer>
        </section>
    }
    .into_any()
}

/// A browser's name from its long description of itself.
fn browser(agent: &str) -> String {
    let name = [("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")]
        .into_iter()
        .find(|(mark, _)| agent.contains(mark))
        .map(|(_, name)| name);
    let system = [("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Mac OS", "macOS"), ("Linux", "Linux")]
        .into_iter()
        .find(|(mark, _)| agent.contains(mark))
        .map(|(_, name)| name);
    match (name, system) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        _ if agent.is_empty() => String::from("unknown"),
        _ => agent.chars().take(60).collect(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn browsers_are_called_by_their_names() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
        assert_eq!(super::browser(chrome), "Chrome on Linux");
        assert_eq!(super::browser(&format!("{chrome} Edg/156.0")), "Edge on Linux");
        assert_eq!(super::browser("curl/8.0"), "curl/8.0");
        assert_eq!(super::browser(""), "unknown");
    }
}
