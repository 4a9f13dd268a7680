//! What is posted and mailed: a notice as JSON for programs, as Slack takes messages, and as a text for people. Pure.

use domain::notices::work::Delivery;
use model::notices::{Notice, Tone, one_line};
use serde_json::{Value, json};

/// Most characters of a title.
const TITLE: usize = 200;

/// The page that shows it, whole.
fn link(origin: &str, notice: &Notice) -> String {
    format!("{origin}{}", notice.link)
}

/// The body of a webhook, as Standard Webhooks advises: what it is, when it was, and the data.
pub(crate) fn webhook(origin: &str, delivery: &Delivery) -> Value {
    let notice = &delivery.notice;
    let facts: serde_json::Map<String, Value> = notice.facts.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    json!({
        "type": notice.event,
        "timestamp": notice.at.rfc3339(),
        "data": {
            "id": delivery.id,
            "title": notice.title,
            "text": notice.text,
            "tone": notice.tone,
            "project": notice.project,
            "link": link(origin, notice),
            "facts": facts,
        }
    })
}

/// The body that Slack's incoming webhooks take, and those of others that learned from it.
pub(crate) fn slack(origin: &str, delivery: &Delivery) -> Value {
    let notice = &delivery.notice;
    let title = escaped(&one_line(&notice.title, TITLE));
    let fields: Vec<Value> =
        notice.facts.iter().map(|(name, value)| json!({ "title": escaped(name), "value": escaped(value), "short": value.len() < 40 })).collect();
    json!({
        "text": title,
        "attachments": [{
            "color": color(notice.tone),
            "fallback": title,
            "title": title,
            "title_link": link(origin, notice),
            "text": escaped(&notice.text),
            "fields": fields,
            "ts": notice.at.0 / 1000,
        }]
    })
}

/// Slack reads `<!channel>` and links between angle brackets: what others wrote calls nobody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn color(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Info => "#4a7ab5",
        Tone::Warning => "warning",
        Tone::Critical => "danger",
    }
}

/// The subject of a mail: one line, whatever the title holds.
pub(crate) fn subject(notice: &Notice) -> String {
    format!("[Slipway] {}", one_line(&notice.title, TITLE))
}

/// The text of a mail.
pub(crate) fn text(origin: &str, delivery: &Delivery) -> String {
    let notice = &delivery.notice;
    let mut text = format!("{}\n\n", notice.text);
    for (name, value) in &notice.facts {
        text.push_str(&format!("{}: {}\n", one_line(name, TITLE), one_line(value, TITLE)));
    }
    text.push_str(&format!("time: {}\n\n{}\n", notice.at.exact(), link(origin, notice)));
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use model::notices::{Event, RouteKind};
    use model::outside::AllowList;
    use model::time::Millis;

    use super::*;

    pub(crate) fn delivery() -> Delivery {
        let notice = Notice {
            event: Event::AlertFiring,
            title: "Warning: Memory\r\nBcc: all@example.com <!channel>".into(),
            text: "shop/web: memory is 95 % & more".into(),
            tone: Tone::Warning,
            facts: vec![("service".into(), "web".into())],
            link: "/projects/shop/alerts".into(),
            project: Some("shop".parse().expect("a name")),
            at: Millis(1_795_166_400_000),
        };
        let id = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id");
        let route = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a12".parse().expect("an id");
        Delivery::planned(id, route, RouteKind::Webhook, notice, AllowList::default())
    }

    #[test]
    fn a_program_reads_what_happened() {
        let body = webhook("https://slipway.example.com", &delivery());
        assert_eq!(body["type"], "alert.firing");
        assert_eq!(body["data"]["link"], "https://slipway.example.com/projects/shop/alerts");
        assert_eq!(body["data"]["facts"]["service"], "web");
        assert_eq!(body["data"]["id"], "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11");
    }

    #[test]
    fn nobodys_words_call_a_channel_or_write_a_header() {
        let body = slack("https://slipway.example.com", &delivery());
        let text = body["text"].as_str().expect("a text");
        assert!(!text.contains('<') && !text.contains('\n'), "{text}");
        assert_eq!(body["attachments"][0]["text"], "shop/web: memory is 95 % &amp; more");
        let subject = subject(&delivery().notice);
        assert!(!subject.contains(['\r', '\n']) && subject.starts_with("[Slipway] Warning: Memory"), "{subject}");
    }
}
