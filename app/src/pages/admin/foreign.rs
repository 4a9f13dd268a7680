//! The containers on the machines that this portal did not make.

use leptos::prelude::*;
use model::views::services::{ForeignContainer, ForeignContainers};

use crate::api::environments::list_foreign;
use crate::components::{Ago, Empty, Notice, Tone};
use crate::live::Pulse;
use crate::page::loaded;
use crate::urls;

/// The page.
#[component]
pub(crate) fn Foreign() -> impl IntoView {
    let pulse = Pulse::new();
    let data = Resource::new(move || pulse.track(), |_| list_foreign());
    loaded(data, move |found| view! { <Containers found/> })
}

#[component]
fn Containers(found: ForeignContainers) -> impl IntoView {
    let away: Vec<String> = found.away.iter().map(ToString::to_string).collect();
    let none = found.items.is_empty();
    let rows = found.items.into_iter().map(|container| view! { <Row container/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Other containers"</h2></header>
            <p class="panel-body">"What runs on the machines beside this portal's own tasks. It is shown so that you know of it; the portal never touches it."</p>
            {(!away.is_empty()).then(|| view! {
                <div class="panel-body">
                    <Notice tone=Tone::Warn title="Not all machines answered"><p>{format!("Nothing is known of {}.", away.join(", "))}</p></Notice>
                </div>
            })}
            {if none {
                view! { <Empty title="No other containers"><p>"Everything on the machines that answered was made by this portal."</p></Empty> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <th scope="col">"Container"</th><th scope="col">"Machine"</th><th scope="col">"State"</th><th scope="col">"Image"</th><th scope="col">"Made"</th>
                            <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
        </section>
    }
    .into_any()
}

#[component]
fn Row(container: ForeignContainer) -> impl IntoView {
    let short: String = container.id.chars().take(12).collect();
    let import = urls::asking(urls::ADMIN_IMPORT, &[("machine", container.machine.as_str()), ("container", &container.name)]);
    view! {
        <tr>
            <td data-label="Container" class="table-main"><span class="break">{container.name}" "<code class="faint small" title=container.id>{short}</code></span></td>
            <td data-label="Machine">{container.machine.to_string()}</td>
            <td data-label="State">{container.state}</td>
            <td data-label="Image"><code class="small break">{container.image}</code></td>
            <td data-label="Made" class="nowrap"><Ago at=container.created_at/></td>
            <td class="end"><a class="button button-small" href=import>"Import"</a></td>
        </tr>
    }
    .into_any()
}
