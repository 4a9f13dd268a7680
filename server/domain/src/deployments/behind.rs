//! Whose request it is: of the account that asked, and where that is a robot's or a hook's, of the people behind it: who made it, who made a secret
//! of it that holds, who had it deliver once more. They are written down when it asks, so that nothing that is deleted meanwhile hides them.

use model::ids::{DeploymentId, UserId};

use crate::access::Actor;
use crate::args;
use crate::db::{Json, Tx};
use crate::error::Result;
use crate::platform::Platform;

/// The people behind a caller; nobody behind one who is a person.
pub(super) async fn people(tx: &mut Tx, platform: &Platform, actor: &Actor) -> Result<Vec<UserId>> {
    let account = actor.account()?;
    if account.robot.is_none() {
        return Ok(Vec::new());
    }
    let sql = "SELECT created_by_id AS person FROM robots WHERE id = $1
               UNION SELECT made_by_id AS person FROM robot_secrets WHERE robot_id = $1 AND (ends_at IS NULL OR ends_at > $2)
               UNION SELECT created_by_id AS person FROM hooks WHERE id = $1
               UNION SELECT made_by_id AS person FROM hook_secrets WHERE hook_id = $1 AND (ends_at IS NULL OR ends_at > $2)";
    let found: Vec<Option<UserId>> = tx.all(sql, args![account.id, platform.now()], |row| row.get("person")).await?;
    let mut people: Vec<UserId> = found.into_iter().flatten().chain(actor.person()).collect();
    people.sort_unstable();
    people.dedup();
    Ok(people)
}

/// Whose request a deployment is.
#[derive(Clone, Debug)]
pub(super) struct Askers {
    account: Option<UserId>,
    people: Vec<UserId>,
}

impl Askers {
    /// Those of a deployment.
    pub async fn of(tx: &mut Tx, id: DeploymentId) -> Result<Self> {
        let sql = "SELECT created_by_id, behind_ids FROM deployments WHERE id = $1";
        tx.one(sql, args![id], |row| {
            let people: Option<Json<Vec<UserId>>> = row.get("behind_ids")?;
            Ok(Self { account: row.get("created_by_id")?, people: people.map(|people| people.0).unwrap_or_default() })
        })
        .await
    }

    /// How it is told to this caller that it is their own request; none: it is not.
    pub fn own(&self, actor: &Actor) -> Result<Option<&'static str>> {
        let me = actor.account()?.id;
        if self.account == Some(me) {
            return Ok(Some("you asked for this yourself"));
        }
        let behind = "you are behind what asked for this: you made that robot or hook or its secret, or had it deliver again";
        Ok(self.people.contains(&me).then_some(behind))
    }
}
