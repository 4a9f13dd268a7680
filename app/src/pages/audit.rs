//! Records of the audit log as a table.

use leptos::prelude::*;
use leptos_router::hooks::use_location;
use model::page::Page;
use model::views::audit::AuditView;

use crate::components::{Ago, Empty};
use crate::urls;

/// The records of one page, newest first.
#[component]
pub(crate) fn AuditTable(page: Page<AuditView>) -> impl IntoView {
    let path = use_location().pathname;
    if page.items.is_empty() {
        return view! { <div class="panel"><Empty title="Nothing recorded yet"><p>"Every change is recorded here with who made it."</p></Empty></div> }.into_any();
    }
    let next = page.next.clone();
    let rows = page.items.into_iter().map(|record| view! { <Record record/> }).collect_view();
    view! {
        <section class="panel">
            <table class="table">
                <thead><tr><th scope="col">"When"</th><th scope="col">"Who"</th><th scope="col">"What"</th><th scope="col">"To what"</th><th scope="col">"From"</th><th scope="col">"Details"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {next.map(|next| view! {
                <footer><a href=move || format!("{}?after={}", path.get(), urls::query(&next))>"Older records"</a></footer>
            })}
        </section>
    }
    .into_any()
}

#[component]
fn Record(record: AuditView) -> impl IntoView {
    let detail = match &record.detail {
        serde_json::Value::Null => String::new(),
        serde_json::Value::Object(fields) => fields.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", "),
        other => plain(other),
    };
    let target = match &record.project {
        Some(project) if *project != record.target => format!("{} {project}/{}", record.target_kind, record.target),
        _ => format!("{} {}", record.target_kind, record.target),
    };
    view! {
        <tr>
            <td data-label="When" class="nowrap"><Ago at=record.at/></td>
            <td data-label="Who"><strong>{record.actor}</strong>" "<span class="faint small">"by "{record.door}</span></td>
            <td data-label="What" class="nowrap"><code>{record.action}</code></td>
            <td data-label="To what">{target}</td>
            <td data-label="From" class="faint nowrap">{record.address}</td>
            <td data-label="Details" class="small">{detail}</td>
        </tr>
    }
    .into_any()
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
