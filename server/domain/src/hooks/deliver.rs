//! A delivery, from its proof to its answer. What is outside hears the same of a hook that is not there and of a wrong proof, after the same time.

use std::time::Duration;

use model::hooks::{HookAnswer, HookOutcome};
use model::ids::HookDeliveryId;
use model::problem::FieldError;
use model::views::deployments::{DeploymentState, DeploymentView};
use sha2::{Digest as _, Sha256};

use super::bodies::{self, Letter, Offer, Said};
use super::claim::{Claim, Held, New, hold};
use super::decide::{Runs, Verdict, choose};
use super::envelope::Envelope;
use super::proofs::{self, Proof};
use super::rows::{self, Hook};
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

/// Takes a delivery. The same one, by its sender's word, is answered as it was the first time.
///
/// # Errors
/// `NotFound`: there is no such hook, or nothing proves that it is its sender; `TooMany` where that comes too often. `Forbidden`: the hook is
/// disabled. `Invalid`: signed too long ago, or another body under the name of an earlier delivery. `Unavailable`, and faults of ours: nothing was
/// done.
pub async fn deliver(platform: &Platform, site: &Surroundings, address: &str, received: Received) -> Result<Delivered> {
    let hook = proved(platform, address, &received).await?;
    if hook.disabled {
        return Err(Error::Forbidden(format!("the hook {} is disabled; an admin of project {} can enable it", hook.name, hook.project)));
    }
    let letter = bodies::read(&received.envelope, &received.body);
    let key = received.envelope.key()?.or_else(|| letter.key.clone());
    let request = request(&received.envelope, &received.body)?;
    let fingerprint = hex(&Sha256::digest(&received.body));
    let new =
        New { key: key.as_deref(), fingerprint: &fingerprint, sender: letter.sender, event: &letter.event, request: &request, redelivery: None };
    let actor = hook.actor(&received.address);
    let held = hold(platform, &hook, &new).await?;
    let place = (hook.project.clone(), hook.service.clone());
    let (answer, repeated) = match held {
        Held::Mine(claim) => (work(platform, site, hook, &actor, letter, claim).await?, false),
        Held::Answered(answer) => (answer, true),
        Held::Another => {
            let field = key.as_deref().and_then(|key| key.split_once(':')).map_or("body", |(header, _)| header);
            return Err(Error::invalid(field, "another body was delivered under this name; what is new needs a new one"));
        }
    };
    let deployment = answer.deployment.map(|deployment| DeploymentKey { project: place.0, service: place.1, deployment });
    Ok(Delivered { answer, repeated, deployment, actor })
}

/// The hook, if the delivery proves that its sender knows the hook's secret.
async fn proved(platform: &Platform, address: &str, received: &Received) -> Result<Hook> {
    let mut tx = platform.read().await?;
    let found = rows::by_address(&mut tx, address).await?;
    let secrets = match &found {
        Some(hook) => rows::secrets(&mut tx, platform, hook.id).await?,
        None => {
            // The same work for one that is not there.
            rows::secrets(&mut tx, platform, platform.new_id()).await?;
            proofs::nobodys()
        }
    };
    drop(tx);
    let proof = proofs::check(&received.envelope, &received.body, &secrets, platform.now());
    match (found, proof) {
        (Some(hook), Proof::Right) => Ok(hook),
        (Some(_), Proof::Stale(why)) => Err(Error::invalid("webhook-timestamp", why)),
        (found, _) => {
            platform.hook_throttle().admit(platform.now(), address, &received.address)?;
            let name = found.map(|hook| format!("{}/{}/{}", hook.project, hook.service, hook.name)).unwrap_or_default();
            tracing::warn!(client.address = received.address, hook.name = name, "a delivery to a hook proved nothing");
            Err(Error::NotFound { what: "hook, or what was sent does not prove that its sender knows the hook's secret" })
        }
    }
}

/// A delivery as it is kept: headers without proofs, and the body.
fn request(envelope: &Envelope, body: &[u8]) -> Result<Vec<u8>> {
    let kept = (envelope, String::from_utf8_lossy(body));
    serde_json::to_vec(&kept).map_err(|error| Error::internal(format!("a delivery is JSON: {error}")))
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
            Err(error) => HookAnswer::refused(error.problem()),
        };
        claim.settle(&platform, &answer).await?;
        Ok(answer)
    });
    task.await.map_err(|error| Error::internal(format!("the work on a delivery ended: {error}")))?
}

/// Whether the same may go well the next time, with nothing changed by its sender.
fn passes(error: &Error) -> bool {
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
pub(super) fn again<'a>(of: HookDeliveryId, by: &'a str, letter: &'a Letter, fingerprint: &'a str, request: &'a [u8]) -> New<'a> {
    New { key: None, fingerprint, sender: letter.sender, event: &letter.event, request, redelivery: Some((of, by)) }
}
