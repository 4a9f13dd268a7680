//! Texts that are meant to be taken away: commands, digests, secrets. Copying works on plain http as well, where browsers
//! hide their clipboard, by way of a selection.

use leptos::prelude::*;

use super::icon::{Icon, Sign};

/// A button that copies `text`; it says so for two seconds.
#[component]
pub(crate) fn CopyButton(
    /// What is copied.
    #[prop(into)]
    text: String,
    /// What it is, for the label: "digest".
    #[prop(into)]
    what: String,
) -> impl IntoView {
    let done = RwSignal::new(false);
    let label = move || if done.get() { String::from("Copied") } else { format!("Copy {what}") };
    let copy = move |_| {
        put(&text);
        done.set(true);
        set_timeout(move || _ = done.try_set(false), std::time::Duration::from_secs(2));
    };
    view! {
        <button type="button" class="icon-button needs-script" title=label.clone() aria-label=label on:click=copy>
            {move || view! { <Sign icon=if done.get() { Icon::Check } else { Icon::Copy }/> }}
        </button>
    }
    .into_any()
}

/// A command line to copy.
#[component]
pub(crate) fn Command(
    /// The command, one or more lines.
    #[prop(into)]
    text: String,
    /// What it is, for the label: "push command".
    #[prop(default = "command".into(), into)]
    what: String,
) -> impl IntoView {
    let look = if text.contains('\n') { "command command-lines" } else { "command" };
    view! {
        <div class=look>
            <pre tabindex="0" aria-label=what.clone()><code>{text.clone()}</code></pre>
            <CopyButton text what/>
        </div>
    }
    .into_any()
}

/// A digest: its first twelve digits, whole on hover and in the copy.
#[component]
pub(crate) fn Digest(
    /// `sha256:` and 64 digits.
    #[prop(into)]
    value: String,
) -> impl IntoView {
    view! {
        <span class="row-tight">
            <code class="digest" title=value.clone()>{short(&value).to_owned()}</code>
            <CopyButton text=value what="digest"/>
        </span>
    }
    .into_any()
}

/// The algorithm and the first twelve digits.
fn short(digest: &str) -> &str {
    let end = digest.find(':').map_or(12, |colon| colon + 13);
    digest.get(..end).unwrap_or(digest)
}

#[cfg(not(feature = "hydrate"))]
pub(super) fn put(_text: &str) {}

/// Puts `text` on the clipboard.
#[cfg(feature = "hydrate")]
pub(crate) fn put(text: &str) {
    use wasm_bindgen::JsCast;
    let window = window();
    if window.is_secure_context() {
        _ = window.navigator().clipboard().write_text(text);
        return;
    }
    let document = document();
    let Ok(area) = document.create_element("textarea") else { return };
    let Ok(area) = area.dyn_into::<web_sys::HtmlTextAreaElement>() else { return };
    area.set_value(text);
    area.set_class_name("visually-hidden");
    // Inside an open dialog everything else is inert and cannot be selected.
    let host = document.active_element().and_then(|active| active.parent_element());
    let Some(host) = host.or_else(|| document.body().map(JsCast::unchecked_into)) else { return };
    _ = host.append_child(&area);
    area.select();
    _ = document.unchecked_ref::<web_sys::HtmlDocument>().exec_command("copy");
    area.remove();
}

#[cfg(test)]
mod tests {
    #[test]
    fn digests_are_shortened_after_their_algorithm() {
        let digest = format!("sha256:{}", "4f53cda18c2b".repeat(5));
        assert_eq!(super::short(&digest), "sha256:4f53cda18c2b");
        assert_eq!(super::short("abc"), "abc");
    }
}
