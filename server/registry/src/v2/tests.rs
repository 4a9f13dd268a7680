use std::collections::BTreeSet;

use super::*;

const SAMPLES: &[(&str, &str)] = &[
    ("/v2/", "/v2/"),
    ("/v2/_catalog", "/v2/_catalog"),
    ("/v2/{name}/tags/list", "/v2/shop/web/tags/list"),
    ("/v2/{name}/manifests/{reference}", "/v2/shop/web/manifests/1"),
    ("/v2/{name}/blobs/uploads/", "/v2/shop/web/blobs/uploads/"),
    ("/v2/{name}/blobs/uploads/{upload}", "/v2/shop/web/blobs/uploads/0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11"),
    ("/v2/{name}/blobs/{digest}", "/v2/shop/web/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("/v2/{name}/referrers/{digest}", "/v2/shop/web/referrers/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
];

#[test]
fn the_list_of_doors_is_the_list_of_what_targets_take() {
    let listed: BTreeSet<_> = ENDPOINTS.iter().filter(|door| door.path.starts_with("/v2")).map(|door| (door.path, door.method)).collect();
    let taken: BTreeSet<_> = SAMPLES
        .iter()
        .flat_map(|(shape, path)| methods(&Target::parse(path).expect("a target")).iter().map(move |method| (*shape, *method)))
        .collect();
    assert_eq!(listed, taken);
}
