//! What is kept of an answer, whatever was delivered: as many mistakes as somebody reads, and texts that a log can hold.

use model::hooks::HookAnswer;
use model::problem::FieldError;

use crate::error::Error;

/// Mistakes of a delivery that are told.
const MISTAKES: usize = 20;
/// Characters of a wrong field's name.
const NAME: usize = 100;
/// Bytes of an answer as it is stored.
pub(super) const ANSWER: usize = 16 * 1024;
/// Characters of each text of an answer that is too large.
const TEXT: usize = 4096;

/// Mistakes as they are found, however many there are.
#[derive(Default)]
pub(super) struct Mistakes {
    told: Vec<FieldError>,
    all: usize,
}

impl Mistakes {
    pub fn push(&mut self, field: &str, message: impl Into<String>) {
        self.all += 1;
        if self.told.len() < MISTAKES {
            self.told.push(FieldError::new(field, message));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.all == 0
    }

    pub fn into_told(self) -> Vec<FieldError> {
        few(self.told, self.all)
    }
}

/// The first of so many mistakes; the last one says how many more there are.
fn few(mut told: Vec<FieldError>, all: usize) -> Vec<FieldError> {
    if all > MISTAKES {
        told.truncate(MISTAKES - 1);
        told.push(FieldError::new("body", format!("{} more mistakes are in it", all - told.len())));
    }
    for mistake in &mut told {
        clip(&mut mistake.field, NAME);
    }
    told
}

/// What could not be done, with the first mistakes.
pub(super) fn refused(error: Error) -> HookAnswer {
    let error = match error {
        Error::Invalid(fields) => {
            let all = fields.len();
            Error::Invalid(few(fields, all))
        }
        other => other,
    };
    HookAnswer::refused(error.problem())
}

/// The answer with texts that are cut until it can be stored.
pub(super) fn bounded(mut answer: HookAnswer) -> HookAnswer {
    let mut most = TEXT;
    while most > 0 && size(&answer) > ANSWER {
        clip(&mut answer.message, most);
        if let Some(problem) = &mut answer.problem {
            clip(&mut problem.detail, most);
            problem.fields.iter_mut().for_each(|field| clip(&mut field.message, most));
        }
        most /= 2;
    }
    answer
}

fn size(answer: &HookAnswer) -> usize {
    serde_json::to_vec(answer).map_or(0, |text| text.len())
}

/// Cuts a text after so many characters.
fn clip(text: &mut String, most: usize) {
    if text.chars().nth(most).is_none() {
        return;
    }
    if let Some((at, _)) = text.char_indices().nth(most - 1) {
        text.truncate(at);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use model::hooks::HookOutcome;

    use super::*;

    #[test]
    fn of_many_mistakes_the_first_are_told_and_how_many_more() {
        let mut mistakes = Mistakes::default();
        assert!(mistakes.is_empty());
        for n in 0..95_000 {
            mistakes.push(&format!("parameters.{n}"), "it must be a text");
        }
        let told = mistakes.into_told();
        assert_eq!((told.len(), told[18].field.as_str()), (20, "parameters.18"));
        assert_eq!(told[19], FieldError::new("body", "94981 more mistakes are in it"));
        let all: Vec<FieldError> = (0..20).map(|n| FieldError::new(format!("f{n}"), "")).collect();
        assert_eq!(few(all.clone(), 20), all, "what fits is told as it is");
    }

    #[test]
    fn an_answer_can_be_stored_whatever_is_in_it() {
        let long = "\u{1}é".repeat(10_000);
        let fields = (0..40).map(|_| FieldError::new(long.clone(), long.clone())).collect();
        let answer = bounded(refused(Error::Invalid(fields)));
        assert!(size(&answer) <= ANSWER, "{}", size(&answer));
        let problem = answer.problem.expect("one");
        assert_eq!((problem.fields.len(), problem.fields[0].field.chars().count()), (20, NAME));
        assert!(answer.message.ends_with('…') && problem.fields[0].message.starts_with('\u{1}'));
        let ignored = bounded(HookAnswer::new(HookOutcome::Ignored, "x".repeat(100_000)));
        assert!(size(&ignored) <= ANSWER && ignored.message.starts_with("xxx"));
        let short = HookAnswer::new(HookOutcome::Pong, "this hook deploys shop/web to local");
        assert_eq!(bounded(short.clone()), short);
    }
}
