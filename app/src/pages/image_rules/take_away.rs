//! The question before a rule is taken away, whichever sort of rule it is.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos::server_fn::client::browser::BrowserClient;
use leptos::server_fn::codec::{Json, PostUrl};
use leptos::server_fn::{Http, ServerFn};
use model::problem::Problem;
use serde::de::DeserializeOwned;

use crate::api::ApiError;
use crate::components::{Confirm, Csrf, Keep, ProblemNotice, Submit};
use crate::page::RowChange;

/// The button that takes a rule away, and its question.
#[component]
pub(super) fn TakeAway<S>(
    /// What tells rules of this sort from others of the same name on the page.
    kind: &'static str,
    /// The project.
    project: String,
    /// The rule's name.
    rule: String,
    /// What is sent: the fields `project` and `name`.
    remove: RowChange<S>,
    /// Why it was refused for this rule.
    refused: Signal<Option<Problem>>,
    /// What comes of it.
    children: Children,
) -> impl IntoView
where
    S: ServerFn<Client = BrowserClient, Protocol = Http<PostUrl, Json>, Error = ApiError> + DeserializeOwned + Clone + Send + Sync + 'static,
    S::Output: Send + Sync + 'static,
{
    let id = format!("{kind}-{}", part_of_id(&rule));
    view! {
        <Confirm id=id.clone() button="Take away" look="button-small button-danger" title=format!("Take the rule {rule} away?") on_open=remove.forget()>
            {children()}
            <ProblemNotice problem=refused/>
            <ActionForm action=remove.action>
                <Csrf/>
                <input type="hidden" name="project" value=project/>
                <input type="hidden" name="name" value=rule/>
                <div class="actions"><Keep dialog=id/><Submit label="Take rule away" look="button-danger-fill" pending=remove.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

/// A name as a part of an element's id: each its own, whatever signs are in it.
fn part_of_id(name: &str) -> String {
    name.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("_{byte:02x}") }).collect()
}
