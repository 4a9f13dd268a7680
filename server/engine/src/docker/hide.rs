//! Takes secrets out of what an engine or a container prints before anyone sees it: an inspection, a reason's text, the last lines of a log.
//!
//! Pure. What is hidden: the value of every environment variable or label whose name says that it is secret, and every text anywhere that is or
//! contains a known secret, or a line of one that has several: whoever prints a key prints it line by line, and not all of it is kept.
//! Of an inspection the values of such variables are known secrets too, wherever else they stand.
//! Registry credentials are not in an inspection to begin with: they go with a pull, not with a container.

use model::secret::{HIDDEN as MARK, names_a_secret};
use serde_json::Value;

/// A secret shorter than this is hidden only where it is the whole text: as a part it would blot out half of the page, and tell
/// by that what it is.
const PART_FROM: usize = 6;

/// What must not be seen.
#[derive(Clone, Default)]
pub struct Hidden {
    values: Vec<String>,
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hidden({} values)", self.values.len())
    }
}

impl Hidden {
    /// With the known secret `values`, without the white space around them; empty ones are left out.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut all = Vec::new();
        for value in values {
            let value = value.trim();
            // A short line is no secret by itself: a bracket, an end of padding.
            let lines = value.lines().map(str::trim).filter(|line| line.len() >= PART_FROM && *line != value);
            all.extend(lines.map(str::to_owned));
            all.push(value.to_owned());
        }
        all.retain(|value| !value.is_empty());
        // The longest first, so that one secret inside another does not leave the rest of it behind.
        all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        all.dedup();
        Self { values: all }
    }

    /// The same, and the values of those variables in an inspection whose names say that they are secret: a program may tell them elsewhere,
    /// in what its health check prints. Short ones are none by themselves.
    pub fn and_named(&self, inspection: &Value) -> Self {
        let variables = inspection["Config"]["Env"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let named = variables.filter_map(|text| text.split_once('=')).filter(|(name, value)| names_a_secret(name) && value.len() >= PART_FROM);
        Self::new(named.map(|(_, value)| value.to_owned()).chain(self.values.iter().cloned()))
    }

    /// The same as `ps` writes them: blanks in a row are one, and what it does not print is a question mark.
    pub fn as_ps_writes(&self) -> Self {
        let one_blank = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let marked = |text: &str| text.chars().map(|c| if c.is_control() { '?' } else { c }).collect::<String>();
        let ascii = |text: &str| text.bytes().map(|byte| if matches!(byte, b' '..=b'~') { char::from(byte) } else { '?' }).collect::<String>();
        let written = self.values.iter().flat_map(|text| [text.clone(), one_blank(text), one_blank(&marked(text)), one_blank(&ascii(text))]);
        Self::new(written)
    }

    /// Hides in place.
    pub fn hide(&self, value: &mut Value) {
        match value {
            Value::String(text) if text.contains('\n') => *text = self.told(text),
            Value::String(text) => {
                if let Some(clean) = self.clean(text) {
                    *text = clean;
                }
            }
            // `NAME=value` may be an argument as well as a variable.
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide_value_part(item)),
            Value::Object(fields) => self.hide_fields(fields),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn hide_fields(&self, fields: &mut serde_json::Map<String, Value>) {
        for (key, field) in fields.iter_mut() {
            match field {
                Value::Array(items) if key == "Env" => items.iter_mut().for_each(|item| self.hide_variable(item)),
                Value::Object(labels) if key == "Labels" => self.hide_labels(labels),
                // What a health check printed; the engine cuts it.
                Value::String(text) if key == "Output" => *text = self.told_of_cut(text.strip_suffix("...").unwrap_or(text)),
                other => self.hide(other),
            }
        }
        self.hide_names(fields);
    }

    fn hide_labels(&self, labels: &mut serde_json::Map<String, Value>) {
        for (name, value) in labels.iter_mut() {
            if names_a_secret(name) {
                *value = Value::String(MARK.to_owned());
            } else {
                self.hide(value);
            }
        }
        self.hide_names(labels);
    }

    fn hide_names(&self, fields: &mut serde_json::Map<String, Value>) {
        let named: Vec<String> = fields.keys().filter(|key| self.clean(key).is_some()).cloned().collect();
        for key in named {
            let field = fields.remove(&key).unwrap_or_default();
            fields.insert(MARK.to_owned(), field);
        }
    }

    fn hide_variable(&self, item: &mut Value) {
        if let Value::String(text) = item
            && let Some((name, _)) = text.split_once('=')
            && names_a_secret(name)
        {
            *text = format!("{name}={MARK}");
            return;
        }
        self.hide_value_part(item);
    }

    /// For `NAME=value` the value alone may be a short secret.
    fn hide_value_part(&self, item: &mut Value) {
        if let Value::String(text) = item
            && let Some((name, value)) = text.split_once('=')
            && self.is_secret(value)
        {
            *text = format!("{name}={MARK}");
            return;
        }
        self.hide(item);
    }

    /// A text without secrets, if it had one.
    pub fn clean(&self, text: &str) -> Option<String> {
        let mut clean: Option<String> = None;
        for secret in &self.values {
            let now = clean.as_deref().unwrap_or(text);
            if now.trim() == secret {
                return Some(MARK.to_owned());
            }
            if secret.len() >= PART_FROM && now.contains(secret.as_str()) {
                clean = Some(now.replace(secret.as_str(), MARK));
            }
        }
        clean
    }

    /// A text of one or more lines without secrets; one that is too short to be looked for everywhere goes where it is a whole line.
    pub fn told(&self, text: &str) -> String {
        let clean = self.clean(text);
        let lines = clean.as_deref().unwrap_or(text).split('\n');
        lines.map(|line| if self.is_secret(line) { MARK } else { line }).collect::<Vec<_>>().join("\n")
    }

    /// The same for a text whose end may have been cut off: the first part of a secret at its end goes too.
    pub fn told_of_cut(&self, text: &str) -> String {
        let begun = |secret: &String| (PART_FROM..=secret.len()).rev().find(|n| secret.get(..*n).is_some_and(|part| text.ends_with(part)));
        match self.values.iter().filter_map(begun).max() {
            Some(half) => format!("{}{MARK}", self.told(&text[..text.len() - half])),
            None => self.told(text),
        }
    }

    /// A command line without secrets: a short one goes where it is an argument, or the value of one.
    pub fn told_of_arguments(&self, text: &str) -> String {
        let clean = self.clean(text);
        let told = |word: &str| match word.split_once('=') {
            _ if self.is_secret(word) => MARK.to_owned(),
            Some((name, value)) if self.is_secret(value) => format!("{name}={MARK}"),
            _ => word.to_owned(),
        };
        clean.as_deref().unwrap_or(text).split(' ').map(told).collect::<Vec<_>>().join(" ")
    }

    fn is_secret(&self, text: &str) -> bool {
        self.values.iter().any(|secret| secret == text.trim())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_values_are_hidden_wherever_they_are() {
        let hidden = Hidden::new(["hunter2-hunter2".to_owned(), "abc".to_owned(), String::new()]);
        let mut value = json!({
            "Args": ["--token", "hunter2-hunter2", "--url=http://u:hunter2-hunter2@h/"],
            "Config": {
                "Env": ["DB_PASSWORD=whatever=1", "PIN=abc", "ALPHABET=abcdef", "PATH=/bin"],
                "Labels": {"a": "abc", "hunter2-hunter2": "x"},
                "Cmd": null,
            },
            "Pid": 7,
        });
        hidden.hide(&mut value);
        assert_eq!(
            value,
            json!({
                "Args": ["--token", "(hidden)", "--url=http://u:(hidden)@h/"],
                "Config": {
                    "Env": ["DB_PASSWORD=(hidden)", "PIN=(hidden)", "ALPHABET=abcdef", "PATH=/bin"],
                    "Labels": {"a": "(hidden)", "(hidden)": "x"},
                    "Cmd": null,
                },
                "Pid": 7,
            })
        );
    }

    #[test]
    fn what_a_named_variable_holds_is_hidden_wherever_it_is_told() {
        let mut value = json!({
            "Args": ["--pin=abc", "--level=info"],
            "Config": {
                "Env": ["DB_PASSWORD=of-the-database", "SHORT_TOKEN=yes", "LEVEL=info"],
                "Labels": {"traefik.auth.password": "anything", "answer": "yes", "dsn": "x of-the-database"},
                "Healthcheck": {"Test": ["CMD", "check", "of-the-database"]},
            },
            "State": {"Health": {"Log": [{"Output": "wrong: of-the-database\nabc\nof-the-dat..."}]}},
        });
        let hidden = Hidden::new(["abc".to_owned()]).and_named(&value);
        hidden.hide(&mut value);
        assert_eq!(
            value,
            json!({
                "Args": ["--pin=(hidden)", "--level=info"],
                "Config": {
                    "Env": ["DB_PASSWORD=(hidden)", "SHORT_TOKEN=(hidden)", "LEVEL=info"],
                    "Labels": {"traefik.auth.password": "(hidden)", "answer": "yes", "dsn": "(hidden)"},
                    "Healthcheck": {"Test": ["CMD", "check", "(hidden)"]},
                },
                "State": {"Health": {"Log": [{"Output": "wrong: (hidden)\n(hidden)\n(hidden)"}]}},
            })
        );
    }

    #[test]
    fn a_secret_inside_a_longer_one_leaves_no_rest() {
        let hidden = Hidden::new(["secret-1".to_owned(), "secret-1-and-more".to_owned()]);
        assert_eq!(hidden.clean("x secret-1-and-more y").as_deref(), Some("x (hidden) y"));
    }

    #[test]
    fn a_secret_of_many_lines_is_hidden_line_by_line() {
        let key = "-----BEGIN KEY-----\r\n  MIIEvQIBADANBg\r\nkqhkiG9w0BAQEF\r\naQ==\r\n-----END KEY-----\n";
        let hidden = Hidden::new([key.to_owned(), " hunter2-hunter2\n".to_owned()]);
        assert_eq!(hidden.told("1: kqhkiG9w0BAQEF\nwith hunter2-hunter2"), "1: (hidden)\nwith (hidden)");
        assert_eq!(hidden.told(key.trim()), MARK, "as a whole it is one");
        assert_eq!(hidden.told("padding aQ== tells nothing"), "padding aQ== tells nothing");
    }

    #[test]
    fn a_short_secret_is_hidden_where_it_is_a_whole_line() {
        let hidden = Hidden::new(["abc\n".to_owned()]);
        assert_eq!(hidden.told("one\n abc \nabcdef\n"), "one\n(hidden)\nabcdef\n");
        let mut value = json!({"Env": ["PIN=abc\n"]});
        hidden.hide(&mut value);
        assert_eq!(value, json!({"Env": ["PIN=(hidden)"]}));
    }

    #[test]
    fn half_a_secret_at_a_cut_is_hidden() {
        let hidden = Hidden::new(["hunter2-hunter2".to_owned(), "hunter2-hunter3-more".to_owned()]);
        assert_eq!(hidden.told_of_cut("it is hunter2-hunter2 hunter2-hunter3-mo"), "it is (hidden) (hidden)");
        assert_eq!(hidden.told_of_cut("it said hunte"), "it said hunte", "too little of it to tell");
        assert_eq!(hidden.told_of_cut("nothing"), "nothing");
    }

    #[test]
    fn it_does_not_print_what_it_hides() {
        assert!(!format!("{:?}", Hidden::new(["hunter2".to_owned()])).contains("hunter2"));
    }
}
