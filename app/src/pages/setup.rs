//! The first operator, made by the one-time link that the portal printed.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use model::names::Username;

use super::login::go_where_it_leads;
use crate::api::accounts::{SetUp as MakeFirst, set_up_needed};
use crate::components::{Mark, Notice, ProblemNotice, Submit, TextField, Tone, field_error};
use crate::page::{problem, query};
use crate::urls;

/// The set-up page.
#[component]
pub(crate) fn SetUp() -> impl IntoView {
    let token = query("token");
    let action = ServerAction::<MakeFirst>::new();
    let refused = problem(action);
    go_where_it_leads(action);
    let needed = Resource::new(|| (), |()| set_up_needed());
    let form = move || {
        view! {
            <p class="muted">"This makes the first operator: the account that manages users and environments."</p>
            <ProblemNotice problem=refused beside=&["username", "password", "token"]/>
            <ActionForm action attr:class="form">
                <TextField name="token" label="Set-up token" value=token.get_untracked() required=true mono=true error=field_error(refused, "token")
                    hint="It stands in the link that the portal printed when it started."/>
                <TextField name="username" label="User name" value="admin" autocomplete="username" required=true
                    check=Some(check_username) error=field_error(refused, "username")/>
                <TextField name="password" label="Password" kind="password" autocomplete="new-password" required=true
                    check=Some(check_password) hint="At least 10 characters." error=field_error(refused, "password")/>
                <Submit label="Set up Slipway" pending=action.pending()/>
            </ActionForm>
        }
    };
    view! {
        <Title text="Set up"/>
        <main id="main" class="gate">
            <p><span class="brand"><Mark/><span>"Slipway"</span></span></p>
            <div class="panel">
                <div class="panel-body">
                    <h1>"Set up Slipway"</h1>
                    <Suspense>
                        {move || Suspend::new(async move {
                            if matches!(needed.await, Ok(false)) {
                                view! {
                                    <Notice tone=Tone::Ok title="Slipway is set up already">
                                        <p><a href=urls::LOGIN>"Sign in"</a>". A forgotten password: "<code>"slipway admin reset-password"</code></p>
                                    </Notice>
                                }.into_any()
                            } else {
                                form().into_any()
                            }
                        })}
                    </Suspense>
                </div>
            </div>
        </main>
    }
    .into_any()
}

/// The check of a user name as it is typed.
pub(super) fn check_username(text: &str) -> Result<(), String> {
    text.trim().parse::<Username>().map(drop).map_err(|error| error.to_string())
}

/// The check of a new password as it is typed.
pub(super) fn check_password(text: &str) -> Result<(), String> {
    model::password::check("", text).map_err(str::to_owned)
}
