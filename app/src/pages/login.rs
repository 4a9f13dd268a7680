//! Signing in. It loads the next page whole, so that nothing of a page for nobody is kept.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;

use crate::api::accounts::{Login as SignIn, set_up_needed};
use crate::boot::boot;
use crate::components::{Mark, Notice, ProblemNotice, Submit, TextField, Tone, field_error};
use crate::page::{LeadTo, problem, query};
use crate::urls;

/// The sign-in page.
#[component]
pub(crate) fn Login() -> impl IntoView {
    let next = query("next");
    let action = ServerAction::<SignIn>::new();
    let refused = problem(action);
    go_where_it_leads(action);
    if boot().me.is_some() {
        return view! { <LeadTo path=urls::safe_next(&next.get_untracked()).to_owned()/> }.into_any();
    }
    let fresh = Resource::new(|| (), |()| set_up_needed());
    view! {
        <Title text="Sign in"/>
        <main id="main" class="gate">
            <p><span class="brand"><Mark/><span>"Slipway"</span></span></p>
            <div class="panel">
                <div class="panel-body">
                    <h1>"Sign in"</h1>
                    <Suspense>
                        {move || Suspend::new(async move {
                            matches!(fresh.await, Ok(true)).then(|| view! {
                                <Notice tone=Tone::Warn title="Nobody can sign in yet">
                                    <p>"Open the set-up link that the portal printed when it started."</p>
                                </Notice>
                            })
                        })}
                    </Suspense>
                    <ProblemNotice problem=refused beside=&["username", "password"]/>
                    <ActionForm action attr:class="form">
                        <input type="hidden" name="next" value=move || next.get()/>
                        <TextField name="username" label="User name" error=field_error(refused, "username") autocomplete="username"
                            required=true autofocus=true/>
                        <TextField name="password" label="Password" kind="password" error=field_error(refused, "password")
                            autocomplete="current-password" required=true/>
                        <Submit label="Sign in" pending=action.pending()/>
                    </ActionForm>
                </div>
            </div>
        </main>
    }
    .into_any()
}

/// Loads the page that the answer names.
pub(super) fn go_where_it_leads<S>(action: ServerAction<S>)
where
    S: leptos::server_fn::ServerFn<Output = String, Error = crate::api::ApiError> + Clone + Send + Sync + 'static,
{
    Effect::new(move |_| {
        if let Some(Ok(path)) = action.value().get() {
            #[cfg(feature = "hydrate")]
            {
                _ = window().location().assign(&path);
            }
            #[cfg(not(feature = "hydrate"))]
            let _ = path;
        }
    });
}
