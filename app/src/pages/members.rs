//! A project's members: who works on it, and as what.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::access::{Action, Role};
use model::page::Page;
use model::views::projects::{MemberView, ProjectView};

use super::projects::current;
use super::setup::check_username;
use crate::api::projects::{RemoveMember, SetMember, list_members};
use crate::components::{Ago, Badge, Choice, Confirm, Csrf, Keep, ProblemNotice, Select, Submit, TextField, Tone, field_error};
use crate::live::Pulse;
use crate::page::{change, forget, loaded_in, problem, query};
use crate::urls;

/// The members.
#[component]
pub(crate) fn Members() -> impl IntoView {
    let project = current();
    let after = query("after");
    let pulse = Pulse::new();
    let data = Resource::new(move || (project.name.get(), after.get(), pulse.track()), |(name, after, _)| list_members(name, Some(after)));
    let set = change::<SetMember>("Member saved", Some(pulse));
    let remove = change::<RemoveMember>("Member removed", Some(pulse));
    loaded_in(project.view, data, move |project, members| {
        pulse.watch(format!("project:{}", project.id));
        view! { <Table project members set remove/> }
    })
}

#[component]
fn Table(project: ProjectView, members: Page<MemberView>, set: ServerAction<SetMember>, remove: ServerAction<RemoveMember>) -> impl IntoView {
    let manages = project.may(Action::ManageMembers);
    let (name, page_of) = (project.name.to_string(), urls::project_page(&project.name, "members"));
    let set_refused = problem(set);
    let next = members.next.clone();
    let rows = members.items.into_iter().map(|member| view! { <Row project=name.clone() member manages set remove/> }).collect_view();
    view! {
        {manages.then(|| view! { <Add project=name.clone() set/> })}
        {(!manages).then(|| view! { <p class="muted">"A project admin adds and removes members."</p> })}
        <ProblemNotice problem=set_refused beside=&["username", "role"]/>
        <section class="panel">
            <header><h2>"Members"</h2></header>
            <table class="table">
                <thead><tr><th scope="col">"User"</th><th scope="col">"Role"</th><th scope="col">"Since"</th><th scope="col"><span class="visually-hidden">"Actions"</span></th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {next.map(|next| view! { <footer><a href=format!("{page_of}?after={}", urls::query(&next))>"More members"</a></footer> })}
        </section>
    }
    .into_any()
}

fn roles() -> Vec<Choice> {
    let says = |role: Role| match role {
        Role::Guest => "guest: looks and pulls",
        Role::Developer => "developer: pushes and deploys",
        Role::Admin => "admin: manages all of it",
    };
    Role::ALL.into_iter().map(|role| Choice::new(role.as_str(), says(role))).collect()
}

#[component]
fn Add(project: String, set: ServerAction<SetMember>) -> impl IntoView {
    let refused = problem(set);
    view! {
        <section class="panel">
            <header><h2>"Add a member"</h2></header>
            <div class="panel-body">
                <ActionForm action=set attr:class="filter">
                    <Csrf/>
                    <input type="hidden" name="project" value=project/>
                    <TextField name="username" label="User name" required=true check=Some(check_username) error=field_error(refused, "username")/>
                    <Select name="role" label="Role" choices=roles() value="developer" error=field_error(refused, "role")/>
                    <Submit label="Add member" pending=set.pending()/>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Row(project: String, member: MemberView, manages: bool, set: ServerAction<SetMember>, remove: ServerAction<RemoveMember>) -> impl IntoView {
    let id = format!("remove-{}", member.username);
    // Both forms name them; children of components are closures of their own.
    let (stored_name, stored_project) = (StoredValue::new(member.username.to_string()), StoredValue::new(project));
    let username = move || stored_name.get_value();
    let project = move || stored_project.get_value();
    let change_role = view! {
        <ActionForm action=set attr:class="actions">
            <Csrf/>
            <input type="hidden" name="project" value=project()/>
            <input type="hidden" name="username" value=username()/>
            <Select name="role" label=format!("Role of {}", username()) choices=roles() value=member.role.as_str() bare=true scope=username()/>
            <Submit label="Save" look="button-small" pending=set.pending()/>
        </ActionForm>
    };
    view! {
        <tr>
            <td data-label="User" class="table-main">
                {username()}" "{member.disabled.then(|| view! { <Badge tone=Tone::Idle text="disabled"/> })}
            </td>
            <td data-label="Role">{if manages { change_role.into_any() } else { member.role.to_string().into_any() }}</td>
            <td data-label="Since"><Ago at=member.since/></td>
            <td class="end">
                {manages.then(|| view! {
                    <Confirm id=id.clone() button="Remove" look="button-small button-danger" title=format!("Remove {} from {}?", username(), project()) on_open=forget(remove)>
                        <p>{format!("{} loses access to {} at once; their open shells and logs are cut. What they made stays.", username(), project())}</p>
                        <ProblemNotice problem=problem(remove)/>
                        <ActionForm action=remove>
                            <Csrf/>
                            <input type="hidden" name="project" value=project()/>
                            <input type="hidden" name="username" value=username()/>
                            <div class="actions">
                                <Keep dialog=id/>
                                <Submit label="Remove member" look="button-danger-fill" pending=remove.pending()/>
                            </div>
                        </ActionForm>
                    </Confirm>
                })}
            </td>
        </tr>
    }
    .into_any()
}
