//! What every project used in a month, and the prices.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::usage::{Measure, Money, Prices, UsageOrder};
use model::views::usage::{ProjectUsageLine, SiteUsage};

use crate::api::ApiError;
use crate::api::usage::{SetPrices, SiteUsagePage, list_usage};
use crate::components::{Badge, Csrf, Empty, ProblemNotice, Submit, TextField, Tone, field_error};
use crate::live::Pulse;
use crate::page::{change, loaded, problem, query};
use crate::pages::usage::{ByDay, Counted, Months, Sums, cells};
use crate::urls;

/// The fields of the form that show their own error.
const PRICE_FIELDS: &[&str] = &[
    "currency",
    "cpu_hours",
    "cpu_hours_reserved",
    "memory_gib_hours",
    "memory_gib_hours_reserved",
    "image_gib_days",
    "log_gib_days",
    "volume_gib_days",
    "received_gib",
    "sent_gib",
];

/// What of the address stays when something else of it is changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Asked {
    figure: String,
    sort: String,
    after: String,
}

/// The report of all projects.
#[component]
pub(crate) fn Usage() -> impl IntoView {
    let (month, figure, sort, after) = (query("month"), query("figure"), query("sort"), query("after"));
    let pulse = Pulse::new();
    let data = Resource::new(
        move || (month.get(), Asked { figure: figure.get(), sort: sort.get(), after: after.get() }, pulse.track()),
        |(month, asked, _)| async move { Ok::<_, ApiError>((list_usage(month, asked.sort.clone(), Some(asked.after.clone())).await?, asked)) },
    );
    let set = change::<SetPrices>("Prices set", Some(pulse));
    loaded(data, move |(page, asked)| view! { <Report page asked set/> })
}

#[component]
fn Report(page: SiteUsagePage, asked: Asked, set: ServerAction<SetPrices>) -> impl IntoView {
    let SiteUsagePage { usage, current, may_set } = page;
    let month = usage.month.to_string();
    let file = urls::asking("/admin/usage.csv", &[("month", month.as_str()), ("sort", asked.sort.as_str())]);
    let kept = vec![("month", month), ("sort", asked.sort.clone())];
    view! {
        <section class="panel">
            <header class="row">
                <h2>{format!("Usage in {}", usage.month.title())}</h2>
                <Months path=urls::ADMIN_USAGE.to_owned() month=usage.month kept=vec![("figure", asked.figure.clone()), ("sort", asked.sort.clone())]/>
                <a class="button button-small" href=file rel="external" download="">"CSV"</a>
            </header>
            <div class="panel-body stack-s">
                <Sums amounts=usage.amounts cost=usage.cost prices=usage.prices.clone()/>
                <ByDay path=urls::ADMIN_USAGE.to_owned() kept days=usage.days.clone() month=usage.month figure=asked.figure.clone()/>
                <Counted until=usage.counted_until.clone()/>
            </div>
        </section>
        <Table usage asked/>
        {may_set.then(|| view! { <PricePanel current set/> })}
    }
    .into_any()
}

#[component]
fn Table(usage: SiteUsage, asked: Asked) -> impl IntoView {
    if usage.projects.items.is_empty() && asked.after.is_empty() {
        return view! { <section class="panel"><Empty title="Nothing was used in this month"><p>"Each project stands here with what it used."</p></Empty></section> }
            .into_any();
    }
    let month = usage.month.to_string();
    let current: UsageOrder = asked.sort.parse().unwrap_or(UsageOrder::Cost);
    let link = |sort: &str, after: &str| {
        urls::asking(urls::ADMIN_USAGE, &[("month", month.as_str()), ("figure", asked.figure.as_str()), ("sort", sort), ("after", after)])
    };
    let orders = UsageOrder::ALL
        .iter()
        .map(|order| {
            let href = link(order.as_str(), "");
            view! { <a href=href aria-current=(*order == current).then_some("true")>{order.as_str()}</a> }
        })
        .collect_view();
    let heads =
        Measure::ALL.iter().map(|measure| view! { <th scope="col" class="number" title=measure.unit()>{measure.title()}</th> }).collect_view();
    let cost_head = usage.prices.any().then(|| view! { <th scope="col" class="number">{format!("Cost ({})", usage.prices.currency)}</th> });
    let next = usage.projects.next.as_deref().map(|next| link(&asked.sort, next));
    let rows = usage.projects.items.into_iter().map(|line| view! { <Row line/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"By project"</h2></header>
            <div class="panel-body">
                <nav class="row" aria-label="Sort projects"><span class="small muted">"Sorted by"</span><span class="segments">{orders}</span></nav>
            </div>
            <div class="scroll">
                <table class="table">
                    <thead><tr><th scope="col">"Project"</th>{heads}{cost_head}</tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {next.map(|href| view! { <footer><a href=href rel="next">"More projects"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Row(line: ProjectUsageLine) -> impl IntoView {
    let name = if line.deleted {
        view! { <span>{line.project.clone()}</span>" "<Badge tone=Tone::Idle text="deleted"/> }.into_any()
    } else {
        view! { <a href=urls::project_page(&line.project, "usage")>{line.project.clone()}</a> }.into_any()
    };
    view! {
        <tr>
            <td data-label="Project" class="table-main">{name}</td>
            {cells(line.amounts)}
            {line.cost.map(|cost| view! { <td data-label="Cost" class="number">{cost.rounded()}</td> })}
        </tr>
    }
    .into_any()
}

#[component]
fn PricePanel(current: Prices, set: ServerAction<SetPrices>) -> impl IntoView {
    let refused = problem(set);
    let fields = Measure::ALL
        .iter()
        .map(|measure| {
            let value = current.per.get(measure).map(Money::to_string).unwrap_or_default();
            let (name, label) = (format!("prices[{}]", measure.as_str()), measure.title());
            view! {
                <TextField name label optional=true value inputmode="decimal" check=Some(check_price) hint=format!("per {}", measure.one())
                    error=field_error(refused, measure.as_str())/>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Prices"</h2></header>
            <div class="panel-body">
                <p class="muted">"They hold from this month on, until they are set in a later one. What earlier months cost stays. What is left empty costs nothing."</p>
                <ProblemNotice problem=refused beside=PRICE_FIELDS/>
                <ActionForm action=set attr:class="form">
                    <Csrf/>
                    <div class="fields fields-wide">
                        <TextField name="prices[currency]" label="Currency" required=true value=current.currency.clone() check=Some(check_currency)
                            hint="As it is shown behind amounts, like EUR." error=field_error(refused, "currency")/>
                        {fields}
                    </div>
                    <div class="actions"><Submit label="Set prices" pending=set.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

fn check_price(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Ok(()) } else { text.parse::<Money>().map(drop).map_err(|error| error.to_string()) }
}

fn check_currency(text: &str) -> Result<(), String> {
    Prices::check_currency(text)
}
