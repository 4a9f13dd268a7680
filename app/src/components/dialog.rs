//! Questions before what cannot be undone. A native `<dialog>`: the browser keeps the focus inside, closes it by Escape
//! and gives the focus back. It opens by `commandfor`, without a script, where the browser knows that.

use leptos::prelude::*;

/// A button that asks first, in a dialog with a form.
#[component]
pub(crate) fn Confirm(
    /// Names the dialog on its page.
    #[prop(into)]
    id: String,
    /// What the button says.
    #[prop(into)]
    button: String,
    /// The question.
    #[prop(into)]
    title: String,
    /// The button's looks beside `button`.
    #[prop(default = "button-danger")]
    look: &'static str,
    /// Told when it is opened.
    #[prop(optional)]
    on_open: Option<Callback<()>>,
    /// Why it cannot be done: then the button rests, and says so.
    #[prop(optional_no_strip)]
    because: Option<String>,
    /// The form: what is destroyed, the fields, and the button that does it.
    children: Children,
) -> impl IntoView {
    let node = NodeRef::<leptos::html::Dialog>::new();
    let title_id = format!("{id}-title");
    view! {
        <button type="button" class=format!("button {look}") commandfor=id.clone() command="show-modal" aria-haspopup="dialog"
            disabled=because.is_some() title=because
            on:click=move |_| {
                if let Some(told) = on_open {
                    told.run(());
                }
                open(node);
            }>
            {button}
        </button>
        <dialog id=id.clone() node_ref=node aria-labelledby=title_id.clone() closedby="any">
            <div class="dialog-body">
                <h2 id=title_id.clone()>{title}</h2>
                {children()}
            </div>
        </dialog>
    }
    .into_any()
}

/// The button that leaves a dialog as it was.
#[component]
pub(crate) fn Keep(
    /// The dialog's id.
    #[prop(into)]
    dialog: String,
    /// What it says.
    #[prop(default = "Cancel")]
    label: &'static str,
) -> impl IntoView {
    let close = dialog.clone();
    view! {
        <button type="button" class="button" commandfor=dialog command="close" on:click=move |_| shut(&close)>{label}</button>
    }
    .into_any()
}

#[cfg(not(feature = "hydrate"))]
fn open(_node: NodeRef<leptos::html::Dialog>) {}

/// Opens it where the browser does not do so by itself. Looking later whether it is open would open one again that was left meanwhile.
#[cfg(feature = "hydrate")]
fn open(node: NodeRef<leptos::html::Dialog>) {
    let Some(Some(dialog)) = node.try_get_untracked() else { return };
    let knows = document().create_element("button").is_ok_and(|button| js_sys::Reflect::has(&button, &"commandForElement".into()).unwrap_or(false));
    if !knows && !dialog.open() {
        _ = dialog.show_modal();
    }
}

#[cfg(not(feature = "hydrate"))]
pub(crate) fn shut(_id: &str) {}

/// Closes the dialog with this id, if it is open.
#[cfg(feature = "hydrate")]
pub(crate) fn shut(id: &str) {
    use wasm_bindgen::JsCast;
    if let Some(dialog) = document().get_element_by_id(id).and_then(|node| node.dyn_into::<web_sys::HtmlDialogElement>().ok()) {
        dialog.close();
    }
}
