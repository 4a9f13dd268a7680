use proptest::prelude::*;

use super::*;
use crate::descriptor::UpdateOrder;

fn form() -> DeployForm {
    DeployForm { image: "web:1.4.2".into(), ..DeployForm::new() }
}

fn wrong(form: &DeployForm) -> Vec<(String, String)> {
    form.descriptor(None).err().unwrap_or_default().into_iter().map(|error| (error.field, error.message)).collect()
}

#[test]
fn a_filled_form_is_a_descriptor() {
    let form = DeployForm {
        replicas: "2".into(),
        env: "# level\nLOG_LEVEL=info\n\nGREETING=a=b\nLINES=\"a\\nb\"\n".into(),
        ports: "http=8080\n18053:53/udp".into(),
        memory: "256m".into(),
        cpus: "0.5".into(),
        command: "serve --name 'two words'".into(),
        health: "http".into(),
        health_port: "8080".into(),
        health_path: "/healthz".into(),
        ..form()
    };
    // Two tasks cannot share the fixed port.
    assert_eq!(wrong(&form)[0].0, "ports");
    let d = DeployForm { replicas: "1".into(), ..form }.descriptor(None).expect("a descriptor");
    assert_eq!(d.env["GREETING"], "a=b");
    assert_eq!(d.env["LINES"], "a\nb");
    assert_eq!((d.ports[0].name.as_str(), d.ports[1].host), ("http", Some(18053)));
    assert_eq!(d.command.as_deref(), Some(&["serve".into(), "--name".into(), "two words".into()][..]));
    assert_eq!(d.update.order, UpdateOrder::StopFirst);
}

#[test]
fn each_mistake_stands_at_its_field() {
    let form = DeployForm {
        image: "Web".into(),
        replicas: "-1".into(),
        env: "A=b\nnonsense".into(),
        ports: "99999".into(),
        memory: "256".into(),
        cpus: "lots".into(),
        command: "say 'hello".into(),
        health: "http".into(),
        health_port: "x".into(),
        ..DeployForm::new()
    };
    let wrong = wrong(&form);
    let fields: Vec<&str> = wrong.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["image", "replicas", "env", "ports", "memory", "cpus", "command", "health_port"]);
    assert!(wrong[2].1.starts_with("line 2: \"nonsense\" has no ="));
    assert!(wrong[4].1.contains("256MiB?"));
    assert_eq!(form.error_of("cpus", None).map(|message| message.contains("0.5")), Some(true));
    assert_eq!(form.error_of("health_path", None), None);
}

#[test]
fn rules_of_the_descriptor_are_told_at_the_forms_fields() {
    assert_eq!(wrong(&DeployForm { memory: "5MiB".into(), ..form() })[0].0, "memory");
    assert_eq!(wrong(&DeployForm { env: "SLIPWAY_X=1".into(), ..form() })[0].0, "env");
    assert_eq!(wrong(&DeployForm { env: "A=1\nA=2".into(), ..form() })[0].1, "line 2: A stands twice");
    assert_eq!(wrong(&DeployForm { ports: "a=80\na=81".into(), ..form() })[0].0, "ports");
    let http = DeployForm { health: "http".into(), health_port: "80".into(), health_path: "healthz".into(), ..form() };
    assert_eq!(wrong(&http)[0].0, "health_path");
    assert_eq!(wrong(&DeployForm { health: "command".into(), ..form() })[0].0, "health_command");
    assert_eq!(wrong(&DeployForm { health: "magic".into(), ..form() })[0].0, "health");
    assert_eq!(wrong(&DeployForm { env: format!("A={}", "x".repeat(200_000)), ..form() })[0].0, "env");
}

#[test]
fn what_the_server_finds_stands_at_the_forms_fields() {
    let fields = ["descriptor.image", "descriptor.ports[0].host", "descriptor.health.http.port", "descriptor.stop.grace", "environment"];
    assert_eq!(fields.map(DeployForm::field_of), ["image", "ports", "health_port", "descriptor", "environment"]);
}

#[test]
fn what_the_form_does_not_show_is_kept_and_named() {
    let base = Descriptor::parse("image: web:1\nuser: app\nstop: {grace: 30s}\nhealth: {tcp: {port: 80}, retries: 9}\nresources: {pids: 5}")
        .expect("a descriptor");
    let form = DeployForm { replicas: "3".into(), ..DeployForm::of(&base) };
    let after = form.descriptor(Some(&base)).expect("a descriptor");
    let changed: Vec<String> = after.changes_since(&base).into_iter().map(|change| change.field).collect();
    assert_eq!(changed, ["replicas"]);
    assert_eq!(DeployForm::hidden(&base), ["health", "resources", "stop", "user"]);
    assert_eq!(DeployForm::hidden(&Descriptor::of("web".parse().expect("a reference"))), Vec::<String>::new());
}

#[test]
fn an_order_that_was_chosen_stays() {
    let base = Descriptor::parse("image: web:1\nupdate: {order: stop-first}").expect("a descriptor");
    assert_eq!(DeployForm::of(&base).descriptor(Some(&base)).map(|d| d.update.order), Ok(UpdateOrder::StopFirst));
    let fixed = DeployForm { ports: "8080:80".into(), ..form() }.descriptor(None).expect("a descriptor");
    let freed = DeployForm { ports: "80".into(), ..DeployForm::of(&fixed) };
    assert_eq!(freed.descriptor(Some(&fixed)).map(|d| d.update.order), Ok(UpdateOrder::StartFirst));
}

proptest! {
    #[test]
    fn a_descriptor_survives_the_form(
        env in prop::collection::btree_map("[A-RT-Z][A-Z_]{0,5}", "[^\\x00]{0,20}", 0..4),
        command in prop::option::of(prop::collection::vec("[^\\x00]{0,10}", 1..4)),
        ports in prop::collection::btree_map(1_u16.., any::<bool>(), 0..3),
    ) {
        let mut d = Descriptor::of("web:1".parse().expect("a reference"));
        (d.env, d.command) = (env, command);
        for (container, udp) in ports {
            let protocol = if udp { crate::descriptor::Protocol::Udp } else { crate::descriptor::Protocol::Tcp };
            d.ports.push(crate::descriptor::Port { name: format!("p-{container}"), container, host: None, protocol });
        }
        let form = DeployForm::of(&d);
        prop_assert_eq!(form.descriptor(Some(&d)), Ok(d), "{:?}", form);
    }

    #[test]
    fn junk_in_every_field_is_refused_without_a_fall(texts in prop::collection::vec("\\PC{0,30}|[a-z0-9=:/\"' \\n]{0,30}", 11)) {
        let field = |at: usize| texts[at].clone();
        let form = DeployForm {
            image: field(0), replicas: field(1), env: field(2), ports: field(3), memory: field(4), cpus: field(5),
            command: field(6), health: field(7), health_port: field(8), health_path: field(9), health_command: field(10),
        };
        let _ = form.descriptor(None);
    }
}
