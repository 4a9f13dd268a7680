//! Which of the images that a delivery names is deployed, or why none is. A hook deploys images of the repository that its service runs and of no
//! other: whoever has its secret moves the tag, and nothing else. Pure.

use model::hooks::HookRule;
use model::image::ImageReference;
use model::names::{ProjectName, TagName};

use super::bodies::{Of, Offer};
use crate::error::Error;
use crate::images;

/// What runs, and how its image may be named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs<'a> {
    /// The image, as its descriptor names it.
    pub image: &'a ImageReference,
    /// The service's project.
    pub project: &'a ProjectName,
    /// Names of the embedded registry.
    pub hosts: &'a [String],
}

/// What comes of a delivery.
#[derive(Debug)]
pub(super) enum Verdict<'a> {
    /// This image is deployed.
    Deploy(ImageReference, &'a Offer),
    /// It is right, and nothing is to be done; why.
    Ignore(String),
    /// It was meant for this hook, and is wrong.
    Refuse(Error),
}

/// Why an image is not deployed.
enum Not {
    /// The rule lets it not through.
    Chosen(String),
    /// It does not fit the service: the field, and why.
    Fitting(&'static str, String),
}

/// The newest image that fits and that the rule lets through.
pub(super) fn choose<'a>(rule: &HookRule, offers: &'a [Offer], meant: bool, runs: Runs<'_>) -> Verdict<'a> {
    let mut first = None;
    for offer in offers.iter().rev() {
        match image(rule, offer, runs) {
            Ok(image) => return Verdict::Deploy(image, offer),
            Err(not) => first = first.or(Some(not)),
        }
    }
    match first {
        Some(Not::Fitting(field, why)) if meant => Verdict::Refuse(Error::invalid(field, why)),
        Some(Not::Fitting(_, why) | Not::Chosen(why)) => Verdict::Ignore(why),
        None => Verdict::Ignore("it names no image".into()),
    }
}

fn image(rule: &HookRule, offer: &Offer, runs: Runs<'_>) -> Result<ImageReference, Not> {
    if !same_repository(&offer.of, runs) {
        let named = match &offer.of {
            Of::Service => String::new(),
            Of::Path(path) => path.chars().take(200).collect(),
            Of::Image(image) => image.to_string(),
        };
        return Err(Not::Fitting("image", format!("it is about {named}, and this service runs {}", runs.image)));
    }
    let reference = offer.source.reference.as_deref();
    match (&rule.branches.0, reference) {
        (Some(pattern), None) => return Err(Not::Chosen(format!("it names no branch, and only branches {pattern} deploy"))),
        (_, Some(reference)) => {
            if let Some(why) = rule.branches.refusal(reference) {
                return Err(Not::Chosen(why));
            }
        }
        (None, None) => {}
    }
    if let (Some(pattern), Some(name)) = (&rule.workflow, &offer.workflow)
        && !pattern.matches(name)
    {
        let named = if name.is_empty() { "it names no workflow".into() } else { format!("it is a run of the workflow {name}") };
        return Err(Not::Chosen(format!("{named}, and only {pattern} deploys")));
    }
    let tag = tag(rule, offer, runs)?;
    match &tag {
        Some(tag) => {
            if let Some(why) = rule.tags.refusal(tag.as_str()) {
                return Err(Not::Chosen(why));
            }
        }
        None if rule.tags.tags.is_some() || rule.tags.versions.is_some() => {
            return Err(Not::Chosen(format!("it names no tag, and only {} deploy", rule.tags)));
        }
        None => {}
    }
    Ok(runs.image.with(tag, offer.digest))
}

/// The tag to deploy; none: the digest alone says what.
fn tag(rule: &HookRule, offer: &Offer, runs: Runs<'_>) -> Result<Option<TagName>, Not> {
    if offer.tag.is_some() || offer.digest.is_some() {
        return Ok(offer.tag.clone());
    }
    let source = &offer.source;
    if let Some(text) = &rule.tag {
        let branch = source.reference.as_deref().map(short);
        return text.fill(source.commit.as_deref(), branch).map(Some).map_err(|why| Not::Fitting("tag", why));
    }
    match runs.image.tag() {
        Some(tag) => Ok(Some(tag.clone())),
        None => Err(Not::Fitting("tag", "it names no tag, and what runs is named by its digest alone".into())),
    }
}

/// A branch or tag without what git puts before it.
fn short(reference: &str) -> &str {
    reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/tags/")).unwrap_or(reference)
}

fn same_repository(of: &Of, runs: Runs<'_>) -> bool {
    let Runs { image, project, hosts } = runs;
    let own = images::located(image, project, hosts);
    match (of, own) {
        (Of::Service, _) => true,
        (Of::Image(named), Some(own)) => images::located(named, project, hosts) == Some(own),
        (Of::Image(named), None) => named.host().is_some() && host(named) == host(image) && path(named) == path(image),
        // Its whole name at our registry; a project's name before it cannot be left out there.
        (Of::Path(text), Some((project, repository))) => *text == format!("{project}/{repository}"),
        (Of::Path(text), None) => text == image.path().as_str() || (is_hub(image) && text.strip_prefix("library/").unwrap_or(text) == path(image)),
    }
}

/// Docker Hub has several names.
fn host(image: &ImageReference) -> Option<&str> {
    image.host().map(|host| if matches!(host, "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { host })
}

fn is_hub(image: &ImageReference) -> bool {
    host(image) == Some("docker.io")
}

/// What Docker Hub calls `library/nginx` people call `nginx`.
fn path(image: &ImageReference) -> &str {
    let path = image.path().as_str();
    if is_hub(image) { path.strip_prefix("library/").unwrap_or(path) } else { path }
}

#[cfg(test)]
mod tests {
    use super::super::bodies::Source;
    use super::*;

    const HOSTS: [&str; 2] = ["localhost:3000", "slipway.example.com"];

    fn rule(tags: &str, versions: &str, branches: &str, tag: &str) -> HookRule {
        HookRule::read(tags, versions, branches, "", tag).expect("a rule")
    }

    fn offered(of: Of, tag: Option<&str>, reference: Option<&str>) -> Offer {
        let source = Source { commit: Some("0451abcdef99".into()), reference: reference.map(str::to_owned), ..Source::default() };
        Offer { of, tag: tag.map(|tag| tag.parse().expect("a tag")), source, ..Offer::default() }
    }

    /// The image that is deployed, or the first letter of what else comes of it, with why.
    fn decided(runs: &str, rule: &HookRule, offers: &[Offer], meant: bool) -> String {
        let image: ImageReference = runs.parse().expect("an image");
        let project: ProjectName = "shop".parse().expect("a name");
        let hosts = HOSTS.map(str::to_owned);
        match choose(rule, offers, meant, Runs { image: &image, project: &project, hosts: &hosts }) {
            Verdict::Deploy(image, _) => image.to_string(),
            Verdict::Ignore(why) => format!("i {why}"),
            Verdict::Refuse(error) => format!("r {error}"),
        }
    }

    #[test]
    fn the_tag_moves_and_the_repository_stays() {
        let every = HookRule::default();
        let named = |text: &str| Of::Image(text.parse().expect("an image"));
        assert_eq!(decided("web:1", &every, &[offered(Of::Service, Some("2"), None)], true), "web:2");
        assert_eq!(decided("web:1", &every, &[offered(named("localhost:3000/shop/web:2"), Some("2"), None)], true), "web:2");
        assert_eq!(decided("web:1", &every, &[offered(Of::Path("shop/web".into()), Some("2"), None)], false), "web:2");
        assert_eq!(
            decided("nginx.example/nginx:1", &every, &[offered(named("nginx.example/nginx:2"), Some("2"), None)], true),
            "nginx.example/nginx:2"
        );
        assert_eq!(
            decided("harbor.example/library/web:1", &every, &[offered(Of::Path("library/web".into()), Some("2"), None)], false),
            "harbor.example/library/web:2"
        );
        assert_eq!(decided("docker.io/nginx:1", &every, &[offered(Of::Path("library/nginx".into()), Some("2"), None)], false), "docker.io/nginx:2");
        for other in ["api:2", "localhost:3000/other/web:2", "nginx.example/shop/web:2"] {
            let said = decided("web:1", &every, &[offered(named(other), Some("2"), None)], true);
            assert!(said.starts_with("r image:") && said.contains("runs web:1"), "{said}");
        }
        let said = decided("web:1", &every, &[offered(Of::Path("other/web".into()), Some("2"), None)], false);
        assert_eq!(said, "i it is about other/web, and this service runs web:1");
    }

    #[test]
    fn filters_let_through_what_they_name_and_say_what_they_did_not() {
        let versions = rule("v*", ">=1.2 <2", "", "");
        assert_eq!(decided("web:v1.2.0", &versions, &[offered(Of::Service, Some("v1.3.0"), None)], true), "web:v1.3.0");
        assert!(decided("web:v1.2.0", &versions, &[offered(Of::Service, Some("v2.0.0"), None)], true).starts_with("i the version v2.0.0"));
        let main = rule("", "", "main", "");
        assert_eq!(decided("web:1", &main, &[offered(Of::Service, Some("2"), Some("refs/heads/main"))], true), "web:2");
        assert!(decided("web:1", &main, &[offered(Of::Service, Some("2"), Some("feature"))], true).starts_with("i the branch feature"));
        assert!(decided("web:1", &main, &[offered(Of::Service, Some("2"), None)], true).starts_with("i it names no branch"));
        let pinned = Offer { digest: Some(format!("sha256:{}", "a".repeat(64)).parse().expect("a digest")), ..offered(Of::Service, None, None) };
        assert!(decided("web:1", &versions, &[pinned], true).starts_with("i it names no tag"));
    }

    #[test]
    fn a_run_of_another_workflow_does_not_deploy_and_what_is_no_run_is_not_asked_for_one() {
        let build = HookRule::read("", "", "", "Build and publish", "").expect("a rule");
        let of = |workflow: Option<&str>| [Offer { workflow: workflow.map(str::to_owned), ..offered(Of::Service, None, Some("main")) }];
        assert_eq!(decided("web:1", &build, &of(Some("Build and publish")), false), "web:1");
        let said = decided("web:1", &build, &of(Some("Lint")), false);
        assert_eq!(said, "i it is a run of the workflow Lint, and only Build and publish deploys");
        assert!(decided("web:1", &build, &of(Some("")), false).starts_with("i it names no workflow"));
        assert_eq!(decided("web:1", &build, &of(None), false), "web:1");
        assert_eq!(decided("web:1", &HookRule::default(), &of(Some("Lint")), false), "web:1");
    }

    #[test]
    fn of_several_the_newest_that_fits_is_taken() {
        let versions = rule("", "1.x", "", "");
        let offers =
            [offered(Of::Service, Some("1.1.0"), None), offered(Of::Service, Some("1.2.0"), None), offered(Of::Service, Some("2.0.0"), None)];
        assert_eq!(decided("web:1.0.0", &versions, &offers, false), "web:1.2.0");
        assert!(decided("web:1.0.0", &versions, &offers[2..], false).contains("2.0.0"));
        assert_eq!(decided("web:1.0.0", &versions, &[], false), "i it names no image");
    }

    #[test]
    fn without_an_image_the_tag_is_made_of_the_source_or_stays() {
        let run = [offered(Of::Service, None, Some("main"))];
        assert_eq!(decided("web:latest", &HookRule::default(), &run, false), "web:latest");
        assert_eq!(decided("web:latest", &rule("", "", "", "{branch}-{short_commit}"), &run, false), "web:main-0451abc");
        let digest = format!("web@sha256:{}", "a".repeat(64));
        assert!(decided(&digest, &HookRule::default(), &run, false).starts_with("i it names no tag"));
    }
}
