//! What consumers are given to ask at `/discovery` for one service in one environment: addresses, and the lines of their configuration. No secret
//! stands among them. Pure.

use model::views::discovery::DiscoveredService;

use crate::urls::asking;

/// Addresses and lines, ready to be copied.
#[derive(Debug)]
pub(super) struct Ready {
    pub nginx_url: String,
    pub nginx: String,
    pub traefik_url: String,
    pub traefik: String,
    pub prometheus_url: String,
    pub prometheus: String,
    pub services_url: String,
    pub services: String,
}

impl Ready {
    /// For a service, asked for at a portal.
    pub(super) fn of(site: &str, told: &DiscoveredService) -> Self {
        let site = site.trim_end_matches('/');
        let (project, service, environment) = (told.project.as_str(), told.service.as_str(), told.environment.as_str());
        let one = [("project", project), ("service", service), ("environment", environment)];
        let nginx_url = asking(format!("{site}/discovery/nginx/{project}/{service}.conf"), &one[2..]);
        let traefik_url = asking(format!("{site}/discovery/traefik.json"), &one);
        let prometheus_url = asking(format!("{site}/discovery/prometheus.json"), &one);
        let services_url = asking(format!("{site}/discovery/services.json"), &one);
        let file = format!("/etc/nginx/upstreams/{project}_{service}_{environment}.conf");
        let passed: String =
            told.tcp_ports.iter().map(|port| format!("\n# in nginx.conf: proxy_pass http://{project}_{service}_{environment}_{port};")).collect();
        Self {
            nginx: format!(
                "curl -fsS -H \"@$AUTHORIZATION\" \\\n  -o {file} \\\n  '{nginx_url}'\n# in nginx.conf: include /etc/nginx/upstreams/*.conf;{passed}"
            ),
            traefik: format!(
                "providers:\n  http:\n    endpoint: \"{traefik_url}\"\n    pollInterval: 5s\n    headers:\n      Authorization: Bearer TOKEN"
            ),
            prometheus: format!(
                "scrape_configs:\n  - job_name: {project}-{service}-{environment}\n    http_sd_configs:\n      - url: \"{prometheus_url}\"\n        \
                 authorization: {{type: Bearer, credentials_file: /etc/prometheus/slipway-token}}\n        refresh_interval: 10s"
            ),
            services: format!("curl -fsS -H \"@$AUTHORIZATION\" \\\n  '{services_url}'"),
            nginx_url,
            traefik_url,
            prometheus_url,
            services_url,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_consumer_asks_for_this_service_alone() {
        let told = DiscoveredService {
            project: "shop".parse().expect("a name"),
            service: "web".parse().expect("a name"),
            environment: "local".parse().expect("a name"),
            index: 0,
            tcp_ports: vec!["http".into(), "admin".into()],
            routes: Vec::new(),
            tasks: Vec::new(),
        };
        let ready = Ready::of("https://slipway.example.com/", &told);
        assert_eq!(ready.nginx_url, "https://slipway.example.com/discovery/nginx/shop/web.conf?environment=local");
        assert_eq!(ready.services_url, "https://slipway.example.com/discovery/services.json?project=shop&service=web&environment=local");
        let text = &ready.nginx;
        assert!(text.contains("proxy_pass http://shop_web_local_http;") && text.contains("proxy_pass http://shop_web_local_admin;"), "{text}");
        assert!(ready.traefik.contains(&format!("endpoint: \"{}\"", ready.traefik_url)), "{}", ready.traefik);
        assert!(ready.prometheus.contains(&format!("url: \"{}\"", ready.prometheus_url)), "{}", ready.prometheus);
        assert!(ready.services.contains(&ready.services_url) && !ready.services.contains("Bearer"), "no token among the arguments of a process");
    }
}
