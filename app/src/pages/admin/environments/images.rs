//! The images of a machine: how they are taken away again, and what was taken.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use model::views::environments::{PrunePolicy, PruneRunView, PruneState, PruneWhy, PrunedImage};

use crate::api::pruning::{PruneImages, PruningPage, PutPruning, read_pruning};
use crate::components::{Ago, Badge, CheckBox, Crumb, Crumbs, Csrf, Empty, ProblemNotice, Submit, TextField, Tone, bytes, field_error, sentence};
use crate::live::Pulse;
use crate::page::{change, loaded, param, problem};
use crate::urls;

/// The page.
#[component]
pub(crate) fn Images() -> impl IntoView {
    let (environment, machine) = (param("environment"), param("machine"));
    let pulse = Pulse::new();
    let data =
        Resource::new(move || (environment.get(), machine.get(), pulse.track()), |(environment, machine, _)| read_pruning(environment, machine));
    let put = change::<PutPruning>("Saved", Some(pulse));
    let prune = change::<PruneImages>("Asked for", Some(pulse));
    loaded(data, move |page: PruningPage| {
        pulse.watch(format!("environment:{}", page.environment_id));
        view! { <Whole environment=environment.get() machine=machine.get() page put prune/> }
    })
}

#[component]
fn Whole(environment: String, machine: String, page: PruningPage, put: ServerAction<PutPruning>, prune: ServerAction<PruneImages>) -> impl IntoView {
    let title = format!("Images on {machine}");
    let crumbs = vec![Crumb::new(urls::ADMIN_ENVIRONMENTS, "Environments"), Crumb::new(urls::admin_environment(&environment), environment.clone())];
    let known = page.pruning.pulled;
    let target = StoredValue::new((environment, machine));
    let hidden = move || {
        let (environment, machine) = target.get_value();
        view! {
            <Csrf/>
            <input type="hidden" name="environment" value=environment/>
            <input type="hidden" name="machine" value=machine/>
        }
    };
    let runs = page.pruning.runs;
    let none = runs.is_empty();
    let runs = runs.into_iter().map(|run| view! { <Run run/> }).collect_view();
    view! {
        <Title text=title.clone()/>
        <Crumbs path=crumbs/>
        <div class="heading"><h1>{title}</h1></div>
        <section class="panel page-narrow">
            <header><h2>"What goes and what stays"</h2></header>
            <div class="panel-body stack-s">
                <p>{format!("Slipway had this machine pull {known} images that may still be there. Only those are ever taken away: never one that something else brought, that is called by another name too, or that a container was made from.")}</p>
                <ProblemNotice problem=problem(put) beside=&["keep", "min_hours", "fuller_than"]/>
                <Policy policy=page.pruning.policy put>{hidden()}</Policy>
                <ProblemNotice problem=problem(prune)/>
                <div class="actions">
                    <ActionForm action=prune>
                        {hidden()}<input type="hidden" name="dry_run" value="true"/>
                        <Submit label="Show what would go" look="" pending=prune.pending()/>
                    </ActionForm>
                    <ActionForm action=prune>{hidden()}<Submit label="Take away now" look="button-danger" pending=prune.pending()/></ActionForm>
                </div>
            </div>
        </section>
        {none.then(|| view! { <section class="panel"><Empty title="Nothing was taken away yet"><p>"What each run did stands here."</p></Empty></section> })}
        {runs}
    }
    .into_any()
}

#[component]
fn Policy(policy: PrunePolicy, put: ServerAction<PutPruning>, children: Children) -> impl IntoView {
    let refused = problem(put);
    view! {
        <ActionForm action=put attr:class="form">
            {children()}
            <CheckBox name="enabled" label="Take images away by itself" checked=policy.enabled
                hint="Daily, and at once while the disk is fuller than below. Otherwise only when somebody asks."/>
            <div class="fields">
                <TextField name="keep" label="Images of each service" value=policy.keep.to_string() inputmode="numeric" error=field_error(refused, "keep")
                    hint="So many of those that it ran here last stay, to go back to them at once."/>
                <TextField name="min_hours" label="Young for, in hours" value=policy.min_hours.to_string() inputmode="numeric"
                    error=field_error(refused, "min_hours") hint="What was pulled later stays."/>
                <TextField name="fuller_than" label="Disk fuller than, in percent" value=policy.fuller_than.to_string() inputmode="numeric"
                    error=field_error(refused, "fuller_than") hint="Known of the portal's own machine alone."/>
            </div>
            <div class="actions"><Submit label="Save" pending=put.pending()/></div>
        </ActionForm>
    }
    .into_any()
}

#[component]
fn Run(run: PruneRunView) -> impl IntoView {
    let (tone, text) = match (run.state, run.dry_run) {
        (PruneState::Queued, _) => (Tone::Busy, "Waits"),
        (PruneState::Done, true) => (Tone::Idle, "Dry run"),
        (PruneState::Done, false) => (Tone::Ok, "Done"),
        (PruneState::Failed, _) => (Tone::Bad, "Failed"),
    };
    let why = match (run.why, run.by) {
        (_, Some(by)) => format!("asked for by {by}"),
        (PruneWhy::Full, None) => String::from("the disk was full"),
        (PruneWhy::Daily | PruneWhy::Asked, None) => String::from("daily"),
    };
    let report = run.report;
    let freed = bytes(u64::try_from(report.bytes).unwrap_or(0));
    let (gone, stay) = (report.gone.len(), report.stay.len());
    let said = match (run.state, run.dry_run) {
        (PruneState::Done, true) => format!("{gone} would go and free {freed}; {stay} stay"),
        (PruneState::Done, false) => format!("{gone} went and freed {freed}; {stay} stay"),
        (PruneState::Queued | PruneState::Failed, _) => String::new(),
    };
    let disk = report.disk.map(|disk| format!("The disk was {disk} % full."));
    let went = rows(report.gone);
    let stays = rows(report.stay);
    view! {
        <section class="panel">
            <header>
                <h2><Ago at=run.ended_at.unwrap_or(run.created_at)/></h2><Badge tone text/>
                <span class="actions small muted">{why}</span>
            </header>
            <div class="panel-body stack-s">
                {run.message.map(|message| view! { <p class="break">{sentence(&message)}</p> })}
                {(!said.is_empty()).then(|| view! { <p>{said}". "{disk}</p> })}
                {(gone > 0).then(|| view! { <details class="as-table"><summary>{format!("What goes: {gone}")}</summary>{went}</details> })}
                {(stay > 0).then(|| view! { <details class="as-table"><summary>{format!("What stays: {stay}")}</summary>{stays}</details> })}
            </div>
        </section>
    }
    .into_any()
}

/// Images with their bytes, and why they stay.
fn rows(images: Vec<PrunedImage>) -> AnyView {
    let rows = images
        .into_iter()
        .map(|image| {
            let size = bytes(u64::try_from(image.bytes).unwrap_or(0));
            view! { <tr><td data-label="Image"><code class="break">{image.reference}</code></td><td data-label="Size" class="nowrap">{size}</td><td data-label="Why">{image.stays}</td></tr> }
        })
        .collect_view();
    view! {
        <table class="table">
            <thead><tr><th scope="col">"Image"</th><th scope="col">"Size"</th><th scope="col">"Why it stays"</th></tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}
