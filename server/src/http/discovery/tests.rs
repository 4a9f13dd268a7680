use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use model::descriptor::Protocol;
use model::views::discovery::{DiscoveredRoute, DiscoveredService, DiscoveredTask, Endpoint, Standing};
use serde_json::json;

use super::asked::Asked;
use super::{has, nginx, prometheus, traefik};

fn endpoint(name: &str, protocol: Protocol, port: u16) -> Endpoint {
    let container_address = Some(format!("10.208.0.2:{port}"));
    Endpoint { name: name.into(), protocol, address: format!("10.0.0.5:{port}"), container_address, metrics_path: None }
}

fn task(slot: u32, revision: i64, state: Standing, weight: u32) -> DiscoveredTask {
    DiscoveredTask {
        id: format!("0192f0c1-7c1e-7b44-8d2a-{slot:012x}").parse().expect("an id"),
        slot: slot.into(),
        revision,
        machine: "m1".parse().expect("a name"),
        state,
        weight,
        ports: vec![endpoint("http", Protocol::Tcp, 20_000 + slot as u16), endpoint("dns", Protocol::Udp, 20_100 + slot as u16)],
    }
}

fn route(host: &str, path: &str, tls: bool, revisions: &[i64]) -> DiscoveredRoute {
    DiscoveredRoute { host: host.into(), path: path.into(), port: "http".into(), tls, revisions: revisions.to_vec() }
}

fn service(name: &str, routes: Vec<DiscoveredRoute>, tasks: Vec<DiscoveredTask>) -> Arc<DiscoveredService> {
    Arc::new(DiscoveredService {
        project: "shop".parse().expect("a name"),
        service: name.parse().expect("a name"),
        environment: "local".parse().expect("a name"),
        index: 7,
        tcp_ports: vec!["http".into()],
        routes,
        tasks,
    })
}

fn asked(change: impl FnOnce(&mut Asked)) -> Asked {
    let mut asked = Asked::default();
    change(&mut asked);
    asked
}

#[test]
fn nginx_gets_weights_and_nothing_new_for_what_is_to_end() {
    let tasks = vec![task(1, 1, Standing::Serving, 10), task(2, 1, Standing::Draining, 10), task(3, 2, Standing::Serving, 25)];
    let web = [service("web", Vec::new(), tasks)];
    let text = nginx::file(&web, &Asked::default());
    let expected = "# shop/web in local, port http: written by Slipway\nupstream shop_web_local_http {\n    \
                    server 10.0.0.5:20001 weight=2; # web.1\n    server 10.0.0.5:20002 weight=2 down; # web.2, draining\n    \
                    server 10.0.0.5:20003 weight=5; # web.3\n}\n";
    assert_eq!(text, expected);
    let lines = nginx::file(&web, &asked(|asked| (asked.servers, asked.inside) = (true, true)));
    assert!(lines.starts_with("server 10.208.0.2:20001 weight=2; # web.1\nserver "), "{lines}");
    assert!(nginx::file(&web, &asked(|asked| asked.port = Some("other".into()))).starts_with("# no such TCP port"));
    let even = [service("web", Vec::new(), vec![task(1, 1, Standing::Serving, 25)])];
    assert!(nginx::file(&even, &Asked::default()).contains("server 10.0.0.5:20001; # web.1"), "one weight is none");
}

#[test]
fn nginx_always_gets_a_server() {
    for tasks in [Vec::new(), vec![task(1, 1, Standing::Draining, 10)]] {
        let text = nginx::file(&[service("web", Vec::new(), tasks)], &Asked::default());
        assert!(text.contains("    server 127.0.0.1:1 down; # nothing serves\n}"), "{text}");
    }
}

#[test]
fn nginx_gets_no_address_that_would_be_more_than_one() {
    let mut wrong = task(1, 1, Standing::Serving, 10);
    wrong.ports[0].address = "a; } evil {:80".into();
    let text = nginx::file(&[service("web", Vec::new(), vec![wrong])], &Asked::default());
    assert!(!text.contains("evil"), "{text}");
}

#[test]
fn traefik_gets_a_router_for_each_route_and_the_servers_of_its_revisions() {
    let routes = vec![route("app.example.com", "/", false, &[1, 2]), route("new.example.com", "/x", true, &[2])];
    let tasks = vec![task(1, 1, Standing::Serving, 10), task(2, 1, Standing::Draining, 10), task(3, 2, Standing::Serving, 10)];
    let said = asked(|asked| {
        asked.resolver = Some("le".into());
        asked.entry_points = vec!["websecure".into()];
    });
    let document = serde_json::to_value(traefik::document(&[service("web", routes, tasks)], &said)).expect("JSON");
    let server = |slot: u32| json!({"url": format!("http://10.0.0.5:{}", 20_000 + slot)});
    let expected = json!({"http": {
        "routers": {
            "shop_web_local_0": {"rule": "Host(`app.example.com`)", "service": "shop_web_local_0", "entryPoints": ["websecure"]},
            "shop_web_local_1": {
                "rule": "Host(`new.example.com`) && PathPrefix(`/x`)", "service": "shop_web_local_1", "entryPoints": ["websecure"],
                "tls": {"certResolver": "le"},
            },
        },
        "services": {
            "shop_web_local_0": {"loadBalancer": {"servers": [server(1), server(3)]}},
            "shop_web_local_1": {"loadBalancer": {"servers": [server(3)]}},
        },
    }});
    assert_eq!(document, expected);
}

#[test]
fn traefik_gets_no_empty_section_but_an_empty_list_of_servers() {
    let document = |services: &[Arc<DiscoveredService>]| serde_json::to_value(traefik::document(services, &Asked::default())).expect("JSON");
    assert_eq!(document(&[]), json!({}));
    assert_eq!(document(&[service("web", Vec::new(), vec![task(1, 1, Standing::Serving, 10)])]), json!({}));
    let down = document(&[service("web", vec![route("a.example", "/", true, &[1])], Vec::new())]);
    assert_eq!(down["http"]["services"]["shop_web_local_0"], json!({"loadBalancer": {"servers": []}}));
    assert_eq!(down["http"]["routers"]["shop_web_local_0"]["tls"], json!({}));
}

#[test]
fn a_host_stays_with_the_service_that_was_there_first() {
    let first = service("web", vec![route("a.example", "/", false, &[1])], vec![task(1, 1, Standing::Serving, 10)]);
    let thief = service("api", vec![route("a.example", "/", false, &[1]), route("a.example", "/api", false, &[1])], Vec::new());
    let document = serde_json::to_value(traefik::document(&[first, thief], &Asked::default())).expect("JSON");
    let routers: Vec<&String> = document["http"]["routers"].as_object().expect("routers").keys().collect();
    assert_eq!(routers, ["shop_api_local_1", "shop_web_local_0"]);
    // One service may serve the same by a port that has another name from some revision on.
    let renamed = DiscoveredRoute { port: "web".into(), ..route("a.example", "/", false, &[2]) };
    let mut new = task(2, 2, Standing::Serving, 10);
    new.ports[0].name = "web".into();
    let both = service("web", vec![route("a.example", "/", false, &[1]), renamed], vec![task(1, 1, Standing::Serving, 10), new]);
    let document = serde_json::to_value(traefik::document(&[both], &Asked::default())).expect("JSON");
    assert_eq!(document["http"]["services"]["shop_web_local_0"]["loadBalancer"]["servers"].as_array().map(Vec::len), Some(2));
}

#[test]
fn prometheus_gets_what_serves_and_where_there_is_one_the_port_that_tells_figures() {
    let mut told = task(2, 1, Standing::Serving, 10);
    told.ports.push(Endpoint { metrics_path: Some("/figures".into()), ..endpoint("figures", Protocol::Tcp, 20_009) });
    let tasks = vec![task(1, 1, Standing::Serving, 10), told, task(3, 1, Standing::Draining, 10)];
    let groups = serde_json::to_value(prometheus::groups(&[service("web", Vec::new(), tasks)], &Asked::default())).expect("JSON");
    assert_eq!(groups.as_array().map(Vec::len), Some(2), "{groups}");
    assert_eq!((groups[0]["targets"].clone(), groups[1]["targets"].clone()), (json!(["10.0.0.5:20001"]), json!(["10.0.0.5:20009"])));
    let labels = groups[1]["labels"].as_object().expect("labels");
    assert!(labels.values().all(serde_json::Value::is_string), "Prometheus takes nothing else: {labels:?}");
    assert_eq!((labels["__metrics_path__"].as_str(), labels["__meta_slipway_service"].as_str()), (Some("/figures"), Some("web")));
    assert_eq!(serde_json::to_value(prometheus::groups(&[], &Asked::default())).expect("JSON"), json!([]));
}

#[test]
fn an_answer_that_the_asker_has_is_known_by_its_tag() {
    let known = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("if-none-match", HeaderValue::from_static(value));
        has(&headers, "\"abc\"")
    };
    assert!(known("\"abc\"") && known("W/\"abc\"") && known("\"x\", \"abc\"") && known("*"));
    assert!(!known("\"abcd\"") && !known("abc") && !has(&HeaderMap::new(), "\"abc\""));
}

#[test]
fn what_is_asked_wrongly_is_told_by_its_name() {
    for (name, value) in [("wait", "soon"), ("index", "-1"), ("address", "public"), ("environment", "No Name"), ("resolver", "a`b"), ("form", "xml")]
    {
        let error = Asked::default().take(name, value).expect_err("refused");
        assert!(matches!(&error, domain::Error::Invalid(fields) if fields[0].field == name), "{error:?}");
    }
    let mut asked = Asked::default();
    asked.take("nothing", "of ours").expect("passed over");
    assert_eq!(asked, Asked::default());
}
