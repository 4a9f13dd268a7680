//! The four workflows of the specification ("Pull", "Push", "Content Discovery", "Content Management") as a client goes through them that knows
//! a user name, a password and nothing else: what each request needs it learns from the challenge (`WWW-Authenticate`), once for each
//! repository and doing.

use std::collections::HashMap;

use model::manifest::media_type::{OCI_INDEX, OCI_MANIFEST};
use reqwest::Method;
use serde_json::json;

use super::{Read, digest, furnished, image_of, send};
use crate::portal::{PASSWORD, TestPortal, client};

/// Learns what it needs from challenges.
struct Challenged {
    base: String,
    tokens: HashMap<String, String>,
    challenges: usize,
}

impl Challenged {
    async fn ask(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Read {
        let doing = match method {
            Method::GET | Method::HEAD => "pull",
            Method::DELETE if !path.contains("/uploads/") => "delete",
            _ => "push",
        };
        let repository = path.split(['?']).next().and_then(|path| path.rsplitn(3, '/').last()).unwrap_or_default();
        let key = format!("{doing} {}", repository.trim_end_matches("/blobs"));
        let first = self.send(&method, path, headers, body, self.tokens.get(&key)).await;
        if first.status.as_u16() != 401 {
            return first;
        }
        self.challenges += 1;
        let token = self.token(first.header("www-authenticate")).await;
        self.tokens.insert(key, token.clone());
        self.send(&method, path, headers, body, Some(&token)).await
    }

    async fn send(&self, method: &Method, path: &str, headers: &[(&str, &str)], body: &[u8], token: Option<&String>) -> Read {
        let mut request = client().request(method.clone(), format!("{}{path}", self.base)).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(if let Some(token) = token { request.bearer_auth(token) } else { request }).await
    }

    async fn token(&self, challenge: &str) -> String {
        let parameters: HashMap<&str, &str> = challenge.strip_prefix("Bearer ").expect("a bearer's challenge").split("\",").map(parameter).collect();
        let query = format!("service={}&scope={}", parameters["service"], parameters.get("scope").unwrap_or(&"").replace(' ', "%20"));
        let asked = client().get(format!("{}?{query}", parameters["realm"])).basic_auth("ana", Some(PASSWORD));
        send(asked).await.expect(200).json()["token"].as_str().expect("a token").to_owned()
    }

    /// POST, then PUT of it all.
    async fn push_blob(&mut self, name: &str, content: &[u8]) {
        let begun = self.ask(Method::POST, &format!("/v2/{name}/blobs/uploads/"), &[], b"").await.expect(202);
        let put = format!("{}?digest={}", begun.header("location"), digest(content));
        let put = self.ask(Method::PUT, &put, &[("content-type", "application/octet-stream")], content).await.expect(201);
        assert_eq!(self.ask(Method::GET, put.header("location"), &[], b"").await.expect(200).body, content);
    }

    async fn push_manifest(&mut self, name: &str, reference: &str, kind: &str, body: &[u8]) -> Read {
        let put = self.ask(Method::PUT, &format!("/v2/{name}/manifests/{reference}"), &[("content-type", kind)], body).await.expect(201);
        assert_eq!(self.ask(Method::GET, put.header("location"), &[("accept", kind)], b"").await.expect(200).body, body);
        put
    }
}

/// `name="value` of a challenge; the last one has its closing quote still.
fn parameter(text: &str) -> (&str, &str) {
    let (name, value) = text.split_once("=\"").expect("a parameter");
    (name, value.trim_end_matches('"'))
}

#[tokio::test]
async fn all_four_workflows_by_challenges_alone() {
    let portal: TestPortal = furnished(TestPortal::start().await).await;
    let mut ana = Challenged { base: portal.base.clone(), tokens: HashMap::new(), challenges: 0 };
    let (one, two) = ("shop/repo1", "shop/repo2");
    let path = |name: &str, content: &[u8]| format!("/v2/{name}/blobs/{}", digest(content));

    // Nothing is there yet.
    ana.ask(Method::GET, "/v2/", &[], b"").await.expect(200);
    ana.ask(Method::GET, &format!("/v2/{one}/tags/list"), &[], b"").await.expect(404);
    ana.ask(Method::GET, &path(one, b"layer"), &[], b"").await.expect(404);
    let referrers = format!("/v2/{one}/referrers/{}", digest(b"nothing"));
    assert_eq!(ana.ask(Method::GET, &referrers, &[], b"").await.expect(200).json()["manifests"], json!([]));

    // Push: blobs, mounted with a source, without one, and not at all.
    ana.push_blob(one, b"{}").await;
    ana.push_blob(two, b"layer").await;
    ana.push_blob(two, b"found").await;
    let mount = |content: &[u8], from: &str| format!("/v2/{one}/blobs/uploads/?mount={}{from}", digest(content));
    ana.ask(Method::POST, &mount(b"layer", "&from=shop/repo2"), &[], b"").await.expect(201);
    ana.ask(Method::POST, &mount(b"found", ""), &[], b"").await.expect(201);
    let missing = ana.ask(Method::POST, &mount(b"missing", "&from=shop/repo2"), &[], b"").await.expect(202);
    let put = format!("{}?digest={}", missing.header("location"), digest(b"missing"));
    ana.ask(Method::PUT, &put, &[], b"missing").await.expect(201);
    for content in [&b"layer"[..], b"found", b"missing"] {
        assert_eq!(
            ana.ask(Method::HEAD, &path(one, content), &[], b"").await.expect(200).header("docker-content-digest"),
            digest(content).to_string()
        );
    }
    let begun = ana.ask(Method::POST, &format!("/v2/{one}/blobs/uploads/"), &[("content-length", "0")], b"").await.expect(202);
    ana.ask(Method::DELETE, begun.header("location"), &[], b"").await.expect(204);

    // Push and pull: manifests by tag and by digest, and what is about them.
    let image = image_of(b"{}", b"layer");
    ana.push_manifest(one, "test0", OCI_MANIFEST, &image).await;
    ana.push_manifest(one, &digest(&image).to_string(), OCI_MANIFEST, &image).await;
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{"mediaType": OCI_MANIFEST, "digest": digest(&image), "size": image.len()}],
        "artifactType": "a/b", "subject": {"mediaType": OCI_MANIFEST, "digest": digest(&image), "size": image.len()}});
    let put = ana.push_manifest(one, "test1", OCI_INDEX, index.to_string().as_bytes()).await;
    assert_eq!(put.header("oci-subject"), digest(&image).to_string());

    // Content discovery.
    assert_eq!(ana.ask(Method::GET, &format!("/v2/{one}/tags/list?n=1&last=test0"), &[], b"").await.expect(200).json()["tags"], json!(["test1"]));
    let referrers = format!("/v2/{one}/referrers/{}?artifactType=a/b", digest(&image));
    assert_eq!(ana.ask(Method::GET, &referrers, &[], b"").await.expect(200).json()["manifests"].as_array().map(Vec::len), Some(1));

    // Content management: tag, manifests, blobs; each is gone at once.
    let mut gone = vec![format!("/v2/{one}/manifests/test0"), format!("/v2/{one}/manifests/{}", digest(index.to_string().as_bytes()))];
    gone.push(format!("/v2/{one}/manifests/{}", digest(&image)));
    gone.extend([path(one, b"{}"), path(one, b"layer"), path(one, b"found"), path(two, b"layer")]);
    for path in gone {
        ana.ask(Method::DELETE, &path, &[], b"").await.expect(202);
        ana.ask(Method::HEAD, &path, &[], b"").await.expect(404);
        ana.ask(Method::DELETE, &path, &[], b"").await.expect(404);
    }
    assert_eq!(ana.ask(Method::GET, &format!("/v2/{one}/tags/list"), &[], b"").await.expect(200).json()["tags"], json!([]));
    // One for the base, one for each doing in each repository, and two that mounting wanted more for.
    assert!(ana.challenges <= 9, "{}", ana.challenges);
}
