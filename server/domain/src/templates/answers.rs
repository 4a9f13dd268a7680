//! From answers to a deployment: which template and version is meant, what is remembered, what the answers make. The form and the API come through
//! here both, so the same answers give the same revision.
//!
//! A secret answer becomes a secret of the service in the environment, in the deployment's own transaction (`configs::coming`): it is sealed at once, a
//! task alone gets it, and nothing here reads it. The descriptor names it like its parameter. Left empty, the secret that is in force stays.

use std::collections::BTreeSet;

use model::access::Action;
use model::descriptor::Descriptor;
use model::ids::{EnvironmentId, ProjectId, RevisionId, ServiceId, TemplateId};
use model::names::{EnvironmentName, TemplateName};
use model::template::{Answers, Checked, Output, ParameterKind, Parameters, Template};
use model::time::Millis;
use model::views::templates::{RenderedView, ServiceTemplate, TemplateForm, TemplateMark, TemplateSummary};

use super::render::{self, Around};
use super::tries::{self, apart};
use super::{Owner, by_id, by_name, document, parsed};
use crate::access::{May, can};
use crate::args;
use crate::change::Change;
use crate::configs::coming::{self, Coming};
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
}

impl Origin {
    /// The secrets that were given: they are to be set with the deployment.
    pub(crate) fn secrets(&self) -> &Coming {
        &self.checked.secrets
    }

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
    at: Millis,
    by: String,
}

/// The environment that was answered for last.
async fn latest(tx: &mut Tx, service: ServiceId) -> Result<Option<EnvironmentName>> {
    let sql = "SELECT e.name FROM service_templates t JOIN environments e ON e.id = t.environment_id WHERE t.service_id = $1 AND e.removed_at IS NULL
               ORDER BY t.updated_at DESC, e.name LIMIT 1";
    tx.opt(sql, args![service], |row| row.get("name")).await
}

/// What a form or a deployment begins with: of this environment, else of the one that was answered last.
async fn nearest(tx: &mut Tx, service: ServiceId, environment: EnvironmentId) -> Result<Option<Remembered>> {
    let sql = "SELECT template_id, version, answers, updated_at, updated_by FROM service_templates WHERE service_id = $1
               ORDER BY CASE WHEN environment_id = $2 THEN 0 ELSE 1 END, updated_at DESC, environment_id LIMIT 1";
    tx.opt(sql, args![service, environment], |row| {
        Ok(Remembered {
            id: row.get("template_id")?,
            version: row.get("version")?,
            answers: row.get::<Json<Answers>>("answers")?.0,
            at: row.get("updated_at")?,
            by: row.get("updated_by")?,
        })
    })
    .await
}

/// The template and the version that were answered.
async fn mark(tx: &mut Tx, of: &Remembered) -> Result<TemplateMark> {
    let sql = "SELECT name, project_id FROM templates WHERE id = $1";
    tx.one(sql, args![of.id], |row| {
        let project: Option<ProjectId> = row.get("project_id")?;
        Ok(TemplateMark { name: row.get("name")?, of_site: project.is_none(), version: of.version })
    })
    .await
}

/// The secret parameters whose secret is known already.
fn kept(known: &BTreeSet<String>, parameters: &Parameters) -> BTreeSet<String> {
    parameters.secrets().into_iter().filter(|name| known.contains(*name)).map(str::to_owned).collect()
}

/// What was read for a form or a deployment. The document is parsed after the transaction: that may have to wait, and nobody waits for it then.
struct Found {
    environment: Environment,
    before: Option<Remembered>,
    id: TemplateId,
    summary: TemplateSummary,
    number: i64,
    document: String,
    /// Secrets that are in force.
    known: BTreeSet<String>,
}

impl Found {
    async fn read(platform: &Platform, service: &Service, environment: Option<&EnvironmentName>, asked: &Asked) -> Result<Self> {
        let mut tx = platform.read().await?;
        let environment = environments::choose(&mut tx, service.project.id, environment).await?;
        let before = nearest(&mut tx, service.id, environment.id).await?;
        let (id, summary) = choose(&mut tx, service, asked, before.as_ref()).await?;
        let same = before.as_ref().filter(|before| before.id == id).map(|before| before.version);
        let number = asked.version.or(same).unwrap_or(summary.version);
        let document = document(&mut tx, id, number).await?;
        let unknown = || Error::invalid("version", format!("{} has no version {number}; the newest is {}", summary.name, summary.version));
        let document = document.ok_or_else(unknown)?;
        let known = coming::known(&mut tx, service, environment.id).await?;
        let before = before.filter(|before| before.id == id);
        Ok(Self { environment, before, id, summary, number, document, known })
    }
}

/// The template that is meant.
async fn choose(tx: &mut Tx, service: &Service, asked: &Asked, before: Option<&Remembered>) -> Result<(TemplateId, TemplateSummary)> {
    let named = asked.template.as_deref().map(str::trim).filter(|name| !name.is_empty());
    match (named, before) {
        (Some(name), _) => find(tx, service, name).await,
        (None, Some(before)) => match by_id(tx, before.id).await? {
            Some(summary) => Ok((before.id, summary)),
            None => Err(Error::invalid("template", "the template that this service was made from was deleted; name another one")),
        },
        (None, None) => Err(Error::invalid("template", "this service was not made from a template yet; name one")),
    }
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
    let Found { environment, before, id, summary, number, document, known } = Found::read(platform, may, environment, asked).await?;
    let template = parsed(may.actor(), document).await?;
    let kept = kept(&known, &template.parameters);
    let mut answers = asked.answers.clone();
    for (name, answer) in before.map(|before| before.answers).unwrap_or_default() {
        // What another version asked and this one does not is let go; a secret of this one was none there.
        if template.parameters.get(&name).is_some_and(|parameter| parameter.kind != ParameterKind::Secret) {
            answers.entry(name).or_insert(answer);
        }
    }
    let around = around(site, may, &environment, summary.name.as_str(), number);
    let mark = TemplateMark { name: summary.name, of_site: summary.project.is_none(), version: number };
    let (text, descriptor, checked) = apart(may.actor(), move |until| {
        let checked = template.parameters.check_within(&answers, &kept, &|| until.left())?;
        let (text, descriptor) = render::descriptor(&template, &checked.values, &around, until.at())?;
        Ok((text, descriptor, checked))
    })
    .await?
    .map_err(Error::Invalid)?;
    if !checked.secrets.is_empty() {
        coming::need_configure(may)?;
    }
    Ok(Made { text, descriptor, origin: Origin { id, mark, checked } })
}

pub(super) fn around(site: &Surroundings, service: &Service, environment: &Environment, template: &str, version: i64) -> Around {
    Around {
        url: site.url.clone(),
        registry: site.registry.clone(),
        project: service.project.name.to_string(),
        service: service.name.to_string(),
        environment: environment.name.to_string(),
        template: template.to_owned(),
        version,
    }
}

/// Writes down what a revision was made from. The caller holds the service's lock.
pub(crate) async fn note(change: &mut Change, revision: RevisionId, origin: &Origin) -> Result<()> {
    let sql = "INSERT INTO revision_templates (revision_id, template_id, template, of_site, version, answers) VALUES ($1, $2, $3, $4, $5, $6)";
    let mark = &origin.mark;
    change.exec(sql, args![revision, origin.id, &mark.name, mark.of_site, mark.version, Json(&origin.checked.answers)]).await.map(drop)
}

/// A revision was made from another's description: what made the one made the other.
pub(crate) async fn note_same(change: &mut Change, from: RevisionId, to: RevisionId) -> Result<()> {
    let sql = "INSERT INTO revision_templates (revision_id, template_id, template, of_site, version, answers)
               SELECT $2, template_id, template, of_site, version, answers FROM revision_templates WHERE revision_id = $1";
    change.exec(sql, args![from, to]).await.map(drop)
}

/// A revision is brought to an environment: the next deployment begins with the answers that made it, where answers did. What waits for an approval is
/// remembered when it is approved.
pub(crate) async fn remember(change: &mut Change, platform: &Platform, environment: EnvironmentId, revision: RevisionId, by: &str) -> Result<()> {
    let sql = "INSERT INTO service_templates (service_id, environment_id, template_id, version, answers, updated_at, updated_by)
               SELECT r.service_id, $2, t.template_id, t.version, t.answers, $3, $4 FROM revision_templates t
               JOIN revisions r ON r.id = t.revision_id WHERE t.revision_id = $1
               ON CONFLICT (service_id, environment_id) DO UPDATE SET template_id = excluded.template_id,
               version = excluded.version, answers = excluded.answers, updated_at = excluded.updated_at, updated_by = excluded.updated_by
               WHERE service_templates.template_id <> excluded.template_id OR service_templates.version <> excluded.version
               OR service_templates.answers <> excluded.answers";
    change.exec(sql, args![revision, environment, platform.now(), by]).await.map(drop)
}

/// What a form begins with.
pub async fn form(
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    environment: Option<&EnvironmentName>,
    asked: &Asked,
) -> Result<TemplateForm> {
    let Found { environment, before, summary, number, document, known, .. } = Found::read(platform, may, environment, asked).await?;
    let parameters = parsed(may.actor(), document).await?.parameters;
    let kept = kept(&known, &parameters);
    let mut answers = parameters.beginning(before.as_ref().map(|before| &before.answers).unwrap_or(&Answers::new()));
    let open = |name: &str| parameters.get(name).is_some_and(|parameter| parameter.kind != ParameterKind::Secret);
    answers.extend(asked.answers.iter().filter(|(name, _)| open(name)).map(|(name, answer)| (name.clone(), answer.clone())));
    Ok(TemplateForm {
        template: summary,
        version: number,
        remembered: before.map(|before| before.version),
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

/// What a service was made from in an environment, where none is named in the one that was answered for last, and what its template makes of that: its
/// CI's side, its Dockerfile. None: it was described by hand.
pub async fn of_service(
    platform: &Platform,
    may: &May<can::SeeServices, Service>,
    environment: Option<&EnvironmentName>,
    site: &Surroundings,
) -> Result<Option<ServiceTemplate>> {
    service(platform, may, environment, site, Output::ALL).await
}

async fn service(
    platform: &Platform,
    may: &May<can::SeeServices, Service>,
    environment: Option<&EnvironmentName>,
    site: &Surroundings,
    outputs: &'static [Output],
) -> Result<Option<ServiceTemplate>> {
    let mut tx = platform.read().await?;
    let latest = match environment {
        Some(_) => None,
        None => match latest(&mut tx, may.id).await? {
            Some(latest) => Some(latest),
            None => return Ok(None),
        },
    };
    let environment = environments::choose_for(&mut tx, may, environment.or(latest.as_ref())).await?;
    let Some(before) = nearest(&mut tx, may.id, environment.id).await? else { return Ok(None) };
    let template = by_id(&mut tx, before.id).await?;
    let mark = mark(&mut tx, &before).await?;
    let text = document(&mut tx, before.id, before.version).await?;
    let known = coming::known(&mut tx, may, environment.id).await?;
    drop(tx);
    // A version may be gone with its template.
    let read = match text {
        Some(text) => Some(apart(may.actor(), move |until| Template::parse_within(&text, &|| until.left())).await?),
        None => None,
    };
    let secrets = match &read {
        Some(Ok(read)) => kept(&known, &read.parameters),
        _ => BTreeSet::new(),
    };
    // For those who may deploy alone: a revision hides values by the names of its variables, which the template chooses. No answer's own name
    // says where it goes.
    let hidden = !may.also(Action::Deploy);
    let answers = if hidden { Answers::new() } else { before.answers };
    let rendered = match read {
        Some(Ok(read)) if !outputs.is_empty() && !hidden => {
            let around = around(site, may, &environment, mark.name.as_str(), before.version);
            // A secret that is not set is asked for at the next deployment; what it makes can be shown all the same.
            let all: BTreeSet<String> = read.parameters.secrets().into_iter().map(str::to_owned).collect();
            tries::all(may.actor(), read, (answers.clone(), all), around, outputs).await?
        }
        Some(Err(errors)) => RenderedView { outputs: Vec::new(), errors },
        _ => RenderedView::default(),
    };
    Ok(Some(ServiceTemplate {
        environment: environment.name,
        template,
        mark,
        answers,
        hidden,
        secrets,
        updated_at: before.at,
        by: before.by,
        rendered,
    }))
}
