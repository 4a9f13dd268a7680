//! Trees and words; the pushes that make chains and moves are tried in the integration tests.

use model::access::Role;
use model::names::{ProjectName, RepositoryPath};

use super::*;
use crate::Actor;
use crate::images::RepositoryKey;
use crate::testing::Store;

#[tokio::test]
async fn what_has_no_layers_has_an_empty_lineage() {
    let store = Store::open().await;
    let ana: Actor = store.person("ana", false).await;
    let shop: ProjectName = store.project("shop", &ana, Role::Guest).await;
    store.image(&shop, "web", "1", 'a').await;
    let web: RepositoryPath = "web".parse().expect("a path");
    let may: May<can::Pull, Repository> = ana.may(&store.platform, &RepositoryKey { project: &shop, repository: &web }).await.expect("allowed");
    let lineage = of_image(&store.platform, &may, &"1".parse().expect("a tag")).await.expect("read");
    assert!(lineage.unfinished, "its layers are not written down yet");
    assert!(lineage.children.is_empty() && lineage.stacks.iter().all(|stack| stack.size == 0));
    let whole = of_project(&store.platform, &store.may(&ana, &shop).await).await.expect("read");
    assert!(whole.nodes.is_empty() && whole.outdated.is_empty() && whole.unfinished);
    let missing = of_image(&store.platform, &may, &"2".parse().expect("a tag")).await;
    assert!(matches!(missing, Err(crate::Error::NotFound { what: "image" })));
}
