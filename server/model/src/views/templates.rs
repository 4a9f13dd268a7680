//! Views of templates, their versions, and what a service was made from.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::names::{EnvironmentName, ProjectName, TemplateName};
use crate::problem::FieldError;
use crate::template::{Answers, Output, Parameters};
use crate::time::Millis;

/// A template in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateSummary {
    /// Its name.
    pub name: TemplateName,
    /// Its project; none: of the whole site.
    pub project: Option<ProjectName>,
    /// What it is called.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Number of its newest version.
    pub version: i64,
    /// Whether it came with Slipway.
    pub shipped: bool,
    /// When the newest version was made.
    pub updated_at: Millis,
    /// Who made it, by the name at that time.
    pub by: String,
}

impl TemplateSummary {
    /// How a service of the project names it without a doubt.
    #[must_use]
    pub fn reference(&self) -> String {
        let owner = if self.project.is_none() { "site" } else { "own" };
        format!("{owner}/{}", self.name)
    }
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// Its number.
    pub number: i64,
    /// What is new in it, as its writer said.
    pub note: String,
    /// Who, by the name at that time.
    pub by: String,
    /// When.
    pub created_at: Millis,
    /// Whether it came with Slipway.
    pub shipped: bool,
}

/// A template with one of its versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateDetail {
    /// The template and its newest version.
    pub template: TemplateSummary,
    /// The version that is shown.
    pub version: TemplateVersion,
    /// Its document.
    pub document: String,
    /// What it asks.
    pub parameters: Parameters,
    /// What it makes.
    pub outputs: Vec<Output>,
    /// All versions, the newest first.
    pub versions: Vec<TemplateVersion>,
    /// How many services were made from it.
    pub services: i64,
    /// Whether the reader may write it.
    pub may_write: bool,
}

/// Which version of a template made something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateMark {
    /// Its name at that time.
    pub name: TemplateName,
    /// Whether it is one of the whole site.
    pub of_site: bool,
    /// The version.
    pub version: i64,
}

/// One text that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// Which.
    pub output: Output,
    /// The file that it usually is.
    pub file: String,
    /// The text; empty where it could not be made.
    pub text: String,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// What a template makes from answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedView {
    /// The texts, in their order; none where the answers or the document are wrong.
    pub outputs: Vec<Rendered>,
    /// What is wrong with the document or the answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// What a form begins with, for one service in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateForm {
    /// The template and its newest version.
    pub template: TemplateSummary,
    /// The version whose parameters these are.
    pub version: i64,
    /// The version that the service was made from last, where it was this template.
    pub remembered: Option<i64>,
    /// The environment.
    pub environment: EnvironmentName,
    /// What it asks.
    pub parameters: Parameters,
    /// The answers that it begins with; never a secret.
    pub answers: Answers,
    /// The secret parameters whose secret is set, here or for the whole project: left empty, it stays.
    pub kept: BTreeSet<String>,
}

/// What a service was made from last in an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceTemplate {
    /// The environment.
    pub environment: EnvironmentName,
    /// The template and its newest version; none: it was deleted.
    pub template: Option<TemplateSummary>,
    /// Its name and the version that was used.
    pub mark: TemplateMark,
    /// The answers; never a secret. None for readers who may not deploy.
    pub answers: Answers,
    /// Whether answers are kept from this reader, who may not deploy: any of them may become what a revision hides. Then nothing is made of them.
    #[serde(default)]
    pub hidden: bool,
    /// The secret parameters whose secret is set.
    pub secrets: BTreeSet<String>,
    /// When it was answered.
    pub updated_at: Millis,
    /// By whom, by the name at that time.
    pub by: String,
    /// What it makes for this service.
    pub rendered: RenderedView,
}
