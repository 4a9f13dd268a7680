//! Personal tokens: what docker clients, scripts and CI sign in with. A secret is shown once, in the page that made it.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::access::Scope;
use model::views::accounts::TokenView;

use crate::api::accounts::{CreateToken, OwnTokens, RevokeToken, list_tokens};
use crate::boot::boot;
use crate::components::{
    Ago, CheckBox, Choice, Command, Confirm, CopyButton, Csrf, Empty, Keep, Notice, ProblemNotice, Select, Submit, TextField, Tone, field_error,
};
use crate::live::Pulse;
use crate::page::{change, forget, loaded, problem};

/// The own tokens.
#[component]
pub(crate) fn Tokens() -> impl IntoView {
    let pulse = Pulse::new();
    let data = Resource::new(move || pulse.track(), |_| list_tokens());
    let create = change::<CreateToken>("", Some(pulse));
    let revoke = change::<RevokeToken>("Token revoked", Some(pulse));
    let made = move || match create.value().get() {
        Some(Ok(made)) => Some(made.secret),
        _ => None,
    };
    view! {
        {move || made().map(|secret| view! { <Made secret/> })}
        <NewToken create/>
        {loaded(data, move |OwnTokens { tokens, made }| view! {
            {made.map(|secret| view! { <Made secret/> })}
            <TokenTable tokens revoke/>
        })}
    }
    .into_any()
}

/// The secret, this once.
#[component]
fn Made(secret: String) -> impl IntoView {
    let boot = boot();
    let name = boot.me.map(|me| me.username.to_string()).unwrap_or_default();
    view! {
        <Notice tone=Tone::Ok title="Copy the token now; it is not shown again.">
            <div class="command"><pre tabindex="0" aria-label="token"><code>{secret.clone()}</code></pre><CopyButton text=secret what="token"/></div>
            <p class="small muted">"Docker asks for it as the password:"</p>
            <Command what="login command" text=format!("docker login {} --username {name}", boot.registry)/>
        </Notice>
    }
    .into_any()
}

fn says(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "See projects, services, logs and charts",
        Scope::Pull => "Pull images",
        Scope::Push => "Push images, and pull them",
        Scope::Deploy => "Create services, deploy and configure; includes reading",
        Scope::Shell => "Open shells in tasks",
        Scope::Metrics => "Read /metrics, for Prometheus; nothing else",
        Scope::Discovery => "Read /discovery, for proxies and Prometheus; nothing else",
        Scope::Admin => "Everything that you may do",
    }
}

#[component]
fn NewToken(create: ServerAction<CreateToken>) -> impl IntoView {
    let refused = problem(create);
    let days = vec![Choice::new("30", "30 days"), Choice::new("90", "90 days"), Choice::new("365", "1 year"), Choice::new("0", "never")];
    let scopes = Scope::ALL
        .into_iter()
        .map(|scope| {
            view! { <CheckBox name="scopes[]" value=scope.as_str() label=scope.as_str() hint=says(scope) checked=matches!(scope, Scope::Pull | Scope::Push)/> }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"New token"</h2></header>
            <div class="panel-body">
                <ProblemNotice problem=refused beside=&["name", "scopes", "expires_in_days"]/>
                <ActionForm action=create attr:class="form">
                    <Csrf/>
                    <div class="fields">
                        <TextField name="name" label="Name" required=true placeholder="laptop" error=field_error(refused, "name") hint="What it is for, so that you know it later."/>
                        <Select name="expires_in_days" label="Ends after" choices=days value="90" error=field_error(refused, "expires_in_days")/>
                    </div>
                    <fieldset class="stack-s">
                        <legend class="label">"What it may be used for"</legend>
                        <div class="fields">{scopes}</div>
                        <p class="error" aria-live="polite">{move || field_error(refused, "scopes").get()}</p>
                    </fieldset>
                    <div class="actions"><Submit label="Make token" pending=create.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn TokenTable(tokens: Vec<TokenView>, revoke: ServerAction<RevokeToken>) -> impl IntoView {
    if tokens.is_empty() {
        return view! {
            <section class="panel"><Empty title="No tokens yet"><p>"Make one for each machine or script, so that you can revoke it alone."</p></Empty></section>
        }
        .into_any();
    }
    let rows = tokens.into_iter().map(|token| view! { <Row token revoke/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Your tokens"</h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Name"</th><th scope="col">"For"</th><th scope="col">"Made"</th><th scope="col">"Last used"</th><th scope="col">"Ends"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

#[component]
fn Row(token: TokenView, revoke: ServerAction<RevokeToken>) -> impl IntoView {
    let id = format!("revoke-{}", token.id);
    let scopes = token.scopes.iter().map(|scope| view! { <span class="chip">{scope.as_str()}</span>" " }).collect_view();
    view! {
        <tr>
            <td data-label="Name" class="table-main">{token.name.clone()}</td>
            <td data-label="For"><span>{scopes}</span></td>
            <td data-label="Made"><Ago at=token.created_at/></td>
            <td data-label="Last used">{token.used_at.map_or_else(|| "never".into_any(), |at| view! { <Ago at/> }.into_any())}</td>
            <td data-label="Ends">{token.expires_at.map_or_else(|| "never".into_any(), |at| view! { <Ago at/> }.into_any())}</td>
            <td class="end">
                <Confirm id=id.clone() button="Revoke" look="button-small button-danger" title=format!("Revoke {}?", token.name) on_open=forget(revoke)>
                    <p>"What signs in with it is refused from now on. This cannot be undone."</p>
                    <ProblemNotice problem=problem(revoke)/>
                    <ActionForm action=revoke>
                        <Csrf/>
                        <input type="hidden" name="token" value=token.id.to_string()/>
                        <div class="actions"><Keep dialog=id/><Submit label="Revoke token" look="button-danger-fill" pending=revoke.pending()/></div>
                    </ActionForm>
                </Confirm>
            </td>
        </tr>
    }
    .into_any()
}
