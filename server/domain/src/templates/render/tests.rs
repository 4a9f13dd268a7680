use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use model::template::Answers;
use proptest::prelude::*;

use super::*;

fn template(parameters: &str, sources: &[(&str, &str)]) -> Template {
    let mut text = format!("name: t\nparameters:\n{parameters}\n");
    for (name, source) in sources {
        text.push_str(&format!("{name}: |\n"));
        source.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    if !sources.iter().any(|(name, _)| *name == "descriptor") {
        text.push_str("descriptor: |\n  image: a:1\n");
    }
    Template::parse(&text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))
}

fn values(template: &Template, given: &[(&str, &str)]) -> BTreeMap<String, Value> {
    let answers: Answers = given.iter().map(|(name, answer)| ((*name).to_owned(), (*answer).to_owned())).collect();
    template.parameters.check(&answers, &BTreeSet::new()).unwrap_or_else(|errors| panic!("{errors:?}")).values
}

fn around() -> Around {
    Around {
        url: "https://slipway.example.com".into(),
        registry: "slipway.example.com".into(),
        project: "shop".into(),
        service: "web".into(),
        environment: "local".into(),
        template: "t".into(),
        version: 1,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

const TEXTS: &str = "  - {name: a}\n  - {name: b, default: two}\n  - {name: n, type: integer, default: 3}\n  - {name: on, type: boolean, default: true}\n  - {name: more, type: text}";

fn made(output: &str, source: &str, given: &[(&str, &str)]) -> Result<String, String> {
    let template = template(TEXTS, &[(output, source)]);
    render(&template, output.parse().expect("an output"), &values(&template, given), &around(), soon()).map_err(|error| error.message)
}

#[test]
fn values_are_written_whole() {
    let source = "# {{ a }}\nimage: {{ a }}\nreplicas: {{ n }}\n{% if on %}\nenv:\n{% for one in more | pairs %}\n  {{ one.name }}: {{ one.value }}\n{% endfor %}\n{% endif %}\nuser: {{ \"u-\" ~ n ~ \":\" ~ b }}\nnone: {{ slipway.project }}\n";
    let text = made("descriptor", source, &[("a", "x: y # z"), ("more", "A=1\n B = a=b: {c}\n\n")]).expect("made");
    let expected =
        "# \"x: y # z\"\nimage: \"x: y # z\"\nreplicas: 3\nenv:\n  \"A\": \"1\"\n  \"B\": \" a=b: {c}\"\nuser: \"u-3:two\"\nnone: \"shop\"\n";
    assert_eq!(text, expected);
}

#[test]
fn a_value_within_another_is_refused_whatever_the_answer() {
    for answer in ["plain", "\", privileged: true, x: \"", "$(id)"] {
        let found = made("descriptor", "env:\n\n  A: \"x {{ a }}\"\n", &[("a", answer)]).expect_err("within quotes");
        assert!(found.contains("line 3") && found.contains("within a longer value"), "{answer}: {found}");
    }
    assert!(made("github", "run: |\n  echo \"{{ a | shell }}\"\n", &[("a", "$(id)")]).expect_err("quotes").contains("line 2"));
    assert!(made("curl", "echo \"{{ a }}\"\n", &[("a", "$(id)")]).is_err());
    assert_eq!(made("curl", "echo {{ a }}\n", &[("a", "$(id) 'x'")]).as_deref(), Ok("echo '$(id) '\\''x'\\'''\n"));
    assert!(made("curl", "cat <<EOF\n{{ a }}\nEOF\n", &[("a", "$(id)")]).is_err());
    assert_eq!(made("curl", "echo \"{{ a }}\"\n", &[("a", "web:1.4")]).as_deref(), Ok("echo \"web:1.4\"\n"));
    assert!(made("jenkinsfile", "sh \"{{ a }}\"\n", &[("a", "x")]).is_err());
    assert_eq!(made("jenkinsfile", "x = {{ a }}\n", &[("a", "it's\\")]).as_deref(), Ok("x = 'it\\'s\\\\'\n"));
    assert!(made("dockerfile", "FROM {{ a }}\n", &[("a", "x AS y")]).is_err());
    assert_eq!(made("dockerfile", "CMD [{{ a | json }}]\n", &[("a", "a \"b\"")]).as_deref(), Ok("CMD [\"a \\\"b\\\"\"]\n"));
    assert!(made("dockerfile", "CMD [\"{{ a | json }}\"]\n", &[("a", "a b")]).is_err());
    assert!(made("github", "a: {{ a }}\n", &[("a", "${{ secrets.TOKEN }}")]).expect_err("an expression").contains("line 1"));
}

/// Hostile sources end at once, with what is wrong and where.
#[test]
fn hostile_sources_are_refused_with_their_line() {
    let long = format!("{{{{ {} }}}}", vec!["a"; 200].join(" ~ "));
    let deep = format!("{}x{}", "{% if on %}".repeat(200), "{% endif %}".repeat(200));
    let elifs = format!("{{% if on %}}{}{{% endif %}}", "{% elif on %}x".repeat(3000));
    let nested = format!("{{{{ {}a{} }}}}", "(".repeat(60), ")".repeat(60));
    let cases: Vec<(&str, String, &str)> = vec![
        ("an endless call", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}".into(), "is no tag"),
        ("a recursive loop", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".into(), "recursive"),
        ("a range", "\n{% for i in range(1000000000) %}x{% endfor %}".into(), "line 2"),
        ("a product", "{{ a * 1000000000 }}".into(), "multiplied"),
        ("a power", "{{ n ** 64 }}".into(), "multiplied"),
        ("joined to be compared", "{% if (a ~ a) == b %}{% endif %}".into(), "joined"),
        ("doubling by set", "{% set x = a ~ a %}{% set y = x ~ x %}{{ y }}".into(), "joined"),
        ("doubling by a loop", "{% for x in [a ~ a] %}{{ x }}{% endfor %}".into(), "joined"),
        ("lists within lists", "{% for x in [[a, a], [a, a]] %}{% endfor %}".into(), "never within another"),
        ("tuples", "{% for x in ((a, a), (a, a)) %}{% endfor %}".into(), "comma"),
        ("a block that is kept", "{% set x %}{{ a }}{% endset %}".into(), "set name = value"),
        ("a filter on a block", "{% filter upper %}{{ a }}{% endfilter %}".into(), "is no tag"),
        ("an include", "{% include '/etc/passwd' %}".into(), "is no tag"),
        ("an import", "{% import 'x' as y %}".into(), "is no tag"),
        ("without quotes", "{% autoescape false %}{{ a }}{% endautoescape %}".into(), "is no tag"),
        ("marked as safe", "{{ a | safe }}".into(), "no filter safe"),
        ("a name that is not there", "\n\n{{ password }}".into(), "password is not there"),
        ("a part that is not there", "{{ slipway.key }}".into(), "no part of slipway key"),
        ("a part of an answer", "{{ a.__class__ }}".into(), "no part of it"),
        ("an index", "{{ a[0] }}".into(), "behind `in` alone"),
        ("a method", "{{ a.upper() }}".into(), "no part of it upper"),
        ("a call", "{{ a('x') }}".into(), "cannot be called"),
        ("a map", "{{ {'a': a} }}".into(), "no maps"),
        ("a long tag", long, "words"),
        ("deep blocks", deep, "nested deeper"),
        ("a long choice", elifs, "more than 40"),
        ("deep parentheses", nested, "nested deeper"),
        (
            "loops within loops",
            "{% for w in [1] %}{% for x in [1] %}{% for y in [1] %}{% for z in [1] %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}".into(),
            "loops are nested",
        ),
        ("a tag that does not end", "{{ a".into(), "not understood"),
        ("an end without a beginning", "{% endif %}".into(), "not understood"),
        ("our own marks", "\u{e000}0\u{e001}".into(), "private area"),
    ];
    for (what, source, words) in cases {
        let template = template(TEXTS, &[("curl", &source)]);
        let began = Instant::now();
        let found = inspect(&template).expect_err(what);
        assert!(found[0].field == "curl" && found[0].message.contains(words), "{what}: {found:?}");
        if !what.starts_with("our own") {
            assert!(found[0].message.contains("line "), "{what}: {found:?}");
        }
        render(&template, Output::Curl, &values(&template, &[("a", "x")]), &around(), soon()).expect_err(what);
        assert!(began.elapsed() < Duration::from_secs(2), "{what} took {:?}", began.elapsed());
    }
}

#[test]
fn what_runs_too_long_or_makes_too_much_ends() {
    let lines = "x\n".repeat(8000);
    let endless = "{% for x in more | lines %}{% for y in more | lines %}{% endfor %}{% endfor %}";
    let began = Instant::now();
    assert!(made("curl", endless, &[("more", &lines)]).expect_err("too long").contains("takes more than"));
    let much = format!("{{% for x in more | lines %}}{}{{% endfor %}}", "y".repeat(1000));
    assert!(made("curl", &much, &[("more", &lines)]).expect_err("too much").contains("makes more than"));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(made("curl", "\n\n{{ a }}", &[]).expect_err("no answer").contains("line 3"));
}

/// Few steps that each do much: the clock ends them.
#[test]
fn what_is_slow_without_taking_many_steps_ends() {
    let many = (0..2000).map(|number| format!("N{number}=1")).collect::<Vec<_>>().join("\n");
    let list = (0..70).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    let loops = |inner: &str| format!("{{% for x in [{list}] %}}{{% for y in [{list}] %}}{inner}{{% endfor %}}{{% endfor %}}");
    for inner in ["{% if more | pairs %}{% endif %}", "{% if more | upper %}{% endif %}", "{{ 1 if (more ~ more ~ more ~ more) == a else 2 }}"] {
        let began = Instant::now();
        let _ = made("curl", &loops(inner), &[("a", "x"), ("more", &many)]);
        assert!(began.elapsed() < 3 * TIME, "{inner} took {:?}", began.elapsed());
    }
}

#[test]
fn builds_are_pushed_to_a_repository_of_the_project() {
    let source = "push {{ slipway.registry ~ \"/\" ~ slipway.project ~ \"/\" ~ (image | repository) }}\n";
    let of = |image: &str| {
        let template = template("  - {name: image, type: image}", &[("curl", source)]);
        render(&template, Output::Curl, &values(&template, &[("image", image)]), &around(), soon()).expect("made")
    };
    assert_eq!(of("team/api:1.4.2"), "push slipway.example.com/shop/team/api\n");
    assert_eq!(of("slipway.example.com/shop/api:1"), "push slipway.example.com/shop/api\n");
    for foreign in ["slipway.example.com/lab/api:1", "registry.example.org/team/api:1", "docker.io/library/nginx:1.27"] {
        assert_eq!(of(foreign), "push slipway.example.com/shop/web\n", "{foreign} is not of this project");
    }
}

#[test]
fn a_descriptor_that_is_wrong_is_told_by_its_path() {
    let template = template("  - {name: a, default: nothing}", &[("descriptor", "image: a:1\nreplicas: {{ a }}\nimagee: x\n")]);
    let found = descriptor(&template, &values(&template, &[]), &around(), soon()).expect_err("wrong");
    let fields: Vec<&str> = found.iter().map(|error| error.field.as_str()).collect();
    assert!(fields.contains(&"descriptor.replicas") && fields.contains(&"descriptor.imagee"), "{found:?}");
}

/// The words of a command, as the machine's shell takes them.
fn words_of(text: &str) -> Vec<String> {
    let script = text.replacen("curl", "printf '%s\\0' curl", 1);
    let ran = std::process::Command::new("sh").arg("-c").arg(script).output().expect("a shell");
    let mut words: Vec<String> = String::from_utf8(ran.stdout).expect("text").split('\0').map(str::to_owned).collect();
    words.pop();
    words
}

/// The trees of two YAML texts, as JSON.
fn tree(text: &str) -> serde_json::Value {
    serde_json::from_str(&Descriptor::parse(text).expect("a descriptor").canonical()).expect("JSON")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is answered: the document has the same keys, and each answer stands where it was put, as it was given.
    #[test]
    fn no_answer_changes_what_a_document_is(
        a in "[ -~äß€\\n\\t]{1,40}",
        spice in "(\"|'|\\\\|\\n|: |- |#|\\{|\\}|\\[|\\]|,|&|\\*|!|\\||>|%|@|`|\\$\\{\\{|---|\\.\\.\\.){0,6}",
    ) {
        let answer = format!("{a}{spice}").replace('\r', "");
        prop_assume!(!answer.trim().is_empty());
        let source = "image: web:1\ncommand: [sh, -c, {{ more }}, {{ more ~ \"!\" }}]\nenv:\n  A: {{ more }}\n  B: b\nreplicas: {{ n }}\n";
        let template = template(TEXTS, &[("descriptor", source)]);
        let values = values(&template, &[("more", &answer)]);
        let (text, _) = descriptor(&template, &values, &around(), soon()).expect("made");
        let found = tree(&text);
        prop_assert_eq!(&found["env"], &serde_json::json!({"A": answer, "B": "b"}));
        prop_assert_eq!(&found["command"], &serde_json::json!(["sh", "-c", answer, format!("{answer}!")]));
        let plain = tree("image: web:1\ncommand: [sh, -c, a, b]\nenv: {A: a, B: b}\nreplicas: 3\n");
        let keys = |value: &serde_json::Value| value.as_object().expect("a map").keys().cloned().collect::<Vec<_>>();
        prop_assert_eq!(keys(&found), keys(&plain));
    }

    /// A shell script has the words that its writer gave it, and each answer is one of them.
    #[test]
    fn no_answer_leaves_its_word(answer in "[ -~äß]{1,40}") {
        prop_assume!(!answer.trim().is_empty());
        let text = made("curl", "curl --data {{ a }} {{ b }}\n", &[("a", &answer)]).expect("made");
        let words = words_of(&text);
        prop_assert_eq!(words, vec!["curl".to_owned(), "--data".to_owned(), answer.trim().to_owned(), "two".to_owned()]);
    }

    /// Any source is refused or made, in time and without a panic.
    #[test]
    fn any_source_ends(source in "(\\{\\{|\\}\\}|\\{%|%\\}|a|b|n| |~|\\||if|for|in|endif|endfor|else|set|=|\\[|\\]|\\(|\\)|,|shell|lines|\"|'|\n|:|loop|\\.|index){0,40}") {
        let template = template(TEXTS, &[("curl", &format!("#\n{source}"))]);
        let _ = inspect(&template);
        let _ = render(&template, Output::Curl, &values(&template, &[("a", "x")]), &around(), soon());
    }
}
