//! Deploy and plan: a descriptor becomes a revision and a deployment, or the description of what would happen. Both check the
//! same, on the server, whatever the browser or a template checked before.

use model::descriptor::{Descriptor, UpdateOrder};
use model::views::deployments::{DeploymentKind, DeploymentView, PlanView};

use super::begin::{Act, begin, lock, wanted};
use super::{Intent, acts, hosts, limits, plan as plans, revisions, since, source};
use crate::access::{May, can};
use crate::change::{Change, Record};
use crate::configs::{coming, pinned};
use crate::environments;
use crate::error::{Error, Result};
use crate::folders;
use crate::jobs::schedule;
use crate::platform::Platform;
use crate::services::Service;
use crate::templates::{self, Origin};
use crate::zones;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where, why, and from which build.
    pub intent: Intent,
    /// What the service should be.
    pub descriptor: Descriptor,
}

impl Request {
    /// The same, where an operator overrides a freeze or does not.
    #[must_use]
    pub fn overriding(self, override_freeze: bool) -> Self {
        Self { intent: Intent { override_freeze, ..self.intent }, ..self }
    }
}

/// What is said of a deployment that waits for an approval, before and after it is asked for: a revision names what it runs with by the versions of the configuration, so the secrets
/// that were answered are a version before anybody decides.
const SECRETS_SET: &str = "the secrets are set when the deployment is asked for: the next one gets them, whatever becomes of this one";

fn brings_secrets(origin: Option<&Origin>) -> bool {
    origin.is_some_and(|origin| !origin.secrets().is_empty())
}

/// Says what a deploy would do, and does nothing. The mistakes are those that the deploy would have.
pub async fn plan(platform: &Platform, may: &May<can::Deploy, Service>, request: &Request) -> Result<PlanView> {
    plan_from(platform, may, request, None).await
}

/// The same for what a template made: the secrets that were answered count as set.
pub async fn plan_from(platform: &Platform, may: &May<can::Deploy, Service>, request: &Request, origin: Option<&Origin>) -> Result<PlanView> {
    let source = check(platform, may, request).await?;
    let mut tx = platform.read().await?;
    let environment = environments::choose(&mut tx, may.project.id, request.intent.environment.as_ref()).await?;
    since::refuse_unpinned(&environment, &source.image, source.digest)?;
    let (descriptor, filled) = limits::fill(&mut tx, may, &request.descriptor).await?;
    limits::refuse_foreign_ports(&mut tx, may, &environment, &descriptor).await?;
    folders::refuse(platform, &mut tx, &descriptor).await?;
    plans::refuse_taken_ports(&mut tx, may, &environment, &descriptor).await?;
    hosts::refuse_taken(&mut tx, may.actor(), &may.project, &descriptor).await?;
    let takes = limits::room(&mut tx, may, &environment, &descriptor).await?;
    let configuration = match origin {
        Some(origin) => pinned::newest_with(&mut tx, platform, may, &environment, &descriptor, origin.secrets()).await?,
        None => pinned::newest(&mut tx, may, &environment, &descriptor).await?,
    };
    let mut view = plans::plan(&mut tx, may, &environment, &descriptor, &source, &configuration).await?;
    view.notes.extend(filled);
    if !takes.is_empty() && view.order == UpdateOrder::StartFirst && view.ends > 0 {
        let more = descriptor.update.parallelism.min(descriptor.replicas).min(view.creates);
        view.notes.push(format!("while tasks are replaced, up to {more} more run for a moment: start-first does not count them"));
    }
    view.takes = takes;
    if environment.protected && brings_secrets(origin) {
        view.notes.push(String::from(SECRETS_SET));
    }
    if let (Some(_), Some(number)) = (origin, view.current)
        && revisions::by_number(&mut tx, may.id, number).await?.view.template.is_none()
    {
        view.notes.push(String::from("what runs was described by hand: what is not as the template makes it does not stay"));
    }
    Ok(view)
}

/// Makes a revision and puts its deployment into the queue; what is unfinished there is superseded.
pub async fn deploy(platform: &Platform, may: &May<can::Deploy, Service>, request: &Request) -> Result<DeploymentView> {
    deploy_from(platform, may, request, None).await
}

/// The same for what a template made: the service remembers it, and the revision names it.
pub async fn deploy_from(platform: &Platform, may: &May<can::Deploy, Service>, request: &Request, origin: Option<&Origin>) -> Result<DeploymentView> {
    let source = check(platform, may, request).await?;
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, may).await?;
    let environment = environments::choose(&mut change, may.project.id, request.intent.environment.as_ref()).await?;
    let (descriptor, _) = limits::fill(&mut change, may, &request.descriptor).await?;
    let wanted = Bringing { environment: &environment, descriptor: &descriptor, source: &source, intent: &request.intent, origin };
    let (view, record) = bring(&mut change, platform, may, &wanted).await?;
    change.commit(record).await?;
    Ok(view)
}

/// What is brought where, after everything was looked up.
pub(super) struct Bringing<'a> {
    pub environment: &'a environments::Environment,
    /// With the limits that were filled in.
    pub descriptor: &'a Descriptor,
    pub source: &'a source::Source,
    pub intent: &'a Intent,
    /// The template that made it, if one did.
    pub origin: Option<&'a Origin>,
}

/// Makes a revision and puts its deployment into the queue. The caller holds the service's lock, and commits with the record.
pub(super) async fn bring(
    change: &mut Change,
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    wanted: &Bringing<'_>,
) -> Result<(DeploymentView, Record)> {
    let Bringing { environment, descriptor, source, intent, origin } = *wanted;
    limits::refuse_foreign_ports(change, may, environment, descriptor).await?;
    folders::refuse(platform, change, descriptor).await?;
    plans::refuse_taken_ports(change, may, environment, descriptor).await?;
    if let Some(origin) = origin {
        coming::set(change, platform, may, environment, origin.secrets(), intent.why.trim()).await?;
    }
    let configuration = pinned::newest(change, may, environment, descriptor).await?;
    limits::take(change, may, environment, descriptor).await?;
    let (revision, number) = revisions::insert(change, platform, may, descriptor, source, &configuration, intent).await?;
    if let Some(origin) = origin {
        templates::note(change, revision, origin).await?;
    }
    let note = brings_secrets(origin).then_some(SECRETS_SET);
    let act = Act { kind: DeploymentKind::Deploy, revision, descriptor, environment, intent, note };
    let id = begin(change, platform, may, &act).await?;
    let view = acts::by_id(change, id).await?;
    let detail = serde_json::json!({
        "environment": environment.name, "revision": number, "image": source.image.to_string(), "digest": source.digest, "deployment": id,
        "template": origin.map(Origin::shown),
    });
    Ok((view, Record::new("deployment.create", "service", &may.name).project(&may.project).detail(detail)))
}

/// What both check before anything is written.
pub(super) async fn check(platform: &Platform, may: &May<can::Deploy, Service>, request: &Request) -> Result<source::Source> {
    request.intent.check()?;
    request.descriptor.validate().map_err(|errors| {
        let prefixed = errors.into_iter().map(|error| {
            let field = if error.field.is_empty() { String::from("descriptor") } else { format!("descriptor.{}", error.field) };
            model::problem::FieldError::new(field, error.message)
        });
        Error::Invalid(prefixed.collect())
    })?;
    if let Some(Err(message)) = request.descriptor.timezone.as_deref().map(zones::check) {
        return Err(Error::invalid("descriptor.timezone", message));
    }
    if let Some(Err(message)) = request.descriptor.schedule.as_deref().map(|text| schedule::check(text, request.descriptor.timezone.as_deref())) {
        return Err(Error::invalid("descriptor.schedule", message));
    }
    limits::refuse_hidden(&request.descriptor)?;
    let has_command = request.descriptor.command.is_some() || request.descriptor.entrypoint.is_some();
    source::resolve(platform, may, &request.descriptor.image, has_command).await
}

/// A revision like `base` with another number of tasks, for the verb scale. The caller holds the lock.
pub(super) async fn rescaled(
    change: &mut crate::change::Change,
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    base: &revisions::Stored,
    replicas: u32,
    intent: &Intent,
) -> Result<(model::ids::RevisionId, i64)> {
    let descriptor = Descriptor { replicas, ..base.descriptor.clone() };
    descriptor.validate().map_err(|errors| {
        let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Error::invalid("replicas", message)
    })?;
    let configuration = pinned::of_revision(change, base.id, &base.descriptor).await?;
    revisions::insert(change, platform, may, &descriptor, &base.source(), &configuration, intent).await
}

/// Whether something was deployed there at all, for verbs that need it.
pub(super) async fn need_wanted(tx: &mut crate::db::Tx, service: &Service, environment: &environments::Environment) -> Result<super::begin::Wanted> {
    wanted(tx, service, environment)
        .await?
        .ok_or_else(|| Error::conflict("not_deployed", format!("{} was never deployed to {}; deploy it first", service.name, environment.name)))
}
