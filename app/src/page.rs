//! What every page does the same way: read its data and say so while it waits, show why it cannot be shown, send a change and
//! read again afterwards. Pages hold no other machinery.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_meta::Title;
use leptos_router::hooks::{use_location, use_params_map, use_query_map};
use model::problem::{Problem, ProblemKind};

use crate::api::ApiError;
use crate::components::{Notice, Skeleton, Toaster, Tone, sentence};
use crate::live::Pulse;
use crate::urls;

/// What a page reads.
pub(crate) type Data<T> = Resource<Result<T, ApiError>>;

/// A segment of this page's address.
pub(crate) fn param(name: &'static str) -> Memo<String> {
    let params = use_params_map();
    Memo::new(move |_| params.with(|params| params.get(name).unwrap_or_default()))
}

/// A value of this page's query; empty where it is left out.
pub(crate) fn query(name: &'static str) -> Memo<String> {
    let query = use_query_map();
    Memo::new(move |_| query.with(|query| query.get(name).unwrap_or_default()))
}

/// Shows what was read, or why it cannot be shown. While it is on its way there is room for it; while it is read again what
/// was there stays.
pub(crate) fn loaded<T, V>(data: Data<T>, view: impl Fn(T) -> V + Copy + Send + Sync + 'static) -> impl IntoView
where
    T: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
    V: IntoView + 'static,
{
    view! {
        <Transition fallback=|| view! { <Skeleton/> }>
            {made(move || Suspend::new(async move {
                match data.await {
                    Ok(value) => kept(|| view(value).into_any()),
                    Err(error) => view! { <Refusal problem=error.0/> }.into_any(),
                }
            }))}
        </Transition>
    }
    .into_any()
}

/// The same for what belongs to something read above, which shows its own refusal: then there is nothing to add.
pub(crate) fn loaded_in<A, T, V>(above: Data<A>, data: Data<T>, view: impl Fn(A, T) -> V + Copy + Send + Sync + 'static) -> impl IntoView
where
    A: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
    T: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
    V: IntoView + 'static,
{
    view! {
        <Transition fallback=|| view! { <Skeleton/> }>
            {made(move || Suspend::new(async move {
                match (above.await, data.await) {
                    (Err(_), _) => ().into_any(),
                    (Ok(above), Ok(value)) => kept(|| view(above, value).into_any()),
                    (Ok(_), Err(error)) => view! { <Refusal problem=error.0/> }.into_any(),
                }
            }))}
        </Transition>
    }
    .into_any()
}

/// The same with something that only stands beside it: where that cannot be read, it is left out. Both are awaited in one place, since a reading that
/// begins only after another one was shown cannot be taken over by the browser.
pub(crate) fn loaded_with<T, E, V>(data: Data<T>, more: Data<E>, view: impl Fn(T, Option<E>) -> V + Copy + Send + Sync + 'static) -> impl IntoView
where
    T: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
    E: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
    V: IntoView + 'static,
{
    view! {
        <Transition fallback=|| view! { <Skeleton/> }>
            {made(move || Suspend::new(async move {
                match (data.await, more.await) {
                    (Ok(value), more) => kept(|| view(value, more.ok()).into_any()),
                    (Err(error), _) => view! { <Refusal problem=error.0/> }.into_any(),
                }
            }))}
        </Transition>
    }
    .into_any()
}

/// The same for what is there in any case, and says more once something was read.
pub(crate) fn beside<E, V>(more: Data<E>, view: impl Fn(Option<E>) -> V + Copy + Send + Sync + 'static) -> impl IntoView
where
    E: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
    V: IntoView + 'static,
{
    view! {
        <Transition fallback=move || view(None)>
            {made(move || Suspend::new(async move {
                let more = more.await.ok();
                kept(|| view(more).into_any())
            }))}
        </Transition>
    }
    .into_any()
}

/// A part of a page that waits for data. On the server it is made once: Leptos looks for further readings by making a closure's view another time,
/// and every reading within it would be done another time too. In the browser it is made again whenever the data changed.
#[cfg(feature = "ssr")]
fn made<V>(part: impl Fn() -> V) -> V {
    part()
}

#[cfg(not(feature = "ssr"))]
fn made<F>(part: F) -> F {
    part
}

/// A view whose signals live as long as it is on screen. Leptos ends those of a closure when the closure runs again; while data are read anew, what
/// is shown still uses its own, and an answer or a click that came in that moment would find them gone and end the page's program.
#[cfg(not(feature = "ssr"))]
fn kept(view: impl FnOnce() -> AnyView) -> AnyView {
    let Some(above) = Owner::current().and_then(|owner| owner.parent()) else { return view() };
    let owner = above.child();
    let view = owner.with(view);
    leptos::tachys::reactive_graph::OwnedView::new_with_owner(view, owner).into_any()
}

#[cfg(feature = "ssr")]
fn kept(view: impl FnOnce() -> AnyView) -> AnyView {
    view()
}

/// Why a page cannot be shown, with the status that says the same.
#[component]
pub(crate) fn Refusal(problem: Problem) -> impl IntoView {
    set_status(problem.kind);
    if problem.kind == ProblemKind::Unauthenticated {
        let location = use_location();
        let path = location.pathname.get_untracked();
        let search = location.search.get_untracked();
        let next = if search.is_empty() { path } else { format!("{path}?{search}") };
        return view! { <LeadTo path=urls::login(&next)/> }.into_any();
    }
    let tone = if problem.kind == ProblemKind::NotFound { Tone::Idle } else { Tone::Bad };
    view! {
        <Title text=problem.kind.title()/>
        <Notice tone title=sentence(&problem.detail)>
            <p>{match problem.kind {
                ProblemKind::Forbidden => "",
                ProblemKind::NotFound => "It may have been deleted, or you are not a member of the project that it belongs to.",
                _ => "Nothing was changed. Load the page again in a moment.",
            }}</p>
            <p><a href=urls::HOME>"To your projects"</a></p>
        </Notice>
    }
    .into_any()
}

/// Leads to another page instead of this one.
#[component]
pub(crate) fn LeadTo(path: String) -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>()
        && let Ok(value) = axum::http::HeaderValue::from_str(&path)
    {
        response.insert_header(axum::http::header::LOCATION, value);
        response.set_status(axum::http::StatusCode::FOUND);
    }
    #[cfg(not(feature = "ssr"))]
    leptos_router::hooks::use_navigate()(&path, leptos_router::NavigateOptions { replace: true, ..Default::default() });
    #[cfg(feature = "ssr")]
    let _ = path;
}

/// Gives the page that is being rendered the status of a refusal.
#[cfg(feature = "ssr")]
fn set_status(kind: ProblemKind) {
    if let (Some(response), Ok(status)) = (use_context::<leptos_axum::ResponseOptions>(), axum::http::StatusCode::from_u16(kind.status()))
        && kind != ProblemKind::Unauthenticated
    {
        response.set_status(status);
    }
}

#[cfg(not(feature = "ssr"))]
fn set_status(_kind: ProblemKind) {}

/// A change that this page can make. When it was made, the page says so, closes the dialog that asked, and reads again.
pub(crate) fn change<S>(done: &'static str, pulse: Option<Pulse>) -> ServerAction<S>
where
    S: ServerFn<Error = ApiError> + Clone + Send + Sync + 'static,
    S::Output: Send + Sync + 'static,
{
    let action = ServerAction::<S>::new();
    let toaster = use_context::<Toaster>();
    Effect::new(move |_| {
        let version = action.version().get();
        if version == 0 || !action.value().with_untracked(|value| matches!(value, Some(Ok(_)))) {
            return;
        }
        close_dialogs();
        empty_forms(S::url());
        if let Some(pulse) = pulse {
            pulse.beat();
        }
        if let (Some(toaster), false) = (toaster, done.is_empty()) {
            toaster.say(done);
        }
    });
    action
}

/// Why a change was refused last, if it was.
pub(crate) fn problem<S>(action: ServerAction<S>) -> Signal<Option<Problem>>
where
    S: ServerFn<Error = ApiError> + Clone + Send + Sync + 'static,
    S::Output: Send + Sync + 'static,
{
    Signal::derive(move || {
        let refused = action.value().with(|value| match value {
            Some(Err(error)) => Some(error.0.clone()),
            _ => None,
        });
        // Signed out meanwhile: the whole page is of somebody who is not there any more.
        #[cfg(feature = "hydrate")]
        if refused.as_ref().is_some_and(|problem| problem.kind == ProblemKind::Unauthenticated) {
            let path = window().location().pathname().unwrap_or_default();
            _ = window().location().assign(&urls::login(&path));
        }
        refused
    })
}

/// A change for which a page holds many forms, one for each of its rows: a refusal is told in the form that sent it and in no other.
pub(crate) struct RowChange<S>
where
    S: ServerFn<Error = ApiError> + 'static,
    S::Output: 'static,
{
    /// What is sent.
    pub action: ServerAction<S>,
    sent: RwSignal<Option<S>>,
}

impl<S> Clone for RowChange<S>
where
    S: ServerFn<Error = ApiError> + 'static,
    S::Output: 'static,
{
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for RowChange<S>
where
    S: ServerFn<Error = ApiError> + 'static,
    S::Output: 'static,
{
}

/// The same as [`change`], for the rows of a page.
pub(crate) fn row_change<S>(done: &'static str, pulse: Option<Pulse>) -> RowChange<S>
where
    S: ServerFn<Error = ApiError> + Clone + Send + Sync + 'static,
    S::Output: Send + Sync + 'static,
{
    let action = change::<S>(done, pulse);
    let sent = RwSignal::new(None);
    // While it is on its way the action says what was sent, and forgets it with the answer.
    Effect::new(move |_| {
        if let Some(input) = action.input().get() {
            sent.set(Some(input));
        }
    });
    RowChange { action, sent }
}

impl<S> RowChange<S>
where
    S: ServerFn<Error = ApiError> + Clone + Send + Sync + 'static,
    S::Output: Send + Sync + 'static,
{
    /// Why it was refused last, if that was sent by this row.
    pub(crate) fn problem(self, mine: impl Fn(&S) -> bool + Send + Sync + 'static) -> Signal<Option<Problem>> {
        let refused = problem(self.action);
        Signal::derive(move || refused.get().filter(|_| self.sent.with(|sent| sent.as_ref().is_some_and(&mine))))
    }

    /// Why it was refused, if nobody knows by which row: a browser without scripts sent it. To be told above all rows.
    pub(crate) fn unplaced(self) -> Signal<Option<Problem>> {
        let refused = problem(self.action);
        Signal::derive(move || refused.get().filter(|_| self.sent.with(Option::is_none)))
    }

    /// A row's dialog opens: what was refused before is not said again.
    pub(crate) fn forget(self) -> Callback<()> {
        forget(self.action)
    }
}

/// A dialog opens: what its action was refused before, maybe for another row, is not said again.
pub(crate) fn forget<S>(action: ServerAction<S>) -> Callback<()>
where
    S: ServerFn<Error = ApiError> + Clone + Send + Sync + 'static,
    S::Output: Send + Sync + 'static,
{
    Callback::new(move |()| {
        if !action.pending().get_untracked() {
            action.clear();
        }
    })
}

#[cfg(not(feature = "hydrate"))]
fn empty_forms(_action: &str) {}

/// What was sent is not offered again: a form goes back to what it began with.
#[cfg(feature = "hydrate")]
fn empty_forms(action: &str) {
    use wasm_bindgen::JsCast;
    let Ok(forms) = document().query_selector_all(&format!("form[action=\"{action}\"]")) else { return };
    for at in 0..forms.length() {
        if let Some(form) = forms.get(at).and_then(|node| node.dyn_into::<web_sys::HtmlFormElement>().ok()) {
            form.reset();
        }
    }
}

#[cfg(not(feature = "hydrate"))]
fn close_dialogs() {}

#[cfg(feature = "hydrate")]
fn close_dialogs() {
    use wasm_bindgen::JsCast;
    while let Ok(Some(node)) = document().query_selector("dialog[open]") {
        match node.dyn_into::<web_sys::HtmlDialogElement>() {
            Ok(dialog) => dialog.close(),
            Err(_) => return,
        }
    }
}
