//! The bar that opens a shell: one press of Enter for the usual one, and everything else where it is looked for.

use leptos::prelude::*;

use super::asked::{Asked, Place};
use super::panes::Panes;

/// The longest reason that is kept, in bytes.
const WHY_MAX: usize = 255;

/// The form. Without scripts it leads to the page's own address with what was asked.
#[component]
pub(super) fn Bar(page: String, places: RwSignal<Vec<Place>>, draft: RwSignal<Asked>, panes: Panes, recorded: bool) -> impl IntoView {
    // What is chosen is the draft's, unless that task is gone or none was named.
    let chosen = Memo::new(move |_| {
        let asked = draft.with(|draft| draft.task.clone());
        places.with(|places| match places.iter().find(|place| place.task == asked).or_else(|| places.first()) {
            Some(place) => place.task.clone(),
            None => asked,
        })
    });
    let too_long = move || draft.with(|draft| draft.why.len() > WHY_MAX);
    let rests = move || panes.is_full() || chosen.with(String::is_empty) || too_long();
    let open = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !rests() {
            panes.open(&Asked { task: chosen.get_untracked(), ..draft.get_untracked() });
            // The next one has a reason of its own.
            draft.update(|draft| draft.why.clear());
        }
    };
    let held = move |part: fn(&Asked) -> &String| Signal::derive(move || draft.with(|draft| part(draft).clone()));
    let keep = move |put: fn(&mut Asked, String)| Callback::new(move |text: String| draft.update(|draft| put(draft, text)));
    let special = draft.with_untracked(|draft| !draft.user.is_empty() || !draft.workdir.is_empty());
    let kept = if recorded { "It is kept with the recording." } else { "It is kept in the list of shells." };
    view! {
        <form class="filter shell-bar" method="get" action=page on:submit=open aria-label="Open a shell">
            <Tasks places chosen draft/>
            <Line name="command" label="Command" hint="Empty: the image's shell; bash, ash and sh are tried." placeholder="The image's shell" mono=true
                value=held(|draft| &draft.command) on_input=keep(|draft, text| draft.command = text)/>
            <Line name="why" label="Why?" hint=kept placeholder="" mono=false
                value=held(|draft| &draft.why) on_input=keep(|draft, text| draft.why = text)/>
            <button type="submit" class="button button-primary" node_ref=panes.opener() aria-disabled=move || rests().then_some("true")>"Open shell"</button>
            <details class="shell-more" open=special>
                <summary>"As another user, in another folder"</summary>
                <div class="fields">
                    <Line name="user" label="User" hint="Name or number, as user:group if need be. Empty: the image's." placeholder="" mono=true
                        value=held(|draft| &draft.user) on_input=keep(|draft, text| draft.user = text)/>
                    <Line name="workdir" label="Folder" hint="An absolute path. Empty: the image's." placeholder="" mono=true
                        value=held(|draft| &draft.workdir)
                        on_input=keep(|draft, text| draft.workdir = text)/>
                </div>
            </details>
        </form>
        <p class="error" role="status">{move || {
            if panes.is_full() {
                Some("Four shells are open. Close one to open another.")
            } else if too_long() {
                Some("The reason is too long: 255 bytes at most.")
            } else {
                None
            }
        }}</p>
    }
    .into_any()
}

/// Which task.
#[component]
fn Tasks(places: RwSignal<Vec<Place>>, chosen: Memo<String>, draft: RwSignal<Asked>) -> impl IntoView {
    let first = chosen.get_untracked();
    view! {
        <div class="field">
            <label for="f-task">"Task"</label>
            <select id="f-task" name="task" prop:value=move || chosen.get()
                on:change=move |event| draft.update(|draft| draft.task = event_target_value(&event))>
                <For each=move || places.get() key=|place| place.task.clone() let:place>
                    <option value=place.task.clone() selected=place.task == first>{place.title}</option>
                </For>
            </select>
        </div>
    }
    .into_any()
}

/// One line of the form.
#[component]
fn Line(
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    placeholder: &'static str,
    mono: bool,
    value: Signal<String>,
    on_input: Callback<String>,
) -> impl IntoView {
    let id = format!("f-{name}");
    let hint_id = format!("{id}-hint");
    view! {
        <div class="field">
            <label for=id.clone()>{label}<span class="optional">" optional"</span></label>
            <input id=id name=name type="text" class:mono-input=mono autocomplete="off" autocapitalize="none" spellcheck="false" placeholder=placeholder
                value=value.get_untracked() prop:value=move || value.get() aria-describedby=hint_id.clone()
                on:input=move |event| on_input.run(event_target_value(&event))/>
            <span class="hint" id=hint_id>{hint}</span>
        </div>
    }
    .into_any()
}
