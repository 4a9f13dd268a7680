//! A project's robots: the accounts that its CI and its scripts sign in with. A secret is shown once, on the page that made it.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::access::Role;
use model::names::{AccountName, RobotName};
use model::page::Page;
use model::views::robots::{NewRobot, RobotView};

mod made;
mod row;
mod scopes;

use self::made::Made;
use self::row::Row;
use self::scopes::Scopes;
use super::projects::current;
use crate::api::robots::{CreateRobot, DeleteRobot, ProjectRobots, RotateRobot, SetRobotDisabled, UpdateRobot, list_robots};
use crate::components::{Choice, Csrf, Empty, ProblemNotice, Select, Submit, TextField, field_error};
use crate::live::Pulse;
use crate::page::{RowChange, change, loaded_in, problem, query, row_change};
use crate::urls;

/// What can be done to a robot that is there.
#[derive(Clone, Copy)]
struct Changes {
    update: RowChange<UpdateRobot>,
    rotate: RowChange<RotateRobot>,
    disable: RowChange<SetRobotDisabled>,
    enable: RowChange<SetRobotDisabled>,
    delete: RowChange<DeleteRobot>,
}

/// The robots.
#[component]
pub(crate) fn Robots() -> impl IntoView {
    let project = current();
    let after = query("after");
    let pulse = Pulse::new();
    let data = Resource::new(move || (project.name.get(), after.get(), pulse.track()), |(name, after, _)| list_robots(name, Some(after)));
    let create = change::<CreateRobot>("", Some(pulse));
    let changes = Changes {
        update: row_change("Robot saved", Some(pulse)),
        rotate: row_change("", Some(pulse)),
        disable: row_change("Robot disabled: it is refused from now on", Some(pulse)),
        enable: row_change("Robot enabled", Some(pulse)),
        delete: row_change("Robot deleted", Some(pulse)),
    };
    let made = newest(create, changes.rotate.action);
    loaded_in(project.view, data, move |project, ProjectRobots { robots, made: waiting }| {
        pulse.watch(format!("project:{}", project.id));
        let name = project.name.to_string();
        let of = project.name.clone();
        view! {
            {waiting.map(|made| view! { <Made project=name.clone() made/> })}
            {move || made.get().filter(|made| made.robot.username == AccountName::of_robot(&of, &made.robot.name)).map(|made| view! { <Made project=of.to_string() made/> })}
            <NewRobotForm project=name.clone() create/>
            <Table project=name robots changes/>
        }
    })
}

/// The robot whose secret was made last on this page.
fn newest(create: ServerAction<CreateRobot>, rotate: ServerAction<RotateRobot>) -> RwSignal<Option<NewRobot>> {
    let newest = RwSignal::new(None);
    Effect::new(move |_| {
        if let Some(Ok(made)) = create.value().get() {
            newest.set(Some(made));
        }
    });
    Effect::new(move |_| {
        if let Some(Ok(made)) = rotate.value().get() {
            newest.set(Some(made));
        }
    });
    newest
}

fn roles() -> Vec<Choice> {
    let says = |role: Role| match role {
        Role::Guest => "guest: looks and pulls",
        Role::Developer => "developer: pushes and deploys",
        Role::Admin => "admin: also deletes images and services",
    };
    Role::ALL.into_iter().map(|role| Choice::new(role.as_str(), says(role))).collect()
}

/// When a robot ends. `0` is what is sent for never.
fn ends() -> Vec<Choice> {
    vec![
        Choice::new("30", "30 days"),
        Choice::new("90", "90 days"),
        Choice::new("365", "1 year"),
        Choice::new("0", "never (not advised: a secret that is forgotten works for ever)"),
    ]
}

fn check_name(text: &str) -> Result<(), String> {
    text.trim().parse::<RobotName>().map(drop).map_err(|error| error.to_string())
}

#[component]
fn NewRobotForm(project: String, create: ServerAction<CreateRobot>) -> impl IntoView {
    let refused = problem(create);
    let hint = format!("It signs in as robot-{project}.<name>.");
    view! {
        <section class="panel">
            <header><h2>"New robot"</h2></header>
            <div class="panel-body">
                <p class="muted">"An account for a program: CI that pushes, a machine that pulls. It reaches this project and nothing else, manages neither members nor robots,
                    and stays when the person who made it leaves."</p>
                <ProblemNotice problem=refused beside=&["name", "role", "description", "scopes", "expires_in_days"]/>
                <ActionForm action=create attr:class="form">
                    <Csrf/>
                    <input type="hidden" name="project" value=project/>
                    <div class="fields">
                        <TextField name="name" label="Name" required=true mono=true placeholder="ci" check=Some(check_name) error=field_error(refused, "name") hint/>
                        <Select name="role" label="Role" choices=roles() value="developer" error=field_error(refused, "role")/>
                        <Select name="expires_in_days" label="Ends after" choices=ends() value="90" error=field_error(refused, "expires_in_days")/>
                    </div>
                    <TextField name="description" label="What it is for" optional=true error=field_error(refused, "description")/>
                    <Scopes title="Narrow it further" error=field_error(refused, "scopes")/>
                    <div class="actions"><Submit label="Make robot" pending=create.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

/// Refusals of forms without a dialog of their own, and of such as a browser without scripts sent.
#[component]
fn Refusals(changes: Changes) -> impl IntoView {
    // Both are one door: what nobody knows the row of is told once.
    let forms = [problem(changes.disable.action), changes.enable.problem(|_| true)];
    let sent = [changes.update.unplaced(), changes.rotate.unplaced(), changes.delete.unplaced()];
    forms.into_iter().chain(sent).map(|problem| view! { <ProblemNotice problem/> }).collect_view()
}

#[component]
fn Table(project: String, robots: Page<RobotView>, changes: Changes) -> impl IntoView {
    if robots.items.is_empty() {
        return view! {
            <section class="panel"><Empty title="No robots yet"><p>"Make one for each pipeline or machine, so that it can be renewed and ended alone."</p></Empty></section>
        }
        .into_any();
    }
    let more = robots.next.map(|next| format!("{}?after={}", urls::project_page(&project, "robots"), urls::query(&next)));
    let rows = robots.items.into_iter().map(|robot| view! { <Row project=project.clone() robot changes/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Robots"</h2></header>
            <Refusals changes/>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Robot"</th><th scope="col">"Role"</th><th scope="col">"Last used"</th><th scope="col">"Ends"</th><th scope="col">"Made"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {more.map(|more| view! { <footer><a href=more>"More robots"</a></footer> })}
        </section>
    }
    .into_any()
}
