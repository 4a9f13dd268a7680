//! Which internal registries the portal may speak with.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::outside::AllowList;
use model::views::copies::OutsideSettings;

use crate::api::outside::{SetOutside, get_outside};
use crate::components::{Csrf, ProblemNotice, Submit, TextArea, field_error};
use crate::live::Pulse;
use crate::page::{change, loaded, problem};

/// The page.
#[component]
pub(crate) fn OutsideRegistries() -> impl IntoView {
    let pulse = Pulse::new();
    let data = Resource::new(move || pulse.track(), |_| get_outside());
    let set = change::<SetOutside>("Saved", Some(pulse));
    loaded(data, move |settings| view! { <Allowed settings set/> })
}

fn check(text: &str) -> Result<(), String> {
    AllowList::from_lines(text.lines()).map(drop)
}

#[component]
fn Allowed(settings: OutsideSettings, set: ServerAction<SetOutside>) -> impl IntoView {
    let refused = problem(set);
    view! {
        <section class="panel page-narrow">
            <header><h2>"Outside registries"</h2></header>
            <div class="panel-body">
                <p>"Project admins name the registries that images are copied from. The portal reaches public addresses alone, over https, and nothing inside your network."</p>
                <p class="muted">"Allow internal registries here, one in each line: "<code class="inline">"registry.lan:5000"</code>", "<code class="inline">"*.corp.example"</code>
                    ", "<code class="inline">"http://registry.lan:5000"</code>" for plain HTTP, or a network, "<code class="inline">"10.20.0.0/16"</code>
                    ". Every project can then reach them. Where a registry leads downloads or sign-ins elsewhere, that place must be allowed too."</p>
                <ProblemNotice problem=refused beside=&["allowed"]/>
                <ActionForm action=set attr:class="form">
                    <Csrf/>
                    <TextArea name="allowed" label="Allowed beside the public internet" rows=8 optional=true mono=true value=settings.allowed.join("\n")
                        check=Some(check) error=field_error(refused, "allowed")/>
                    <div class="actions"><Submit label="Save" pending=set.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}
