//! The permission for lists: a condition of the query over projects, made of the role table.

use std::marker::PhantomData;

use model::access::{Answer, Role, Standing, allows};

use super::{Account, can};
use crate::args;
use crate::db::Value;

/// The permission for lists: every project in which a caller may do `P`, as a condition of the query, not a check for each row.
#[derive(Clone, Debug)]
pub struct Visible<P> {
    account: Account,
    permission: PhantomData<P>,
}

impl<P: can::Permission> Visible<P> {
    pub(super) fn of(account: Account) -> Self {
        Self { account, permission: PhantomData }
    }

    /// The account that asks.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// A condition over a `projects` row called `table`, with placeholders from `$first` on, and their arguments.
    #[must_use]
    pub fn condition(&self, table: &str, first: usize) -> (String, Vec<Value>) {
        if let Some(own) = self.account.robot {
            let roles = Self::roles(Standing::Robot);
            let second = first + 1;
            let text = format!(
                "({table}.id = ${first} AND EXISTS (SELECT 1 FROM robots v WHERE v.id = ${second} AND v.project_id = {table}.id AND v.role IN ('{roles}')))"
            );
            return (text, args![own, self.account.id]);
        }
        if self.account.operator {
            return ("TRUE".to_owned(), Vec::new());
        }
        let mut parts = vec!["FALSE".to_owned()];
        if allows(Standing::Visitor, P::ACTION) == Answer::Yes {
            parts.push(format!("{table}.internal"));
        }
        let roles = Self::roles(Standing::Member);
        parts.push(format!("EXISTS (SELECT 1 FROM members v WHERE v.project_id = {table}.id AND v.user_id = ${first} AND v.role IN ('{roles}'))"));
        (format!("({})", parts.join(" OR ")), args![self.account.id])
    }

    /// The roles that give the permission to those who stand so, as SQL has them between quotes; none of them is an empty text, which is no role.
    fn roles(standing: fn(Role) -> Standing) -> String {
        let allowed = Role::ALL.into_iter().filter(|role| match allows(standing(*role), P::ACTION) {
            Answer::Yes => true,
            // Lists over shells or project creation do not exist; fail closed.
            Answer::No | Answer::WhereShellsAreOpen | Answer::WhereCreationIsOpen => false,
        });
        allowed.map(Role::as_str).collect::<Vec<_>>().join("', '")
    }
}
