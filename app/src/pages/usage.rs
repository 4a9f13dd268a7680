//! What a project used in a month, and what that costs: by day as a picture, by service as a table, to keep as CSV. The parts of it that the operators'
//! page of all projects shows as well stand here too.

use leptos::prelude::*;
use model::time::Millis;
use model::usage::{Amounts, Measure, Money, Month, Prices};
use model::views::usage::{ProjectUsage, UsageLine};

mod chart;

pub(crate) use chart::ByDay;

use super::projects::current;
use crate::api::ApiError;
use crate::api::usage::get_usage;
use crate::boot::boot;
use crate::components::Empty;
use crate::page::{loaded, query};
use crate::urls;

/// The report of this project.
#[component]
pub(crate) fn OfProject() -> impl IntoView {
    let name = current().name;
    let (month, figure) = (query("month"), query("figure"));
    let data = Resource::new(
        move || (name.get(), month.get(), figure.get()),
        |(name, month, figure)| async move { Ok::<_, ApiError>((get_usage(name, month).await?, figure)) },
    );
    loaded(data, |(usage, figure)| view! { <Report usage figure/> })
}

#[component]
fn Report(usage: ProjectUsage, figure: String) -> impl IntoView {
    let path = urls::project_page(&usage.project, "usage");
    let file = urls::asking(urls::project_page(&usage.project, "usage.csv"), &[("month", usage.month.to_string().as_str())]);
    let nothing = usage.services.is_empty();
    view! {
        <section class="panel">
            <header class="row">
                <h2>{format!("Usage in {}", usage.month.title())}</h2>
                <Months path=path.clone() month=usage.month kept=vec![("figure", figure.clone())]/>
                <a class="button button-small" href=file rel="external" download="">"CSV"</a>
            </header>
            <div class="panel-body stack-s">
                <Sums amounts=usage.amounts cost=usage.cost prices=usage.prices.clone()/>
                <ByDay path kept=vec![("month", usage.month.to_string())] days=usage.days month=usage.month figure/>
                <Counted until=usage.counted_until/>
            </div>
        </section>
        {if nothing {
            view! { <section class="panel"><Empty title="Nothing was used in this month"><p>"Each service stands here with what its tasks used, as soon as an hour of it is over."</p></Empty></section> }.into_any()
        } else {
            view! { <Services lines=usage.services prices=usage.prices/> }.into_any()
        }}
    }
    .into_any()
}

/// The ways to the months before and after.
#[component]
pub(crate) fn Months(
    /// The page.
    path: String,
    /// Its month.
    month: Month,
    /// What else its address says.
    kept: Vec<(&'static str, String)>,
) -> impl IntoView {
    let link = |to: Month| {
        let to = to.to_string();
        let asked: Vec<(&str, &str)> = kept.iter().map(|(name, value)| (*name, value.as_str())).chain([("month", to.as_str())]).collect();
        urls::asking(path.clone(), &asked)
    };
    // Of a month that did not begin there is nothing to see.
    let after = month.after().filter(|to| *to <= Month::of(boot().now));
    let before = month.before().map(|to| view! { <a class="button button-small" href=link(to) rel="prev">{format!("\u{2190} {}", to.title())}</a> });
    let after = after.map(|to| view! { <a class="button button-small" href=link(to) rel="next">{format!("{} \u{2192}", to.title())}</a> });
    view! { <nav class="row" aria-label="Months">{before}{after}</nav> }.into_any()
}

/// All measures with their sums, and what all of it costs.
#[component]
pub(crate) fn Sums(amounts: Amounts, cost: Option<Money>, prices: Prices) -> impl IntoView {
    let facts = Measure::ALL
        .iter()
        .map(|measure| {
            let price = prices
                .per
                .get(measure)
                .map(|price| view! { <span class="muted small">{format!(" at {price} {} per {}", prices.currency, measure.one())}</span> });
            view! {
                <dt>{measure.title()}</dt>
                <dd><span class="number">{format!("{} {}", amounts.shown(*measure), measure.unit())}</span>{price}</dd>
            }
        })
        .collect_view();
    let cost = cost.map(|cost| view! { <dt>"Cost"</dt><dd><strong>{format!("{} {}", cost.rounded(), prices.currency)}</strong></dd> });
    view! { <dl class="facts">{facts}{cost}</dl> }.into_any()
}

/// Up to when all is counted.
#[component]
pub(crate) fn Counted(until: Option<String>) -> impl IntoView {
    let text = match until {
        Some(until) => {
            let until = Millis::parse_rfc3339(&until).map_or(until, Millis::exact);
            format!("Counted up to {until}: hours that are over. Prices hold from the month on in which they are set.")
        }
        None => String::from("Nothing was counted yet: the first hour has to be over."),
    };
    view! { <p class="small muted">{text}</p> }.into_any()
}

#[component]
fn Services(lines: Vec<UsageLine>, prices: Prices) -> impl IntoView {
    let heads =
        Measure::ALL.iter().map(|measure| view! { <th scope="col" class="number" title=measure.unit()>{measure.title()}</th> }).collect_view();
    let priced = prices.any();
    let cost_head = priced.then(|| view! { <th scope="col" class="number">{format!("Cost ({})", prices.currency)}</th> });
    let rows = lines
        .into_iter()
        .map(|line| {
            let kept = line.service.is_empty();
            let name = if kept { String::from("Images, logs and volumes") } else { line.service.clone() };
            let amounts = line.amounts;
            view! {
                <tr>
                    <td data-label="Service" class="table-main">{name}</td>
                    <td data-label="Environment">{line.environment.clone()}</td>
                    {cells(amounts)}
                    {line.cost.map(|cost| view! { <td data-label="Cost" class="number">{cost.rounded()}</td> })}
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"By service"</h2></header>
            <div class="scroll">
                <table class="table">
                    <thead><tr><th scope="col">"Service"</th><th scope="col">"Environment"</th>{heads}{cost_head}</tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            <footer class="small muted">"CPU in CPU hours, memory in GiB hours, images, logs and volumes in GiB days, transfer in GiB."</footer>
        </section>
    }
    .into_any()
}

/// A cell for each measure.
pub(crate) fn cells(amounts: Amounts) -> impl IntoView {
    let cell = |measure: &Measure| view! { <td data-label=measure.title() class="number">{amounts.shown(*measure)}</td> };
    Measure::ALL.iter().map(cell).collect_view()
}
