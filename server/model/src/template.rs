//! Templates: typed parameters, and the texts that are made from them: a descriptor, a Dockerfile, the CI's side. A template is one YAML document
//! ([`Template::parse`]), which is kept as its writer wrote it. What is answered to the parameters is checked by [`Parameters::check`], the same in
//! the browser and on the server. How texts are made from answers is the domain's (`templates/render`): here nothing is rendered.
//!
//! Invariants: a template that was parsed is consistent (every default is right, every parameter refers to earlier ones alone); answers that were
//! checked fit it; a secret is in no error and in no value: a value names it.

mod answers;
mod check;
mod reader;
pub mod shape;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use answers::{Answers, Checked, Value, from_json};

use crate::descriptor::document;
use crate::names::TemplateName;
use crate::problem::FieldError;
use crate::words::words;

/// Most parameters of one template.
pub const PARAMETERS_MAX: usize = 100;
/// Most choices of one parameter, those of all its lists together.
pub const CHOICES_MAX: usize = 500;
/// Longest text that something is made from, in bytes.
pub const SOURCE_MAX: usize = 60 * 1024;
/// Longest answer, in bytes.
pub const ANSWER_MAX: usize = 16 * 1024;
/// Most bytes of all answers together.
pub const ANSWERS_MAX: usize = 128 * 1024;

words! {
    /// What a parameter takes.
    ParameterKind,
    /// One line.
    String = "string",
    /// Several lines.
    Text = "text",
    /// A whole number.
    Integer = "integer",
    /// A number with decimals.
    Decimal = "decimal",
    /// Yes or no.
    Boolean = "boolean",
    /// One of several.
    Choice = "choice",
    /// A text that is set as a secret of the service and never shown again. In the texts its value is the secret's name: that of the parameter.
    Secret = "secret",
    /// An image, one of the registry's or of an outside one.
    Image = "image",
    /// A span of time: `30s`.
    Duration = "duration",
    /// An amount of memory: `256MiB`.
    Size = "size",
}

words! {
    /// What a template makes.
    Output,
    /// What the service is.
    Descriptor = "descriptor",
    /// How its image is built.
    Dockerfile = "dockerfile",
    /// A pipeline for Jenkins.
    Jenkinsfile = "jenkinsfile",
    /// A workflow for GitHub Actions.
    Github = "github",
    /// A pipeline for GitLab CI.
    Gitlab = "gitlab",
    /// A shell script.
    Curl = "curl",
}

impl Output {
    /// What it is, for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Descriptor => "Descriptor",
            Self::Dockerfile => "Dockerfile",
            Self::Jenkinsfile => "Jenkins",
            Self::Github => "GitHub Actions",
            Self::Gitlab => "GitLab CI",
            Self::Curl => "curl",
        }
    }

    /// The file that it usually is.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Descriptor => "slipway.yaml",
            Self::Dockerfile => "Dockerfile",
            Self::Jenkinsfile => "Jenkinsfile",
            Self::Github => ".github/workflows/deploy.yml",
            Self::Gitlab => ".gitlab-ci.yml",
            Self::Curl => "deploy.sh",
        }
    }

    /// Whether it is YAML.
    #[must_use]
    pub const fn is_yaml(self) -> bool {
        matches!(self, Self::Descriptor | Self::Github | Self::Gitlab)
    }
}

/// A template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Its name.
    pub name: TemplateName,
    /// What it is called.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// What is asked.
    pub parameters: Parameters,
    /// What is made, by its sort; the descriptor is always there.
    pub sources: Vec<(Output, String)>,
}

/// The parameters of a template, in the order of its form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters(pub Vec<Parameter>);

/// One thing that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name in the texts.
    pub name: String,
    /// What it is called in the form.
    pub label: String,
    /// What it takes.
    pub kind: ParameterKind,
    /// Whether it must be answered.
    pub required: bool,
    /// The answer where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// A regular expression that the whole answer matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The least: of a number, of a span, of an amount, of a text's characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// The most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// How to answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub help: String,
    /// Under which heading it stands.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// When it is asked at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_if: Option<ShownIf>,
    /// What can be chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Choices>,
}

/// When a parameter is asked: while an earlier one has one of these answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownIf {
    /// The earlier parameter.
    pub parameter: String,
    /// Its answers.
    pub is: Vec<String>,
}

/// One thing that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What is answered.
    pub value: String,
    /// What is read.
    pub label: String,
}

/// What can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choices {
    /// Always the same.
    Fixed(Vec<Choice>),
    /// What the answer to an earlier parameter leads to.
    By {
        /// The earlier parameter.
        parameter: String,
        /// Its answers, each with what can be chosen then.
        when: Vec<(String, Vec<Choice>)>,
    },
}

impl Template {
    /// Reads the YAML document.
    ///
    /// # Errors
    /// Every mistake found, each with the path of its field and, where known, line and column.
    pub fn parse(text: &str) -> Result<Self, Vec<FieldError>> {
        Self::parse_within(text, &|| true)
    }

    /// The same, given up with an error once `in_time` says no: patterns are tried at defaults, which takes long where both are.
    ///
    /// # Errors
    /// Those of [`Template::parse`].
    pub fn parse_within(text: &str, in_time: &dyn Fn() -> bool) -> Result<Self, Vec<FieldError>> {
        let node = document::Node::parse(text).map_err(|error| vec![error])?;
        let template = reader::read(&node)?;
        let errors = check::check(&template, in_time);
        if errors.is_empty() { Ok(template) } else { Err(errors) }
    }

    /// The text that something is made from.
    #[must_use]
    pub fn source(&self, output: Output) -> Option<&str> {
        self.sources.iter().find(|(one, _)| *one == output).map(|(_, text)| text.as_str())
    }
}

impl Parameters {
    /// The parameter with a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.0.iter().find(|parameter| parameter.name == name)
    }

    /// The headings in their order, each with its parameters; those without a heading first.
    #[must_use]
    pub fn groups(&self) -> Vec<(&str, Vec<&Parameter>)> {
        let mut groups: Vec<(&str, Vec<&Parameter>)> = Vec::new();
        for parameter in &self.0 {
            match groups.iter_mut().find(|(name, _)| *name == parameter.group) {
                Some((_, members)) => members.push(parameter),
                None => groups.push((&parameter.group, vec![parameter])),
            }
        }
        groups.sort_by_key(|(name, _)| !name.is_empty());
        groups
    }

    /// The parameters that are secrets.
    #[must_use]
    pub fn secrets(&self) -> Vec<&str> {
        self.0.iter().filter(|parameter| parameter.kind == ParameterKind::Secret).map(|parameter| parameter.name.as_str()).collect()
    }
}
