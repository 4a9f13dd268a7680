//! Silences as people write them: what nobody is to be told of for a while.

use serde::{Deserialize, Serialize};

use super::{NOTE_MAX, span};
use crate::notices::check_name;
use crate::problem::FieldError;
use crate::time::Millis;

/// How long somebody wants to hear nothing, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SilenceForm {
    /// The rule's name; empty: any.
    pub rule: String,
    /// The service's name; empty: any.
    pub service: String,
    /// The machine's name; empty: any. For operators.
    pub machine: String,
    /// For how long: `2h`.
    pub span: String,
    /// Why.
    pub why: String,
}

/// What is silenced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceOrder {
    /// The rule's name; none: any.
    pub rule: Option<String>,
    /// The service's name; none: any.
    pub service: Option<String>,
    /// The machine's name; none: any.
    pub machine: Option<String>,
    /// Until then.
    pub ends_at: Millis,
    /// Why.
    pub why: String,
}

impl SilenceForm {
    /// The silence that was typed, from `now` on.
    ///
    /// # Errors
    /// Every mistake, with the field's name.
    pub fn read(&self, now: Millis) -> Result<SilenceOrder, Vec<FieldError>> {
        let mut errors = Vec::new();
        for (field, text) in [("rule", &self.rule), ("service", &self.service), ("machine", &self.machine)] {
            if !text.trim().is_empty()
                && let Err(message) = check_name(text)
            {
                errors.push(FieldError::new(field, message));
            }
        }
        let length = span(&self.span).and_then(|span| if span.millis() == 0 { Err("write for how long, like 2h".into()) } else { Ok(span) });
        if let Err(message) = &length {
            errors.push(FieldError::new("span", message.clone()));
        }
        if let Err(message) = check_note(&self.why) {
            errors.push(FieldError::new("why", message));
        }
        let chosen = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let (rule, service, machine) = (chosen(&self.rule), chosen(&self.service), chosen(&self.machine));
        if rule.is_none() && service.is_none() && machine.is_none() {
            errors.push(FieldError::new("rule", "name a rule, a service or a machine: nobody should be deaf to everything"));
        }
        match length {
            Ok(length) if errors.is_empty() => {
                Ok(SilenceOrder { rule, service, machine, ends_at: now.plus(length.duration()), why: self.why.trim().to_owned() })
            }
            _ => Err(errors),
        }
    }
}

/// What is wrong with a note.
///
/// # Errors
/// What would be right.
pub fn check_note(text: &str) -> Result<(), String> {
    if text.chars().count() > NOTE_MAX || text.contains('\0') { Err(format!("at most {NOTE_MAX} characters")) } else { Ok(()) }
}
