//! What GitHub, GitLab and Gitea say. An image is there when a package was published or a run of CI went well; a push of source alone brings none.

use serde_json::Value;

use super::{Of, Offer, Said, Source, digest, line, tag, text};

/// GitHub.
pub(super) fn github(event: &str, value: &Value) -> Said {
    match event {
        "ping" => Said::Ping,
        "workflow_run" => run("GitHub", value),
        "package" | "registry_package" => github_package(event, value),
        other => Said::Nothing(format!("GitHub's event {other} brings no image; workflow_run, package and registry_package do")),
    }
}

/// GitLab.
pub(super) fn gitlab(event: &str, value: &Value) -> Said {
    if event != "Pipeline Hook" {
        return Said::Nothing(format!("GitLab's event {event:?} brings no image; pipeline events do"));
    }
    let status = text(value, "/object_attributes/status").unwrap_or_default();
    if status != "success" {
        return Said::Nothing(format!("the pipeline is {}, and only one that succeeded deploys", named(&status)));
    }
    if text(value, "/object_attributes/source").as_deref() == Some("merge_request_event") {
        return Said::Nothing("the pipeline ran for a merge request".into());
    }
    let reference = text(value, "/object_attributes/ref").map(|name| {
        let of_tag = value.pointer("/object_attributes/tag").and_then(Value::as_bool) == Some(true);
        if of_tag { format!("refs/tags/{name}") } else { name }
    });
    let source = Source {
        commit: text(value, "/object_attributes/sha"),
        reference,
        build: text(value, "/object_attributes/url").or_else(|| pipeline_page(value)),
        author: text(value, "/user/username"),
        message: text(value, "/commit/message").map(|text| line(&text)),
        link: text(value, "/commit/url"),
    };
    Said::offered(vec![Offer { source, ..Offer::default() }])
}

/// Gitea and Forgejo.
pub(super) fn gitea(event: &str, value: &Value) -> Said {
    match event {
        "workflow_run" => run("Gitea", value),
        "package" => gitea_package(value),
        other => Said::Nothing(format!("Gitea's event {other} brings no image; package and workflow_run do")),
    }
}

/// A run of a workflow, as GitHub tells it and Gitea after it.
fn run(who: &str, value: &Value) -> Said {
    let action = text(value, "/action").unwrap_or_default();
    if action != "completed" {
        return Said::Nothing(format!("{who}'s run is {}, and only one that is completed deploys", named(&action)));
    }
    let conclusion = text(value, "/workflow_run/conclusion").unwrap_or_default();
    if conclusion != "success" {
        return Said::Nothing(format!("{who}'s run ended with {}, and only one that went well deploys", named(&conclusion)));
    }
    // Its branch is that of whoever asks to be pulled from: somebody else's main.
    let of = text(value, "/workflow_run/event").unwrap_or_default();
    if of.starts_with("pull_request") {
        return Said::Nothing(format!("{who}'s run was for a pull request"));
    }
    let commit = text(value, "/workflow_run/head_sha");
    let link = text(value, "/repository/html_url").zip(commit.as_ref()).map(|(page, commit)| format!("{page}/commit/{commit}"));
    let source = Source {
        commit,
        reference: text(value, "/workflow_run/head_branch"),
        build: text(value, "/workflow_run/html_url"),
        author: text(value, "/workflow_run/actor/login").or_else(|| text(value, "/sender/login")),
        message: text(value, "/workflow_run/head_commit/message").map(|text| line(&text)),
        link,
    };
    let workflow = text(value, "/workflow_run/name").or_else(|| text(value, "/workflow/name")).unwrap_or_default();
    Said::offered(vec![Offer { source, workflow: Some(line(&workflow)), ..Offer::default() }])
}

/// A package of GitHub's registry.
fn github_package(event: &str, value: &Value) -> Said {
    let action = text(value, "/action").unwrap_or_default();
    if !matches!(action.as_str(), "published" | "updated") {
        return Said::Nothing(format!("GitHub's package was {}, and only a published one deploys", named(&action)));
    }
    let package = value.pointer(&format!("/{event}")).unwrap_or(&Value::Null);
    let kind = text(package, "/package_type").unwrap_or_default();
    if !kind.eq_ignore_ascii_case("container") {
        return Said::Nothing(format!("GitHub's package is of the type {}, and only a container deploys", named(&kind)));
    }
    let (Some(owner), Some(name)) = (text(package, "/namespace"), text(package, "/name")) else {
        return Said::Nothing("GitHub named no package".into());
    };
    let metadata = package.pointer("/package_version/container_metadata").unwrap_or(&Value::Null);
    let Some(tag) = tag(metadata, "/tag/name") else {
        return Said::Nothing("GitHub's package was pushed without a tag".into());
    };
    let source = Source {
        commit: text(metadata, "/labels/revision"),
        author: text(package, "/package_version/author/login").or_else(|| text(value, "/sender/login")),
        ..Source::default()
    };
    let of = Of::Path(format!("{owner}/{name}").to_ascii_lowercase());
    Said::offered(vec![Offer { of, tag: Some(tag), digest: digest(metadata, "/tag/digest"), source, ..Offer::default() }])
}

/// A package of Gitea's registry. The version of a container is a tag, or its digest for what has none.
fn gitea_package(value: &Value) -> Said {
    let action = text(value, "/action").unwrap_or_default();
    if action != "created" {
        return Said::Nothing(format!("Gitea's package was {}, and only a created one deploys", named(&action)));
    }
    let kind = text(value, "/package/type").unwrap_or_default();
    if kind != "container" {
        return Said::Nothing(format!("Gitea's package is of the type {}, and only a container deploys", named(&kind)));
    }
    let (Some(owner), Some(name)) = (text(value, "/package/owner/login"), text(value, "/package/name")) else {
        return Said::Nothing("Gitea named no package".into());
    };
    let Some(tag) = tag(value, "/package/version") else {
        return Said::Nothing("Gitea's package was pushed without a tag".into());
    };
    let source = Source { author: text(value, "/sender/login"), ..Source::default() };
    let of = Of::Path(format!("{owner}/{name}").to_ascii_lowercase());
    Said::offered(vec![Offer { of, tag: Some(tag), source, ..Offer::default() }])
}

/// The page of a pipeline, of older GitLabs, which do not name it.
fn pipeline_page(value: &Value) -> Option<String> {
    let project = text(value, "/project/web_url")?;
    let id = value.pointer("/object_attributes/id")?.as_u64()?;
    Some(format!("{project}/-/pipelines/{id}"))
}

/// A word of a sender, short enough to be shown; what is none is said.
fn named(word: &str) -> String {
    if word.is_empty() { "not named".into() } else { word.chars().take(40).collect() }
}
