//! How long it takes until a page has the data of its charts: 500 containers with a day of samples and 90 days of roll-ups before it, which the bench of
//! the crate `metrics` leaves behind. What is called is what pages call; the database and the way to the browser are no part of it, but for the
//! overview.

use std::time::{Duration, Instant};

use ::metrics::{Key, Options, Store as Samples};
use model::ids::{EnvironmentId, ProjectId, ServiceId};
use model::metrics::{Group, OverviewQuery, Window};
use model::time::Millis;
use uuid::Uuid;

use super::read::{Asked, read};
use super::{Detail, charts, overview_for};
use crate::args;
use crate::testing::Store;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// When the day of samples ends.
const NOW: Millis = Millis(1_795_305_600_000 + DAY);
/// How often each is read.
const TURNS: usize = 200;
/// Services by how many tasks they have, by the numbers in their ids.
const SERVICES: [(&str, std::ops::Range<u128>); 3] = [("1 task", 450..600), ("4 tasks", 2..77), ("50 tasks", 1..2)];
/// How much of the time before now is drawn, with how many points.
const SPANS: [(&str, i64, usize); 7] = [
    ("1 hour", HOUR, 240),
    ("6 hours", 6 * HOUR, 240),
    ("a day", DAY, 240),
    ("a day as it was sampled", DAY, 2000),
    ("7 days", 7 * DAY, 240),
    ("30 days", 30 * DAY, 240),
    ("90 days", 90 * DAY, 240),
];
/// One chart, those of a page, and those of a page beside the time before.
const PAGES: [(&str, Option<Group>, bool); 3] = [("cpu", Some(Group::Cpu), false), ("page", None, false), ("page, compared", None, true)];

fn id<T: From<Uuid>>(number: u128) -> T {
    Uuid::from_u128(number).into()
}

fn quantiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1000.0;
    format!("p50 {:.2}, p99 {:.2}", at(0.5), at(0.99))
}

/// How long each reading takes of what a page of a service shows.
fn looks(samples: &Samples, services: &std::ops::Range<u128>, (span, points): (i64, usize), group: Option<Group>, compare: bool) -> Vec<Duration> {
    let look = |service: u128| {
        let key = Key::Service { project: id(1), service: id(service), environment: id(3) };
        let window = Window { from: Millis(NOW.0 - span), to: NOW };
        let plans = charts::OF_SERVICES.iter().filter(|plan| group.is_none_or(|group| plan.group == group)).collect();
        let asked = Asked { key, window, points, compare, plans, detail: Detail::Picture, environment: None };
        let begin = Instant::now();
        let view = read(samples, asked).expect("read");
        let took = begin.elapsed();
        assert!(!view.damaged && !view.charts[0].sides[0].lines.is_empty());
        took
    };
    services.clone().cycle().take(TURNS).map(look).collect()
}

/// Writes down the services of which there are samples.
async fn services(store: &Store) {
    let mut write = store.platform.bookkeeping().await.expect("a transaction");
    let (project, environment, now) = (id::<ProjectId>(1), id::<EnvironmentId>(3), store.platform.now());
    let sql = "INSERT INTO projects (id, name, description, internal, developer_shells, created_at) VALUES ($1, 'bench', '', $2, $3, $4)";
    write.exec(sql, args![project, false, true, now]).await.expect("a project");
    let sql = "INSERT INTO environments (id, name, description, registry_address, open_to_all, created_at) VALUES ($1, 'bench', '', '127.0.0.1:1', TRUE, 1)";
    write.exec(sql, args![environment]).await.expect("an environment");
    for number in SERVICES.iter().flat_map(|(_, numbers)| numbers.clone()) {
        let sql = "INSERT INTO services (id, project_id, name, created_at, created_by) VALUES ($1, $2, $3, $4, 'bench')";
        write.exec(sql, args![id::<ServiceId>(number), project, format!("s-{number}"), now]).await.expect("a service");
    }
    write.finish().await.expect("kept");
}

/// Run by hand, in release: `scripts/bench.sh metrics`.
#[tokio::test]
#[ignore = "measures time, and reads what the bench of the crate `metrics` leaves behind"]
async fn charts_of_five_hundred_containers() {
    let folder = std::env::var_os("SLIPWAY_BENCH_SAMPLES").expect("SLIPWAY_BENCH_SAMPLES names the folder of the samples");
    let samples = Samples::open(folder, Options::default()).expect("the samples");
    let mut report = String::from("data of charts, in milliseconds\n");
    for (said, span, points) in SPANS {
        for (tasks, numbers) in &SERVICES {
            let of_page = |(page, group, compare): (&str, Option<Group>, bool)| {
                format!("{page}: {}", quantiles(looks(&samples, numbers, (span, points), group, compare)))
            };
            report += &format!("{said}, {tasks}: {}\n", PAGES.map(of_page).join("; "));
        }
    }
    let store = Store::open().await;
    store.later(u64::try_from((NOW.0 - store.platform.now().0) / 1000).expect("later"));
    store.platform.plug_metrics(samples);
    services(&store).await;
    let operator = store.person("olga", true).await;
    let query = OverviewQuery { limit: Some(500), ..OverviewQuery::default() };
    let mut took = Vec::with_capacity(TURNS);
    for _ in 0..TURNS {
        let begin = Instant::now();
        let view = overview_for(&store.platform, &operator, &operator.visible().expect("signed in"), &query).await.expect("read");
        took.push(begin.elapsed());
        assert!(view.services.len() == 226 && view.services.iter().all(|of| of.usage.now.is_some()));
    }
    report += &format!("overview of 226 services with 500 containers: {}\n", quantiles(took));
    eprintln!("{report}");
}
