//! How a machine's engine is reached: its address, and the certificates and keys that are kept sealed. They are opened for the connection
//! alone; no view, record or error holds them.

use model::engine::EngineAddress;
use model::ids::MachineId;
use model::machine::MachineForm;
use model::secret::Secret;
use serde::{Deserialize, Serialize};

use super::Machine;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::ports::{EngineDoor, SshKeys, TlsKeys};

/// What is kept sealed of a machine. It has no `Debug`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    pub ca: Option<String>,
    pub certificate: Option<String>,
    pub key: Option<String>,
    pub ssh_key: Option<String>,
}

fn purpose(machine: MachineId) -> String {
    format!("machine {machine}")
}

impl Kept {
    /// What was typed, over what is kept: what was left empty stays, as far as this sort of address needs it.
    pub fn over(form: &MachineForm, address: &EngineAddress, kept: Self) -> Self {
        let typed = |text: &str| {
            let text = text.trim();
            // Keys end with a line end; some readers insist.
            (!text.is_empty()).then(|| format!("{}\n", text.replace("\r\n", "\n")))
        };
        match address {
            EngineAddress::Unix(_) => Self::default(),
            EngineAddress::Tcp { .. } if form.without_tls => Self::default(),
            EngineAddress::Tcp { .. } => {
                let pair = (typed(&form.certificate), typed(&form.key));
                let (certificate, key) = if pair.0.is_some() || pair.1.is_some() { pair } else { (kept.certificate, kept.key) };
                Self { ca: typed(&form.ca).or(kept.ca), certificate, key, ssh_key: None }
            }
            EngineAddress::Ssh { .. } => Self { ssh_key: typed(&form.ssh_key).or(kept.ssh_key), ..Self::default() },
        }
    }

    pub fn seal(&self, platform: &Platform, machine: MachineId) -> Result<Option<Vec<u8>>> {
        if *self == Self::default() {
            return Ok(None);
        }
        let plain = serde_json::to_vec(self).map_err(|error| Error::internal(format!("the keys of a machine: {error}")))?;
        Ok(Some(platform.seal(&purpose(machine), &plain)))
    }

    pub fn open(platform: &Platform, machine: MachineId, sealed: Option<&[u8]>) -> Result<Self> {
        let Some(sealed) = sealed else { return Ok(Self::default()) };
        serde_json::from_slice(&platform.open(&purpose(machine), sealed)?).map_err(|_| Error::internal("the keys of a machine cannot be read"))
    }

    pub fn door(self, address: EngineAddress, host_key: Option<String>) -> EngineDoor {
        let tls = self.ca.map(|ca| TlsKeys { ca, client: self.certificate.zip(self.key.map(Secret::new)) });
        let ssh = self.ssh_key.map(|key| SshKeys { key: Secret::new(key), host_key });
        EngineDoor { address, tls, ssh }
    }
}

/// How a machine's engine is reached.
///
/// # Errors
/// `Invalid` for an address of no use (it came by the configuration), `Internal` where the keys cannot be opened.
pub fn door(platform: &Platform, machine: &Machine) -> Result<EngineDoor> {
    let address: EngineAddress =
        machine.engine.parse().map_err(|error: model::engine::InvalidEngineAddress| Error::invalid("engine", error.to_string()))?;
    Ok(Kept::open(platform, machine.id, machine.secrets.as_deref())?.door(address, machine.host_key.clone()))
}
