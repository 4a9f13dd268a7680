//! Which workflows of a git server deploy, by their names. People write names of workflows with spaces and signs that no pattern holds.

use crate::pattern::{InvalidPattern, Pattern};
use crate::text::text_type;

text_type! {
    /// A pattern over names of workflows: `Build and publish`, `{build,release}*`. What is neither a letter, a digit, `.`, `_` or `-` stands for any
    /// such sign.
    WorkflowText, InvalidPattern, |text| pattern(text).map(drop)
}

impl WorkflowText {
    /// Whether a workflow is called so.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        pattern(self.as_str()).is_ok_and(|pattern| pattern.matches(&plain(name.trim(), "")))
    }
}

fn pattern(text: &str) -> Result<Pattern, InvalidPattern> {
    plain(text, "*?{},").parse()
}

/// A text whose signs are one, but for these.
fn plain(text: &str, kept: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') || kept.contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_workflows_have_spaces_and_signs() {
        let matches = |text: &str, name: &str| text.parse::<WorkflowText>().expect("a pattern").matches(name);
        assert!(matches("Build and publish (main)", "Build and publish (main)"));
        assert!(!matches("Build and publish", "Build and publish (main)"));
        assert!(matches("Build*", "Build and publish (main)") && matches("{Build,Release}*", "Release: 1/2"));
        assert!(matches(".github/workflows/build.yml", ".github/workflows/build.yml"));
        assert!(!matches("build", "Build"));
        assert!("{build".parse::<WorkflowText>().is_err() && "a,b".parse::<WorkflowText>().is_err());
        assert_eq!("Build it".parse::<WorkflowText>().expect("a pattern").to_string(), "Build it", "it is kept as it was written");
    }
}
