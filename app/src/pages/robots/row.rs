//! One robot in the list, with what can be done to it.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use model::problem::Problem;
use model::time::Millis;
use model::views::robots::{RobotMark, RobotView};

use super::scopes::Scopes;
use super::{Changes, ends, roles};
use crate::api::ApiError;
use crate::api::robots::{DeleteRobot, RotateRobot, UpdateRobot};
use crate::boot::boot;
use crate::components::{Ago, Badge, Choice, Clock, Confirm, Csrf, Keep, ProblemNotice, Select, Submit, TextField, Tone, field_error, relative};
use crate::page::RowChange;

#[component]
pub(super) fn Row(project: String, robot: RobotView, changes: Changes) -> impl IntoView {
    let scopes = robot.scopes.iter().map(|scope| view! { <span class="chip">{scope.as_str()}</span>" " }).collect_view();
    let previous = robot.previous.clone().map(|previous| {
        view! {
            <span class="small muted table-side">
                "old secret ends "<Ago at=previous.ends_at/>
                {previous.used_at.map(|at| view! { ", last used "<Ago at/> })}
            </span>
        }
    });
    let marked = robot.clone();
    view! {
        <tr>
            <td data-label="Robot" class="table-main">
                <span>
                    {robot.username.to_string()}" "<Marks robot=marked/>
                    {(!robot.description.is_empty()).then(|| view! { <span class="small muted table-side">{robot.description.clone()}</span> })}
                    {previous}
                </span>
            </td>
            <td data-label="Role"><span>{robot.role.to_string()}" "{scopes}</span></td>
            <td data-label="Last used"><When at=robot.used_at/></td>
            <td data-label="Ends"><When at=robot.expires_at/></td>
            <td data-label="Made"><span><Ago at=robot.created_at/>" by "{robot.created_by.clone()}</span></td>
            <td class="end"><Actions project robot changes/></td>
        </tr>
    }
    .into_any()
}

#[component]
fn When(at: Option<Millis>) -> impl IntoView {
    at.map_or_else(|| "never".into_any(), |at| view! { <Ago at/> }.into_any())
}

/// What needs a look.
#[component]
fn Marks(robot: RobotView) -> impl IntoView {
    let clock = use_context::<Clock>();
    let begun = boot().now;
    move || {
        let marks = robot.marks(clock.map_or(begun, Clock::now));
        let badge = |mark| {
            let (tone, text) = match mark {
                RobotMark::Disabled => (Tone::Idle, "disabled"),
                RobotMark::Expired => (Tone::Bad, "expired"),
                RobotMark::ExpiresSoon => (Tone::Warn, "ends soon"),
                RobotMark::Unused => (Tone::Warn, "unused for 90 days"),
            };
            view! { <Badge tone text/>" " }
        };
        marks.into_iter().map(badge).collect_view()
    }
}

#[component]
fn Actions(project: String, robot: RobotView, changes: Changes) -> impl IntoView {
    let disabled = robot.disabled_at.is_some();
    let named = Named { project: StoredValue::new(project), robot: StoredValue::new(robot.name.to_string()) };
    view! {
        <div class="actions">
            <Edit named robot=robot.clone() changes/>
            <Rotate named robot=robot.clone() changes/>
            <ActionForm action=if disabled { changes.enable.action } else { changes.disable.action }>
                <Fields named/>
                {(!disabled).then(|| view! { <input type="hidden" name="disabled" value="true"/> })}
                <Submit label=if disabled { "Enable" } else { "Disable" } look="button-small" pending=if disabled { changes.enable.action.pending() } else { changes.disable.action.pending() }/>
            </ActionForm>
            <Delete named robot changes/>
        </div>
    }
    .into_any()
}

/// Which robot a form is about; children of components are closures of their own.
#[derive(Clone, Copy)]
struct Named {
    project: StoredValue<String>,
    robot: StoredValue<String>,
}

impl Named {
    /// Why a change of this robot was refused.
    fn refused<S>(self, change: RowChange<S>, robot: fn(&S) -> &String) -> Signal<Option<Problem>>
    where
        S: ServerFn<Error = ApiError> + Clone + Send + Sync + 'static,
        S::Output: Send + Sync + 'static,
    {
        let name = self.robot.get_value();
        change.problem(move |sent| *robot(sent) == name)
    }
}

#[component]
fn Fields(named: Named) -> impl IntoView {
    view! {
        <Csrf/>
        <input type="hidden" name="project" value=named.project.get_value()/>
        <input type="hidden" name="robot" value=named.robot.get_value()/>
    }
    .into_any()
}

#[component]
fn Edit(named: Named, robot: RobotView, changes: Changes) -> impl IntoView {
    let id = format!("edit-{}", robot.name);
    let refused = named.refused(changes.update, |sent: &UpdateRobot| &sent.robot);
    let narrowed = robot.narrowed;
    let chosen = if narrowed { robot.scopes } else { Vec::new() };
    let keep = match robot.expires_at {
        Some(at) => Choice::new("", format!("leave it: {}", at.exact())),
        None => Choice::new("", "leave it: never"),
    };
    let choices: Vec<Choice> = [keep].into_iter().chain(ends()).collect();
    view! {
        <Confirm id=id.clone() button="Change" look="button-small" title=format!("Change {}", robot.username) on_open=changes.update.forget()>
            <ProblemNotice problem=refused beside=&["role", "description", "scopes", "expires_in_days"]/>
            <ActionForm action=changes.update.action attr:class="form">
                <Fields named/>
                <Select name="role" label="Role" choices=roles() value=robot.role.as_str() scope=id.clone() error=field_error(refused, "role")/>
                <TextField name="description" label="What it is for" optional=true value=robot.description scope=id.clone() error=field_error(refused, "description")/>
                <Select name="expires_in_days" label="Ends, counted from now" choices value="" scope=id.clone() error=field_error(refused, "expires_in_days")/>
                <input type="hidden" name="scopes[]" value=""/>
                <Scopes title="What it may do" chosen open=narrowed error=field_error(refused, "scopes")/>
                <div class="actions"><Keep dialog=id/><Submit label="Save robot" pending=changes.update.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

#[component]
fn Rotate(named: Named, robot: RobotView, changes: Changes) -> impl IntoView {
    let id = format!("rotate-{}", robot.name);
    let refused = named.refused(changes.rotate, |sent: &RotateRobot| &sent.robot);
    let overlap = vec![
        Choice::new("24", "after 24 hours: time to change pipelines over"),
        Choice::new("1", "after 1 hour"),
        Choice::new("72", "after 72 hours"),
        Choice::new("0", "at once: choose this if it leaked"),
    ];
    view! {
        <Confirm id=id.clone() button="Rotate" look="button-small" title=format!("A new secret for {}", robot.username) on_open=changes.rotate.forget()>
            <p>"The new secret is shown once. The old one goes on working meanwhile, so that pipelines are changed over without a gap."</p>
            {robot.previous.is_some().then(|| view! { <p>"The secret of the rotation before still works; it ends at once now."</p> })}
            <ProblemNotice problem=refused beside=&["overlap_hours"]/>
            <ActionForm action=changes.rotate.action attr:class="form">
                <Fields named/>
                <Select name="overlap_hours" label="The old secret ends" choices=overlap value="24" scope=id.clone() error=field_error(refused, "overlap_hours")/>
                <div class="actions"><Keep dialog=id/><Submit label="Make new secret" pending=changes.rotate.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

#[component]
fn Delete(named: Named, robot: RobotView, changes: Changes) -> impl IntoView {
    let id = format!("delete-{}", robot.name);
    let used = match robot.used_at {
        Some(at) => format!("It was last used {}.", relative(boot().now, at)),
        None => String::from("It was never used."),
    };
    view! {
        <Confirm id=id.clone() button="Delete" look="button-small button-danger" title=format!("Delete {}?", robot.username) on_open=changes.delete.forget()>
            <p>{format!("Whatever signs in as {} is refused from now on: pipelines and machines that push, pull or deploy with it fail. {used}", robot.username)}</p>
            <p>"What it pushed and deployed stays. A robot of this name made later has another secret."</p>
            <ProblemNotice problem=named.refused(changes.delete, |sent: &DeleteRobot| &sent.robot)/>
            <ActionForm action=changes.delete.action>
                <Fields named/>
                <div class="actions"><Keep dialog=id/><Submit label="Delete robot" look="button-danger-fill" pending=changes.delete.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}
