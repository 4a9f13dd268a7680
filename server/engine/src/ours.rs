//! Which containers are ours. Labels alone do not say it: a container inherits those of its image, and an image that somebody committed from a
//! task bears the task's. So a container is ours if its id is recorded, whatever it is called by now, or if it bears the very name that Slipway
//! gives to what has such labels; no two containers of an engine have one name. All else is somebody's: listed for operators, never touched. Pure.

use std::collections::BTreeMap;
use std::str::FromStr;

use domain::deployments::work::{Leftover, TaskWork};
use model::ids::TaskId;
use model::names::{EnvironmentName, ProjectName, ServiceName};

use crate::build::{self, LABEL_CARRIER, LABEL_ENVIRONMENT, LABEL_PROJECT, LABEL_SERVICE, LABEL_TASK};
use crate::docker::{ContainerSeen, Status};

type Labels = BTreeMap<String, String>;

/// The task whose container it is, by its name.
pub(crate) fn task(seen: &ContainerSeen) -> Option<TaskId> {
    task_of(&seen.name, &seen.labels)
}

/// The same of a name and labels.
pub(crate) fn task_of(name: &str, labels: &Labels) -> Option<TaskId> {
    let (project, service) = (labelled::<ProjectName>(labels, LABEL_PROJECT)?, labelled::<ServiceName>(labels, LABEL_SERVICE)?);
    let (environment, task) = (labelled::<EnvironmentName>(labels, LABEL_ENVIRONMENT)?, labelled::<TaskId>(labels, LABEL_TASK)?);
    // No label tells the slot.
    let slot = name.rsplit('.').nth(1)?.parse().ok()?;
    (name == build::container_name(&project, &service, &environment, slot, task)).then_some(task)
}

/// The task for which it carries secret files, by its name.
pub(crate) fn carried(seen: &ContainerSeen) -> Option<TaskId> {
    carried_by(&seen.name, &seen.labels)
}

/// The same of a name and labels.
pub(crate) fn carried_by(name: &str, labels: &Labels) -> Option<TaskId> {
    let task = labelled::<TaskId>(labels, LABEL_CARRIER)?;
    (name == build::carrier_name(task)).then_some(task)
}

/// Whether it bears a name of ours.
pub(crate) fn named(seen: &ContainerSeen) -> bool {
    task(seen).is_some() || carried(seen).is_some()
}

/// Those of ours that belong to no task that is known, and carriers that carry nothing.
pub(crate) fn lost(seen: &[ContainerSeen], known: impl Fn(TaskId) -> bool, carrying: impl Fn(TaskId) -> bool) -> Vec<&ContainerSeen> {
    let lost = |seen: &&ContainerSeen| match (task(seen), carried(seen)) {
        (Some(task), _) => !known(task),
        (None, Some(task)) => !carrying(task),
        (None, None) => false,
    };
    seen.iter().filter(|seen| seen.status != Status::Removing).filter(lost).collect()
}

/// A label without a value, as ours are that do not apply, is none that can be read.
fn labelled<T: FromStr>(labels: &Labels, label: &str) -> Option<T> {
    labels.get(label)?.parse().ok()
}

/// The containers of a list, to be found by the tasks that they are of.
pub(crate) struct Found<'a> {
    by_id: BTreeMap<&'a str, &'a ContainerSeen>,
    by_name: BTreeMap<TaskId, &'a ContainerSeen>,
}

impl<'a> Found<'a> {
    pub(crate) fn of(seen: &'a [ContainerSeen]) -> Self {
        Self {
            by_id: seen.iter().map(|seen| (seen.id.as_str(), seen)).collect(),
            by_name: seen.iter().filter_map(|seen| Some((task(seen)?, seen))).collect(),
        }
    }

    /// A task's.
    pub(crate) fn task(&self, task: &TaskWork) -> Option<&'a ContainerSeen> {
        self.find(task.id, task.container.as_deref())
    }

    /// What is left of a task that ended.
    pub(crate) fn leftover(&self, left: &Leftover) -> Option<&'a ContainerSeen> {
        self.find(left.task, left.container.as_deref())
    }

    fn find(&self, task: TaskId, recorded: Option<&str>) -> Option<&'a ContainerSeen> {
        match recorded {
            Some(id) => self.by_id.get(id).copied(),
            None => self.by_name.get(&task).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::{Health, LABEL_INSTANCE};

    const TASK: &str = "0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa";
    const NAME: &str = "slipway-shop.web.local.1.aaaaaaaaaaaa";

    fn id() -> TaskId {
        TASK.parse().expect("an id")
    }

    fn seen(id: &str, name: &str, labels: &[(&str, &str)]) -> ContainerSeen {
        let labels = std::iter::once(&(LABEL_INSTANCE, "instance")).chain(labels);
        ContainerSeen {
            id: id.into(),
            name: name.into(),
            image: "i".into(),
            labels: labels.map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect(),
            status: Status::Running,
            health: Health::None,
            exit_code: None,
            addresses: BTreeMap::new(),
            networks: Vec::new(),
            created: 0,
        }
    }

    fn labelled_as_task(id: &str, name: &str) -> ContainerSeen {
        seen(id, name, &[(LABEL_PROJECT, "shop"), (LABEL_SERVICE, "web"), (LABEL_ENVIRONMENT, "local"), (LABEL_TASK, TASK)])
    }

    #[test]
    fn labels_are_not_enough() {
        assert_eq!(task(&labelled_as_task("a", NAME)), Some(id()));
        assert_eq!(task(&labelled_as_task("a", "slipway-shop.web.local.12.aaaaaaaaaaaa")), Some(id()), "any slot");
        let others =
            ["dbg", "", "slipway-shop.web.local.aaaaaaaaaaaa", "slipway-shop.api.local.1.aaaaaaaaaaaa", "slipway-shop.web.local.1.bbbbbbbbbbbb"];
        for name in others {
            assert!(!named(&labelled_as_task("a", name)), "{name}");
        }
        assert!(!named(&seen("a", NAME, &[])), "the instance's label, out of an image, and a name");
        let carrier = format!("slipway-carrier.{TASK}");
        assert_eq!(carried(&seen("a", &carrier, &[(LABEL_CARRIER, TASK)])), Some(id()));
        assert!(!named(&seen("a", "dbg", &[(LABEL_CARRIER, TASK)])));
        assert_eq!(task(&labelled_as_task("a", &carrier)), None, "a carrier inherits its image's labels as well");
    }

    #[test]
    fn only_what_is_ours_is_lost() {
        let carrier = seen("carrier", &format!("slipway-carrier.{TASK}"), &[(LABEL_CARRIER, TASK)]);
        let going = ContainerSeen { status: Status::Removing, ..labelled_as_task("going", NAME) };
        let listed = [labelled_as_task("own", NAME), labelled_as_task("copy", "dbg"), seen("image", "x", &[]), carrier, going];
        let ids = |known: bool, carrying: bool| lost(&listed, |_| known, |_| carrying).into_iter().map(|seen| seen.id.as_str()).collect::<Vec<_>>();
        assert_eq!(ids(true, true), [""; 0]);
        assert_eq!(ids(false, true), ["own"]);
        assert_eq!(ids(true, false), ["carrier"]);
    }

    #[test]
    fn what_is_recorded_is_found_by_its_id_and_what_is_not_by_its_name() {
        let listed = [labelled_as_task("copy1", "dbg"), labelled_as_task("own", "renamed"), labelled_as_task("copy2", "dbg2")];
        let found = Found::of(&listed);
        assert_eq!(found.find(id(), Some("own")).map(|seen| seen.name.as_str()), Some("renamed"));
        assert_eq!(found.find(id(), Some("gone")), None, "a copy does not stand for it");
        assert_eq!(found.find(id(), None), None, "nor for one that is being made");
        let listed = [labelled_as_task("copy1", "dbg"), labelled_as_task("own", NAME), labelled_as_task("copy2", "dbg2")];
        assert_eq!(Found::of(&listed).find(id(), None).map(|seen| seen.id.as_str()), Some("own"));
    }
}
