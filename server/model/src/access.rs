//! Who may do what: the role table as data. Everything that decides over access asks [`allows`] and [`Action::scope`]; both
//! are matches without a wildcard, so a new action does not compile before somebody has decided on it.

use serde::{Deserialize, Serialize};

mod phrase;
mod scope;

pub use scope::{InvalidScope, Scope};

/// A member's role in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads: images, services, logs, charts.
    Guest,
    /// Pushes and deploys.
    Developer,
    /// Decides on members, deletion and approvals.
    Admin,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Self; 3] = [Self::Guest, Self::Developer, Self::Admin];

    /// The word that is stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Developer => "developer",
            Self::Admin => "admin",
        }
    }
}

/// The text is none of the roles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of guest, developer, admin")]
pub struct InvalidRole;

impl std::str::FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(InvalidRole)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a caller stands to a project, or to the site where no project is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Signed in, not a member; the project is internal, or it is about the site.
    Visitor,
    /// A member.
    Member(Role),
    /// A robot of this very project, by its role; to the site, any robot, as a guest. To another project a robot stands in no way at all.
    Robot(Role),
    /// A site administrator.
    Operator,
}

/// What can be done. Each is one line of the role table of the design, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// See that the project exists, its description and settings.
    SeeProject,
    /// See who its members are.
    SeeMembers,
    /// See images and pull them.
    Pull,
    /// See services, tasks, charts, logs, inspect, revisions.
    SeeServices,
    /// Read its services' figures at `/metrics`.
    ReadMetrics,
    /// Read where its services are at the moment, at `/discovery`.
    ReadDiscovery,
    /// Push, tag, create repositories.
    Push,
    /// Delete tags, manifests and repositories.
    DeleteImages,
    /// Create services.
    CreateService,
    /// Deploy, roll back, scale, restart, stop, start, cancel.
    Deploy,
    /// Set variables, files and secrets; see which outside registries are kept.
    Configure,
    /// Open a shell in a task.
    OpenShell,
    /// See the shells that one opened oneself, watch their recordings, end them.
    WatchOwnShells,
    /// The same for everybody's.
    WatchShells,
    /// Read the project's audit log.
    ReadAudit,
    /// Read what the project used, month by month, and what that costs.
    ReadUsage,
    /// Add, change and remove members.
    ManageMembers,
    /// Change the project's settings, or delete it.
    ManageProject,
    /// Make, renew, disable and delete robots.
    ManageRobots,
    /// Make, renew, disable and delete hooks; read what was delivered to them; say which pushes deploy.
    ManageHooks,
    /// Decide which tags never change and which images are kept.
    ManageImageRules,
    /// Keep the credentials of outside registries.
    ManageRegistries,
    /// Write the project's own templates.
    ManageTemplates,
    /// Acknowledge alerts and silence them.
    AnswerAlerts,
    /// Decide what is an alert, and where alerts are told.
    ManageAlerts,
    /// Write the public status page: what heads it, services outside of containers, incidents, planned work.
    ManageStatus,
    /// Delete a service.
    DeleteService,
    /// Approve or refuse a deployment that waits.
    Approve,
    /// Use what reaches beyond a container: privileged mode, host network, host folders.
    UseHostPrivileges,
    /// Create a project.
    CreateProject,
    /// See environments and machines.
    SeeEnvironments,
    /// Change environments and machines.
    ManageEnvironments,
    /// Create, disable and reset users.
    ManageUsers,
    /// Write the templates of the whole site.
    ManageSiteTemplates,
    /// Set how much a project may keep.
    SetQuotas,
    /// Collect garbage, check blobs, see what the registry's disk holds.
    MaintainRegistry,
    /// Read the portal's own figures and those of machines at `/metrics`.
    ReadSiteMetrics,
    /// Read the audit log of the whole site.
    ReadSiteAudit,
    /// Read what every project used.
    ReadSiteUsage,
    /// Say what cpu-hours, memory, storage and transfer cost.
    SetPrices,
}

impl Action {
    /// Every action, in the order of the role table.
    pub const ALL: [Self; 40] = [
        Self::SeeProject,
        Self::SeeMembers,
        Self::Pull,
        Self::SeeServices,
        Self::ReadMetrics,
        Self::ReadDiscovery,
        Self::Push,
        Self::DeleteImages,
        Self::CreateService,
        Self::Deploy,
        Self::Configure,
        Self::OpenShell,
        Self::WatchOwnShells,
        Self::WatchShells,
        Self::ReadAudit,
        Self::ReadUsage,
        Self::ManageMembers,
        Self::ManageProject,
        Self::ManageRobots,
        Self::ManageHooks,
        Self::ManageImageRules,
        Self::ManageRegistries,
        Self::ManageTemplates,
        Self::AnswerAlerts,
        Self::ManageAlerts,
        Self::ManageStatus,
        Self::DeleteService,
        Self::Approve,
        Self::UseHostPrivileges,
        Self::CreateProject,
        Self::SeeEnvironments,
        Self::ManageEnvironments,
        Self::ManageUsers,
        Self::ManageSiteTemplates,
        Self::SetQuotas,
        Self::MaintainRegistry,
        Self::ReadSiteMetrics,
        Self::ReadSiteAudit,
        Self::ReadSiteUsage,
        Self::SetPrices,
    ];

    /// The token scope that is needed beside the role.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::SeeProject
            | Self::SeeMembers
            | Self::SeeServices
            | Self::ReadAudit
            | Self::ReadUsage
            | Self::SeeEnvironments
            | Self::ReadSiteAudit
            | Self::ReadSiteUsage => Scope::Read,
            Self::ReadMetrics | Self::ReadSiteMetrics => Scope::Metrics,
            Self::ReadDiscovery => Scope::Discovery,
            Self::Pull => Scope::Pull,
            Self::Push => Scope::Push,
            Self::CreateService | Self::Deploy | Self::Configure | Self::AnswerAlerts => Scope::Deploy,
            Self::OpenShell | Self::WatchOwnShells | Self::WatchShells => Scope::Shell,
            Self::DeleteImages
            | Self::ManageMembers
            | Self::ManageProject
            | Self::ManageRobots
            | Self::ManageHooks
            | Self::ManageImageRules
            | Self::ManageRegistries
            | Self::ManageTemplates
            | Self::ManageAlerts
            | Self::ManageStatus
            | Self::DeleteService
            | Self::Approve
            | Self::UseHostPrivileges
            | Self::CreateProject
            | Self::ManageEnvironments
            | Self::ManageUsers
            | Self::ManageSiteTemplates
            | Self::SetQuotas
            | Self::MaintainRegistry
            | Self::SetPrices => Scope::Admin,
        }
    }
}

/// What the table answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Allowed.
    Yes,
    /// Not allowed.
    No,
    /// Allowed where the project lets developers open shells.
    WhereShellsAreOpen,
    /// Allowed where operators let everyone create projects.
    WhereCreationIsOpen,
}

/// The role table: what a caller who stands so may do.
#[must_use]
pub fn allows(standing: Standing, action: Action) -> Answer {
    use Role::{Admin, Developer};
    let least = |role: Role| match standing {
        Standing::Operator => Answer::Yes,
        Standing::Member(own) | Standing::Robot(own) if own >= role => Answer::Yes,
        Standing::Member(_) | Standing::Robot(_) | Standing::Visitor => Answer::No,
    };
    // What a person must stand for: with these, a robot whose secret leaked could make itself friends, or let through what waits for a look.
    let least_person = |role: Role| match standing {
        Standing::Robot(_) => Answer::No,
        Standing::Operator | Standing::Member(_) | Standing::Visitor => least(role),
    };
    match action {
        Action::SeeProject | Action::Pull => Answer::Yes,
        Action::SeeMembers => least_person(Role::Guest),
        Action::SeeServices | Action::ReadMetrics | Action::ReadDiscovery => least(Role::Guest),
        Action::Push
        | Action::CreateService
        | Action::Deploy
        | Action::Configure
        | Action::WatchOwnShells
        | Action::ReadUsage
        | Action::AnswerAlerts => least(Developer),
        Action::OpenShell => match standing {
            Standing::Member(Developer) | Standing::Robot(Developer) => Answer::WhereShellsAreOpen,
            Standing::Member(Role::Guest) | Standing::Robot(Role::Guest) | Standing::Visitor => Answer::No,
            Standing::Member(Admin) | Standing::Robot(Admin) | Standing::Operator => Answer::Yes,
        },
        Action::DeleteImages
        | Action::WatchShells
        | Action::ReadAudit
        | Action::ManageImageRules
        | Action::ManageRegistries
        | Action::ManageTemplates
        | Action::ManageAlerts
        | Action::ManageStatus
        | Action::DeleteService => least(Admin),
        Action::ManageMembers | Action::ManageProject | Action::ManageRobots | Action::ManageHooks | Action::Approve => least_person(Admin),
        Action::CreateProject => match standing {
            Standing::Operator => Answer::Yes,
            Standing::Member(_) | Standing::Visitor => Answer::WhereCreationIsOpen,
            Standing::Robot(_) => Answer::No,
        },
        Action::SeeEnvironments => Answer::Yes,
        Action::UseHostPrivileges
        | Action::ManageEnvironments
        | Action::ManageUsers
        | Action::ManageSiteTemplates
        | Action::SetQuotas
        | Action::MaintainRegistry
        | Action::ReadSiteMetrics
        | Action::ReadSiteAudit
        | Action::ReadSiteUsage
        | Action::SetPrices => match standing {
            Standing::Operator => Answer::Yes,
            Standing::Member(_) | Standing::Robot(_) | Standing::Visitor => Answer::No,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as a person reads it: a change of rights is a change of this picture.
    #[test]
    fn the_role_table_stands_as_designed() {
        let people = Role::ALL.map(Standing::Member);
        let robots = Role::ALL.map(Standing::Robot);
        let columns = [Standing::Visitor].into_iter().chain(people).chain([Standing::Operator]).chain(robots);
        let mut picture = String::from("                    visitor   guest     developer admin     operator  r-guest   r-dev     r-admin\n");
        for action in Action::ALL {
            picture.push_str(&format!("{:<20}", format!("{action:?}")));
            for standing in columns.clone() {
                let word = match allows(standing, action) {
                    Answer::Yes => "yes",
                    Answer::No => "-",
                    Answer::WhereShellsAreOpen => "shells",
                    Answer::WhereCreationIsOpen => "if open",
                };
                picture.push_str(&format!("{word:<10}"));
            }
            picture.push_str(&format!("{}\n", action.scope()));
        }
        insta::assert_snapshot!(picture);
    }

    #[test]
    fn every_word_reads_back() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
    }
}
