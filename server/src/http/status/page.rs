//! The public page: plain HTML that is whole without scripts, in one language, for everybody the same.

use std::fmt::Write as _;

use model::status::ComponentState;
use model::time::Millis;
use model::views::status::{ComponentView, GroupView, PublicIncident, StatusView};

use super::draw::{bars, class, day, escape, line, percent, troubled};
use super::words::{Language, Words};
use super::{SCRIPT, STYLE, versioned};

/// Most days with trouble that are listed of a service.
const DAYS_MOST: usize = 30;

/// A page.
pub(super) struct Page<'a> {
    pub view: &'a StatusView,
    pub language: Language,
}

impl Page<'_> {
    /// The whole document.
    pub fn html(&self) -> String {
        let words = self.language.words();
        let mut html = String::with_capacity(32 * 1024);
        self.head(&mut html, words);
        self.summary(&mut html, words);
        let open: Vec<&PublicIncident> = self.view.incidents.iter().filter(|incident| !incident.is_over()).collect();
        if !open.is_empty() {
            self.incidents(&mut html, "open", words.open, &open);
        }
        if !self.view.maintenances.is_empty() {
            self.incidents(&mut html, "planned", words.planned, &self.view.maintenances.iter().collect::<Vec<_>>());
        }
        if self.view.groups.is_empty() {
            let _ = write!(html, "<section class=\"empty\"><h2>{}</h2><p>{}</p></section>", words.none, words.none_hint);
        }
        html.push_str("<div id=\"services\">");
        for group in &self.view.groups {
            self.group(&mut html, words, group);
        }
        html.push_str("</div>");
        let past: Vec<&PublicIncident> = self.view.incidents.iter().filter(|incident| incident.is_over()).collect();
        if past.is_empty() {
            let _ = write!(html, "<section class=\"past\"><h2>{}</h2><p>{}</p></section>", words.past, words.no_past);
        } else {
            self.incidents(&mut html, "past", words.past, &past);
        }
        self.foot(&mut html, words);
        html
    }

    fn title(&self, words: &Words) -> String {
        if self.view.title.is_empty() { words.title.to_owned() } else { escape(&self.view.title) }
    }

    /// How all of it does.
    fn whole(&self, words: &Words) -> &'static str {
        let known = !self.view.stale || self.view.state != ComponentState::Unknown;
        if known { self.language.whole(self.view.state) } else { words.stale }
    }

    /// The path of this page, without a slash at its end.
    fn base(&self) -> String {
        self.view.project.as_ref().map_or_else(|| "/status".to_owned(), |project| format!("/status/{project}"))
    }

    fn head(&self, html: &mut String, words: &Words) {
        let (title, base) = (self.title(words), self.base());
        let state = self.whole(words);
        let feed = if self.view.project.is_some() { format!("{base}/feed.atom") } else { "/status/feed.atom".to_owned() };
        let _ = write!(
            html,
            "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>{title}: {state}</title><link rel=\"icon\" href=\"/favicon.svg\">\
             <link rel=\"stylesheet\" href=\"{}\"><link rel=\"alternate\" type=\"application/atom+xml\" title=\"{title}\" href=\"{feed}\">\
             <script src=\"{}\" defer></script></head><body><a class=\"skip\" href=\"#services\">{}</a><header>",
            words.tag,
            versioned("/status/-/style.css", STYLE),
            versioned("/status/-/status.js", SCRIPT),
            words.skip
        );
        if self.view.logo {
            let logo = if self.view.project.is_some() { format!("{base}/logo") } else { "/status/-/logo".to_owned() };
            let _ = write!(html, "<img class=\"logo\" src=\"{logo}\" alt=\"\" height=\"40\">");
        }
        let _ = write!(html, "<h1>{title}</h1>");
        if self.view.project.is_some() {
            let _ = write!(html, "<nav><a href=\"/status\">{}</a></nav>", words.all_pages);
        }
        for line in self.view.about.lines().filter(|line| !line.trim().is_empty()) {
            let _ = write!(html, "<p>{}</p>", escape(line));
        }
        html.push_str("</header><main>");
    }

    fn summary(&self, html: &mut String, words: &Words) {
        let state = self.view.state;
        if !self.view.groups.is_empty() {
            let _ = write!(html, "<p class=\"whole {}\">{}</p>", class(Some(state)), self.whole(words));
        }
        // Where nothing else is known, the line above says what is the matter, and it is said once.
        let said = state == ComponentState::Unknown;
        if let Some(at) = self.view.checked_at.filter(|_| self.view.stale) {
            let (before, behind) = words.stale_since;
            let _ = write!(html, "<p class=\"{}\">{before} {}{behind}</p>", if said { "quiet" } else { "unseen" }, moment(at));
            return;
        }
        let mut components = self.view.groups.iter().flat_map(|group| &group.components);
        if !said && components.any(|component| component.state == ComponentState::Unknown) {
            let _ = write!(html, "<p class=\"unseen\">{}</p>", words.unseen);
        }
        let _ = match self.view.checked_at {
            Some(at) => write!(html, "<p class=\"quiet\">{} {}</p>", words.checked, moment(at)),
            None => write!(html, "<p class=\"quiet\">{}</p>", words.not_checked),
        };
    }

    fn group(&self, html: &mut String, words: &Words, group: &GroupView) {
        let title = if self.view.project.is_some() {
            words.services.to_owned()
        } else {
            format!("<a href=\"/status/{}\">{}</a>", escape(&group.project), escape(&group.title))
        };
        let _ = write!(html, "<section class=\"group\"><h2>{title}</h2><ul>");
        for component in &group.components {
            self.component(html, words, component);
        }
        html.push_str("</ul></section>");
    }

    fn component(&self, html: &mut String, words: &Words, component: &ComponentView) {
        let state = self.language.state(component.state);
        let _ = write!(html, "<li><h3>{}</h3><p class=\"state {}\">{state}", escape(&component.title), class(Some(component.state)));
        if let Some(since) = component.since.filter(|_| component.state != ComponentState::Operational) {
            let _ = write!(html, " <span class=\"quiet\">{} {}</span>", words.since, moment(since));
        }
        let uptime = component.uptime.map_or_else(|| words.unknown_day.to_owned(), |uptime| format!("{} {}", percent(uptime), words.uptime));
        let _ = write!(
            html,
            "</p>{}<p class=\"scale\" aria-hidden=\"true\"><span>{}</span><span>{uptime}</span><span>{}</span></p>",
            bars(component, self.language),
            words.oldest,
            words.newest
        );
        let line = line(component, self.language);
        let mut days = troubled(component).peekable();
        if !line.is_empty() || days.peek().is_some() {
            let _ = write!(html, "<details><summary>{}</summary>{line}", words.details);
            if days.peek().is_some() {
                let _ = write!(html, "<h4>{}</h4><ul class=\"days\">", words.trouble);
                for one in days.take(DAYS_MOST) {
                    let _ = write!(html, "<li>{}</li>", escape(&day(one, self.language)));
                }
                html.push_str("</ul>");
            }
            html.push_str("</details>");
        }
        html.push_str("</li>");
    }

    fn incidents(&self, html: &mut String, kind: &str, title: &str, incidents: &[&PublicIncident]) {
        let _ = write!(html, "<section class=\"incidents {kind}\"><h2>{title}</h2>");
        for incident in incidents {
            self.incident(html, incident);
        }
        html.push_str("</section>");
    }

    fn incident(&self, html: &mut String, incident: &PublicIncident) {
        let words = self.language.words();
        let _ = write!(
            html,
            "<article id=\"{}\" class=\"impact-{}\"><h3>{}</h3><p class=\"quiet\">{}, {}, {}",
            incident.id,
            incident.impact,
            escape(&incident.title),
            self.language.step(incident.state),
            self.language.impact(incident.impact),
            moment(incident.starts_at)
        );
        if let Some(ends) = incident.ends_at {
            let _ = write!(html, " {} {}", words.from_to, moment(ends));
        }
        let concerned = if incident.components.is_empty() { words.all_services.to_owned() } else { escape(&incident.components.join(", ")) };
        let _ = write!(html, "</p><p class=\"quiet\">{} {concerned}</p><ol>", words.concerns);
        for update in &incident.updates {
            let _ =
                write!(html, "<li><p><strong>{}</strong> <span class=\"quiet\">{}</span></p>", self.language.step(update.state), moment(update.at));
            for line in update.text.lines().filter(|line| !line.trim().is_empty()) {
                let _ = write!(html, "<p>{}</p>", escape(line));
            }
            html.push_str("</li>");
        }
        html.push_str("</ol></article>");
    }

    fn foot(&self, html: &mut String, words: &Words) {
        let (base, (name, tag, asked)) = (self.base(), words.other);
        let (json, feed) = match self.view.project {
            Some(_) => (format!("{base}/status.json"), format!("{base}/feed.atom")),
            None => ("/status.json".to_owned(), "/status/feed.atom".to_owned()),
        };
        let _ = write!(
            html,
            "</main><footer><p class=\"quiet\">{}</p><nav><a href=\"{feed}\">Atom</a> <a href=\"{json}\">JSON</a> \
             <a href=\"{base}?lang={asked}\" hreflang=\"{tag}\" lang=\"{tag}\">{name}</a></nav></footer></body></html>",
            words.utc
        );
    }
}

/// What is said where there is no page for everybody: the same whether there is such a project or not.
pub(super) fn missing(language: Language) -> String {
    let words = language.words();
    format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{}</title><link rel=\"stylesheet\" href=\"{}\"></head><body><main><h1>{}</h1><p><a href=\"/status\">{}</a></p></main></body></html>",
        words.tag,
        words.missing,
        versioned("/status/-/style.css", STYLE),
        words.missing,
        words.all_pages
    )
}

/// A time as it is read without scripts; with them it becomes the reader's own.
fn moment(at: Millis) -> String {
    let exact = at.exact();
    // Seconds are of no use to anybody here.
    let shown = exact.get(..16).map_or_else(|| exact.clone(), |minutes| format!("{minutes} UTC"));
    format!("<time datetime=\"{}\">{shown}</time>", at.rfc3339())
}
