//! Rates under a known load: what the store says of a time is held against what the kernel says of the same time, whatever else the machine has to do
//! meanwhile.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ::metrics::{Key, Metric, Point, Resolution, Select};
use domain::clock::{Clock as _, MachineClock};
use serde_json::{Value, json};

use super::slow::Slow;
use super::{Scene, kernel_cpu, number, script};
use crate::ground::{Ground, engine};

/// What the kernel said between these two times.
struct Look {
    before: i64,
    used: f64,
    after: i64,
}

/// Asks the kernel all the time what a task used of processors.
struct Kernel {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Look>>>,
}

impl Kernel {
    fn watches(task: &Value) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (task, stopped) = (task.clone(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut looks = Vec::new();
            loop {
                let last = stopped.load(Ordering::SeqCst);
                let before = MachineClock.now().0;
                let used = kernel_cpu(&task);
                looks.push(Look { before, used, after: MachineClock.now().0 });
                if last {
                    return looks;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { stop, thread: Some(thread) }
    }

    /// What it said until now.
    fn looks(mut self) -> Vec<Look> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().expect("it looks").join().expect("what it saw")
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// The least and the most that can have been used by then.
fn until(looks: &[Look], at: i64) -> (f64, f64) {
    let least = looks.iter().rev().find(|look| look.after <= at).expect("a look before");
    let most = looks.iter().find(|look| look.before >= at).expect("a look after");
    (least.used, most.used)
}

/// What the store says of the processors of a service with one task, by points of a step each that are within this time.
fn points(scene: &Scene, key: Key, step: i64, within: &Range<i64>) -> Vec<Point> {
    let store = scene.ground.portal().platform().metrics().expect("samples are kept");
    let max_points = usize::try_from((within.end - within.start) / step + 3).expect("a number");
    let select = Select { metrics: &[Metric::CpuUsed], label: None, from_ms: within.start, to_ms: within.end, max_points };
    let mut answer = store.query(key, &select).expect("read");
    assert_eq!((answer.resolution, answer.step_ms, answer.series.len()), (Resolution::Raw, step, 1));
    let mut points = answer.series.remove(0).points;
    points.retain(|point| point.at_ms >= within.start && point.at_ms + step <= within.end);
    points
}

/// Holds what these points say, which follow each other, against what the kernel says of their time; to within this part of it. The cores.
fn agrees(points: &[Point], looks: &[Look], step: i64, within: f64) -> f64 {
    assert!(points.iter().all(|point| point.covered_ms == step), "{points:?}");
    let (begin, end) = (points[0].at_ms, points[points.len() - 1].at_ms + step);
    assert_eq!(end - begin, step * i64::try_from(points.len()).expect("a number"), "{points:?}");
    let used: f64 = points.iter().map(|point| point.avg * point.covered_ms as f64 / 1000.0).sum();
    let (before, after) = (until(looks, begin), until(looks, end));
    let (least, most) = (after.0 - before.1, after.1 - before.0);
    let rightly = least * (1.0 - within)..=most * (1.0 + within);
    assert!(rightly.contains(&used), "the kernel says {least} to {most} µs from {begin} to {end}, and we {used}: {points:?}");
    used / ((end - begin) as f64 * 1000.0)
}

/// A loop that may have half a core.
fn busy() -> Value {
    let mut descriptor = script("while :; do :; done");
    descriptor["resources"] = json!({"cpus": 0.5});
    descriptor
}

/// The stream of a task's samples, and when it was sampled next.
async fn sampled(scene: &Scene, task: &Value) -> (Key, i64) {
    scene.until(task, "its processors", |latest| number(latest, Metric::CpuUsed, "").map(|_| (latest.key, latest.at_ms))).await
}

/// Waits for a sample that is later than this.
async fn later(scene: &Scene, task: &Value, than: i64) -> i64 {
    scene.until(task, "a later sample", |latest| (latest.at_ms > than).then_some(latest.at_ms)).await
}

async fn half_a_core(scene: Scene) {
    const STEP: i64 = 1000;
    let task = scene.runs("web", busy()).await;
    let kernel = Kernel::watches(&task);
    let (key, first) = sampled(&scene, &task).await;
    // A load is known over some time only.
    let last = later(&scene, &task, first + 12 * STEP).await;
    let points = points(&scene, key, STEP, &(first + STEP..last));
    assert!(points.len() >= 8, "{points:?}");
    let cores = agrees(&points, &kernel.looks(), STEP, 0.05);
    // A machine that has other things to do gives it less, and never more.
    assert!(cores < 0.6, "{cores} of a core: {points:?}");
    let (throttled, periods, all, limit) = scene
        .until(&task, "throttling", |latest| {
            let of = |metric| number(latest, metric, "");
            Some((of(Metric::CpuThrottled)?, of(Metric::CpuThrottledPeriods)?, of(Metric::CpuPeriods)?, of(Metric::CpuLimit)?))
        })
        .await;
    assert!(throttled > 0.0 && periods > 0.0 && periods <= all, "{throttled} {periods} {all}");
    assert!((limit - 0.5).abs() < 0.001, "{limit}");
}

#[tokio::test]
async fn a_loop_on_half_a_core_is_that_from_files() {
    half_a_core(Scene::from_files().await).await;
}

#[tokio::test]
async fn a_loop_on_half_a_core_is_that_through_the_engine() {
    half_a_core(Scene::through_the_engine().await).await;
}

#[tokio::test]
async fn a_new_task_on_a_slow_engine_shifts_nobodys_rate() {
    const STEP: i64 = 5000;
    let slow = Slow::before(&engine());
    let scene = Scene { ground: Ground::sampling_every(slow.address(), "5s").await, _cut: None };
    let task = scene.runs("web", busy()).await;
    let kernel = Kernel::watches(&task);
    let (key, first) = sampled(&scene, &task).await;
    // A third of a turn: the collector waits for up to two fifths.
    slow.inspections_take(Duration::from_millis(1700));
    let new = scene.runs("fresh", script("sleep 100000")).await;
    // It was looked for, or else it would not be sampled.
    sampled(&scene, &new).await;
    slow.inspections_take(Duration::ZERO);
    let last = later(&scene, &task, MachineClock.now().0 + 2 * STEP).await;
    let points = points(&scene, key, STEP, &(first + STEP..last));
    let looks = kernel.looks();
    assert!(points.len() >= 2, "{points:?}");
    for point in points.chunks(1) {
        agrees(point, &looks, STEP, 0.15);
    }
}
