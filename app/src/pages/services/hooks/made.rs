//! A hook's new secret, this once, with the step of a pipeline that uses it.

use leptos::prelude::*;
use model::views::hooks::NewHook;

use crate::boot::boot;
use crate::components::{Command, CopyButton, Notice, Tone};

/// The secret and how to use it.
#[component]
pub(super) fn Made(made: NewHook) -> impl IntoView {
    let url = format!("{}{}", boot().public_url.trim_end_matches('/'), made.hook.path);
    let step = step(&url);
    view! {
        <Notice tone=Tone::Ok title=format!("Copy the secret of {} now; it is not shown again.", made.hook.name)>
            <div class="command"><pre tabindex="0" aria-label="secret"><code>{made.secret.clone()}</code></pre><CopyButton text=made.secret what="secret"/></div>
            <p class="small muted">"In GitHub, GitLab or Gitea, add a webhook with this URL, the content type application/json and the secret:"</p>
            <Command what="URL" text=url/>
            <p class="small muted">"In a pipeline, with the secret in the masked variable SLIPWAY_HOOK. It ends when the deployment has, and fails when that fails:"</p>
            <Command what="pipeline step" text=step/>
        </Notice>
    }
    .into_any()
}

/// What a pipeline does with it. The secret does not stand among the arguments of a process, which others could list.
fn step(url: &str) -> String {
    format!(
        "printf 'header = \"Authorization: Bearer %s\"\\n' \"$SLIPWAY_HOOK\" |\n  curl --config - --silent --show-error --fail-with-body --max-time 330 --retry 5 \\\n    \
         --header 'Content-Type: application/json' --header \"Idempotency-Key: $BUILD_URL\" \\\n    \
         --data \"{{\\\"tag\\\": \\\"$TAG\\\", \\\"commit\\\": \\\"$COMMIT\\\", \\\"build_url\\\": \\\"$BUILD_URL\\\"}}\" \\\n    '{url}?wait=300'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_waits_and_keeps_the_secret_out_of_the_arguments() {
        let step = step("https://slipway.example.com/hooks/ab");
        assert!(step.ends_with("'https://slipway.example.com/hooks/ab?wait=300'"), "{step}");
        assert!(step.contains("{\\\"tag\\\": \\\"$TAG\\\""), "{step}");
        assert!(!step.contains("--header 'Authorization"), "{step}");
    }
}
