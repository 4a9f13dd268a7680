//! What an operator says about a machine: its engine's address and keys, and how its ports and networks are given out. Texts as they were typed;
//! the checks that need nothing else are here, so that the browser makes them too.

use serde::{Deserialize, Serialize};

use crate::engine::EngineAddress;
use crate::problem::FieldError;

/// A machine as it is asked for. Keys that are left empty stay what they are. Its `Debug` shows none of them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineForm {
    /// The engine's address.
    pub engine: String,
    /// That a `tcp://` address is spoken to without TLS.
    pub without_tls: bool,
    /// The certificate of the authority that signed the engine's, in PEM.
    pub ca: String,
    /// The portal's own certificate, in PEM.
    pub certificate: String,
    /// Its private key, in PEM.
    pub key: String,
    /// The private key for SSH.
    pub ssh_key: String,
    /// The SSH server's key that was confirmed, as OpenSSH writes public keys.
    pub host_key: String,
    /// The machine's address for `SLIPWAY_HOST` and links; empty: the engine's.
    pub host: String,
    /// The address that ports are published on; empty: all of a machine elsewhere, the loopback of the portal's own.
    pub publish_address: String,
    /// First of the ports that are given out; empty: 20000.
    pub first_port: String,
    /// Last of them; empty: 29999.
    pub last_port: String,
    /// The range that networks are made of; empty: 10.208.0.0/12.
    pub subnet_pool: String,
}

impl std::fmt::Debug for MachineForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineForm").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// Longest certificate or key, in bytes.
const PEM_MAX: usize = 64 * 1024;
/// The ports that are given out where nothing is said.
pub const PORTS: (u16, u16) = (20_000, 29_999);
/// The first port that is given out at the lowest: what is below is the machine's own.
const FIRST_PORT: u16 = 1024;
/// Out of these the kernel gives connections their ports, where nobody changed that.
pub const EPHEMERAL: (u16, u16) = (32_768, 60_999);

impl MachineForm {
    /// Every mistake that can be seen without asking anybody. `kept`: whether keys are kept already, which may be left out then.
    #[must_use]
    pub fn mistakes(&self, kept: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, message: &str| errors.push(FieldError::new(field, message));
        for (field, text) in [("ca", &self.ca), ("certificate", &self.certificate), ("key", &self.key), ("ssh_key", &self.ssh_key)] {
            if text.len() > PEM_MAX || text.contains('\0') {
                wrong(field, "at most 64 KiB of text");
            } else if !text.trim().is_empty() && !text.contains("-----BEGIN ") {
                wrong(field, "paste the whole file, from -----BEGIN to the end of its -----END line");
            }
        }
        match self.engine.parse::<EngineAddress>() {
            Err(error) => wrong("engine", &error.to_string()),
            Ok(EngineAddress::Tcp { .. }) if !self.without_tls => {
                let (certificate, key) = (!self.certificate.trim().is_empty(), !self.key.trim().is_empty());
                if self.ca.trim().is_empty() && !kept {
                    wrong("ca", "paste the certificate of the authority that signed the engine's, or say that it is spoken to without TLS");
                }
                if certificate && !key {
                    wrong("key", "paste the key of this certificate too");
                }
                if key && !certificate {
                    wrong("certificate", "paste the certificate of this key too");
                }
            }
            Ok(EngineAddress::Ssh { .. }) if self.ssh_key.trim().is_empty() && !kept => {
                wrong("ssh_key", "paste a private key with which this user may sign in");
            }
            Ok(EngineAddress::Tcp { .. } | EngineAddress::Ssh { .. } | EngineAddress::Unix(_)) => {}
        }
        if let Err(message) = self.ports() {
            wrong("ports", &message);
        }
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if self.host.trim().len() > 253 || !self.host.trim().chars().all(name) {
            wrong("host", "write a name or an address, without a port and without ://");
        }
        if !self.publish_address.trim().is_empty() && self.publish_address.trim().parse::<std::net::IpAddr>().is_err() {
            wrong("publish_address", "write an address of the machine, like 0.0.0.0 for all of them");
        }
        errors
    }

    /// First and last of the ports that are given out.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn ports(&self) -> Result<(u16, u16), String> {
        let read = |text: &str, default: u16| match text.trim() {
            "" => Ok(default),
            text => text.parse::<u16>().map_err(|_| format!("{text:?} is no port; write numbers from {FIRST_PORT} to 65535")),
        };
        let (first, last) = (read(&self.first_port, PORTS.0)?, read(&self.last_port, PORTS.1)?);
        if first < FIRST_PORT {
            return Err(format!("ports below {FIRST_PORT} are the machine's own; begin with {FIRST_PORT} or more"));
        }
        if first > last {
            return Err(format!("the first port, {first}, is behind the last, {last}"));
        }
        Ok((first, last))
    }
}

/// What to know about a range of ports beside the one out of which the kernel gives connections theirs; none: they have nothing in common.
#[must_use]
pub fn shared_with_kernel(ports: (u16, u16), kernel: (u16, u16)) -> Option<String> {
    (ports.0 <= kernel.1 && kernel.0 <= ports.1).then(|| {
        format!(
            "the ports {} to {} overlap with {} to {}, out of which the kernel gives connections theirs: now and then a service will find its port \
             taken and get another one. Below {} is free of that.",
            ports.0, ports.1, kernel.0, kernel.1, kernel.0
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(form: &MachineForm, kept: bool) -> Vec<String> {
        form.mistakes(kept).into_iter().map(|error| error.field).collect()
    }

    fn at(engine: &str) -> MachineForm {
        MachineForm { engine: engine.into(), ..MachineForm::default() }
    }

    #[test]
    fn each_sort_of_address_needs_its_keys() {
        assert!(fields(&at("unix:///var/run/docker.sock"), false).is_empty());
        assert_eq!(fields(&at("tcp://h:2376"), false), ["ca"]);
        assert!(fields(&at("tcp://h:2376"), true).is_empty());
        assert!(fields(&MachineForm { without_tls: true, ..at("tcp://h:2375") }, false).is_empty());
        assert_eq!(fields(&at("ssh://u@h"), false), ["ssh_key"]);
        let pem = "-----BEGIN CERTIFICATE-----\n";
        assert_eq!(fields(&MachineForm { ca: pem.into(), certificate: pem.into(), ..at("tcp://h:1") }, false), ["key"]);
        assert_eq!(fields(&MachineForm { ca: pem.into(), key: pem.into(), ..at("tcp://h:1") }, false), ["certificate"]);
        assert_eq!(fields(&MachineForm { ca: "/etc/ca.pem".into(), ..at("tcp://h:1") }, true), ["ca"]);
        assert_eq!(fields(&at("nonsense"), true), ["engine"]);
    }

    #[test]
    fn ranges_are_checked() {
        let ports = |first: &str, last: &str| MachineForm { first_port: first.into(), last_port: last.into(), ..at("unix:///x") };
        assert_eq!(ports("", "").ports(), Ok(PORTS));
        assert_eq!(ports("3000", "4000").ports(), Ok((3000, 4000)));
        for (first, last) in [("80", ""), ("4000", "3000"), ("x", ""), ("", "70000")] {
            assert_eq!(fields(&ports(first, last), false), ["ports"], "{first} {last}");
        }
        assert!(shared_with_kernel((20_000, 29_999), EPHEMERAL).is_none());
        assert!(shared_with_kernel((30_000, 32_768), EPHEMERAL).is_some());
        assert!(shared_with_kernel((60_999, 65_000), EPHEMERAL).is_some());
        assert!(shared_with_kernel((61_000, 65_000), EPHEMERAL).is_none());
    }

    #[test]
    fn addresses_are_checked() {
        assert_eq!(fields(&MachineForm { host: "http://x".into(), ..at("unix:///x") }, false), ["host"]);
        assert_eq!(fields(&MachineForm { publish_address: "docker1".into(), ..at("unix:///x") }, false), ["publish_address"]);
    }
}
