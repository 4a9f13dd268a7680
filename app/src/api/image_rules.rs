//! A project's rules for images: what is immutable, what is kept, dry runs and runs.

use leptos::prelude::*;
use model::page::Page;
use model::views::rules::{ImageRulesView, RetentionState, RuleRunDetail, RuleRunView};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::lead_to;
#[cfg(feature = "ssr")]
use super::parse::{field, named, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{Lease, May, can};
#[cfg(feature = "ssr")]
use domain::images::rules;
#[cfg(feature = "ssr")]
use domain::projects::Project;
#[cfg(feature = "ssr")]
use model::names::ProjectName;
#[cfg(feature = "ssr")]
use model::pattern::Pattern;
#[cfg(feature = "ssr")]
use model::rules::{ImmutableRule, Keep, RetentionRule, rule_name};
#[cfg(feature = "ssr")]
use model::views::rules::RuleRunState;

/// How long an answer waits for a run's end; a longer one is watched on its page.
#[cfg(feature = "ssr")]
const WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// The rules with their runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesPage {
    /// The rules.
    pub view: ImageRulesView,
    /// Their runs, newest first; for who may change the rules.
    pub runs: Option<Page<RuleRunView>>,
    /// What the last dry run of these rules would delete, where one came to its end.
    pub last_dry_run: Option<RuleRunView>,
}

/// A run, and whether its rules wait to be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRunPage {
    /// The run with a page of what it decided.
    pub detail: RuleRunDetail,
    /// How the stored rules stand.
    pub retention: RetentionState,
}

#[cfg(feature = "ssr")]
async fn may(caller: &Caller, project: &str) -> Result<May<can::ManageImageRules, Project>, ApiError> {
    Ok(caller.actor.may::<_, ProjectName>(&caller.platform, &named("project", project)?).await?)
}

/// The permission, for as long as the end of a run is waited for.
#[cfg(feature = "ssr")]
async fn lease(caller: &Caller, project: &str) -> Result<Lease<can::ManageImageRules, ProjectName>, ApiError> {
    Ok(caller.actor.lease::<can::ManageImageRules, ProjectName>(&caller.platform, named("project", project)?).await?)
}

#[cfg(feature = "ssr")]
async fn read(caller: &Caller, project: &str) -> Result<ImageRulesView, ApiError> {
    let may = caller.actor.may::<can::Push, ProjectName>(&caller.platform, &named("project", project)?).await?;
    Ok(rules::get(&caller.platform, &may).await?)
}

/// The rules of a project: also for those who may not change them, since they refuse their pushes.
#[server(prefix = "/fn", endpoint = "image_rules/get")]
pub async fn get_rules(project: String, #[server(default)] after: Option<String>) -> Result<RulesPage, ApiError> {
    let caller = caller().await?;
    let view = read(&caller, &project).await?;
    let may: May<can::ManageImageRules, Project> = match caller.actor.may::<_, ProjectName>(&caller.platform, &named("project", &project)?).await {
        Ok(may) => may,
        // Who may read the rules alone: no refusal of the page.
        Err(domain::Error::Forbidden(_)) => return Ok(RulesPage { view, runs: None, last_dry_run: None }),
        Err(error) => return Err(error.into()),
    };
    let runs = rules::list(&caller.platform, &may, &page(after.clone())).await?;
    let newest = if after.is_none_or(|after| after.is_empty()) { None } else { Some(rules::list(&caller.platform, &may, &page(None)).await?) };
    let is_told = |run: &&RuleRunView| run.dry_run && run.is_current && run.state == RuleRunState::Done;
    let last_dry_run = newest.as_ref().unwrap_or(&runs).items.iter().find(is_told).cloned();
    Ok(RulesPage { view, runs: Some(runs), last_dry_run })
}

/// One run: what goes by it, or what stays.
#[server(prefix = "/fn", endpoint = "image_rules/run_detail")]
pub async fn get_rule_run(
    project: String,
    run: String,
    #[server(default)] stays: bool,
    #[server(default)] after: Option<String>,
) -> Result<RuleRunPage, ApiError> {
    let caller = caller().await?;
    let may = may(&caller, &project).await?;
    let detail = rules::detail(&caller.platform, &may, named("run", &run)?, Some(!stays), &page(after)).await?;
    Ok(RuleRunPage { detail, retention: read(&caller, &project).await?.retention })
}

/// An empty pattern stands for everything.
#[cfg(feature = "ssr")]
fn pattern(name: &str, text: &str) -> Result<Pattern, ApiError> {
    if text.trim().is_empty() { Ok(Pattern::everything()) } else { field(name, text) }
}

#[cfg(feature = "ssr")]
fn number<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<Option<T>, ApiError> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| domain::Error::invalid(name, "a whole number").into()),
    }
}

/// Makes tags immutable. A rule of the same name is replaced.
#[server(prefix = "/fn", endpoint = "image_rules/put_immutable")]
pub async fn put_immutable(
    csrf: String,
    project: String,
    #[server(default)] name: String,
    #[server(default)] repositories: String,
    #[server(default)] tags: String,
) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may(&caller, &project).await?;
    let (repositories, tags) = (pattern("repositories", &repositories)?, pattern("tags", &tags)?);
    let rule = ImmutableRule { name: rule_name(&name, &repositories, &tags), repositories, tags };
    let edit = |all: &mut model::rules::ImageRules| {
        match all.immutable.iter_mut().find(|old| old.name == rule.name) {
            Some(old) => *old = rule,
            None => all.immutable.push(rule),
        }
        Ok(())
    };
    rules::edit(&caller.platform, &may, edit).await.map_err(|error| by_field(error, false))?;
    Ok(())
}

/// Takes a rule away by which tags are immutable.
#[server(prefix = "/fn", endpoint = "image_rules/remove_immutable")]
pub async fn remove_immutable(csrf: String, project: String, name: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may(&caller, &project).await?;
    let edit = |all: &mut model::rules::ImageRules| {
        let before = all.immutable.len();
        all.immutable.retain(|rule| rule.name != name);
        if all.immutable.len() == before { Err(domain::Error::NotFound { what: "rule" }) } else { Ok(()) }
    };
    rules::edit(&caller.platform, &may, edit).await?;
    Ok(())
}

/// What is typed of a rule for retention; an empty field is no condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionForm {
    /// What it is called.
    #[serde(default)]
    pub name: String,
    /// Pattern of repositories.
    #[serde(default)]
    pub repositories: String,
    /// Pattern of tags.
    #[serde(default)]
    pub tags: String,
    /// Keeps so many that were pushed last.
    #[serde(default)]
    pub newest: String,
    /// Keeps what was pushed within so many days.
    #[serde(default)]
    pub pushed_days: String,
    /// Keeps what was pulled within so many days.
    #[serde(default)]
    pub pulled_days: String,
    /// Keeps what matches.
    #[serde(default)]
    pub always: String,
}

/// What is wrong in the document of rules, told by the fields of a form: `retention.rules[0].keep.newest` is `rule[newest]`.
#[cfg(feature = "ssr")]
fn by_field(error: domain::Error, retention: bool) -> domain::Error {
    let domain::Error::Invalid(mut wrong) = error else { return error };
    for one in &mut wrong {
        let Some((list, last)) = one.field.split_once('[').and_then(|(list, rest)| Some((list, rest.rsplit_once('.')?.1))) else { continue };
        let name = match (list, last) {
            ("retention.rules", "pushed_within_days") => "pushed_days",
            ("retention.rules", "pulled_within_days") => "pulled_days",
            ("retention.rules" | "immutable", "newest" | "name") => last,
            _ => continue,
        };
        one.field = if retention { format!("rule[{name}]") } else { name.to_owned() };
    }
    domain::Error::Invalid(wrong)
}

#[cfg(feature = "ssr")]
fn retention_rule(form: &RetentionForm) -> Result<RetentionRule, ApiError> {
    let (repositories, tags) = (pattern("rule[repositories]", &form.repositories)?, pattern("rule[tags]", &form.tags)?);
    let mut keep = Vec::new();
    keep.extend(number("rule[newest]", &form.newest)?.map(Keep::Newest));
    keep.extend(number("rule[pushed_days]", &form.pushed_days)?.map(Keep::PushedWithinDays));
    keep.extend(number("rule[pulled_days]", &form.pulled_days)?.map(Keep::PulledWithinDays));
    if !form.always.trim().is_empty() {
        keep.push(Keep::Always(pattern("rule[always]", &form.always)?));
    }
    if keep.is_empty() {
        return Err(domain::Error::invalid("rule[newest]", "fill in one of these four: without it the rule would keep nothing").into());
    }
    Ok(RetentionRule { name: rule_name(&form.name, &repositories, &tags), repositories, tags, keep })
}

/// Adds a rule for retention. One of the same name is replaced.
#[server(prefix = "/fn", endpoint = "image_rules/put_retention")]
pub async fn put_retention(csrf: String, project: String, rule: RetentionForm) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may(&caller, &project).await?;
    let rule = retention_rule(&rule)?;
    let edit = |all: &mut model::rules::ImageRules| {
        match all.retention.rules.iter_mut().find(|old| old.name == rule.name) {
            Some(old) => *old = rule,
            None => all.retention.rules.push(rule),
        }
        Ok(())
    };
    rules::edit(&caller.platform, &may, edit).await.map_err(|error| by_field(error, true))?;
    lead_to(&crate::urls::image_rules(&project));
    Ok(())
}

/// Takes a rule of retention away.
#[server(prefix = "/fn", endpoint = "image_rules/remove_retention")]
pub async fn remove_retention(csrf: String, project: String, name: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may(&caller, &project).await?;
    let edit = |all: &mut model::rules::ImageRules| {
        let before = all.retention.rules.len();
        all.retention.rules.retain(|rule| rule.name != name);
        if all.retention.rules.len() == before { Err(domain::Error::NotFound { what: "rule" }) } else { Ok(()) }
    };
    rules::edit(&caller.platform, &may, edit).await?;
    Ok(())
}

/// Sets when images without a tag go, and when retention runs.
#[server(prefix = "/fn", endpoint = "image_rules/schedule")]
pub async fn schedule_retention(
    csrf: String,
    project: String,
    #[server(default)] untagged_days: String,
    #[server(default)] daily_at: String,
) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may(&caller, &project).await?;
    let (untagged, hour) = (number("untagged_days", &untagged_days)?, number("daily_at", &daily_at)?);
    let edit = |all: &mut model::rules::ImageRules| {
        all.retention.untagged_after_days = untagged;
        all.retention.daily_at = hour;
        Ok(())
    };
    rules::edit(&caller.platform, &may, edit).await?;
    Ok(())
}

/// Looks at what the stored rules would delete.
#[server(prefix = "/fn", endpoint = "image_rules/dry_run")]
pub async fn dry_run_rules(csrf: String, project: String) -> Result<RuleRunView, ApiError> {
    let caller = mutating(&csrf).await?;
    let mut lease = lease(&caller, &project).await?;
    let begun = rules::dry_run(&caller.platform, lease.may(), None).await?;
    let run = rules::wait(&caller.platform, &mut lease, begun.id, WAIT).await?;
    lead_to(&crate::urls::rule_run(&project, run.id));
    Ok(run)
}

/// Lets retention delete by the rules of a dry run that was looked at.
#[server(prefix = "/fn", endpoint = "image_rules/activate")]
pub async fn activate_rules(csrf: String, project: String, run: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may(&caller, &project).await?;
    rules::activate(&caller.platform, &may, named("run", &run)?).await?;
    lead_to(&crate::urls::image_rules(&project));
    Ok(())
}

/// Deletes now what the rules delete.
#[server(prefix = "/fn", endpoint = "image_rules/run")]
pub async fn run_rules(csrf: String, project: String) -> Result<RuleRunView, ApiError> {
    let caller = mutating(&csrf).await?;
    let mut lease = lease(&caller, &project).await?;
    let begun = rules::run(&caller.platform, lease.may()).await?;
    let run = rules::wait(&caller.platform, &mut lease, begun.id, WAIT).await?;
    lead_to(&crate::urls::rule_run(&project, run.id));
    Ok(run)
}
