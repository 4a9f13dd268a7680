use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn image(text: &str) -> OutsideImage {
    text.parse().expect("an image")
}

fn list(lines: &str) -> AllowList {
    AllowList::from_lines(lines.lines()).expect("a list")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn names_without_a_host_are_docker_hubs() {
    for (written, meant) in [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("team/app:2", "docker.io/team/app:2"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/team/app", "docker.io/team/app:latest"),
        ("registry-1.docker.io/library/nginx:1", "docker.io/library/nginx:1"),
        ("quay.io/nginx", "quay.io/nginx:latest"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b:c"),
    ] {
        assert_eq!(image(written).to_string(), meant, "{written}");
    }
    assert_eq!(image("nginx").host.authority(), "registry-1.docker.io");
    assert_eq!(image("quay.io/team/app").host.authority(), "quay.io");
    assert_eq!(image("[::1]:5000/app").host.host_and_port(), ("::1", Some(5000)));
    assert_eq!(image("quay.io/team/app").short_name(), "app");
}

#[test]
fn a_digest_rules_over_the_tag() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let pinned = image(&format!("quay.io/app:1@{digest}"));
    assert_eq!(pinned.reference().to_string(), digest);
    assert_eq!(pinned.tag.map(|tag| tag.to_string()).as_deref(), Some("1"));
    assert_eq!(image(&format!("quay.io/app@{digest}")).tag, None);
}

#[test]
fn hosts_are_hosts() {
    assert_eq!("Registry.Example.com:5000".parse::<RegistryHost>().map(String::from), Ok("registry.example.com:5000".into()));
    assert_eq!("index.docker.io".parse::<RegistryHost>().map(String::from), Ok("docker.io".into()));
    for wrong in ["", "registry", "https://quay.io", "quay.io/team", "quay.io:0", "a b.c", "user@quay.io"] {
        assert!(wrong.parse::<RegistryHost>().is_err(), "{wrong}");
    }
}

#[test]
fn targets_are_of_the_project() {
    let target: Target = "team/app:1.2".parse().expect("a target");
    assert_eq!((target.path.as_str(), target.tag.as_ref().map(TagName::as_str)), ("team/app", Some("1.2")));
    assert_eq!("app".parse::<Target>().expect("a target").tag, None);
    for wrong in ["", "App", "app:", "app:a b", "app@sha256:00", "quay.io:1/app"] {
        assert!(wrong.parse::<Target>().is_err(), "{wrong}");
    }
}

#[test]
fn special_addresses_are_known_however_they_are_written() {
    for address in [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "::127.0.0.1",
        "2001::1",
    ] {
        assert!(special(ip(address)).is_some(), "{address}");
    }
    for address in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"] {
        assert_eq!(special(ip(address)), None, "{address}");
    }
}

#[test]
fn by_default_only_https_to_the_public_internet_is_admitted() {
    let none = AllowList::default();
    assert_eq!(none.plan("quay.io", None), Plan { plain: false, named: false });
    assert_eq!(none.admits(false, "quay.io", 443, ip("1.1.1.1")), Ok(()));
    assert!(none.admits(true, "quay.io", 80, ip("1.1.1.1")).is_err());
    assert!(none.admits(false, "registry.lan", 443, ip("10.0.0.1")).is_err());
    assert!(none.admits(false, "169.254.169.254", 443, ip("169.254.169.254")).is_err());
}

#[test]
fn operators_allow_hosts_and_networks() {
    let allowed = list("registry.lan:5000\nhttp://plain.lan:8080 # old\n*.corp.example\n10.20.0.0/16\nfd12::/16\n");
    assert_eq!(allowed.admits(false, "registry.lan", 5000, ip("192.168.0.9")), Ok(()));
    assert!(allowed.admits(false, "registry.lan", 443, ip("192.168.0.9")).is_err(), "another port");
    assert!(allowed.admits(true, "registry.lan", 5000, ip("192.168.0.9")).is_err(), "https was meant");
    assert_eq!(allowed.plan("plain.lan", Some(8080)), Plan { plain: true, named: true });
    assert_eq!(allowed.admits(true, "plain.lan", 8080, ip("127.0.0.1")), Ok(()));
    assert_eq!(allowed.admits(false, "a.corp.example", 443, ip("10.0.0.1")), Ok(()));
    assert!(allowed.admits(false, "corp.example", 443, ip("10.0.0.1")).is_err());
    assert!(allowed.admits(false, "evilcorp.example", 443, ip("10.0.0.1")).is_err());
    assert_eq!(allowed.admits(false, "any.name", 8443, ip("10.20.3.4")), Ok(()));
    assert_eq!(allowed.admits(false, "any.name", 8443, ip("::ffff:10.20.3.4")), Ok(()));
    assert!(allowed.admits(true, "any.name", 80, ip("10.20.3.4")).is_err(), "networks are for https");
    assert_eq!(allowed.admits(false, "any.name", 443, ip("fd12::5")), Ok(()));
    assert!(allowed.admits(false, "any.name", 443, ip("10.21.0.1")).is_err());
}

#[test]
fn a_named_host_does_not_lead_to_the_metadata_service() {
    let allowed = list("registry.lan\n*.lan");
    assert!(allowed.admits(false, "registry.lan", 443, ip("169.254.169.254")).is_err());
    assert!(allowed.admits(false, "x.lan", 443, ip("fd00:ec2::254")).is_err());
    assert_eq!(list("169.254.10.1").admits(false, "169.254.10.1", 443, ip("169.254.10.1")), Ok(()));
    assert_eq!(list("0.0.0.0/0").admits(false, "x.lan", 443, ip("10.0.0.1")), Ok(()));
}

#[test]
fn lines_that_are_no_patterns_are_told() {
    for wrong in ["ftp://x.y", "10.0.0.0/33", "a b", "http://10.0.0.0/8", "*", "*.*.x", "x.y/path", "10.0.0.0/x"] {
        assert!(AllowList::from_lines([wrong]).is_err(), "{wrong}");
    }
    let text: Vec<String> = list("Registry.LAN:5000\n\nhttp://[::1]:5000\nregistry").into();
    assert_eq!(text, ["registry.lan:5000", "http://[::1]:5000", "registry"]);
}

proptest! {
    #[test]
    fn patterns_read_back(text in "(http://)?(\\*\\.)?[a-z]{1,5}(\\.[a-z]{1,5}){0,2}(:[1-9][0-9]{0,3})?|[0-9]{1,3}\\.[0-9]{1,3}\\.0\\.0/[0-9]{1,2}|\\PC{0,20}") {
        if let Ok(pattern) = text.parse::<Pattern>() {
            prop_assert_eq!(pattern.to_string().parse::<Pattern>(), Ok(pattern));
        }
    }

    #[test]
    fn images_read_back(text in "([a-z]{1,3}\\.[a-z]{2}(:[1-9][0-9]{0,3})?/)?[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,2}(:[a-zA-Z0-9_]{1,8})?|\\PC{0,40}") {
        if let Ok(image) = text.parse::<OutsideImage>() {
            prop_assert_eq!(image.to_string().parse::<OutsideImage>(), Ok(image));
        }
    }
}
