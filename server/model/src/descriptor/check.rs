//! The rules of a descriptor's values: of one text each (called while it is read, and by the form as it is typed), and
//! between fields ([`check`]). They need nothing but the descriptor; what depends on stored things (quotas, ports that are
//! taken, whose image it is) is checked in the domain.

use std::collections::BTreeSet;

use super::{Descriptor, Probe, UpdateOrder};
use crate::names::LABEL_MAX;
use crate::problem::FieldError;
use crate::quantity::Memory;

/// Most tasks of one service in one environment.
pub const REPLICAS_MAX: u32 = 100;
/// The engine's own minimum.
pub const MEMORY_MIN: Memory = Memory::from_mib(6);
/// Longest value of a variable, in bytes.
pub const ENV_VALUE_MAX: usize = 32 * 1024;
/// Longest sum of all variables, in bytes; the kernel refuses a program with much more.
pub const ENV_TOTAL_MAX: usize = 256 * 1024;
/// Most names of figures that are kept of what an application tells.
pub(super) const METRIC_NAMES_MAX: usize = 50;
/// Signals that a program can be asked to end with.
pub(super) const SIGNALS: &[&str] =
    &["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL", "SIGWINCH", "SIGPWR", "SIGRTMIN+3", "SIGABRT"];
/// Folders that the kernel, the engine or Slipway (secret files) own in every task.
const OWNED: &[&str] = &["/proc", "/sys", "/dev", "/run/slipway"];

type Rule = Result<(), String>;

fn rule(holds: bool, message: impl FnOnce() -> String) -> Rule {
    if holds { Ok(()) } else { Err(message()) }
}

/// A variable's name: letters, digits, `_`, `.` and `-`, beginning with a letter or `_`, at most 128 characters, not
/// `SLIPWAY_...` (those are set by Slipway).
///
/// # Errors
/// What would be right.
pub fn check_env_name(name: &str) -> Rule {
    let shown: String = name.chars().take(60).collect();
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let inner = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    rule(first && inner && name.len() <= 128, || {
        format!("{shown:?} is not a variable's name: letters, digits and _, not beginning with a digit, at most 128 characters")
    })?;
    rule(!name.to_ascii_uppercase().starts_with("SLIPWAY_"), || String::from("names that begin with SLIPWAY_ are set by Slipway itself"))
}

/// An absolute path without `.`, `..` and empty parts.
pub(super) fn path(text: &str) -> Rule {
    let parts = text.strip_prefix('/').map(|rest| rest.trim_end_matches('/').split('/').collect::<Vec<_>>());
    let fine = parts.is_some_and(|parts| parts == [""] || parts.iter().all(|part| !matches!(*part, "" | "." | "..")));
    rule(fine && text.len() <= 4095 && !text.contains(['\0', '\n', ':']), || {
        format!("{:?} is not a path: write it from the root, like /data, without .. or :", text.chars().take(60).collect::<String>())
    })
}

/// A path that something may be mounted at.
pub(super) fn mount_path(text: &str) -> Rule {
    path(text)?;
    let bare = text.trim_end_matches('/');
    let owned = bare.is_empty() || OWNED.iter().any(|owner| bare == *owner || bare.strip_prefix(owner).is_some_and(|rest| rest.starts_with('/')));
    rule(!owned, || format!("nothing can be mounted at {text}; choose a folder like /data"))
}

/// A path at which a file may be put.
pub(super) fn file_path(text: &str) -> Rule {
    mount_path(text)?;
    rule(!text.ends_with('/'), || format!("{text:?} is a folder; name the file, like /etc/app.conf"))
}

/// Path and query of a URL.
pub(super) fn url_path(text: &str) -> Rule {
    let fine = text.starts_with('/') && text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic());
    rule(fine, || format!("{:?} is not a URL path: write it like /healthz", text.chars().take(60).collect::<String>()))
}

/// A path prefix of a route. It stands in other programs' rules, so nothing is in it that could end a text there.
pub(super) fn route_path(text: &str) -> Rule {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@".contains(&b);
    rule(text.starts_with('/') && text.len() <= 1024 && text.bytes().all(plain), || {
        format!("{:?} is not a path prefix: write it like /shop, without ? and #", text.chars().take(60).collect::<String>())
    })
}

/// A figure's name in Prometheus' text format, or how several begin, with a star.
pub(super) fn metric_name(text: &str) -> Rule {
    let name = text.strip_suffix('*').unwrap_or(text);
    let fine = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':')) && !name.starts_with(|c: char| c.is_ascii_digit());
    rule(fine && !name.is_empty() && text.len() <= 150, || {
        format!(
            "{:?} is not a figure's name; write it like http_requests_total, or process_* for all that begin so",
            text.chars().take(60).collect::<String>()
        )
    })
}

pub(super) fn url(text: &str) -> Rule {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fine = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) && text.bytes().all(|b| b.is_ascii_graphic());
    rule(fine, || String::from("write a URL like https://example.com/app.tar.gz"))?;
    let authority = rest.unwrap_or_default().split(['/', '?', '#']).next().unwrap_or_default();
    rule(!authority.contains('@'), || String::from("a name and password in a URL would be seen by everyone who sees the service; leave them out"))
}

pub(super) fn sha256(text: &str) -> Rule {
    rule(format!("sha256:{text}").parse::<crate::digest::Digest>().is_ok(), || String::from("a SHA-256 has 64 hexadecimal digits, lower case"))
}

pub(super) fn label(text: &str) -> Rule {
    let inner = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let fine = inner && !text.is_empty() && text.len() <= LABEL_MAX && !text.starts_with('-') && !text.ends_with('-');
    rule(fine, || {
        format!("{:?} is not a name: 1 to {LABEL_MAX} lower-case letters, digits and inner hyphens", text.chars().take(60).collect::<String>())
    })
}

/// A network of the project: never one of the engine's own.
pub(super) fn network(text: &str) -> Rule {
    label(text)?;
    rule(!matches!(text, "host" | "none" | "bridge" | "container"), || {
        format!("{text:?} is a network of the engine; each task is in its project's network, never in the machine's")
    })
}

/// A name in the configuration centre: `app.conf`, `db_password`.
///
/// # Errors
/// What would be right.
pub fn check_entry_name(text: &str) -> Rule {
    let inner = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    rule(inner && !text.is_empty() && text.len() <= 128 && !text.starts_with('.'), || {
        format!("{:?} is not a name: letters, digits, _, - and inner dots", text.chars().take(60).collect::<String>())
    })
}

pub(super) fn host_name(text: &str) -> Rule {
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    rule(text.len() <= 253 && text.split('.').all(label), || String::from("write a host name like app.example.com"))
}

pub(super) fn address(text: &str) -> Rule {
    rule(text.parse::<std::net::Ipv4Addr>().is_ok(), || String::from("write an IPv4 address like 10.8.0.20"))
}

/// `name`, `1000`, `name:group`, `1000:1000`.
pub(super) fn user(text: &str) -> Rule {
    let part = |part: &str| {
        let inner = part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        inner && !part.is_empty() && part.len() <= 64 && !part.starts_with('-')
    };
    let fine = match text.split_once(':') {
        Some((user, group)) => part(user) && part(group),
        None => part(text),
    };
    rule(fine, || String::from("write a user as name or number, with an optional group: \"1000:1000\""))
}

pub(super) fn timezone(text: &str) -> Rule {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'));
    rule(text.len() <= 64 && text.split('/').count() <= 3 && text.split('/').all(part), || String::from("write a time zone like Asia/Shanghai"))
}

pub(super) fn signal(text: &str) -> Rule {
    rule(SIGNALS.contains(&text), || {
        let near = SIGNALS.iter().find(|known| known.strip_prefix("SIG") == Some(text));
        match near {
            Some(near) => format!("{text:?} is not a signal; did you mean {near:?}?"),
            None => format!("not a signal; known: {}", SIGNALS.join(", ")),
        }
    })
}

/// A fixed port and a volume can be held by one task only, so the old task must end first.
pub(super) fn default_order(d: &Descriptor) -> UpdateOrder {
    let held = d.ports.iter().any(|port| port.host.is_some()) || d.volumes.iter().any(|volume| !volume.read_only) || d.network.ip.is_some();
    if held { UpdateOrder::StopFirst } else { UpdateOrder::StartFirst }
}

/// The rules between fields.
pub(super) fn check(d: &Descriptor) -> Vec<FieldError> {
    let mut errors = Vec::new();
    ports(d, &mut errors);
    mounts(d, &mut errors);
    let mut fail = |field: &str, message: String| errors.push(FieldError::new(field, message));
    if let Some(memory) = d.resources.memory {
        if memory < MEMORY_MIN {
            fail("resources.memory", format!("{memory} is less than the engine's minimum, {MEMORY_MIN}"));
        } else if memory.bytes() > 1 << 46 {
            fail("resources.memory", format!("{memory} is more than any machine has"));
        }
    }
    let total: usize = d.env.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    if total > ENV_TOTAL_MAX {
        fail("env", format!("all variables together have {total} bytes; at most {ENV_TOTAL_MAX} are taken"));
    }
    if let Some(health) = &d.health {
        if health.timeout > health.interval {
            fail("health.timeout", format!("{} is longer than the interval of {}", health.timeout, health.interval));
        }
        let port = match &health.probe {
            Probe::Tcp { port } | Probe::Http { port, .. } => Some(*port),
            Probe::Command(_) => None,
        };
        let udp_only = |port: u16| {
            let mut same = d.ports.iter().filter(|known| known.container == port).peekable();
            same.peek().is_some() && same.all(|known| known.protocol == super::Protocol::Udp)
        };
        if let Some(port) = port.filter(|port| udp_only(*port)) {
            fail("health", format!("port {port} is a UDP port, which cannot be probed by http or tcp"));
        }
    }
    if d.kind == super::Kind::Job && d.restart.policy == super::RestartPolicy::Always {
        fail("restart.policy", String::from("a job that is always started again would never end; use on-failure or never"));
    }
    if d.schedule.is_some() && d.kind == super::Kind::Service {
        fail("schedule", String::from("only a job has a schedule; add kind: job"));
    }
    if let Some(page) = &d.status_page {
        if page.show && d.kind == super::Kind::Job {
            fail("status_page.show", String::from("a job comes and goes; only a service is shown on the status page"));
        }
        if matches!(page.probe, Some(Probe::Command(_))) {
            fail("status_page.probe", String::from("say http or tcp, as everybody meets the service; without a probe, its health counts"));
        }
    }
    for (at, route) in d.routes.iter().enumerate() {
        match d.ports.iter().find(|port| port.name == route.port) {
            None => fail(&format!("routes[{at}].port"), format!("no port is named {:?}", route.port)),
            Some(port) if port.protocol == super::Protocol::Udp => {
                fail(&format!("routes[{at}].port"), format!("{:?} is a UDP port; a route leads to a TCP port", route.port));
            }
            Some(_) => {}
        }
        if d.routes[..at].iter().any(|other| other.path == route.path && other.host.eq_ignore_ascii_case(&route.host) && other.tls == route.tls) {
            fail(&format!("routes[{at}]"), format!("{}{} is there twice", route.host, route.path));
        }
    }
    errors
}

fn ports(d: &Descriptor, errors: &mut Vec<FieldError>) {
    let (mut names, mut inside, mut fixed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (at, port) in d.ports.iter().enumerate() {
        let mut fail = |key: &str, message: String| errors.push(FieldError::new(format!("ports[{at}].{key}"), message));
        if !names.insert(&port.name) {
            fail("name", format!("{:?} is used twice", port.name));
        }
        if !inside.insert((port.container, port.protocol)) {
            fail("container", format!("{}/{} is published twice", port.container, port.protocol));
        }
        let Some(host) = port.host else { continue };
        if !fixed.insert((host, port.protocol)) {
            fail("host", format!("{host}/{} is used twice", port.protocol));
        }
        if d.replicas > 1 {
            fail("host", format!("{} tasks cannot share the fixed port {host}; leave host out, or set replicas to 1", d.replicas));
        } else if d.update.order == UpdateOrder::StartFirst {
            fail("host", format!("the fixed port {host} is held by the old task; use update.order: stop-first"));
        }
    }
}

fn mounts(d: &Descriptor, errors: &mut Vec<FieldError>) {
    let mut taken = BTreeSet::new();
    let volumes = d.volumes.iter().enumerate().map(|(at, volume)| (format!("volumes[{at}].path"), Some(&volume.path)));
    let configs = d.configs.iter().enumerate().map(|(at, config)| (format!("configs[{at}].path"), Some(&config.path)));
    let secrets = d.secrets.iter().enumerate().map(|(at, secret)| (format!("secrets[{at}].path"), secret.path.as_ref()));
    for (field, path) in volumes.chain(configs).chain(secrets) {
        if let Some(path) = path
            && !taken.insert(path.trim_end_matches('/'))
        {
            errors.push(FieldError::new(field, format!("{path} is used twice")));
        }
    }
    let mut names = BTreeSet::new();
    for (at, volume) in d.volumes.iter().enumerate() {
        if let Some(name) = &volume.name
            && !names.insert(name)
        {
            errors.push(FieldError::new(format!("volumes[{at}].name"), format!("{name:?} is mounted twice")));
        }
    }
    let mut variables = BTreeSet::new();
    for (at, secret) in d.secrets.iter().enumerate() {
        let Some(name) = &secret.env else { continue };
        if d.env.contains_key(name) {
            errors.push(FieldError::new(format!("secrets[{at}].env"), format!("{name} is set in env already")));
        } else if !variables.insert(name) {
            errors.push(FieldError::new(format!("secrets[{at}].env"), format!("{name} is set by another secret already")));
        }
    }
}
