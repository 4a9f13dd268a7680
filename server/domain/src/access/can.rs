//! The permissions as types, one for each action, so that a function's signature says what must have been checked.

use model::access::Action;

/// A type that stands for one action.
pub trait Permission: Clone + Send + Sync + 'static {
    /// The action.
    const ACTION: Action;
}

macro_rules! permissions {
    ($($name:ident)*) => {$(
        #[doc = concat!("The permission for [`Action::", stringify!($name), "`].")]
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Permission for $name {
            const ACTION: Action = Action::$name;
        }
    )*};
}

permissions! {
    SeeProject SeeMembers Pull SeeServices ReadMetrics ReadDiscovery Push DeleteImages CreateService Deploy Configure OpenShell WatchOwnShells WatchShells ReadAudit ReadUsage
    ManageMembers ManageProject ManageRobots ManageHooks ManageImageRules ManageRegistries ManageTemplates AnswerAlerts ManageAlerts ManageStatus DeleteService Approve UseHostPrivileges
    CreateProject SeeEnvironments ManageEnvironments ManageUsers ManageSiteTemplates SetQuotas MaintainRegistry ReadSiteMetrics ReadSiteAudit ReadSiteUsage SetPrices
}
