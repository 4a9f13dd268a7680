use proptest::prelude::*;

use super::*;
use crate::time::Millis;

fn form() -> RuleForm {
    RuleForm {
        name: "Memory".into(),
        kind: "threshold".into(),
        metric: "memory_working_set".into(),
        value: "90 %".into(),
        after: "5m".into(),
        ..RuleForm::default()
    }
}

fn wrong(form: &RuleForm, of_site: bool) -> Vec<String> {
    form.read(of_site).expect_err("wrong").into_iter().map(|error| error.field).collect()
}

#[test]
fn what_was_typed_becomes_a_rule_and_a_form_again() {
    let rule = form().read(false).expect("a rule");
    assert_eq!((rule.value, rule.share, rule.after), (90.0, true, Span::from_secs(300)));
    assert_eq!(rule.says(), "memory over 90 % for 5m");
    assert_eq!(RuleForm::of(&rule).read(false).expect("the same"), rule);
    let bytes = RuleForm { value: "1.5GiB".into(), compare: "under".into(), ..form() }.read(false).expect("a rule");
    assert_eq!((bytes.value, bytes.share), (1.5 * 1024.0 * 1024.0 * 1024.0, false));
    assert_eq!(bytes.says(), "memory under 1.5 GiB for 5m");
}

#[test]
fn every_mistake_names_its_field() {
    assert_eq!(wrong(&RuleForm::default(), false), ["name", "kind"]);
    assert_eq!(wrong(&RuleForm { metric: "cpu_used".into(), ..form() }, false), ["metric"], "a sum has no value of its own");
    assert_eq!(wrong(&RuleForm { metric: "disk_used".into(), ..form() }, false), ["metric"], "a service has no disk");
    assert_eq!(wrong(&RuleForm { of: "machines".into(), ..form() }, false), ["of"], "machines are for operators");
    assert_eq!(wrong(&RuleForm { kind: "machine_gone".into(), ..form() }, false), ["kind"]);
    assert_eq!(wrong(&RuleForm { metric: "pids".into(), ..form() }, false), ["value"], "it has no limit");
    assert_eq!(wrong(&RuleForm { after: "5".into(), resolve_after: "900h".into(), ..form() }, false), ["after", "resolve_after"]);
    assert_eq!(wrong(&RuleForm { service: "No Name".into(), severity: "loud".into(), ..form() }, false), ["severity", "service"]);
    assert_eq!(wrong(&RuleForm { service: "web".into(), ..form() }, true), ["service"], "of which project?");
    for value in ["", "-1", "NaN", "inf", "90 % %", "1MB", "1e999"] {
        assert_eq!(wrong(&RuleForm { value: value.into(), ..form() }, false), ["value"], "{value}");
    }
    let certificate = RuleForm { kind: "certificate_ends".into(), value: "soon".into(), ..form() };
    assert_eq!(wrong(&certificate, true), ["value"]);
}

#[test]
fn the_rules_of_a_new_site_say_what_they_are() {
    let said: Vec<String> = Rule::shipped().iter().map(|rule| format!("{}: {}", rule.name, rule.says())).collect();
    assert_eq!(
        said,
        [
            "Memory near its limit: memory over 90 % for 5m",
            "CPU throttled: throttled CPU periods over 25 % for 10m",
            "Crash loop: tasks fail again and again",
            "Unhealthy: a health check does not pass for 2m",
            "Deployment failed: the last deployment failed",
            "Disk nearly full: disk over 90 % for 5m",
            "Inodes nearly used up: inodes over 90 % for 5m",
            "Machine does not answer: a machine does not answer for 1m",
            "No samples: no samples come for 5m",
            "Certificate runs out: a machine's certificate has less than 14 days left",
            "Certificate is about to end: a machine's certificate has less than 3 days left",
        ]
    );
}

#[test]
fn a_silence_is_about_something_and_ends() {
    let form = SilenceForm { rule: "Memory".into(), span: "2h".into(), why: "we know".into(), ..SilenceForm::default() };
    let order = form.read(Millis(1_000)).expect("a silence");
    assert_eq!((order.ends_at, order.rule.as_deref(), order.service), (Millis(1_000 + 7_200_000), Some("Memory"), None));
    let field = |form: SilenceForm| form.read(Millis(0)).expect_err("wrong")[0].field.clone();
    assert_eq!(field(SilenceForm { rule: String::new(), ..form.clone() }), "rule");
    assert_eq!(field(SilenceForm { span: String::new(), ..form.clone() }), "span");
    assert_eq!(field(SilenceForm { why: "x".repeat(501), ..form }), "why");
}

proptest! {
    #[test]
    fn no_text_upsets_the_form(name in "\\PC{0,80}", kind in "[a-z_]{0,20}", value in "\\PC{0,20}", after in "\\PC{0,12}", metric in "[a-z_]{0,24}") {
        let typed = RuleForm { name, kind, value, after, metric, ..RuleForm::default() };
        if let Ok(rule) = typed.read(true) {
            prop_assert!(rule.value.is_finite());
            prop_assert_eq!(RuleForm::of(&rule).read(true).expect("what was read is right"), rule);
        }
    }
}
