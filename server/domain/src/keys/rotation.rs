//! Changing the key: everything that is sealed in the database is sealed anew with a new key, and the old one is forgotten.
//!
//! It can be cut off anywhere and asked for again. In this order: the file holds the new key and the old one; the database names the new one
//! as the one to seal with; every sealed value is sealed anew, each replaced only as long as it is what was read; the file holds the new one
//! alone. Before the last step nothing needs a key that is not in the file.
//!
//! A portal may run meanwhile. Whoever stores a secret reads in the same transaction which key to seal with ([`in_force`], which waits for a
//! change of it and is waited for), and whoever meets a key that it does not know reads the file again.

use zeroize::Zeroizing;

use super::{KeyId, Root, file, hex, prefix, unhex};
use crate::access::Actor;
use crate::args;
use crate::change::Record;
use crate::db::{Tx, Value};
use crate::error::{Error, Result};
use crate::platform::Platform;

/// The setting that names the key to seal with.
const SETTING: &str = "sealing_key";
/// Values that are sealed anew in one transaction.
const BATCH: i64 = 50;

/// A column whose values are sealed.
struct Sealed {
    table: &'static str,
    column: &'static str,
    /// Texts that the purpose is made of, and which rows are told apart by.
    names: &'static [&'static str],
    /// Which rows hold something sealed.
    condition: &'static str,
    purpose: fn(&[String]) -> String,
}

/// Every column of the database that holds sealed values. A test compares it with the migrations, which mark them by `sealed`.
const SEALED: &[Sealed] = &[
    Sealed {
        table: "registry_credentials",
        column: "secret",
        names: &["project_id", "host"],
        condition: "TRUE",
        purpose: |names| crate::services::credentials::purpose(&names[0], &names[1]),
    },
    Sealed {
        table: "config_entries",
        column: "content",
        names: &["scope_id", "name"],
        condition: "kind = 'secret'",
        purpose: |names| crate::configs::secret_purpose(&names[0], &names[1]),
    },
    Sealed {
        table: "machines",
        column: "secrets",
        names: &["id"],
        condition: "secrets IS NOT NULL",
        purpose: |names| crate::machines::purpose(&names[0]),
    },
    Sealed { table: "hook_secrets", column: "secret", names: &["id"], condition: "TRUE", purpose: |names| crate::hooks::secret_purpose(&names[0]) },
    Sealed {
        table: "hook_deliveries",
        column: "request",
        names: &["id"],
        condition: "request IS NOT NULL",
        purpose: |names| crate::hooks::request_purpose(&names[0]),
    },
    Sealed { table: "notice_routes", column: "target", names: &["id"], condition: "TRUE", purpose: |names| crate::notices::purpose(&names[0]) },
    Sealed {
        table: "mail_settings",
        column: "password",
        names: &["id"],
        condition: "password IS NOT NULL",
        purpose: |names| crate::notices::mail_purpose(&names[0]),
    },
];

/// What a change of the key did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Values that were sealed anew.
    pub resealed: u64,
    /// Values that no key opened and that were given up.
    pub lost: u64,
    /// Whether this finished a change that was cut off, instead of beginning one.
    pub finished_earlier: bool,
}

/// The key to seal with, until the transaction ends.
pub(crate) async fn in_force(tx: &mut Tx, platform: &Platform) -> Result<KeyId> {
    let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    tx.exec(sql, args![SETTING, hex(&platform.keys().first())]).await?;
    let sql = "SELECT value FROM settings WHERE name = $1 FOR UPDATE";
    read(tx.one(sql, args![SETTING], |row| row.get::<String>("value")).await?)
}

fn read(text: String) -> Result<KeyId> {
    unhex(&text).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| Error::internal("the setting sealing_key names no key"))
}

/// Refuses to go on with a key file that is not this database's: every secret would seem damaged.
pub async fn check(platform: &Platform) -> Result<()> {
    let Some(id) = crate::site::setting(&mut platform.read().await?, SETTING).await? else { return Ok(()) };
    if platform.keys().by_id(&read(id)?).is_some() {
        return Ok(());
    }
    Err(Error::Unavailable(
        "the key file is not the one that this database's secrets are sealed with: put the right one back. If it is lost, run \
         `slipway admin rotate-key --give-up-lost`: the portal starts then, and every secret must be set again"
            .into(),
    ))
}

/// Seals everything with a new key made of `fresh` bytes and forgets the old one; finishes a change that was cut off. `give_up_lost`: what no key
/// opens is emptied, to be set again; else it is an error, and nothing is forgotten.
pub async fn rotate(platform: &Platform, fresh: [u8; 32], give_up_lost: bool) -> Result<Rotated> {
    let path = platform.keys().file.clone().ok_or_else(|| Error::Unavailable("this process has no key file".into()))?;
    let _alone = file::lock(&path)?;
    let mut keys = file::read(&path)?;
    let mut done = Rotated { finished_earlier: keys.len() > 1, ..Rotated::default() };
    if !done.finished_earlier {
        keys.insert(0, Root(Zeroizing::new(fresh)));
        file::write(&path, &keys)?;
    }
    let new = keys[0].clone();
    point_to(platform, &new).await?;
    // What was being written while the key changed is there by now: a second look finds nothing.
    for sealed in SEALED {
        while reseal(platform, sealed, &new, give_up_lost, &mut done).await? {}
    }
    file::write(&path, std::slice::from_ref(&new))?;
    let change = platform.change(&Actor::console()).await?;
    let detail = serde_json::json!({ "key": hex(&new.id()), "resealed": done.resealed, "lost": done.lost });
    change.commit(Record::new("key.rotate", "site", "slipway").detail(detail)).await?;
    Ok(done)
}

/// From its commit on everything is sealed with the new key.
async fn point_to(platform: &Platform, new: &Root) -> Result<()> {
    let mut write = platform.bookkeeping().await?;
    in_force(&mut write, platform).await?;
    crate::site::put_setting(&mut write, SETTING, &hex(&new.id())).await?;
    write.finish().await
}

/// Seals some values of a column anew; whether there were any.
async fn reseal(platform: &Platform, sealed: &Sealed, new: &Root, give_up_lost: bool, done: &mut Rotated) -> Result<bool> {
    let Sealed { table, column, names, condition, purpose } = sealed;
    let mut write = platform.bookkeeping().await?;
    let (listed, head) = (names.join(", "), prefix(&new.id()).len());
    // In one order, as those do who change several at once: so they wait for each other and never in a circle.
    let sql = format!(
        "SELECT {listed}, {column} FROM {table} WHERE {condition} AND length({column}) > 0 AND substr({column}, 1, {head}) <> $1
         ORDER BY {listed} LIMIT {BATCH}"
    );
    let row = |row: &crate::db::Row<'_>| {
        let found: Result<Vec<String>> = names.iter().map(|name| row.get(name)).collect();
        Ok((found?, row.get::<Vec<u8>>(column)?))
    };
    let rows = write.all(sql, args![prefix(&new.id()).as_slice()], row).await?;
    let any = !rows.is_empty();
    for (values, old) in rows {
        let purpose = purpose(&values);
        let fresh = match platform.open(&purpose, &old) {
            Ok(plain) => {
                done.resealed += 1;
                new.seal(&purpose, platform.random_bytes(), &Zeroizing::new(plain))
            }
            Err(_) if give_up_lost => {
                done.lost += 1;
                Vec::new()
            }
            Err(_) => {
                let what = values.join(" ");
                return Err(Error::Unavailable(format!(
                    "{table} {what} does not open with any key of the key file; nothing is forgotten. Put the right key file back, or give up what is lost with --give-up-lost"
                )));
            }
        };
        let places = names.iter().enumerate().map(|(at, name)| format!("{name} = ${}", at + 3)).collect::<Vec<_>>().join(" AND ");
        let mut arguments = args![fresh, old];
        arguments.extend(values.into_iter().map(Value::from));
        // Only what is still as it was read: a newer value is sealed with the new key already.
        write.exec(format!("UPDATE {table} SET {column} = $1 WHERE {column} = $2 AND {places}"), arguments).await?;
    }
    write.finish().await?;
    Ok(any)
}

#[cfg(test)]
mod tests;
