//! Bodies as their senders send them, and what is wrong with ours.

use proptest::prelude::*;

use super::*;

macro_rules! body {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/it/hooks/bodies/", $name))
    };
}

fn letter(headers: &[(&str, &str)], body: &str) -> Letter {
    read(&Envelope::of(headers.iter().copied()), body.as_bytes())
}

/// What is offered, the one image of it.
fn offer(headers: &[(&str, &str)], body: &str) -> Offer {
    match letter(headers, body).said {
        Ok(Said::Images { mut images, .. }) if images.len() == 1 => images.remove(0),
        other => panic!("expected one image: {other:?}"),
    }
}

fn nothing(headers: &[(&str, &str)], body: &str) -> String {
    match letter(headers, body).said {
        Ok(Said::Nothing(why)) => why,
        other => panic!("expected nothing: {other:?}"),
    }
}

fn wrong(body: &str) -> Vec<(String, String)> {
    letter(&[], body).said.expect_err("a mistake").into_iter().map(|error| (error.field, error.message)).collect()
}

fn path(of: &Of) -> &str {
    match of {
        Of::Path(path) => path,
        other => panic!("expected a path: {other:?}"),
    }
}

#[test]
fn github_says_which_run_went_well_and_which_package_was_published() {
    assert_eq!(letter(&[("x-github-event", "ping")], body!("github-ping.json")).said, Ok(Said::Ping));
    let run = offer(&[("x-github-event", "workflow_run")], body!("github-workflow-run.json"));
    assert_eq!((run.of, run.tag, run.digest, run.workflow.as_deref()), (Of::Service, None, None, Some("build")));
    let source = run.source;
    assert_eq!(source.commit.as_deref(), Some("7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"));
    assert_eq!(source.reference.as_deref(), Some("main"));
    assert_eq!(source.build.as_deref(), Some("https://github.com/octo-org/shop/actions/runs/7216402810"));
    assert_eq!(source.author.as_deref(), Some("octocat"));
    assert_eq!(source.message.as_deref(), Some("Show prices with their currency"));
    assert_eq!(source.link.as_deref(), Some("https://github.com/octo-org/shop/commit/7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"));
    let package = offer(&[("x-github-event", "package")], body!("github-package.json"));
    assert_eq!(path(&package.of), "octo-org/web");
    assert_eq!(package.tag.expect("a tag").as_str(), "1.4.2");
    assert!(package.digest.is_some_and(|digest| digest.to_string().starts_with("sha256:9b2a1c86")));
    assert_eq!(package.source.commit.as_deref(), Some("7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"));
}

#[test]
fn a_run_that_failed_or_was_for_a_pull_request_deploys_nothing() {
    let run = body!("github-workflow-run.json");
    let github = [("x-github-event", "workflow_run")];
    assert!(nothing(&github, &run.replace("\"conclusion\":\"success\"", "\"conclusion\":\"failure\"")).contains("failure"));
    assert!(nothing(&github, &run.replace("\"action\":\"completed\"", "\"action\":\"requested\"")).contains("requested"));
    assert!(nothing(&github, &run.replace("\"event\":\"push\"", "\"event\":\"pull_request\"")).contains("pull request"));
    assert!(nothing(&[("x-github-event", "push")], "{}").contains("push brings no image"));
    assert!(nothing(&github, "{}").contains("not named"));
}

#[test]
fn gitlab_says_which_pipeline_went_well() {
    let gitlab = [("x-gitlab-event", "Pipeline Hook")];
    let pipeline = body!("gitlab-pipeline.json");
    let source = offer(&gitlab, pipeline).source;
    assert_eq!(offer(&gitlab, pipeline).workflow, None, "a pipeline is no workflow");
    assert_eq!(source.commit.as_deref(), Some("bcbb5ec396a2c0f828686f14fac9b80b780504f2"));
    assert_eq!(source.reference.as_deref(), Some("main"));
    assert_eq!(source.build.as_deref(), Some("https://gitlab.example.com/team/shop/-/pipelines/318402"));
    assert_eq!((source.author.as_deref(), source.message.as_deref()), (Some("root"), Some("Receipts are sent once")));
    assert!(source.link.is_some_and(|link| link.ends_with("/-/commit/bcbb5ec396a2c0f828686f14fac9b80b780504f2")));
    let of_tag = offer(&gitlab, &pipeline.replace("\"tag\":false", "\"tag\":true")).source;
    assert_eq!(of_tag.reference.as_deref(), Some("refs/tags/main"));
    let older = offer(&gitlab, &pipeline.replace(",\"url\":\"https://gitlab.example.com/team/shop/-/pipelines/318402\"", "")).source;
    assert_eq!(older.build.as_deref(), Some("https://gitlab.example.com/team/shop/-/pipelines/318402"));
    assert!(nothing(&gitlab, &pipeline.replace("\"status\":\"success\",\"detailed", "\"status\":\"failed\",\"detailed")).contains("failed"));
    assert!(nothing(&gitlab, &pipeline.replace("\"source\":\"push\"", "\"source\":\"merge_request_event\"")).contains("merge request"));
    assert!(nothing(&[("x-gitlab-event", "Push Hook")], body!("gitlab-push.json")).contains("pipeline events do"));
}

#[test]
fn gitea_is_known_though_it_sends_githubs_headers_too() {
    let gitea = [("x-gitea-event", "package"), ("x-github-event", "package")];
    let letter = letter(&gitea, body!("gitea-package.json"));
    assert_eq!((letter.sender, letter.event.as_str()), ("gitea", "package"));
    let package = offer(&gitea, body!("gitea-package.json"));
    assert_eq!((path(&package.of), package.tag.as_ref().map(TagName::as_str)), ("team/web", Some("1.4.2")));
    assert_eq!(package.source.author.as_deref(), Some("ana"));
    assert!(nothing(&[("x-gitea-event", "push")], body!("gitea-push.json")).contains("brings no image"));
}

#[test]
fn registries_name_what_was_pushed() {
    let hub = offer(&[], body!("dockerhub.json"));
    assert_eq!((path(&hub.of), hub.tag.as_ref().map(TagName::as_str)), ("svendowideit/testhook", Some("latest")));
    let harbor = offer(&[], body!("harbor.json"));
    assert_eq!((path(&harbor.of), harbor.tag.as_ref().map(TagName::as_str)), ("team/web", Some("1.4.2")));
    assert!(harbor.digest.is_some_and(|digest| digest.to_string().starts_with("sha256:8a9e9863")));
    assert!(nothing(&[], &body!("harbor.json").replace("PUSH_ARTIFACT", "DELETE_ARTIFACT")).contains("DELETE_ARTIFACT"));
    let pushed = offer(&[("content-type", "application/vnd.docker.distribution.events.v2+json")], body!("distribution.json"));
    assert_eq!((path(&pushed.of), pushed.tag.as_ref().map(TagName::as_str)), ("team/web", Some("1.4.2")));
    assert!(pushed.digest.is_some_and(|digest| digest.to_string().starts_with("sha256:fea8895f")));
    assert_eq!(letter(&[], body!("distribution.json")).key.as_deref(), Some("event:320678d8-ca14-430f-8bb6-4ca139cd83f7"));
    assert!(nothing(&[], &body!("distribution.json").replace("\"push\"", "\"pull\"")).contains("no tag was pushed"));
}

#[test]
fn our_own_body_says_what_to_deploy_and_where_it_comes_from() {
    let own = offer(&[], body!("own.json"));
    assert_eq!((own.of, own.tag.as_ref().map(TagName::as_str)), (Of::Service, Some("1.4.2")));
    assert_eq!(own.source.message.as_deref(), Some("Show prices with their currency"));
    assert_eq!(own.source.build.as_deref(), Some("https://jenkins.example.com/job/shop/562/"));
    let image = offer(&[], r#"{"image": "localhost:3000/shop/web:2", "parameters": {"replicas": 3, "debug": true, "level": "info"}}"#);
    assert!(matches!(image.of, Of::Image(_)));
    assert_eq!(image.tag.map(|tag| tag.to_string()).as_deref(), Some("2"));
    let answers: Vec<_> = image.answers.iter().map(|(name, text)| format!("{name}={text}")).collect();
    assert_eq!(answers, ["debug=true", "level=info", "replicas=3"]);
}

#[test]
fn what_is_wrong_in_our_own_body_names_its_field() {
    assert_eq!(wrong(r#"{"tags": "1"}"#)[0].0, "tags");
    assert!(wrong(r#"{"tags": "1"}"#)[0].1.contains("did you mean tag"));
    assert!(wrong(r#"{"frequency": 1}"#)[0].1.contains("the fields are image"));
    assert_eq!(wrong(r#"{"tag": "not a tag"}"#)[0].0, "tag");
    assert_eq!(wrong(r#"{"tag": 1}"#)[0], ("tag".into(), "it must be a text".into()));
    assert_eq!(wrong(r#"{"digest": "sha256:12"}"#)[0].0, "digest");
    assert_eq!(wrong(r#"{"image": "web:1", "tag": "2"}"#)[0].0, "image");
    assert_eq!(wrong(r#"{"tag": "1", "parameters": {"a": [1]}}"#)[0].0, "parameters.a");
    assert_eq!(wrong(r#"{"tag": "1", "parameters": 3}"#)[0].0, "parameters");
    assert!(wrong("{}")[0].1.contains("image, tag or digest"));
    for none in ["", "  ", "[1]", "\"tag\"", "tag=1", "{\"tag\": \"1\""] {
        assert_eq!(wrong(none)[0].0, "body", "{none:?}");
    }
    assert_eq!(wrong(&format!(r#"{{"tag": "1", "message": "{}"}}"#, "x".repeat(1001)))[0].0, "message");
}

#[test]
fn a_form_with_a_payload_is_githubs_other_way() {
    let form = [("x-github-event", "ping"), ("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(letter(&form, "payload=%7B%22zen%22%3A%22a+b%22%7D").said, Ok(Said::Ping));
    let own = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(offer(&own, "a=b&payload=%7B%22tag%22%3A+%221%22%7D").tag.map(|tag| tag.to_string()).as_deref(), Some("1"));
    for broken in ["payload=%7", "payload=%zz", "payload="] {
        assert!(letter(&own, broken).said.is_err(), "{broken}");
    }
}

proptest! {
    #[test]
    fn junk_is_told_and_never_a_fault(event in "[a-zA-Z_ ]{0,20}", sender in 0_usize..4, body in "\\PC{0,200}|\\{\"[a-z_]{1,12}\":[\\[\\]{}a-z0-9\",:]{0,60}\\}") {
        let header = ["x-github-event", "x-gitea-event", "x-gitlab-event", "user-agent"][sender];
        let letter = letter(&[(header, event.as_str())], &body);
        prop_assert!(!letter.sender.is_empty());
    }
}
