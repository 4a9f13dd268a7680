//! What the shipped templates make is what the programs that read it understand: shells, YAML readers, Docker's builder, Jenkins.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use model::template::{Answers, Output, Parameters, Template};
use serde_json::Value;

use super::DOCUMENTS;
use crate::templates::render::{self, Around};

fn around() -> Around {
    Around {
        url: "https://slipway.example.com".into(),
        registry: "slipway.example.com:443".into(),
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

/// Every text of every template, with several sets of answers.
fn all(output: Output) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for document in DOCUMENTS {
        let template = Template::parse(document).unwrap_or_else(|errors| panic!("{errors:?}"));
        for answers in ways(&template.parameters) {
            let what = format!("{} {answers:?}", template.name);
            let checked = template.parameters.check(&answers, &BTreeSet::new()).unwrap_or_else(|errors| panic!("{what}: {errors:?}"));
            let text = render::render(&template, output, &checked.values, &around(), soon()).unwrap_or_else(|error| panic!("{what}: {error}"));
            texts.push((what, text));
        }
    }
    texts
}

/// Answers by which every choice is taken once, among them some with signs that mean something to others.
fn ways(parameters: &Parameters) -> Vec<Answers> {
    let mut base = Answers::from([(String::from("image"), String::from("team/web:1.4.2"))]);
    for (name, answer) in [
        ("command", "echo 'it''s' \"$HOME\" `id` # {{ x }}"),
        ("check_command", "test -e /tmp/x"),
        ("cron", "*/5 2 * * 1-5"),
        ("variables", "A=b: c\nD='e'"),
    ] {
        if parameters.get(name).is_some() {
            base.insert(name.to_owned(), answer.to_owned());
        }
    }
    let mut ways = vec![base.clone()];
    for parameter in &parameters.0 {
        for choice in parameters.choices(&parameter.name, &base) {
            let mut answers = base.clone();
            answers.insert(parameter.name.clone(), choice.value.clone());
            // What follows another answer is answered by what is on offer then.
            for other in &parameters.0 {
                if let Some(first) = parameters.choices(&other.name, &answers).first().filter(|_| other.name != parameter.name && other.required) {
                    let offered =
                        answers.get(&other.name).is_some_and(|given| parameters.choices(&other.name, &answers).iter().any(|one| one.value == *given));
                    if !offered {
                        answers.insert(other.name.clone(), first.value.clone());
                    }
                }
            }
            ways.push(answers);
        }
    }
    ways
}

/// The shell reads it without running it.
fn understood(what: &str, script: &str) {
    let ran = Command::new("bash").args(["-n", "-c", script]).output().expect("bash");
    assert!(ran.status.success(), "{what}: {}\n{script}", String::from_utf8_lossy(&ran.stderr));
}

fn yaml(what: &str, text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{what}: {error}\n{text}"))
}

#[test]
fn the_shell_script_is_understood() {
    for (what, text) in all(Output::Curl) {
        assert!(text.starts_with("#!/bin/sh\n"), "{what}");
        understood(&what, &text);
        assert!(text.contains("https://slipway.example.com/api/v1/projects/shop/services/web/deployments"), "{what}: {text}");
    }
}

#[test]
fn the_workflow_of_github_is_understood() {
    for (what, text) in all(Output::Github) {
        let workflow = yaml(&what, &text);
        let job = &workflow["jobs"]["deploy"];
        assert!(workflow["on"]["push"]["branches"].is_array() && job["runs-on"].is_string(), "{what}: {workflow}");
        assert_eq!(job["env"]["SLIPWAY_TOKEN"], "${{ secrets.SLIPWAY_TOKEN }}", "{what}");
        assert_eq!(job["env"]["REPOSITORY"], "slipway.example.com:443/shop/team/web", "{what}");
        let steps = job["steps"].as_array().expect("steps");
        for step in steps {
            assert!(step["uses"].is_string() ^ step["run"].is_string(), "{what}: {step}");
            step["run"].as_str().into_iter().for_each(|script| understood(&what, script));
        }
        assert_eq!(steps.len(), 3, "{what}");
    }
}

#[test]
fn the_pipeline_of_gitlab_is_understood() {
    for (what, text) in all(Output::Gitlab) {
        let pipeline = yaml(&what, &text);
        let stages: Vec<&str> = pipeline["stages"].as_array().expect("stages").iter().filter_map(Value::as_str).collect();
        for job in ["build", "deploy"] {
            let job = &pipeline[job];
            assert!(job["stage"].as_str().is_some_and(|stage| stages.contains(&stage)), "{what}: {job}");
            for line in job["script"].as_array().expect("a script") {
                understood(&what, line.as_str().expect("a line"));
            }
        }
    }
}

/// Brackets and literals of a Groovy text fit each other; the texts of its literals.
fn groovy(what: &str, text: &str) -> Vec<String> {
    let (mut open, mut literals, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some(c) = rest.chars().next() {
        let quote = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quote| rest.starts_with(quote));
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(quote) = quote {
            let mut literal = String::new();
            rest = &rest[quote.len()..];
            while !rest.starts_with(quote) {
                let mut letters = rest.chars();
                match letters.next().unwrap_or_else(|| panic!("{what}: a literal does not end")) {
                    '\\' => match letters.next().expect("something is escaped") {
                        'n' => literal.push('\n'),
                        c @ ('\\' | '\'' | '"' | '$') => literal.push(c),
                        other => panic!("{what}: Groovy knows no \\{other}"),
                    },
                    '\n' if quote.len() == 1 => panic!("{what}: a line ends within a literal"),
                    c => literal.push(c),
                }
                rest = letters.as_str();
            }
            rest = &rest[quote.len()..];
            literals.push(literal);
        } else {
            match c {
                '{' | '(' | '[' => open.push(c),
                '}' | ')' | ']' => {
                    let begun = open.pop();
                    assert!(matches!((begun, c), (Some('{'), '}') | (Some('('), ')') | (Some('['), ']')), "{what}: {c} closes {begun:?}");
                }
                _ => {}
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    assert!(open.is_empty(), "{what}: {open:?} stay open");
    literals
}

#[test]
fn the_pipeline_of_jenkins_is_balanced_and_its_scripts_are_understood() {
    for (what, text) in all(Output::Jenkinsfile) {
        let literals = groovy(&what, &text);
        let scripts: Vec<&String> = literals.iter().filter(|literal| literal.contains("docker") || literal.contains("curl")).collect();
        assert_eq!(scripts.len(), 3, "{what}: {literals:?}");
        scripts.into_iter().for_each(|script| understood(&what, script));
        assert!(literals.contains(&String::from("slipway.example.com:443/shop/team/web")), "{what}");
        let places: Vec<usize> = ["pipeline {", "agent any", "environment {", "stages {", "stage('Build')", "stage('Push')", "stage('Deploy')"]
            .iter()
            .map(|part| text.find(part).unwrap_or_else(|| panic!("{what}: {part}")))
            .collect();
        assert!(places.is_sorted(), "{what}");
    }
}

/// What the API answers, one after the other.
fn asked(last: &str) -> String {
    format!(
        "1) echo '{{\"id\":\"0197-a\",\"state\":\"queued\"}}' ;;\n2) echo '{{\"id\":\"0197-a\",\"state\":\"rolling\"}}' ;;\n\
         *) echo '{{\"id\":\"0197-a\",\"state\":\"{last}\"}}' ;;\n"
    )
}

/// What a hook answers, one after the other, and how curl ends with it.
fn delivered(last: &str) -> String {
    let (outcome, code) = match last {
        "succeeded" => ("succeeded", 0),
        "superseded" => ("superseded", 22),
        "pending" => ("under_way", 22),
        _ => ("failed", 22),
    };
    format!(
        "1) echo '{{\"outcome\":\"under_way\",\"state\":\"rolling\"}}'; exit 22 ;;\n\
         *) echo '{{\"outcome\":\"{outcome}\",\"state\":\"{last}\"}}'; exit {code} ;;\n"
    )
}

/// What a step of a CI does with the portal's answers, played back by a `curl` of our own: whether it went well, what stood on command lines, and what
/// was said on standard input.
fn played(script: &str, answers: &str) -> (bool, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let (curl, sent, config) = (folder.path().join("curl"), folder.path().join("sent"), folder.path().join("config"));
    let play = format!("cat >>'{}'\necho \"$@\" >>'{sent}'\ncase $(wc -l <'{sent}') in\n{answers}esac\n", config.display(), sent = sent.display(),);
    std::fs::write(&curl, play).expect("written");
    // A program that was just written may be held open by what another test begins at this moment, and does not run then: the shell reads this one.
    let script = format!("curl() {{ sh '{}' \"$@\"; }}\n{script}", curl.display());
    let mut command = Command::new("sh");
    command.args(["-e", "-c", &script]);
    for name in ["SLIPWAY_TOKEN", "SLIPWAY_HOOK"] {
        command.env(name, "the-token");
    }
    for name in ["SLIPWAY_HOOK_URL", "GITHUB_SHA", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT"] {
        command.env(name, format!("a-{}", name.to_lowercase()));
    }
    for name in ["CI_COMMIT_SHA", "CI_JOB_URL", "GIT_COMMIT", "BUILD_URL"] {
        command.env(name, format!("a-{}", name.to_lowercase()));
    }
    let ran = command.output().expect("a shell");
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    (ran.status.success(), read(sent), read(config))
}

#[test]
fn a_step_of_a_ci_ends_as_its_deployment_does() {
    let step = |output: Output| -> Vec<(String, String)> {
        let of = |what: &str, text: &str| match output {
            Output::Curl => text.to_owned(),
            Output::Github => yaml(what, text)["jobs"]["deploy"]["steps"][2]["run"].as_str().expect("a script").to_owned(),
            Output::Gitlab => yaml(what, text)["deploy"]["script"][0].as_str().expect("a script").to_owned(),
            _ => groovy(what, text).into_iter().find(|literal| literal.contains("curl")).expect("a script"),
        };
        all(output).into_iter().map(|(what, text)| (format!("{output} {what}"), of(&what, &text))).collect()
    };
    for output in [Output::Curl, Output::Github, Output::Gitlab, Output::Jenkinsfile] {
        // The texts differ in their first lines alone.
        let (what, script) = step(output).swap_remove(0);
        for (last, well) in
            [("succeeded", true), ("failed", false), ("rolled_back", false), ("superseded", false), ("pending", true), ("refused", false)]
        {
            let by_hook = output != Output::Curl;
            let (ended, sent, config) = played(&script, &if by_hook { delivered(last) } else { asked(last) });
            assert_eq!(ended, well, "{what}: {last}\n{sent}");
            let (times, waits) = if by_hook { (2, "a-slipway_hook_url?wait=300") } else { (3, "/0197-a?wait=300") };
            assert!(sent.lines().count() == times && sent.contains(waits), "{what}: {sent}");
            assert!(
                !sent.contains("the-token") && config.contains("Authorization: Bearer the-token"),
                "{what}: everybody on the machine would see it"
            );
        }
    }
}

#[test]
fn the_dockerfile_has_four_layers_in_their_order() {
    const INSTRUCTIONS: [&str; 11] = ["FROM", "RUN", "COPY", "ENV", "EXPOSE", "CMD", "ENTRYPOINT", "USER", "WORKDIR", "STOPSIGNAL", "LABEL"];
    for (what, text) in all(Output::Dockerfile) {
        let joined = text.replace("\\\n", " ");
        let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut stages = Vec::new();
        for line in lines {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            assert!(INSTRUCTIONS.contains(&word) && !rest.is_empty(), "{what}: {line}");
            assert!(!stages.is_empty() || word == "FROM", "{what}: {line} stands before the first FROM");
            match word {
                "FROM" => {
                    let (from, name) = rest.split_once(" AS ").unwrap_or_else(|| panic!("{what}: {line}"));
                    assert!(stages.last().is_none_or(|last| *last == from), "{what}: {line} is not built on the layer before");
                    stages.push(name.to_owned());
                }
                "RUN" => understood(&what, rest),
                "CMD" | "ENTRYPOINT" => {
                    let words: Vec<String> = serde_json::from_str(rest).unwrap_or_else(|error| panic!("{what}: {line}: {error}"));
                    assert!(!words.is_empty());
                }
                "EXPOSE" => assert!(rest.parse::<u16>().is_ok(), "{what}: {line}"),
                _ => {}
            }
        }
        assert_eq!(stages, ["base", "runtime", "web", "application"], "{what}");
    }
}

#[test]
fn the_descriptor_is_right_with_every_choice() {
    for document in DOCUMENTS {
        let template = Template::parse(document).unwrap_or_else(|errors| panic!("{errors:?}"));
        for answers in ways(&template.parameters) {
            let checked = template.parameters.check(&answers, &BTreeSet::new()).unwrap_or_else(|errors| panic!("{errors:?}"));
            if let Err(errors) = render::descriptor(&template, &checked.values, &around(), soon()) {
                panic!("{} {answers:?}: {errors:?}", template.name);
            }
        }
    }
}
