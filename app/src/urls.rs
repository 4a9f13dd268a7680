//! Every address of the portal in one place: what a link says and what the table of pages in `lib.rs` answers.

/// A segment of a path, with what must not stand in one written as `%XX`.
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The same for the value of a query.
pub(crate) fn query(text: &str) -> String {
    segment(text)
}

pub(crate) const HOME: &str = "/";
pub(crate) const LOGIN: &str = "/login";
pub(crate) const PROJECTS: &str = "/projects";
pub(crate) const NEW_PROJECT: &str = "/projects/new";
pub(crate) const WAITING: &str = "/deployments/waiting";
pub(crate) const TEMPLATES: &str = "/templates";
pub(crate) const ENVIRONMENTS: &str = "/environments";
pub(crate) const OVERVIEW: &str = "/overview";
pub(crate) const OVERVIEW_DOWNLOAD: &str = "/overview/download";
pub(crate) const RUNNING: &str = "/running";
pub(crate) const ACCOUNT: &str = "/account";
pub(crate) const ACCOUNT_SESSIONS: &str = "/account/sessions";
pub(crate) const ACCOUNT_TOKENS: &str = "/account/tokens";
pub(crate) const ADMIN: &str = "/admin";
pub(crate) const ADMIN_ENVIRONMENTS: &str = "/admin/environments";
pub(crate) const ADMIN_IMPORT: &str = "/admin/import";
pub(crate) const ADMIN_QUOTAS: &str = "/admin/quotas";
pub(crate) const ADMIN_USAGE: &str = "/admin/usage";
pub(crate) const ADMIN_REGISTRY: &str = "/admin/registry";
pub(crate) const ADMIN_FOREIGN: &str = "/admin/other-containers";
pub(crate) const ADMIN_FOLDERS: &str = "/admin/host-folders";
pub(crate) const ADMIN_OUTSIDE: &str = "/admin/outside-registries";
pub(crate) const ADMIN_ALERTS: &str = "/admin/alerts";
pub(crate) const ADMIN_STATUS: &str = "/admin/status";
pub(crate) const ADMIN_AUDIT: &str = "/admin/audit";

/// The sign-in page that leads back to `next`.
pub(crate) fn login(next: &str) -> String {
    if next.is_empty() || next == HOME { LOGIN.to_owned() } else { format!("{LOGIN}?next={}", query(next)) }
}

/// An environment.
pub(crate) fn environment(name: impl AsRef<str>) -> String {
    format!("{ENVIRONMENTS}/{}", segment(name.as_ref()))
}

/// The operators' page of an environment; `new` for a new one.
pub(crate) fn admin_environment(name: impl AsRef<str>) -> String {
    format!("{ADMIN_ENVIRONMENTS}/{}", segment(name.as_ref()))
}

/// The operators' page of a machine; `new` for a new one.
pub(crate) fn admin_machine(environment: impl AsRef<str>, machine: impl AsRef<str>) -> String {
    format!("{}/machines/{}", admin_environment(environment), segment(machine.as_ref()))
}

/// The operators' page of what happened on a machine.
pub(crate) fn admin_machine_events(environment: impl AsRef<str>, machine: impl AsRef<str>) -> String {
    format!("{}/events", admin_machine(environment, machine))
}

/// The operators' page of a machine's images.
pub(crate) fn admin_machine_images(environment: impl AsRef<str>, machine: impl AsRef<str>) -> String {
    format!("{}/images", admin_machine(environment, machine))
}

/// The operators' page of what a machine uses.
pub(crate) fn admin_machine_metrics(environment: impl AsRef<str>, machine: impl AsRef<str>) -> String {
    format!("{}/metrics", admin_machine(environment, machine))
}

/// What a machine uses, to keep.
pub(crate) fn machine_download(machine: impl AsRef<str>) -> String {
    format!("/machines/{}/metrics/download", segment(machine.as_ref()))
}

/// A project's dashboard.
pub(crate) fn project(project: impl AsRef<str>) -> String {
    format!("{PROJECTS}/{}", segment(project.as_ref()))
}

/// One of a project's other pages: `images`, `members`.
pub(crate) fn project_page(name: impl AsRef<str>, page: &str) -> String {
    format!("{}/{page}", project(name))
}

/// The alerts of a project, or of the site where none is meant; `page` is one of their pages (`/rules`), or nothing.
pub(crate) fn alerts(project_name: &str, page: &str) -> String {
    let base = if project_name.is_empty() { ADMIN_ALERTS.to_owned() } else { project_page(project_name, "alerts") };
    format!("{base}{page}")
}

/// What the status page shows of a project, or of the site where none is meant: for those who write it.
pub(crate) fn status(project_name: &str) -> String {
    if project_name.is_empty() { ADMIN_STATUS.to_owned() } else { project_page(project_name, "status") }
}

/// A repository of a project. Its slashes are written `%2F`, as in the API.
pub(crate) fn repository(project_name: impl AsRef<str>, repository: impl AsRef<str>) -> String {
    format!("{}/images/{}", project(project_name), segment(repository.as_ref()))
}

/// What a project's images are built on. No repository is called `-`.
pub(crate) fn lineage(project_name: impl AsRef<str>) -> String {
    format!("{}/images/-/lineage", project(project_name))
}

/// A project's rules for images.
pub(crate) fn image_rules(project_name: impl AsRef<str>) -> String {
    format!("{}/images/-/rules", project(project_name))
}

/// A run of a project's rules for images.
pub(crate) fn rule_run(project_name: impl AsRef<str>, id: impl std::fmt::Display) -> String {
    format!("{}/runs/{id}", image_rules(project_name))
}

/// An image of a repository, by tag or digest.
pub(crate) fn image(project_name: impl AsRef<str>, repository_name: impl AsRef<str>, reference: impl std::fmt::Display) -> String {
    format!("{}/{}", repository(project_name, repository_name), segment(&reference.to_string()))
}

/// `path` with a query of what is not empty.
pub(crate) fn asking(path: impl Into<String>, asked: &[(&str, &str)]) -> String {
    let mut path = path.into();
    let mut sign = '?';
    for (name, value) in asked.iter().filter(|(_, value)| !value.is_empty()) {
        path.push_str(&format!("{sign}{name}={}", query(value)));
        sign = '&';
    }
    path
}

/// A service's overview.
pub(crate) fn service(project_name: impl AsRef<str>, service: impl AsRef<str>) -> String {
    format!("{}/services/{}", project(project_name), segment(service.as_ref()))
}

/// One of a service's other pages: `deploy`, `logs`.
pub(crate) fn service_page(project_name: impl AsRef<str>, service_name: impl AsRef<str>, page: &str) -> String {
    format!("{}/{page}", service(project_name, service_name))
}

/// A service's deploy page as text.
pub(crate) fn deploy_text(project_name: impl AsRef<str>, service_name: impl AsRef<str>) -> String {
    format!("{}?as=yaml", service_page(project_name, service_name, "deploy"))
}

/// The form that a service is deployed with, of a template.
pub(crate) fn deploy(project_name: impl AsRef<str>, service_name: impl AsRef<str>, template: &str) -> String {
    asking(service_page(project_name, service_name, "deploy"), &[("template", template)])
}

/// The templates of a project; of the site where none is meant.
pub(crate) fn templates(project_name: &str) -> String {
    if project_name.is_empty() { TEMPLATES.to_owned() } else { project_page(project_name, "templates") }
}

/// One template.
pub(crate) fn template(project_name: &str, name: impl AsRef<str>) -> String {
    format!("{}/{}", templates(project_name), segment(name.as_ref()))
}

/// A version's document, to keep.
pub(crate) fn template_export(project_name: &str, name: impl AsRef<str>, version: i64) -> String {
    format!("{}/export?version={version}", template(project_name, name))
}

/// A deployment of a service.
pub(crate) fn deployment(project_name: impl AsRef<str>, service_name: impl AsRef<str>, id: impl std::fmt::Display) -> String {
    format!("{}/deployments/{id}", service(project_name, service_name))
}

/// A shell of a project, and its recording to be watched.
pub(crate) fn shell(project_name: impl AsRef<str>, id: impl std::fmt::Display) -> String {
    format!("{}/shells/{id}", project(project_name))
}

/// A shell's recording, to be played or kept.
pub(crate) fn recording(project_name: impl AsRef<str>, id: impl std::fmt::Display) -> String {
    format!("{}/recording", shell(project_name, id))
}

/// A task's inspection, to keep.
pub(crate) fn task_inspection(task: impl std::fmt::Display) -> String {
    format!("/tasks/{}/inspection", segment(&task.to_string()))
}

/// A file of a task, to keep.
pub(crate) fn task_file(task: impl std::fmt::Display, path: &str) -> String {
    asking(format!("/tasks/{}/file", segment(&task.to_string())), &[("path", path)])
}

/// Where a shell of a task is served.
pub(crate) fn shell_socket(task: &str) -> String {
    format!("/ws/tasks/{}/shell", segment(task))
}

/// `next` when it is a page of ours, else the home page: a link never leads a signed-in user elsewhere.
pub(crate) fn safe_next(next: &str) -> &str {
    let inside = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']) && next.len() <= 500;
    if inside && next.chars().all(|c| !c.is_control()) { next } else { HOME }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_of_a_repository_stay_in_their_segment() {
        assert_eq!(repository("shop", "team/web"), "/projects/shop/images/team%2Fweb");
    }

    #[test]
    fn what_is_empty_is_not_asked() {
        assert_eq!(asking("/a", &[("q", "x y"), ("order", ""), ("after", "1:b")]), "/a?q=x%20y&after=1%3Ab");
        assert_eq!(asking("/a", &[("q", "")]), "/a");
        assert_eq!(image("shop", "team/web", "sha256:ab"), "/projects/shop/images/team%2Fweb/sha256%3Aab");
    }

    #[test]
    fn after_signing_in_nobody_is_led_elsewhere() {
        assert_eq!(safe_next("/projects/a?tab=1"), "/projects/a?tab=1");
        for bad in ["", "https://evil.example", "//evil.example", "/\\evil.example", "/a\nb", "javascript:alert(1)"] {
            assert_eq!(safe_next(bad), "/", "{bad}");
        }
    }
}
