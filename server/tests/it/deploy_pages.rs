//! The pages that deploy, as a browser without scripts uses them: nothing that was typed is lost, nothing of it shows up elsewhere, links keep what was
//! asked for, and what cannot be done is not offered.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::image_rules::{open, post};
use crate::portal::Browser;
use crate::push::push;
use crate::quotas::{image, put_fine};
use crate::templates::{ECHO, Scene};

const WEB: &str = "/projects/shop/services/web";

/// An environment beside `local`, without a machine: what is brought there waits.
async fn staging(scene: &Scene) {
    let body = json!({"registry_address": "10.0.0.5:3000", "projects": "all"});
    scene.portal.person("admin").put("/api/v1/environments/staging", body).await.expect_status(StatusCode::CREATED).await;
}

/// Posts a form as a browser without scripts does, and does not follow; the page that it is led to.
async fn sent(scene: &Scene, browser: &Browser, from: &str, to: &str, fields: &[(&str, &str)]) -> String {
    let fields: Vec<_> = [("project", "shop"), ("service", "web")].into_iter().chain(fields.iter().copied()).collect();
    post(&scene.portal, browser, from, to, &fields).await.trim_start_matches(&scene.portal.base).to_owned()
}

async fn step(browser: &Browser, deployment: &Value) -> String {
    let page = open(browser, &format!("{WEB}/deployments/{}", deployment["id"].as_str().expect("an id"))).await;
    let steps = page.split_once("<ol class=\"steps\"").expect("steps").1.split_once("</ol>").expect("their end").0;
    let states = steps.split("data-state=\"").skip(1).filter_map(|rest| rest.split('"').next());
    states.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_deployment_that_was_cancelled_in_the_queue_was_left_there() {
    let scene = Scene::set().await;
    staging(&scene).await;
    let made = scene.deploy("web", json!({"environment": "staging", "descriptor": {"image": "web:1", "replicas": 2}})).await;
    assert_eq!((&made["state"], &made["progress"]["tasks"]["total"]), (&json!("queued"), &json!(0)), "{made}");
    let browser = scene.portal.browser("dora").await;
    assert_eq!(step(&browser, &made).await, "now ahead ahead");
    let path = format!("/api/v1{WEB}/deployments/{}/cancel", made["id"].as_str().expect("an id"));
    let cancelled = scene.dora.post(&path, json!({})).await.expect_status(StatusCode::OK).await;
    assert!(cancelled["state"] == "cancelled" && cancelled["started_at"].is_null(), "{cancelled}");
    assert_eq!(step(&browser, &made).await, "left ahead ahead");
}

#[tokio::test]
async fn links_to_another_environment_keep_template_version_and_image() {
    let scene = Scene::set().await;
    staging(&scene).await;
    assert_eq!(scene.write(&ECHO.replace("hello", "good morning")).await.status(), StatusCode::CREATED);
    let browser = scene.portal.browser("dora").await;
    let page = open(&browser, &format!("{WEB}/deploy?template=own%2Fecho&version=1&image=web%3A1")).await;
    let kept = "template=own%2Fecho&amp;version=1&amp;image=web%3A1";
    assert!(page.contains(&format!("{WEB}/deploy?{kept}&amp;environment=staging\"")), "{page}");
    let there = open(&browser, &format!("{WEB}/deploy?template=own%2Fecho&version=1&environment=staging")).await;
    assert!(there.contains("Deploy to staging") && there.contains("Echo") && there.contains(", version 1. "), "{there}");
    // From the plain form: to a template, to another environment, to the text.
    let plain = open(&browser, &format!("{WEB}/deploy?template=plain&environment=staging")).await;
    for href in [
        "environment=staging&amp;template=own%2Fecho\"",
        "template=plain&amp;environment=local\"",
        "as=yaml&amp;environment=staging&amp;template=plain\"",
    ] {
        assert!(plain.contains(&format!("{WEB}/deploy?{href}")), "{href} in {plain}");
    }
    // What a link says is for the environment that is looked at.
    scene.deploy("web", json!({"environment": "staging", "template": "echo", "version": 1, "answers": {"image": "web:1"}})).await;
    let made = open(&browser, &format!("{WEB}/template?environment=staging")).await;
    assert!(made.contains(&format!("{WEB}/deploy?environment=staging&amp;template=own%2Fecho&amp;version=2\"")), "{made}");
}

#[tokio::test]
async fn the_image_that_was_pushed_last_is_offered_first() {
    let scene = Scene::set().await;
    for repository in ["shop/aa", "shop/ab", "shop/ac", "shop/ad"] {
        let manifest = image(&scene.dora, repository, "old").await;
        for tag in 0..50 {
            put_fine(&scene.dora, repository, &format!("t{tag}"), &manifest).await;
        }
    }
    push(&scene.dora, "shop/zz", "newest", b"another layer").await;
    let page = open(&scene.portal.browser("dora").await, &format!("{WEB}/deploy")).await;
    assert!(page.contains("<option value=\"zz:newest\""), "it is offered");
    let field = page.split_once("name=\"form[image]\"").expect("the field").1.split_once('>').expect("its end").0;
    assert!(field.contains("value=\"zz:newest\""), "and chosen: {field}");
    assert!(page.contains("<option value=\"ad:t49\"") && !page.contains("<option value=\"web:1\""), "what is left out was pushed before the rest");
}

#[tokio::test]
async fn a_revision_without_its_image_cannot_be_rolled_back_to() {
    let scene = Scene::set().await;
    let second = push(&scene.dora, "shop/web", "2", b"a second layer").await;
    for image in ["web:2", "web:1"] {
        scene.deploy("web", json!({"environment": "local", "descriptor": {"image": image}})).await;
    }
    let deleted = scene.ana.request(Method::DELETE, &format!("/v2/shop/web/manifests/{}", second.manifest)).send().await.expect("an answer");
    assert_eq!(deleted.status(), StatusCode::ACCEPTED);
    let page = open(&scene.portal.browser("dora").await, &format!("{WEB}/revisions")).await;
    let button = |number: u32| {
        let at = page.find(&format!("commandfor=\"roll-back-{number}\"")).expect("a button");
        page[at..].split_once('>').expect("its end").0.to_owned()
    };
    assert!(button(1).contains("disabled") && button(1).contains("web:2 was deleted from the registry"), "{}", button(1));
    assert!(!button(2).contains("disabled"), "{}", button(2));
}

/// What one of the deploy page's two plain ways is posted with.
struct Way {
    page: &'static str,
    plan: &'static str,
    deploy: &'static str,
    good: (&'static str, &'static str),
    bad: (&'static str, &'static str),
}

#[tokio::test]
async fn without_scripts_a_plan_comes_back_with_all_that_was_typed_and_nowhere_else() {
    let ways = [
        Way {
            page: "deploy?template=plain",
            plan: "/fn/deployments/plan",
            deploy: "/fn/deployments/deploy",
            good: ("form[env]", "TYPED=first"),
            bad: ("form[env]", "no variable"),
        },
        Way {
            page: "deploy?as=yaml",
            plan: "/fn/deployments/plan_text",
            deploy: "/fn/deployments/deploy_text",
            good: ("text", "image: web:1\r\nenv: {TYPED: first}\r\n"),
            bad: ("text", "image: web:1\r\nno variable: 1\r\n"),
        },
    ];
    let scene = Scene::set().await;
    staging(&scene).await;
    let browser = scene.portal.browser("dora").await;
    for way in ways {
        let page = format!("{WEB}/{}", way.page);
        let here = format!("{page}&environment=local");
        assert!(open(&browser, &page).await.contains(&format!("formaction=\"{}\"", way.plan)), "the button works without scripts");
        let fields = [("environment", "local"), ("why", "looked-at <it>"), ("form[image]", "web:1"), ("form[replicas]", "1"), way.good];
        let led = sent(&scene, &browser, &here, way.plan, &fields).await;
        assert!(led.starts_with(&here), "{led}");
        for elsewhere in [page.replace("/web/", "/other/"), format!("{page}&environment=staging")] {
            let page = open(&browser, &elsewhere).await;
            assert!(!page.contains("TYPED") && !page.contains("looked-at") && !page.contains("What would change"), "{elsewhere}: {page}");
        }
        let shown = open(&browser, &led).await;
        for part in ["TYPED", "looked-at &lt;it&gt;", "What would change", "This is the first deployment here"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!open(&browser, &led).await.contains("TYPED"), "it waits for one page");

        for door in [way.plan, way.deploy] {
            let fields = [("environment", "local"), ("why", "again"), ("form[image]", "web:1"), ("form[replicas]", "1"), way.bad];
            let led = sent(&scene, &browser, &here, door, &fields).await;
            let shown = open(&browser, &led).await;
            assert!(shown.contains("no variable") && shown.contains("value=\"again\""), "{door}: {shown}");
            assert!(!shown.contains("This is the first deployment here"), "{door}: {shown}");
        }
    }
}

#[tokio::test]
async fn what_was_typed_stands_before_the_image_that_a_link_names() {
    let scene = Scene::set().await;
    push(&scene.dora, "shop/web", "2", b"a second layer").await;
    let browser = scene.portal.browser("dora").await;
    let page = format!("{WEB}/deploy?template=plain&image=web%3A1");
    let fields = [("environment", "local"), ("form[image]", "web:2"), ("form[replicas]", "1")];
    let led = sent(&scene, &browser, &page, "/fn/deployments/plan", &fields).await;
    let shown = open(&browser, &led).await;
    let field = shown.split_once("name=\"form[image]\"").expect("the field").1.split_once('>').expect("its end").0;
    assert!(field.contains("value=\"web:2\""), "{field}");
}

#[tokio::test]
async fn the_form_of_a_template_keeps_why_and_its_plan_to_itself() {
    let scene = Scene::set().await;
    staging(&scene).await;
    let browser = scene.portal.browser("dora").await;
    let page = format!("{WEB}/deploy?template=own%2Fecho");
    let fields = |replicas: &'static str| {
        let of = [("of[template]", "own/echo"), ("of[version]", "1"), ("answers[image]", "web:1"), ("answers[greeting]", "typed here")];
        of.into_iter().chain([("environment", "local"), ("why", "because-so"), ("answers[replicas]", replicas)]).collect::<Vec<_>>()
    };
    let led = sent(&scene, &browser, &page, "/fn/templates/plan", &fields("2")).await;
    for elsewhere in [format!("{page}&environment=staging"), page.replace("own%2Fecho", "site%2Fworker"), page.replace("/web/", "/other/")] {
        let shown = open(&browser, &elsewhere).await;
        assert!(!shown.contains("typed here") && !shown.contains("because-so") && !shown.contains("What would change"), "{elsewhere}: {shown}");
    }
    let shown = open(&browser, &led).await;
    assert!(shown.contains("typed here") && shown.contains("value=\"because-so\"") && shown.contains("What would change"), "{shown}");
    let led = sent(&scene, &browser, &page, "/fn/templates/deploy", &fields("9")).await;
    let shown = open(&browser, &led).await;
    assert!(shown.contains("typed here") && shown.contains("value=\"because-so\"") && !shown.contains("What would change"), "{shown}");
}

#[tokio::test]
async fn what_is_no_id_is_said_at_its_field() {
    let scene = Scene::set().await;
    let browser = scene.portal.browser("dora").await;
    let shown = open(&browser, "/running?id=abc").await;
    let field = shown.split_once("name=\"id\"").expect("the field").1.split_once('>').expect("its end").0;
    assert!(field.contains("aria-invalid=\"true\"") && shown.contains("or a container"), "{field}: {shown}");
    assert!(!shown.contains("Nothing was changed"), "{shown}");
    assert!(!open(&browser, "/running").await.contains("aria-invalid"), "nothing is asked yet");
}

#[tokio::test]
async fn what_a_refused_plan_is_about_is_told_once_and_where_it_stands() {
    let scene = Scene::set().await;
    let browser = scene.portal.browser("dora").await;
    let page = format!("{WEB}/deploy?template=own%2Fecho");
    let of = [("environment", "local"), ("of[template]", "own/echo"), ("of[version]", "1"), ("why", "")];
    let fields: Vec<_> = of.into_iter().chain([("answers[image]", "web:1"), ("answers[greeting]", "hi"), ("answers[replicas]", "9")]).collect();
    let led = sent(&scene, &browser, &page, "/fn/templates/plan", &fields).await;
    let shown = open(&browser, &led).await;
    let field = shown.split_once("name=\"answers[replicas]\"").expect("the field").1.split_once('>').expect("its end").0;
    assert!(field.contains("aria-invalid=\"true\""), "{field}");
    assert!(shown.contains("look at the marked fields") && !shown.contains("<code>answers.replicas"), "{shown}");

    let page = format!("{WEB}/deploy?as=yaml");
    let fields = [("environment", "local"), ("why", ""), ("text", "image: web:1\r\nreplicas: many\r\n")];
    let led = sent(&scene, &browser, &page, "/fn/deployments/plan_text", &fields).await;
    let shown = open(&browser, &led).await;
    assert_eq!(shown.matches("is not a number of tasks").count(), 1, "{shown}");
    assert!(shown.contains("what is wrong stands above the text"), "{shown}");
}

#[tokio::test]
async fn a_document_waits_for_the_editor_that_it_was_typed_into() {
    let scene = Scene::set().await;
    let browser = scene.portal.browser("ana").await;
    let document = ECHO.replace("hello", "typed here");
    let page = "/projects/shop/templates/echo/edit";
    let fields = [("project", "shop"), ("template", "echo"), ("document", document.as_str()), ("note", "louder")];
    let led = post(&scene.portal, &browser, page, "/fn/templates/preview", &fields).await;
    let new = open(&browser, "/projects/shop/templates/new").await;
    assert!(!new.contains("typed here") && !new.contains("louder"), "{new}");
    let shown = open(&browser, led.trim_start_matches(&scene.portal.base)).await;
    assert!(shown.contains("typed here") && shown.contains("louder"), "{shown}");
}

/// The fields of a change of a place's configuration.
fn at<'a>(service: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let place = [("at[project]", "shop"), ("at[service]", service), ("at[environment]", ""), ("based_on", "0")];
    place.into_iter().chain(more.iter().copied()).collect()
}

#[tokio::test]
async fn refused_variables_and_files_are_there_again_at_their_place_alone() {
    let scene = Scene::set().await;
    let browser = scene.portal.browser("dora").await;
    let (of_web, of_project) = (format!("{WEB}/configuration"), "/projects/shop/configuration");
    let forms = [
        ("/fn/configs/put_variables", vec![("lines", "KEPT=typed here\r\nno variable\r\n"), ("why", "because-so")], "KEPT=typed here\nno variable"),
        ("/fn/configs/put_variable", vec![("name", "1no"), ("value", "typed here"), ("why", "because-so")], "value=\"typed here\""),
        ("/fn/configs/put_file", vec![("name", "a/b"), ("content", "typed here\r\n"), ("why", "because-so")], "typed here\n"),
    ];
    for (door, more, kept) in forms {
        let led = post(&scene.portal, &browser, &of_web, door, &at("web", &more)).await;
        let elsewhere = open(&browser, of_project).await;
        assert!(!elsewhere.contains("typed here") && !elsewhere.contains("because-so"), "{door}: {elsewhere}");
        let shown = open(&browser, led.trim_start_matches(&scene.portal.base)).await;
        assert!(shown.contains(kept) && shown.contains("value=\"because-so\""), "{door}: {shown}");
        assert_eq!(shown.contains("<details open"), door.ends_with("variables"), "{door}: lines that are wrong are seen");
    }
    let view = scene.dora.get("/api/v1/projects/shop/services/web/configuration").await.expect_status(StatusCode::OK).await;
    assert!(!view.to_string().contains("typed here"), "nothing was set: {view}");
}
