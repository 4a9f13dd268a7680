//! The deploy form: every field as the text that was typed, turned into a descriptor by the same code in the browser (as
//! one types) and on the server. What a descriptor holds beyond the form is kept as it was, never dropped.

mod lines;

pub use lines::{read_env as read_variables, show_env as show_variables};

use serde::{Deserialize, Serialize};

use crate::descriptor::{Descriptor, Health, Probe, REPLICAS_MAX};
use crate::image::ImageReference;
use crate::problem::FieldError;
use crate::quantity::Span;

/// Longest text of one field, in bytes.
const FIELD_MAX: usize = 128 * 1024;

/// The form as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeployForm {
    /// `web:1.4.2`, or an image of another registry.
    pub image: String,
    /// How many tasks.
    pub replicas: String,
    /// Variables, one `NAME=value` on each line.
    pub env: String,
    /// Ports, one `[name=][host:]container[/protocol]` on each line.
    pub ports: String,
    /// `256MiB`; empty: no limit.
    pub memory: String,
    /// `0.5`; empty: no limit.
    pub cpus: String,
    /// Arguments as one would type them into a shell; empty: the image's own.
    pub command: String,
    /// `none`, `http`, `tcp` or `command`.
    pub health: String,
    /// Port of `http` and `tcp`.
    pub health_port: String,
    /// Path of `http`.
    pub health_path: String,
    /// Command of `command`.
    pub health_command: String,
}

/// The names of the form's fields, in the order of the page.
pub const FIELDS: &[&str] =
    &["image", "replicas", "env", "ports", "memory", "cpus", "command", "health", "health_port", "health_path", "health_command"];

impl DeployForm {
    /// An empty form with its defaults: one task, no health check.
    #[must_use]
    pub fn new() -> Self {
        Self { replicas: "1".into(), health: "none".into(), health_path: "/".into(), ..Self::default() }
    }

    /// The form that shows a descriptor.
    #[must_use]
    pub fn of(d: &Descriptor) -> Self {
        let mut form = Self {
            image: d.image.to_string(),
            replicas: d.replicas.to_string(),
            env: lines::show_env(&d.env),
            ports: lines::show_ports(&d.ports),
            memory: d.resources.memory.map(|memory| memory.to_string()).unwrap_or_default(),
            cpus: d.resources.cpus.map(|cpus| cpus.to_string()).unwrap_or_default(),
            command: d.command.as_ref().map(shell_words::join).unwrap_or_default(),
            ..Self::new()
        };
        match d.health.as_ref().map(|health| &health.probe) {
            None => {}
            Some(Probe::Http { port, path }) => {
                (form.health, form.health_port, form.health_path) = ("http".into(), port.to_string(), path.clone());
            }
            Some(Probe::Tcp { port }) => (form.health, form.health_port) = ("tcp".into(), port.to_string()),
            Some(Probe::Command(words)) => (form.health, form.health_command) = ("command".into(), shell_words::join(words)),
        }
        form
    }

    /// The descriptor that was typed, on top of `base` (the current one), whose other fields are kept.
    ///
    /// # Errors
    /// Every mistake, each with the name of the form's field ([`FIELDS`]).
    pub fn descriptor(&self, base: Option<&Descriptor>) -> Result<Descriptor, Vec<FieldError>> {
        let mut errors = self.too_long();
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut note = |field: &str, message: String| errors.push(FieldError::new(field, message));
        let image = self.image.trim().parse::<ImageReference>().map_err(|error| note("image", error.to_string())).ok();
        // The rest is read all the same, so that its mistakes are told too.
        let stand_in = || "unknown:none".parse().expect("a reference");
        let mut d = base.cloned().unwrap_or_else(|| Descriptor::of(stand_in()));
        d.image = image.clone().unwrap_or_else(stand_in);
        match self.replicas.trim().parse::<u32>() {
            Ok(replicas) if replicas <= REPLICAS_MAX => d.replicas = replicas,
            _ => note("replicas", format!("{:?} is not a number of tasks, 0 to {REPLICAS_MAX}", shown(&self.replicas))),
        }
        d.env = lines::read_env(&self.env).unwrap_or_else(|message| {
            note("env", message);
            d.env.clone()
        });
        d.ports = lines::read_ports(&self.ports).unwrap_or_else(|message| {
            note("ports", message);
            Vec::new()
        });
        d.resources.memory = optional(&self.memory).unwrap_or_else(|message| {
            note("memory", message);
            None
        });
        d.resources.cpus = optional(&self.cpus).unwrap_or_else(|message| {
            note("cpus", message);
            None
        });
        d.command = words(&self.command).unwrap_or_else(|message| {
            note("command", message);
            None
        });
        d.health = self.health(base, &mut note);
        keep_order(&mut d, base);
        if let Err(found) = d.validate() {
            for error in found {
                let field = form_field(&error.field);
                if !errors.iter().any(|known| known.field == field) {
                    let message = if field == "descriptor" { error.to_string() } else { error.message };
                    errors.push(FieldError::new(field, message));
                }
            }
        }
        match image {
            Some(_) if errors.is_empty() => Ok(d),
            _ => Err(errors),
        }
    }

    /// The mistake of one field, for a check as one types; none when that field is right.
    #[must_use]
    pub fn error_of(&self, field: &str, base: Option<&Descriptor>) -> Option<String> {
        let errors = self.descriptor(base).err()?;
        errors.into_iter().find(|error| error.field == field).map(|error| error.message)
    }

    /// The form's field that shows a mistake which the server found; `path` itself where none does (`environment`).
    #[must_use]
    pub fn field_of(path: &str) -> &str {
        match path.strip_prefix("descriptor.") {
            Some(field) => form_field(field),
            None => path,
        }
    }

    /// What `d` holds that the form does not show, by name (`update`, `volumes`), so that a page can say that it is kept.
    #[must_use]
    pub fn hidden(d: &Descriptor) -> Vec<String> {
        let Ok(shown) = Self::of(d).descriptor(None) else { return vec![String::from("descriptor")] };
        let mut names: Vec<String> =
            d.changes_since(&shown).into_iter().map(|change| change.field.split(['.', '[']).next().unwrap_or_default().to_owned()).collect();
        names.dedup();
        names
    }

    fn too_long(&self) -> Vec<FieldError> {
        let fields = [
            &self.image,
            &self.replicas,
            &self.env,
            &self.ports,
            &self.memory,
            &self.cpus,
            &self.command,
            &self.health,
            &self.health_port,
            &self.health_path,
            &self.health_command,
        ];
        let long = FIELDS.iter().zip(fields).filter(|(_, text)| text.len() > FIELD_MAX);
        long.map(|(field, _)| FieldError::new(*field, format!("more than {FIELD_MAX} bytes"))).collect()
    }

    fn health(&self, base: Option<&Descriptor>, note: &mut impl FnMut(&str, String)) -> Option<Health> {
        let port = |note: &mut dyn FnMut(&str, String)| match self.health_port.trim().parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => {
                note("health_port", format!("{:?} is not a port, 1 to 65535", shown(&self.health_port)));
                None
            }
        };
        let probe = match self.health.trim() {
            "" | "none" => return None,
            "http" => Probe::Http { port: port(note)?, path: self.health_path.trim().to_owned() },
            "tcp" => Probe::Tcp { port: port(note)? },
            "command" => match words(&self.health_command) {
                Ok(Some(words)) => Probe::Command(words),
                Ok(None) => {
                    note("health_command", String::from("write the command that tells whether the task works"));
                    return None;
                }
                Err(message) => {
                    note("health_command", message);
                    return None;
                }
            },
            other => {
                note("health", format!("{:?} is none of none, http, tcp, command", shown(other)));
                return None;
            }
        };
        let kept = base.and_then(|base| base.health.clone());
        Some(match kept {
            Some(health) => Health { probe, ..health },
            None => Health { probe, interval: Span::from_secs(5), timeout: Span::from_secs(2), retries: 3, start_period: Span::from_secs(10) },
        })
    }
}

/// A fixed port that was added or removed moves the order of replacement to its default, as long as nobody chose another.
fn keep_order(d: &mut Descriptor, base: Option<&Descriptor>) {
    let chosen = base.is_some_and(|base| base.update.order != base.default_order());
    if !chosen {
        d.update.order = d.default_order();
    }
}

/// The form's field that shows a descriptor's field; `descriptor` where none does.
fn form_field(field: &str) -> &'static str {
    let direct = ["image", "replicas", "env", "ports", "command"];
    let first = field.split(['.', '[']).next().unwrap_or_default();
    match field {
        "resources.memory" => "memory",
        "resources.cpus" => "cpus",
        "health.http.port" | "health.tcp.port" => "health_port",
        "health.http.path" => "health_path",
        _ if field.starts_with("health.command") => "health_command",
        _ if first == "health" => "health",
        _ => direct.into_iter().find(|name| *name == first).unwrap_or("descriptor"),
    }
}

/// A text that may be left out.
fn optional<T>(text: &str) -> Result<Option<T>, String>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let text = text.trim();
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|error: T::Err| error.to_string()) }
}

fn words(text: &str) -> Result<Option<Vec<String>>, String> {
    let words = shell_words::split(text).map_err(|_| String::from("a quote is not closed"))?;
    Ok((!words.is_empty()).then_some(words))
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests;
