//! How a machine's engine is reached: its address, and the certificates and keys that are kept sealed. They are opened for the connection
//! alone; no view, record or error holds them.

use model::engine::EngineAddress;
use model::ids::MachineId;
use model::machine::MachineForm;
use model::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Machine;
use crate::db::Tx;
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

/// What a machine's keys are sealed for.
pub(crate) fn purpose(machine: impl std::fmt::Display) -> String {
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

    /// Whether there is nothing to keep.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Sealed with the key that is in force in this transaction; none where there is nothing.
    pub async fn seal(&self, tx: &mut Tx, platform: &Platform, machine: MachineId) -> Result<Option<Vec<u8>>> {
        if self.is_nothing() {
            return Ok(None);
        }
        let plain = serde_json::to_vec(self).map_err(|error| Error::internal(format!("the keys of a machine: {error}")))?;
        platform.seal_in(tx, &purpose(machine), &Zeroizing::new(plain)).await.map(Some)
    }

    /// What is kept sealed of a machine.
    ///
    /// # Errors
    /// `Unavailable` where it was given up together with the key that it was sealed with.
    pub fn open(platform: &Platform, machine: &Machine) -> Result<Self> {
        let Some(sealed) = &machine.secrets else { return Ok(Self::default()) };
        if machine.keys_are_lost() {
            let text =
                format!("the keys of the machine {} were lost together with the key that they were sealed with; give them again", machine.name);
            return Err(Error::Unavailable(text));
        }
        let plain = Zeroizing::new(platform.open(&purpose(machine.id), sealed)?);
        serde_json::from_slice(&plain).map_err(|_| Error::internal("the keys of a machine cannot be read"))
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
/// `Invalid` for an address of no use (it came by the configuration), `Unavailable` where the keys are lost, `Internal` where they cannot be opened.
pub fn door(platform: &Platform, machine: &Machine) -> Result<EngineDoor> {
    let address: EngineAddress =
        machine.engine.parse().map_err(|error: model::engine::InvalidEngineAddress| Error::invalid("engine", error.to_string()))?;
    Ok(Kept::open(platform, machine)?.door(address, machine.host_key.clone()))
}

/// The certificates that a machine is reached with, in PEM; none where they cannot be opened. Certificates are no secrets.
pub(crate) fn certificates(platform: &Platform, machine: MachineId, sealed: &[u8]) -> Vec<String> {
    let Ok(plain) = platform.open(&purpose(machine), sealed).map(Zeroizing::new) else { return Vec::new() };
    let kept: Kept = serde_json::from_slice(&plain).unwrap_or_default();
    kept.ca.into_iter().chain(kept.certificate).collect()
}
