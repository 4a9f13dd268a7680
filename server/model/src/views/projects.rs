//! Views of projects and their members.

use serde::{Deserialize, Serialize};

use crate::access::{Action, Role, Standing};
use crate::ids::{ProjectId, UserId};
use crate::names::{ProjectName, Username};
use crate::time::Millis;

/// A project, to somebody who may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectView {
    /// The project.
    pub id: ProjectId,
    /// Its name.
    pub name: ProjectName,
    /// What it is for.
    pub description: String,
    /// Whether any signed-in user may see its images and pull.
    pub internal: bool,
    /// Whether developers may open shells.
    pub developer_shells: bool,
    /// Days for which its logs are kept.
    pub logs_days: i64,
    /// When it was made.
    pub created_at: Millis,
    /// How the reader stands to it.
    pub standing: Standing,
    /// What the reader may do; pages hide the rest, the server refuses it.
    pub may: Vec<Action>,
}

impl ProjectView {
    /// Whether the reader may do this.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        self.may.contains(&action)
    }
}

/// A project in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectSummary {
    /// The project.
    pub id: ProjectId,
    /// Its name.
    pub name: ProjectName,
    /// What it is for.
    pub description: String,
    /// Whether any signed-in user may see its images and pull.
    pub internal: bool,
    /// The reader's role; none for a visitor of an internal project and for an operator who is no member.
    pub role: Option<Role>,
    /// When it was made.
    pub created_at: Millis,
}

/// A member of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// The account.
    pub id: UserId,
    /// Its name.
    pub username: Username,
    /// Its role.
    pub role: Role,
    /// Whether the account is disabled.
    pub disabled: bool,
    /// Since when it is a member.
    pub since: Millis,
}
