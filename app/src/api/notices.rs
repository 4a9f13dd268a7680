//! Routes that notices are sent to, of a project or, where none is named, of the site; and how e-mail leaves.

use leptos::prelude::*;
use model::notices::MailForm;
use model::page::Page;
use model::views::notices::{MailView, NoticeView, RouteMade, RouteView};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::alerts::held;
#[cfg(feature = "ssr")]
use super::answer::{lead_to, posted_form};
#[cfg(feature = "ssr")]
use super::parse::{named, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{Site, can};
#[cfg(feature = "ssr")]
use domain::notices::{self, Managing, mail};
#[cfg(feature = "ssr")]
use model::notices::RouteForm;

/// Name under which a new secret waits for the next page of a browser without scripts.
#[cfg(feature = "ssr")]
const MADE: &str = "new_route";

/// The page of routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutesPage {
    /// The routes, by name.
    pub routes: Vec<RouteView>,
    /// Whether e-mail can leave.
    pub mail: bool,
    /// One whose secret was just made without scripts: in this answer only.
    pub made: Option<RouteMade>,
    /// What tells of changes.
    pub topic: String,
}

/// The routes of a project, or of the site.
#[server(prefix = "/fn", endpoint = "notices/routes")]
pub async fn list_routes(#[server(default)] project: String) -> Result<RoutesPage, ApiError> {
    let caller = caller().await?;
    let may: Managing = held(&caller, &project).await?;
    let routes = notices::list(&caller.platform, &may).await?.items;
    let made = caller.session.take_flash(MADE).await?.and_then(|text| serde_json::from_str(&text).ok());
    let topic = may.project().map_or_else(|| "site-alerts".to_owned(), |project| format!("alerts:{}", project.id));
    Ok(RoutesPage { routes, mail: mail::is_set(&caller.platform, &may).await?, made, topic })
}

/// The secret is in this answer; a browser without scripts finds it on the next page, once.
#[cfg(feature = "ssr")]
async fn shown_once(caller: &Caller, project: &str, made: RouteMade) -> Result<RouteMade, ApiError> {
    if posted_form() && made.secret.is_some() {
        let text = serde_json::to_string(&made).map_err(|error| domain::Error::internal(format!("a route is JSON: {error}")))?;
        caller.session.flash(MADE, text).await?;
    }
    lead_to(&crate::urls::alerts(project, "/routes"));
    Ok(made)
}

/// What a form of a route sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteFields {
    /// What it is called.
    pub name: String,
    /// How it is reached.
    pub kind: String,
    /// Where.
    pub address: String,
    /// What webhooks are signed with.
    pub secret: String,
    /// Whether it tells nothing for now.
    pub disabled: bool,
}

#[cfg(feature = "ssr")]
impl RouteFields {
    fn form(self, events: Vec<String>) -> RouteForm {
        RouteForm { name: self.name, kind: self.kind, address: self.address, secret: self.secret, events, disabled: self.disabled }
    }
}

/// Writes a route that tells these events: a new one where none is named. A secret that is made for it is in this answer only.
#[server(prefix = "/fn", endpoint = "notices/put_route")]
pub async fn put_route(
    csrf: String,
    #[server(default)] project: String,
    #[server(default)] route: String,
    #[server(default)] form: RouteFields,
    #[server(default)] events: Vec<String>,
) -> Result<RouteMade, ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Managing = held(&caller, &project).await?;
    let form = form.form(events);
    let made = if route.is_empty() {
        notices::create(&caller.platform, &may, &form).await?
    } else {
        notices::update(&caller.platform, &may, named("route", &route)?, &form).await?
    };
    shown_once(&caller, &project, made).await
}

/// Deletes a route.
#[server(prefix = "/fn", endpoint = "notices/delete_route")]
pub async fn delete_route(csrf: String, #[server(default)] project: String, route: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Managing = held(&caller, &project).await?;
    notices::delete(&caller.platform, &may, named("route", &route)?).await?;
    lead_to(&crate::urls::alerts(&project, "/routes"));
    Ok(())
}

/// Sends a test over a route.
#[server(prefix = "/fn", endpoint = "notices/test")]
pub async fn test_route(csrf: String, #[server(default)] project: String, route: String) -> Result<NoticeView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Managing = held(&caller, &project).await?;
    let sent = notices::test(&caller.platform, &may, named("route", &route)?).await?;
    lead_to(&crate::urls::alerts(&project, &format!("/routes/{route}")));
    Ok(sent)
}

/// Sends a notice again.
#[server(prefix = "/fn", endpoint = "notices/redeliver")]
pub async fn redeliver_notice(csrf: String, #[server(default)] project: String, route: String, notice: String) -> Result<NoticeView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Managing = held(&caller, &project).await?;
    Ok(notices::redeliver(&caller.platform, &may, named("route", &route)?, named("notice", &notice)?).await?)
}

/// The page of one route: what became of its notices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutePage {
    /// The route.
    pub route: RouteView,
    /// Whether e-mail can leave.
    pub mail: bool,
    /// Its notices, newest first.
    pub notices: Page<NoticeView>,
    /// What tells of changes.
    pub topic: String,
}

/// One route and its notices.
#[server(prefix = "/fn", endpoint = "notices/route")]
pub async fn get_route(#[server(default)] project: String, route: String, #[server(default)] after: Option<String>) -> Result<RoutePage, ApiError> {
    let caller = caller().await?;
    let may: Managing = held(&caller, &project).await?;
    let id: model::ids::NoticeRouteId = named("route", &route)?;
    let known = notices::list(&caller.platform, &may).await?.items.into_iter().find(|route| route.id == id);
    let route = known.ok_or(domain::Error::NotFound { what: "route" })?;
    let topic = may.project().map_or_else(|| "site-alerts".to_owned(), |project| format!("alerts:{}", project.id));
    let mail = mail::is_set(&caller.platform, &may).await?;
    Ok(RoutePage { route, mail, notices: notices::log(&caller.platform, &may, id, &page(after)).await?, topic })
}

/// How e-mail leaves.
#[server(prefix = "/fn", endpoint = "notices/mail")]
pub async fn get_mail() -> Result<Option<MailView>, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::ManageAlerts, _>(&caller.platform, &Site).await?;
    Ok(mail::get(&caller.platform, &may).await?)
}

/// Sets how e-mail leaves.
#[server(prefix = "/fn", endpoint = "notices/put_mail")]
pub async fn put_mail(csrf: String, #[server(default)] form: MailForm) -> Result<Option<MailView>, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::ManageAlerts, _>(&caller.platform, &Site).await?;
    Ok(mail::put(&caller.platform, &may, &form).await?)
}
