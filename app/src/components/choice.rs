//! Fields that are not one line of text: longer texts, choices, yes or no.

use leptos::prelude::*;

use super::field::{Below, Check, FieldState, field_id};

/// Several lines of text.
#[component]
pub(crate) fn TextArea(
    /// The field's name in the form.
    #[prop(into)]
    name: String,
    /// What it is.
    #[prop(into)]
    label: String,
    /// What it holds at first.
    #[prop(optional, into)]
    value: String,
    /// How to fill it in.
    #[prop(optional, into)]
    hint: String,
    /// What the server says is wrong with it.
    #[prop(default = Signal::stored(None), into)]
    error: Signal<Option<String>>,
    /// The check as it is typed.
    #[prop(optional_no_strip)]
    check: Option<Check>,
    /// Lines shown.
    #[prop(default = 4)]
    rows: u16,
    /// Whether to say that it may be left empty.
    #[prop(optional)]
    optional: bool,
    /// Whether it is code.
    #[prop(optional)]
    mono: bool,
    /// Told of what is typed.
    #[prop(optional, into)]
    on_input: Option<Callback<String>>,
) -> impl IntoView {
    let state = FieldState::new(error, check);
    let id = field_id("", &name);
    let (hint_id, error_id) = (format!("{id}-hint"), format!("{id}-error"));
    let described = format!("{hint_id} {error_id}");
    let typed = move |event| {
        let text = event_target_value(&event);
        state.typed(&text);
        if let Some(told) = on_input {
            told.run(text);
        }
    };
    view! {
        <div class="field">
            <label for=id.clone()>{label}{optional.then_some(view! { <span class="optional">" optional"</span> })}</label>
            <textarea id=id name=name rows=rows class:mono-input=mono spellcheck=if mono { "false" } else { "true" }
                aria-describedby=described aria-invalid=move || state.error().is_some().then_some("true") on:input=typed>
                {value}
            </textarea>
            <Below hint hint_id state error_id/>
        </div>
    }
    .into_any()
}

/// One thing that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
}

impl Choice {
    /// A choice.
    pub(crate) fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into() }
    }
}

/// One of several.
#[component]
pub(crate) fn Select(
    /// The field's name in the form.
    #[prop(into)]
    name: String,
    /// What it is.
    #[prop(into)]
    label: String,
    /// What can be chosen.
    choices: Vec<Choice>,
    /// What is chosen at first.
    #[prop(optional, into)]
    value: String,
    /// How to choose.
    #[prop(optional, into)]
    hint: String,
    /// What the server says is wrong with it.
    #[prop(default = Signal::stored(None), into)]
    error: Signal<Option<String>>,
    /// Whether the label is for readers alone.
    #[prop(optional)]
    bare: bool,
    /// Tells fields of the same name on one page apart.
    #[prop(optional, into)]
    scope: String,
    /// Told of what is chosen.
    #[prop(optional, into)]
    on_change: Option<Callback<String>>,
) -> impl IntoView {
    let state = FieldState::new(error, None);
    let id = field_id(&scope, &name);
    let (hint_id, error_id) = (format!("{id}-hint"), format!("{id}-error"));
    let described = format!("{hint_id} {error_id}");
    let options = choices
        .into_iter()
        .map(|choice| view! { <option value=choice.value.clone() selected=choice.value == value>{choice.label}</option> })
        .collect_view();
    let changed = move |event| {
        let text = event_target_value(&event);
        state.typed(&text);
        if let Some(told) = on_change {
            told.run(text);
        }
    };
    view! {
        <div class="field">
            <label for=id.clone() class:visually-hidden=bare>{label}</label>
            <select id=id name=name aria-describedby=described
                aria-invalid=move || state.error().is_some().then_some("true") on:change=changed>
                {options}
            </select>
            <Below hint hint_id state error_id/>
        </div>
    }
    .into_any()
}

/// Yes or no. Sends `true`, or nothing.
#[component]
pub(crate) fn CheckBox(
    /// The field's name in the form.
    #[prop(into)]
    name: String,
    /// What yes means.
    #[prop(into)]
    label: String,
    /// More on it.
    #[prop(optional, into)]
    hint: String,
    /// Whether it is yes at first.
    #[prop(optional)]
    checked: bool,
    /// What is sent for yes.
    #[prop(default = "true".into(), into)]
    value: String,
) -> impl IntoView {
    view! {
        <label class="check">
            <input type="checkbox" name=name value=value checked=checked/>
            <span>{label}{(!hint.is_empty()).then_some(view! { <span class="hint">{hint}</span> })}</span>
        </label>
    }
    .into_any()
}
