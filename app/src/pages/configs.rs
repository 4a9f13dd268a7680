//! The configuration of a project or a service: what is in force with where it comes from, the forms that change it, who runs with it, and its
//! versions. It is read again only after a change that was made here: what is being typed is not disturbed.

mod entries;
mod history;
mod uses;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::configs::{EntryKind, Level};
use model::views::configs::{ConfigView, EntryView};

use self::entries::{Files, Secrets, Variables};
use self::history::{Looked, Versions};
use self::uses::Uses;
use super::{projects, services};
use crate::api::configs::{At, ConfigPage, PutFile, PutSecret, PutVariable, PutVariables, RemoveEntry, RestoreVersion, Roll, RollAll, get_config};
use crate::components::{Csrf, ProblemNotice};
use crate::live::Pulse;
use crate::page::{change, loaded, problem, query};
use crate::urls;

/// What can be changed here.
#[derive(Clone, Copy)]
struct Changes {
    variable: ServerAction<PutVariable>,
    variables: ServerAction<PutVariables>,
    file: ServerAction<PutFile>,
    secret: ServerAction<PutSecret>,
    remove: ServerAction<RemoveEntry>,
    restore: ServerAction<RestoreVersion>,
    roll: ServerAction<Roll>,
    roll_all: ServerAction<RollAll>,
}

/// A project's configuration.
#[component]
pub(crate) fn OfProject() -> impl IntoView {
    let project = projects::current();
    view! { <Place project=project.name service=Memo::new(|_| String::new())/> }
}

/// A service's configuration.
#[component]
pub(crate) fn OfService() -> impl IntoView {
    let service = services::current();
    view! { <Place project=service.project service=service.name/> }
}

#[component]
fn Place(project: Memo<String>, service: Memo<String>) -> impl IntoView {
    let (environment, version, file, edit, after) = (query("environment"), query("version"), query("file"), query("edit"), query("after"));
    let pulse = Pulse::new();
    let data = Resource::new(
        move || {
            let at = At { project: project.get(), service: service.get(), environment: environment.get() };
            // Another variable in the form is another page: it is read anew.
            (at, version.get().parse::<i64>().ok(), file.get(), after.get(), edit.get(), pulse.track())
        },
        |(at, version, file, after, _, _)| get_config(at, version, file, Some(after)),
    );
    let changes = Changes {
        variable: change("Variable set", Some(pulse)),
        variables: change("Variables set", Some(pulse)),
        file: change("File saved", Some(pulse)),
        secret: change("Secret kept", Some(pulse)),
        remove: change("Taken away", Some(pulse)),
        restore: change("Version restored", Some(pulse)),
        roll: change("Rolling", Some(pulse)),
        roll_all: change("Rolling", Some(pulse)),
    };
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(Ok(made)) = changes.roll.value().get() {
            navigate(&urls::deployment(&made.project, &made.service, made.id), leptos_router::NavigateOptions::default());
        }
    });
    loaded(data, move |page| view! { <Whole page edit=edit.get_untracked() changes/> })
}

/// What every part of the page knows of the place.
#[derive(Clone)]
struct Here {
    at: At,
    level: Level,
    version: i64,
    /// The page's address without a query.
    path: String,
}

impl Here {
    fn of(view: &ConfigView) -> Self {
        let environment = view.environment.as_ref().map(ToString::to_string).unwrap_or_default();
        let service = view.service.as_ref().map(ToString::to_string).unwrap_or_default();
        let path = match &view.service {
            Some(service) => urls::service_page(&view.project, service, "configuration"),
            None => urls::project_page(&view.project, "configuration"),
        };
        Self { at: At { project: view.project.to_string(), service, environment }, level: view.level, version: view.version, path }
    }

    /// This page with something more in its query.
    fn asking(&self, name: &str, value: &str) -> String {
        urls::asking(self.path.clone(), &[("environment", &self.at.environment), (name, value)])
    }

    /// Where an entry stands, for people.
    fn phrase(&self, level: Level) -> String {
        level.phrase(&self.at.environment)
    }
}

/// The hidden fields that say which place, and which version of it was seen.
#[component]
fn Target(here: Here) -> impl IntoView {
    view! {
        <Csrf/>
        <input type="hidden" name="at[project]" value=here.at.project/>
        <input type="hidden" name="at[service]" value=here.at.service/>
        <input type="hidden" name="at[environment]" value=here.at.environment/>
        <input type="hidden" name="based_on" value=here.version.to_string()/>
    }
    .into_any()
}

#[component]
fn Whole(page: ConfigPage, edit: String, changes: Changes) -> impl IntoView {
    let ConfigPage { view, versions, version, file, environments, may_roll, typed, rolled } = page;
    let here = Here::of(&view);
    let of = |kind: EntryKind| view.entries.iter().filter(|entry| entry.kind == kind).cloned().collect::<Vec<EntryView>>();
    let (variables, files, secrets) = (of(EntryKind::Variable), of(EntryKind::File), of(EntryKind::Secret));
    let names: Vec<String> = environments.iter().map(ToString::to_string).collect();
    let title = view.service.as_ref().map_or_else(|| view.project.to_string(), ToString::to_string);
    view! {
        <Title text=format!("Configuration of {title}")/>
        <Scopes here=here.clone() names/>
        <Order view=view.clone() here=here.clone()/>
        <ProblemNotice problem=problem(changes.remove)/>
        <ProblemNotice problem=problem(changes.restore)/>
        <ProblemNotice problem=problem(changes.roll)/>
        <ProblemNotice problem=problem(changes.roll_all)/>
        {version.map(|version| view! { <Looked here=here.clone() version/> })}
        <Variables here=here.clone() entries=variables edit typed=typed.clone() changes/>
        <Files here=here.clone() entries=files open=file typed changes/>
        <Secrets here=here.clone() entries=secrets changes/>
        <Uses here=here.clone() uses=view.uses may_roll rolled changes/>
        <Versions here versions changes/>
    }
    .into_any()
}

/// The choice between everywhere and one environment.
#[component]
fn Scopes(here: Here, names: Vec<String>) -> impl IntoView {
    let link = |name: String, text: String| {
        let current = (name == here.at.environment).then_some("page");
        let href = urls::asking(here.path.clone(), &[("environment", &name)]);
        view! { <a href=href aria-current=current>{text}</a> }
    };
    let everywhere = link(String::new(), String::from("Every environment"));
    let items: Vec<_> = names.into_iter().map(|name| link(name.clone(), name)).collect();
    view! { <nav class="segments" aria-label="Environment">{everywhere}{items}</nav> }.into_any()
}

/// Which of several entries of one name is heard.
#[component]
fn Order(view: ConfigView, here: Here) -> impl IntoView {
    let heard: Vec<String> =
        Level::ALL.iter().filter(|level| **level <= here.level && fits(**level, here.level)).map(|level| here.phrase(*level)).collect();
    let several = heard.len() > 1;
    let order = format!("What stands nearer to the task wins, name by name: {}.", heard.join(" < "));
    let what = format!("What is changed here belongs to: {}, now at version {}.", here.phrase(here.level), here.version);
    view! {
        <p class="muted">
            {what}" "{several.then_some(order)}" Running services keep what they have until they are deployed or rolled. In force here: "{view.configuration.to_string()}"."
        </p>
    }
    .into_any()
}

/// Whether entries of a level are heard at a place of another.
fn fits(level: Level, here: Level) -> bool {
    match here {
        Level::Project => level == Level::Project,
        Level::ProjectEnvironment => matches!(level, Level::Project | Level::ProjectEnvironment),
        Level::Service => matches!(level, Level::Project | Level::Service),
        Level::ServiceEnvironment => true,
    }
}
