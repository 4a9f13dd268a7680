//! Mailing: one message to all addresses of a route, over the server that operators set. The message's id is the notice's, at each try.

use std::time::{Duration, UNIX_EPOCH};

use domain::notices::mail::Mail;
use domain::notices::work::{Delivery, Outcome, Verdict};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use model::notices::MailSecurity;
use model::secret::Secret;

use super::{away, payload, refused};

/// Longest time for one step of the conversation.
const STEP: Duration = Duration::from_secs(10);

/// Sends a notice by e-mail once.
pub(crate) async fn send(origin: &str, delivery: &Delivery, address: &Secret) -> Outcome {
    let mail = match &delivery.mail {
        Ok(mail) => mail,
        Err(why) => return refused(*why),
    };
    // What was kept before one of these was refused is refused here.
    if let Some(why) = mail.order.refuses(address.expose()) {
        return refused(why);
    }
    if let Some(why) = mail.order.tells_password() {
        return refused(why);
    }
    let message = match message(origin, delivery, mail, address) {
        Ok(message) => message,
        Err(why) => return refused(why),
    };
    let order = mail.order.clone();
    // Reads this machine's certificates.
    let tls = tokio::task::spawn_blocking(move || guard(order.security, order.host)).await;
    let tls = match tls {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => return away(format!("TLS cannot be spoken: {error}")),
        Err(_) => return away("TLS cannot be set up"),
    };
    let mut builder =
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(mail.order.host.clone()).port(mail.order.port).tls(tls).timeout(Some(STEP));
    if let (false, Some(password)) = (mail.order.username.is_empty(), &mail.password) {
        builder = builder.credentials(Credentials::new(mail.order.username.clone(), password.expose().to_owned()));
    }
    match builder.build().send(message).await {
        Ok(answer) => {
            let words: Vec<&str> = answer.message().collect();
            Outcome { status: Some(u16::from(answer.code()).into()), answer: words.join(" "), verdict: Verdict::Taken }
        }
        Err(error) => {
            let status = error.status().map(|code| u16::from(code).into());
            let verdict = if error.is_permanent() { Verdict::Refused } else { Verdict::Away(None) };
            Outcome { status, answer: whole(&error), verdict }
        }
    }
}

fn guard(security: MailSecurity, host: String) -> Result<Tls, lettre::transport::smtp::Error> {
    Ok(match security {
        MailSecurity::Tls => Tls::Wrapper(TlsParameters::new(host)?),
        MailSecurity::StartTls => Tls::Required(TlsParameters::new(host)?),
        MailSecurity::None => Tls::None,
    })
}

/// An error with its causes; none of them holds what was sent.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        text.push_str(&format!(": {cause}"));
        at = cause.source();
    }
    text
}

fn mailbox(name: Option<&str>, text: &str) -> Result<Mailbox, String> {
    let address = text.trim().parse::<Address>().map_err(|error| format!("an address cannot be mailed to: {error}"))?;
    Ok(Mailbox::new(name.map(str::to_owned), address))
}

fn message(origin: &str, delivery: &Delivery, mail: &Mail, addresses: &Secret) -> Result<Message, String> {
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(delivery.notice.at.0).unwrap_or_default());
    let mut builder: MessageBuilder = Message::builder()
        .from(mailbox(Some("Slipway"), &mail.order.sender)?)
        .subject(payload::subject(&delivery.notice))
        .date(at)
        .message_id(Some(format!("<{}@slipway>", delivery.id)));
    for address in addresses.expose().split(',') {
        builder = builder.to(mailbox(None, address)?);
    }
    let message = builder.header(ContentType::TEXT_PLAIN).body(payload::text(origin, delivery));
    message.map_err(|error| format!("it cannot be written as a mail: {error}"))
}

#[cfg(test)]
mod tests {
    use model::notices::MailOrder;

    use super::*;

    #[test]
    fn a_mail_has_one_subject_and_its_own_id() {
        let order = MailOrder {
            host: "mail.example.com".into(),
            port: 25,
            security: MailSecurity::None,
            username: String::new(),
            sender: "slipway@example.com".into(),
            recipients: Vec::new(),
        };
        let mail = Mail { order, password: None };
        let delivery = payload::tests::delivery();
        let message = message("https://s.example", &delivery, &mail, &Secret::new("ops@example.com, dev@example.com")).expect("a mail");
        let text = String::from_utf8(message.formatted()).expect("a text");
        let (head, _) = text.split_once("\r\n\r\n").expect("a head");
        assert!(!head.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{head}");
        assert!(head.contains("Message-ID: <0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11@slipway>"), "{head}");
        assert!(text.contains("https://s.example/projects/shop/alerts"), "{text}");
        assert_eq!(message.envelope().to().len(), 2);
    }
}
