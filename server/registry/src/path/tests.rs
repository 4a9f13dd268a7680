use proptest::prelude::*;

use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ID: &str = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11";

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn digest() -> Digest {
    DIGEST.parse().expect("a digest")
}

#[test]
fn every_endpoint_of_the_specification_is_known() {
    let id: UploadId = ID.parse().expect("an id");
    for (path, target) in [
        ("/v2".to_owned(), Target::Base),
        ("/v2/".to_owned(), Target::Base),
        ("/v2/_catalog".to_owned(), Target::Catalog),
        ("/v2/shop/web/tags/list".to_owned(), Target::Tags(name("shop/web"))),
        ("/v2/shop/web/manifests/1.4".to_owned(), Target::Manifest(name("shop/web"), "1.4".into())),
        (format!("/v2/shop/a/b/c/manifests/{DIGEST}"), Target::Manifest(name("shop/a/b/c"), DIGEST.into())),
        (format!("/v2/shop/web/blobs/{DIGEST}"), Target::Blob(name("shop/web"), digest())),
        (format!("/v2/shop/web/blobs/{}", DIGEST.replace(':', "%3A")), Target::Blob(name("shop/web"), digest())),
        ("/v2/shop/web/blobs/uploads/".to_owned(), Target::Uploads(name("shop/web"))),
        ("/v2/shop/web/blobs/uploads".to_owned(), Target::Uploads(name("shop/web"))),
        (format!("/v2/shop/web/blobs/uploads/{ID}"), Target::Upload(name("shop/web"), Some(id))),
        ("/v2/shop/web/blobs/uploads/x".to_owned(), Target::Upload(name("shop/web"), None)),
        (format!("/v2/shop/web/referrers/{DIGEST}"), Target::Referrers(name("shop/web"), digest())),
    ] {
        assert_eq!(Target::parse(&path), Ok(target), "{path}");
    }
}

#[test]
fn names_may_hold_the_words_of_the_endpoints() {
    assert_eq!(Target::parse("/v2/shop/tags/list/tags/list"), Ok(Target::Tags(name("shop/tags/list"))));
    assert_eq!(Target::parse("/v2/shop/manifests/manifests/manifests"), Ok(Target::Manifest(name("shop/manifests"), "manifests".into())));
    assert_eq!(Target::parse(&format!("/v2/shop/blobs/uploads/blobs/{DIGEST}")), Ok(Target::Blob(name("shop/blobs/uploads"), digest())));
    assert_eq!(Target::parse("/v2/shop/blobs/uploads/blobs/uploads/"), Ok(Target::Uploads(name("shop/blobs/uploads"))));
}

#[test]
fn wrong_paths_are_told_apart() {
    let wrong = |path: &str| Target::parse(path).expect_err(path);
    for path in [
        "",
        "/",
        "/v1/",
        "/v2x/y",
        "/v2/shop",
        "/v2/shop/web",
        "/v2/manifests/x",
        "/v2//",
        "/v2/shop/web/tags",
        "/v2/a%2fb/x/tags/list",
        "/v2/a%",
        "/v2/%zz/x/tags/list",
    ] {
        assert_eq!(wrong(path), WrongPath::NoEndpoint, "{path}");
    }
    for path in [
        "/v2/../x/tags/list",
        "/v2/shop/../tags/list",
        "/v2/shop/%2e%2e/tags/list",
        "/v2/Shop/web/tags/list",
        "/v2/shop//tags/list",
        "/v2/shop/we%20b/tags/list",
    ] {
        assert!(matches!(wrong(path), WrongPath::Name(WrongName::Invalid(_))), "{path}");
    }
    assert!(matches!(wrong("/v2/nginx/manifests/latest"), WrongPath::Name(WrongName::NoProject(_))));
    // By the specification's grammar a name, and no project's here.
    for path in ["/v2/my_project/web/tags/list", "/v2/library/nginx/tags/list", "/v2/a.b/c/tags/list"] {
        assert!(matches!(wrong(path), WrongPath::Name(WrongName::Unusable { .. })), "{path}");
    }
    assert!(matches!(wrong("/v2/shop/web/blobs/sha256:12"), WrongPath::Digest(_)));
    assert!(matches!(wrong("/v2/shop/web/referrers/latest"), WrongPath::Digest(_)));
    assert_eq!(wrong(&format!("/v2/shop/{}/tags/list", "a".repeat(2000))), WrongPath::NoEndpoint);
}

proptest! {
    #[test]
    fn no_path_panics_and_no_name_escapes(path in "/v2/(\\PC{0,60}|[a-z./%2f_-]{0,60})(/tags/list|/blobs/uploads/|/manifests/[.%2/]{1,4})?") {
        if let Ok(target) = Target::parse(&path)
            && let Some(name) = target.name() {
            prop_assert!(name.to_string().split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
            prop_assert!(name.to_string().parse::<Name>().is_ok());
        }
    }

    #[test]
    fn every_right_name_is_read_back(project in "[a-z][a-z0-9]{0,8}x", path in "[a-z0-9]{1,6}([._-][a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,6}){0,3}", tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}") {
        let target = Target::parse(&format!("/v2/{project}/{path}/manifests/{tag}"));
        prop_assert_eq!(target, Ok(Target::Manifest(name(&format!("{project}/{path}")), tag)));
    }
}
