//! A delivery, from its proof to its answer. What is outside hears the same of a hook that is not there and of a wrong proof, after the same time.

use std::sync::Arc;
use std::time::Duration;

use model::hooks::{HookAnswer, HookOutcome};
use model::ids::HookDeliveryId;
use model::problem::FieldError;
use model::time::Millis;
use model::views::deployments::{DeploymentState, DeploymentView};
use sha2::{Digest as _, Sha256};

use super::bodies::{self, Letter, Offer, Said};
use super::claim::{self, Claim, Held, New};
use super::decide::{Runs, Verdict, choose};
use super::envelope::Envelope;
use super::proofs::{self, By, Opened, Proof};
use super::remembered::{self, Remembered};
use super::rows::{self, Hook};
use super::{bounds, keep};
use crate::access::{Actor, Lease, May, can};
use crate::deployments::{self, Base, CHANGED, DeploymentKey, Intent, Request};
use crate::environments;
use crate::error::{Error, Result};
use crate::keys::hex;
use crate::platform::Platform;
use crate::services::Service;
use crate::templates::{self, Asked, Origin, Surroundings};

/// How often it is looked again where others deploy meanwhile.
const TRIES: u32 = 5;
/// Above so many bytes a body is read on a thread for that: it is hashed for each secret.
const LARGE: usize = 64 * 1024;

/// What came to a hook's door.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its headers.
    pub envelope: Envelope,
    /// Its body, as it came.
    pub body: Vec<u8>,
    /// Where it came from.
    pub address: String,
}

/// What became of a delivery.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// What its sender is answered.
    pub answer: HookAnswer,
    /// Whether it was answered before.
    pub repeated: bool,
    /// The deployment that it began.
    pub deployment: Option<DeploymentKey>,
    /// The hook, as a caller.
    actor: Actor,
}

impl Delivered {
    fn new(hook: &Hook, answer: HookAnswer, repeated: bool, actor: Actor) -> Self {
        let key = |deployment| DeploymentKey { project: hook.project.clone(), service: hook.service.clone(), deployment };
        Self { deployment: answer.deployment.map(key), answer, repeated, actor }
    }
}

/// Takes a delivery. The same one, by its sender's word, is answered as it was the first time.
///
/// # Errors
/// `NotFound`: there is no such hook, or nothing proves that it is its sender; `TooMany` where that comes too often, and where the hook is brought
/// more that is new than it takes. `Forbidden`: the hook is disabled. `Invalid`: signed too long ago, or another body under the name of an earlier
/// delivery. `Unavailable`, and faults of ours: nothing was done.
pub async fn deliver(platform: &Platform, site: &Surroundings, address: &str, received: Received) -> Result<Delivered> {
    let received = Arc::new(received);
    // Both as they are before the database is asked: what changes while it answers is heard the next time.
    let (at, access) = (platform.now(), platform.access_count());
    platform.hook_throttle().look(at, address, &received.address)?;
    let print = remembered::print(platform, address, &received);
    if let Some(found) = print.and_then(|print| platform.hook_repeats().get(&print, at, access)) {
        platform.hook_throttle().forgive(address, &received.address);
        return Ok(Delivered::new(&found.hook, found.answer.clone(), true, found.hook.actor(&received.address)));
    }
    let Proved { hook, by, fingerprint, until } = proved(platform, address, &received).await?;
    if hook.disabled {
        return Err(Error::Forbidden(format!("the hook {} is disabled; an admin of project {} can enable it", hook.name, hook.project)));
    }
    let Received { envelope, body, .. } = &*received;
    let letter = bodies::read(envelope, body);
    let key = envelope.key(by)?.or_else(|| letter.key.clone());
    let body_key = envelope.is_signed_event(by).then_some(fingerprint.as_str());
    let new = New { key: key.as_deref(), body_key, fingerprint: &fingerprint, sender: letter.sender, event: &letter.event, redelivery: None };
    let actor = hook.actor(&received.address);
    let held = match claim::repeated(platform, &hook, &new).await? {
        Some(held) => held,
        None => {
            platform.hook_rates().look(platform.now(), hook.id)?;
            let kept = keep::of(platform, &hook, &actor, &received).await?;
            claim::take(platform, &hook, &new, &kept).await?
        }
    };
    match held {
        Held::Mine(claim) => {
            let answer = work(platform, site, hook.clone(), &actor, letter, claim).await?;
            Ok(Delivered::new(&hook, answer, false, actor))
        }
        Held::Answered(answer) => {
            let delivered = Delivered::new(&hook, answer.clone(), true, actor);
            if let Some(print) = print {
                platform.hook_repeats().put(print, Remembered { hook, answer, at, access, until });
            }
            Ok(delivered)
        }
        Held::Another => {
            let field = key.as_deref().and_then(|key| key.split_once(':')).map_or("body", |(header, _)| header);
            Err(Error::invalid(field, "another body was delivered under this name; what is new needs a new one"))
        }
    }
}

/// A delivery of which it was proved that its sender knows the hook's secret.
struct Proved {
    hook: Hook,
    by: By,
    /// SHA-256 of the body.
    fingerprint: String,
    /// When the first of the secrets ends that hold now.
    until: Option<Millis>,
}

/// The hook, if the delivery proves that its sender knows the hook's secret.
async fn proved(platform: &Platform, address: &str, received: &Arc<Received>) -> Result<Proved> {
    let throttle = platform.hook_throttle();
    let mut tx = platform.read().await?;
    let found = rows::by_address(&mut tx, address).await?;
    let secrets = match &found {
        Some(hook) => rows::secrets(&mut tx, platform, hook.id).await?,
        None => {
            // The same work for one that is not there.
            rows::secrets(&mut tx, platform, platform.new_id()).await?;
            rows::Secrets { opened: proofs::nobodys(), until: None }
        }
    };
    drop(tx);
    let (proof, fingerprint) = checked(received, secrets.opened, platform.now()).await?;
    match (found, proof) {
        (Some(hook), Proof::Right(by)) => {
            throttle.forgive(address, &received.address);
            Ok(Proved { hook, by, fingerprint, until: secrets.until })
        }
        (Some(_), Proof::Stale(why)) => Err(Error::invalid("webhook-timestamp", why)),
        (found, _) => {
            throttle.admit(platform.now(), address, &received.address)?;
            let name = found.map(|hook| format!("{}/{}/{}", hook.project, hook.service, hook.name)).unwrap_or_default();
            tracing::warn!(client.address = received.address, hook.name = name, "a delivery to a hook proved nothing");
            Err(Error::NotFound { what: "hook, or what was sent does not prove that its sender knows the hook's secret" })
        }
    }
}

/// What a delivery proves, and the fingerprint of its body; of a large one on a thread for that.
async fn checked(received: &Arc<Received>, secrets: Vec<Opened>, now: Millis) -> Result<(Proof, String)> {
    let received = Arc::clone(received);
    let large = received.body.len() > LARGE;
    let look = move || (proofs::check(&received.envelope, &received.body, &secrets, now), hex(&Sha256::digest(&received.body)));
    if !large {
        return Ok(look());
    }
    tokio::task::spawn_blocking(look).await.map_err(|error| Error::internal(format!("the look at a delivery ended: {error}")))
}

/// Works on a delivery in a task of its own: a sender that goes away leaves nothing half done.
pub(super) async fn work(platform: &Platform, site: &Surroundings, hook: Hook, actor: &Actor, letter: Letter, claim: Claim) -> Result<HookAnswer> {
    let (platform, site, actor) = (platform.clone(), site.clone(), actor.clone());
    let task = tokio::spawn(async move {
        let done = decided(&platform, &site, &hook, &actor, letter.said, &claim).await;
        let answer = match done {
            // Answered in the transaction of the deployment.
            Ok(answer) if answer.deployment.is_some() => return Ok(answer),
            Ok(answer) => answer,
            Err(error) if passes(&error) => {
                claim.release(&platform).await?;
                return Err(error);
            }
            Err(error) => bounds::refused(error),
        };
        let answer = bounds::bounded(answer);
        claim.settle(&platform, &answer).await?;
        Ok(answer)
    });
    task.await.map_err(|error| Error::internal(format!("the work on a delivery ended: {error}")))?
}

/// Whether the same may go well the next time, with nothing changed by its sender.
pub(super) fn passes(error: &Error) -> bool {
    matches!(error, Error::Internal(_) | Error::Unavailable(_) | Error::TooMany { .. } | Error::TooManyOpen(_))
}

async fn decided(
    platform: &Platform,
    site: &Surroundings,
    hook: &Hook,
    actor: &Actor,
    said: Result<Said, Vec<FieldError>>,
    claim: &Claim,
) -> Result<HookAnswer> {
    let (offers, meant) = match said.map_err(Error::Invalid)? {
        Said::Ping => {
            return Ok(HookAnswer::new(HookOutcome::Pong, format!("this hook deploys {}/{} to {}", hook.project, hook.service, hook.environment)));
        }
        Said::Nothing(why) => return Ok(ignored(why)),
        Said::Images { images, meant } => (images, meant),
    };
    let may: May<can::Deploy, Service> = actor.may(platform, &hook.service_id).await?;
    for _ in 0..TRIES {
        let base = deployments::base(platform, &may, hook.environment_id).await?;
        let hosts = environments::registry_hosts(&mut platform.read().await?).await?;
        let runs = Runs { image: &base.descriptor.image, project: &hook.project, hosts: &hosts };
        let (image, offer) = match choose(&hook.rule, &offers, meant, runs) {
            Verdict::Deploy(image, offer) => (image, offer),
            Verdict::Ignore(why) => return Ok(ignored(why)),
            Verdict::Refuse(error) => return Err(error),
        };
        let (request, origin) = asked(platform, site, &may, &base, image, offer).await?;
        match deployments::renew(platform, &may, (hook.environment_id, base.revision), &request, origin.as_ref(), claim).await {
            Err(Error::Conflict { code: CHANGED, .. }) => {}
            done => return done.map(|view| begun(&view)),
        }
    }
    Err(Error::Unavailable("others deploy this service all the time; send it again".into()))
}

fn ignored(why: String) -> HookAnswer {
    HookAnswer::new(HookOutcome::Ignored, format!("ignored, because {why}"))
}

/// The deployment that is asked for: the descriptor with the image, or what the template makes of the answers with the image.
async fn asked(
    platform: &Platform,
    site: &Surroundings,
    may: &May<can::Deploy, Service>,
    base: &Base,
    image: model::image::ImageReference,
    offer: &Offer,
) -> Result<(Request, Option<Origin>)> {
    let source = offer.source.clone();
    let intent = Intent {
        environment: Some(base.environment.clone()),
        why: source.message.unwrap_or_default(),
        commit: source.commit,
        build: source.build,
        reference: source.reference,
        author: source.author,
        link: source.link,
        ..Intent::default()
    };
    if !base.templated {
        if !offer.answers.is_empty() {
            return Err(Error::invalid("parameters", "what runs was described by hand, so there is nothing that asks them; leave them out"));
        }
        let descriptor = model::descriptor::Descriptor { image, ..base.descriptor.clone() };
        return Ok((Request { intent, descriptor }, None));
    }
    let form = templates::answers::form(platform, may, Some(&base.environment), &Asked::default()).await?;
    let mut answers = offer.answers.clone();
    for parameter in form.parameters.0.iter().filter(|one| one.kind == model::template::ParameterKind::Image) {
        let answered = form.answers.get(&parameter.name).and_then(|text| text.parse::<model::image::ImageReference>().ok());
        if answered.is_some_and(|answered| answered == base.descriptor.image) {
            answers.entry(parameter.name.clone()).or_insert_with(|| image.to_string());
        }
    }
    let asked = Asked { answers, ..Asked::default() };
    let made = templates::answers::make(platform, may, Some(&base.environment), &asked, site).await.map_err(at_parameters)?;
    // Answers cannot lead to what the hook does not deploy.
    if made.descriptor.image != image && !offer.answers.is_empty() {
        let text = format!("with them the image is {}, and this delivery is about {image}; name it in image, tag or digest", made.descriptor.image);
        return Err(Error::invalid("parameters", text));
    }
    if made.descriptor.image != image {
        let text = format!("no question of the template asks for the image {}: deploy it by the form", base.descriptor.image);
        return Err(Error::conflict("image_not_asked", text));
    }
    Ok((Request { intent, descriptor: made.descriptor }, Some(made.origin)))
}

/// What is wrong with an answer is told by the name that it has in a delivery.
fn at_parameters(error: Error) -> Error {
    let named = |field: FieldError| match field.field.strip_prefix("answers.") {
        Some(name) => FieldError { field: format!("parameters.{name}"), ..field },
        None => field,
    };
    match error {
        Error::Invalid(fields) => Error::Invalid(fields.into_iter().map(named).collect()),
        other => other,
    }
}

/// What is answered when a deployment began.
pub(crate) fn begun(view: &DeploymentView) -> HookAnswer {
    let what = format!("revision {} ({})", view.revision, view.image);
    let message = match view.state {
        DeploymentState::Pending => format!("{what} waits for an approval to run in {}", view.environment),
        _ => format!("{what} is on its way to {}", view.environment),
    };
    HookAnswer { deployment: Some(view.id), state: Some(view.state), ..HookAnswer::new(HookOutcome::Accepted, message) }
}

/// What is answered to whoever waits, when the deployment ended or the time is over.
fn ended(view: &DeploymentView) -> HookAnswer {
    let outcome = match view.state {
        DeploymentState::Succeeded => HookOutcome::Succeeded,
        DeploymentState::Superseded => HookOutcome::Superseded,
        DeploymentState::Failed | DeploymentState::RolledBack | DeploymentState::Cancelled | DeploymentState::Refused | DeploymentState::Expired => {
            HookOutcome::Failed
        }
        DeploymentState::Pending | DeploymentState::Queued | DeploymentState::Pulling | DeploymentState::Rolling => HookOutcome::UnderWay,
    };
    let told = view.reason.as_ref().map(|reason| format!(": {}", reason.message)).unwrap_or_default();
    let message = format!("revision {} ({}) in {} is {}{told}", view.revision, view.image, view.environment, view.state);
    HookAnswer { deployment: Some(view.id), state: Some(view.state), reason: view.reason.clone(), ..HookAnswer::new(outcome, message) }
}

/// Waits for the end of the deployment that a delivery began, at most [`crate::watch::WAIT_MAX`]; where it began none, the answer is there.
///
/// # Errors
/// The hook was disabled or deleted meanwhile; the portal stops.
pub async fn wait(platform: &Platform, delivered: &Delivered, span: Duration) -> Result<HookAnswer> {
    let Some(key) = &delivered.deployment else { return Ok(delivered.answer.clone()) };
    let mut lease: Lease<can::SeeServices, DeploymentKey> = delivered.actor.lease(platform, key.clone()).await?;
    Ok(ended(&deployments::wait(platform, &mut lease, span).await?))
}

/// What a delivery that is kept whole was.
pub(super) fn kept(id: HookDeliveryId, text: &[u8]) -> Result<(Envelope, String)> {
    serde_json::from_slice(text).map_err(|_| Error::internal(format!("what is kept of the delivery {id} is no JSON")))
}

/// The same delivery once more, because somebody asks for it.
pub(super) fn again<'a>(of: HookDeliveryId, by: &'a str, letter: &'a Letter, fingerprint: &'a str) -> New<'a> {
    New { key: None, body_key: None, fingerprint, sender: letter.sender, event: &letter.event, redelivery: Some((of, by)) }
}
