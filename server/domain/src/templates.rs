//! Templates: written by operators for the whole site and by admins for their project, in numbered versions that never change; how texts are made
//! from them ([`render`]) and how a service is deployed from answers ([`answers`]). Those that come with Slipway are [`shipped`].
//!
//! What is stored was parsed and looked at: a version that does not render is one whose answers do not fit, never one that could do harm.

pub mod answers;
mod gone;
pub mod render;
mod rescale;
pub mod shipped;
#[cfg(test)]
mod tests;
pub mod tries;

use model::access::Action;
use model::ids::{ProjectId, TemplateId};
use model::names::TemplateName;
use model::problem::FieldError;
use model::template::Template;
use model::views::templates::{TemplateDetail, TemplateSummary, TemplateVersion};
use sha2::{Digest as _, Sha256};

use crate::access::{Actor, May, Site, can};
use crate::args;
use crate::change::{Change, Record};
use crate::db::{Row, Tx, Value};
use crate::error::{Error, Result};
use crate::keys::hex;
use crate::live::Topic;
use crate::platform::Platform;
use crate::projects::Project;

pub use answers::{Asked, Origin, Surroundings};
pub(crate) use answers::{note, note_same, remember};
pub use gone::delete;
pub(crate) use gone::forget;
pub(crate) use rescale::{Another, made_from, note_scaled, rescaled};

/// Most templates of one owner.
const MOST: i64 = 200;
/// Most versions of one template.
const VERSIONS_MOST: i64 = 1000;
/// Most bytes of all documents of one owner, of deleted templates too, as far as services were made from them.
const ROOM: i64 = 32 * 1024 * 1024;
/// Longest note of a version, in characters.
const NOTE_MAX: usize = 500;

/// Whose templates are meant: a project's, or the whole site's.
#[derive(Clone, Debug)]
pub struct Owner {
    project: Option<Project>,
}

impl Owner {
    fn id(&self) -> Option<ProjectId> {
        self.project.as_ref().map(|project| project.id)
    }

    /// The condition for its templates `t`, where `$1` is [`Owner::id`]'s value.
    fn argument(&self) -> Value {
        Value::from(self.id())
    }

    /// Who writes its templates does it alone.
    fn turn(&self) -> String {
        format!("templates {}", self.id().map_or_else(|| String::from("site"), |id| id.to_string()))
    }

    fn record(&self, action: &'static str, name: &TemplateName) -> Record {
        let record = Record::new(action, "template", name);
        match &self.project {
            Some(project) => record.project(project),
            None => record,
        }
    }

    fn touch(&self, change: &mut Change) {
        if let Some(id) = self.id() {
            change.touch(Topic::Project(id));
        }
    }
}

/// A permission to read an owner's templates.
pub trait Sees: Sync {
    /// Whose.
    fn owner(&self) -> Owner;
    /// Who.
    fn actor(&self) -> &Actor;
    /// Whether the same caller may write them.
    fn may_write(&self) -> bool;
}

/// A permission to write an owner's templates.
pub trait Writes: Sync {
    /// Whose.
    fn owner(&self) -> Owner;
    /// Who.
    fn actor(&self) -> &Actor;
}

// Everybody who is signed in sees the site's templates, as its environments.
impl Sees for May<can::SeeEnvironments, Site> {
    fn owner(&self) -> Owner {
        Owner { project: None }
    }

    fn actor(&self) -> &Actor {
        May::actor(self)
    }

    fn may_write(&self) -> bool {
        self.also(Action::ManageSiteTemplates)
    }
}

impl Sees for May<can::SeeServices, Project> {
    fn owner(&self) -> Owner {
        Owner { project: Some((**self).clone()) }
    }

    fn actor(&self) -> &Actor {
        May::actor(self)
    }

    fn may_write(&self) -> bool {
        self.also(Action::ManageTemplates)
    }
}

impl Writes for May<can::ManageSiteTemplates, Site> {
    fn owner(&self) -> Owner {
        Owner { project: None }
    }

    fn actor(&self) -> &Actor {
        May::actor(self)
    }
}

impl Writes for May<can::ManageTemplates, Project> {
    fn owner(&self) -> Owner {
        Owner { project: Some((**self).clone()) }
    }

    fn actor(&self) -> &Actor {
        May::actor(self)
    }
}

/// Columns of a template `t` with its newest version `n` and its project `tp`.
const COLUMNS: &str = "t.id, t.name, tp.name AS project, t.shipped, n.number, n.title, n.description, n.created_at, n.created_by";
const FROM: &str = "FROM templates t LEFT JOIN projects tp ON tp.id = t.project_id
    JOIN template_versions n ON n.template_id = t.id AND n.number = (SELECT MAX(m.number) FROM template_versions m WHERE m.template_id = t.id)";

fn summary(row: &Row<'_>) -> Result<(TemplateId, TemplateSummary)> {
    let summary = TemplateSummary {
        name: row.get("name")?,
        project: row.get("project")?,
        title: row.get("title")?,
        description: row.get("description")?,
        version: row.get("number")?,
        shipped: row.get("shipped")?,
        updated_at: row.get("created_at")?,
        by: row.get("created_by")?,
    };
    Ok((row.get("id")?, summary))
}

/// An owner's templates, by name.
pub async fn list(platform: &Platform, may: &impl Sees) -> Result<Vec<TemplateSummary>> {
    let mut tx = platform.read().await?;
    let sql = format!("SELECT {COLUMNS} {FROM} WHERE t.project_id IS NOT DISTINCT FROM $1 AND t.deleted_at IS NULL ORDER BY t.name LIMIT {MOST}");
    let found = tx.all(sql, vec![may.owner().argument()], summary).await?;
    Ok(found.into_iter().map(|(_, summary)| summary).collect())
}

/// All that a project's services can be made from: its own, then the site's.
pub async fn offered(platform: &Platform, may: &May<can::SeeServices, Project>) -> Result<Vec<TemplateSummary>> {
    let mut tx = platform.read().await?;
    let sql = format!(
        "SELECT {COLUMNS} {FROM} WHERE (t.project_id = $1 OR t.project_id IS NULL) AND t.deleted_at IS NULL
         ORDER BY CASE WHEN t.project_id IS NULL THEN 1 ELSE 0 END, t.name LIMIT {}",
        2 * MOST
    );
    let found = tx.all(sql, args![may.id], summary).await?;
    Ok(found.into_iter().map(|(_, summary)| summary).collect())
}

async fn by_name(tx: &mut Tx, owner: &Owner, name: &TemplateName) -> Result<Option<(TemplateId, TemplateSummary)>> {
    let sql = format!("SELECT {COLUMNS} {FROM} WHERE t.project_id IS NOT DISTINCT FROM $1 AND t.name = $2 AND t.deleted_at IS NULL");
    tx.opt(sql, vec![owner.argument(), name.into()], summary).await
}

pub(crate) async fn by_id(tx: &mut Tx, id: TemplateId) -> Result<Option<TemplateSummary>> {
    let sql = format!("SELECT {COLUMNS} {FROM} WHERE t.id = $1 AND t.deleted_at IS NULL");
    Ok(tx.opt(sql, args![id], summary).await?.map(|(_, summary)| summary))
}

fn version(row: &Row<'_>) -> Result<TemplateVersion> {
    Ok(TemplateVersion {
        number: row.get("number")?,
        note: row.get("note")?,
        by: row.get("created_by")?,
        created_at: row.get("created_at")?,
        shipped: row.get("shipped")?,
    })
}

/// A version's document, as it was written.
pub(crate) async fn document(tx: &mut Tx, id: TemplateId, number: i64) -> Result<Option<String>> {
    let sql = "SELECT document FROM template_versions WHERE template_id = $1 AND number = $2";
    tx.opt(sql, args![id, number], |row| row.get("document")).await
}

/// What was stored reads back, unless the rules for templates grew stricter since.
async fn parsed(by: &Actor, text: String) -> Result<Template> {
    let read = tries::apart(by, move |until| Template::parse_within(&text, &|| until.left())).await?;
    read.map_err(|errors| {
        let shown = errors.iter().take(3).map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Error::conflict("template_outdated", format!("this version is not understood by this release: {shown}; make a new version of it"))
    })
}

/// A template with one of its versions; the newest where none is named.
pub async fn get(platform: &Platform, may: &impl Sees, name: &TemplateName, number: Option<i64>) -> Result<TemplateDetail> {
    let missing = || Error::NotFound { what: "template" };
    let mut tx = platform.read().await?;
    let (id, template) = by_name(&mut tx, &may.owner(), name).await?.ok_or_else(missing)?;
    let number = number.unwrap_or(template.version);
    let sql = format!(
        "SELECT number, note, created_by, created_at, shipped FROM template_versions WHERE template_id = $1 ORDER BY number DESC LIMIT {VERSIONS_MOST}"
    );
    let versions = tx.all(sql, args![id], version).await?;
    let version = versions.iter().find(|version| version.number == number).cloned();
    let version = version.ok_or(Error::NotFound { what: "version of this template" })?;
    let document = document(&mut tx, id, number).await?.ok_or_else(missing)?;
    let sql = "SELECT COUNT(DISTINCT u.service_id) AS n FROM service_templates u JOIN services s ON s.id = u.service_id AND s.deleted_at IS NULL
               WHERE u.template_id = $1";
    let services = tx.one(sql, args![id], |row| row.get("n")).await?;
    drop(tx);
    let parsed = parsed(may.actor(), document.clone()).await?;
    let outputs = parsed.sources.iter().map(|(output, _)| *output).collect();
    Ok(TemplateDetail { template, version, document, parameters: parsed.parameters, outputs, versions, services, may_write: may.may_write() })
}

/// Reads a document and looks at all that it may do.
///
/// # Errors
/// Every mistake, by its path in the document.
pub fn read_document(text: &str) -> Result<Template, Vec<FieldError>> {
    read_within(text, &|| true)
}

/// The same, given up with an error once `in_time` says no.
fn read_within(text: &str, in_time: &dyn Fn() -> bool) -> Result<Template, Vec<FieldError>> {
    let template = Template::parse_within(text, in_time)?;
    render::inspect(&template)?;
    Ok(template)
}

/// What came of [`save`].
#[derive(Clone, Debug)]
pub struct Saved {
    /// The template's name.
    pub name: TemplateName,
    /// The number of the version that says this.
    pub version: i64,
    /// Whether it was made now; else the newest version said the same already.
    pub made: bool,
}

/// Makes a template of a document, or its next version, where there is one of that name.
///
/// # Errors
/// `Invalid`, at `document.<path>`; `expected` is the name that it must have, where one is edited.
pub async fn save(platform: &Platform, may: &impl Writes, text: &str, note: &str, expected: Option<&TemplateName>) -> Result<Saved> {
    let owned = text.to_owned();
    let template = tries::apart(may.actor(), move |until| read_within(&owned, &|| until.left())).await?.map_err(|errors| {
        let below = |error: FieldError| {
            let field = if error.field.is_empty() { String::from("document") } else { format!("document.{}", error.field) };
            FieldError::new(field, error.message)
        };
        Error::Invalid(errors.into_iter().map(below).collect())
    })?;
    if let Some(expected) = expected.filter(|expected| **expected != template.name) {
        let text = format!("a version of {expected} has that name; to make another template, import it as a new one");
        return Err(Error::invalid("document.name", text));
    }
    if note.chars().count() > NOTE_MAX || note.contains('\0') {
        return Err(Error::invalid("note", format!("at most {NOTE_MAX} characters")));
    }
    let owner = may.owner();
    let mut change = platform.change(may.actor()).await?;
    change.lock_key(&owner.turn()).await?;
    let by = may.actor().name().to_owned();
    let written = Written { text, template: &template, shipped: false, note: note.trim(), by: &by };
    let (id, newest) = match by_name(&mut change, &owner, &template.name).await? {
        Some((id, found)) => (id, found.version),
        None => (begin(&mut change, platform, &owner, &template.name, false, &by).await?, 0),
    };
    if newest > 0 && digest_of(&mut change, id, newest).await? == digest(text) {
        return Ok(Saved { name: template.name, version: newest, made: false });
    }
    make_room(&mut change, &owner, text).await?;
    add_version(&mut change, platform, id, newest + 1, &written).await?;
    owner.touch(&mut change);
    let action = if newest == 0 { "template.create" } else { "template.version" };
    let detail = serde_json::json!({ "version": newest + 1, "note": note.trim() });
    change.commit(owner.record(action, &template.name).detail(detail)).await?;
    Ok(Saved { name: template.name, version: newest + 1, made: true })
}

/// A version that is being written.
struct Written<'a> {
    text: &'a str,
    template: &'a Template,
    shipped: bool,
    note: &'a str,
    by: &'a str,
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

async fn digest_of(tx: &mut Tx, id: TemplateId, number: i64) -> Result<String> {
    let sql = "SELECT digest FROM template_versions WHERE template_id = $1 AND number = $2";
    tx.one(sql, args![id, number], |row| row.get("digest")).await
}

async fn begin(tx: &mut Tx, platform: &Platform, owner: &Owner, name: &TemplateName, shipped: bool, by: &str) -> Result<TemplateId> {
    let sql = "SELECT COUNT(*) AS n FROM templates t WHERE t.project_id IS NOT DISTINCT FROM $1 AND t.deleted_at IS NULL";
    let count: i64 = tx.one(sql, vec![owner.argument()], |row| row.get("n")).await?;
    if count >= MOST {
        return Err(Error::conflict("too_many_templates", format!("there are at most {MOST} templates; delete one first")));
    }
    let id: TemplateId = platform.new_id();
    let sql = "INSERT INTO templates (id, project_id, name, shipped, created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6)";
    tx.exec(sql, args![id, owner.id(), name, shipped, platform.now(), by]).await?;
    Ok(id)
}

async fn add_version(tx: &mut Tx, platform: &Platform, id: TemplateId, number: i64, written: &Written<'_>) -> Result<()> {
    if number > VERSIONS_MOST {
        return Err(Error::conflict("too_many_versions", format!("a template has at most {VERSIONS_MOST} versions; import it under another name")));
    }
    let sql = "INSERT INTO template_versions (template_id, number, title, description, document, size, digest, shipped, note, created_at, created_by)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let (title, description) = (written.template.title.as_str(), written.template.description.as_str());
    let arguments = args![
        id,
        number,
        title,
        description,
        written.text,
        bytes(written.text),
        digest(written.text),
        written.shipped,
        written.note,
        platform.now(),
        written.by,
    ];
    tx.exec(sql, arguments).await.map(drop)
}

fn bytes(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

/// Whether the owner may keep this document too. The caller holds the owner's turn.
async fn make_room(tx: &mut Tx, owner: &Owner, text: &str) -> Result<()> {
    let sql = "SELECT CAST(COALESCE(SUM(v.size), 0) AS BIGINT) AS n FROM template_versions v JOIN templates t ON t.id = v.template_id
               WHERE t.project_id IS NOT DISTINCT FROM $1";
    let held: i64 = tx.one(sql, vec![owner.argument()], |row| row.get("n")).await?;
    if held + bytes(text) > ROOM {
        let message = format!("all versions of all templates would have more than {ROOM} bytes; delete a template that is of no use any more");
        return Err(Error::conflict("templates_full", message));
    }
    Ok(())
}
