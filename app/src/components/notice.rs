//! What Slipway has to say in the middle of a page: what happened, what was kept, what to do.

use leptos::prelude::*;
use model::problem::Problem;

use super::status::Tone;

/// A notice.
#[component]
pub(crate) fn Notice(
    /// How it is meant.
    tone: Tone,
    /// Its first line.
    #[prop(optional, into)]
    title: String,
    /// The rest.
    children: Children,
) -> impl IntoView {
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    view! {
        <div class="notice" data-tone=tone.as_str() role=role>
            <div>
                {(!title.is_empty()).then_some(view! { <p><strong>{title}</strong></p> })}
                {children()}
            </div>
        </div>
    }
    .into_any()
}

/// A text of the domain, which begins like the middle of a sentence, as a sentence of its own.
pub(crate) fn sentence(text: &str) -> String {
    let mut out = capital(text);
    if out.ends_with(|last: char| last.is_alphanumeric() || matches!(last, '"' | ')' | '`')) {
        out.push('.');
    }
    out
}

/// The same with its first letter alone changed, and only where the first word is a word and no name.
pub(crate) fn capital(text: &str) -> String {
    let first = text.split([' ', ',', ';']).next().unwrap_or_default();
    let mut rest = text.chars();
    match rest.next() {
        Some(letter) if first.chars().all(char::is_alphabetic) => letter.to_uppercase().chain(rest).collect(),
        _ => text.to_owned(),
    }
}

/// Why a form or a button was refused. What stands beside its field already is not said twice.
#[component]
pub(crate) fn ProblemNotice(
    /// The answer.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
    /// Fields that show their own error.
    #[prop(default = &[])]
    beside: &'static [&'static str],
    /// What stands above the fields that do not.
    #[prop(default = "Nothing was changed, because this is not right:")]
    because: &'static str,
) -> impl IntoView {
    move || {
        problem.get().map(|problem| {
            let more: Vec<_> = problem
                .fields
                .iter()
                .filter(|error| !beside.contains(&error.field.as_str()))
                .map(|error| view! { <li><code>{error.field.clone()}</code>": "{error.message.clone()}</li> })
                .collect();
            let wait = problem.retry_after.map(|seconds| view! { <p>{format!("Try again in {seconds} s.")}</p> });
            let title = match (problem.fields.is_empty(), more.is_empty()) {
                (true, _) => sentence(&problem.detail),
                (false, true) => String::from("Nothing was changed: look at the marked fields."),
                (false, false) => because.to_owned(),
            };
            view! {
                <Notice tone=Tone::Bad title=title>
                    {(!more.is_empty()).then_some(view! { <ul>{more}</ul> })}
                    {wait}
                </Notice>
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_domain_become_sentences() {
        assert_eq!(sentence("no such project"), "No such project.");
        assert_eq!(sentence("web.1 left with code 1"), "web.1 left with code 1.");
        assert_eq!(sentence("Load the page again."), "Load the page again.");
        assert_eq!(capital("\"x\" is no tag"), "\"x\" is no tag");
        assert_eq!(sentence(""), "");
    }
}
