//! What can be done, in words for whoever may not.

use super::Action;

impl Action {
    /// What a refused caller is told it was that they may not: "you may not ...".
    #[must_use]
    pub fn phrase(self) -> &'static str {
        match self {
            Self::SeeProject => "see this project",
            Self::SeeMembers => "see this project's members",
            Self::Pull => "pull from this project",
            Self::SeeServices => "see this project's services",
            Self::ReadMetrics => "read the figures of this project's services",
            Self::ReadDiscovery => "read where this project's services are",
            Self::Push => "push to this project",
            Self::DeleteImages => "delete images of this project",
            Self::CreateService => "create services in this project",
            Self::Deploy => "deploy in this project",
            Self::Configure => "change configuration in this project",
            Self::OpenShell => "open a shell in this project's tasks",
            Self::WatchOwnShells => "see shells in this project",
            Self::WatchShells => "see everybody's shells in this project",
            Self::ReadAudit => "read this project's audit log",
            Self::ReadUsage => "read what this project used",
            Self::ManageMembers => "manage this project's members",
            Self::ManageProject => "manage this project",
            Self::ManageRobots => "manage this project's robots",
            Self::ManageHooks => "manage this project's hooks and push rules",
            Self::ManageImageRules => "decide which images of this project are kept",
            Self::ManageRegistries => "manage this project's outside registries",
            Self::ManageTemplates => "write this project's templates",
            Self::AnswerAlerts => "acknowledge or silence alerts of this project",
            Self::ManageAlerts => "decide on alerts of this project",
            Self::ManageStatus => "write the public status page",
            Self::DeleteService => "delete services of this project",
            Self::Approve => "approve deployments of this project",
            Self::UseHostPrivileges => "use privileges on the host",
            Self::CreateProject => "create projects",
            Self::SeeEnvironments => "see environments",
            Self::ManageEnvironments => "manage environments",
            Self::ManageUsers => "manage users",
            Self::ManageSiteTemplates => "write templates for the whole site",
            Self::SetQuotas => "set quotas",
            Self::MaintainRegistry => "maintain the registry",
            Self::ReadSiteMetrics => "read the portal's own figures",
            Self::ReadSiteAudit => "read the audit log",
            Self::ReadSiteUsage => "read what every project used",
            Self::SetPrices => "set prices",
        }
    }
}
