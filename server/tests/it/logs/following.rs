//! Following a log, searching as a stream, and files of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ::logs::{Kind, Record};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use super::{LOGS, PAGES, SOON, Scene, append, ask, fill};

/// The lines of a body, as they come.
struct Lines {
    body: Response,
    rest: Vec<u8>,
    ready: VecDeque<String>,
}

impl Lines {
    fn of(body: Response) -> Self {
        assert_eq!(body.status(), StatusCode::OK);
        Self { body, rest: Vec::new(), ready: VecDeque::new() }
    }

    /// The next line; none at the end. An error where the body breaks off.
    async fn next(&mut self) -> Result<Option<String>, reqwest::Error> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            let Some(bytes) = self.body.chunk().await? else { return Ok(None) };
            self.rest.extend_from_slice(&bytes);
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                self.ready.push_back(String::from_utf8(line).expect("UTF-8").trim_end_matches('\n').to_owned());
            }
        }
    }

    /// The next line, which comes soon.
    async fn soon(&mut self) -> String {
        timeout(SOON, self.next()).await.expect("in time").expect("no break").expect("one more line")
    }

    async fn json(&mut self) -> Value {
        serde_json::from_str(&self.soon().await).expect("a line of JSON")
    }
}

/// Follows as a program that reads JSON lines.
async fn follow(scene: &Scene, query: &[(&str, &str)]) -> Lines {
    let request = ask(&scene.portal.person("gus"), query).query(&[("follow", "true")]).header("accept", "application/x-ndjson");
    Lines::of(request.send().await.expect("an answer"))
}

#[tokio::test]
async fn a_line_is_seen_when_it_is_kept_also_the_first_one_of_all() {
    let scene = Scene::new().await;
    let mut lines = follow(&scene, &[]).await;
    for number in 0..5 {
        let text = format!("line {number}");
        let began = Instant::now();
        scene.append(vec![scene.line(number, &text)]);
        assert_eq!(lines.json().await["text"], text);
        // It takes some milliseconds; a machine that is busy with other tests gets time.
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn who_follows_what_matches_hears_of_that_alone_and_of_gaps() {
    let scene = Scene::new().await;
    fill(&scene);
    let mut lines = follow(&scene, &[("grep", "GET"), ("tail", "1"), ("stream", "stdout")]).await;
    // The last line that matches, and the gap, which is behind it.
    let first = lines.json().await;
    if first["stream"] != "gap" {
        assert_eq!(first["text"], "GET /login 302");
    }
    scene.append(vec![scene.line(20_000, "POST /login 200"), scene.other(20_001, "GET on stderr"), scene.line(20_002, "GET / 200")]);
    let gap = Record { kind: Kind::Gap, ..scene.other(20_003, "the engine was away for 3 s") };
    scene.append(vec![gap]);
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "the engine was away for 3 s") {
        heard.push(lines.json().await["text"].as_str().expect("a text").to_owned());
    }
    heard.retain(|text| !text.contains("7 lines are missing"));
    assert_eq!(heard, ["GET / 200", "the engine was away for 3 s"]);
}

#[tokio::test]
async fn a_stream_that_is_cut_again_and_again_goes_on_without_loss_and_without_doubling() {
    const COUNT: usize = 3000;
    let scene = Scene::new().await;
    let (stream, records) = (scene.stream(), (0..COUNT).map(|at| scene.line(at as i64, &format!("{at}"))).collect::<Vec<_>>());
    let writing = std::thread::spawn(move || {
        for part in records.chunks(7) {
            append(&stream, part.to_vec());
            std::thread::yield_now();
        }
    });
    let (mut heard, mut last): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut round = 0;
    while heard.len() < COUNT {
        let after = last.clone().unwrap_or_else(|| "0-0".into());
        let mut lines = follow(&scene, &[("after", &after)]).await;
        // A different number of lines each time, then the connection is dropped in the middle.
        for _ in 0..(round * 37) % 211 + 1 {
            if heard.len() == COUNT {
                break;
            }
            let line = lines.json().await;
            heard.push(line["text"].as_str().expect("a text").to_owned());
            last = Some(line["id"].as_str().expect("an id").to_owned());
        }
        round += 1;
    }
    writing.join().expect("all is written");
    assert!(heard.iter().enumerate().all(|(at, text)| *text == at.to_string()), "each line once, in its order");
}

#[tokio::test]
async fn a_reader_that_is_slow_misses_nothing() {
    const COUNT: usize = 1500;
    let scene = Scene::new().await;
    let mut lines = follow(&scene, &[]).await;
    let padding = "x".repeat(8 * 1024);
    // More than the way to the reader holds.
    for part in 0..COUNT / 100 {
        scene.append((0..100).map(|at| scene.line(at, &format!("{} {padding}", part * 100 + at as usize))).collect());
    }
    for number in 0..COUNT {
        let line = lines.json().await;
        let text = line["text"].as_str().expect("a text");
        assert_eq!(text.split(' ').next(), Some(number.to_string().as_str()));
    }
    scene.append(vec![scene.line(200, "and on")]);
    assert_eq!(lines.json().await["text"], "and on");
}

#[tokio::test]
async fn a_follower_is_cut_when_it_may_not_read_any_more() {
    let scene = Scene::new().await;
    fill(&scene);
    let mut lines = follow(&scene, &[("tail", "1")]).await;
    let browser = scene.portal.browser("gus").await;
    let mut events = Lines::of(browser.open(&format!("{PAGES}/stream?tail=1")).await);
    assert_eq!(lines.json().await["text"], "bye");
    let admin = scene.portal.person("admin");
    admin.delete("/api/v1/projects/shop/members/gus").await.expect_status(StatusCode::NO_CONTENT).await;
    let end = timeout(SOON, async { while let Ok(Some(_)) = lines.next().await {} });
    end.await.expect("the stream ends with the role");
    let mut told = events.soon().await;
    while !told.starts_with("event: end") {
        told = events.soon().await;
    }
    let why: Value = serde_json::from_str(events.soon().await.strip_prefix("data: ").expect("data")).expect("JSON");
    assert_eq!(why["code"], "not_found", "{why}");
    assert_eq!(events.next().await.expect("an orderly end").as_deref().unwrap_or(""), "");
}

#[tokio::test]
async fn a_browser_searches_as_a_stream_and_goes_on_after_the_last_event() {
    let scene = Scene::new().await;
    fill(&scene);
    let browser = scene.portal.browser("gus").await;
    let searched = browser.open(&format!("{PAGES}/stream?follow=false&grep=get")).await;
    assert_eq!(searched.headers()["content-type"], "text/event-stream");
    let text = timeout(SOON, searched.text()).await.expect("a search ends").expect("events");
    assert!(text.contains("GET /index.html 200") && text.contains("7 lines are missing") && !text.contains("bye"), "{text}");
    assert!(text.trim_end().ends_with("event: done\ndata: {}"), "{text}");
    let id = text.lines().find_map(|line| line.strip_prefix("id: ")).expect("a line's name").to_owned();

    let path = format!("{PAGES}/stream?grep=get&after=0-0");
    let again = browser.request(reqwest::Method::GET, &path).header("last-event-id", &id).send().await.expect("an answer");
    let mut events = Lines::of(again);
    let mut seen = Vec::new();
    scene.append(vec![scene.line(30_000, "get well")]);
    while seen.last().is_none_or(|last: &String| !last.contains("get well")) {
        let line = events.soon().await;
        if line.starts_with("data: {\"id\"") {
            seen.push(line);
        }
    }
    assert!(seen[0].contains("GET /login 302"), "behind the last event, not after what the address says: {seen:?}");
}

#[tokio::test]
async fn everything_that_matches_is_a_file() {
    let scene = Scene::new().await;
    scene.append((0..5000).map(|at| scene.line(at, &format!("line {at}"))).collect());
    let (from, to) = (scene.at(0), scene.at(6_000));
    let gus = scene.portal.person("gus");
    let answer = ask(&gus, &[("download", "true"), ("until", &to)]).send().await.expect("an answer");
    let stamp = |at: &str| at[..19].replace(['-', ':'], "") + "Z";
    let name = format!("web-{}-{}.log", stamp(&from), stamp(&to));
    assert_eq!(answer.headers()["content-disposition"], format!("attachment; filename=\"{name}\""));
    assert!(answer.headers()["content-type"].to_str().expect("text").starts_with("text/plain"));
    assert_eq!(answer.text().await.expect("a file").lines().count(), 5000, "all, not the last ones");

    let browser = scene.portal.browser("gus").await;
    let path = format!("{PAGES}/download?format=ndjson&grep=LINE+42&since={from}&until={to}");
    let answer = browser.open(&path).await;
    assert_eq!(answer.headers()["content-disposition"], format!("attachment; filename=\"{}\"", name.replace(".log", ".jsonl")));
    let text = answer.text().await.expect("a file");
    assert_eq!(text.lines().count(), 111, "42, 420 to 429, 4200 to 4299");
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).expect("JSON")["text"].as_str().expect("a text").starts_with("line 42")));
    assert_eq!(browser.open(&format!("{PAGES}/download?format=pdf")).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_search_whose_reader_is_gone_gives_its_place_to_another() {
    let scene = Scene::new().await;
    let padding = "x".repeat(16 * 1024);
    // More than a connection holds, so that no search comes to its end while nobody reads.
    for part in 0..8 {
        scene.append((0..500).map(|at| scene.line(part * 500 + at, &padding)).collect());
    }
    let gus = scene.portal.person("gus");
    let search = async || ask(&gus, &[("tail", "all")]).send().await.expect("an answer");
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(search().await);
        assert_eq!(open.last().expect("one").status(), StatusCode::OK);
    }
    let refused = search().await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let problem: Value = refused.json().await.expect("a problem");
    assert!(problem["code"] == "too_many_open" && problem["detail"].as_str().is_some_and(|text| text.contains("8 logs")), "{problem}");
    assert_eq!(gus.get(LOGS).await.status(), StatusCode::OK, "who looks at the last lines searches nothing");
    assert_eq!(ask(&scene.portal.person("dora"), &[("tail", "all"), ("grep", "y")]).send().await.expect("an answer").status(), StatusCode::OK);
    drop(open);
    // The server hears of the closed connections a moment later.
    let began = Instant::now();
    while search().await.status() != StatusCode::OK {
        assert!(began.elapsed() < SOON, "searches that nobody reads stop");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
