use super::*;

/// What `docker inspect` printed of containers that the docker CLI made.
fn sample(text: &str) -> Described {
    let read = |text: &str| serde_json::from_str(text).expect("JSON");
    Described { container: read(text), image: read(include_str!("../samples/image.json")) }
}

fn many_flags() -> Described {
    sample(include_str!("../samples/many_flags.json"))
}

#[test]
fn what_maps_is_taken() {
    let import = import(&many_flags()).expect("an import");
    assert_eq!((import.name.as_str(), import.service.as_str()), ("shop-web", "shop-web"));
    let wanted = json!({
        "image": "registry.example.com/team/web:1.4",
        "entrypoint": ["/bin/httpd"],
        "command": ["-f", "-p", "8080"],
        "env": { "EMPTY": "", "LOG_LEVEL": "info" },
        "ports": [
            { "container": 53, "protocol": "udp" },
            { "container": 443, "protocol": "tcp", "host": 9443 },
            { "container": 8080, "protocol": "tcp", "host": 8080 },
        ],
        "volumes": [{ "name": "shop-data", "path": "/data" }],
        "resources": { "cpus": 1.5, "memory": "256MiB", "pids": 100 },
        "health": { "command": ["sh", "-c", "httpd -h || exit 1"], "interval": "7s", "timeout": "3s", "retries": 4, "start_period": "20s" },
        "restart": { "policy": "always" },
        "stop": { "signal": "SIGINT", "grace": "30s" },
        "user": "1000:1000",
        "workdir": "/data",
    });
    let wanted = Descriptor::from_json(&wanted, "").expect("a descriptor");
    assert_eq!(import.descriptor.to_value(), wanted.to_value());
    assert_eq!(Descriptor::parse(&import.descriptor.to_yaml()).as_ref(), Ok(&import.descriptor), "its text is one that can be deployed");
}

#[test]
fn everything_else_is_named() {
    let import = import(&many_flags()).expect("an import");
    let left: Vec<&str> = import.left.iter().map(|left| left.what.as_str()).collect();
    for what in [
        "variable DB_PASSWORD",
        "variable SLIPWAY_TASK",
        "folder /srv/files at /files",
        "folder /var/run/docker.sock at /var/run/docker.sock",
        "volume at /anonymous",
        "what volume shop_data holds",
        "address 127.0.0.1 of port 443/tcp",
        "host name shop.example.com",
        "Privileged: true",
        "CapAdd: CAP_NET_ADMIN",
        "CapDrop: CAP_MKNOD",
        "PidMode: host",
        "ExtraHosts: db:10.0.0.9",
        "Dns: 10.0.0.1",
        "GroupAdd: 44",
        "OomScoreAdj: 100",
        "ReadonlyRootfs: true",
        "ShmSize: 134217728",
        "Init: true",
        "labels dev.example, team",
    ] {
        assert!(left.contains(&what), "{what} is not among {left:#?}");
    }
    for begin in ["Devices: ", "Sysctls: ", "SecurityOpt: ", "Ulimits: ", "Tmpfs: ", "LogConfig: "] {
        assert!(left.iter().any(|what| what.starts_with(begin)), "{begin} is not among {left:#?}");
    }
    let all = format!("{:?}{}", import.left, import.descriptor.canonical());
    assert!(!all.contains("hunter22"), "a secret's value is not told: {all}");
}

#[test]
fn secrets_in_what_is_started_and_checked_are_not_told() {
    let mut described = many_flags();
    let command = ["redis-server", "--requirepass", "swordfish", "--url", "redis://u:letmein@db/0", "--also", "hunter22"];
    described.container["Config"]["Cmd"] = json!(command);
    described.container["Config"]["Healthcheck"]["Test"] = json!(["CMD-SHELL", "redis-cli --pass swordfish ping"]);
    described.container["Config"]["Env"].as_array_mut().expect("variables").push(json!("DATABASE_URL=postgres://app:letmein@db/app"));
    described.container["HostConfig"]["LogConfig"] = json!({"Type": "splunk", "Config": {"splunk-token": "letmein-too"}});
    let import = import(&described).expect("an import");
    let wanted = ["redis-server", "--requirepass", "(hidden)", "--url", "redis://u:(hidden)@db/0", "--also", "(hidden)"];
    assert_eq!(import.descriptor.command, Some(wanted.map(str::to_owned).to_vec()));
    let all = format!("{:?}{}", import.left, import.descriptor.canonical());
    assert!(!all.contains("swordfish") && !all.contains("letmein") && !all.contains("hunter22"), "{all}");
    let left: Vec<&str> = import.left.iter().map(|left| left.what.as_str()).collect();
    for what in ["variable DATABASE_URL", "what looks like a secret in command", "what looks like a secret in health"] {
        assert!(left.contains(&what), "{what} is not among {left:#?}");
    }
}

#[test]
fn a_plain_container_leaves_nothing_out() {
    let import = import(&sample(include_str!("../samples/plain.json"))).expect("an import");
    assert_eq!(import.left, Vec::new());
    let wanted = Descriptor::parse("image: registry.example.com/team/web:1.4\nrestart: {policy: never}").expect("a descriptor");
    assert_eq!(import.descriptor, wanted, "what the image says is not repeated");
}

#[test]
fn networks_and_their_names_are_left() {
    let import = import(&sample(include_str!("../samples/other_network.json"))).expect("an import");
    let left: Vec<&str> = import.left.iter().map(|left| left.what.as_str()).collect();
    assert_eq!(left, ["network backend", "alias www", "link shop-web:web"]);
}

#[test]
fn what_a_rule_refuses_is_left_with_the_rule() {
    let mut described = many_flags();
    described.container["Config"]["User"] = json!("a b c");
    described.container["HostConfig"]["Memory"] = json!(4096);
    let import = import(&described).expect("an import");
    assert_eq!((import.descriptor.user, import.descriptor.resources.memory), (None, None));
    assert!(import.left.iter().any(|left| left.what == "user: a b c" && left.why.contains("write a user")));
    assert!(import.left.iter().any(|left| left.why.contains("minimum")));
}

#[test]
fn an_entry_point_that_was_taken_away_stays_away() {
    let mut described = sample(include_str!("../samples/plain.json"));
    described.image["Config"]["Entrypoint"] = json!(["/entry"]);
    let import = import(&described).expect("an import");
    assert_eq!((import.descriptor.entrypoint, import.descriptor.command), (Some(vec!["sleep".into()]), Some(vec!["5".into()])));
}

#[test]
fn slipways_own_and_nameless_ones_are_refused() {
    let mut described = many_flags();
    described.container["Config"]["Labels"][OURS] = json!("x");
    assert!(matches!(super::import(&described), Err(Error::Conflict { code: "slipways_own", .. })));
    let mut described = many_flags();
    described.container["Config"]["Image"] = json!("sha256:757de1484eb854d90d635f39f221c5e0b6b1aaef97929838bd3dca992650a113");
    let named = super::import(&described).expect("an import");
    assert_eq!(named.descriptor.image.to_string(), "registry.example.com/team/web:1.4", "the image's own tag");
    described.image["RepoTags"] = json!([]);
    assert!(matches!(super::import(&described), Err(Error::Conflict { code: "image_without_name", .. })));
}

#[test]
fn odd_answers_are_no_fault_of_ours() {
    for container in [json!({}), json!(null), json!({"Config": {"Image": "web", "Env": 7, "Cmd": "x"}, "HostConfig": [1], "Mounts": {"a": 1}})] {
        let _ = import(&Described { container, image: json!(null) }).map(|import| import.left);
    }
}
