//! What a command is about: `project/service`, or one task of it, `project/service.slot`.

use std::str::FromStr;

use model::names::{ProjectName, ServiceName};

/// A service, or one of its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The project.
    pub project: ProjectName,
    /// The service.
    pub service: ServiceName,
    /// The task's place among the service's tasks, from 1; none: any.
    pub slot: Option<i64>,
}

impl Target {
    /// The path of the service below `/api/v1`. Names are DNS labels: nothing in them needs quoting.
    pub(crate) fn path(&self) -> String {
        format!("/api/v1/projects/{}/services/{}", self.project, self.service)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (project, rest) = text.split_once('/').ok_or("a project, a slash and a service: shop/web, or one task of it: shop/web.2")?;
        // A service's name has no dot.
        let (service, slot) = match rest.split_once('.') {
            Some((service, slot)) => {
                (service, Some(slot.parse::<i64>().ok().filter(|slot| *slot > 0).ok_or("after the dot stands a task's number, from 1: shop/web.2")?))
            }
            None => (rest, None),
        };
        let project = project.parse::<ProjectName>().map_err(|error| error.to_string())?;
        Ok(Self { project, service: service.parse::<ServiceName>().map_err(|error| error.to_string())?, slot })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_and_one_of_its_tasks_are_told_apart() {
        let read = |text: &str| text.parse::<Target>().map(|target| (target.project.to_string(), target.service.to_string(), target.slot));
        assert_eq!(read("shop/web"), Ok(("shop".into(), "web".into(), None)));
        assert_eq!(read("shop/web.2"), Ok(("shop".into(), "web".into(), Some(2))));
        for wrong in ["web", "shop/", "/web", "shop/web.0", "shop/web.x", "shop/web.", "Shop/web", "shop/web/x", ""] {
            assert!(read(wrong).is_err(), "{wrong:?} is no service");
        }
    }
}
