//! What a token may be used for at most.

use serde::{Deserialize, Serialize};

/// The ceiling of a token. What its bearer may do is role and scope, both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See projects, services, logs, charts.
    Read,
    /// Pull images.
    Pull,
    /// Push images; includes pulling them.
    Push,
    /// Create services, deploy, configure; includes reading.
    Deploy,
    /// Open shells.
    Shell,
    /// Read `/metrics`, and nothing else.
    Metrics,
    /// Read `/discovery`, and nothing else.
    Discovery,
    /// Everything that the bearer may do.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 8] = [Self::Read, Self::Pull, Self::Push, Self::Deploy, Self::Shell, Self::Metrics, Self::Discovery, Self::Admin];

    /// The word that is stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Deploy => "deploy",
            Self::Shell => "shell",
            Self::Metrics => "metrics",
            Self::Discovery => "discovery",
            Self::Admin => "admin",
        }
    }

    /// Whether a token with this scope may do what needs `needed`.
    #[must_use]
    pub fn covers(self, needed: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Push => matches!(needed, Self::Push | Self::Pull),
            Self::Deploy => matches!(needed, Self::Deploy | Self::Read),
            Self::Read | Self::Pull | Self::Shell | Self::Metrics | Self::Discovery => self == needed,
        }
    }
}

/// The text is none of the scopes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is one of read, pull, push, deploy, shell, metrics, discovery, admin")]
pub struct InvalidScope;

impl std::str::FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(InvalidScope)
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
