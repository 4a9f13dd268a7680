//! What the engine knows of a task, with secrets hidden: its container, its processes, its changed files, and a file of it to keep. All is asked
//! anew when the service changes, and by a button; nothing is polled.

mod seen;

use leptos::prelude::*;
use leptos_router::components::Form;
use model::access::Action;
use model::ids::TaskId;
use model::views::inspect::{ChangesView, FilePath, FileView, ProcessesView};
use model::views::services::{ServiceDetail, TaskView};
use serde::{Deserialize, Serialize};

use super::current;
use crate::api::ApiError;
use crate::api::inspect::{find_file, list_changes, list_processes};
use crate::api::logs::inspect_task;
use crate::api::services::get_service;
use crate::components::{Choice, Empty, Select, TextField};
use crate::page::{loaded, query};
use crate::urls;

use seen::{Changes, Details, Found, Processes};

/// The words of the address for what is looked at; none of them: the container's description.
const PROCESSES: &str = "processes";
const CHANGES: &str = "changes";
const FILE: &str = "file";

/// What the address asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    task: String,
    show: String,
    q: String,
    kind: String,
    after: String,
    path: String,
}

impl Asked {
    /// From the address of this page.
    fn read() -> Memo<Self> {
        let [task, show, q, kind, after, path] = ["task", "show", "q", "kind", "after", "path"].map(query);
        Memo::new(move |_| Self { task: task.get(), show: show.get(), q: q.get(), kind: kind.get(), after: after.get(), path: path.get() })
    }

    /// The address of this page, asked so.
    fn at(&self, page: &str) -> String {
        let asked = [("task", &self.task), ("show", &self.show), ("q", &self.q), ("kind", &self.kind), ("after", &self.after), ("path", &self.path)];
        urls::asking(page, &asked.map(|(name, value)| (name, value.as_str())))
    }

    /// The same task, another view of it.
    fn view(&self, show: &str) -> Self {
        Self { task: self.task.clone(), show: show.to_owned(), ..Self::default() }
    }
}

/// What the engine told, or why it did not.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Seen {
    Details(Result<String, ApiError>),
    Processes(Result<ProcessesView, ApiError>),
    Changes(Result<ChangesView, ApiError>),
    /// None: no path was asked for yet.
    File(Option<Result<FileView, ApiError>>),
}

/// What was asked, and what was seen of which task; none: there is no task.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Looked {
    asked: Asked,
    page: String,
    downloads: bool,
    seen: Option<(TaskId, Seen)>,
}

/// The inspection.
#[component]
pub(crate) fn Inspect() -> impl IntoView {
    let service = current();
    let asked = Asked::read();
    let again = RwSignal::new(0_u32);
    let data = Resource::new(
        move || (service.project.get(), service.name.get(), asked.get(), service.pulse.track(), again.get()),
        |(project, name, asked, _, _)| look(project, name, asked),
    );
    let page = Memo::new(move |_| urls::service_page(service.project.get(), service.name.get(), "inspect"));
    let show = Memo::new(move |_| asked.with(|asked| asked.show.clone()));
    view! {
        {loaded(service.view, move |service| view! { <Sections service asked/> })}
        // Not among what is read again: what somebody types stays.
        {move || match show.get().as_str() {
            CHANGES => view! { <Filter page asked/> }.into_any(),
            FILE => view! { <Path page asked/> }.into_any(),
            _ => ().into_any(),
        }}
        {loaded(data, move |looked| view! { <Shown looked again/> })}
    }
    .into_any()
}

/// The task that is meant: the one of the address, also when it ended, else the first that lives.
fn chosen<'a>(service: &'a ServiceDetail, wanted: &str) -> Option<&'a TaskView> {
    let tasks = || service.runs.iter().flat_map(|run| &run.tasks).filter(|task| task.container.is_some());
    tasks().find(|task| task.id.to_string() == wanted).or_else(|| tasks().find(|task| !task.state.is_final()))
}

/// The service is read together with what is asked of its task: a task of a moment ago may be gone.
async fn look(project: String, name: String, asked: Asked) -> Result<Looked, ApiError> {
    let service = get_service(project, name).await?;
    let page = urls::service_page(&service.project, &service.name, "inspect");
    let downloads = service.may(Action::OpenShell);
    let Some(task) = chosen(&service, &asked.task).map(|task| task.id) else {
        return Ok(Looked { asked, page, downloads, seen: None });
    };
    let id = task.to_string();
    let seen = match asked.show.as_str() {
        PROCESSES => Seen::Processes(list_processes(id).await),
        CHANGES => Seen::Changes(list_changes(id, asked.q.clone(), asked.kind.clone(), asked.after.clone()).await),
        FILE if asked.path.is_empty() => Seen::File(None),
        FILE => Seen::File(Some(find_file(id, asked.path.clone()).await)),
        _ => Seen::Details(inspect_task(id).await),
    };
    Ok(Looked { asked, page, downloads, seen: Some((task, seen)) })
}

/// Which task, and what of it.
#[component]
fn Sections(service: ServiceDetail, asked: Memo<Asked>) -> impl IntoView {
    let service = StoredValue::new(service);
    move || service.with_value(|service| asked.with(|asked| sections(service, asked)))
}

fn sections(service: &ServiceDetail, asked: &Asked) -> AnyView {
    let page = urls::service_page(&service.project, &service.name, "inspect");
    let shown = chosen(service, &asked.task).map(|task| task.id);
    let lives: Vec<&TaskView> = service
        .runs
        .iter()
        .flat_map(|run| &run.tasks)
        .filter(|task| task.container.is_some() && (!task.state.is_final() || Some(task.id) == shown))
        .collect();
    let several = lives.len() > 1;
    let tasks = lives
        .into_iter()
        .map(|task| {
            let href = Asked { task: task.id.to_string(), ..asked.view(&asked.show) }.at(&page);
            view! { <a href=href aria-current=(Some(task.id) == shown).then_some("page")>{format!("{}.{}", service.name, task.slot)}</a> }
        })
        .collect_view();
    let mut sections = vec![("", "Container"), (PROCESSES, "Processes"), (CHANGES, "Changed files")];
    if service.may(Action::OpenShell) {
        sections.push((FILE, "Get a file"));
    }
    let known = sections.iter().any(|(word, _)| *word == asked.show);
    let sections = sections
        .into_iter()
        .map(|(word, name)| {
            let current = word == asked.show || (!known && word.is_empty());
            view! { <a href=asked.view(word).at(&page) aria-current=current.then_some("page")>{name}</a> }
        })
        .collect_view();
    view! {
        <div class="row">
            <nav class="segments" aria-label="What to look at">{sections}</nav>
            {several.then(|| view! { <nav class="segments" aria-label="Task">{tasks}</nav> })}
        </div>
    }
    .into_any()
}

/// Which changed files.
#[component]
fn Filter(page: Memo<String>, asked: Memo<Asked>) -> impl IntoView {
    let first = asked.get_untracked();
    let kinds = vec![Choice::new("", "All"), Choice::new("added", "Added"), Choice::new("changed", "Changed"), Choice::new("deleted", "Deleted")];
    view! {
        <Form method="GET" action=page.get_untracked() attr:class="filter" attr:role="search">
            <input type="hidden" name="task" value=move || asked.with(|asked| asked.task.clone())/>
            <input type="hidden" name="show" value=CHANGES/>
            <TextField name="q" label="Only paths with" kind="search" value=first.q mono=true/>
            <Select name="kind" label="Which" choices=kinds value=first.kind/>
            <button type="submit" class="button">"Show"</button>
        </Form>
    }
    .into_any()
}

/// Which file.
#[component]
fn Path(page: Memo<String>, asked: Memo<Asked>) -> impl IntoView {
    let first = asked.get_untracked();
    view! {
        <Form method="GET" action=page.get_untracked() attr:class="filter">
            <input type="hidden" name="task" value=move || asked.with(|asked| asked.task.clone())/>
            <input type="hidden" name="show" value=FILE/>
            <TextField name="path" label="Path of the file" value=first.path mono=true required=true placeholder="/etc/app.conf" check=Some(check_path)
                hint="From the task's root. Links are followed as the task's own programs would."/>
            <button type="submit" class="button">"Look for it"</button>
        </Form>
    }
    .into_any()
}

fn check_path(text: &str) -> Result<(), String> {
    if text.is_empty() { Ok(()) } else { text.parse::<FilePath>().map(drop).map_err(|error| error.to_string()) }
}

#[component]
fn Shown(looked: Looked, again: RwSignal<u32>) -> impl IntoView {
    let Looked { asked, page, downloads, seen } = looked;
    let Some((task, seen)) = seen else {
        return view! { <section class="panel"><Empty title="No task to inspect"><p>"What runs can be inspected. Nothing of this service runs."</p></Empty></section> }
            .into_any();
    };
    match seen {
        Seen::Details(json) => view! { <Details task json again/> }.into_any(),
        Seen::Processes(list) => view! { <Processes list again/> }.into_any(),
        Seen::Changes(list) => view! { <Changes list asked page downloads again/> }.into_any(),
        Seen::File(found) => view! { <Found task found asked page/> }.into_any(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_asks_for_what_it_says_and_no_more() {
        let asked = Asked { task: "t".into(), show: CHANGES.into(), q: "/var lib".into(), ..Asked::default() };
        assert_eq!(asked.at("/p"), "/p?task=t&show=changes&q=%2Fvar%20lib");
        assert_eq!(asked.view("").at("/p"), "/p?task=t", "another view begins anew");
        assert!(check_path("").is_ok() && check_path("/a").is_ok() && check_path("a").is_err());
    }
}
