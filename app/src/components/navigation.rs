//! Where you are and where you can go from here.

use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// One step of the way to a page.
#[derive(Clone, Debug)]
pub(crate) struct Crumb {
    /// Where it leads.
    pub href: String,
    /// Its name.
    pub name: String,
}

impl Crumb {
    /// A step.
    pub(crate) fn new(href: impl Into<String>, name: impl Into<String>) -> Self {
        Self { href: href.into(), name: name.into() }
    }
}

/// The way to a page, without the page itself.
#[component]
pub(crate) fn Crumbs(
    /// The steps, outermost first.
    path: Vec<Crumb>,
) -> impl IntoView {
    let steps = path.into_iter().map(|crumb| view! { <li><a href=crumb.href>{crumb.name}</a></li> }).collect_view();
    view! { <nav class="crumbs" aria-label="Breadcrumb"><ol>{steps}</ol></nav> }.into_any()
}

/// One view of a thing.
#[derive(Clone, Debug)]
pub(crate) struct Tab {
    /// Its page.
    pub href: String,
    /// Its name.
    pub name: &'static str,
    /// Whether pages below it belong to it.
    pub deep: bool,
    /// A page elsewhere that belongs to it.
    pub also: Option<&'static str>,
    /// How many alerts fire there; none is not told.
    pub firing: i64,
}

impl Tab {
    /// A view that is one page.
    pub(crate) fn new(href: impl Into<String>, name: &'static str) -> Self {
        Self { href: href.into(), name, deep: false, also: None, firing: 0 }
    }

    /// A view with pages below it.
    pub(crate) fn deep(href: impl Into<String>, name: &'static str) -> Self {
        Self { href: href.into(), name, deep: true, also: None, firing: 0 }
    }

    /// The same with a page that one comes to from here.
    pub(crate) fn also(self, href: &'static str) -> Self {
        Self { also: Some(href), ..self }
    }

    /// The same with the number of alerts that fire there.
    pub(crate) fn firing(self, firing: i64) -> Self {
        Self { firing, ..self }
    }

    fn holds(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        path == self.href || self.also == Some(path) || (self.deep && path.strip_prefix(self.href.as_str()).is_some_and(|rest| rest.starts_with('/')))
    }
}

/// The views of a thing, side by side.
#[component]
pub(crate) fn Tabs(
    /// What they are views of, for readers.
    #[prop(into)]
    label: String,
    /// The views.
    tabs: Vec<Tab>,
) -> impl IntoView {
    let path = use_location().pathname;
    let items = tabs
        .into_iter()
        .map(|tab| {
            let (href, name) = (tab.href.clone(), tab.name);
            // The bare number says nothing to who does not see where it stands.
            let firing = (tab.firing > 0).then(|| {
                view! {
                    <span class="tab-count" aria-hidden="true">{tab.firing}</span>
                    <span class="visually-hidden">{format!(" {} firing", tab.firing)}</span>
                }
            });
            let current = move || path.with(|path| tab.holds(path)).then_some("page");
            view! { <li><a href=href aria-current=current>{name}{firing}</a></li> }
        })
        .collect_view();
    let bar = NodeRef::<leptos::html::Nav>::new();
    // On a narrow screen the current one may stand outside.
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        path.track();
        request_animation_frame(move || {
            use wasm_bindgen::JsCast;
            let Some(bar) = bar.try_get_untracked().flatten() else { return };
            let Ok(Some(current)) = bar.query_selector("[aria-current]") else { return };
            if let Some(current) = current.dyn_ref::<web_sys::HtmlElement>() {
                let beyond = current.offset_left() + current.offset_width() - bar.client_width() - bar.offset_left();
                // Not flush at the edge: more follows.
                bar.set_scroll_left(if beyond > 0 { beyond + 20 } else { 0 });
            }
        });
    });
    view! { <nav class="tabs" aria-label=label node_ref=bar><ul>{items}</ul></nav> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::Tab;

    #[test]
    fn a_tab_holds_its_own_pages_alone() {
        assert!(Tab::new("/projects/a", "A").holds("/projects/a/"));
        assert!(!Tab::new("/projects/a", "A").holds("/projects/a/images"));
        assert!(Tab::deep("/projects/a/images", "I").holds("/projects/a/images/web"));
        assert!(!Tab::deep("/projects/a/images", "I").holds("/projects/a/images-old"));
        assert!(Tab::new("/admin/others", "O").also("/admin/import").holds("/admin/import"));
    }
}
