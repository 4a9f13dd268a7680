//! The pages, as a browser without scripts uses them.

use super::*;

#[tokio::test]
async fn a_person_copies_an_image_in_without_scripts() {
    let (portal, mut source) = (shop().await, Source::start().await);
    let image = Image::new("amd64", &bytes(400_000));
    image.serve(&source, vec![Reply::ok(&image.layer).held_after(1000)]).await;
    let (operator, browser) = (portal.browser("admin").await, portal.browser("dev").await);
    let allowed = source.pattern();
    let html = "text/html";
    let csrf = operator.csrf().await;
    let set = operator.request(Method::POST, "/fn/outside/set").header("origin", &portal.base).header("accept", html);
    let set = operator.send(set.form(&[("csrf", csrf.as_str()), ("allowed", &allowed)])).await;
    assert!(set.status().is_redirection(), "{}", set.status());
    let page = operator.open("/admin/outside-registries").await.text().await.expect("a page");
    assert!(page.contains(&allowed), "{page}");

    let csrf = browser.csrf().await;
    let from = format!("{}/team/app:1", source.host());
    let ask = browser.request(Method::POST, "/fn/outside/copy").header("origin", &portal.base).header("accept", html);
    let asked = browser.send(ask.form(&[("csrf", csrf.as_str()), ("project", "shop"), ("from", &from), ("to", ""), ("platforms", "")])).await;
    assert_eq!(asked.headers()["location"], "/projects/shop/registries");
    source.is_held().await;
    let page = browser.open("/projects/shop/registries").await.text().await.expect("a page");
    assert!(page.contains(&from) && page.contains("Copying") && page.contains("Cancel copy"), "{page}");
    assert!(!page.contains("Keep a registry"), "credentials are the admins'");
    source.let_go();
    let dev = portal.person("dev");
    let listed = dev.get("/api/v1/projects/shop/copies").await.expect_status(StatusCode::OK).await;
    over(&dev, listed["items"][0]["id"].as_str().expect("an id")).await;
    let page = browser.open("/projects/shop/registries").await.text().await.expect("a page");
    assert!(page.contains("Here") && page.contains("/projects/shop/images/app"), "{page}");
    let page = browser.open("/projects/shop/images").await.text().await.expect("a page");
    assert!(page.contains("Copy an image in"), "{page}");

    // What failed can be asked for again, as it was.
    let browser = portal.browser("dev").await;
    let csrf = browser.csrf().await;
    let none = format!("{}/team/none:1", source.host());
    let form = [("csrf", csrf.as_str()), ("project", "shop"), ("from", &none), ("to", "web:2"), ("platforms", "linux/amd64")];
    let ask = browser.request(Method::POST, "/fn/outside/copy").header("origin", &portal.base).header("accept", html);
    assert!(browser.send(ask.form(&form)).await.status().is_redirection());
    let listed = dev.get("/api/v1/projects/shop/copies").await.expect_status(StatusCode::OK).await;
    assert_eq!(over(&dev, listed["items"][0]["id"].as_str().expect("an id")).await["state"], "failed");
    let page = browser.open("/projects/shop/registries").await.text().await.expect("a page");
    let again = page.split("Try again").next().and_then(|before| before.rsplit("<form").next()).expect("its form").to_owned();
    assert!(page.matches("Try again").count() == 1 && again.contains(&none), "{again}");
    assert!(again.contains("value=\"web:2\"") && again.contains("value=\"linux/amd64\"") && again.contains("/fn/outside/copy"), "{again}");

    let admin = portal.browser("ana").await;
    let csrf = admin.csrf().await;
    let put = admin.request(Method::POST, "/fn/outside/put_credential").header("origin", &portal.base).header("accept", html);
    let host = source.host();
    let kept = admin.send(put.form(&[("csrf", csrf.as_str()), ("project", "shop"), ("host", &host), ("username", "u"), ("secret", "s")])).await;
    assert!(kept.status().is_redirection());
    let check = admin.request(Method::POST, "/fn/outside/check_credential").header("origin", &portal.base).header("accept", html);
    let checked = admin.send(check.form(&[("csrf", csrf.as_str()), ("project", "shop"), ("host", &host)])).await;
    assert_eq!(checked.headers()["location"], "/projects/shop/registries");
    let page = admin.open("/projects/shop/registries").await.text().await.expect("a page");
    assert!(page.contains("Keep a registry") && page.contains("The registry does not answer"), "{page}");
}
