//! One typed line with its label, its hint and what is wrong with it.

use leptos::prelude::*;

use super::notice::capital;

/// A check of a field as it is typed: the same code that the server runs.
pub(crate) type Check = fn(&str) -> Result<(), String>;

/// What is wrong with a field: what the server said, until the field is changed; then what the check says.
#[derive(Clone, Copy)]
pub(crate) struct FieldState {
    server: Signal<Option<String>>,
    local: RwSignal<Option<Option<String>>>,
    check: Option<Check>,
}

impl FieldState {
    /// The state of a field that the server judged so.
    pub(crate) fn new(server: Signal<Option<String>>, check: Option<Check>) -> Self {
        let local = RwSignal::new(None);
        // A new verdict of the server takes the place of what was found while typing.
        Effect::new(move |_| {
            server.track();
            local.set(None);
        });
        Self { server, local, check }
    }

    /// The field holds `text` now.
    pub(crate) fn typed(self, text: &str) {
        self.local.set(Some(self.check.and_then(|check| check(text).err())));
    }

    /// What is to be shown.
    pub(crate) fn error(self) -> Option<String> {
        self.local.get().unwrap_or_else(|| self.server.get())
    }
}

/// One line of text.
#[component]
pub(crate) fn TextField(
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
    /// The input's type.
    #[prop(default = "text")]
    kind: &'static str,
    /// Whether it must be filled in.
    #[prop(optional)]
    required: bool,
    /// Whether to say that it may be left empty.
    #[prop(optional)]
    optional: bool,
    /// Whether it takes the focus when the page opens.
    #[prop(optional)]
    autofocus: bool,
    /// What the browser may fill in.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// An example.
    #[prop(optional, into)]
    placeholder: String,
    /// Whether it is code.
    #[prop(optional)]
    mono: bool,
    /// Tells fields of the same name on one page apart.
    #[prop(optional, into)]
    scope: String,
    /// The id of a list of proposals.
    #[prop(optional, into)]
    list: Option<String>,
    /// Which keyboard a touch screen shows.
    #[prop(optional, into)]
    inputmode: Option<String>,
    /// The only text that the browser lets through.
    #[prop(optional, into)]
    exactly: String,
    /// Told of what is typed.
    #[prop(optional, into)]
    on_input: Option<Callback<String>>,
) -> impl IntoView {
    let state = FieldState::new(error, check);
    let pattern = (!exactly.is_empty()).then(|| literally(&exactly));
    let id = field_id(&scope, &name);
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
            <input id=id name=name type=kind value=value class:mono-input=mono required=required autofocus=autofocus
                pattern=pattern list=list inputmode=inputmode autocomplete=autocomplete autocapitalize="none" spellcheck="false"
                placeholder=(!placeholder.is_empty()).then_some(placeholder)
                aria-describedby=described aria-invalid=move || state.error().is_some().then_some("true") on:input=typed/>
            <Below hint hint_id state error_id/>
        </div>
    }
    .into_any()
}

/// The hint and the error below a field.
#[component]
pub(crate) fn Below(hint: String, hint_id: String, state: FieldState, error_id: String) -> impl IntoView {
    view! {
        {(!hint.is_empty()).then_some(view! { <span class="hint" id=hint_id>{hint}</span> })}
        <span class="error" id=error_id aria-live="polite">{move || state.error().map(|text| capital(&text))}</span>
    }
    .into_any()
}

/// A pattern that matches `text` alone.
fn literally(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// The id of a field's element.
pub(crate) fn field_id(scope: &str, name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    if scope.is_empty() { format!("f-{name}") } else { format!("f-{scope}-{name}") }
}
