//! How small a web access log becomes, and how fast it is searched.

use std::ops::ControlFlow;
use std::time::Instant;

use super::*;

/// Random numbers, the same each time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    /// Small numbers far more often than large ones, as visitors and pages are.
    fn often_small(&mut self, most: u64) -> u64 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        ((most as f64 + 1.0).powf(unit) - 1.0) as u64
    }
}

const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.{} Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/{}.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "kube-probe/1.{}",
];

/// Lines of nginx in its `combined` format: thousands of visitors, hundreds of pages, sizes and times at random.
pub(crate) fn access_log(lines: usize, seed: u64) -> impl Iterator<Item = Record> {
    let mut dice = Dice(seed);
    let visitors: Vec<String> =
        (0..8000).map(|_| format!("{}.{}.{}.{}", 1 + dice.below(223), dice.below(256), dice.below(256), dice.below(256))).collect();
    let pages: Vec<String> = (0..1500)
        .map(|n| match n % 4 {
            0 => format!("/articles/{:06x}-what-there-is-to-know", dice.below(1 << 24)),
            1 => format!("/static/{:016x}.js", dice.next()),
            2 => format!("/api/v1/items/{}", dice.below(900_000)),
            _ => format!("/shop/category-{}/page/{}", dice.below(40), dice.below(300)),
        })
        .collect();
    let mut at_nanos = 1_795_305_600_000_000_000_i64;
    (0..lines).map(move |_| {
        at_nanos += 1 + dice.below(18_000_000) as i64;
        let seconds = at_nanos / 1_000_000_000;
        let time = format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let page = |dice: &mut Dice| pages[dice.often_small(pages.len() as u64) as usize % pages.len()].clone();
        let visitor = &visitors[dice.often_small(visitors.len() as u64) as usize % visitors.len()];
        let mut path = page(&mut dice);
        if dice.below(5) == 0 {
            path += &format!("?q={:x}", dice.below(5000));
        }
        let method = if dice.below(12) == 0 { "POST" } else { "GET" };
        let status = [200, 200, 200, 200, 200, 200, 200, 304, 304, 301, 404, 500][dice.below(12) as usize];
        let size = if status == 304 { 0 } else { dice.often_small(200_000) };
        let referer = if dice.below(3) == 0 { "-".to_owned() } else { format!("https://www.example.com{}", page(&mut dice)) };
        let agent = AGENTS[dice.often_small(6) as usize % 6].replace("{}", &(100 + dice.often_small(30)).to_string());
        let text = format!("{visitor} - - [22/Nov/2026:{time} +0000] \"{method} {path} HTTP/1.1\" {status} {size} \"{referer}\" \"{agent}\"");
        line(u128::from(dice.below(3)), at_nanos, &text)
    })
}

#[test]
fn an_access_log_takes_less_than_an_eighth_of_its_text() {
    let folder = tempfile::tempdir().expect("a folder");
    // Half the size, for the time that it takes; the chunks are what they are otherwise.
    let store = Store::open(folder.path(), Options { journal_bytes: 4 << 20, ..Options::default() }).expect("opened");
    let stream = store.stream(key(1)).expect("made");
    let mut text = 0;
    let mut records = Vec::new();
    for record in access_log(34_000, 1) {
        text += record.text.len() as u64;
        records.push(record);
        if records.len() == 50 {
            stream.append(&batch(std::mem::take(&mut records))).expect("appended");
        }
    }
    seal(&stream);
    let bytes: u64 = walk(folder.path().to_owned()).iter().filter(|path| path.is_file()).map(|path| path.metadata().expect("there").len()).sum();
    assert!(text > 6 << 20, "{text}");
    assert!(bytes * 8 <= text, "{bytes} bytes for {text} of text: 1/{:.2}", text as f64 / bytes as f64);
}

/// Run by hand, in release: `cargo test -p logs --release --lib gibibyte -- --ignored --nocapture`.
#[test]
#[ignore = "takes a minute and measures time"]
fn a_gibibyte_is_searched_for_a_rare_word_in_two_seconds() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), Options::default()).expect("opened");
    let stream = store.stream(key(1)).expect("made");
    let (mut text, mut number, mut records) = (0_u64, 0_u64, Vec::new());
    let begin = Instant::now();
    for record in access_log(usize::MAX, 7) {
        text += record.text.len() as u64;
        number += 1;
        let rare = number % 1_500_000 == 1_000_000;
        records.push(if rare { Record { text: format!("{} ZebraCrossing", record.text), ..record } } else { record });
        if records.len() == 500 {
            stream.append(&batch(std::mem::take(&mut records))).expect("appended");
            if text >= 1 << 30 {
                break;
            }
        }
    }
    seal(&stream);
    let bytes = store.bytes(key(1).project).expect("read");
    let mut report =
        format!("{number} lines, {text} bytes of text, {bytes} on disk (1/{:.2}), written in {:?}\n", text as f64 / bytes as f64, begin.elapsed());
    let matchers = [
        ("word", Matcher::text("ZebraCrossing", false)),
        ("word, any case", Matcher::text("zebracrossing", true)),
        ("regex", Matcher::regex(r"Zebra[A-Z]\w+$", false).expect("a pattern")),
        ("regex without a word", Matcher::regex(r"[A-Z][a-z]{4}[A-Z][a-z]{7}$", false).expect("a pattern")),
    ];
    for (name, matcher) in matchers {
        let select = Select { matcher: Some(matcher), ..Select::default() };
        let begin = Instant::now();
        let found = scan(&stream, &select, Start::Oldest).0.len();
        let took = begin.elapsed();
        report += &format!("{name}: {found} found in {took:?}");
        assert!(!name.starts_with("word") || took.as_secs() < 2, "{report}");
        let begin = Instant::now();
        let last = stream.last(&select, 300, 1 << 20, None).expect("read").len();
        report += &format!(", the last {last} in {:?}\n", begin.elapsed());
        assert_eq!(found, last);
    }
    let begin = Instant::now();
    let mut lines = 0_u64;
    let mut count = |_| {
        lines += 1;
        ControlFlow::Continue(())
    };
    stream.scan(&Select::default(), Start::Oldest, &mut count, &mut |_| ControlFlow::Continue(())).expect("scanned");
    report += &format!("all {lines} lines in {:?}\n", begin.elapsed());
    let begin = Instant::now();
    stream.last(&Select::default(), 300, 1 << 20, None).expect("read");
    report += &format!("the last 300 in {:?}\n", begin.elapsed());
    eprintln!("{report}");
}
