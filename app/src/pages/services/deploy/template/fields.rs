//! The fields of a template's parameters, by group and type.

use leptos::prelude::*;
use model::template::{Choices, Parameter, ParameterKind};
use model::views::templates::TemplateForm;

use super::super::Offers;
use super::Typed;
use crate::api::deployments::Offer;
use crate::components::{Choice, Select, TextArea, TextField};

/// All parameters, group by group.
#[component]
pub(super) fn Groups(typed: Typed, form: TemplateForm, offers: Vec<Offer>) -> impl IntoView {
    let groups = form
        .parameters
        .groups()
        .into_iter()
        .map(|(name, members)| {
            let fields = members
                .into_iter()
                .map(|parameter| {
                    let kept = form.kept.contains(&parameter.name);
                    view! { <Field typed parameter=parameter.clone() kept/> }
                })
                .collect_view();
            let legend = if name.is_empty() { None } else { Some(view! { <legend class="label">{name.to_owned()}</legend> }) };
            view! { <fieldset class="form">{legend}{fields}</fieldset> }
        })
        .collect_view();
    view! { <Offers offers/>{groups} }.into_any()
}

/// One parameter.
#[component]
fn Field(typed: Typed, parameter: Parameter, kept: bool) -> impl IntoView {
    let name = parameter.name.clone();
    let hidden = {
        let name = name.clone();
        let conditional = parameter.shown_if.is_some();
        move || {
            let shown = || typed.answers.with(|answers| typed.parameters.with_value(|parameters| parameters.shows(&name, answers)));
            (conditional && !shown()).then_some("")
        }
    };
    view! { <div data-hide=hidden>{field(typed, parameter, kept)}</div> }.into_any()
}

fn field(typed: Typed, parameter: Parameter, kept: bool) -> AnyView {
    let field = format!("answers[{}]", parameter.name);
    let first = typed.answers.with_untracked(|answers| answers.get(&parameter.name).cloned().unwrap_or_default());
    let (error, keep) = (typed.error(&parameter.name), typed.keep(&parameter.name));
    let (label, hint, optional) = (parameter.label.clone(), hint(&parameter, kept), !parameter.required);
    match parameter.kind {
        ParameterKind::Text => view! { <TextArea name=field label optional rows=4 mono=true value=first hint error on_input=keep/> }.into_any(),
        ParameterKind::Secret => view! {
            <TextField name=field label kind="password" optional=optional autocomplete="new-password" hint error on_input=keep
                placeholder=if kept { "unchanged" } else { "" }/>
        }
        .into_any(),
        ParameterKind::Boolean => {
            let mut choices = vec![Choice::new("true", "Yes"), Choice::new("false", "No")];
            if first.is_empty() {
                choices.insert(0, Choice::new("", "Not answered"));
            }
            view! { <Select name=field label choices value=first hint error on_change=keep/> }.into_any()
        }
        ParameterKind::Choice => choice(typed, &parameter, first),
        ParameterKind::Image => view! {
            <TextField name=field label optional=optional mono=true list="images" placeholder="web:1.4.2" value=first hint error on_input=keep/>
        }
        .into_any(),
        ParameterKind::Integer => view! {
            <TextField name=field label optional=optional inputmode="numeric" value=first hint error on_input=keep/>
        }
        .into_any(),
        ParameterKind::Decimal => view! {
            <TextField name=field label optional=optional inputmode="decimal" value=first hint error on_input=keep/>
        }
        .into_any(),
        ParameterKind::String | ParameterKind::Duration | ParameterKind::Size => view! {
            <TextField name=field label optional=optional value=first hint error on_input=keep/>
        }
        .into_any(),
    }
}

/// What to know of a field: the writer's help, and the range.
fn hint(parameter: &Parameter, kept: bool) -> String {
    let mut text = parameter.help.clone();
    let mut add = |more: String| {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&more);
    };
    let of_text = matches!(parameter.kind, ParameterKind::String | ParameterKind::Text | ParameterKind::Secret);
    let unit = if of_text { " characters" } else { "" };
    match (&parameter.min, &parameter.max) {
        (Some(min), Some(max)) => add(format!("{min} to {max}{unit}.")),
        (Some(min), None) => add(format!("At least {min}{unit}.")),
        (None, Some(max)) => add(format!("At most {max}{unit}.")),
        (None, None) => {}
    }
    if kept {
        add(String::from("A secret is set; left empty, it stays as it is."));
    }
    text
}

/// One of several. What depends on another answer follows it once the script is there; without it everything is on offer, by that answer.
fn choice(typed: Typed, parameter: &Parameter, first: String) -> AnyView {
    let name = parameter.name.clone();
    let field = format!("answers[{name}]");
    let error = typed.error(&name);
    let keep = typed.keep(&name);
    let hint = hint(parameter, false);
    let empty = (!parameter.required || first.is_empty()).then(|| Choice::new("", "Not answered"));
    let convert = |choice: &model::template::Choice| Choice::new(choice.value.clone(), choice.label.clone());
    let label = parameter.label.clone();
    let (on, when) = match &parameter.choices {
        Some(Choices::By { parameter, when }) => (parameter.clone(), when.clone()),
        Some(Choices::Fixed(list)) => {
            let choices: Vec<Choice> = empty.into_iter().chain(list.iter().map(convert)).collect();
            return view! { <Select name=field label choices value=first hint error on_change=keep/> }.into_any();
        }
        None => return ().into_any(),
    };
    let ready = RwSignal::new(false);
    Effect::new(move |_| ready.set(true));
    let other = typed.parameters.with_value(|parameters| parameters.get(&on).map(|on| on.label.clone())).unwrap_or_default();
    let options = move || {
        let chosen = typed.answers.with(|answers| answers.get(&name).cloned().unwrap_or_default());
        let option = move |choice: &model::template::Choice, chosen: &str| {
            view! { <option value=choice.value.clone() selected=choice.value == chosen>{choice.label.clone()}</option> }
        };
        if !ready.get() {
            let groups = when
                .iter()
                .map(|(answer, list)| {
                    let here = typed.answers.with(|answers| answers.get(&on).is_some_and(|given| given == answer));
                    // The same value may stand in several groups: it is chosen in the one that counts.
                    let chosen = if here { chosen.clone() } else { String::new() };
                    let options = list.iter().map(|choice| option(choice, &chosen)).collect_view();
                    view! { <optgroup label=format!("{other}: {answer}")>{options}</optgroup> }
                })
                .collect_view();
            return view! { <option value="">"Not answered"</option>{groups} }.into_any();
        }
        let list = typed.parameters.with_value(|parameters| typed.answers.with(|answers| parameters.choices(&name, answers).to_vec()));
        let known = list.iter().any(|choice| choice.value == chosen);
        let options = list.iter().map(|choice| option(choice, &chosen)).collect_view();
        view! { <option value="" selected=!known>"Not answered"</option>{options} }.into_any()
    };
    let id = format!("f-answers-{}", parameter.name);
    let (hint_id, error_id) = (format!("{id}-hint"), format!("{id}-error"));
    let described = format!("{hint_id} {error_id}");
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <select id=id name=field aria-describedby=described aria-invalid=move || error.get().is_some().then_some("true")
                on:change=move |event| keep.run(event_target_value(&event))>{options}</select>
            {(!hint.is_empty()).then(|| view! { <span class="hint" id=hint_id>{hint}</span> })}
            <span class="error" id=error_id aria-live="polite">{move || error.get()}</span>
        </div>
    }
    .into_any()
}
