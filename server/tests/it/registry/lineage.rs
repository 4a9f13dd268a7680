//! Single images with everything about them, and what is built on what, from real pushes.

use domain::args;
use model::ids::TaskId;
use model::manifest::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{digest, push_blob, put_manifest, shop};
use crate::portal::{Person, TestPortal};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

async fn read(person: &Person, path: &str) -> Value {
    person.get(path).await.expect_status(StatusCode::OK).await
}

/// Pushes an image whose layers are these letters: `packed` makes other blobs of the same contents.
async fn push_stack(person: &Person, name: &str, tag: &str, layers: &str, packed: &str) -> String {
    let mut parts = Vec::new();
    for letter in layers.chars() {
        let blob = format!("layer {letter} {packed}").repeat(20);
        push_blob(person, name, blob.as_bytes()).await;
        parts.push(json!({"mediaType": LAYER, "digest": digest(blob.as_bytes()), "size": blob.len()}));
    }
    let ids: Vec<String> = layers.chars().map(|letter| digest(format!("content {letter}").as_bytes()).to_string()).collect();
    let history: Vec<Value> = layers
        .chars()
        .flat_map(|letter| {
            let step = json!({"created_by": format!("/bin/sh -c make {letter}")});
            [step, json!({"created_by": "/bin/sh -c #(nop)  ENV A=1", "empty_layer": true})]
        })
        .collect();
    let run = json!({"Cmd": ["/serve"], "User": "1000", "Healthcheck": {"Test": ["CMD-SHELL", "true"]}, "Labels": {"team": "shop"}});
    let config = json!({"os": "linux", "architecture": "amd64", "config": run, "rootfs": {"type": "layers", "diff_ids": ids}, "history": history});
    let config = format!("{config}{}", " ".repeat(packed.len())).into_bytes();
    push_blob(person, name, &config).await;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": parts,
        "config": {"mediaType": OCI_CONFIG, "digest": digest(&config), "size": config.len()},
    });
    let manifest = manifest.to_string().into_bytes();
    put_manifest(person, name, tag, OCI_MANIFEST, &manifest).await.expect(201);
    digest(&manifest).to_string()
}

/// A service of the project that runs an image, with one task.
#[expect(clippy::disallowed_methods, reason = "without an engine nothing makes tasks; the rows are planted")]
async fn run(portal: &TestPortal, person: &Person, project: &str, service: &str, image: &str) {
    let services = format!("/api/v1/projects/{project}/services");
    person.post(&services, json!({"name": service})).await.expect_status(StatusCode::CREATED).await;
    let wanted = json!({"descriptor": {"image": image}});
    let deployed = person.post(&format!("{services}/{service}/deployments"), wanted).await.expect_status(StatusCode::ACCEPTED).await;
    let deployment = deployed["id"].as_str().expect("an id");
    let platform = portal.platform();
    let id: TaskId = platform.new_id();
    let mut write = platform.bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO tasks (id, service_id, environment_id, machine_id, revision_id, deployment_id, slot, state, health, restarts, created_at)
               SELECT $1, d.service_id, d.environment_id, (SELECT id FROM machines LIMIT 1), d.revision_id, d.id, 1, 'running', 'none', 0, d.created_at
               FROM deployments d WHERE d.id = $2";
    write.exec(sql, args![id, deployment]).await.expect("a task");
    let sql = "UPDATE desired SET revision_id = (SELECT revision_id FROM deployments WHERE id = $1)
               WHERE service_id = (SELECT service_id FROM deployments WHERE id = $1)";
    write.exec(sql, args![deployment]).await.expect("a desired revision");
    write.finish().await.expect("kept");
}

/// The owners of a stack, lowest first: `shop/base:1`, `?` for another project's, `.` for the image itself; with the number of layers.
fn owners(lineage: &Value) -> Vec<String> {
    let blocks = lineage["stacks"][0]["blocks"].as_array().expect("blocks");
    let owner = |block: &Value| match block["by"].as_str() {
        Some("image") => format!("{}/{}:{}", block["project"], block["repository"], block["tag"]).replace('"', ""),
        Some("another_project") => "?".to_owned(),
        _ => ".".to_owned(),
    };
    blocks.iter().map(|block| format!("{} {}", owner(block), block["layers"].as_array().expect("layers").len())).collect()
}

fn image(project: &str, repository: &str, reference: &str) -> String {
    format!("/api/v1/projects/{project}/repositories/{repository}/images/{reference}")
}

#[tokio::test]
async fn an_image_stands_on_what_its_lower_layers_are() {
    let portal = shop().await;
    let (dev, gus, admin) = (portal.person("dev"), portal.person("gus"), portal.person("admin"));
    // Three projects: `shop`, `tools` which dev sees too, and `hidden` which neither dev nor gus sees.
    portal.new_project("tools", &[("dev", "guest")]).await;
    portal.new_project("hidden", &[]).await;
    push_stack(&admin, "tools/base", "1", "ab", "").await;
    push_stack(&admin, "hidden/secret-runtime", "8", "abc", "").await;
    push_stack(&dev, "shop/container", "3", "abcd", "").await;
    push_stack(&dev, "shop/packed", "1", "abcd", "other").await;
    push_stack(&dev, "shop/web", "1", "abcdefg", "").await;
    push_stack(&dev, "shop/odd", "1", "bacd", "").await;

    let lineage = read(&dev, &format!("{}/lineage", image("shop", "web", "1"))).await;
    assert_eq!(owners(&lineage), ["tools/base:1 2", "? 1", "shop/container:3 1", ". 3"], "{lineage}");
    assert!(!lineage.to_string().contains("secret-runtime") && !lineage.to_string().contains("hidden"), "{lineage}");
    let levels: Vec<_> = lineage["stacks"][0]["blocks"].as_array().expect("blocks").iter().map(|block| block["level"].clone()).collect();
    assert_eq!(levels, ["base", "runtime", "container", "application"]);
    // Gus does not see `tools` either: the two blocks of other projects are one to him.
    let lineage = read(&gus, &format!("{}/lineage", image("shop", "web", "1"))).await;
    assert_eq!(owners(&lineage), ["? 3", "shop/container:3 1", ". 3"], "{lineage}");
    assert!(!lineage.to_string().contains("tools"));
    assert_eq!(owners(&read(&gus, &format!("{}/lineage", image("shop", "odd", "1"))).await), [". 4"], "the order of layers counts");

    let base = read(&dev, &format!("{}/lineage", image("tools", "base", "1"))).await;
    let children: Vec<_> = base["children"].as_array().expect("a list").iter().map(|child| child["repository"].as_str().expect("a name")).collect();
    assert_eq!((children.contains(&"web"), children.contains(&"container"), children.len()), (true, true, 2), "{base}");
    let base = read(&admin, &format!("{}/lineage", image("tools", "base", "1"))).await;
    assert_eq!(base["children"].as_array().expect("a list").len(), 3);

    let whole = read(&dev, "/api/v1/projects/shop/lineage").await;
    let nodes: Vec<String> = whole["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| format!("{} {}", node["depth"], node["image"]["repository"].as_str().unwrap_or("?")))
        .collect();
    assert_eq!(nodes, ["0 odd", "0 packed", "0 base", "1 ?", "2 container", "3 web"], "{whole}");
    let shares = whole["shares"].as_array().expect("shares");
    let of = |name: &str| shares.iter().find(|share| share["repository"] == name).expect("there").clone();
    assert!(of("web")["shared"].as_i64() > Some(0) && of("web")["shared"].as_i64() < of("web")["size"].as_i64(), "{whole}");
    assert_eq!(of("packed")["shared"], 0, "other blobs of the same contents are not the same bytes");
    portal.person("eve").get("/api/v1/projects/shop/lineage").await.expect_status(StatusCode::NOT_FOUND).await;
    portal.person("eve").get(&format!("{}/lineage", image("shop", "web", "1"))).await.expect_status(StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn a_base_is_told_only_to_who_holds_its_bytes() {
    let portal = shop().await;
    let (dev, admin) = (portal.person("dev"), portal.person("admin"));
    portal.new_project("tools", &[("dev", "developer")]).await;
    portal.new_project("hidden", &[]).await;
    push_stack(&admin, "hidden/base", "1", "xy", "").await;
    // Whoever guesses what a hidden image unpacks to learns nothing.
    push_stack(&dev, "shop/probe", "1", "xyz", "guess").await;
    assert_eq!(owners(&read(&dev, &format!("{}/lineage", image("shop", "probe", "1"))).await), [". 3"]);
    // Whoever claims a base's contents first is not what stands below others' images.
    push_stack(&dev, "tools/claims", "1", "ab", "evil").await;
    push_stack(&dev, "shop/base", "1", "ab", "").await;
    push_stack(&dev, "shop/web", "1", "abc", "").await;
    assert_eq!(owners(&read(&dev, &format!("{}/lineage", image("shop", "web", "1"))).await), ["shop/base:1 2", ". 1"]);
    let claims = read(&dev, &format!("{}/lineage", image("tools", "claims", "1"))).await;
    assert_eq!(claims["children"], json!([]));
}

#[tokio::test]
async fn services_on_a_base_that_has_moved_on_are_listed() {
    let portal = shop().await;
    let (dev, gus, ana) = (portal.person("dev"), portal.person("gus"), portal.person("ana"));
    let old = push_stack(&dev, "shop/base", "stable", "ab", "").await;
    put_tag(&dev, "shop/base", "1.0.0", &old).await;
    push_stack(&dev, "shop/web", "1", "abx", "").await;
    push_stack(&dev, "shop/api", "1", "aby", "").await;
    run(&portal, &dev, "shop", "web", "web:1").await;
    let outdated = async |person: &Person| read(person, "/api/v1/projects/shop/lineage").await["outdated"].as_array().expect("a list").clone();
    assert_eq!(outdated(&gus).await, Vec::<Value>::new());

    // Pushing the same again moves nothing; what a base grows by an image may stand on as well.
    push_stack(&dev, "shop/base", "stable", "ab", "").await;
    assert_eq!(outdated(&gus).await.len(), 0);
    let new = push_stack(&dev, "shop/base", "stable", "cd", "").await;
    let listed = outdated(&gus).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    let one = &listed[0];
    assert_eq!((&one["service"], &one["environment"], &one["image"]), (&json!("web"), &json!("local"), &json!("web:1")));
    assert_eq!((&one["base"]["repository"], &one["base"]["tag"], &one["base"]["current"]), (&json!("base"), &json!("1.0.0"), &json!(true)));
    let moved = &one["base"]["moved"][0];
    assert_eq!((&moved["tag"], &moved["from"], &moved["to"]), (&json!("stable"), &json!(old), &json!(new)));
    let nodes = read(&gus, "/api/v1/projects/shop/lineage").await["nodes"].clone();
    let marked = |name: &str| {
        let node = nodes.as_array().expect("nodes").iter().find(|node| node["image"]["repository"] == name).expect("a node").clone();
        node["outdated"].as_array().expect("a list").len()
    };
    assert_eq!((marked("web"), marked("api"), marked("base")), (1, 1, 0), "{nodes}");

    // What is gone is remembered as long as something stands on it.
    ana.delete(&image("shop", "base", &old)).await.expect_status(StatusCode::NO_CONTENT).await;
    let listed = outdated(&gus).await;
    assert_eq!((listed.len(), &listed[0]["base"]["moved"][0]["tag"]), (1, &json!("stable")));
    // Built again on the new base, and deployed.
    push_stack(&dev, "shop/web", "2", "cdx", "").await;
    let wanted = json!({"descriptor": {"image": "web:2"}});
    dev.post("/api/v1/projects/shop/services/web/deployments", wanted).await;
    let lineage = read(&gus, &format!("{}/lineage", image("shop", "web", "2"))).await;
    assert_eq!(owners(&lineage), ["shop/base:stable 2", ". 1"]);
    assert_eq!(lineage["stacks"][0]["blocks"][0]["moved"], json!([]));
    // The tag moves back: nothing is outdated any more.
    push_stack(&dev, "shop/base", "stable", "ab", "").await;
    assert_eq!(outdated(&gus).await.len(), 0);
}

async fn put_tag(person: &Person, name: &str, tag: &str, digest: &str) {
    let body = super::get(person, &format!("/v2/{name}/manifests/{digest}")).await.expect(200).body;
    put_manifest(person, name, tag, OCI_MANIFEST, &body).await.expect(201);
}

#[tokio::test]
async fn an_index_has_a_stack_for_each_platform_and_knows_where_its_images_run() {
    let portal = shop().await;
    let (dev, gus, ana, admin) = (portal.person("dev"), portal.person("gus"), portal.person("ana"), portal.person("admin"));
    push_stack(&dev, "shop/base", "1", "ab", "").await;
    let child = push_stack(&dev, "shop/web", "amd64", "abx", "").await;
    let size = super::get(&dev, &format!("/v2/shop/web/manifests/{child}")).await.expect(200).body.len();
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": OCI_MANIFEST, "digest": child, "size": size, "platform": {"os": "linux", "architecture": "amd64"}},
    ]});
    let index = index.to_string().into_bytes();
    put_manifest(&dev, "shop/web", "1", OCI_INDEX, &index).await.expect(201);
    run(&portal, &dev, "shop", "web", "web:1").await;
    portal.new_project("hidden", &[]).await;
    run(&portal, &admin, "hidden", "copy", &format!("{}/shop/web:1", host(&portal))).await;

    let lineage = read(&gus, &format!("{}/lineage", image("shop", "web", "1"))).await;
    assert_eq!((&lineage["stacks"][0]["platform"], owners(&lineage)), (&json!("linux/amd64"), vec!["shop/base:1 2".to_owned(), ". 1".to_owned()]));
    // The base is followed through indexes as well.
    push_stack(&dev, "shop/base", "1", "cd", "").await;
    let listed = read(&gus, "/api/v1/projects/shop/lineage").await["outdated"].clone();
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["service"]), (Some(1), &json!("web")), "{listed}");

    let seen = read(&gus, &image("shop", "web", &child)).await;
    assert_eq!(seen["listed_in"], json!([digest(&index)]));
    let runs = seen["uses"]["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 1, "only what gus may see: {seen}");
    assert_eq!((&runs[0]["service"], &runs[0]["tasks"], &runs[0]["wanted"]), (&json!("web"), &json!(1), &json!(true)));
    assert_eq!(runs[0]["through"], json!(digest(&index)));
    assert_eq!((&seen["uses"]["hidden_runs"], &seen["uses"]["revisions"]), (&json!(0), &json!(0)), "a guest is told no numbers: {seen}");
    assert!(!seen.to_string().contains("hidden\""), "{seen}");
    let asked = read(&ana, &image("shop", "web", "1")).await;
    assert_eq!((&asked["uses"]["hidden_runs"], &asked["uses"]["revisions"]), (&json!(1), &json!(2)), "who may delete is told how many: {asked}");
}

fn host(portal: &TestPortal) -> String {
    portal.running.portal.hosts.first().expect("a name").clone()
}

#[tokio::test]
async fn an_image_s_history_configuration_and_referrers_are_kept() {
    let portal = shop().await;
    let (dev, gus, ana) = (portal.person("dev"), portal.person("gus"), portal.person("ana"));
    let pushed = push_stack(&dev, "shop/web", "1", "ab", "").await;
    let size = super::get(&dev, &format!("/v2/shop/web/manifests/{pushed}")).await.expect(200).body.len();
    let empty = push_blob(&dev, "shop/web", b"{}").await;
    let sbom = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/spdx+json", "layers": [],
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
        "subject": {"mediaType": OCI_MANIFEST, "digest": pushed, "size": size},
    });
    let sbom = sbom.to_string().into_bytes();
    put_manifest(&dev, "shop/web", "sbom", OCI_MANIFEST, &sbom).await.expect(201);

    let image_path = image("shop", "web", "1");
    let seen = read(&gus, &image_path).await;
    assert_eq!((seen["config"]["history"].as_array().map(Vec::len), &seen["config"]["history"][1]["empty_layer"]), (Some(4), &json!(true)));
    assert_eq!(seen["config"]["config"]["Healthcheck"]["Test"], json!(["CMD-SHELL", "true"]));
    assert_eq!(seen["config"]["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(2));
    assert_eq!((&seen["referrers"][0]["artifact_type"], &seen["pushed_by"]), (&json!("application/spdx+json"), &json!("dev")));
    let kinds = async |kind: &str| {
        let list = read(&gus, &format!("/api/v1/projects/shop/repositories/web/tags?kind={kind}")).await;
        list["items"].as_array().expect("items").iter().map(|tag| tag["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((kinds("image").await, kinds("artifact").await, kinds("index").await.len()), (vec!["1".to_owned()], vec!["sbom".to_owned()], 0));

    // The page says the same in words, without a script.
    let browser = portal.browser("gus").await;
    let page = browser.open("/projects/shop/images/web/1").await.text().await.expect("a page");
    for words in ["RUN make a", "no layer", "SPDX bill of materials", "docker pull", "skopeo copy", "1000", "In no service"] {
        assert!(page.contains(words), "{words} is missing");
    }
    assert!(!page.contains("Delete image"), "a guest deletes nothing");
    let raw = browser.open("/projects/shop/images/web/1/manifest").await;
    assert!(raw.headers()["content-disposition"].to_str().expect("text").starts_with("attachment"));
    assert_eq!(digest(&raw.bytes().await.expect("a body")).to_string(), pushed);
    assert_eq!(portal.browser("eve").await.open("/projects/shop/images/web/1/manifest").await.status(), StatusCode::NOT_FOUND);
    let lineage = browser.open("/projects/shop/images/-/lineage").await.text().await.expect("a page");
    assert!(lineage.contains("<svg") && lineage.contains("web:"), "the tree is a picture");

    // Deleted by digest, with its tags; by a tag it is not.
    let by_digest = image("shop", "web", &pushed);
    dev.delete(&by_digest).await.expect_status(StatusCode::FORBIDDEN).await;
    ana.delete(&image_path).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    ana.delete(&by_digest).await.expect_status(StatusCode::NO_CONTENT).await;
    ana.delete(&by_digest).await.expect_status(StatusCode::NOT_FOUND).await;
    gus.get(&image_path).await.expect_status(StatusCode::NOT_FOUND).await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the rows are made as an older portal left them, and a test does what a loop does")]
async fn images_of_an_older_portal_get_their_layers_later() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_stack(&dev, "shop/base", "1", "ab", "").await;
    push_stack(&dev, "shop/web", "1", "abx", "").await;
    let mut write = portal.platform().bookkeeping().await.expect("a transaction");
    write.exec("DELETE FROM image_layers", args![]).await.expect("none");
    write.exec("DELETE FROM tag_moves", args![]).await.expect("none");
    write.exec("UPDATE manifests SET layered = FALSE, chain = NULL, config = '{}'", args![]).await.expect("as before");
    write.finish().await.expect("kept");
    let path = format!("{}/lineage", image("shop", "web", "1"));
    let before = read(&dev, &path).await;
    assert_eq!((owners(&before), &before["unfinished"]), (vec![". 0".to_owned()], &json!(true)));
    let worker = domain::Worker::hire(portal.platform(), "test");
    let registry = &portal.running.portal.registry;
    assert_eq!(registry.derive_layers(&worker).await.expect("derived"), 2);
    assert_eq!(registry.derive_layers(&worker).await.expect("nothing left"), 0);
    assert_eq!(owners(&read(&dev, &path).await), ["shop/base:1 2", ". 1"]);
    let seen = read(&dev, &image("shop", "web", "1")).await;
    assert_eq!(seen["config"]["config"]["User"], "1000", "its configuration is read again");

    // Chains that were made otherwise are made anew, and what tags named is still known.
    let mut write = portal.platform().bookkeeping().await.expect("a transaction");
    write.exec("DELETE FROM image_layers", args![]).await.expect("none");
    let sql = "UPDATE tag_moves SET chain = $1, since = 7 WHERE digest IN (SELECT digest FROM manifests)";
    write.exec(sql, args![vec![7_u8; 32]]).await.expect("other moves");
    write.exec("UPDATE manifests SET layered = FALSE, chain = $1", args![vec![7_u8; 32]]).await.expect("other chains");
    write.finish().await.expect("kept");
    assert_eq!(registry.derive_layers(&worker).await.expect("derived"), 2);
    assert_eq!(owners(&read(&dev, &path).await), ["shop/base:1 2", ". 1"]);
    let mut tx = portal.platform().read().await.expect("a transaction");
    let since = tx.all("SELECT since FROM tag_moves", args![], |row| row.get::<i64>("since")).await.expect("moves");
    assert_eq!(since, [7, 7]);
    drop(tx);

    // Moves of tags that are gone, on whose content nothing stands, are forgotten; others are not.
    let ana = portal.person("ana");
    ana.delete("/api/v1/projects/shop/repositories/base/tags/1").await.expect_status(StatusCode::NO_CONTENT).await;
    assert_eq!(registry.forget_moves(&worker).await.expect("looked"), 0);
    assert_eq!(owners(&read(&dev, &path).await), ["shop/base:1 2", ". 1"], "the name of what is gone is still known");
    let web = read(&dev, &image("shop", "web", "1")).await["digest"].as_str().expect("a digest").to_owned();
    ana.delete(&image("shop", "web", &web)).await.expect_status(StatusCode::NO_CONTENT).await;
    assert_eq!(registry.forget_moves(&worker).await.expect("looked"), 1);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "hundreds of thousands of tags are planted")]
async fn tags_of_others_make_nobody_s_page_slow() {
    let portal = shop().await;
    let (dev, admin) = (portal.person("dev"), portal.person("admin"));
    portal.new_project("hidden", &[]).await;
    push_stack(&dev, "shop/base", "1", "ab", "").await;
    push_stack(&admin, "hidden/flood", "1", "ab", "").await;
    push_stack(&admin, "hidden/child", "1", "abx", "").await;
    push_stack(&dev, "shop/web", "1", "abc", "").await;
    let mut write = portal.platform().bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO tag_moves (repository_id, name, digest, chain, since)
               WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
               SELECT v.repository_id, 't' || n.i, v.digest, v.chain, v.since + n.i FROM tag_moves v CROSS JOIN n
               JOIN repositories r ON r.id = v.repository_id WHERE r.name = 'flood' OR r.name = 'child'";
    assert_eq!(write.exec(sql, args![]).await.expect("planted"), 400_000);
    write.finish().await.expect("kept");
    for (path, wanted) in [("web", &["shop/base:1 2", ". 1"][..]), ("base", &[". 2"])] {
        let mut fastest = std::time::Duration::MAX;
        for _ in 0..5 {
            let began = std::time::Instant::now();
            let lineage = read(&dev, &format!("{}/lineage", image("shop", path, "1"))).await;
            fastest = fastest.min(began.elapsed());
            assert_eq!(owners(&lineage), wanted);
        }
        assert!(fastest < std::time::Duration::from_millis(400), "{path}: {fastest:?}");
    }
}
