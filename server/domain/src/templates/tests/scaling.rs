//! What a template made is scaled, and CI deploys the next image, or a push does.

use super::*;

impl Scene {
    async fn scale(&self, replicas: u32) -> DeploymentView {
        self.store.later(1);
        let made = deployments::scale(&self.store.platform, &self.may().await, &Intent::default(), replicas).await.expect("scaled");
        self.succeed(&made).await;
        made
    }

    async fn replicas(&self, number: i64) -> u32 {
        let found = self.revision(number).await;
        assert!(found.revision.template.is_some(), "it is known what made revision {number}");
        found.descriptor.replicas
    }

    async fn revision(&self, number: i64) -> model::views::deployments::RevisionDetail {
        let see = self.may::<can::SeeServices>().await;
        deployments::revision(&self.store.platform, &see, number).await.expect("found")
    }
}

#[tokio::test]
async fn what_was_scaled_stays_so_when_ci_names_the_next_image() {
    let scene = Scene::set().await;
    scene.write(ECHO).await.expect("made");
    scene.bring(asked(Some("echo"), None, &[("image", "web:1"), ("replicas", "2")])).await.expect("deployed");
    let scaled = scene.scale(4).await;
    assert_eq!(scene.replicas(scaled.revision).await, 4);
    assert_eq!(scene.form(asked(None, None, &[])).await.answers["replicas"], "4");
    let next = scene.bring(asked(None, None, &[("image", "web:2")])).await.expect("deployed");
    assert_eq!(scene.replicas(next.revision).await, 4);

    // More than the template takes is not undone either: it is told.
    scene.scale(9).await;
    let refused = scene.deploy(asked(None, None, &[("image", "web:1")])).await;
    assert!(matches!(refused, Err(Error::Invalid(fields)) if fields[0].field == "answers.replicas"));
    scene.scale(3).await;
    let next = scene.bring(asked(None, None, &[("image", "web:1")])).await.expect("deployed");
    assert_eq!(scene.replicas(next.revision).await, 3);
}

#[tokio::test]
async fn a_number_that_is_no_answer_leaves_the_answers_alone() {
    let scene = Scene::set().await;
    let text = ECHO.replace("replicas: {{ replicas }}", "replicas: 2\n  update:\n    parallelism: {{ replicas }}");
    scene.write(&text).await.expect("made");
    scene.bring(asked(Some("echo"), None, &[("image", "web:1"), ("replicas", "2")])).await.expect("deployed");
    let scaled = scene.scale(4).await;
    let made = scene.revision(scaled.revision).await;
    assert_eq!((made.descriptor.replicas, made.revision.template), (4, None), "no answers lead to four");
    assert_eq!(scene.form(asked(None, None, &[])).await.answers["replicas"], "2");
}

#[tokio::test]
async fn an_image_that_a_push_brought_is_the_answer_from_then_on() {
    let scene = Scene::set().await;
    scene.write(ECHO).await.expect("made");
    scene.bring(asked(Some("echo"), None, &[("image", "web:1"), ("replicas", "2")])).await.expect("deployed");
    scene.store.later(1);
    let (platform, may) = (&scene.store.platform, scene.may::<can::Deploy>().await);
    let mut change = platform.change(&scene.ana).await.expect("a transaction");
    let local = crate::environments::choose(&mut change, may.project.id, None).await.expect("the only one");
    drop(change);
    let named = ("web".parse().expect("a path"), "2".parse().expect("a tag"));
    let foreseen = deployments::foresee(platform, &may, &local, (&named.0, &named.1)).await.expect("it can be brought");
    assert!(!foreseen.is_there());
    let mut change = platform.change(&scene.ana).await.expect("a transaction");
    let begun = deployments::bring_image(&mut change, platform, &may, &local, &Intent::default(), &foreseen).await.expect("allowed");
    let (view, record) = begun.expect("nobody else deployed");
    change.commit(record).await.expect("kept");
    let made = scene.revision(view.revision).await;
    assert_eq!((made.descriptor.image.to_string().as_str(), made.descriptor.replicas), ("web:2", 2));
    assert!(made.revision.template.is_some(), "it is known what made it");
    let answers = scene.form(asked(None, None, &[])).await.answers;
    assert_eq!((answers["image"].as_str(), answers["replicas"].as_str()), ("web:2", "2"));
}
