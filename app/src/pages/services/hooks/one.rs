//! One hook: what was delivered to it, with request and answer, what deploys, and what can be done to it.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::hooks::NotKept;
use model::page::Page;
use model::views::hooks::{HookDeliveryDetail, HookDeliveryView, HookView, NewHook};

use super::made::Made;
use super::{BESIDE, Marks, RuleFields, outcome};
use crate::api::hooks::{DeleteHook, HookPage, RedeliverHook, RotateHook, SetHookDisabled, UpdateHook, get_hook};
use crate::boot::boot;
use crate::components::{
    Ago, Badge, Choice, Command, Confirm, CopyButton, Crumb, Crumbs, Csrf, Empty, Keep, ProblemNotice, Select, Submit, TextField, field_error,
    sentence,
};
use crate::page::{RowChange, change, forget, loaded, param, problem, query, row_change};
use crate::urls;

/// What can be done to a hook.
#[derive(Clone, Copy)]
struct Changes {
    update: ServerAction<UpdateHook>,
    disable: ServerAction<SetHookDisabled>,
    rotate: ServerAction<RotateHook>,
    delete: ServerAction<DeleteHook>,
    again: RowChange<RedeliverHook>,
}

/// The page.
#[component]
pub(crate) fn Hook() -> impl IntoView {
    let service = super::current();
    let (hook, after, delivery) = (param("hook"), query("after"), query("delivery"));
    let asked = move || (service.project.get(), service.name.get(), hook.get(), after.get(), delivery.get(), service.pulse.track());
    let data = Resource::new(asked, |(project, name, hook, after, delivery, _)| get_hook(project, name, hook, Some(after), delivery));
    let changes = Changes {
        update: change("Hook saved", Some(service.pulse)),
        disable: change("Hook saved", Some(service.pulse)),
        rotate: change("", Some(service.pulse)),
        delete: change("Hook deleted", None),
        again: row_change("It was delivered again", Some(service.pulse)),
    };
    let made = RwSignal::new(None::<NewHook>);
    Effect::new(move |_| {
        if let Some(Ok(fresh)) = changes.rotate.value().get() {
            made.set(Some(fresh));
        }
    });
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(Ok(())) = changes.delete.value().get() {
            let list = urls::service_page(service.project.get_untracked(), service.name.get_untracked(), "hooks");
            navigate(&list, leptos_router::NavigateOptions::default());
        }
    });
    loaded(data, move |page| view! { <Whole page changes made/> })
}

#[component]
fn Whole(page: HookPage, changes: Changes, made: RwSignal<Option<NewHook>>) -> impl IntoView {
    let HookPage { hook, deliveries, shown, made: waiting } = page;
    let list = urls::service_page(&hook.project, &hook.service, "hooks");
    let url = format!("{}{}", boot().public_url.trim_end_matches('/'), hook.path);
    let of = hook.id;
    view! {
        <Title text=format!("Hook {}", hook.name)/>
        <Crumbs path=vec![Crumb::new(list, "Hooks")]/>
        {waiting.map(|made| view! { <Made made/> })}
        {move || made.get().filter(|made| made.hook.id == of).map(|made| view! { <Made made/> })}
        <ProblemNotice problem=problem(changes.disable)/>
        <ProblemNotice problem=changes.again.problem(|_| true)/>
        <section class="panel">
            <header>
                <h2>{hook.name.to_string()}<Marks hook=hook.clone()/></h2>
                <div class="actions"><Actions hook=hook.clone() changes/></div>
            </header>
            <div class="panel-body">
                <p class="muted">{format!("Deploys to {}. Deliveries go to:", hook.environment)}</p>
                <Command what="URL" text=url/>
            </div>
            <Log hook=hook.clone() deliveries changes/>
        </section>
        {shown.map(|shown| view! { <Delivery hook=hook.clone() shown/> })}
        <section class="panel">
            <header><h2>"What deploys"</h2></header>
            <div class="panel-body"><Rule hook update=changes.update/></div>
        </section>
    }
    .into_any()
}

/// Which hook a form is about.
#[component]
fn Fields(hook: HookView) -> impl IntoView {
    view! {
        <Csrf/>
        <input type="hidden" name="project" value=hook.project.to_string()/>
        <input type="hidden" name="service" value=hook.service.to_string()/>
        <input type="hidden" name="hook" value=hook.name.to_string()/>
    }
    .into_any()
}

#[component]
fn Rule(hook: HookView, update: ServerAction<UpdateHook>) -> impl IntoView {
    let refused = problem(update);
    let rule = hook.rule.clone();
    view! {
        <ProblemNotice problem=refused beside=BESIDE/>
        <ActionForm action=update attr:class="form">
            <Fields hook=hook.clone()/>
            <RuleFields rule refused/>
            <div class="actions"><Submit label="Save" pending=update.pending()/></div>
        </ActionForm>
    }
    .into_any()
}

#[component]
fn Actions(hook: HookView, changes: Changes) -> impl IntoView {
    let disabled = hook.disabled_at.is_some();
    // Children of components are closures of their own.
    let named = hook.clone();
    view! {
        <Rotate hook=hook.clone() rotate=changes.rotate/>
        <ActionForm action=changes.disable>
            <Fields hook=named.clone()/>
            {(!disabled).then(|| view! { <input type="hidden" name="disabled" value="true"/> })}
            <Submit label=if disabled { "Enable" } else { "Disable" } look="button-small" pending=changes.disable.pending()/>
        </ActionForm>
        <Delete hook delete=changes.delete/>
    }
    .into_any()
}

#[component]
fn Rotate(hook: HookView, rotate: ServerAction<RotateHook>) -> impl IntoView {
    let id = "rotate-hook";
    let refused = problem(rotate);
    let overlap = vec![
        Choice::new("24", "after 24 hours: time to change pipelines over"),
        Choice::new("1", "after 1 hour"),
        Choice::new("72", "after 72 hours"),
        Choice::new("0", "at once: choose this if it leaked"),
    ];
    let again = hook.previous_ends.is_some();
    let title = format!("A new secret for {}", hook.name);
    view! {
        <Confirm id=id button="Rotate secret" look="button-small" title=title on_open=forget(rotate)>
            <p>"The new secret is shown once. The old one goes on working meanwhile, so that senders are changed over without a gap."</p>
            {again.then(|| view! { <p>"The secret of the rotation before still works; it ends at once now."</p> })}
            <ProblemNotice problem=refused beside=&["overlap_hours", "secret"]/>
            <ActionForm action=rotate attr:class="form">
                <Fields hook=hook.clone()/>
                <Select name="overlap_hours" label="The old secret ends" choices=overlap.clone() value="24" scope=id error=field_error(refused, "overlap_hours")/>
                <TextField name="secret" label="Secret" kind="password" optional=true mono=true scope=id error=field_error(refused, "secret") hint="Empty: one is made."/>
                <div class="actions"><Keep dialog=id/><Submit label="Make new secret" pending=rotate.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

#[component]
fn Delete(hook: HookView, delete: ServerAction<DeleteHook>) -> impl IntoView {
    let id = "delete-hook";
    let title = format!("Delete the hook {}?", hook.name);
    view! {
        <Confirm id=id button="Delete" look="button-small button-danger" title=title on_open=forget(delete)>
            <p>"Whoever delivers to its URL is refused from now on, and its log goes. What it deployed stays."</p>
            <ProblemNotice problem=problem(delete)/>
            <ActionForm action=delete>
                <Fields hook=hook.clone()/>
                <div class="actions"><Keep dialog=id/><Submit label="Delete hook" look="button-danger-fill" pending=delete.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

fn page_of(hook: &HookView, asked: &[(&str, &str)]) -> String {
    urls::asking(urls::service_page(&hook.project, &hook.service, &format!("hooks/{}", hook.name)), asked)
}

#[component]
fn Log(hook: HookView, deliveries: Page<HookDeliveryView>, changes: Changes) -> impl IntoView {
    if deliveries.items.is_empty() {
        return view! { <Empty title="Nothing was delivered yet"><p>"What comes is kept here with its answer. Deliveries that prove nothing are not."</p></Empty> }.into_any();
    }
    let older = deliveries.next.map(|next| page_of(&hook, &[("after", next.as_str())]));
    let rows = deliveries.items.into_iter().map(|delivery| view! { <Row hook=hook.clone() delivery changes/> }).collect_view();
    view! {
        <table class="table">
            <thead><tr>
                <th scope="col">"Delivery"</th><th scope="col">"Outcome"</th><th scope="col">"Answer"</th><th scope="col">"Received"</th>
                <th scope="col"><span class="visually-hidden">"Actions"</span></th>
            </tr></thead>
            <tbody>{rows}</tbody>
        </table>
        {older.map(|href| view! { <footer><a href=href>"Older deliveries"</a></footer> })}
    }
    .into_any()
}

#[component]
fn Row(hook: HookView, delivery: HookDeliveryView, changes: Changes) -> impl IntoView {
    let (tone, word) = outcome(delivery.answer.as_ref().map(|answer| answer.outcome));
    let id = delivery.id.to_string();
    let href = page_of(&hook, &[("delivery", id.as_str())]);
    let what = format!("{} {}", delivery.sender, delivery.event);
    let by = delivery.redelivered_by.clone().map(|by| view! { <span class="small muted table-side">"again, for "{by}</span> });
    let message = delivery.answer.as_ref().map(|answer| sentence(&answer.message)).unwrap_or_default();
    let status = delivery.status.map(|status| view! { <code class="small muted">{status}</code>" " });
    let deployment = delivery.deployment.map(|id| {
        let href = urls::deployment(&hook.project, &hook.service, id);
        view! { " "<a href=href>"Deployment"</a> }
    });
    let again = delivery.whole.then(|| {
        view! {
            <ActionForm action=changes.again.action>
                <Fields hook=hook.clone()/>
                <input type="hidden" name="delivery" value=id.clone()/>
                <Submit label="Redeliver" look="button-small" pending=changes.again.action.pending()/>
            </ActionForm>
        }
    });
    view! {
        <tr>
            <td data-label="Delivery" class="table-main"><span><a class="break" href=href>{what}</a>{by}</span></td>
            <td data-label="Outcome"><Badge tone text=word/></td>
            <td data-label="Answer"><span class="break">{status}{message}{deployment}</span></td>
            <td data-label="Received"><Ago at=delivery.received_at/></td>
            <td class="end"><div class="actions">{again}</div></td>
        </tr>
    }
    .into_any()
}

/// One delivery as it came, and its answer.
#[component]
fn Delivery(hook: HookView, shown: HookDeliveryDetail) -> impl IntoView {
    let HookDeliveryDetail { delivery, headers, body } = shown;
    let headers = headers.into_iter().map(|(name, value)| view! { <dt>{name}</dt><dd class="break">{value}</dd> }).collect_view();
    let why = delivery.not_kept.map_or("only the last ones are kept whole", NotKept::why);
    let not_whole = (!delivery.whole).then(|| view! { <p class="muted">{format!("It cannot be delivered again: {why}.")}</p> });
    let body = body.map(|text| {
        view! {
            <div class="command"><pre tabindex="0" aria-label="body"><code>{text.clone()}</code></pre><CopyButton text what="body"/></div>
        }
    });
    let key = delivery.key.map(|key| view! { <dt>"Delivery id"</dt><dd class="break">{key}</dd> });
    let status = delivery.status.map(|status| view! { <code class="small muted">{status}</code>" " });
    let answer = delivery.answer.map(|answer| {
        let fields = answer.problem.map(|problem| problem.fields).unwrap_or_default();
        let fields: Vec<_> = fields.into_iter().map(|field| view! { <li><code>{field.field}</code>": "{field.message}</li> }).collect();
        view! { <dt>"Answer"</dt><dd>{status}{sentence(&answer.message)}{(!fields.is_empty()).then_some(view! { <ul>{fields}</ul> })}</dd> }
    });
    let close = page_of(&hook, &[]);
    view! {
        <section class="panel">
            <header><h2>{format!("Delivery from {}", delivery.sender)}</h2><div class="actions"><a class="button button-small" href=close>"Close"</a></div></header>
            <div class="panel-body">
                <dl class="facts">
                    <dt>"Received"</dt><dd>{delivery.received_at.exact()}</dd>
                    {key}{answer}
                </dl>
                <h3>"Request"</h3>
                {not_whole}
                <dl class="facts">{headers}</dl>
                {body}
            </div>
        </section>
    }
    .into_any()
}
