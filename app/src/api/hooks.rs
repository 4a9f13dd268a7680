//! Hooks: doors by which CI deploys a service, and what was delivered to them.

use leptos::prelude::*;
use model::page::Page;
use model::views::hooks::{HookDeliveryDetail, HookDeliveryView, HookView, NewHook};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::posted_form;
#[cfg(feature = "ssr")]
use super::parse::{named, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use super::services::may;
#[cfg(feature = "ssr")]
use super::templates::surroundings;
#[cfg(feature = "ssr")]
use domain::access::can;
#[cfg(feature = "ssr")]
use domain::hooks::{self, HookChange};
#[cfg(feature = "ssr")]
use model::hooks::{HookForm, HookRule};

/// Name under which a new secret waits for the next page of a browser without scripts.
#[cfg(feature = "ssr")]
const NEW_HOOK: &str = "new_hook";

/// The secret is in this answer; a browser without scripts finds it on the next page, once.
#[cfg(feature = "ssr")]
async fn shown_once(caller: &Caller, made: NewHook) -> Result<NewHook, ApiError> {
    if posted_form() {
        let text = serde_json::to_string(&made).map_err(|error| domain::Error::internal(format!("a hook is JSON: {error}")))?;
        caller.session.flash(NEW_HOOK, text).await?;
    }
    Ok(made)
}

#[cfg(feature = "ssr")]
async fn waiting(caller: &Caller) -> Result<Option<NewHook>, ApiError> {
    let text = caller.session.take_flash(NEW_HOOK).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// A service's hooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HooksPage {
    /// The hooks, by name.
    pub hooks: Page<HookView>,
    /// One whose secret was just made without scripts: in this answer only.
    pub made: Option<NewHook>,
}

/// One hook with its deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookPage {
    /// The hook.
    pub hook: HookView,
    /// What was delivered, newest first.
    pub deliveries: Page<HookDeliveryView>,
    /// The delivery that is looked at.
    pub shown: Option<HookDeliveryDetail>,
    /// One whose secret was just made without scripts: in this answer only.
    pub made: Option<NewHook>,
}

/// What the form of a new hook sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookFields {
    /// What it is called in its service.
    pub name: String,
    /// Where it deploys to.
    pub environment: String,
    /// What senders prove themselves with.
    pub secret: String,
}

/// Which deliveries deploy, and what, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleFields {
    /// A pattern of tags.
    pub tags: String,
    /// A range of versions.
    pub versions: String,
    /// A pattern of branches.
    pub branches: String,
    /// A pattern of workflows.
    pub workflow: String,
    /// The tag to deploy where a delivery names no image.
    pub tag: String,
}

/// A service's hooks.
#[server(prefix = "/fn", endpoint = "hooks/list")]
pub async fn list_hooks(project: String, service: String) -> Result<HooksPage, ApiError> {
    let caller = caller().await?;
    let may = may::<can::ManageHooks>(&caller, &project, &service).await?;
    let hooks = hooks::list(&caller.platform, &may, &page(None)).await?;
    Ok(HooksPage { hooks, made: waiting(&caller).await? })
}

/// One hook with its deliveries, and one of them as it came where one is named.
#[server(prefix = "/fn", endpoint = "hooks/get")]
pub async fn get_hook(
    project: String,
    service: String,
    hook: String,
    #[server(default)] after: Option<String>,
    #[server(default)] delivery: String,
) -> Result<HookPage, ApiError> {
    let caller = caller().await?;
    let may = may::<can::ManageHooks>(&caller, &project, &service).await?;
    let name = named("hook", &hook)?;
    let hook = hooks::get(&caller.platform, &may, &name).await?;
    let deliveries = hooks::deliveries(&caller.platform, &may, &name, &page(after)).await?;
    let shown = match delivery.as_str() {
        "" => None,
        id => Some(hooks::delivery(&caller.platform, &may, &name, named("delivery", id)?).await?),
    };
    Ok(HookPage { hook, deliveries, shown, made: waiting(&caller).await? })
}

/// Makes a hook. Its secret is in this answer only.
#[server(prefix = "/fn", endpoint = "hooks/create")]
pub async fn create_hook(
    csrf: String,
    project: String,
    service: String,
    #[server(default)] form: HookFields,
    #[server(default)] rule: RuleFields,
) -> Result<NewHook, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageHooks>(&caller, &project, &service).await?;
    let HookFields { name, environment, secret } = form;
    let RuleFields { tags, versions, branches, workflow, tag } = rule;
    let form = HookForm { name, environment, tags, versions, branches, workflow, tag, secret };
    let made = hooks::create(&caller.platform, &may, &form).await?;
    shown_once(&caller, made).await
}

/// Changes which deliveries deploy, and what.
#[server(prefix = "/fn", endpoint = "hooks/update")]
pub async fn update_hook(
    csrf: String,
    project: String,
    service: String,
    hook: String,
    #[server(default)] rule: RuleFields,
) -> Result<HookView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageHooks>(&caller, &project, &service).await?;
    let rule = HookRule::read(&rule.tags, &rule.versions, &rule.branches, &rule.workflow, &rule.tag).map_err(domain::Error::Invalid)?;
    let change = HookChange { rule: Some(rule), ..HookChange::default() };
    Ok(hooks::update(&caller.platform, &may, &named("hook", &hook)?, &change).await?)
}

/// Disables a hook, at once, or enables it again.
#[server(prefix = "/fn", endpoint = "hooks/set_disabled")]
pub async fn set_hook_disabled(
    csrf: String,
    project: String,
    service: String,
    hook: String,
    #[server(default)] disabled: bool,
) -> Result<HookView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageHooks>(&caller, &project, &service).await?;
    let change = HookChange { disabled: Some(disabled), ..HookChange::default() };
    Ok(hooks::update(&caller.platform, &may, &named("hook", &hook)?, &change).await?)
}

/// Gives a hook a new secret, which is in this answer only; the old one ends at once, or after so many hours.
#[server(prefix = "/fn", endpoint = "hooks/rotate")]
pub async fn rotate_hook(
    csrf: String,
    project: String,
    service: String,
    hook: String,
    #[server(default)] overlap_hours: u32,
    #[server(default)] secret: String,
) -> Result<NewHook, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageHooks>(&caller, &project, &service).await?;
    let made = hooks::rotate(&caller.platform, &may, &named("hook", &hook)?, overlap_hours, &secret).await?;
    shown_once(&caller, made).await
}

/// Deletes a hook: whoever delivers to it is refused from now on.
#[server(prefix = "/fn", endpoint = "hooks/delete")]
pub async fn delete_hook(csrf: String, project: String, service: String, hook: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageHooks>(&caller, &project, &service).await?;
    Ok(hooks::delete(&caller.platform, &may, &named("hook", &hook)?).await?)
}

/// Works on a delivery once more.
#[server(prefix = "/fn", endpoint = "hooks/redeliver")]
pub async fn redeliver_hook(csrf: String, project: String, service: String, hook: String, delivery: String) -> Result<HookDeliveryView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageHooks>(&caller, &project, &service).await?;
    let (hook, delivery) = (named("hook", &hook)?, named("delivery", &delivery)?);
    Ok(hooks::redeliver(&caller.platform, &may, &surroundings(), &hook, delivery).await?)
}
