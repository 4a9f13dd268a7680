//! A form as a browser without scripts has it: read off its page, filled in, and sent with the line ends that browsers send.

use reqwest::{Method, StatusCode};

use crate::portal::Browser;

/// A form of a page.
pub struct Form {
    /// The page, as it was read.
    pub page: String,
    path: String,
    action: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    value: String,
    sent: bool,
}

impl Form {
    /// The form of a page that is sent to `action`, with what it holds already.
    pub async fn open(browser: &Browser, path: &str, action: &str) -> Self {
        let answer = browser.open(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let page = answer.text().await.expect("a page");
        let wanted = format!("action=\"{action}\"");
        let found = page.split("<form ").skip(1).find(|part| part.split('>').next().is_some_and(|tag| tag.contains(&wanted)));
        let form = found.unwrap_or_else(|| panic!("no form for {action} on {path}: {page}"));
        let fields = fields(form.split("</form>").next().unwrap_or_default());
        Self { page, path: path.to_owned(), action: action.to_owned(), fields }
    }

    /// The same with this typed or chosen.
    pub fn fill(mut self, name: &str, value: &str) -> Self {
        value.clone_into(&mut self.field(name).value);
        self
    }

    /// The same with this box ticked, or not.
    pub fn tick(mut self, name: &str, on: bool) -> Self {
        self.field(name).sent = on;
        self
    }

    fn field(&mut self, name: &str) -> &mut Field {
        let path = &self.path;
        self.fields.iter_mut().find(|field| field.name == name).unwrap_or_else(|| panic!("no field {name} on {path}"))
    }

    /// Sends it by its button of this value, or by the one without any; where that leads to.
    pub async fn send(mut self, browser: &Browser, button: &str) -> String {
        if !button.is_empty() {
            let found = self.fields.iter_mut().find(|field| !field.sent && field.value == button);
            found.unwrap_or_else(|| panic!("no button {button} on {}", self.path)).sent = true;
        }
        let sent = self.fields.iter().filter(|field| field.sent);
        let fields: Vec<(&str, String)> = sent.map(|field| (field.name.as_str(), field.value.replace("\r\n", "\n").replace('\n', "\r\n"))).collect();
        let request = browser.request(Method::POST, &self.action).header("accept", "text/html").header("origin", browser.base());
        let answer = browser.send(request.header("referer", format!("{}{}", browser.base(), self.path)).form(&fields)).await;
        assert!(answer.status().is_redirection(), "{}: {}", self.action, answer.status());
        answer.headers()["location"].to_str().expect("a place").trim_start_matches(browser.base()).to_owned()
    }
}

/// The fields of a form. Boxes without a tick and buttons with a name are among them, and not sent.
fn fields(form: &str) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let mut first = false;
    for part in form.split('<') {
        let (tag, text) = part.split_once('>').unwrap_or((part, ""));
        let named = |value: String, sent: bool| attribute(tag, "name").map(|name| Field { name, value, sent });
        let value = attribute(tag, "value").unwrap_or_default();
        let marked = |word: &str| tag.split_ascii_whitespace().any(|part| part == word);
        match tag.split_ascii_whitespace().next().unwrap_or_default() {
            "input" => {
                let ticked = matches!(attribute(tag, "type").as_deref(), Some("checkbox" | "radio"));
                fields.extend(named(value, !ticked || marked("checked")));
            }
            "button" => fields.extend(named(value, false)),
            "textarea" => fields.extend(named(plain(text), true)),
            "select" => {
                fields.extend(named(String::new(), true));
                first = true;
            }
            "option" => {
                // Where none is marked, the first one is chosen.
                if let Some(select) = fields.last_mut().filter(|_| first || marked("selected")) {
                    select.value = value;
                }
                first = false;
            }
            _ => {}
        }
    }
    fields
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(plain)
}

/// A text of a page without its escapes.
fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#x27;", "'").replace("&#39;", "'").replace("&amp;", "&")
}
