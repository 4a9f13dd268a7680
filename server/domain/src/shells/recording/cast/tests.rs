use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn header() -> Header {
    Header { width: 80, height: 24, title: "dora in shop/web.1".into(), started_at: Millis(1_795_166_400_999) }
}

/// Lines as JSON; the header first.
fn read(bytes: &[u8]) -> Vec<Value> {
    assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "whole lines");
    std::str::from_utf8(bytes).expect("UTF-8").lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn of_kind(events: &[Value], kind: &str) -> Vec<String> {
    events.iter().filter(|event| event[1] == kind).map(|event| event[2].as_str().expect("a text").to_owned()).collect()
}

/// Bytes that are often cut characters, escapes and quotes, and sometimes no text at all.
fn printed() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<String>().prop_map(String::into_bytes),
        Just("😀é漢".as_bytes().to_vec()),
        Just(b"\x1b[31m\"\\\r\n\0\x7f".to_vec()),
        vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_split_of_any_bytes_is_the_text_of_the_whole(bytes in printed(), cuts in vec(any::<prop::sample::Index>(), 0..10)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut cast = Cast::new(&header(), Limits::USUAL);
        let mut kept = Vec::new();
        for (step, pair) in cuts.windows(2).enumerate() {
            cast.output(Duration::from_millis(step as u64 * 7), &bytes[pair[0]..pair[1]]);
            // Whenever it is written away, it is whole lines.
            read(&cast.lines);
            if step % 3 == 0 {
                kept.extend(cast.take());
            }
        }
        cast.end(Duration::from_secs(1));
        kept.extend(cast.take());
        let lines = read(&kept);
        prop_assert_eq!(of_kind(&lines[1..], "o").concat(), String::from_utf8_lossy(&bytes));
        let times: Vec<f64> = lines[1..].iter().map(|event| event[0].as_f64().expect("a time")).collect();
        prop_assert!(times.is_sorted());
    }

    #[test]
    fn a_flood_of_any_pieces_is_bounded_and_says_so(sizes in vec(1_usize..70_000, 1..60), pause in 0_u64..200) {
        let limits = Limits { whole: 100_000, full: 140_000, trickle: 512, saved: 1000 };
        let mut cast = Cast::new(&header(), limits);
        let mut printed = 0;
        for (step, size) in sizes.iter().enumerate() {
            cast.output(Duration::from_millis(step as u64 * pause), &vec![b'x'; *size]);
            printed += *size as u64;
        }
        cast.end(Duration::from_secs(60));
        let lines = read(&cast.take());
        prop_assert!(cast.total <= limits.full);
        let kept = of_kind(&lines[1..], "o").concat().len() as u64;
        let told: u64 = of_kind(&lines[1..], "m").iter().filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum();
        prop_assert!(kept + told == printed, "{kept} kept, {told} told of {printed}");
    }
}

#[test]
fn the_header_and_events_are_those_of_the_format() {
    let mut cast = Cast::new(&header(), Limits::USUAL);
    cast.output(Duration::from_micros(1_250_001), "hé".as_bytes());
    cast.resize(Duration::from_secs(2), 100, 30);
    cast.resize(Duration::from_secs(3), 100, 30);
    let text = String::from_utf8(cast.take()).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    let first: Value = serde_json::from_str(lines[0]).expect("JSON");
    assert_eq!(first["version"], 2);
    assert_eq!((&first["width"], &first["height"], &first["timestamp"]), (&json!(80), &json!(24), &json!(1_795_166_400)));
    assert_eq!(first["env"]["TERM"], "xterm-256color");
    assert_eq!(lines[1..], [r#"[1.250001,"o","hé"]"#, r#"[2.0,"r","100x30"]"#], "the same size is said once");
}

#[test]
fn what_is_done_after_a_flood_is_recorded() {
    let limits = Limits { whole: 10_000, full: 1 << 20, trickle: 512, saved: 1000 };
    let mut cast = Cast::new(&header(), limits);
    for step in 0..100 {
        cast.output(Duration::from_millis(step), &[b'y'; 1024]);
    }
    cast.resize(Duration::from_secs(10), 132, 43);
    cast.output(Duration::from_secs(10), b"$ rm -r /srv\r\n");
    let events = read(&cast.take());
    assert!(of_kind(&events, "o").concat().ends_with("$ rm -r /srv\r\n"));
    assert_eq!(of_kind(&events, "r"), ["132x43"]);
    let markers = of_kind(&events, "m");
    assert_eq!(markers.len(), 2, "{markers:?}");
    assert!(markers[0].starts_with("Output is left out") && markers[1].contains("bytes of output were left out"), "{markers:?}");
}

#[test]
fn what_answers_whoever_types_is_recorded_after_and_in_a_flood() {
    let limits = Limits { whole: 10_000, full: 1 << 20, trickle: 512, saved: 5000 };
    let mut cast = Cast::new(&header(), limits);
    for step in 0..100 {
        cast.output(Duration::from_millis(step), &[b'y'; 1024]);
    }
    cast.take();
    // Nothing of the trickle is saved up: that somebody types makes the room.
    cast.output(Duration::from_millis(101), &[b'y'; 1024]);
    cast.typed(3);
    cast.output(Duration::from_millis(102), b"$ ls\r\n");
    for _ in 0..10 {
        cast.output(Duration::from_millis(103), &[b'z'; 1024]);
    }
    let events = read(&cast.take());
    let seen = of_kind(&events, "o").concat();
    assert!(seen.starts_with("$ ls\r\n"), "{seen:.20}");
    assert_eq!(seen.matches('z').count(), 4 * 1024, "the beginning of the answer");
    let markers = of_kind(&events, "m");
    assert!(markers[0].ends_with("bytes of output were left out before this, and 3 bytes were typed meanwhile"), "{markers:?}");
}

#[test]
fn whoever_goes_on_typing_under_a_flood_fills_the_recording() {
    let limits = Limits { whole: 10_000, full: 40_000, trickle: 512, saved: 5000 };
    let flooded = |keys: usize| {
        let mut cast = Cast::new(&header(), limits);
        for step in 0..keys * 100 {
            if step % 100 == 99 {
                cast.typed(1);
            }
            cast.output(Duration::from_micros(step as u64), &[b'y'; 1024]);
        }
        assert!(cast.total <= limits.full);
        cast.is_full()
    };
    assert!(!flooded(2), "not by a key that ends a flood");
    assert!(flooded(50));
}

#[test]
fn a_full_recording_says_how_much_is_missing_at_its_end() {
    let limits = Limits { whole: 5000, full: 6000, trickle: 512, saved: 5000 };
    let mut cast = Cast::new(&header(), limits);
    let mut printed = 0;
    while !cast.is_full() {
        cast.output(Duration::ZERO, &[b'y'; 10]);
        printed += 10;
    }
    cast.output(Duration::from_secs(1), &[b'y'; 777]);
    printed += 777;
    cast.end(Duration::from_secs(2));
    let events = read(&cast.take());
    let kept = of_kind(&events[1..], "o").concat().len();
    let last = events.last().expect("a marker");
    assert_eq!((&last[1], &last[2]), (&json!("m"), &json!(format!("{} bytes of output were left out before this", printed - kept))));
}

#[test]
fn a_storm_of_sizes_does_not_fill_the_disk() {
    let limits = Limits { whole: 2000, full: 100_000, trickle: 512, saved: 1000 };
    let mut cast = Cast::new(&header(), limits);
    for step in 0..100_000_u64 {
        cast.resize(Duration::from_micros(step * 10), 80 + (step % 50) as u16, 24);
    }
    assert!(cast.total < 6000, "{}", cast.total);
    cast.output(Duration::from_secs(20), b"here");
    let events = read(&cast.take());
    assert_eq!(of_kind(&events, "r").last().map(String::as_str), Some("129x24"), "the last size is right when something is printed");
}
