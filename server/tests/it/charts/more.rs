//! Every figure that is collected, at each door: JSON, CSV and the page, and which of them an alert leads to.

use ::metrics::{Key, Metric, Sample, Value as Figure};
use reqwest::StatusCode;
use serde_json::Value;

use super::{MIB, PAGE, STEP, Scene, about, chart, close, member};

const MACHINE: &str = "/api/v1/machines/local/metrics";
const MACHINE_PAGE: &str = "/admin/environments/local/machines/local/metrics";

impl Scene {
    /// Two hours of a service that is held back by its limit and of the machine below it; the hour before the last one was calmer.
    async fn busy() -> Self {
        let scene = Self::bare().await;
        let mut sums = [0.0; 4];
        for number in 0..=(2 * 3600 / 10) {
            let at = scene.end - 2 * 3_600_000 + number * STEP;
            let calm = at <= scene.end - 3_600_000;
            // Of a hundred periods in ten seconds so many were throttled, for so many microseconds; so many processes were killed.
            let grows = [100.0, if calm { 10.0 } else { 30.0 }, 2_000_000.0, if number % 60 == 0 { 1.0 } else { 0.0 }];
            sums.iter_mut().zip(grows).for_each(|(sum, grows)| *sum += grows);
            let samples = [scene.held_back(sums), scene.full(if calm { 30.0 } else { 60.0 }, sums[3])];
            scene.store().append(at, &samples).expect("kept");
        }
        scene
    }

    fn held_back(&self, [periods, throttled, time, kills]: [f64; 4]) -> Sample {
        let values = vec![
            Figure::new(Metric::CpuPeriods, periods),
            Figure::new(Metric::CpuThrottledPeriods, throttled),
            Figure::new(Metric::CpuThrottled, time),
            Figure::new(Metric::OomKills, kills),
            Figure::new(Metric::MemoryUsage, 200.0 * MIB),
            Figure::new(Metric::MemoryLimit, 256.0 * MIB),
            Figure::new(Metric::SwapUsed, 8.0 * MIB),
            Figure::new(Metric::Pids, 12.0),
        ];
        Sample { key: self.key, member: Some(member(1)), values }
    }

    fn full(&self, inodes: f64, kills: f64) -> Sample {
        let values = vec![
            Figure::labelled(Metric::DiskInodesUsed, "/", inodes),
            Figure::labelled(Metric::DiskInodes, "/", 100.0),
            Figure::labelled(Metric::EngineContainers, "running", 7.0),
            Figure::labelled(Metric::EngineContainers, "stopped", 3.0),
            Figure::new(Metric::EngineImages, 40.0),
            Figure::new(Metric::EngineVolumes, 5.0),
            Figure::labelled(Metric::EngineBytes, "volumes", 512.0 * MIB),
            Figure::new(Metric::OomKills, kills),
        ];
        Sample { key: Key::Machine(self.machine), member: None, values }
    }
}

fn line<'a>(told: &'a Value, group: &str, number: usize) -> &'a Value {
    &chart(told, group)["sides"][0]["lines"][number]
}

fn sum(column: &Value) -> f64 {
    column.as_array().expect("a column").iter().filter_map(Value::as_f64).sum()
}

#[tokio::test]
async fn what_holds_a_service_back_is_in_json_csv_and_the_page() {
    let scene = Scene::busy().await;
    let told = scene.told("").await;
    assert_eq!((chart(&told, "throttled")["unit"].as_str(), line(&told, "throttled", 0)["name"].as_str()), (Some("percent"), Some("Task 1")));
    close(about(&line(&told, "throttled", 0)["mean"]), 30.0);
    close(about(&line(&told, "throttled_time", 0)["mean"]), 20.0);
    close(about(&line(&told, "memory_usage", 0)["mean"]), 200.0 * MIB);
    close(about(&chart(&told, "memory_usage")["sides"][0]["limit"]), 256.0 * MIB);
    close(about(&line(&told, "pids", 0)["mean"]), 12.0);
    let kills = sum(&line(&told, "oom_kills", 0)["mean"]);
    assert!((5.0..=7.0).contains(&kills), "one in ten minutes: {kills}");
    assert_eq!(chart(&told, "oom_kills")["unit"], "times");
    let one = scene.told("?group=throttled&compare=previous").await;
    assert_eq!(one["charts"].as_array().expect("charts").len(), 1);
    close(about(&line(&one, "throttled", 0)["before"]), 10.0);

    let text = scene.portal.person("gus").get(&format!("{}?format=csv", super::METRICS)).await.expect_status(StatusCode::OK).await;
    let text = text.as_str().expect("text").to_owned();
    for figure in ["Held back by the CPU limit,of all periods,Task 1,", "Swap,used,Task 1,", "Kills for want of memory,killed,Task 1,"] {
        assert!(text.contains(figure), "no {figure}");
    }

    let page = scene.page(PAGE).await;
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text} in the page"));
    assert!(place("id=\"chart-disk\"") < place("<h2>More</h2>"), "what everybody has stands above");
    let (more, throttled) = (place("<h2>More</h2>"), place("id=\"chart-throttled\""));
    assert!(more < throttled && throttled < place("id=\"chart-pids\""));
    assert!(page.contains("those in which its CPU limit held it back"), "it says what it is");
    let compared = scene.page(&format!("{PAGE}?compare=previous")).await;
    assert!(compared.contains("chart-line c1 c-earlier"), "a line that adds up with no other is compared too");
}

#[tokio::test]
async fn inodes_and_what_the_engine_keeps_are_in_json_csv_and_the_page() {
    let scene = Scene::busy().await;
    let admin = scene.portal.person("admin");
    let told = admin.get(&format!("{MACHINE}?compare=previous")).await.expect_status(StatusCode::OK).await;
    assert_eq!(line(&told, "inodes", 0)["name"], "/");
    close(about(&line(&told, "inodes", 0)["mean"]), 60.0);
    close(about(&line(&told, "inodes", 0)["before"]), 30.0);
    let containers = &chart(&told, "engine_containers")["sides"][0];
    assert_eq!((containers["lines"][0]["name"].as_str(), containers["lines"][1]["name"].as_str()), (Some("running"), Some("stopped")));
    close(about(&containers["total"]["mean"]), 10.0);
    let images = &chart(&told, "engine_images")["sides"][0]["lines"];
    assert_eq!((images[0]["name"].as_str(), images[1]["name"].as_str()), (Some("images"), Some("volumes")));
    close(about(&images[1]["mean"]), 5.0);
    close(about(&line(&told, "engine_space", 0)["mean"]), 512.0 * MIB);

    let text = admin.get(&format!("{MACHINE}?format=csv&group=engine_space")).await.expect_status(StatusCode::OK).await;
    assert!(text.as_str().expect("text").contains("The engine's space,kept,volumes,"), "{text}");
    let text = admin.get(&format!("{MACHINE}?format=csv&group=inodes")).await.expect_status(StatusCode::OK).await;
    assert!(text.as_str().expect("text").contains(",Inodes,used,/,"), "{text}");

    let page = scene.portal.browser("admin").await.open(MACHINE_PAGE).await.text().await.expect("a page");
    for id in ["chart-inodes", "chart-engine_containers", "chart-engine_images", "chart-engine_space"] {
        assert!(page.contains(&format!("id=\"{id}\"")), "no {id}");
    }
    assert!(page.contains("Containers") && page.contains("512 MiB"), "{page}");
}
