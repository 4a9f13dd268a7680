//! Scaling what a template made, or bringing another image of it. Where that comes from an answer, the answer is another one from then on: else the next
//! deployment from answers, in which CI names an image alone, would silently undo it.

use std::collections::BTreeSet;

use model::descriptor::Descriptor;
use model::ids::{RevisionId, TemplateId};
use model::image::ImageReference;
use model::template::{Answers, Checked, ParameterKind, Parameters, Template};

use super::answers::{self, Surroundings};
use super::document;
use super::render::{self, Around};
use super::tries::{Until, apart};
use crate::access::Actor;
use crate::args;
use crate::change::Change;
use crate::db::{Json, Tx};
use crate::environments::Environment;
use crate::error::Result;
use crate::services::Service;

/// The answers that made a revision.
pub(crate) struct MadeFrom {
    document: String,
    answers: Answers,
    around: Around,
}

/// What made a revision; none: no template did, or its version is gone.
pub(crate) async fn made_from(tx: &mut Tx, service: &Service, environment: &Environment, revision: RevisionId) -> Result<Option<MadeFrom>> {
    let sql = "SELECT template_id, template, version, answers FROM revision_templates WHERE revision_id = $1";
    type Found = (TemplateId, String, i64, Json<Answers>);
    let found: Option<Found> =
        tx.opt(sql, args![revision], |row| Ok((row.get("template_id")?, row.get("template")?, row.get("version")?, row.get("answers")?))).await?;
    let Some((id, name, version, Json(answers))) = found else { return Ok(None) };
    // Names of the site change no number; what stands for them must be right where an image is named by them.
    let site = Surroundings { url: "https://portal.invalid".into(), registry: "registry.invalid".into() };
    let around = answers::around(&site, service, environment, &name, version);
    Ok(document(tx, id, version).await?.map(|document| MadeFrom { document, answers, around }))
}

/// What differs from what the answers made: one thing, which may come from one answer.
#[derive(Clone, Debug)]
pub(crate) enum Another {
    /// The number of tasks.
    Replicas(u32),
    /// The image.
    Image(ImageReference),
}

impl Another {
    /// The sort of parameter that says it.
    fn kind(&self) -> ParameterKind {
        match self {
            Self::Replicas(_) => ParameterKind::Integer,
            Self::Image(_) => ParameterKind::Image,
        }
    }

    fn answer(&self) -> String {
        match self {
            Self::Replicas(replicas) => replicas.to_string(),
            Self::Image(image) => image.to_string(),
        }
    }

    fn of(&self, made: Descriptor) -> Descriptor {
        match self {
            Self::Replicas(replicas) => Descriptor { replicas: *replicas, ..made },
            Self::Image(image) => Descriptor { image: image.clone(), ..made },
        }
    }
}

/// The answers that lead to the same but for one thing; none: that comes from no answer of its sort.
pub(crate) async fn rescaled(by: &Actor, made: MadeFrom, another: Another) -> Result<Option<Answers>> {
    let MadeFrom { document, answers, around } = made;
    let work = move |until: Until| Ok(with_another(&super::read_within(&document, &|| until.left())?, &answers, &around, (&another, until)));
    let found = apart(by, work).await?;
    // A version that this release does not understand is told at the next deployment from it.
    Ok(found.unwrap_or_default())
}

fn with_another(template: &Template, answers: &Answers, around: &Around, (another, until): (&Another, Until)) -> Option<Answers> {
    // What is more than the template takes is remembered too: the next deployment from answers says so, and undoes nothing.
    let mut open: Parameters = template.parameters.clone();
    let asks = |kind: ParameterKind| kind == another.kind();
    open.0.iter_mut().filter(|parameter| asks(parameter.kind)).for_each(|one| (one.min, one.max, one.pattern) = (None, None, None));
    let kept: BTreeSet<String> = open.secrets().into_iter().map(str::to_owned).collect();
    let make = |answers: &Answers| -> Option<(Checked, Descriptor)> {
        let checked = open.check_within(answers, &kept, &|| until.left()).ok()?;
        let (_, descriptor) = render::descriptor(template, &checked.values, around, until.at()).ok()?;
        Some((checked, descriptor))
    };
    let (before, made) = make(answers)?;
    let wanted = another.of(made);
    let mut asked = open.0.iter().filter(|parameter| asks(parameter.kind) && before.values.contains_key(&parameter.name));
    asked.find_map(|parameter| {
        let mut answers = before.answers.clone();
        answers.insert(parameter.name.clone(), another.answer());
        make(&answers).filter(|(_, descriptor)| *descriptor == wanted).map(|(checked, _)| checked.answers)
    })
}

/// A revision was made from another's description with one thing changed: where these answers lead to it, what made the one made the other.
/// Where none do, no template made it, and the next deployment from one says so.
pub(crate) async fn note_scaled(change: &mut Change, from: RevisionId, to: RevisionId, answers: Option<&Answers>) -> Result<()> {
    let Some(answers) = answers else { return Ok(()) };
    let sql = "INSERT INTO revision_templates (revision_id, template_id, template, of_site, version, answers)
               SELECT $2, template_id, template, of_site, version, $3 FROM revision_templates WHERE revision_id = $1";
    change.exec(sql, args![from, to, Json(answers)]).await.map(drop)
}
