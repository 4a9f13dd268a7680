//! Which folders of machines services may mount.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::folders::{FolderList, FolderSettings};

use crate::api::folders::{SetFolders, get_folders};
use crate::components::{Csrf, ProblemNotice, Submit, TextArea, field_error};
use crate::live::Pulse;
use crate::page::{change, loaded, problem};

/// The page.
#[component]
pub(crate) fn HostFolders() -> impl IntoView {
    let pulse = Pulse::new();
    let data = Resource::new(move || pulse.track(), |_| get_folders());
    let set = change::<SetFolders>("Saved", Some(pulse));
    loaded(data, move |settings| view! { <Allowed settings set/> })
}

fn check(text: &str) -> Result<(), String> {
    FolderList::from_lines(text.lines()).map(drop)
}

#[component]
fn Allowed(settings: FolderSettings, set: ServerAction<SetFolders>) -> impl IntoView {
    let refused = problem(set);
    view! {
        <section class="panel page-narrow">
            <header><h2>"Host folders"</h2></header>
            <div class="panel-body">
                <p>"A service mounts no folder of its machine unless it is listed here. Every project can then mount it, on every machine."</p>
                <p class="muted">"One folder in each line: "<code class="inline">"/srv/media"</code>", with "<code class="inline">"read-only"</code>
                    " behind it where nothing may be written, or "<code class="inline">"/mnt/shared/*"</code>
                    " for each folder directly in one. Symbolic links that you put there are followed. Folders of the machine, of an engine and of the portal are never mounted."</p>
                <ProblemNotice problem=refused beside=&["allowed"]/>
                <ActionForm action=set attr:class="form">
                    <Csrf/>
                    <TextArea name="allowed" label="Folders that services may mount" rows=8 optional=true mono=true value=settings.allowed.join("\n")
                        check=Some(check) error=field_error(refused, "allowed")/>
                    <div class="actions"><Submit label="Save" pending=set.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}
