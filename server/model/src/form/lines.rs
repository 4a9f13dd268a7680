//! Variables and ports as lines of text. A value that could not stand on a line as it is, is written as a JSON string.

use std::collections::BTreeMap;

use crate::descriptor::{Port, Protocol, check_env_name};

/// One `NAME=value` on each line; empty lines and lines that begin with `#` are passed over.
///
/// # Errors
/// The first line that is wrong, with what would be right.
pub fn read_env(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut env = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start().trim_end_matches('\r');
        let wrong = |message: String| format!("line {}: {message}", at + 1);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(wrong(format!("{:?} has no =; write NAME=value", super::shown(line))));
        };
        let name = name.trim_end();
        check_env_name(name).map_err(wrong)?;
        let value = if value.len() > 1 && value.starts_with('"') && value.ends_with('"') {
            serde_json::from_str(value).map_err(|_| wrong(String::from("a value in double quotes is read as JSON; write \\\" for a quote inside")))?
        } else {
            value.to_owned()
        };
        if env.insert(name.to_owned(), value).is_some() {
            return Err(wrong(format!("{name} stands twice")));
        }
    }
    Ok(env)
}

/// The lines that read back as `env`.
#[must_use]
pub fn show_env(env: &BTreeMap<String, String>) -> String {
    let line = |(name, value): (&String, &String)| {
        let plain = !value.starts_with('"') && !value.contains(['\n', '\r']) && !value.ends_with(char::is_whitespace);
        if plain { format!("{name}={value}") } else { format!("{name}={}", serde_json::Value::from(value.as_str())) }
    };
    env.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// One `[name=][host:]container[/protocol]` on each line.
pub(super) fn read_ports(text: &str) -> Result<Vec<Port>, String> {
    let mut ports = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        ports.push(port(line.trim()).map_err(|message| format!("line {}: {message}", at + 1))?);
    }
    Ok(ports)
}

fn port(line: &str) -> Result<Port, String> {
    let number = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("{:?} is not a port, 1 to 65535; write 8080, http=8080, 18080:8080 or 53/udp", super::shown(text))),
    };
    let (name, rest) = line.split_once('=').map_or((None, line), |(name, rest)| (Some(name.trim()), rest.trim()));
    let (rest, protocol) = match rest.split_once('/') {
        None => (rest, Protocol::Tcp),
        Some((rest, "tcp")) => (rest, Protocol::Tcp),
        Some((rest, "udp")) => (rest, Protocol::Udp),
        Some((_, other)) => return Err(format!("{:?} is neither tcp nor udp", super::shown(other))),
    };
    let (host, container) = match rest.split_once(':') {
        Some((host, container)) => (Some(number(host)?), number(container)?),
        None => (None, number(rest)?),
    };
    let name = name.map_or_else(|| format!("{protocol}-{container}"), str::to_owned);
    Ok(Port { name, container, host, protocol })
}

/// The lines that read back as `ports`.
pub(super) fn show_ports(ports: &[Port]) -> String {
    let line = |port: &Port| {
        let named = port.name != format!("{}-{}", port.protocol, port.container);
        let name = if named { format!("{}=", port.name) } else { String::new() };
        let host = port.host.map(|host| format!("{host}:")).unwrap_or_default();
        let protocol = if port.protocol == Protocol::Udp { "/udp" } else { "" };
        format!("{name}{host}{}{protocol}", port.container)
    };
    ports.iter().map(line).collect::<Vec<_>>().join("\n")
}
