//! The versions of a place: who changed what and why, what differs, and the way back.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::configs::EntryKind;
use model::page::Page;
use model::views::configs::{EntryDiff, LineKind, VersionDetail, VersionView};

use super::{Changes, Here, Target};
use crate::components::{Ago, Badge, Confirm, Keep, Submit, TextField, Tone};

/// One version and what it changed.
#[component]
pub(super) fn Looked(here: Here, version: VersionDetail) -> impl IntoView {
    let none = version.changes.is_empty();
    let changes: Vec<_> = version.changes.into_iter().map(|change| view! { <Entry change/> }).collect();
    let facts = version.version;
    view! {
        <section class="panel" id="version">
            <header><h2>{format!("Version {} of {}", facts.number, here.phrase(here.level))}</h2></header>
            <div class="panel-body">
                <p class="muted">"Made "<Ago at=facts.at/>" by "{facts.by}{(!facts.why.is_empty()).then(|| format!(": {}", facts.why))}</p>
                {none.then(|| view! { <p>"Nothing differs from the version before it."</p> })}
                {changes}
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Entry(change: EntryDiff) -> impl IntoView {
    let title = format!("{} {} {}", change.kind, change.name, change.word());
    let quiet = change.lines.is_empty().then_some(if change.kind == EntryKind::Secret {
        "A secret is shown to nobody."
    } else {
        "It is not compared line by line."
    });
    let lines: Vec<_> = change
        .lines
        .into_iter()
        .map(|line| {
            let (sign, said) = match line.kind {
                LineKind::Cut => ("-", "before: "),
                LineKind::Add => ("+", "after: "),
                LineKind::Same => (" ", ""),
            };
            view! {
                <li data-kind=line.kind.as_str()>
                    <span aria-hidden="true">{sign}</span>
                    <span><span class="visually-hidden">{said}</span>{line.text}</span>
                </li>
            }
        })
        .collect();
    view! {
        <h3 class="break">{title.clone()}</h3>
        {quiet.map(|text| view! { <p class="small muted">{text}</p> })}
        {(!lines.is_empty()).then(|| view! { <div class="diff" tabindex="0" role="region" aria-label=title><ol>{lines}</ol></div> })}
    }
    .into_any()
}

/// The versions.
#[component]
pub(super) fn Versions(here: Here, versions: Page<VersionView>, changes: Changes) -> impl IntoView {
    if versions.items.is_empty() {
        return ().into_any();
    }
    let next = versions.next.map(|next| here.asking("after", &next));
    let rows: Vec<_> = versions.items.into_iter().map(|version| view! { <Row here=here.clone() version changes/> }).collect();
    view! {
        <section class="panel" id="history">
            <header><h2>"History"</h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Version"</th><th scope="col">"Made"</th><th scope="col">"Why"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {next.map(|href| view! { <footer><a href=href>"Older versions"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Row(here: Here, version: VersionView, changes: Changes) -> impl IntoView {
    let number = version.number;
    let newest = number == here.version;
    let id = format!("restore-{number}");
    let looked = format!("{}#version", here.asking("version", &number.to_string()));
    let restored = version.restored.map(|number| format!("Version {number} again. "));
    let offers = version.whole && !newest;
    view! {
        <tr>
            <td data-label="Version" class="table-main">{number}" "{newest.then(|| view! { <Badge tone=Tone::Ok text="newest"/> })}</td>
            <td data-label="Made"><span><Ago at=version.at/>" by "{version.by.clone()}</span></td>
            <td data-label="Why">{(restored.is_some() || !version.why.is_empty()).then(|| view! { <span class="break">{restored}{version.why.clone()}</span> })}</td>
            <td class="end"><span class="actions">
                {version.whole.then(|| view! { <a class="button button-small" href=looked>"What changed"</a> })}
                {(!version.whole).then(|| view! { <span class="small faint">"not whole any more"</span> })}
                {offers.then(|| view! {
                    <Confirm id=id.clone() button="Restore" look="button-small" title=format!("Bring version {number} back?")>
                        <p>{format!("A new version is made that holds what version {number} held, secrets included. What was set since stays in the history. Running services keep what they have until they are deployed or rolled.")}</p>
                        <ActionForm action=changes.restore attr:class="form">
                            <Target here/>
                            <input type="hidden" name="version" value=number.to_string()/>
                            <TextField name="why" label="Why" optional=true scope=id.clone()/>
                            <div class="actions"><Keep dialog=id.clone()/><Submit label="Restore" pending=changes.restore.pending()/></div>
                        </ActionForm>
                    </Confirm>
                })}
            </span></td>
        </tr>
    }
    .into_any()
}
