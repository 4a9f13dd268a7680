//! What the engine told of a task, on the page: its description, its processes, its changed files, the file that was looked for.

use leptos::prelude::*;
use model::ids::TaskId;
use model::problem::ProblemKind;
use model::views::inspect::{ChangeKind, ChangesView, FileChange, FileView, ProcessesView};

use super::{Asked, CHANGES, FILE};
use crate::api::ApiError;
use crate::components::{Ago, CopyButton, Empty, Notice, Tone, bytes, sentence};
use crate::urls;

/// Why something was not told. The page around it stays.
#[component]
fn Refused(error: ApiError) -> impl IntoView {
    let problem = error.0;
    let tone = if problem.kind == ProblemKind::Unavailable { Tone::Bad } else { Tone::Idle };
    // A wrong field stands in a form above; here is what is wrong with it.
    let said = problem.fields.first().map_or(problem.detail, |field| field.message.clone());
    view! { <Notice tone title=sentence(&said)>""</Notice> }.into_any()
}

/// A button that asks the engine once more.
#[component]
fn Again(again: RwSignal<u32>) -> impl IntoView {
    view! {
        <button type="button" class="button button-small needs-script" on:click=move |_| again.update(|asked| *asked = asked.wrapping_add(1))>"Refresh"</button>
    }
    .into_any()
}

/// The engine's whole description.
#[component]
pub(super) fn Details(task: TaskId, json: Result<String, ApiError>, again: RwSignal<u32>) -> impl IntoView {
    match json {
        Err(error) => view! { <Refused error/> }.into_any(),
        Ok(json) => view! {
            <section class="panel">
                <header>
                    <h2>"Container"</h2>
                    <div class="actions">
                        <Again again/>
                        <a class="button button-small" href=urls::task_inspection(task) download="" rel="external">"Download"</a>
                        <CopyButton text=json.clone() what="inspection"/>
                    </div>
                </header>
                <pre class="code-block" tabindex="0" aria-label="Inspection"><code>{json}</code></pre>
                <footer>"Values of secrets are hidden from everybody."</footer>
            </section>
        }
        .into_any(),
    }
}

/// The processes.
#[component]
pub(super) fn Processes(list: Result<ProcessesView, ApiError>, again: RwSignal<u32>) -> impl IntoView {
    let list = match list {
        Ok(list) => list,
        Err(error) => return view! { <Refused error/> }.into_any(),
    };
    let shown = list.items.len();
    let last = list.columns.len().saturating_sub(1);
    let heads = list.columns.into_iter().map(|name| view! { <th scope="col">{name}</th> }).collect_view();
    let rows = list
        .items
        .into_iter()
        .map(|row| {
            let cells = row.into_iter().enumerate().map(|(at, value)| {
                if at == last {
                    view! { <td class="break"><code class="small">{value}</code></td> }.into_any()
                } else {
                    view! { <td>{value}</td> }.into_any()
                }
            });
            view! { <tr>{cells.collect_view()}</tr> }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Processes "<span class="count">{list.total}</span></h2><div class="actions"><Again again/></div></header>
            {(shown < list.total).then(|| view! { <p class="panel-body muted">{format!("The first {shown} are listed.")}</p> })}
            // So many columns are compared side by side: where they have no room, they are scrolled rather than stacked.
            <div class="wide" tabindex="0" role="region" aria-label="Processes">
                <table class="table"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>
            </div>
            <footer>"Numbers are those of the machine. Values of secrets are hidden among the arguments."</footer>
        </section>
    }
    .into_any()
}

/// The changed files.
#[component]
pub(super) fn Changes(list: Result<ChangesView, ApiError>, asked: Asked, page: String, downloads: bool, again: RwSignal<u32>) -> impl IntoView {
    let list = match list {
        Ok(list) => list,
        Err(error) => return view! { <Refused error/> }.into_any(),
    };
    let count = if list.found == list.total { list.total.to_string() } else { format!("{} of {}", list.found, list.total) };
    let first = (!asked.after.is_empty()).then(|| Asked { after: String::new(), ..asked.clone() }.at(&page));
    let next = list.next.as_ref().map(|next| Asked { after: next.clone(), ..asked.clone() }.at(&page));
    let (title, text) = if list.total == 0 {
        ("No file changed", "Everything is as in the image.")
    } else {
        ("None of these", "Files changed, and none of them is what you look for.")
    };
    let none = list.items.is_empty();
    let rows = list.items.into_iter().map(|change| view! { <Change change asked=asked.clone() page=page.clone() downloads/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Changed files "<span class="count">{count}</span></h2><div class="actions"><Again again/></div></header>
            {if none {
                view! { <Empty title><p>{text}</p></Empty> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <th scope="col">"Path"</th><th scope="col">"What became of it"</th>
                            <th scope="col"><span class="visually-hidden">"Get it"</span></th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
            <footer class="row">
                {first.map(|href| view! { <a href=href>"From the beginning"</a> })}
                {next.map(|href| view! { <a href=href>"Further"</a> })}
                <span>"Compared with the image. What lies in volumes is not among them."</span>
            </footer>
        </section>
    }
    .into_any()
}

#[component]
fn Change(change: FileChange, asked: Asked, page: String, downloads: bool) -> impl IntoView {
    let (tone, said) = match change.kind {
        ChangeKind::Added => (Tone::Ok, "added"),
        ChangeKind::Changed => (Tone::Busy, "changed"),
        ChangeKind::Deleted => (Tone::Bad, "deleted"),
    };
    let get = (downloads && change.kind != ChangeKind::Deleted).then(|| {
        let href = Asked { path: change.path.clone(), ..asked.view(FILE) }.at(&page);
        let label = format!("Get {}", change.path);
        view! { <a class="button button-small" href=href aria-label=label>"Get"</a> }
    });
    view! {
        <tr>
            <td data-label="Path" class="break"><code class="small">{change.path}</code></td>
            <td data-label="What became of it"><span class="badge badge-plain" data-tone=tone.as_str()>{said}</span></td>
            <td class="end">{get}</td>
        </tr>
    }
    .into_any()
}

/// The file that was looked for.
#[component]
pub(super) fn Found(task: TaskId, found: Option<Result<FileView, ApiError>>, asked: Asked, page: String) -> impl IntoView {
    let file = match found {
        None => {
            let href = asked.view(CHANGES).at(&page);
            return view! {
                <p class="muted">
                    "A single file of the task comes to your machine as it is there. It is kept in the project's audit log who took which one. Which files there are, is seen in a shell, or among the "
                    <a href=href>"changed files"</a>"."
                </p>
            }
            .into_any();
        }
        Some(Err(error)) => return view! { <Refused error/> }.into_any(),
        Some(Ok(file)) => file,
    };
    let elsewhere = file.path != asked.path;
    view! {
        <section class="panel">
            <header>
                <h2>"File"</h2>
                <div class="actions">
                    <a class="button button-primary" href=urls::task_file(task, &asked.path) download="" rel="external">"Download"</a>
                </div>
            </header>
            <div class="panel-body">
                <dl class="facts">
                    <dt>"Path"</dt><dd><code>{asked.path}</code></dd>
                    {elsewhere.then(|| view! { <dt>"Leads to"</dt><dd><code>{file.path}</code></dd> })}
                    <dt>"Size"</dt><dd title=format!("{} bytes", file.size)>{bytes(file.size)}</dd>
                    <dt>"Permissions"</dt><dd><code>{format!("{:03o}", file.mode)}</code></dd>
                    {file.modified_at.map(|at| view! { <dt>"Written"</dt><dd><Ago at/></dd> })}
                </dl>
            </div>
            <footer>"The download is kept in the project's audit log."</footer>
        </section>
    }
    .into_any()
}
