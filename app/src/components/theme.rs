//! Light, dark, or as the system says. The choice is kept in the browser alone; a tiny script in the page's head applies
//! it before anything is painted.

use leptos::prelude::*;

/// Applies the kept choice. It runs before the first paint, so it stands in the page itself.
pub(crate) const THEME_SCRIPT: &str =
    "try{var t=localStorage.getItem('slipway-theme');if(t==='light'||t==='dark')document.documentElement.dataset.theme=t}catch(e){}";

/// The switch. Which choice holds is shown by the style sheet from `<html data-theme>`, right from the first paint.
#[component]
pub(crate) fn ThemeSwitch() -> impl IntoView {
    let item = |value: &'static str, name: &'static str| view! { <button type="button" value=value on:click=move |_| choose(value)>{name}</button> };
    view! {
        <div class="segments theme needs-script" role="group" aria-label="Theme">
            {item("system", "System")}{item("light", "Light")}{item("dark", "Dark")}
        </div>
    }
    .into_any()
}

#[cfg(not(feature = "hydrate"))]
fn choose(_theme: &str) {}

/// Keeps and applies a choice.
#[cfg(feature = "hydrate")]
fn choose(theme: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        _ = if theme == "system" { storage.remove_item("slipway-theme") } else { storage.set_item("slipway-theme", theme) };
    }
    if let Some(root) = document().document_element() {
        _ = if theme == "system" { root.remove_attribute("data-theme") } else { root.set_attribute("data-theme", theme) };
    }
}
