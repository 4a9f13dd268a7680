//! The fields of the deploy form. Their names are those that the check and the server use.

use leptos::prelude::*;

use super::{Offers, Typed};
use crate::api::deployments::Offer;
use crate::components::{Choice, Select, TextArea, TextField};

/// All fields.
#[component]
pub(super) fn Fields(typed: Typed, offers: Vec<Offer>) -> impl IntoView {
    let first = typed.form.get_untracked();
    let none = offers.is_empty();
    let hint = if none {
        "This project has no images yet. Push one first, or name an image of an outside registry."
    } else {
        "One of this project's images, or one of an outside registry with its whole name. It is pinned to its digest."
    };
    view! {
        <Offers offers/>
        <TextField name="form[image]" label="Image" value=first.image.clone() mono=true required=true list="images" placeholder="web:1.4.2" hint=hint
            error=typed.error("image") on_input=typed.keep("image", |form, text| form.image = text)/>
        <div class="fields">
            <TextField name="form[replicas]" label="Tasks" value=first.replicas.clone() error=typed.error("replicas") inputmode="numeric"
                on_input=typed.keep("replicas", |form, text| form.replicas = text)/>
            <TextField name="form[memory]" label="Memory" optional=true value=first.memory.clone() placeholder="256MiB" error=typed.error("memory")
                on_input=typed.keep("memory", |form, text| form.memory = text)/>
            <TextField name="form[cpus]" label="CPUs" optional=true value=first.cpus.clone() placeholder="0.5" error=typed.error("cpus")
                on_input=typed.keep("cpus", |form, text| form.cpus = text)/>
        </div>
        <TextArea name="form[env]" label="Variables" optional=true rows=4 mono=true value=first.env.clone() error=typed.error("env")
            hint="One NAME=value on each line. Every member of the project can read them."
            on_input=typed.keep("env", |form, text| form.env = text)/>
        <TextArea name="form[ports]" label="Ports" optional=true rows=2 mono=true value=first.ports.clone() error=typed.error("ports")
            hint="One on each line: 8080, http=8080, or http=18080:8080 for a fixed port of the machine; /udp behind it for UDP."
            on_input=typed.keep("ports", |form, text| form.ports = text)/>
        <TextField name="form[command]" label="Command" optional=true mono=true value=first.command.clone() error=typed.error("command")
            hint="Arguments in place of the image's own, as in a shell." on_input=typed.keep("command", |form, text| form.command = text)/>
        <Health typed/>
    }
    .into_any()
}

/// How to tell that a task works. Without scripts every part is shown; what the choice does not use is not read.
#[component]
fn Health(typed: Typed) -> impl IntoView {
    let first = typed.form.get_untracked();
    let choices = vec![
        Choice::new("none", "None: a task is healthy while it runs"),
        Choice::new("http", "HTTP: a GET answers with 200 to 399"),
        Choice::new("tcp", "TCP: a connection is taken"),
        Choice::new("command", "Command: it ends with 0"),
    ];
    let hides = move |kinds: &'static [&'static str]| move || (!typed.form.with(|form| kinds.contains(&form.health.as_str()))).then_some("");
    view! {
        <fieldset class="form">
            <legend class="visually-hidden">"Health check"</legend>
            <Select name="form[health]" label="Health check" choices value=first.health.clone() error=typed.error("health")
                on_change=typed.keep("health", |form, text| form.health = text)/>
            <div class="fields" data-hide=hides(&["http", "tcp"])>
                <TextField name="form[health_port]" label="Port in the task" value=first.health_port.clone() error=typed.error("health_port") inputmode="numeric"
                    placeholder="8080" on_input=typed.keep("health_port", |form, text| form.health_port = text)/>
                <div data-hide=hides(&["http"])>
                    <TextField name="form[health_path]" label="Path" value=first.health_path.clone() error=typed.error("health_path") mono=true
                        on_input=typed.keep("health_path", |form, text| form.health_path = text)/>
                </div>
            </div>
            <div data-hide=hides(&["command"])>
                <TextField name="form[health_command]" label="Command in the task" mono=true value=first.health_command.clone() error=typed.error("health_command")
                    placeholder="wget -q -O /dev/null http://127.0.0.1:8080/healthz"
                    on_input=typed.keep("health_command", |form, text| form.health_command = text)/>
            </div>
        </fieldset>
    }
    .into_any()
}
