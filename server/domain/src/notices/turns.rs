//! Whose turn it is: how many notices are sent at the same time, of one project, of all projects, and of the site. Receivers that hang take the
//! places of their own project, and nobody else's.

use std::collections::HashMap;

use model::ids::{NoticeRouteId, ProjectId};

use crate::db::{Value, placeholders};

/// Notices of one project that are sent at the same time.
pub(super) const OF_PROJECT: usize = 8;
/// Notices of all projects.
pub(super) const OF_PROJECTS: usize = 64;
/// Notices of the site: places that no project takes.
pub(super) const OF_SITE: usize = 16;

/// What is being sent: the routes, and whose they are.
#[derive(Clone, Debug, Default)]
pub struct UnderWay(Vec<(NoticeRouteId, Option<ProjectId>)>);

impl FromIterator<(NoticeRouteId, Option<ProjectId>)> for UnderWay {
    fn from_iter<T: IntoIterator<Item = (NoticeRouteId, Option<ProjectId>)>>(routes: T) -> Self {
        Self(routes.into_iter().collect())
    }
}

impl UnderWay {
    /// What a route `r` must be for one more notice to be sent over it, as a condition with the arguments from the `first` on.
    pub(super) fn condition(&self, first: usize) -> (String, Vec<Value>) {
        let mut sql = String::from("r.enabled");
        let mut arguments = Vec::new();
        if !self.0.is_empty() {
            sql.push_str(&format!(" AND r.id NOT IN ({})", placeholders(first, self.0.len())));
            arguments.extend(self.0.iter().map(|(route, _)| Value::from(*route)));
        }
        let of_site = self.0.iter().filter(|(_, project)| project.is_none()).count();
        if of_site >= OF_SITE {
            sql.push_str(" AND r.project_id IS NOT NULL");
        }
        let full = self.full();
        if self.0.len() - of_site >= OF_PROJECTS {
            sql.push_str(" AND r.project_id IS NULL");
        } else if !full.is_empty() {
            let list = placeholders(first + arguments.len(), full.len());
            sql.push_str(&format!(" AND (r.project_id IS NULL OR r.project_id NOT IN ({list}))"));
            arguments.extend(full.into_iter().map(Value::from));
        }
        (sql, arguments)
    }

    /// Projects that have all places that they get.
    fn full(&self) -> Vec<ProjectId> {
        let mut counts: HashMap<ProjectId, usize> = HashMap::new();
        for project in self.0.iter().filter_map(|(_, project)| *project) {
            *counts.entry(project).or_default() += 1;
        }
        counts.into_iter().filter(|(_, count)| *count >= OF_PROJECT).map(|(project, _)| project).collect()
    }
}
