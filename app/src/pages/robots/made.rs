//! A robot's new secret, this once, with the commands that use it.

use leptos::prelude::*;
use model::access::Role;
use model::views::robots::NewRobot;

use crate::boot::boot;
use crate::components::{Ago, Command, CopyButton, Notice, Tone};

/// The secret and how to use it.
#[component]
pub(super) fn Made(project: String, made: NewRobot) -> impl IntoView {
    let boot = boot();
    let robot = made.robot;
    let name = robot.username.to_string();
    let login = format!("docker login {} --username {name} --password-stdin", boot.registry);
    let pipeline = pipeline(&boot.registry, &project, &login, robot.role);
    let call = format!("curl --header \"Authorization: Bearer $SLIPWAY_SECRET\" {}/api/v1/projects/{project}/services", boot.public_url);
    view! {
        <Notice tone=Tone::Ok title=format!("Copy the secret of {name} now; it is not shown again.")>
            <div class="command"><pre tabindex="0" aria-label="secret"><code>{made.secret.clone()}</code></pre><CopyButton text=made.secret what="secret"/></div>
            {robot.previous.map(|previous| view! { <p class="small">"The secret before it still works; it ends "<Ago at=previous.ends_at/>"."</p> })}
            <p class="small muted">"Keep it in your CI as the masked variable SLIPWAY_SECRET. A step of a pipeline:"</p>
            <Command what="pipeline step" text=pipeline/>
            <p class="small muted">"On a machine, type this and paste the secret, then press Enter and Ctrl-D:"</p>
            <Command what="login command" text=login/>
            <p class="small muted">"From a program, as a Bearer token:"</p>
            <Command what="API call" text=call/>
        </Notice>
    }
    .into_any()
}

/// What a pipeline does with it: who may push pushes.
fn pipeline(registry: &str, project: &str, login: &str, role: Role) -> String {
    let image = format!("{registry}/{project}/my-image");
    let work = match role {
        Role::Guest => format!("docker pull \"{image}:1.0\""),
        Role::Developer | Role::Admin => format!("docker build --tag \"{image}:$COMMIT\" .\ndocker push \"{image}:$COMMIT\""),
    };
    format!("printf %s \"$SLIPWAY_SECRET\" | {login}\n{work}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_pipeline_pulls() {
        let login = "docker login";
        assert!(pipeline("localhost:3000", "shop", login, Role::Guest).ends_with("docker pull \"localhost:3000/shop/my-image:1.0\""));
        assert!(pipeline("localhost:3000", "shop", login, Role::Developer).contains("docker push \"localhost:3000/shop/my-image:$COMMIT\""));
    }
}
