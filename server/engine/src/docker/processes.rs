//! The processes of a container, as the machine's own `ps` lists them, without secrets. What a program is started with stands there for
//! everybody to read, so a task's secrets are looked for in it also as `ps` writes them.

use model::views::inspect::ProcessesView;
use serde::Deserialize;

use super::{Docker, EngineError, Hidden, Kind, QUICK, Result, containers::path_part, hijack};

/// Largest answer that is read.
const ANSWER_MAX: usize = 16 << 20;
/// Most processes that are listed; all are counted.
const ROWS_MAX: usize = 1_000;
/// Longest value, in characters.
const VALUE_MAX: usize = 4_000;

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Titles", default)]
    titles: Option<Vec<String>>,
    #[serde(rename = "Processes", default)]
    processes: Option<Vec<Vec<String>>>,
}

impl Docker {
    /// The processes of a running container.
    ///
    /// # Errors
    /// `WrongState` when it does not run.
    pub async fn processes(&self, container: &str, hidden: &Hidden) -> Result<ProcessesView> {
        let id = path_part(container)?;
        let hidden = hidden.and_named(&self.read_json(&format!("/containers/{id}/json")).await?).as_ps_writes();
        let body = hijack::get(self.dialer(), &self.path(&format!("/containers/{id}/top")).await?, ANSWER_MAX, QUICK).await?;
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|error| EngineError::new(Kind::Other, format!("the engine's list of processes could not be read: {error}")))?;
        Ok(view(answer, &hidden))
    }
}

fn view(answer: Answer, hidden: &Hidden) -> ProcessesView {
    let columns = answer.titles.unwrap_or_default();
    let all = answer.processes.unwrap_or_default();
    let total = all.len();
    let items = all.into_iter().take(ROWS_MAX).map(|mut row| {
        row.resize(columns.len(), String::new());
        // The last column is the command; in the others a short secret would be hidden where it is a mere number, which tells what it is.
        if let Some(command) = row.last_mut() {
            *command = hidden.told_of_arguments(command);
        }
        row.into_iter().map(cut).collect()
    });
    ProcessesView { items: items.collect(), columns, total }
}

/// Cut after it was cleaned: half a secret would not be found.
fn cut(text: String) -> String {
    match text.char_indices().nth(VALUE_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(command: &str, secrets: &[&str]) -> String {
        let row = ["root", "7", command].map(str::to_owned).to_vec();
        let titles = ["UID", "PID", "CMD"].map(str::to_owned).to_vec();
        let hidden = Hidden::new(secrets.iter().map(|secret| (*secret).to_owned())).as_ps_writes();
        let view = view(Answer { titles: Some(titles), processes: Some(vec![row]) }, &hidden);
        assert_eq!((view.total, view.items[0][1].as_str()), (1, "7"), "a number is no secret");
        view.items[0][2].clone()
    }

    #[test]
    fn a_secret_among_the_arguments_is_hidden_as_ps_writes_it() {
        assert_eq!(
            seen("app --token hunter2-hunter2 --url=http://u:hunter2-hunter2@h", &["hunter2-hunter2"]),
            "app --token (hidden) --url=http://u:(hidden)@h"
        );
        assert_eq!(seen("app --pin 7 --pin=7 77", &["7"]), "app --pin (hidden) --pin=(hidden) 77", "a short one where it stands alone");
        assert_eq!(seen("app a b of mine", &["a  b\tof\nmine"]), "app (hidden)", "blanks are one");
        assert_eq!(seen("app one?two", &["one\ntwo"]), "app (hidden)");
        assert_eq!(seen("app p??sswort", &["pässwort"]), "app (hidden)");
        assert_eq!(seen("app pässwort", &["pässwort"]), "app (hidden)");
    }

    #[test]
    fn a_row_has_as_many_values_as_there_are_columns() {
        let titles = Some(vec!["PID".to_owned(), "CMD".to_owned()]);
        let view = view(Answer { titles, processes: Some(vec![vec!["1".into()]; ROWS_MAX + 5]) }, &Hidden::default());
        assert_eq!((view.total, view.items.len(), view.items[0].len()), (ROWS_MAX + 5, ROWS_MAX, 2));
        assert_eq!(super::view(Answer { titles: None, processes: None }, &Hidden::default()), ProcessesView::default());
        assert_eq!(cut("x".repeat(VALUE_MAX + 1)).chars().count(), VALUE_MAX + 1, "with the sign that it was cut");
    }
}
