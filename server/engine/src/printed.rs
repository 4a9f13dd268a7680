//! What a task's container, or its engine, printed, before it is written down: without the secrets that the task got. Every reason that is made of
//! such a text comes through here, since reasons are kept, and shown to people who may not see secrets.

use domain::Worker;
use domain::deployments::work::{self, TaskWork, WorkKey};
use model::ids::RevisionId;
use model::secret::{Secret, names_a_secret};
use model::views::deployments::Reason;

use crate::docker::{Docker, Hidden};
use crate::hands;

/// Stands for what cannot be cleaned.
const UNTOLD: &str = "what was printed is not told, since the secrets that may be in it could not be read";
/// Longest output of a health check that is told, in characters.
const OUTPUT_LIMIT: usize = 500;

/// A task's secrets; none: they could not be read, so nothing that was printed is told.
pub(crate) struct Filter(Option<Hidden>);

impl Filter {
    /// With the secrets that a task got, and its variables whose names say that they are secret.
    pub(crate) async fn of(worker: &Worker, task: &TaskWork) -> Self {
        Self::of_revision(worker, task.key, task.revision).await
    }

    /// The same of any task of a revision.
    pub(crate) async fn of_revision(worker: &Worker, key: WorkKey, revision: RevisionId) -> Self {
        let (Ok(delivery), Ok(revision)) = (work::delivery(worker, key, revision).await, work::revision(worker, revision).await) else {
            return Self(None);
        };
        let files = delivery.files.iter().filter(|file| file.secret).filter_map(|file| std::str::from_utf8(file.content.expose()).ok());
        let named = delivery.env.iter().chain(&revision.descriptor.env).filter(|(name, _)| names_a_secret(name)).map(|(_, value)| value.as_str());
        let values = delivery.secret_env.values().map(Secret::expose).chain(files).chain(named).map(str::to_owned);
        Self(Some(Hidden::new(values)))
    }

    /// What was printed.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.0.as_ref().map_or_else(|| UNTOLD.to_owned(), |hidden| hidden.told(text))
    }

    /// What a health check printed; the engine cuts it.
    pub(crate) fn output(&self, text: &str) -> String {
        let Some(hidden) = &self.0 else { return UNTOLD.to_owned() };
        let clean = hidden.told_of_cut(text.strip_suffix("...").unwrap_or(text));
        clean.chars().filter(|c| *c != '\0').take(OUTPUT_LIMIT).collect()
    }

    /// A reason that an engine gave.
    pub(crate) fn reason(&self, reason: &Reason) -> Reason {
        Reason::new(reason.code.clone(), self.clean(&reason.message))
    }

    /// A reason in our own words, of whose parts what was printed is clean already: nothing is lost where the secrets cannot be read.
    pub(crate) fn ours(&self, reason: &Reason) -> Reason {
        if self.0.is_some() { self.reason(reason) } else { reason.clone() }
    }

    /// The last lines that a container wrote.
    pub(crate) async fn last_lines(&self, docker: &Docker, container: &str) -> String {
        match &self.0 {
            Some(hidden) => hidden.told(&hands::last_lines(docker, container).await),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_cleaned_is_not_told() {
        let none = Filter(None);
        let given = Reason::new("start_failed", "hunter2-hunter2");
        assert_eq!((none.clean("hunter2-hunter2").as_str(), none.output("hunter2-hunter2").as_str()), (UNTOLD, UNTOLD));
        assert_eq!(none.reason(&given).message, UNTOLD);
        assert_eq!(none.ours(&Reason::new("exited", "its program ended")).message, "its program ended");
    }

    #[test]
    fn an_output_is_cut_after_it_was_cleaned() {
        let filter = Filter(Some(Hidden::new(["hunter2-hunter2".to_owned()])));
        let long = format!("{}hunter2-hunter2", "x".repeat(OUTPUT_LIMIT - 4));
        assert_eq!(filter.output(&long), format!("{}(hid", "x".repeat(OUTPUT_LIMIT - 4)));
        assert_eq!(filter.output("it is hunter2-hu..."), "it is (hidden)");
        assert_eq!(filter.reason(&Reason::new("start_failed", "no hunter2-hunter2")).message, "no (hidden)");
    }
}
