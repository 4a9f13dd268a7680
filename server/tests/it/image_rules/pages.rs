//! The pages of the rules, as browsers without scripts use them.

use reqwest::{Method, StatusCode};

use super::tags;
use crate::portal::{Browser, TestPortal};
use crate::quotas::{image, put_fine, shop};

/// Posts a form as a browser without scripts does; where it is led to.
pub async fn post(portal: &TestPortal, browser: &Browser, from: &str, to: &str, fields: &[(&str, &str)]) -> String {
    let csrf = browser.csrf().await;
    let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
    let referer = format!("{}{from}", portal.base);
    let request = browser.request(Method::POST, to).header("origin", &portal.base).header("accept", "text/html").header("referer", referer);
    let answer = browser.send(request.form(&fields)).await;
    assert_eq!(answer.status(), StatusCode::FOUND, "{to}");
    answer.headers()["location"].to_str().expect("a location").to_owned()
}

/// Opens a page that must be there.
pub async fn open(browser: &Browser, path: &str) -> String {
    let page = browser.open(path).await;
    assert_eq!(page.status(), StatusCode::OK, "{path}");
    page.text().await.expect("a page")
}

#[tokio::test]
async fn the_pages_work_without_scripts() {
    let portal = shop(TestPortal::start().await).await;
    let dev = portal.person("dev");
    for tag in ["1", "2", "3"] {
        put_fine(&dev, "shop/web", tag, &image(&dev, "shop/web", tag).await).await;
    }
    let browser = portal.browser("ana").await;
    let rules = "/projects/shop/images/-/rules";
    assert!(open(&browser, "/projects/shop/images").await.contains(rules), "admins find it");
    assert!(open(&browser, rules).await.contains("Nothing is deleted: there is no rule yet."));

    post(&portal, &browser, rules, "/fn/image_rules/put_immutable", &[("project", "shop"), ("name", "releases"), ("tags", "v*")]).await;
    let refused = post(&portal, &browser, rules, "/fn/image_rules/put_retention", &[("project", "shop"), ("rule[tags]", "[a]")]).await;
    assert!(open(&browser, refused.trim_start_matches(&portal.base)).await.contains("cannot be in a name"));
    let rule = [("project", "shop"), ("rule[name]", "few"), ("rule[tags]", ""), ("rule[newest]", "1")];
    post(&portal, &browser, rules, "/fn/image_rules/put_retention", &rule).await;
    post(&portal, &browser, rules, "/fn/image_rules/schedule", &[("project", "shop"), ("untagged_days", "7"), ("daily_at", "")]).await;
    let page = open(&browser, rules).await;
    for said in ["releases", "few", "the newest 1", "These rules delete nothing yet.", "Show what would go"] {
        assert!(page.contains(said), "{said}");
    }
    let edit = open(&browser, &format!("{rules}?edit=few")).await;
    assert!(edit.contains("Change the rule few"));

    let looked = post(&portal, &browser, rules, "/fn/image_rules/dry_run", &[("project", "shop")]).await;
    let run = looked.rsplit('/').next().expect("a run").to_owned();
    let page = open(&browser, &looked).await;
    for said in ["What would go", "few: number 2, keeps 1", "few: number 3, keeps 1", "Put these rules in force"] {
        assert!(page.contains(said), "{said}");
    }
    assert!(open(&browser, &format!("{looked}?show=stays")).await.contains("few: newest 1"));
    let back = post(&portal, &browser, &looked, "/fn/image_rules/activate", &[("project", "shop"), ("run", &run)]).await;
    assert!(open(&browser, &back).await.contains("The rules are in force."));
    let done = post(&portal, &browser, rules, "/fn/image_rules/run", &[("project", "shop")]).await;
    assert!(open(&browser, &done).await.contains("What went"));
    assert_eq!(tags(&dev, "web").await, ["3"]);

    // Quotas: the admin sees, the operator sets.
    assert!(open(&browser, "/projects/shop/settings").await.contains("Operators set quotas."));
    let operator = portal.browser("admin").await;
    let settings = "/projects/shop/settings";
    post(
        &portal,
        &operator,
        settings,
        "/fn/quotas/set",
        &[("project", "shop"), ("limits[bytes]", "1GiB"), ("limits[tags]", "1"), ("limits[cpus]", "2.5"), ("limits[tasks]", "7")],
    )
    .await;
    let page = open(&browser, settings).await;
    assert!(page.contains("1 of 1") && page.contains("of 1.0 GiB") && page.contains("The quota is used up."), "its bars");
    post(&portal, &operator, "/admin/quotas", "/fn/quotas/set_default", &[("limits[bytes]", "5GiB"), ("limits[tags]", "")]).await;
    let page = open(&operator, "/admin/quotas").await;
    assert!(page.contains("value=\"5GiB\"") && page.contains("full"));
    assert!(page.contains("CPU limit") && page.contains(">2.5<") && page.contains(">7<"), "what may run stands in the list too: {page}");
}
