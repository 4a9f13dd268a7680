//! Requests that were answered, counted by method, route and status. A route is the pattern of a door and never a path, so that there are as many as
//! there are doors.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::counters::{Counter, Histogram, Measured};
use http::Method;

/// Upper bounds of how long an answer took to begin.
const BOUNDS: &[Duration] = &[
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// Methods that are told apart; all others are one.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

/// The route of what no door is for: files and pages that are not there.
const NO_ROUTE: &str = "other";

type Route = [Option<Arc<Answers>>; METHODS.len()];

/// The requests of this process.
#[derive(Default)]
pub struct Requests {
    routes: RwLock<HashMap<String, Route>>,
}

/// What was answered to one method of one route.
struct Answers {
    statuses: RwLock<Vec<(u16, Counter)>>,
    took: Histogram,
}

/// The same as it was read.
pub(super) struct Answered {
    pub(super) route: String,
    pub(super) method: &'static str,
    pub(super) statuses: Vec<(u16, u64)>,
    pub(super) took: Measured,
}

impl Requests {
    /// One more was answered.
    pub fn count(&self, method: &Method, route: Option<&str>, status: u16, took: Duration) {
        let route = route.unwrap_or(NO_ROUTE);
        let answers = self.answers(METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1), route);
        answers.took.observe(took);
        let known = answers.statuses.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counter)) = known.iter().find(|(known, _)| *known == status) {
            counter.add(1);
            return;
        }
        drop(known);
        let mut statuses = answers.statuses.write().unwrap_or_else(PoisonError::into_inner);
        let at = statuses.iter().position(|(known, _)| *known == status).unwrap_or_else(|| {
            statuses.push((status, Counter::default()));
            statuses.len() - 1
        });
        statuses[at].1.add(1);
    }

    fn answers(&self, method: usize, route: &str) -> Arc<Answers> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(answers) = routes.get(route).and_then(|route| route[method].clone()) {
            return answers;
        }
        drop(routes);
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let answers = routes.entry(route.to_owned()).or_default()[method]
            .get_or_insert_with(|| Arc::new(Answers { statuses: RwLock::default(), took: Histogram::new(BOUNDS) }));
        Arc::clone(answers)
    }

    /// All that was answered so far, by route and method.
    pub(super) fn read(&self) -> Vec<Answered> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::new();
        for (route, methods) in &*routes {
            for (method, answers) in METHODS.into_iter().zip(methods) {
                let Some(answers) = answers else { continue };
                let statuses = answers.statuses.read().unwrap_or_else(PoisonError::into_inner);
                let mut statuses: Vec<(u16, u64)> = statuses.iter().map(|(status, counter)| (*status, counter.get())).collect();
                statuses.sort_unstable();
                all.push(Answered { route: route.clone(), method, statuses, took: answers.took.read() });
            }
        }
        all.sort_by(|one, other| (&one.route, one.method).cmp(&(&other.route, other.method)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_method_and_status() {
        let requests = Requests::default();
        for (status, took) in [(200, 2), (404, 3), (200, 40)] {
            requests.count(&Method::GET, Some("/v2/{*rest}"), status, Duration::from_millis(took));
        }
        let odd = Method::from_bytes(b"BREW").expect("a method");
        requests.count(&odd, None, 405, Duration::ZERO);
        requests.count(&Method::PUT, None, 405, Duration::ZERO);
        let all = requests.read();
        let found: Vec<String> = all.iter().map(|one| format!("{} {} {:?}", one.route, one.method, one.statuses)).collect();
        let expected = ["/v2/{*rest} GET [(200, 2), (404, 1)]", "other PUT [(405, 1)]", "other other [(405, 1)]"];
        assert_eq!(found, expected);
        assert_eq!((all[0].took.count, all[0].took.buckets[1]), (3, (0.005, 2)));
    }
}
