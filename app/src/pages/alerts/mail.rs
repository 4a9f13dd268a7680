//! How e-mail leaves, for operators.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::notices::MailSecurity;
use model::views::notices::MailView;

use crate::api::notices::{PutMail, get_mail};
use crate::components::{Ago, Choice, Csrf, ProblemNotice, Select, Submit, TextField, field_error};
use crate::live::Pulse;
use crate::page::{change, loaded, problem};

/// Fields that show their own error.
const BESIDE: &[&str] = &["host", "port", "security", "username", "password", "sender", "recipients"];

/// The form of the mail server.
#[component]
pub(super) fn Mail() -> impl IntoView {
    let pulse = Pulse::new();
    let data = Resource::new(move || pulse.track(), |_| get_mail());
    let put = change::<PutMail>("Mail server saved", Some(pulse));
    loaded(data, move |mail| view! { <Fields mail put/> })
}

fn securities() -> Vec<Choice> {
    let says = |security: MailSecurity| match security {
        MailSecurity::Tls => "TLS (port 465)",
        MailSecurity::StartTls => "STARTTLS (port 587)",
        MailSecurity::None => "None (same machine only)",
    };
    MailSecurity::ALL.iter().map(|security| Choice::new(security.as_str(), says(*security))).collect()
}

#[component]
fn Fields(mail: Option<MailView>, put: ServerAction<PutMail>) -> impl IntoView {
    let refused = problem(put);
    let kept = mail.as_ref().is_some_and(|mail| mail.has_password);
    let (host, username, sender) = mail.as_ref().map(|mail| (mail.host.clone(), mail.username.clone(), mail.sender.clone())).unwrap_or_default();
    let recipients = mail.as_ref().map(|mail| mail.recipients.clone()).unwrap_or_default();
    let port = mail.as_ref().map_or_else(|| "587".to_owned(), |mail| mail.port.to_string());
    let security = mail.as_ref().map_or(MailSecurity::StartTls, |mail| mail.security).to_string();
    let written = mail.map(|mail| view! { <p class="small muted">"Set by "{mail.by}", "<Ago at=mail.updated_at/></p> });
    let hint = if kept { "Empty: as it was. It is never shown." } else { "It is never shown." };
    view! {
        <section class="panel">
            <header><h2>"Mail server"</h2></header>
            <div class="panel-body">
                <p class="muted">"Routes of e-mail, of every project, leave over this server."</p>
                {written}
                <ProblemNotice problem=refused beside=BESIDE/>
                <ActionForm action=put attr:class="form">
                    <Csrf/>
                    <div class="fields fields-wide">
                        <TextField name="form[host]" label="Server" mono=true placeholder="mail.example.com" value=host error=field_error(refused, "host") hint="Empty: no e-mail leaves."/>
                        <TextField name="form[port]" label="Port" mono=true inputmode=String::from("numeric") value=port error=field_error(refused, "port")/>
                        <Select name="form[security]" label="Encryption" choices=securities() value=security error=field_error(refused, "security")/>
                        <TextField name="form[sender]" label="From" mono=true placeholder="slipway@example.com" value=sender error=field_error(refused, "sender")/>
                        <TextField name="form[username]" label="User name" optional=true mono=true value=username error=field_error(refused, "username")/>
                        <TextField name="form[password]" label="Password" kind="password" optional=true autocomplete="new-password" error=field_error(refused, "password") hint/>
                        <TextField name="form[recipients]" label="Allowed recipients" optional=true mono=true placeholder="example.com, example.net" value=recipients error=field_error(refused, "recipients") hint="Domains, with commas between. Empty: all."/>
                    </div>
                    <div class="actions"><Submit label="Save mail server" pending=put.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}
