//! From answers to a deployment: which template and version is meant, what is remembered, what the answers make. The form and the API come through
//! here both, so the same answers give the same revision.
//!
//! A secret answer is sealed at once, for its service and environment, and opened for a task alone ([`open_secret`]): nothing else reads it. The
//! descriptor names it by [`secret_name`].

use std::collections::BTreeSet;

use model::descriptor::Descriptor;
use model::ids::{EnvironmentId, RevisionId, ServiceId, TemplateId};
use model::names::{EnvironmentName, TemplateName};
use model::secret::Secret;
use model::template::{Answers, Checked, Output, ParameterKind, Template, secret_name};
use model::time::Millis;
use model::views::templates::{RenderedView, ServiceTemplate, TemplateForm, TemplateMark, TemplateSummary};

use super::render::{self, Around};
use super::tries::{self, apart};
use super::{Owner, Stored, by_id, by_name, document, parsed};
use crate::access::{May, can};
use crate::args;
use crate::change::Change;
use crate::db::{Json, Tx};
use crate::environments::{self, Environment};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;

/// What is asked for: a template, and the answers to it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `own/<name>`, `site/<name>`, or the name alone: the project's own, else the site's. None: what the service was made from before.
    pub template: Option<String>,
    /// The version. None: the one that the service was made from before, of another template the newest.
    pub version: Option<i64>,
    /// The answers that differ from what is remembered.
    pub answers: Answers,
}

/// The names of the site, which templates may write into what they make.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The portal's address.
    pub url: String,
    /// The registry's host and port.
    pub registry: String,
}

/// What made a descriptor: written down with its revision.
#[derive(Clone, Debug)]
pub struct Origin {
    id: TemplateId,
    mark: TemplateMark,
    checked: Checked,
    /// Secret parameters of the version, to forget those that are used no more.
    secrets: BTreeSet<String>,
}

impl Origin {
    /// For the audit log: names and numbers alone.
    #[must_use]
    pub fn shown(&self) -> serde_json::Value {
        serde_json::json!({ "name": self.mark.name, "site": self.mark.of_site, "version": self.mark.version })
    }
}

/// A descriptor that a template made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The text, as it was rendered.
    pub text: String,
    /// What it says.
    pub descriptor: Descriptor,
    /// Where it comes from.
    pub origin: Origin,
}

/// What a service was made from last in an environment.
struct Remembered {
    id: TemplateId,
    version: i64,
    answers: Answers,
    secrets: BTreeSet<String>,
    at: Millis,
    by: String,
}

async fn remembered(tx: &mut Tx, service: ServiceId, environment: EnvironmentId) -> Result<Option<Remembered>> {
    let sql = "SELECT template_id, version, answers, updated_at, updated_by FROM service_templates WHERE service_id = $1 AND environment_id = $2";
    let found = tx
        .opt(sql, args![service, environment], |row| {
            Ok(Remembered {
                id: row.get("template_id")?,
                version: row.get("version")?,
                answers: row.get::<Json<Answers>>("answers")?.0,
                secrets: BTreeSet::new(),
                at: row.get("updated_at")?,
                by: row.get("updated_by")?,
            })
        })
        .await?;
    let Some(found) = found else { return Ok(None) };
    let sql = "SELECT name FROM service_template_secrets WHERE service_id = $1 AND environment_id = $2 ORDER BY name";
    let secrets = tx.all(sql, args![service, environment], |row| row.get("name")).await?;
    Ok(Some(Remembered { secrets: secrets.into_iter().collect(), ..found }))
}

/// What a form or a deployment begins with: of this environment, else of the one that was answered last. Secrets are never carried over to another
/// environment.
async fn nearest(tx: &mut Tx, service: ServiceId, environment: EnvironmentId) -> Result<Option<Remembered>> {
    if let Some(found) = remembered(tx, service, environment).await? {
        return Ok(Some(found));
    }
    let sql = "SELECT environment_id FROM service_templates WHERE service_id = $1 ORDER BY updated_at DESC, environment_id LIMIT 1";
    let other: Option<EnvironmentId> = tx.opt(sql, args![service], |row| row.get("environment_id")).await?;
    let Some(other) = other else { return Ok(None) };
    let found = remembered(tx, service, other).await?;
    Ok(found.map(|found| Remembered { secrets: BTreeSet::new(), ..found }))
}

/// The template and version that are meant.
async fn choose(tx: &mut Tx, service: &Service, asked: &Asked, before: Option<&Remembered>) -> Result<Stored> {
    let named = asked.template.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let (id, summary) = match (named, before) {
        (Some(name), _) => find(tx, service, name).await?,
        (None, Some(before)) => match by_id(tx, before.id).await? {
            Some(summary) => (before.id, summary),
            None => return Err(Error::invalid("template", "the template that this service was made from was deleted; name another one")),
        },
        (None, None) => return Err(Error::invalid("template", "this service was not made from a template yet; name one")),
    };
    let same = before.filter(|before| before.id == id).map(|before| before.version);
    let number = asked.version.or(same).unwrap_or(summary.version);
    let text = document(tx, id, number).await?;
    let text =
        text.ok_or_else(|| Error::invalid("version", format!("{} has no version {number}; the newest is {}", summary.name, summary.version)))?;
    Ok(Stored { id, summary, number, template: parsed(&text)? })
}

async fn find(tx: &mut Tx, service: &Service, text: &str) -> Result<(TemplateId, TemplateSummary)> {
    let (owners, name) = match text.split_once('/') {
        Some(("site", name)) => (vec![None], name),
        Some(("own", name)) => (vec![Some(&service.project)], name),
        Some(_) => return Err(Error::invalid("template", "write own/<name> for one of the project, site/<name> for one of the whole site")),
        None => (vec![Some(&service.project), None], text),
    };
    if let Ok(name) = name.parse::<TemplateName>() {
        for project in owners {
            if let Some(found) = by_name(tx, &Owner { project: project.cloned() }, &name).await? {
                return Ok(found);
            }
        }
    }
    let shown: String = text.chars().take(60).collect();
    Err(Error::invalid("template", format!("there is no template {shown:?}")))
}

/// The descriptor that a deploy from answers would bring. What is not answered is as it is remembered.
///
/// # Errors
/// `Invalid` at `template`, `version`, `answers.<parameter>`, `descriptor...`.
pub async fn make(
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    environment: Option<&EnvironmentName>,
    asked: &Asked,
    site: &Surroundings,
) -> Result<Made> {
    let mut tx = platform.read().await?;
    let environment = environments::choose(&mut tx, environment).await?;
    let before = nearest(&mut tx, may.id, environment.id).await?;
    let stored = choose(&mut tx, may, asked, before.as_ref()).await?;
    drop(tx);
    let parameters = &stored.template.parameters;
    let before = before.filter(|before| before.id == stored.id);
    let kept = before.as_ref().map(|before| before.secrets.clone()).unwrap_or_default();
    let mut answers = asked.answers.clone();
    for (name, answer) in before.map(|before| before.answers).unwrap_or_default() {
        // What another version asked and this one does not is let go; a secret of this one was none there.
        if parameters.get(&name).is_some_and(|parameter| parameter.kind != ParameterKind::Secret) {
            answers.entry(name).or_insert(answer);
        }
    }
    let checked = parameters.check(&answers, &kept).map_err(Error::Invalid)?;
    let around = around(site, may, &environment, &stored);
    let mark = TemplateMark { name: stored.summary.name.clone(), of_site: stored.summary.project.is_none(), version: stored.number };
    let secrets = parameters.secrets().into_iter().map(str::to_owned).collect();
    let id = stored.id;
    let (text, descriptor, checked) = apart(move || {
        let (text, descriptor) = render::descriptor(&stored.template, &checked.values, &around)?;
        Ok((text, descriptor, checked))
    })
    .await?
    .map_err(Error::Invalid)?;
    Ok(Made { text, descriptor, origin: Origin { id, mark, checked, secrets } })
}

fn around(site: &Surroundings, service: &Service, environment: &Environment, stored: &Stored) -> Around {
    Around {
        url: site.url.clone(),
        registry: site.registry.clone(),
        project: service.project.name.to_string(),
        service: service.name.to_string(),
        environment: environment.name.to_string(),
        template: stored.summary.name.to_string(),
        version: stored.number,
    }
}

/// Writes down what a revision was made from, and what is remembered. The caller holds the service's lock.
pub(crate) async fn remember(
    change: &mut Change,
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    environment: EnvironmentId,
    revision: RevisionId,
    origin: &Origin,
) -> Result<()> {
    let (now, by) = (platform.now(), may.actor().name().to_owned());
    let sql = "INSERT INTO revision_templates (revision_id, template_id, template, of_site, version, answers) VALUES ($1, $2, $3, $4, $5, $6)";
    let answers = &origin.checked.answers;
    change.exec(sql, args![revision, origin.id, &origin.mark.name, origin.mark.of_site, origin.mark.version, Json(answers)]).await?;
    let sql = "INSERT INTO service_templates (service_id, environment_id, template_id, version, answers, updated_at, updated_by)
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (service_id, environment_id) DO UPDATE SET template_id = excluded.template_id,
               version = excluded.version, answers = excluded.answers, updated_at = excluded.updated_at, updated_by = excluded.updated_by";
    change.exec(sql, args![may.id, environment, origin.id, origin.mark.version, Json(answers), now, &by]).await?;
    // Secrets that this version does not know are of no use any more.
    let sql = "SELECT name FROM service_template_secrets WHERE service_id = $1 AND environment_id = $2";
    let held: Vec<String> = change.all(sql, args![may.id, environment], |row| row.get("name")).await?;
    for name in held.iter().filter(|name| !origin.secrets.contains(*name)) {
        let sql = "DELETE FROM service_template_secrets WHERE service_id = $1 AND environment_id = $2 AND name = $3";
        change.exec(sql, args![may.id, environment, name]).await?;
    }
    for (name, secret) in &origin.checked.secrets {
        let sealed = platform.seal(&purpose(may.id, environment, name), secret.expose().as_bytes());
        let sql =
            "INSERT INTO service_template_secrets (service_id, environment_id, name, sealed, updated_at, updated_by) VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT (service_id, environment_id, name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at,
                   updated_by = excluded.updated_by";
        change.exec(sql, args![may.id, environment, name, sealed, now, &by]).await?;
    }
    Ok(())
}

fn purpose(service: ServiceId, environment: EnvironmentId, name: &str) -> String {
    format!("template-secret {service} {environment} {name}")
}

/// A secret answer, by the name that the descriptor has for it, for the task that needs it.
pub async fn open_secret(tx: &mut Tx, platform: &Platform, service: ServiceId, environment: EnvironmentId, name: &str) -> Result<Option<Secret>> {
    let sql = "SELECT name, sealed FROM service_template_secrets WHERE service_id = $1 AND environment_id = $2";
    let held: Vec<(String, Vec<u8>)> = tx.all(sql, args![service, environment], |row| Ok((row.get("name")?, row.get("sealed")?))).await?;
    let Some((parameter, sealed)) = held.into_iter().find(|(parameter, _)| secret_name(parameter) == name) else { return Ok(None) };
    let plain = platform.open(&purpose(service, environment, &parameter), &sealed)?;
    let text = String::from_utf8(plain).map_err(|_| Error::internal("a secret answer is no text"))?;
    Ok(Some(Secret::new(text)))
}

/// What a form begins with.
pub async fn form(
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    environment: Option<&EnvironmentName>,
    asked: &Asked,
) -> Result<TemplateForm> {
    let mut tx = platform.read().await?;
    let environment = environments::choose(&mut tx, environment).await?;
    let before = nearest(&mut tx, may.id, environment.id).await?;
    let stored = choose(&mut tx, may, asked, before.as_ref()).await?;
    let same = before.filter(|before| before.id == stored.id);
    let parameters = stored.template.parameters;
    let mut answers = parameters.beginning(same.as_ref().map(|before| &before.answers).unwrap_or(&Answers::new()));
    let mut kept = same.as_ref().map(|before| before.secrets.clone()).unwrap_or_default();
    kept.retain(|name| parameters.get(name).is_some_and(|parameter| parameter.kind == ParameterKind::Secret));
    let open = |name: &str| parameters.get(name).is_some_and(|parameter| parameter.kind != ParameterKind::Secret);
    answers.extend(asked.answers.iter().filter(|(name, _)| open(name)).map(|(name, answer)| (name.clone(), answer.clone())));
    Ok(TemplateForm {
        template: stored.summary,
        version: stored.number,
        remembered: same.map(|before| before.version),
        environment: environment.name,
        parameters,
        answers,
        kept,
    })
}

/// The template that a form of the service begins with, as [`Asked::template`] names it; none: it was never made from one.
pub async fn used(
    platform: &Platform,
    may: &May<can::SeeServices, Service>,
    environment: Option<&EnvironmentName>,
) -> Result<Option<ServiceTemplate>> {
    service(platform, may, environment, &Surroundings::default(), &[]).await
}

/// What a service was made from in an environment, and what its template makes of that: its CI's side, its Dockerfile.
pub async fn of_service(
    platform: &Platform,
    may: &May<can::SeeServices, Service>,
    environment: Option<&EnvironmentName>,
    site: &Surroundings,
) -> Result<ServiceTemplate> {
    let found = service(platform, may, environment, site, Output::ALL).await?;
    found.ok_or(Error::NotFound { what: "template of this service" })
}

async fn service(
    platform: &Platform,
    may: &May<can::SeeServices, Service>,
    environment: Option<&EnvironmentName>,
    site: &Surroundings,
    outputs: &'static [Output],
) -> Result<Option<ServiceTemplate>> {
    let mut tx = platform.read().await?;
    let environment = environments::choose(&mut tx, environment).await?;
    let Some(before) = nearest(&mut tx, may.id, environment.id).await? else { return Ok(None) };
    let template = by_id(&mut tx, before.id).await?;
    let sql = "SELECT name, project_id FROM templates WHERE id = $1";
    let mark = tx
        .one(sql, args![before.id], |row| {
            let project: Option<model::ids::ProjectId> = row.get("project_id")?;
            Ok(TemplateMark { name: row.get("name")?, of_site: project.is_none(), version: before.version })
        })
        .await?;
    let text = document(&mut tx, before.id, before.version).await?.unwrap_or_default();
    drop(tx);
    let rendered = match Template::parse(&text) {
        Ok(read) if !outputs.is_empty() => {
            let around = Around {
                url: site.url.clone(),
                registry: site.registry.clone(),
                project: may.project.name.to_string(),
                service: may.name.to_string(),
                environment: environment.name.to_string(),
                template: mark.name.to_string(),
                version: before.version,
            };
            // A secret that is not kept here is asked for at the next deployment; what it makes can be shown all the same.
            let kept: BTreeSet<String> = read.parameters.secrets().into_iter().map(str::to_owned).collect();
            tries::all(read, before.answers.clone(), kept, around, outputs).await?
        }
        Ok(_) => RenderedView::default(),
        Err(errors) => RenderedView { outputs: Vec::new(), errors },
    };
    Ok(Some(ServiceTemplate {
        environment: environment.name,
        template,
        mark,
        answers: before.answers,
        secrets: before.secrets,
        updated_at: before.at,
        by: before.by,
        rendered,
    }))
}
