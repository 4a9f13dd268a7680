//! Identities of stored things: UUIDs of version 7, each kind a type of its own, so that a task's id is never taken for
//! a service's. Ids are made by the platform alone (it owns time and randomness); here they are only read and written.

/// Declares one id type.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(uuid::Uuid);

        impl From<uuid::Uuid> for $name {
            fn from(id: uuid::Uuid) -> Self {
                Self(id)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                // The hyphenated form alone: one id has one spelling, in URLs and in the database.
                if text.len() != 36 {
                    return Err(InvalidId);
                }
                uuid::Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }
    )*};
}

/// The text is not an id: 36 characters, hexadecimal with hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 36 characters like 0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11")]
pub struct InvalidId;

ids! {
    /// An account, a person's or a robot's.
    UserId
    /// A sign-in of one browser, as its owner sees it (never the cookie's value).
    SessionId
    /// A personal access token, as its owner sees it (never its secret).
    TokenId
    /// A robot's secret, for what rests on it (never the secret itself).
    RobotSecretId
    /// A project.
    ProjectId
    /// A repository of the embedded registry.
    RepositoryId
    /// An upload of a blob that is under way.
    UploadId
    /// A service.
    ServiceId
    /// An environment: where things run.
    EnvironmentId
    /// A Docker host that belongs to an environment.
    MachineId
    /// An immutable description of one deploy.
    RevisionId
    /// One act of bringing a revision into an environment.
    DeploymentId
    /// One container.
    TaskId
    /// A terminal in a task, and its recording.
    ShellId
    /// One run of a job.
    JobRunId
    /// One run of a project's rules for images.
    RuleRunId
    /// One run of the registry's upkeep.
    RunId
    /// A copy of an image from an outside registry.
    CopyId
    /// One pruning of a machine's images.
    PruneId
    /// A place of the configuration centre: a project or service, everywhere or in one environment.
    ConfigScopeId
    /// A template, all its versions together.
    TemplateId
    /// One alert: what is wrong with one thing by one rule, from its beginning to its end.
    AlertId
    /// A rule that says what is an alert.
    AlertRuleId
    /// A silence: alerts of a sort are told nobody for a while.
    SilenceId
    /// A place that notices are sent to.
    NoticeRouteId
    /// A notice on its way to one place.
    NoticeId
    /// A hook, by which CI deploys.
    HookId
    /// What was delivered to a hook once.
    HookDeliveryId
    /// A push of an image under a tag, for what rules make of it.
    PushId
    /// An incident of the status page, or work that is planned.
    IncidentId
    /// Something that was told of an incident.
    IncidentUpdateId
    /// A service that is not in containers.
    LegacyServiceId
    /// One record of the audit log.
    AuditId
    /// Something that happened to a container.
    EventId
}
