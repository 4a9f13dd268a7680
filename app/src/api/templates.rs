//! Templates: the list, one with its versions, the editor with its preview, and the deploy form that is made from one. `project` is empty where the
//! whole site's templates are meant.

mod form;

use leptos::prelude::*;
#[cfg(feature = "ssr")]
use model::template::Answers;
use model::views::templates::{RenderedView, TemplateDetail, TemplateSummary};
use serde::{Deserialize, Serialize};

pub use form::{Answered, DeployTemplate, DeployTemplatePage, PLAIN, PlanTemplate, TemplatePlan, read_service_template, read_template_form};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::{lead_to, posted_form};
#[cfg(feature = "ssr")]
use super::parse::named;
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{May, Site, can};
#[cfg(feature = "ssr")]
use domain::projects::Project;
#[cfg(feature = "ssr")]
use domain::templates::{self, Surroundings, tries};
#[cfg(feature = "ssr")]
use model::names::{ProjectName, TemplateName};

/// Name under which what was typed waits for the next page of a browser without scripts.
#[cfg(feature = "ssr")]
const EDITED: &str = "template_editor";
/// What a new template begins with.
#[cfg(feature = "ssr")]
const STARTER: &str = "name: my-service
title: My service
description: What it is for.
parameters:
  - name: image
    type: image
    required: true
  - {name: replicas, type: integer, default: 1, min: 1, max: 20, required: true}
descriptor: |
  image: {{ image }}
  replicas: {{ replicas }}
";

/// The templates of an owner, and whether the reader may write some.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateList {
    /// A project's own and the site's; the site's alone where no project is meant.
    pub templates: Vec<TemplateSummary>,
    /// Whether the reader may write the owner's.
    pub may_write: bool,
}

/// One template with what it makes of its defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplatePage {
    /// The template.
    pub detail: TemplateDetail,
    /// What it makes.
    pub rendered: RenderedView,
}

/// What the editor begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditorPage {
    /// The document.
    pub document: String,
    /// Answers to try it with, one `name=value` on each line.
    pub tried: String,
    /// What was typed as the version's note.
    pub note: String,
    /// The newest version that there is; none: a new template.
    pub newest: Option<i64>,
    /// What the document makes.
    pub rendered: RenderedView,
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedTemplate {
    /// The template's name.
    pub name: String,
    /// Number of the version that says this.
    pub version: i64,
}

#[cfg(feature = "ssr")]
pub(super) fn surroundings() -> Surroundings {
    let names = use_context::<axum::http::request::Parts>().and_then(|parts| parts.extensions.get::<crate::boot::SiteNames>().cloned());
    names.map(|names| Surroundings { url: names.public_url.trim_end_matches('/').to_owned(), registry: names.registry }).unwrap_or_default()
}

#[cfg(feature = "ssr")]
async fn of_project<P: can::Permission>(caller: &Caller, project: &str) -> Result<May<P, Project>, ApiError> {
    Ok(caller.actor.may::<P, ProjectName>(&caller.platform, &named("project", project)?).await?)
}

#[cfg(feature = "ssr")]
async fn of_site<P: can::Permission>(caller: &Caller) -> Result<May<P, Site>, ApiError> {
    Ok(caller.actor.may::<P, _>(&caller.platform, &Site).await?)
}

/// The templates of the site, or those that a project's services can be made from.
#[server(prefix = "/fn", endpoint = "templates/list")]
pub async fn list_templates(#[server(default)] project: String) -> Result<TemplateList, ApiError> {
    use domain::templates::Sees;
    let caller = caller().await?;
    if project.is_empty() {
        let may = of_site::<can::SeeEnvironments>(&caller).await?;
        return Ok(TemplateList { templates: templates::list(&caller.platform, &may).await?, may_write: may.may_write() });
    }
    let may = of_project::<can::SeeServices>(&caller, &project).await?;
    Ok(TemplateList { templates: templates::offered(&caller.platform, &may).await?, may_write: may.may_write() })
}

/// A template with one of its versions, and what that makes of its defaults.
#[server(prefix = "/fn", endpoint = "templates/get")]
pub async fn get_template(
    #[server(default)] project: String,
    template: String,
    #[server(default)] version: Option<i64>,
) -> Result<TemplatePage, ApiError> {
    let caller = caller().await?;
    caller.actor.account()?;
    let name: TemplateName = named("template", &template)?;
    let (platform, site) = (&caller.platform, surroundings());
    let (detail, rendered) = if project.is_empty() {
        let may = of_site::<can::SeeEnvironments>(&caller).await?;
        let detail = templates::get(platform, &may, &name, version).await?;
        (detail, tries::try_version(platform, &may, &name, version, Answers::new(), &site).await?)
    } else {
        let may = of_project::<can::SeeServices>(&caller, &project).await?;
        let detail = templates::get(platform, &may, &name, version).await?;
        (detail, tries::try_version(platform, &may, &name, version, Answers::new(), &site).await?)
    };
    Ok(TemplatePage { detail, rendered })
}

/// What the editor begins with: what was typed before, the newest version, or a small new template.
#[server(prefix = "/fn", endpoint = "templates/editor")]
pub async fn read_template_editor(#[server(default)] project: String, #[server(default)] template: String) -> Result<EditorPage, ApiError> {
    let caller = caller().await?;
    caller.actor.account()?;
    let (mut document, mut newest) = (STARTER.to_owned(), None);
    if !template.is_empty() {
        let name: TemplateName = named("template", &template)?;
        let detail = if project.is_empty() {
            templates::get(&caller.platform, &of_site::<can::SeeEnvironments>(&caller).await?, &name, None).await?
        } else {
            templates::get(&caller.platform, &of_project::<can::SeeServices>(&caller, &project).await?, &name, None).await?
        };
        (document, newest) = (detail.document, Some(detail.template.version));
    }
    let typed = caller.take_draft::<(String, String, String)>(EDITED, &edited_at(&project, &template)).await?;
    let was_typed = typed.is_some();
    let (document, tried, note) = typed.unwrap_or((document, String::new(), String::new()));
    let rendered = match preview(&caller, &project, &document, &tried).await {
        Ok(rendered) => rendered,
        Err(error) => {
            // Too busy to show it: what was typed waits for the next try.
            if was_typed {
                caller.keep_draft(EDITED, &edited_at(&project, &template), &(document, tried, note)).await?;
            }
            return Err(error);
        }
    };
    Ok(EditorPage { document, tried, note, newest, rendered })
}

/// The preview, for whoever may write the owner's templates.
#[cfg(feature = "ssr")]
async fn preview(caller: &Caller, project: &str, document: &str, tried: &str) -> Result<RenderedView, ApiError> {
    let pairs = tried.lines().filter_map(|line| line.split_once('='));
    let given: Answers = pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
    let site = surroundings();
    if project.is_empty() {
        let may = of_site::<can::ManageSiteTemplates>(caller).await?;
        return Ok(tries::preview(&may, document, given, &site).await?);
    }
    let may = of_project::<can::ManageTemplates>(caller, project).await?;
    Ok(tries::preview(&may, document, given, &site).await?)
}

/// What a document would make; nothing is kept.
#[server(prefix = "/fn", endpoint = "templates/preview")]
pub async fn preview_template(
    csrf: String,
    #[server(default)] project: String,
    #[server(default)] template: String,
    #[server(default)] document: String,
    #[server(default)] tried: String,
    #[server(default)] note: String,
) -> Result<RenderedView, ApiError> {
    let caller = mutating(&csrf).await?;
    // A text field of a form sends its lines as HTML has them.
    let document = document.replace("\r\n", "\n");
    if posted_form() {
        caller.keep_draft(EDITED, &edited_at(&project, &template), &(&document, &tried, note)).await?;
    }
    preview(&caller, &project, &document, &tried).await
}

/// Where a document was typed: at a template of an owner; empty: at a new one.
#[cfg(feature = "ssr")]
fn edited_at(project: &str, template: &str) -> String {
    format!("{project}/{template}")
}

/// Makes a template of a document, or the next version of one.
#[server(prefix = "/fn", endpoint = "templates/save")]
pub async fn save_template(
    csrf: String,
    #[server(default)] project: String,
    #[server(default)] template: String,
    #[server(default)] document: String,
    #[server(default)] tried: String,
    #[server(default)] note: String,
) -> Result<SavedTemplate, ApiError> {
    let caller = mutating(&csrf).await?;
    let document = document.replace("\r\n", "\n");
    let expected: Option<TemplateName> = if template.is_empty() { None } else { Some(named("template", &template)?) };
    let saved = if project.is_empty() {
        let may = of_site::<can::ManageSiteTemplates>(&caller).await?;
        templates::save(&caller.platform, &may, &document, &note, expected.as_ref()).await
    } else {
        let may = of_project::<can::ManageTemplates>(&caller, &project).await?;
        templates::save(&caller.platform, &may, &document, &note, expected.as_ref()).await
    };
    if saved.is_err() && posted_form() {
        // The next page shows again what was typed: nothing typed is lost.
        caller.keep_draft(EDITED, &edited_at(&project, &template), &(document, tried, note)).await?;
    }
    let saved = saved?;
    lead_to(&crate::urls::template(&project, &saved.name));
    Ok(SavedTemplate { name: saved.name.to_string(), version: saved.version })
}

/// Deletes a template with all its versions.
#[server(prefix = "/fn", endpoint = "templates/delete")]
pub async fn delete_template(csrf: String, #[server(default)] project: String, template: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let name: TemplateName = named("template", &template)?;
    if project.is_empty() {
        templates::delete(&caller.platform, &of_site::<can::ManageSiteTemplates>(&caller).await?, &name).await?;
    } else {
        templates::delete(&caller.platform, &of_project::<can::ManageTemplates>(&caller, &project).await?, &name).await?;
    }
    lead_to(&crate::urls::templates(&project));
    Ok(())
}
