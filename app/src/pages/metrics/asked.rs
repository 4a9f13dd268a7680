//! What a page of charts is asked for by its address.

use leptos_router::params::ParamsMap;
use model::metrics::{Compare, Look, MetricsQuery, Range, Window};
use model::problem::{FieldError, Problem, ProblemKind};
use model::views::metrics::MetricsView;

use crate::urls;

/// Names in the address.
const NAMES: [&str; 5] = ["environment", "range", "from", "to", "compare"];

/// What an address asks for.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Asked {
    /// Which figures.
    pub query: MetricsQuery,
    /// How they are drawn.
    pub look: Look,
    /// What of it cannot be.
    pub wrong: Option<FieldError>,
}

impl Asked {
    /// Reads an address. What is wrong in it is said, and the rest of it holds.
    pub(in crate::pages) fn read(params: &ParamsMap) -> Self {
        let mut asked = Self { query: MetricsQuery::default(), look: Look::Stacked, wrong: None };
        for name in NAMES {
            let value = params.get(name).unwrap_or_default();
            if let Err(wrong) = asked.query.take(name, &value) {
                asked.wrong.get_or_insert(wrong);
            }
        }
        if let Some(look) = params.get("as").filter(|look| !look.is_empty()) {
            match look.parse() {
                Ok(look) => asked.look = look,
                Err(error) => _ = asked.wrong.get_or_insert(FieldError::new("as", format!("{error}"))),
            }
        }
        asked
    }

    /// The page's address, asked so.
    pub(in crate::pages) fn at(&self, path: &str) -> String {
        let mut pairs = self.query.pairs();
        if self.look != Look::Stacked {
            pairs.push(("as", self.look.to_string()));
        }
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        urls::asking(path, &pairs)
    }

    /// A time that ends now.
    pub(super) fn last(&self, range: Range) -> Self {
        let mut asked = self.clone();
        (asked.query.range, asked.query.from, asked.query.to) = (Some(range), String::new(), String::new());
        asked
    }

    /// A time that has its begin and its end.
    pub(super) fn over(&self, window: Window) -> Self {
        let mut asked = self.clone();
        (asked.query.range, asked.query.from, asked.query.to) = (None, window.from.rfc3339(), window.to.rfc3339());
        asked
    }

    /// The same compared with the time before, or not.
    pub(super) fn compared(&self, yes: bool) -> Self {
        let mut asked = self.clone();
        asked.query.compare = yes.then_some(Compare::Previous);
        asked
    }

    /// The same drawn another way.
    pub(super) fn drawn(&self, look: Look) -> Self {
        Self { look, ..self.clone() }
    }

    /// The same of no environment, for links that name one.
    pub(in crate::pages) fn anywhere(&self) -> Self {
        let mut asked = self.clone();
        asked.query.environment = None;
        asked
    }
}

/// What was read, unless something in the address was wrong: the rest of it would show something else than was asked for.
pub(in crate::pages) fn told(asked: &Asked, view: Result<MetricsView, Problem>) -> Result<MetricsView, Problem> {
    match &asked.wrong {
        Some(wrong) => Err(refused(wrong.clone())),
        None => view,
    }
}

/// An address that cannot be read, told as the server would.
pub(super) fn refused(wrong: FieldError) -> Problem {
    let mut problem = Problem::new(ProblemKind::Invalid, "invalid", wrong.to_string());
    problem.fields.push(wrong);
    problem
}

#[cfg(test)]
mod tests {
    use model::time::Millis;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Asked {
        let mut params = ParamsMap::new();
        for (name, value) in pairs {
            params.insert((*name).to_owned(), (*value).to_owned());
        }
        Asked::read(&params)
    }

    #[test]
    fn an_address_holds_all_that_is_shown() {
        let asked = read(&[("environment", "local"), ("range", "24h"), ("compare", "previous"), ("as", "lines")]);
        assert_eq!(asked.at("/m"), "/m?environment=local&range=24h&compare=previous&as=lines");
        assert_eq!(asked.drawn(Look::Stacked).compared(false).at("/m"), "/m?environment=local&range=24h");
        assert_eq!(asked.anywhere().last(Range::Week).at("/m"), "/m?range=7d&compare=previous&as=lines");
        let window = Window { from: Millis(1_795_161_600_000), to: Millis(1_795_161_660_000) };
        let over = "/m?environment=local&from=2026-11-20T08%3A00%3A00.000Z&to=2026-11-20T08%3A01%3A00.000Z&compare=previous&as=lines";
        assert_eq!(asked.over(window).at("/m"), over);
        assert_eq!(read(&[]).at("/m"), "/m");
    }

    #[test]
    fn what_is_wrong_is_kept_to_be_said() {
        assert_eq!(read(&[("range", "3h")]).wrong.expect("wrong").field, "range");
        assert_eq!(read(&[("as", "pie")]).wrong.expect("wrong").field, "as");
        assert_eq!(read(&[("range", "1h"), ("other", "x")]).wrong, None);
    }
}
