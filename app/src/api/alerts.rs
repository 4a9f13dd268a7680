//! Alerts, their rules and silences, of a project or, where none is named, of the site.

use leptos::prelude::*;
use model::alerts::RuleForm;
use model::page::Page;
use model::views::alerts::{AlertView, RuleView, SilenceView};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::lead_to;
#[cfg(feature = "ssr")]
use super::parse::{named, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{Held, can};
#[cfg(feature = "ssr")]
use domain::alerts::{self, Answering, Managing, Seeing};
#[cfg(feature = "ssr")]
use domain::notices;
#[cfg(feature = "ssr")]
use model::access::Action;
#[cfg(feature = "ssr")]
use model::alerts::{AlertState, RuleKind, SilenceForm};
#[cfg(feature = "ssr")]
use model::names::ProjectName;
#[cfg(feature = "ssr")]
use model::page::PageRequest;
#[cfg(feature = "ssr")]
use model::views::notices::RouteView;

/// The permission on a project, or on the site where none is named.
#[cfg(feature = "ssr")]
pub(super) async fn held<P: can::Permission, Q: can::Permission>(caller: &Caller, project: &str) -> Result<Held<P, Q>, ApiError> {
    caller.actor.account()?;
    let project: Option<ProjectName> = if project.is_empty() { None } else { Some(named("project", project)?) };
    Ok(Held::of(&caller.platform, &caller.actor, project.as_ref()).await?)
}

/// The page of a project's alerts, or of everything's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertsPage {
    /// Those that fire, the gravest first.
    pub firing: Vec<AlertView>,
    /// Those that hold, but not for long enough.
    pub pending: Vec<AlertView>,
    /// Those that are over, newest first.
    pub history: Page<AlertView>,
    /// Silences, newest first.
    pub silences: Vec<SilenceView>,
    /// How many rules are watched.
    pub rules: i64,
    /// How many routes are switched on; for those who may write them.
    pub routes: Option<i64>,
    /// Whether the reader may acknowledge and silence.
    pub may_answer: bool,
    /// Whether the reader may write rules and routes.
    pub may_manage: bool,
    /// What tells of changes.
    pub topic: String,
}

/// What is wrong and was.
#[server(prefix = "/fn", endpoint = "alerts/list")]
pub async fn list_alerts(#[server(default)] project: String, #[server(default)] after: Option<String>) -> Result<AlertsPage, ApiError> {
    let caller = caller().await?;
    let may: Seeing = held(&caller, &project).await?;
    let many = PageRequest { after: None, limit: Some(model::page::LIMIT_MAX) };
    let platform = &caller.platform;
    let mut firing = alerts::list(platform, &may, Some(AlertState::Firing), &many).await?.items;
    firing.sort_by_key(|alert| std::cmp::Reverse((alert.severity, alert.fired_at)));
    let may_manage = may.also(Action::ManageAlerts);
    let routes = routes(&caller, &project, may_manage).await?;
    Ok(AlertsPage {
        firing,
        pending: alerts::list(platform, &may, Some(AlertState::Pending), &many).await?.items,
        history: alerts::list(platform, &may, Some(AlertState::Resolved), &page(after)).await?,
        silences: alerts::list_silences(platform, &may, &page(None)).await?.items,
        rules: alerts::count_rules(platform, &may).await?,
        routes: routes.map(|routes| routes.iter().filter(|route| route.enabled).count() as i64),
        may_answer: may.also(Action::AnswerAlerts),
        may_manage,
        topic: topic(&may),
    })
}

/// The routes, for those who may write them.
#[cfg(feature = "ssr")]
async fn routes(caller: &Caller, project: &str, may_manage: bool) -> Result<Option<Vec<RouteView>>, ApiError> {
    if !may_manage {
        return Ok(None);
    }
    let may: Managing = held(caller, project).await?;
    Ok(Some(notices::list(&caller.platform, &may).await?.items))
}

/// What tells of changes of these alerts.
#[cfg(feature = "ssr")]
fn topic(may: &Seeing) -> String {
    may.project().map_or_else(|| "site-alerts".to_owned(), |project| format!("alerts:{}", project.id))
}

/// How many alerts fire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiringCount {
    /// So many.
    pub firing: i64,
    /// What tells of changes.
    pub topic: String,
}

/// How many alerts of a project fire, or of everything.
#[server(prefix = "/fn", endpoint = "alerts/firing")]
pub async fn count_firing(#[server(default)] project: String) -> Result<FiringCount, ApiError> {
    let caller = caller().await?;
    let may: Seeing = held(&caller, &project).await?;
    Ok(FiringCount { firing: alerts::firing(&caller.platform, &may).await?, topic: topic(&may) })
}

/// Says that the caller has seen an alert.
#[server(prefix = "/fn", endpoint = "alerts/acknowledge")]
pub async fn acknowledge_alert(
    csrf: String,
    #[server(default)] project: String,
    alert: String,
    #[server(default)] note: String,
) -> Result<AlertView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Answering = held(&caller, &project).await?;
    Ok(alerts::acknowledge(&caller.platform, &may, named("alert", &alert)?, &note).await?)
}

/// Silences alerts for a while.
#[server(prefix = "/fn", endpoint = "alerts/silence")]
pub async fn silence_alerts(
    csrf: String,
    #[server(default)] project: String,
    #[server(default)] rule: String,
    #[server(default)] service: String,
    #[server(default)] machine: String,
    #[server(default)] span: String,
    #[server(default)] why: String,
) -> Result<SilenceView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Answering = held(&caller, &project).await?;
    let form = SilenceForm { rule, service, machine, span, why };
    Ok(alerts::create_silence(&caller.platform, &may, &form).await?)
}

/// Ends a silence before its time.
#[server(prefix = "/fn", endpoint = "alerts/end_silence")]
pub async fn end_silence(csrf: String, #[server(default)] project: String, silence: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Answering = held(&caller, &project).await?;
    Ok(alerts::end_silence(&caller.platform, &may, named("silence", &silence)?).await?)
}

/// The page of rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RulesPage {
    /// The rules, by name.
    pub rules: Vec<RuleView>,
    /// Whether the reader may write them.
    pub may_manage: bool,
    /// Names of the routes that a rule can be kept to; for those who may write them.
    pub routes: Vec<String>,
    /// Names of the project's services, for them too.
    pub services: Vec<String>,
    /// Names of environments, for them too.
    pub environments: Vec<String>,
}

/// The rules of a project, or of the site.
#[server(prefix = "/fn", endpoint = "alerts/rules")]
pub async fn list_rules(#[server(default)] project: String) -> Result<RulesPage, ApiError> {
    let caller = caller().await?;
    let may: Seeing = held(&caller, &project).await?;
    let rules = alerts::list_rules(&caller.platform, &may).await?.items;
    let may_manage = may.also(Action::ManageAlerts);
    let routes = routes(&caller, &project, may_manage).await?.into_iter().flatten().map(|route| route.name).collect();
    let (services, environments) = if may_manage {
        let may: Managing = held(&caller, &project).await?;
        alerts::places(&caller.platform, &may).await?
    } else {
        Default::default()
    };
    Ok(RulesPage { rules, may_manage, routes, services, environments })
}

/// Writes a rule: a new one where none is named. `routes` are names with commas between.
#[server(prefix = "/fn", endpoint = "alerts/put_rule")]
pub async fn put_rule(
    csrf: String,
    #[server(default)] project: String,
    #[server(default)] rule: String,
    #[server(default)] form: RuleForm,
    #[server(default)] routes: String,
) -> Result<RuleView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Managing = held(&caller, &project).await?;
    // Where the condition leaves no choice the form hides what it applies to.
    let is_clear = form.kind.parse::<RuleKind>().is_ok_and(|kind| kind.subjects().len() == 1);
    let of = if is_clear { String::new() } else { form.of };
    let form = RuleForm { routes: routes.split(',').map(str::to_owned).collect(), of, ..form };
    let made = if rule.is_empty() {
        alerts::create_rule(&caller.platform, &may, &form).await?
    } else {
        alerts::update_rule(&caller.platform, &may, named("rule", &rule)?, &form).await?
    };
    lead_to(&crate::urls::alerts(&project, "/rules"));
    Ok(made)
}

/// Deletes a rule.
#[server(prefix = "/fn", endpoint = "alerts/delete_rule")]
pub async fn delete_rule(csrf: String, #[server(default)] project: String, rule: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Managing = held(&caller, &project).await?;
    Ok(alerts::delete_rule(&caller.platform, &may, named("rule", &rule)?).await?)
}
