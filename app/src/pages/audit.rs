//! Records of the audit log as a table.

use leptos::prelude::*;
use leptos_router::hooks::use_location;
use model::page::Page;
use model::rules::ImageRules;
use model::views::audit::AuditView;

use crate::components::{Ago, Changes, Empty};
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
    let target = target(&record);
    let changes = rule_changes(&record.detail);
    view! {
        <tr>
            <td data-label="When" class="nowrap"><Ago at=record.at/></td>
            <td data-label="Who"><strong>{record.actor}</strong>" "<span class="faint small">"by "{record.door}</span></td>
            <td data-label="What" class="nowrap"><code>{record.action}</code></td>
            <td data-label="To what">{target}</td>
            <td data-label="From" class="faint nowrap">{record.address}</td>
            <td data-label="Details" class="small">{match changes {
                Some(changes) => view! { <Changes changes/> }.into_any(),
                None => detail.into_any(),
            }}</td>
        </tr>
    }
    .into_any()
}

/// What was changed, with its project unless it names that itself: `image shop/web:1.0`.
fn target(record: &AuditView) -> String {
    let (kind, target) = (&record.target_kind, &record.target);
    match &record.project {
        Some(project) if target.strip_prefix(project.as_str()).is_none_or(|rest| !(rest.is_empty() || rest.starts_with('/'))) => {
            format!("{kind} {project}/{target}")
        }
        _ => format!("{kind} {target}"),
    }
}

/// What a change of a project's rules for images changed; none for every other record.
fn rule_changes(detail: &serde_json::Value) -> Option<Vec<model::descriptor::Change>> {
    let read = |name: &str| serde_json::from_value::<ImageRules>(detail.get(name)?.clone()).ok();
    Some(read("rules")?.changes(&read("before")?))
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(project: Option<&str>, kind: &str, target: &str) -> AuditView {
        let json = json!({"id": "0193a000-0000-7000-8000-000000000000", "at": 0, "actor": "ana", "door": "browser", "action": "x", "target_kind": kind, "target": target,
            "project": project, "address": "", "detail": null});
        serde_json::from_value(json).expect("a record")
    }

    #[test]
    fn a_project_is_named_once() {
        assert_eq!(target(&record(Some("shop"), "image", "shop/web:1.0")), "image shop/web:1.0");
        assert_eq!(target(&record(Some("shop"), "service", "web")), "service shop/web");
        assert_eq!(target(&record(Some("shop"), "project", "shop")), "project shop");
        assert_eq!(target(&record(Some("shop"), "service", "shopping")), "service shop/shopping");
        assert_eq!(target(&record(None, "user", "ana")), "user ana");
    }

    #[test]
    fn a_change_of_rules_is_a_difference() {
        let detail = json!({"rules": {"immutable": [{"name": "a", "repositories": "**", "tags": "v*"}], "retention": {}}, "before": {}});
        assert_eq!(rule_changes(&detail).expect("a change").len(), 1);
        assert_eq!(rule_changes(&json!({"tags": 3})), None);
    }
}
