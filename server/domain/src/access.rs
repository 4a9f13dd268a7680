//! No check, no handle: a project's rows are reached only with what [`Actor::may`] returns. NotFound, Forbidden and
//! Unauthenticated are decided here and nowhere else: what a caller may not know of is not found, what they know of and may not do is
//! forbidden, and a caller that is nobody is told to sign in before anything is looked up.
//!
//! The role table itself is data, in [`model::access`].

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::ops::Deref;

use model::access::{Action, Answer, Role, Scope, Standing, allows};
use model::ids::{HookId, ProjectId, RobotSecretId, TokenId, UserId};
use model::names::AccountName;
use model::time::Millis;

use crate::args;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::projects::Project;

pub mod can;
mod held;
mod lease;
mod visible;

pub use held::Held;
pub(crate) use lease::CHECK_AGAIN;
pub use lease::{Changes, Lease};
pub use visible::Visible;

/// An account, as far as access asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account.
    pub id: UserId,
    /// Its name.
    pub name: AccountName,
    /// Whether it is a site administrator.
    pub operator: bool,
    /// The project that it is a robot or a hook of; none: a person. A robot stands nowhere but there.
    pub robot: Option<ProjectId>,
    /// Which password it has: another one, and a later number, with each change of it and each disabling.
    pub password_since: Millis,
}

/// How a caller proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Not at all.
    None,
    /// By a session of a browser; the hash of its id.
    Session(String),
    /// By a personal access token.
    Token(TokenId),
    /// By a robot's secret.
    Robot(RobotSecretId),
    /// By the proof that came with what was delivered to a hook.
    Hook(HookId),
    /// By user name and password.
    Password {
        /// [`Account::password_since`] of the password that was checked: its change ends what rests on it.
        since: Millis,
    },
    /// By a push, where a rule of a service deploys what is pushed: for nothing but that deployment.
    Push,
    /// By standing at the machine: a command of the binary over the data folder.
    Console,
}

impl Credential {
    /// The word in the audit log.
    #[must_use]
    pub fn door(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Session(_) => "session",
            Self::Token(_) => "token",
            Self::Robot(_) => "robot",
            Self::Hook(_) => "hook",
            Self::Password { .. } => "password",
            Self::Push => "push",
            Self::Console => "console",
        }
    }
}

/// Who asks: an account or nobody, how it was proved, what it may be used for at most, and from where.
#[derive(Clone, Debug)]
pub struct Actor {
    account: Option<Account>,
    credential: Credential,
    /// The ceiling; none means no ceiling.
    scopes: Option<BTreeSet<Scope>>,
    address: String,
    /// The person who has a program do this very thing.
    person: Option<UserId>,
}

impl Actor {
    /// Somebody who has proved nothing.
    #[must_use]
    pub fn nobody(address: impl Into<String>) -> Self {
        Self { account: None, credential: Credential::None, scopes: None, address: address.into(), person: None }
    }

    pub(crate) fn account_with(account: Account, credential: Credential, scopes: Option<BTreeSet<Scope>>, address: String) -> Self {
        Self { account: Some(account), credential, scopes, address, person: None }
    }

    pub(crate) fn proved_by(mut self, credential: Credential) -> Self {
        self.credential = credential;
        self
    }

    pub(crate) fn with_account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// The same program, where a person has it do something.
    pub(crate) fn for_person(mut self, person: UserId) -> Self {
        self.person = Some(person);
        self
    }

    /// The person who has this program do something, where somebody does.
    pub(crate) fn person(&self) -> Option<UserId> {
        self.person
    }

    /// The account, or the error that says to sign in.
    pub fn account(&self) -> Result<&Account> {
        self.account.as_ref().ok_or(Error::Unauthenticated)
    }

    /// How they proved it.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Where they ask from.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The name in the audit log.
    #[must_use]
    pub fn name(&self) -> &str {
        match (&self.account, &self.credential) {
            (Some(account), _) => account.name.as_str(),
            (None, Credential::Console) => "console",
            (None, _) => "nobody",
        }
    }

    /// The same caller under a further ceiling: what both ceilings allow.
    #[must_use]
    pub fn limited_to(mut self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        let scopes: BTreeSet<Scope> = scopes.into_iter().collect();
        self.scopes = Some(match self.scopes {
            None => scopes,
            Some(own) => scopes.into_iter().filter(|scope| own.iter().any(|own| own.covers(*scope))).collect(),
        });
        self
    }

    /// Whether the ceiling lets through what needs this scope.
    #[must_use]
    pub fn ceiling_covers(&self, needed: Scope) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|own| own.covers(needed)))
    }

    /// For what concerns a person's own account, its password, sessions and tokens: an error where a robot asks, and one that names the scope
    /// where the ceiling does not let it through.
    pub fn need(&self, scope: Scope) -> Result<()> {
        if self.account()?.robot.is_some() {
            return Err(Error::Forbidden("a robot has no password, sessions or tokens of its own; a project admin renews its secret".into()));
        }
        if self.ceiling_covers(scope) {
            return Ok(());
        }
        Err(Error::Forbidden(format!("this token may not do that to its own account: it lacks the scope {scope}")))
    }

    /// The ceiling, where there is one.
    #[must_use]
    pub fn ceiling(&self) -> Option<&BTreeSet<Scope>> {
        self.scopes.as_ref()
    }

    /// The permission to do `P` to what `key` names: the only way to it.
    pub async fn may<P: can::Permission, K: Key>(&self, platform: &Platform, key: &K) -> Result<May<P, K::Resource>> {
        self.account()?;
        let mut tx = platform.read().await?;
        self.may_in(&mut tx, key).await
    }

    /// [`Actor::may`] within a transaction that is open already.
    pub async fn may_in<P: can::Permission, K: Key>(&self, tx: &mut Tx, key: &K) -> Result<May<P, K::Resource>> {
        let account = self.account()?;
        let missing = Error::NotFound { what: K::Resource::WHAT };
        let Some(resource) = key.find(tx).await? else { return Err(missing) };
        let Some(standing) = standing(tx, account, resource.project()).await? else { return Err(missing) };
        if !self.permits(tx, standing, K::Resource::VISIBLE, resource.project()).await? {
            return Err(missing);
        }
        if !self.permits(tx, standing, P::ACTION, resource.project()).await? {
            return Err(Error::Forbidden(refusal(standing, P::ACTION, resource.project())));
        }
        if !self.ceiling_covers(P::ACTION.scope()) {
            let text = format!("this token may not {}: it lacks the scope {}", P::ACTION.phrase(), P::ACTION.scope());
            return Err(Error::Forbidden(text));
        }
        Ok(May { actor: self.clone(), standing, resource, permission: PhantomData })
    }

    async fn permits(&self, tx: &mut Tx, standing: Standing, action: Action, project: Option<&Project>) -> Result<bool> {
        Ok(match allows(standing, action) {
            Answer::Yes => true,
            Answer::No => false,
            Answer::WhereShellsAreOpen => project.is_some_and(|project| project.developer_shells),
            Answer::WhereCreationIsOpen => crate::site::anyone_creates_projects(tx).await?,
        })
    }

    /// What this caller may do to a project: for pages, which hide the rest.
    pub(crate) async fn everything_allowed(&self, tx: &mut Tx, standing: Standing, project: &Project) -> Result<Vec<Action>> {
        let mut allowed = Vec::new();
        for action in Action::ALL {
            if self.ceiling_covers(action.scope()) && self.permits(tx, standing, action, Some(project)).await? {
                allowed.push(action);
            }
        }
        Ok(allowed)
    }

    /// The handle for lists over all projects in which this caller may do `P`.
    pub fn visible<P: can::Permission>(&self) -> Result<Visible<P>> {
        let account = self.account()?.clone();
        if !self.ceiling_covers(P::ACTION.scope()) {
            let text = format!("this token may not {}: it lacks the scope {}", P::ACTION.phrase(), P::ACTION.scope());
            return Err(Error::Forbidden(text));
        }
        Ok(Visible::of(account))
    }
}

/// How an account stands to a project, or to the site where none is meant. None: it may not know of it.
async fn standing(tx: &mut Tx, account: &Account, project: Option<&Project>) -> Result<Option<Standing>> {
    if let Some(own) = account.robot {
        return robot_standing(tx, account, own, project).await;
    }
    if account.operator {
        return Ok(Some(Standing::Operator));
    }
    let Some(project) = project else { return Ok(Some(Standing::Visitor)) };
    let sql = "SELECT role FROM members WHERE project_id = $1 AND user_id = $2";
    let role: Option<Role> = tx.opt(sql, args![project.id, account.id], |row| row.get("role")).await?;
    Ok(match role {
        Some(role) => Some(Standing::Member(role)),
        None if project.internal => Some(Standing::Visitor),
        None => None,
    })
}

/// How a robot stands: in its own project by its role, elsewhere not at all. That another project is internal does not concern it: it is nobody
/// who is signed in.
async fn robot_standing(tx: &mut Tx, account: &Account, own: ProjectId, project: Option<&Project>) -> Result<Option<Standing>> {
    let Some(project) = project else { return Ok(Some(Standing::Robot(Role::Guest))) };
    if project.id != own {
        return Ok(None);
    }
    // A hook is a robot that deploys: where it stands is the same.
    let sql = "SELECT role FROM robots WHERE id = $1 AND project_id = $2
               UNION ALL SELECT 'developer' AS role FROM hooks WHERE id = $1 AND project_id = $2 AND disabled_at IS NULL";
    let role: Option<Role> = tx.opt(sql, args![account.id, own], |row| row.get("role")).await?;
    Ok(role.map(Standing::Robot))
}

/// What a refused caller reads: who they are here, what they may not, who can change it.
fn refusal(standing: Standing, action: Action, project: Option<&Project>) -> String {
    let who = match standing {
        Standing::Visitor if project.is_some() => "you are not a member of this project and".to_owned(),
        Standing::Visitor => "you".to_owned(),
        Standing::Member(role) => format!("as {role} you"),
        Standing::Robot(role) => format!("as a robot with the role {role} you"),
        Standing::Operator => "as operator you".to_owned(),
    };
    let whom = match (project, action) {
        (Some(project), Action::OpenShell) if matches!(standing, Standing::Member(Role::Developer) | Standing::Robot(Role::Developer)) => {
            format!("project {} lets only its admins open shells", project.name)
        }
        _ if matches!(standing, Standing::Robot(_)) && allows(Standing::Robot(Role::Admin), action) == Answer::No => {
            "it is left to people".to_owned()
        }
        (Some(project), _) => format!("an admin of project {} can give you a role that may", project.name),
        (None, _) => "ask an operator".to_owned(),
    };
    format!("{who} may not {}; {whom}", action.phrase())
}

/// How a name becomes a row. Only the permission check calls it.
pub trait Key: Sync {
    /// What it names.
    type Resource: Resource;

    /// Finds it, whoever asks.
    fn find(&self, tx: &mut Tx) -> impl Future<Output = Result<Option<Self::Resource>>> + Send;
}

/// What a permission can be about.
pub trait Resource: Clone + Send + Sync {
    /// What it is called when it is not found: `project`.
    const WHAT: &'static str;
    /// The action without which a caller may not even know that it exists.
    const VISIBLE: Action;

    /// The project that it belongs to; none for what belongs to the site.
    fn project(&self) -> Option<&Project>;
}

/// The permission to do `P` to an `R`, and the `R` itself.
#[derive(Clone, Debug)]
pub struct May<P, R> {
    actor: Actor,
    standing: Standing,
    resource: R,
    permission: PhantomData<P>,
}

impl<P, R> May<P, R> {
    /// Who may.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// How they stand to it.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether the same caller may also do this to it, by role and ceiling alone; what a setting decides counts as no.
    #[must_use]
    pub fn also(&self, action: Action) -> bool {
        allows(self.standing, action) == Answer::Yes && self.actor.ceiling_covers(action.scope())
    }
}

impl<P, R> Deref for May<P, R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.resource
    }
}

/// What belongs to no project: accounts, environments, settings.
#[derive(Clone, Copy, Debug)]
pub struct Site;

impl Resource for Site {
    const WHAT: &'static str = "page";
    const VISIBLE: Action = Action::SeeEnvironments;

    fn project(&self) -> Option<&Project> {
        None
    }
}

impl Key for Site {
    type Resource = Self;

    async fn find(&self, _: &mut Tx) -> Result<Option<Self>> {
        Ok(Some(*self))
    }
}
