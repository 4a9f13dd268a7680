//! Variables, files and secrets: what is in force, and the forms that set it.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::configs::{EntryKind, check_name, check_value, read_variables, show_variables};
use model::views::configs::{EntryView, FileView};

use super::{Changes, Here, Target};
use crate::api::configs::{RemoveEntry, TypedChange, TypedEntry};
use crate::components::{Ago, Confirm, Empty, Keep, Notice, ProblemNotice, Submit, TextArea, TextField, Tone, bytes, field_error};
use crate::page::problem;

fn check_variable(name: &str) -> Result<(), String> {
    check_name(EntryKind::Variable, name.trim())
}

fn check_entry(name: &str) -> Result<(), String> {
    check_name(EntryKind::File, name.trim())
}

fn check_lines(text: &str) -> Result<(), String> {
    read_variables(text).map(drop)
}

/// A name in an element's id: other names give other ids.
fn unlike(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("-{:x}-", u32::from(c)) }).collect()
}

/// Where an entry stands, and what it stands in front of.
#[component]
fn Origin(here: Here, entry: EntryView) -> impl IntoView {
    let over: Vec<String> = entry.over.iter().map(|level| here.phrase(*level)).collect();
    let own = entry.origin == here.level;
    let from = here.phrase(entry.origin);
    view! {
        <span>
            {if own { view! { <strong>{from}</strong> }.into_any() } else { view! { <span>{from}</span> }.into_any() }}
            {(!over.is_empty()).then(|| view! { <span class="small faint">{format!(" instead of {}", over.join(", "))}</span> })}
        </span>
    }
    .into_any()
}

/// The button that takes an entry away, where it stands at this very place.
#[component]
fn Remove(here: Here, entry: EntryView, remove: ServerAction<RemoveEntry>) -> impl IntoView {
    if entry.origin != here.level {
        return ().into_any();
    }
    let id = format!("remove-{}-{}", entry.kind, unlike(&entry.name));
    let falls_back = entry.over.last().map(|level| here.phrase(*level));
    let then = match falls_back {
        Some(level) => format!("Then the one of {level} is heard again."),
        None => format!("A service whose description names it can then not be deployed. Version {} keeps it: it can be brought back.", here.version),
    };
    let (kind, name) = (entry.kind.to_string(), entry.name.clone());
    view! {
        <Confirm id=id.clone() button="Remove" look="button-small button-danger" title=format!("Remove the {kind} {name}?")>
            <p>{then}" Running services keep it until they are deployed or rolled."</p>
            <ActionForm action=remove>
                <Target here/>
                <input type="hidden" name="kind" value=kind/>
                <input type="hidden" name="name" value=name/>
                <div class="actions"><Keep dialog=id/><Submit label="Remove" look="button-danger-fill" pending=remove.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

/// The variables.
#[component]
pub(super) fn Variables(here: Here, entries: Vec<EntryView>, edit: String, typed: Option<TypedChange>, changes: Changes) -> impl IntoView {
    let known = entries.iter().find(|entry| entry.name == edit).and_then(|entry| entry.value.clone());
    // One line of a form would lose its line ends.
    let several_lines = known.as_ref().is_some_and(|value| value.contains(['\n', '\r']));
    let known = known.filter(|_| !several_lines);
    let own = entries.iter().filter(|entry| entry.origin == here.level);
    let lines = show_variables(&own.map(|entry| (entry.name.clone(), entry.value.clone().unwrap_or_default())).collect());
    // What was typed before it was refused stands in its form again.
    let (mut edit, mut known, mut lines, mut typed_lines) = (edit, known.unwrap_or_default(), lines, false);
    let (mut why, mut why_lines) = (String::new(), String::new());
    match typed {
        Some(TypedChange { what: TypedEntry::Variable { name, value }, why: typed }) => (edit, known, why) = (name, value, typed),
        Some(TypedChange { what: TypedEntry::Lines(text), why: typed }) => (lines, why_lines, typed_lines) = (text, typed, true),
        _ => {}
    }
    let none = entries.is_empty();
    let rows: Vec<_> = entries.into_iter().map(|entry| view! { <VariableRow here=here.clone() entry changes/> }).collect();
    let refused = problem(changes.variable);
    // Both forms say where.
    let (one, all) = (here.clone(), here);
    view! {
        <section class="panel" id="variables">
            <header><h2>"Variables"</h2></header>
            {none.then(|| view! { <Empty title="No variables yet"><p>"A variable reaches the environment of every task here by itself. What a deployment sets itself wins."</p></Empty> })}
            {(!none).then(|| view! {
                <table class="table">
                    <thead><tr>
                        <th scope="col">"Name"</th><th scope="col">"Value"</th><th scope="col">"From"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            })}
            <div class="panel-body">
                <ProblemNotice problem=refused beside=&["name", "value"]/>
                {several_lines.then(|| view! { <p class="hint">"Its value has several lines: change it among the lines below, or set another one."</p> })}
                <ActionForm action=changes.variable attr:class="filter">
                    <Target here=one/>
                    <TextField name="name" label="Name" mono=true required=true value=edit placeholder="LOG_LEVEL" scope="variable" check=Some(check_variable)
                        error=field_error(refused, "name")/>
                    <TextField name="value" label="Value" mono=true value=known scope="variable" check=Some(check_value)
                        error=field_error(refused, "value")/>
                    <TextField name="why" label="Why" optional=true value=why scope="variable"/>
                    <Submit label="Set variable" pending=changes.variable.pending()/>
                </ActionForm>
                <VariableLines here=all lines why=why_lines open=typed_lines changes/>
            </div>
        </section>
    }
    .into_any()
}

/// All variables of a place as lines.
#[component]
fn VariableLines(here: Here, lines: String, why: String, open: bool, changes: Changes) -> impl IntoView {
    let refused = problem(changes.variables);
    let wrong = Signal::derive(move || {
        refused.with(|problem| problem.as_ref().and_then(|problem| problem.fields.first().map(|first| first.message.clone())))
    });
    view! {
        <details open=open>
            <summary>"Edit all of this place as lines"</summary>
            <ProblemNotice problem=refused beside=&["lines"]/>
            <ActionForm action=changes.variables attr:class="form">
                <Target here/>
                <TextArea name="lines" label="Variables" mono=true rows=8 value=lines check=Some(check_lines) error=wrong
                    hint="NAME=value on each line. A variable that is not here is taken away from this place; what is inherited stays."/>
                <TextField name="why" label="Why" optional=true value=why scope="lines"/>
                <div class="actions"><Submit label="Set all" pending=changes.variables.pending()/></div>
            </ActionForm>
        </details>
    }
    .into_any()
}

#[component]
fn VariableRow(here: Here, entry: EntryView, changes: Changes) -> impl IntoView {
    let change = format!("{}#variables", here.asking("edit", &entry.name));
    let label = if entry.origin == here.level { "Change" } else { "Set here" };
    view! {
        <tr>
            <td data-label="Name" class="table-main"><code class="break">{entry.name.clone()}</code></td>
            <td data-label="Value"><code class="break">{entry.value.clone()}</code></td>
            <td data-label="From"><Origin here=here.clone() entry=entry.clone()/></td>
            <td class="end"><span class="actions">
                <a class="button button-small" href=change>{label}</a>
                <Remove here entry remove=changes.remove/>
            </span></td>
        </tr>
    }
    .into_any()
}

/// The files.
#[component]
pub(super) fn Files(here: Here, entries: Vec<EntryView>, open: Option<FileView>, typed: Option<TypedChange>, changes: Changes) -> impl IntoView {
    let none = entries.is_empty();
    let rows: Vec<_> = entries.into_iter().map(|entry| view! { <FileRow here=here.clone() entry changes/> }).collect();
    view! {
        <section class="panel" id="files">
            <header><h2>"Files"</h2></header>
            {none.then(|| view! { <Empty title="No files yet"><p>"A file stands in a task where its descriptor says: "<code class="inline">"configs: [{name: app.conf, path: /etc/app.conf}]"</code></p></Empty> })}
            {(!none).then(|| view! {
                <table class="table">
                    <thead><tr>
                        <th scope="col">"Name"</th><th scope="col">"Size"</th><th scope="col">"Set"</th><th scope="col">"From"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            })}
            <div class="panel-body"><FileForm here open typed changes/></div>
        </section>
    }
    .into_any()
}

#[component]
fn FileRow(here: Here, entry: EntryView, changes: Changes) -> impl IntoView {
    let open = format!("{}#files", here.asking("file", &entry.name));
    let size = bytes(u64::try_from(entry.size).unwrap_or(0));
    view! {
        <tr>
            <td data-label="Name" class="table-main"><code class="break">{entry.name.clone()}</code></td>
            <td data-label="Size">{size}{(!entry.text).then_some(", no text")}</td>
            <td data-label="Set"><span><Ago at=entry.at/>" by "{entry.by.clone()}</span></td>
            <td data-label="From"><Origin here=here.clone() entry=entry.clone()/></td>
            <td class="end"><span class="actions">
                <a class="button button-small" href=open>"Open"</a>
                <Remove here entry remove=changes.remove/>
            </span></td>
        </tr>
    }
    .into_any()
}

#[component]
fn FileForm(here: Here, open: Option<FileView>, typed: Option<TypedChange>, changes: Changes) -> impl IntoView {
    let refused = problem(changes.file);
    let inherited = open.as_ref().filter(|file| file.origin != here.level).map(|file| here.phrase(file.origin));
    let (name, content) = open.as_ref().map_or_else(Default::default, |file| (file.name.clone(), file.content.clone().unwrap_or_default()));
    if let Some(file) = open.filter(|file| file.content.is_none()) {
        return view! {
            <Notice tone=Tone::Idle title=format!("{} is no text", file.name)>
                <p>"It cannot be edited on a page. The API reads it and puts another one in its place, as Base64."</p>
            </Notice>
        }
        .into_any();
    }
    let (name, content, why) = match typed {
        Some(TypedChange { what: TypedEntry::File { name, content }, why }) => (name, content, why),
        _ => (name, content, String::new()),
    };
    view! {
        <ProblemNotice problem=refused beside=&["name", "content"]/>
        {inherited.map(|level| view! { <p class="hint">{format!("It stands at {level}. Saved here, it stands in front of that one.")}</p> })}
        <ActionForm action=changes.file attr:class="form">
            <Target here/>
            <TextField name="name" label="Name" mono=true required=true value=name placeholder="app.conf" scope="file" check=Some(check_entry)
                error=field_error(refused, "name")/>
            <TextArea name="content" label="Content" mono=true rows=10 value=content error=field_error(refused, "content")
                hint="Text of at most 512 KiB. Passwords belong into secrets: whoever may configure reads files."/>
            <TextField name="why" label="Why" optional=true value=why scope="file"/>
            <div class="actions"><Submit label="Save file" pending=changes.file.pending()/></div>
        </ActionForm>
    }
    .into_any()
}

/// The secrets.
#[component]
pub(super) fn Secrets(here: Here, entries: Vec<EntryView>, changes: Changes) -> impl IntoView {
    let none = entries.is_empty();
    let refused = problem(changes.secret);
    let rows: Vec<_> = entries.into_iter().map(|entry| view! { <SecretRow here=here.clone() entry changes/> }).collect();
    view! {
        <section class="panel" id="secrets">
            <header><h2>"Secrets"</h2></header>
            {none.then(|| view! { <Empty title="No secrets yet"><p>"Kept encrypted and shown to nobody. A descriptor says where one stands in a task: "<code class="inline">"secrets: [{name: db_password, path: /run/secrets/db}]"</code>" or "<code class="inline">"env: DB_PASSWORD"</code></p></Empty> })}
            {(!none).then(|| view! {
                <table class="table">
                    <thead><tr>
                        <th scope="col">"Name"</th><th scope="col">"Set"</th><th scope="col">"From"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            })}
            <div class="panel-body">
                <ProblemNotice problem=refused beside=&["name", "value"]/>
                <ActionForm action=changes.secret attr:class="form">
                    <Target here/>
                    <TextField name="name" label="Name" mono=true required=true placeholder="db_password" scope="secret" check=Some(check_entry)
                        error=field_error(refused, "name") hint="One that is there is replaced."/>
                    <TextArea name="value" label="Secret" mono=true rows=3 error=field_error(refused, "value")
                        hint="Kept as it is typed, with its lines. It can be replaced, never read again."/>
                    <TextField name="why" label="Why" optional=true scope="secret"/>
                    <div class="actions"><Submit label="Keep secret" pending=changes.secret.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn SecretRow(here: Here, entry: EntryView, changes: Changes) -> impl IntoView {
    view! {
        <tr>
            <td data-label="Name" class="table-main"><code class="break">{entry.name.clone()}</code></td>
            <td data-label="Set"><span><Ago at=entry.at/>" by "{entry.by.clone()}</span></td>
            <td data-label="From"><Origin here=here.clone() entry=entry.clone()/></td>
            <td class="end"><Remove here entry remove=changes.remove/></td>
        </tr>
    }
    .into_any()
}
