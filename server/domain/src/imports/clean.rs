//! Secrets in what a container is started, checked and set up with, before anybody sees it: values of variables whose names say that they are
//! secret, wherever they stand; what belongs to an option, or a field, whose name says so; passwords within addresses. Pure.
//!
//! It is a guess, and hides rather too much: who imports knows the container and writes what is missing.

use model::secret::{HIDDEN, names_a_secret};
use serde_json::Value;

/// A value shorter than this is hidden only where it is the whole text: as a part it would blot out everything.
const PART_FROM: usize = 6;
/// A value shorter than this is none that tells anything.
const WHOLE_FROM: usize = 3;
/// What is looked through; variables are read one by one.
const WHERE: [&str; 4] = ["/Config/Entrypoint", "/Config/Cmd", "/Config/Healthcheck/Test", "/HostConfig"];

/// The values that are known to be secret.
pub(super) struct Known(Vec<String>);

impl Known {
    /// Out of a container's variables.
    pub(super) fn of(variables: &Value) -> Self {
        let pairs = variables.as_array().into_iter().flatten().filter_map(|entry| entry.as_str()?.split_once('='));
        let secret = pairs.filter(|(name, _)| names_a_secret(name)).map(|(_, value)| value.to_owned());
        let mut values: Vec<String> =
            secret.filter(|value| value.len() >= WHOLE_FROM && !matches!(value.as_str(), "true" | "false" | "yes" | "off" | "none")).collect();
        // The longest first, so that one inside another does not leave the rest of it behind.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self(values)
    }

    /// A description without secrets in [`WHERE`].
    pub(super) fn cleaned(&self, described: &Value) -> Value {
        let mut clean = described.clone();
        for place in WHERE {
            if let Some(found) = clean.pointer_mut(place) {
                self.hide(found);
            }
        }
        clean
    }

    fn hide(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.script(text),
            Value::Array(items) if items.iter().all(Value::is_string) => self.words(items),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item)),
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    match field {
                        Value::String(text) if names(name) && !text.is_empty() => HIDDEN.clone_into(text),
                        field => self.hide(field),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The words of a program that is started without a shell, or with a script as one of them.
    fn words(&self, items: &mut [Value]) {
        let mut belongs = false;
        for item in items {
            let Value::String(text) = item else { continue };
            *text = if !belongs && text.contains(char::is_whitespace) { self.script(text) } else { self.word(text, &mut belongs) };
        }
    }

    /// A text of several words; what is between quotes is one.
    fn script(&self, text: &str) -> String {
        let (mut clean, mut rest, mut belongs) = (String::new(), text, false);
        while !rest.is_empty() {
            let (blank, behind) = rest.split_at(rest.len() - rest.trim_start().len());
            let (word, tail) = behind.split_at(end_of_word(behind));
            clean.push_str(blank);
            if !word.is_empty() {
                clean.push_str(&self.word(word, &mut belongs));
            }
            rest = tail;
        }
        clean
    }

    /// One word. `belongs`: the option before it says that it is secret; and then of this one.
    fn word(&self, word: &str, belongs: &mut bool) -> String {
        if std::mem::take(belongs) && !word.starts_with('-') {
            return HIDDEN.to_owned();
        }
        match word.split_once('=') {
            Some((name, value)) if names(name.trim_start_matches('-')) && !value.is_empty() => format!("{name}={HIDDEN}"),
            Some(_) => self.text(word),
            None => {
                *belongs = word.starts_with('-') && names(word.trim_start_matches('-'));
                self.text(word)
            }
        }
    }

    /// A text without values that are known and without passwords in addresses.
    pub(super) fn text(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for value in &self.0 {
            if clean == *value {
                return HIDDEN.to_owned();
            }
            if value.len() >= PART_FROM && clean.contains(value.as_str()) {
                clean = clean.replace(value.as_str(), HIDDEN);
            }
        }
        without_passwords(&clean)
    }
}

/// Whether an option or a field says that its value is secret: also `requirepass`.
fn names(name: &str) -> bool {
    names_a_secret(name) || name.to_ascii_lowercase().ends_with("pass")
}

fn end_of_word(text: &str) -> usize {
    let mut within = None;
    for (at, c) in text.char_indices() {
        match within {
            Some(quote) if c == quote => within = None,
            None if matches!(c, '"' | '\'') => within = Some(c),
            None if c.is_whitespace() => return at,
            _ => {}
        }
    }
    text.len()
}

/// `redis://user:password@host` without the password.
fn without_passwords(text: &str) -> String {
    let (mut clean, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("://") {
        let ends = |c: char| matches!(c, '/' | '?' | '#' | '"' | '\'') || c.is_whitespace();
        let (host, tail) = behind.split_at(behind.find(ends).unwrap_or(behind.len()));
        let named = host.rsplit_once('@').and_then(|(who, host)| Some((who.split_once(':')?.0, host)));
        clean.push_str(before);
        clean.push_str("://");
        match named {
            Some((user, host)) => clean.extend([user, ":", HIDDEN, "@", host]),
            None => clean.push_str(host),
        }
        rest = tail;
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand_and_nothing_else() {
        let known = Known::of(&json!(["DB_PASSWORD=hunter22", "PIN_TOKEN=abc", "AUTH=true", "LOG_LEVEL=info", "API_KEY="]));
        for (text, clean) in [
            ("redis-server --requirepass swordfish --port 6379", "redis-server --requirepass (hidden) --port 6379"),
            ("redis-cli --pass 'sword fish' ping", "redis-cli --pass (hidden) ping"),
            ("x --client-secret=abcdef  --verbose", "x --client-secret=(hidden)  --verbose"),
            ("PGPASSWORD=x psql", "PGPASSWORD=(hidden) psql"),
            ("mysqladmin -phunter22 ping", "mysqladmin -p(hidden) ping"),
            ("echo abc abcdef true", "echo (hidden) abcdef true"),
            ("curl http://u:p:w@h:1/x https://h/y?a=b", "curl http://u:(hidden)@h:1/x https://h/y?a=b"),
            ("http://user@host/ --password", "http://user@host/ --password"),
            ("--password --verbose don't stop", "--password --verbose don't stop"),
            (" sh\t-c\n ", " sh\t-c\n "),
        ] {
            assert_eq!(known.script(text), clean);
        }
        let described = json!({
            "Config": {"Cmd": ["sh", "-c", "x --token y", "--password", "two words", "--port", "1"], "Env": ["DB_PASSWORD=hunter22"], "Entrypoint": null},
            "HostConfig": {"LogConfig": {"Type": "splunk", "Config": {"splunk-token": "t"}}, "Memory": 7, "Binds": ["/a:/b"]},
        });
        let clean = json!({
            "Config": {"Cmd": ["sh", "-c", "x --token (hidden)", "--password", "(hidden)", "--port", "1"], "Env": ["DB_PASSWORD=hunter22"], "Entrypoint": null},
            "HostConfig": {"LogConfig": {"Type": "splunk", "Config": {"splunk-token": "(hidden)"}}, "Memory": 7, "Binds": ["/a:/b"]},
        });
        assert_eq!(known.cleaned(&described), clean);
        assert_eq!(known.cleaned(&json!(null)), json!(null));
    }
}
