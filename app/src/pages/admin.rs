//! The operators' pages: users, environments, the registry's upkeep, outside registries, host folders, the audit log of the whole site.

mod environments;
mod folders;
mod foreign;
mod import;
mod outside;
mod quotas;
mod upkeep;
mod usage;

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Outlet;
use model::page::Page;
use model::views::accounts::UserView;

pub(crate) use environments::{Environment, Environments, Events, Images, Machine};
pub(crate) use folders::HostFolders;
pub(crate) use foreign::Foreign;
pub(crate) use import::Import;
pub(crate) use outside::OutsideRegistries;
pub(crate) use quotas::Quotas;
pub(crate) use upkeep::Upkeep;
pub(crate) use usage::Usage;

use super::alerts::firing;
use super::audit::AuditTable;
use super::setup::{check_password, check_username};
use crate::api::accounts::{CreateUser, DeleteUser, ResetUserPassword, SetUserDisabled, SetUserOperator, all_users};
use crate::api::audit::site_audit;
use crate::boot::boot;
use crate::components::{Ago, Badge, CheckBox, Confirm, Csrf, Keep, ProblemNotice, Submit, Tab, Tabs, TextField, Tone, field_error};
use crate::live::Pulse;
use crate::page::{beside, change, forget, loaded, problem, query};
use crate::urls;

/// The frame of the operators' pages.
#[component]
pub(crate) fn Frame() -> impl IntoView {
    let firing = firing(String::new);
    view! {
        <Title text="Admin"/>
        <div>
            <div class="heading"><h1>"Admin"</h1></div>
            {beside(firing.count, move |count| view! { <Tabs label="Admin" tabs=tabs(firing.known(count))/> })}
        </div>
        <Outlet/>
    }
    .into_any()
}

fn tabs(firing: i64) -> Vec<Tab> {
    vec![
        Tab::new(urls::ADMIN, "Users"),
        Tab::deep(urls::ADMIN_ENVIRONMENTS, "Environments"),
        Tab::new(urls::ADMIN_QUOTAS, "Quotas"),
        Tab::new(urls::ADMIN_USAGE, "Usage"),
        Tab::new(urls::ADMIN_REGISTRY, "Registry"),
        Tab::new(urls::ADMIN_OUTSIDE, "Outside registries"),
        Tab::new(urls::ADMIN_FOLDERS, "Host folders"),
        Tab::new(urls::ADMIN_FOREIGN, "Other containers").also(urls::ADMIN_IMPORT),
        Tab::deep(urls::ADMIN_ALERTS, "Alerts").firing(firing),
        Tab::new(urls::ADMIN_STATUS, "Status page"),
        Tab::new(urls::ADMIN_AUDIT, "Audit"),
    ]
}

/// What can be done to an account.
#[derive(Clone, Copy)]
struct Changes {
    disable: ServerAction<SetUserDisabled>,
    operator: ServerAction<SetUserOperator>,
    reset: ServerAction<ResetUserPassword>,
    delete: ServerAction<DeleteUser>,
}

/// Everybody.
#[component]
pub(crate) fn Users() -> impl IntoView {
    let after = query("after");
    let pulse = Pulse::new();
    let data = Resource::new(move || (after.get(), pulse.track()), |(after, _)| all_users(Some(after)));
    let create = change::<CreateUser>("User made", Some(pulse));
    let changes = Changes {
        disable: change("User changed", Some(pulse)),
        operator: change("User changed", Some(pulse)),
        reset: change("Password set; the user's sessions were ended", Some(pulse)),
        delete: change("User deleted", Some(pulse)),
    };
    view! {
        <ProblemNotice problem=problem(changes.disable)/>
        <ProblemNotice problem=problem(changes.operator)/>
        {loaded(data, move |page| view! { <NewUser create/><UserTable page changes/> })}
    }
    .into_any()
}

#[component]
fn NewUser(create: ServerAction<CreateUser>) -> impl IntoView {
    let refused = problem(create);
    view! {
        <section class="panel">
            <header><h2>"New user"</h2></header>
            <div class="panel-body">
                <ProblemNotice problem=refused beside=&["username", "password"]/>
                <ActionForm action=create attr:class="form">
                    <Csrf/>
                    <div class="fields">
                        <TextField name="username" label="User name" required=true check=Some(check_username) error=field_error(refused, "username")/>
                        <TextField name="password" label="First password" kind="password" required=true autocomplete="new-password"
                            check=Some(check_password) error=field_error(refused, "password") hint="At least 10 characters. Tell it in person; it can be changed under Account."/>
                    </div>
                    <CheckBox name="operator" label="Operator" hint="Manages users, environments and every project."/>
                    <div class="actions"><Submit label="Make user" pending=create.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn UserTable(page: Page<UserView>, changes: Changes) -> impl IntoView {
    let me = boot().me.map(|me| me.id);
    let next = page.next.clone();
    let rows = page
        .items
        .into_iter()
        .map(|user| {
            let own = Some(user.id) == me;
            view! { <UserRow user own changes/> }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Users"</h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"User"</th><th scope="col">"State"</th><th scope="col">"Made"</th><th scope="col">"Last signed in"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {next.map(|next| view! { <footer><a href=format!("{}?after={}", urls::ADMIN, urls::query(&next))>"More users"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn UserRow(user: UserView, own: bool, changes: Changes) -> impl IntoView {
    let name = user.username.to_string();
    let (tone, state) = if user.disabled_at.is_some() { (Tone::Idle, "Disabled") } else { (Tone::Ok, "Active") };
    view! {
        <tr>
            <td data-label="User" class="table-main">{name.clone()}" "{user.operator.then(|| view! { <span class="chip">"operator"</span> })}</td>
            <td data-label="State"><Badge tone text=state/></td>
            <td data-label="Made"><Ago at=user.created_at/></td>
            <td data-label="Last signed in">{user.signed_in_at.map_or_else(|| "never".into_any(), |at| view! { <Ago at/> }.into_any())}</td>
            <td class="end">
                {if own { view! { <span class="faint small">"this is you"</span> }.into_any() } else { view! { <UserActions user changes/> }.into_any() }}
            </td>
        </tr>
    }
    .into_any()
}

#[component]
fn UserActions(user: UserView, changes: Changes) -> impl IntoView {
    let user_name = user.username.to_string();
    let disabled = user.disabled_at.is_some();
    let reset_refused = problem(changes.reset);
    let (reset_id, delete_id) = (format!("reset-{user_name}"), format!("delete-{user_name}"));
    // Every form names the user; children of components are closures of their own.
    let stored = StoredValue::new(user_name);
    let name = move || stored.get_value();
    view! {
        <div class="actions">
            <ActionForm action=changes.operator>
                <Csrf/>
                <input type="hidden" name="username" value=name()/>
                {(!user.operator).then(|| view! { <input type="hidden" name="operator" value="true"/> })}
                <Submit label=if user.operator { "Remove operator" } else { "Make operator" } look="button-small" pending=changes.operator.pending()/>
            </ActionForm>
            <Confirm id=reset_id.clone() button="Set password" look="button-small" title=format!("Set a new password for {}", name()) on_open=forget(changes.reset)>
                <p>{format!("{}'s sessions end; tokens stay.", name())}</p>
                <ProblemNotice problem=reset_refused beside=&["password"]/>
                <ActionForm action=changes.reset attr:class="form">
                    <Csrf/>
                    <input type="hidden" name="username" value=name()/>
                    <TextField name="password" label="New password" kind="password" required=true autocomplete="new-password" scope=reset_id.clone()
                        check=Some(check_password) error=field_error(reset_refused, "password")/>
                    <div class="actions"><Keep dialog=reset_id/><Submit label="Set password" pending=changes.reset.pending()/></div>
                </ActionForm>
            </Confirm>
            <ActionForm action=changes.disable>
                <Csrf/>
                <input type="hidden" name="username" value=name()/>
                {(!disabled).then(|| view! { <input type="hidden" name="disabled" value="true"/> })}
                <Submit label=if disabled { "Enable" } else { "Disable" } look="button-small" pending=changes.disable.pending()/>
            </ActionForm>
            <Confirm id=delete_id.clone() button="Delete" look="button-small button-danger" title=format!("Delete {}?", name()) on_open=forget(changes.delete)>
                <p>{format!("{} cannot sign in any more; their sessions and tokens end, their memberships go. What they did stays in the audit log.", name())}</p>
                <ProblemNotice problem=problem(changes.delete)/>
                <ActionForm action=changes.delete>
                    <Csrf/>
                    <input type="hidden" name="username" value=name()/>
                    <div class="actions"><Keep dialog=delete_id/><Submit label="Delete user" look="button-danger-fill" pending=changes.delete.pending()/></div>
                </ActionForm>
            </Confirm>
        </div>
    }
    .into_any()
}

/// What was done anywhere.
#[component]
pub(crate) fn Audit() -> impl IntoView {
    let after = query("after");
    let data = Resource::new(move || after.get(), |after| site_audit(Some(after)));
    loaded(data, |page| view! { <AuditTable page/> })
}
