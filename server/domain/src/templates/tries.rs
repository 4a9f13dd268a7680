//! Making texts to be looked at: everything that a template makes from answers, a stored version tried, a document tried before it is saved. Nothing is
//! written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::ids::UserId;
use model::names::TemplateName;
use model::problem::FieldError;
use model::template::{Answers, Checked, Output, ParameterKind, Template};
use model::views::templates::{Rendered, RenderedView};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::answers::Surroundings;
use super::render::{self, Around};
use super::{Owner, Sees, Writes, parsed};
use crate::access::Actor;
use crate::error::{Error, Result};
use crate::platform::Platform;

/// What reading takes at most, or checking and rendering together: then nothing further is begun, and what is at it ends at its next step.
const TIME: Duration = Duration::from_secs(2);
/// Longest wait for a place.
const WAIT: Duration = Duration::from_secs(5);

/// What is at work at once. Each takes milliseconds, and at most some seconds whatever somebody wrote.
static PLACES: Semaphore = Semaphore::const_new(2);

/// The one place of each account that has something at work or waiting: whatever somebody writes and however often, others find a place too.
static ACCOUNTS: Mutex<BTreeMap<UserId, Arc<Semaphore>>> = Mutex::new(BTreeMap::new());

/// When a piece of work is given up.
#[derive(Clone, Copy)]
pub(super) struct Until(Instant);

impl Until {
    /// Whether there is time left.
    pub(super) fn left(self) -> bool {
        Instant::now() < self.0
    }

    pub(super) const fn at(self) -> Instant {
        self.0
    }
}

/// Reading, checking and rendering stand in nobody's way.
///
/// # Errors
/// `Unavailable` when there was no place for too long.
pub(super) async fn apart<T: Send + 'static>(
    by: &Actor,
    work: impl FnOnce(Until) -> Result<T, Vec<FieldError>> + Send + 'static,
) -> Result<Result<T, Vec<FieldError>>> {
    let places = places(by.account()?.id).await?;
    let work = move || {
        let _places = places;
        work(Until(Instant::now() + TIME))
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal(format!("rendering crashed: {error}")))
}

/// The account's own place, then one of the site's: so an account has at most one piece of work in the site's queue.
async fn places(by: UserId) -> Result<(OwnedSemaphorePermit, SemaphorePermit<'static>)> {
    let own = own(by);
    let both = async { Ok::<_, tokio::sync::AcquireError>((own.acquire_owned().await?, PLACES.acquire().await?)) };
    match tokio::time::timeout(WAIT, both).await {
        Ok(found) => found.map_err(|_| Error::internal("nothing is rendered any more")),
        Err(_) => Err(Error::Unavailable("too much is being made from templates at this moment; try again".into())),
    }
}

fn own(by: UserId) -> Arc<Semaphore> {
    let mut accounts = ACCOUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    // Whoever has or awaits a place holds on to it.
    accounts.retain(|_, place| Arc::strong_count(place) > 1);
    Arc::clone(accounts.entry(by).or_insert_with(|| Arc::new(Semaphore::new(1))))
}

/// An account's own place, for tests of what is done while it is taken.
#[cfg(test)]
pub(crate) async fn occupied(by: &Actor) -> OwnedSemaphorePermit {
    own(by.account().expect("an account").id).acquire_owned().await.expect("a place")
}

/// Everything that a template makes from answers.
pub(super) async fn all(
    by: &Actor,
    template: Template,
    (answers, kept): (Answers, BTreeSet<String>),
    around: Around,
    outputs: &'static [Output],
) -> Result<RenderedView> {
    let work = move |until: Until| {
        let checked = template.parameters.check_within(&answers, &kept, &|| until.left())?;
        let one = |output: &Output| {
            template.source(*output)?;
            Some(if until.left() { text(&template, *output, &checked, &around, until.at()) } else { too_late(*output) })
        };
        Ok(outputs.iter().filter_map(one).collect())
    };
    Ok(match apart(by, work).await? {
        Ok(outputs) => RenderedView { outputs, errors: Vec::new() },
        Err(errors) => RenderedView { outputs: Vec::new(), errors },
    })
}

fn too_late(output: Output) -> Rendered {
    let error = FieldError::new(output.as_str(), "is not made: those before it took too long");
    Rendered { output, file: output.file().to_owned(), text: String::new(), errors: vec![error] }
}

fn text(template: &Template, output: Output, checked: &Checked, around: &Around, until: Instant) -> Rendered {
    let rendered = match output {
        Output::Descriptor => render::descriptor(template, &checked.values, around, until).map(|(text, _)| text),
        _ => render::render(template, output, &checked.values, around, until).map_err(|error| vec![error]),
    };
    // A descriptor that says something wrong is shown with what is wrong.
    let (text, errors) = match rendered {
        Ok(text) => (text, Vec::new()),
        Err(errors) => (render::render(template, output, &checked.values, around, until).unwrap_or_default(), errors),
    };
    Rendered { output, file: output.file().to_owned(), text, errors }
}

/// What a stored version makes from answers, for whoever may read it.
pub async fn try_version(
    platform: &Platform,
    may: &impl Sees,
    name: &TemplateName,
    number: Option<i64>,
    answers: Answers,
    site: &Surroundings,
) -> Result<RenderedView> {
    let detail = super::get(platform, may, name, number).await?;
    let template = parsed(may.actor(), detail.document).await?;
    let answers = with_samples(&template, answers);
    let around = sample_around(site, may.owner(), &template, detail.version.number);
    all(may.actor(), template, (answers, BTreeSet::new()), around, Output::ALL).await
}

/// What a document would make: the editor's preview. What must be answered and is not gets a sample.
pub async fn preview(may: &impl Writes, text: &str, answers: Answers, site: &Surroundings) -> Result<RenderedView> {
    let text = text.to_owned();
    let read = apart(may.actor(), move |until| super::read_within(&text, &|| until.left())).await?;
    match read {
        Err(errors) => Ok(RenderedView { outputs: Vec::new(), errors }),
        Ok(template) => {
            let answers = with_samples(&template, answers);
            let around = sample_around(site, may.owner(), &template, 1);
            all(may.actor(), template, (answers, BTreeSet::new()), around, Output::ALL).await
        }
    }
}

fn sample_around(site: &Surroundings, owner: Owner, template: &Template, version: i64) -> Around {
    Around {
        url: site.url.clone(),
        registry: site.registry.clone(),
        project: owner.project.map_or_else(|| String::from("shop"), |project| project.name.to_string()),
        service: String::from("web"),
        environment: String::from("local"),
        template: template.name.to_string(),
        version,
    }
}

/// Answers to try a template with: those given, defaults, and samples for what must be answered.
fn with_samples(template: &Template, mut answers: Answers) -> Answers {
    for parameter in &template.parameters.0 {
        let open = parameter.required && parameter.default.is_none() && answers.get(&parameter.name).is_none_or(String::is_empty);
        if !open {
            continue;
        }
        let sample = match parameter.kind {
            ParameterKind::String | ParameterKind::Text => String::from("example"),
            ParameterKind::Integer | ParameterKind::Decimal => parameter.min.clone().unwrap_or_else(|| String::from("1")),
            ParameterKind::Boolean => String::from("true"),
            ParameterKind::Choice => template.parameters.choices(&parameter.name, &answers).first().map(|one| one.value.clone()).unwrap_or_default(),
            ParameterKind::Secret => String::from("a secret to try"),
            ParameterKind::Image => String::from("web:1.4.2"),
            ParameterKind::Duration => parameter.min.clone().unwrap_or_else(|| String::from("10s")),
            ParameterKind::Size => parameter.min.clone().unwrap_or_else(|| String::from("256MiB")),
        };
        answers.insert(parameter.name.clone(), sample);
    }
    answers
}
