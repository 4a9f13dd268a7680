//! Commands at the machine, over the data folder, while the portal runs or not.

use std::io::{IsTerminal as _, Read as _};

use domain::db::Db;
use domain::keys::{Keys, rotation};
use domain::{Platform, Result, accounts};
use model::names::Username;
use model::secret::Secret;

use crate::config::{Admin, AdminCommand, Store, private_folder};

/// Brings the schema up to date.
pub async fn migrate(store: &Store) -> Result<()> {
    let platform = open(store).await?;
    platform.close().await;
    Ok(())
}

/// Runs one of the mending commands.
pub async fn run(admin: Admin) -> Result<()> {
    match admin.command {
        AdminCommand::ResetPassword { username, store } => {
            let username: Username = username.parse().map_err(|error| domain::Error::invalid("username", error))?;
            let platform = open(&store).await?;
            let password = read_password()?;
            accounts::users::reset_password_at_console(&platform, &username, &password).await?;
            platform.close().await;
            eprintln!("the password of {username} is changed; its sessions have ended");
            Ok(())
        }
        AdminCommand::RotateKey { give_up_lost, store } => {
            let platform = open(&store).await?;
            let rotated = rotation::rotate(&platform, fresh_key()?, give_up_lost).await?;
            platform.close().await;
            if rotated.finished_earlier {
                eprintln!("a change of the key that was cut off is finished");
            }
            if rotated.lost > 0 {
                eprintln!("{} secrets were lost with their key and must be set again", rotated.lost);
            }
            eprintln!("{} secrets are sealed with the new key in {}; the old key is forgotten", rotated.resealed, store.key_file().display());
            Ok(())
        }
    }
}

/// Opens the store and brings it up to date.
#[expect(clippy::disallowed_methods, reason = "assembly: the database is opened here and in serve.rs")]
pub async fn open(store: &Store) -> Result<Platform> {
    private_folder(&store.data_dir)?;
    let db = Db::open(&store.location()?).await?;
    db.migrate().await?;
    let keys = Keys::load_or_create(&store.key_file(), fresh_key()?)?;
    let platform = Platform::new(db, keys);
    domain::site::prepare(&platform).await?;
    Ok(platform)
}

/// The bytes of a new key.
fn fresh_key() -> Result<[u8; 32]> {
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).map_err(|error| domain::Error::internal(format!("no randomness: {error}")))?;
    Ok(fresh)
}

/// A password from standard input: one line. It is never an argument, which other users of the machine could read.
fn read_password() -> Result<Secret> {
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        eprint!("New password (it shows as you type): ");
    }
    let mut text = String::new();
    if stdin.is_terminal() {
        stdin.read_line(&mut text)?;
    } else {
        stdin.by_ref().take(4096).read_to_string(&mut text)?;
    }
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}
