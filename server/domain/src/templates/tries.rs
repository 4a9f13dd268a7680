//! Making texts to be looked at: everything that a template makes from answers, a stored version tried, a document tried before it is saved. Nothing is
//! written.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use model::names::TemplateName;
use model::problem::FieldError;
use model::template::{Answers, Checked, Output, ParameterKind, Template};
use model::views::templates::{Rendered, RenderedView};
use tokio::sync::Semaphore;

use super::answers::Surroundings;
use super::render::{self, Around};
use super::{Owner, Sees, Writes, parsed};
use crate::error::{Error, Result};
use crate::platform::Platform;

/// After this no further text is begun.
const TIME: Duration = Duration::from_secs(2);

/// What is at work at once. Each takes milliseconds, and at most some seconds whatever somebody wrote.
static PLACES: Semaphore = Semaphore::const_new(2);

/// Reading, checking and rendering stand in nobody's way.
pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Vec<FieldError>> + Send + 'static,
) -> Result<Result<T, Vec<FieldError>>> {
    let place = PLACES.acquire().await.map_err(|_| Error::internal("nothing is rendered any more"))?;
    let work = move || {
        let _place = place;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal(format!("rendering crashed: {error}")))
}

/// Everything that a template makes from answers.
pub(super) async fn all(
    template: Template,
    answers: Answers,
    kept: BTreeSet<String>,
    around: Around,
    outputs: &'static [Output],
) -> Result<RenderedView> {
    let work = move || {
        let checked = template.parameters.check(&answers, &kept)?;
        let began = Instant::now();
        let one = |output: &Output| {
            template.source(*output)?;
            Some(if began.elapsed() < TIME { text(&template, *output, &checked, &around) } else { too_late(*output) })
        };
        Ok(outputs.iter().filter_map(one).collect())
    };
    Ok(match apart(work).await? {
        Ok(outputs) => RenderedView { outputs, errors: Vec::new() },
        Err(errors) => RenderedView { outputs: Vec::new(), errors },
    })
}

fn too_late(output: Output) -> Rendered {
    let error = FieldError::new(output.as_str(), "is not made: those before it took too long");
    Rendered { output, file: output.file().to_owned(), text: String::new(), errors: vec![error] }
}

fn text(template: &Template, output: Output, checked: &Checked, around: &Around) -> Rendered {
    let rendered = match output {
        Output::Descriptor => render::descriptor(template, &checked.values, around).map(|(text, _)| text),
        _ => render::render(template, output, &checked.values, around).map_err(|error| vec![error]),
    };
    // A descriptor that says something wrong is shown with what is wrong.
    let (text, errors) = match rendered {
        Ok(text) => (text, Vec::new()),
        Err(errors) => (render::render(template, output, &checked.values, around).unwrap_or_default(), errors),
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
    let template = parsed(detail.document).await?;
    let answers = with_samples(&template, answers);
    let around = sample_around(site, may.owner(), &template, detail.version.number);
    all(template, answers, BTreeSet::new(), around, Output::ALL).await
}

/// What a document would make: the editor's preview. What must be answered and is not gets a sample.
pub async fn preview(may: &impl Writes, text: &str, answers: Answers, site: &Surroundings) -> Result<RenderedView> {
    let text = text.to_owned();
    let read = apart(move || super::read_document(&text)).await?;
    match read {
        Err(errors) => Ok(RenderedView { outputs: Vec::new(), errors }),
        Ok(template) => {
            let answers = with_samples(&template, answers);
            let around = sample_around(site, may.owner(), &template, 1);
            all(template, answers, BTreeSet::new(), around, Output::ALL).await
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
