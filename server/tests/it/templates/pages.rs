//! The pages, as a browser without scripts uses them.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{ECHO, Scene};
use crate::portal::Browser;

/// Posts a form as a browser without scripts does; where it is led to.
async fn post(browser: &Browser, base: &str, page: &str, action: &str, fields: &[(&str, &str)]) -> String {
    let request = browser.request(Method::POST, action).header("accept", "text/html").header("origin", base);
    let answer = browser.send(request.header("referer", format!("{base}{page}")).form(fields)).await;
    assert_eq!(answer.status(), StatusCode::FOUND, "{action}");
    answer.headers()["location"].to_str().expect("a place").to_owned()
}

async fn text(browser: &Browser, path: &str) -> String {
    let answer = browser.open(path).await;
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.text().await.expect("a page")
}

#[tokio::test]
async fn templates_are_found_read_and_exported() {
    let scene = Scene::set().await;
    let browser = scene.portal.browser("dora").await;
    let site = text(&browser, "/templates").await;
    for title in ["Static site", "HTTP service", "Java web application", "Worker", "Scheduled job"] {
        assert!(site.contains(title), "{title}");
    }
    assert!(!site.contains("New template"), "who may not write is offered nothing");
    let own = text(&browser, "/projects/shop/templates").await;
    assert!(own.contains("Echo") && own.contains("Worker"));
    let one = text(&browser, "/projects/shop/templates/echo").await;
    assert!(one.contains("by region (eu: fra, ams; us: nyc)") && one.contains("asked when region is us"), "{one}");
    assert!(!one.contains("Delete template"));
    let export = browser.open("/projects/shop/templates/echo/export?version=1").await;
    assert_eq!(export.headers()["content-disposition"], "attachment; filename=\"echo.yaml\"");
    assert_eq!(export.text().await.expect("a document"), ECHO);
    let java = text(&browser, "/templates/java-web").await;
    assert!(java.contains("catalina.sh") && java.contains("Jenkins"));
    assert_eq!(browser.open("/templates/nothing").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(browser.open("/projects/shop/templates/echo/edit").await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_document_is_tried_and_saved_without_scripts() {
    let scene = Scene::set().await;
    let browser = scene.portal.browser("ana").await;
    let base = scene.portal.base.clone();
    let csrf = browser.csrf().await;
    let page = "/projects/shop/templates/echo/edit";
    assert!(text(&browser, page).await.contains("Save as version 2"));
    let wrong = ECHO.replace("{{ greeting }}", "{{ greting }}").replace('\n', "\r\n");
    let fields = |document: &str| {
        [
            ("csrf", csrf.clone()),
            ("project", "shop".into()),
            ("template", "echo".into()),
            ("document", document.to_owned()),
            ("tried", "replicas=4".into()),
            ("note", "louder".into()),
        ]
    };
    let of = |document: &str| fields(document).into_iter().collect::<Vec<_>>();
    let typed = of(&wrong);
    let typed: Vec<(&str, &str)> = typed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let led = post(&browser, &base, page, "/fn/templates/preview", &typed).await;
    let shown = text(&browser, led.trim_start_matches(base.as_str())).await;
    assert!(shown.contains("greting is not there") && shown.contains("louder"), "what was typed is still there");
    let led = post(&browser, &base, page, "/fn/templates/save", &typed).await;
    let shown = text(&browser, led.trim_start_matches(base.as_str())).await;
    assert!(shown.contains("greting is not there"));
    let right = of(&ECHO.replace("hello", "HELLO"));
    let right: Vec<(&str, &str)> = right.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let led = post(&browser, &base, page, "/fn/templates/preview", &right).await;
    assert!(text(&browser, led.trim_start_matches(base.as_str())).await.contains("replicas: 4"), "with the answers that were tried");
    let led = post(&browser, &base, page, "/fn/templates/save", &right).await;
    assert_eq!(led, "/projects/shop/templates/echo");
    let shown = text(&browser, &led).await;
    assert!(shown.contains("version 2") && shown.contains("louder"));
}

#[tokio::test]
async fn a_service_is_made_and_deployed_without_scripts() {
    let scene = Scene::set().await;
    let browser = scene.portal.browser("dora").await;
    let base = scene.portal.base.clone();
    let csrf = browser.csrf().await;
    let new = text(&browser, "/projects/shop/services/new").await;
    assert!(new.contains("value=\"own/echo\"") && new.contains("value=\"site/worker\"") && new.contains("The plain form"));
    let fields = [("csrf", csrf.as_str()), ("project", "shop"), ("name", "fresh"), ("template", "own/echo")];
    let led = post(&browser, &base, "/projects/shop/services/new", "/fn/services/create", &fields).await;
    assert_eq!(led, "/projects/shop/services/fresh/deploy?template=own%2Fecho");
    let form = text(&browser, &led).await;
    for part in ["answers[image]", "answers[replicas]", "answers[zone]", "answers[db_password]", "Region: us", "value=\"web:1\""] {
        assert!(form.contains(part), "{part}: {form}");
    }
    let mut fields = vec![
        ("csrf", csrf.as_str()),
        ("project", "shop"),
        ("service", "fresh"),
        ("environment", "local"),
        ("of[template]", "own/echo"),
        ("of[version]", "1"),
        ("answers[image]", "web:1"),
        ("answers[replicas]", "9"),
        ("answers[greeting]", "kept <as> typed"),
        ("answers[region]", "us"),
        ("answers[zone]", "fra"),
        ("answers[db_password]", "never-sent-back-1"),
    ];
    let led = post(&browser, &base, &led, "/fn/templates/deploy", &fields).await;
    let shown = text(&browser, led.trim_start_matches(base.as_str())).await;
    assert!(shown.contains("At most 5") || shown.contains("at most 5"), "{shown}");
    assert!(shown.contains("is none of nyc") && shown.contains("kept &lt;as&gt; typed"), "everything wrong at once, nothing typed lost");
    assert!(!shown.contains("never-sent-back-1") && !led.contains("never-sent-back-1"), "a secret does not come back");

    fields.iter_mut().for_each(|(name, value)| match *name {
        "answers[replicas]" => *value = "2",
        "answers[zone]" => *value = "nyc",
        _ => {}
    });
    let page = "/projects/shop/services/fresh/deploy?template=own%2Fecho";
    let led = post(&browser, &base, page, "/fn/templates/plan", &fields).await;
    let shown = text(&browser, led.trim_start_matches(base.as_str())).await;
    assert!(shown.contains("What would change") && shown.contains("This is the first deployment here"), "{shown}");
    assert!(!shown.contains("never-sent-back-1"));
    let led = post(&browser, &base, page, "/fn/templates/deploy", &fields).await;
    assert!(led.starts_with("/projects/shop/services/fresh/deployments/"), "{led}");

    // The next time the form is the template's, with what was answered; the secret is kept.
    let again = text(&browser, "/projects/shop/services/fresh/deploy").await;
    assert!(again.contains("kept &lt;as&gt; typed") && again.contains("A secret is set; left empty, it stays as it is"), "{again}");
    scene.write(&ECHO.replace("GREETING:", "WELCOME:")).await;
    let again = text(&browser, "/projects/shop/services/fresh/deploy").await;
    assert!(again.contains("Version 2 of this template is there"), "{again}");
    let ci = text(&browser, "/projects/shop/services/fresh/template").await;
    assert!(ci.contains("curl --silent") && ci.contains("Version 2 of the template is there"), "{ci}");
    let plain = text(&browser, "/projects/shop/services/fresh/deploy?template=plain").await;
    assert!(plain.contains("form[image]") && plain.contains("Use a template instead"));
    let none = text(&browser, "/projects/shop/services/other/template").await;
    assert!(none.contains("Not made from a template"));
    let history = text(&browser, "/projects/shop/services/fresh/revisions").await;
    assert!(history.contains("echo version 1"));
    scene.dora.post("/api/v1/projects/shop/services/fresh/plan", json!({"answers": {}})).await.expect_status(StatusCode::OK).await;
}
