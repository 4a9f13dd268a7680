//! Logs of one stream that are read together: dozens of them, some that the engine throws away meanwhile, and a stream that is gone.

use super::*;

/// Renames the files of a log as the engine does when it begins a new one.
fn rotate(scene: &Scene, number: u128) {
    let path = scene.path(number);
    let name = |times: usize| if times == 0 { path.clone() } else { PathBuf::from(format!("{}.{times}", path.display())) };
    for times in [2, 1] {
        if name(times - 1).exists() {
            std::fs::rename(name(times - 1), name(times)).expect("renamed");
        }
    }
}

#[tokio::test]
async fn what_dozens_of_tasks_wrote_is_kept_in_the_order_of_time() {
    for (tasks, lines) in [(12_usize, 2_000_usize), (100, 250)] {
        let mut scene = Scene::new().await;
        for number in 1..=tasks {
            // A piece spans more time in some than in others.
            let text = "x".repeat((number % 5 + 1) * 200);
            scene.write(number as u128, (0..lines).map(|at| (BEGIN + (at * 1_000_000 + number * 1_000) as i64, format!("{at} {text}"))));
            scene.follow(1, number as u128);
        }
        scene.desk.pass();
        assert!(scene.kept(1).len() < tasks * lines, "in several batches");
        pass_until(&mut scene, tasks * lines);
        let kept = scene.kept(1);
        assert_eq!(kept.len(), tasks * lines);
        let late = kept.windows(2).find(|pair| pair[0].at_nanos > pair[1].at_nanos);
        assert!(late.is_none(), "{tasks} tasks, in the order of time: {late:?}");
    }
}

/// A log of much that is early, which others wait for.
fn early(scene: &mut Scene) {
    let filler = "x".repeat(1_000);
    scene.write(1, (0..10_000).map(|at| (BEGIN + at, format!("{at} {filler}"))));
    scene.follow(1, 1);
}

#[tokio::test]
async fn what_the_engine_throws_away_next_waits_for_nobody() {
    let mut scene = Scene::new().await;
    early(&mut scene);
    for (at, text) in [(0, "oldest"), (1, "middle"), (2, "newest")] {
        rotate(&scene, 2);
        scene.write(2, one(1_000_000 + at, text));
    }
    scene.follow(1, 2);
    scene.desk.pass();
    assert!(scene.texts(1).iter().any(|text| text == "oldest"));
    scene.write(2, one(2_000_000, "later"));
    scene.desk.pass();
    let texts = scene.texts(1);
    assert!(texts.len() < 10_000 && !texts.iter().any(|text| text == "later"), "there are earlier lines, and its file is the newest");
}

#[tokio::test]
async fn what_is_missing_before_lines_that_wait_is_said_with_them() {
    let mut scene = Scene::new().await;
    early(&mut scene);
    // As many files as the engine keeps, of which the newest has room for long.
    for (file, lines) in [(0, 10), (1, 10), (2, 1)] {
        rotate(&scene, 2);
        scene.write(2, (0..lines).map(|at| (BEGIN + 1_000_000 + file * 100 + at, format!("file {file}"))));
    }
    scene.follow(1, 2);
    (0..2).for_each(|_| scene.desk.pass());
    let kept = scene.kept(1);
    assert!(!kept.is_empty() && kept.iter().all(|record| record.task == task(1)));
    pass_until(&mut scene, 10_022);
    let kept = scene.kept(1);
    let gap = kept.iter().position(|record| record.kind == Kind::Gap).expect("it is said");
    assert_eq!((gap, kept[gap + 1].text.as_str()), (10_000, "file 0"));
}

#[tokio::test]
async fn whoever_waits_for_the_end_of_a_log_is_answered_when_its_service_was_deleted() {
    let mut scene = Scene::new().await;
    scene.write(1, one(0, "first"));
    scene.follow(1, 1);
    scene.desk.pass();
    scene.store.remove_service(key(1).project, key(1).service).expect("removed");
    scene.write(1, one(1, "last"));
    let mut done = scene.finish(1);
    scene.desk.pass();
    assert!(done.try_recv().is_ok());
}
