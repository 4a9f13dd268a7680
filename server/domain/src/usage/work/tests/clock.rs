//! Hours are counted once, whatever the clock says in between.

use ::metrics::{Member, Options, Sample, Store as Samples, Value};
use model::access::Role;
use model::ids::{RevisionId, TaskId};

use super::super::*;
use crate::testing::Store;
use crate::usage::volumes;

/// When the test begins: twenty minutes after a full hour.
const BEGIN: i64 = 1_795_166_400_000;
const MINUTE: i64 = 60_000;
/// Bytes of images that the project keeps.
const KEPT: i64 = 8 << 20;
/// What that comes to in an hour.
const KEPT_HOUR: i64 = (KEPT >> 10) * 3_600;

/// A project that keeps an image, and a service with a task that is sampled.
struct Site {
    store: Store,
    samples: Samples,
    project: ProjectId,
    key: Key,
    member: Member,
    _folder: tempfile::TempDir,
}

/// The sums of all days.
#[derive(Debug, PartialEq, Eq)]
struct Sums {
    cpu: i64,
    images: i64,
    volumes: i64,
}

impl Site {
    async fn open() -> Self {
        let (store, folder) = (Store::open().await, tempfile::tempdir().expect("a folder"));
        assert_eq!(store.platform.now(), Millis(BEGIN));
        let samples = Samples::open(folder.path().join("metrics"), Options::default()).expect("it opens");
        store.platform.plug_metrics(samples.clone());
        let somebody = store.person("kim", false).await;
        store.project("shop", &somebody, Role::Admin).await;
        let (machine, now) = (store.machine().await, store.platform.now());
        let (service, revision, task): (ServiceId, RevisionId, TaskId) = (store.platform.new_id(), store.platform.new_id(), store.platform.new_id());
        let mut write = store.platform.bookkeeping().await.expect("a transaction");
        let project: ProjectId = write.one("SELECT id FROM projects WHERE name = 'shop'", args![], |row| row.get("id")).await.expect("its id");
        for (sql, arguments) in [
            ("INSERT INTO project_usage (project_id, bytes) VALUES ($1, $2)", args![project, KEPT]),
            ("INSERT INTO services (id, project_id, name, created_at, created_by) VALUES ($1, $2, 'web', $3, 'test')", args![service, project, now]),
            (
                "INSERT INTO revisions (id, service_id, number, descriptor, image, replicas, spec, created_at, created_by, why)
                 VALUES ($1, $2, 1, '{}', 'web:1', 1, '-', $3, 'test', '')",
                args![revision, service, now],
            ),
            (
                "INSERT INTO tasks (id, service_id, environment_id, machine_id, revision_id, slot, state, health, restarts, created_at)
                 VALUES ($1, $2, $3, $4, $5, 1, 'running', 'none', 0, $6)",
                args![task, service, machine.environment_id, machine.id, revision, now],
            ),
        ] {
            write.exec(sql, arguments).await.expect("written");
        }
        write.finish().await.expect("kept");
        let key = Key::Service { project, service, environment: machine.environment_id };
        Self { store, samples, project, key, member: Member { task, slot: 1, revision: 1 }, _folder: folder }
    }

    /// Half a core, from one time to another.
    fn uses(&self, from: i64, to: i64) {
        for at in (from..=to).step_by(30_000) {
            let values = vec![Value::new(Metric::CpuUsed, (at - BEGIN) as f64 * 500.0)];
            self.samples.append(at, &[Sample { key: self.key, member: Some(self.member), values }]).expect("kept");
        }
    }

    /// Counts what is to be counted when the clock says this.
    async fn count_at(&self, now: i64) -> Sums {
        self.store.clock.set(Millis(now));
        // Setting the mark back is a turn that counts nothing.
        tend(&self.store.worker).await.expect("counted");
        while tend(&self.store.worker).await.expect("counted") > 0 {}
        let sql = "SELECT CAST(COALESCE(SUM(cpu_used), 0) AS BIGINT) AS cpu, CAST(COALESCE(SUM(images), 0) AS BIGINT) AS images,
                   CAST(COALESCE(SUM(volumes), 0) AS BIGINT) AS volumes FROM usage_days";
        let sums = |row: &Row<'_>| Ok(Sums { cpu: row.get("cpu")?, images: row.get("images")?, volumes: row.get("volumes")? });
        self.store.platform.read().await.expect("a transaction").one(sql, args![], sums).await.expect("sums")
    }

    /// The first hour that is not counted.
    async fn mark(&self) -> Option<i64> {
        counted(&mut self.store.platform.read().await.expect("a transaction")).await.expect("read")
    }
}

/// A full hour, so many after the one in which the test begins.
fn hour(number: i64) -> i64 {
    (BEGIN.div_euclid(HOUR) + number) * HOUR
}

fn near(cpu: i64, minutes: i64) {
    let expected = minutes * MINUTE / 2;
    assert!((cpu - expected).abs() < 2 * MINUTE, "{cpu} is not about {expected} milliseconds of a core");
}

#[tokio::test]
async fn hours_that_were_counted_ahead_are_counted_when_they_come_and_nothing_of_them_twice() {
    let site = Site::open().await;
    site.count_at(BEGIN).await;
    // The last one is of the second hour: of the third, nothing is sampled when it is counted ahead.
    site.uses(BEGIN, hour(2) - 30_000);
    let sums = site.count_at(hour(2) + 10 * MINUTE).await;
    near(sums.cpu, 100);
    assert_eq!(sums.images, 2 * KEPT_HOUR);

    let month = 30 * DAY;
    let ahead = site.count_at(hour(2 + month) + 10 * MINUTE).await;
    assert_eq!((ahead.cpu, ahead.images), (sums.cpu, (2 + month) * KEPT_HOUR), "nothing was sampled, and something kept");
    let back = site.count_at(hour(2) + 20 * MINUTE).await;
    assert_eq!(back, ahead);
    assert_eq!(site.mark().await, Some(hour(2) / HOUR), "it goes on with this hour");
    site.uses(hour(2) + 30_000, hour(4) - 30_000);
    let after = site.count_at(hour(4) + 10 * MINUTE).await;
    near(after.cpu, 220);
    assert_eq!(after.images, ahead.images, "what is kept in these hours is counted already");
    assert_eq!(site.count_at(hour(4) + 10 * MINUTE).await, after);
    let beyond = site.count_at(hour(3 + month) + 10 * MINUTE).await;
    assert_eq!((beyond.cpu, beyond.images), (after.cpu, ahead.images + KEPT_HOUR));
}

#[tokio::test]
async fn a_clock_that_was_behind_for_a_while_counts_nothing_twice() {
    let site = Site::open().await;
    site.count_at(BEGIN).await;
    site.uses(BEGIN, hour(4));
    let sums = site.count_at(hour(4) + 10 * MINUTE).await;
    near(sums.cpu, 220);
    for behind in [hour(3) + 59 * MINUTE, hour(1) + 30 * MINUTE] {
        assert_eq!(site.count_at(behind).await, sums);
        assert_eq!(site.count_at(hour(4) + 20 * MINUTE).await, sums, "after {behind}");
    }
    assert_eq!(site.mark().await, Some(hour(4) / HOUR));
}

#[tokio::test]
async fn a_machine_that_starts_in_1970_charges_nothing_for_the_years_in_between() {
    let site = Site::open().await;
    let nothing = Sums { cpu: 0, images: 0, volumes: 0 };
    for now in [0, 5 * HOUR, 30 * DAY * HOUR] {
        assert_eq!(site.count_at(now).await, nothing);
        assert_eq!(site.mark().await, None, "nobody knows yet when it begins");
    }
    assert_eq!(site.count_at(BEGIN).await, nothing);
    let sums = site.count_at(hour(2) + 10 * MINUTE).await;
    assert_eq!(sums.images, 2 * KEPT_HOUR);
    assert_eq!(site.count_at(HOUR).await, sums);
    assert_eq!(site.count_at(hour(3) + 10 * MINUTE).await.images, 3 * KEPT_HOUR, "it goes on where it was");
}

#[tokio::test]
async fn what_was_kept_is_not_counted_for_longer_than_90_days() {
    let site = Site::open().await;
    site.count_at(BEGIN).await;
    site.uses(BEGIN, hour(1) + 30 * MINUTE);
    assert_eq!(site.count_at(hour(1) + 30 * MINUTE).await.images, KEPT_HOUR);
    let later = 1 + LONGEST;
    let sums = site.count_at(hour(later) + 10 * MINUTE).await;
    near(sums.cpu, 70);
    assert_eq!(sums.images, later * KEPT_HOUR, "90 days");
    let much_later = later + LONGEST + 1;
    assert_eq!(site.count_at(hour(much_later) + 10 * MINUTE).await, sums, "and an hour more");
    assert_eq!(site.count_at(hour(much_later + 1) + 10 * MINUTE).await.images, sums.images + KEPT_HOUR, "from here on as always");
}

#[tokio::test]
async fn what_was_sampled_right_before_a_long_stop_is_counted() {
    let site = Site::open().await;
    site.count_at(BEGIN).await;
    site.uses(BEGIN, hour(1) + 30 * MINUTE);
    let sums = site.count_at(hour(1 + 2 * LONGEST)).await;
    near(sums.cpu, 70);
    assert_eq!(sums.images, 0);
}

#[tokio::test]
async fn volumes_count_as_their_engine_said_last() {
    let site = Site::open().await;
    site.count_at(BEGIN).await;
    let machine = site.store.machine().await.id;
    let stranger: ProjectId = site.store.platform.new_id();
    let tell = async |sizes: &[(ProjectId, u64)]| volumes::seen(&site.store.worker, machine, &sizes.iter().copied().collect()).await.expect("kept");
    tell(&[(site.project, 1 << 30), (stranger, 5)]).await;
    tell(&[(site.project, 3 << 30), (stranger, 5)]).await;
    let of = |gib: i64| gib * (1 << 20) * 3_600;
    assert_eq!(site.count_at(hour(1) + 10 * MINUTE).await.volumes, of(3));
    assert_eq!(site.count_at(hour(3) + 10 * MINUTE).await.volumes, of(9), "it stands until something else is said");
    tell(&[]).await;
    assert_eq!(site.count_at(hour(4) + 10 * MINUTE).await.volumes, of(9));

    tell(&[(site.project, 1 << 30)]).await;
    let mut write = site.store.platform.bookkeeping().await.expect("a transaction");
    write.exec("UPDATE machines SET removed_at = $1 WHERE id = $2", args![site.store.platform.now(), machine]).await.expect("removed");
    write.finish().await.expect("kept");
    assert_eq!(site.count_at(hour(5) + 10 * MINUTE).await.volumes, of(9), "what is on a machine that was removed is not kept here");
}
