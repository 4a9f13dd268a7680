use std::collections::BTreeSet;

use proptest::prelude::*;

use super::shape::{Place, Style, compare_yaml, in_groovy, in_shell, is_plain, mark};
use super::*;

const GOOD: &str = r#"
name: http-service
title: HTTP service
parameters:
  - {name: image, type: image, required: true}
  - {name: replicas, type: integer, default: 2, min: 1, max: 20, group: Size}
  - {name: cpus, type: decimal, default: "0.5", min: 0.1, max: 8}
  - {name: probe, type: choice, choices: [none, {value: http, label: An HTTP request}], default: none}
  - {name: path, default: /, pattern: "/.*", shown_if: {parameter: probe, equals: http}}
  - {name: region, type: choice, choices: [eu, us], default: eu}
  - {name: zone, type: choice, depends_on: region, choices: {eu: [fra, ams], us: [nyc]}, default: fra, required: true}
  - {name: verbose, type: boolean, default: false}
  - {name: db_password, type: secret, min: 8}
  - {name: wait, type: duration, default: 10s, max: 5m}
  - {name: memory, type: size, default: 256MiB}
descriptor: |
  image: {{ image }}
"#;

fn template(text: &str) -> Template {
    Template::parse(text).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn mistakes(text: &str) -> String {
    Template::parse(text).expect_err("a mistake").iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn answers(pairs: &[(&str, &str)]) -> Answers {
    pairs.iter().map(|(name, answer)| ((*name).to_owned(), (*answer).to_owned())).collect()
}

fn refused(template: &Template, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let errors = template.parameters.check(&answers(pairs), &BTreeSet::new()).expect_err("refused");
    errors.into_iter().map(|error| (error.field, error.message)).collect()
}

#[test]
fn every_parameter_has_its_default_or_its_answer() {
    let template = template(GOOD);
    let checked = template.parameters.check(&answers(&[("image", "web:1"), ("cpus", "0.50")]), &BTreeSet::new()).expect("right");
    let value = |name: &str| checked.values.get(name).cloned();
    assert_eq!(value("image"), Some(Value::Text("web:1".into())));
    assert_eq!(value("replicas"), Some(Value::Whole(2)));
    assert_eq!(value("cpus"), Some(Value::Decimal(0.5)));
    assert_eq!(value("verbose"), Some(Value::Truth(false)));
    assert_eq!(value("zone"), Some(Value::Text("fra".into())));
    assert_eq!(value("path"), None, "what is not shown has no value");
    assert_eq!(value("db_password"), None);
    assert_eq!(checked.answers.get("cpus").map(String::as_str), Some("0.5"), "one spelling");
    assert_eq!(template.parameters.groups().iter().map(|(name, list)| (*name, list.len())).collect::<Vec<_>>(), [("", 10), ("Size", 1)]);
}

#[test]
fn every_mistake_is_told_at_once_and_by_field() {
    let wrong = [
        ("replicas", "21"),
        ("cpus", "fast"),
        ("probe", "htpp"),
        ("region", "us"),
        ("zone", "fra"),
        ("verbose", "maybe"),
        ("db_password", "short"),
        ("wait", "10"),
        ("memory", "1GB"),
        ("replica", "1"),
    ];
    let found = refused(&template(GOOD), &wrong);
    let message = |field: &str| found.iter().find(|(name, _)| name == &format!("answers.{field}")).map(|(_, text)| text.as_str()).unwrap_or_default();
    assert!(message("image").contains("must be answered"));
    assert_eq!(message("replicas"), "at most 20");
    assert!(message("cpus").contains("0.5"));
    assert!(message("probe").contains("none, http"));
    assert!(message("zone").contains("nyc"), "the choice follows the other answer: {found:?}");
    assert!(message("verbose").contains("true nor false"));
    assert_eq!(message("db_password"), "at least 8 characters");
    assert!(message("wait").contains("10s?"));
    assert!(message("memory").contains("1GiB?"));
    assert!(message("replica").contains("did you mean \"replicas\"?"));
    assert!(!found.iter().any(|(_, text)| text.contains("short")), "a secret is repeated nowhere");
}

#[test]
fn what_is_shown_follows_the_answers() {
    let template = template(GOOD);
    let shown = |pairs: &[(&str, &str)]| template.parameters.shows("path", &answers(pairs));
    assert!(!shown(&[]) && shown(&[("probe", "http")]));
    let checked = template.parameters.check(&answers(&[("image", "a:1"), ("probe", "http"), ("path", "/x")]), &BTreeSet::new()).expect("right");
    assert_eq!(checked.values.get("path"), Some(&Value::Text("/x".into())));
    assert!(refused(&template, &[("image", "a:1"), ("probe", "http"), ("path", "x")])[0].1.contains("does not match"));
    // What is hidden is not looked at: no mistake that nobody could see.
    assert!(template.parameters.check(&answers(&[("image", "a:1"), ("path", "x")]), &BTreeSet::new()).is_ok());
    assert_eq!(template.parameters.choices("zone", &answers(&[("region", "us")])).iter().map(|one| one.value.as_str()).collect::<Vec<_>>(), ["nyc"]);
    // The default is not on offer there: it must be chosen.
    assert!(refused(&template, &[("image", "a:1"), ("region", "us")])[0].1.contains("must be answered"));
}

#[test]
fn a_secret_is_kept_when_it_is_left_empty_and_its_value_is_its_name() {
    let template = template(&GOOD.replace("type: secret, min: 8", "type: secret, min: 8, required: true"));
    assert!(refused(&template, &[("image", "a:1")])[0].0.ends_with("db_password"));
    let kept = BTreeSet::from([String::from("db_password")]);
    let checked = template.parameters.check(&answers(&[("image", "a:1"), ("db_password", "")]), &kept).expect("kept");
    assert_eq!(checked.values.get("db_password"), Some(&Value::Text("db_password".into())));
    assert!(checked.secrets.is_empty() && checked.used.contains("db_password"));
    let given = template.parameters.check(&answers(&[("image", "a:1"), ("db_password", "correct horse")]), &kept).expect("given");
    assert_eq!(given.secrets["db_password"].expose(), "correct horse");
    assert!(!format!("{given:?}").contains("correct horse") && !given.answers.contains_key("db_password"));
    assert!(!template.parameters.beginning(&answers(&[("db_password", "x")])).contains_key("db_password"));
}

#[test]
fn a_template_is_refused_with_its_place() {
    let found = mistakes(&GOOD.replace("pattern:", "patern:"));
    assert!(found.contains("parameters[4].patern: unknown key \"patern\"; did you mean \"pattern\"? (line 9, column"), "{found}");
    let cases = [
        ("type: integer, default: 2", "type: integer, default: 40", "at most 20"),
        ("min: 1, max: 20", "min: 30, max: 20", "is more than max"),
        ("type: size, default", "type: sise, default", "is none of string, text"),
        ("{parameter: probe, equals: http}", "{parameter: prob, equals: http}", "no parameter that stands before"),
        ("{parameter: probe, equals: http}", "{parameter: probe, equals: https}", "is never \"https\""),
        ("us: [nyc]", "uk: [lon]", "nothing to choose from when region is us"),
        ("name: verbose", "name: image", "two parameters image"),
        ("name: verbose", "name: loop", "means something else"),
        ("\"/.*\"", "\"/(\"", "no regular expression"),
        ("type: secret, min: 8", "type: secret, default: x", "a secret has no default"),
        ("name: http-service\n", "", "every template has a name"),
        ("descriptor: |\n  image: {{ image }}\n", "", "every template makes a descriptor"),
    ];
    for (from, to, words) in cases {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let found = mistakes(&text);
        assert!(found.contains(words), "{words}: {found}");
    }
}

#[test]
fn a_descriptor_that_is_no_text_is_explained() {
    let found = mistakes("name: a\ndescriptor:\n  image: web:1\n");
    assert!(found.contains("write `|` behind the colon"), "{found}");
}

/// What a writer may try: refused at once, or as fast as anything else.
#[test]
fn a_hostile_document_is_refused_in_time() {
    let bomb = format!(
        "name: a\nparameters:\n  - &a {{name: x, choices: [a, b]}}\n{}descriptor: x\n",
        (0..5000).map(|_| String::from("  - *a\n")).collect::<String>()
    );
    let laughs = "name: a\ndescription: &a [x, x, x, x, x, x, x, x, x]\nparameters: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n\
                  descriptor: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\ncurl: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n\
                  github: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\ngitlab: [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n";
    let deep = format!("name: a\nparameters: {}{}\ndescriptor: x\n", "[".repeat(5000), "]".repeat(5000));
    let wide = format!("name: a\nparameters: [{}]\ndescriptor: x\n", "{name: a},".repeat(15_000));
    let long = format!("name: a\ndescriptor: {}\n", "x".repeat(300_000));
    let texts = format!("name: a\ndescriptor: x\ncurl: {0}\ngithub: {0}\ngitlab: {0}\njenkinsfile: {0}\n", "x".repeat(60_000));
    let merged = "name: a\nparameters: [{<<: [{name: b}], type: string}]\ndescriptor: x\n";
    for (what, text) in [
        ("aliases", bomb.as_str()),
        ("laughs", laughs),
        ("deep", deep.as_str()),
        ("wide", wide.as_str()),
        ("long", long.as_str()),
        ("texts", texts.as_str()),
    ] {
        let began = std::time::Instant::now();
        let found = mistakes(text);
        assert!(!found.is_empty() && began.elapsed().as_secs() < 10, "{what}: {:?}", began.elapsed());
    }
    _ = Template::parse(merged);
}

#[test]
fn a_pattern_takes_no_longer_than_its_answer() {
    let with = |pattern: &str| format!("name: a\nparameters:\n  - {{name: x, pattern: '{pattern}'}}\ndescriptor: x\n");
    let answer = format!("{}!", "a".repeat(ANSWER_MAX - 1));
    for pattern in ["(a+)+", "(a|a)*b", "(a*)*(a*)*(a*)*c", "([a-z]+)*[0-9]", "(.*)*x", "a{0,100}a{0,100}"] {
        let template = template(&with(pattern));
        let began = std::time::Instant::now();
        assert_eq!(refused(&template, &[("x", &answer)]).len(), 1);
        assert!(began.elapsed().as_secs() < 3, "{pattern} took {:?}", began.elapsed());
    }
    for pattern in ["(a{1,500}){1,500}", "((((a{9}){9}){9}){9}){9}", "[a-z]{100000}", "a)|(b"] {
        assert!(mistakes(&with(pattern)).contains("no regular expression"), "{pattern}");
    }
    // A pattern is of the whole answer.
    assert_eq!(refused(&template(&with("a")), &[("x", "ab")]).len(), 1);
    assert!(template(&with("a|b")).parameters.check(&answers(&[("x", "b")]), &BTreeSet::new()).is_ok());
    assert_eq!(refused(&template(&with("a|b")), &[("x", "bc")]).len(), 1);
}

/// Conditions look back alone: none can depend on itself, through however many others.
#[test]
fn nothing_depends_on_what_comes_after_it() {
    let with = |parameters: &str| format!("name: a\nparameters:\n{parameters}descriptor: x\n");
    let circles = [
        "  - {name: a, shown_if: {parameter: a, equals: x}}\n",
        "  - {name: a, shown_if: {parameter: b, equals: x}}\n  - {name: b, shown_if: {parameter: a, equals: x}}\n",
        "  - {name: a, type: choice, depends_on: b, choices: {x: [x]}}\n  - {name: b, type: choice, depends_on: a, choices: {x: [x]}}\n",
    ];
    for circle in circles {
        assert!(mistakes(&with(circle)).contains("no parameter that stands before"), "{circle}");
    }
    // A chain: what hides the first hides all that hang on it, whatever was answered to them.
    let chain = "  - {name: a, type: boolean, default: false}\n  - {name: b, default: x, shown_if: {parameter: a, equals: 'true'}}\n  \
                 - {name: c, required: true, shown_if: {parameter: b, equals: x}}\n";
    let template = template(&with(chain));
    let checked = template.parameters.check(&answers(&[("b", "x"), ("c", "y")]), &BTreeSet::new()).expect("right");
    assert_eq!(checked.values.keys().collect::<Vec<_>>(), ["a"]);
    assert!(refused(&template, &[("a", "true")])[0].0 == "answers.c");
    assert_eq!(refused(&template, &[("a", "yes")]).len(), 1, "a condition is about the answer's one spelling");
}

#[test]
fn answers_are_bounded_and_hold_what_documents_can_show() {
    let template = template("name: a\nparameters: [{name: x}, {name: y, type: text}, {name: z, type: secret}]\ndescriptor: x\n");
    let one = |name: &str, answer: &str| template.parameters.check(&answers(&[(name, answer)]), &BTreeSet::new());
    for fine in ["größe", "東京", "🚢", "a\u{301}", "x".repeat(ANSWER_MAX).as_str()] {
        assert!(one("x", fine).is_ok(), "{fine:?}");
    }
    for wrong in ["a\nb", "a\rb", "a\0b", "\u{1b}[31m", "\u{feff}", "\u{202e}abc", "\u{e000}0\u{e001}", "x".repeat(ANSWER_MAX + 1).as_str()] {
        assert!(one("x", wrong).is_err(), "{wrong:?}");
    }
    assert!(one("y", "a\r\nb").is_ok() && one("z", "a\nb\u{1b}").is_ok() && one("z", "a\0b").is_err());
    let many: Answers = (0..20).map(|number| (format!("n{number}"), "x".repeat(ANSWER_MAX))).collect();
    let found = template.parameters.check(&many, &BTreeSet::new()).expect_err("too much");
    assert_eq!((found.len(), found[0].field.as_str()), (1, "answers"));
}

#[test]
fn reading_and_checking_end_with_their_time() {
    let left = std::cell::Cell::new(0_usize);
    let in_time = || {
        left.set(left.get().saturating_sub(1));
        left.get() > 0
    };
    let text = "name: a\nparameters: [{name: x, pattern: 'a+', default: a}, {name: y, pattern: 'a+', default: a}]\ndescriptor: x\n";
    left.set(2);
    let found = Template::parse_within(text, &in_time).expect_err("too late");
    assert_eq!((found.len(), found[0].field.as_str()), (1, "parameters[1]"));
    left.set(3);
    let template = Template::parse_within(text, &in_time).expect("in time");
    left.set(2);
    let found = template.parameters.check_within(&Answers::new(), &BTreeSet::new(), &in_time).expect_err("too late");
    assert_eq!((found.len(), found[0].field.as_str()), (1, "answers"));
}

fn whole(value: &str) -> Place {
    Place { line: 1, style: Style::Whole, value: value.into(), written: serde_json::to_string(value).expect("a text"), plain: is_plain(value) }
}

fn word(value: &str) -> Place {
    let quoted = format!("'{}'", value.replace('\'', r"'\''"));
    let plain = is_plain(value);
    Place { line: 1, style: Style::Shell, value: value.into(), written: if plain { value.into() } else { quoted }, plain }
}

fn holds(source: &str, places: &[Place]) -> Result<(), String> {
    let fill = |with: &dyn Fn(usize) -> String| (0..places.len()).fold(source.to_owned(), |text, at| text.replace(&format!("<{at}>"), &with(at)));
    compare_yaml(&fill(&mark), &fill(&|at| places[at].written.clone()), places).map_err(|error| error.message)
}

#[test]
fn a_whole_value_stands_and_a_part_of_one_does_not() {
    let nasty = "x\n- y: {a: b} # \"'";
    assert_eq!(holds("a: <0>\nb: [<0>, {c: <0>}]\n<0>: 1\n", &[whole(nasty)]), Ok(()));
    assert!(holds("a: \"x <0>\"\n", &[whole("b")]).expect_err("within quotes").contains("within a longer value"));
    assert!(holds("a: x-<0>\n", &[whole("b")]).expect_err("within a word").contains("within a longer value"));
    assert!(holds("a: {b: \"<0>\"}\n", &[whole("\", privileged: true, c: \"")]).is_err());
    assert_eq!(holds("run: |\n  docker push <0>\n", &[word("a b; rm -rf /")]), Ok(()));
    assert!(holds("run: |\n  echo \"<0>\"\n", &[word("$(id)")]).expect_err("quotes").contains("within quotes"));
    assert_eq!(holds("run: |\n  echo \"<0>\"\n", &[word("web:1.4")]), Ok(()), "a plain word stands anywhere");
    assert!(holds("run: echo <0>\n", &[word("a: b #c")]).is_err(), "it would end the value");
}

#[test]
fn quotes_of_shell_and_groovy_are_known() {
    let at = |text: &str| text.replace('@', &mark(7));
    for safe in ["curl @", "A=@ curl", "# it's @", "echo 'a' @", "echo \"a\"@", "x='it'\\''s' y=@", "echo a#b '@' @"] {
        assert!(in_shell(&at(safe)).contains(&7), "{safe}");
    }
    for unsafe_ in
        ["echo '@'", "echo \"@\"", "cat <<EOF\n@\nEOF", "echo \"$(echo \"@\")\"", "echo `@`", "echo $'\\'@'", "echo \\@", "echo $@", "echo $((@))"]
    {
        assert!(!in_shell(&at(unsafe_)).contains(&7), "{unsafe_}");
    }
    for safe in ["image = @", "// it's\nimage = @", "a = 'x\\'' + @", "sh '''it's''' + @", "/* ' */ @"] {
        assert!(in_groovy(&at(safe)).contains(&7), "{safe}");
    }
    for unsafe_ in ["sh \"@\"", "sh '''echo @'''", "x = /'/ + '@'", "sh \"\"\"a \" @\"\"\""] {
        assert!(!in_groovy(&at(unsafe_)).contains(&7), "{unsafe_}");
    }
}

proptest! {
    #[test]
    fn no_whole_value_changes_a_document(value in "\\PC{0,40}", more in "[\\n:#'\"{}\\[\\],&*!|>%@`\\-? a]{0,20}") {
        let value: String = format!("{value}{more}").chars().filter(|c| !matches!(c, '\u{e000}' | '\u{e001}' | '\u{feff}')).collect();
        let ascii: String = value.chars().filter(char::is_ascii).collect();
        prop_assert_eq!(holds("env:\n  A: <0>\n  B: [<0>, <0>]\nc: {d: <0>}\n", &[whole(&ascii)]), Ok(()));
    }

    #[test]
    fn no_word_leaves_its_place(value in "[ -~\\n]{0,30}") {
        let place = word(&value);
        // Whatever it is: either it is one word there, or it is refused.
        if holds("run: |\n  push <0> end\nnext: 1\n", std::slice::from_ref(&place)).is_ok() {
            let words = shell_words::split(&place.written).expect("whole quotes");
            prop_assert_eq!(words, vec![value]);
        }
    }

    #[test]
    fn answers_of_any_sort_are_checked_without_a_panic(name in "[a-z_]{1,12}", text in "\\PC{0,60}") {
        let template = template(GOOD);
        let _ = template.parameters.check(&Answers::from([(name, text.clone()), (String::from("image"), text)]), &BTreeSet::new());
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,200}") {
        let _ = Template::parse(&text);
        let _ = Template::parse(&format!("{GOOD}{text}"));
        let _ = (in_shell(&text), in_groovy(&text));
    }

    #[test]
    fn checked_answers_are_right_again(replicas in 1_i64..=20, cpus in 1_u32..80, wait in 1_u64..300) {
        let template = template(GOOD);
        let cpus = f64::from(cpus) / 10.0;
        let given = answers(&[("image", "web:1"), ("replicas", &replicas.to_string()), ("cpus", &cpus.to_string()), ("wait", &format!("{wait}s"))]);
        let once = template.parameters.check(&given, &BTreeSet::new()).expect("right");
        let twice = template.parameters.check(&once.answers, &BTreeSet::new()).expect("right again");
        prop_assert_eq!(once, twice);
    }
}
