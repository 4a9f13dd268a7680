//! Signing in and out: a personal token of the portal, kept in a file of mode 0600 below the user's configuration folder. A password is asked
//! for once, sent once, and kept nowhere.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use model::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::{Credential, Portal, PortalUrl};
use crate::error::{Error, Result};
use crate::terminal;

/// Longest life of a token, in days: a portal makes none that lives longer.
const DAYS_MAX: i64 = 3650;
/// Longest secret that is read from standard input, in bytes.
const SECRET_MAX: u64 = 4096;

/// Sign in.
#[derive(Debug, Args)]
pub struct Login {
    /// The portal: https://slipway.example.com
    pub url: PortalUrl,
    /// Your user name; asked for where it is left out.
    #[arg(long, short)]
    pub username: Option<String>,
    /// Read the password from standard input instead of asking for it.
    #[arg(long, conflicts_with = "token_stdin")]
    pub password_stdin: bool,
    /// Keep this token, read from standard input, instead of making one: a robot's secret, or one that you made under Account.
    #[arg(long)]
    pub token_stdin: bool,
    /// Days until the token ends.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=DAYS_MAX))]
    pub days: u32,
}

/// Sign out.
#[derive(Debug, Args)]
pub struct Logout {
    /// The portal; left out: the one that was signed in to last.
    pub url: Option<PortalUrl>,
}

/// Which portal a command speaks with.
#[derive(Clone, Debug, Args)]
pub(crate) struct Which {
    /// The portal; left out: the one that was signed in to last.
    #[arg(long, env = "SLIPWAY_URL")]
    pub url: Option<PortalUrl>,
    /// A token; left out: the one that `slipway login` kept.
    #[arg(long, env = "SLIPWAY_TOKEN", hide_env_values = true)]
    pub token: Option<Secret>,
}

impl Which {
    /// The portal, with what proves who asks.
    pub(crate) fn portal(&self) -> Result<Portal> {
        // Who says both needs nothing that is kept, and nowhere to keep it.
        if let (Some(url), Some(token)) = (&self.url, &self.token) {
            return Portal::new(url.clone(), Credential::Token(token.clone()));
        }
        let kept = Kept::read(&file()?)?;
        let url =
            self.url.clone().or_else(|| kept.current.clone()).ok_or_else(|| Error::wrong("you are not signed in: slipway login https://..."))?;
        let token = self.token.clone().or_else(|| kept.portals.get(&url).map(|known| Secret::new(known.token.clone())));
        let token = token.ok_or_else(|| Error::wrong(format!("you are not signed in to {url}: slipway login {url}")))?;
        Portal::new(url, Credential::Token(token))
    }
}

/// What is kept of all portals.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// The one that was signed in to last.
    current: Option<PortalUrl>,
    portals: BTreeMap<PortalUrl, Known>,
}

/// What is kept of one portal.
#[derive(Serialize, Deserialize)]
struct Known {
    username: String,
    token: String,
    /// Its name at the portal, to end it there; none: it was not made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_id: Option<String>,
}

// The token must not be seen by printing.
impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("username", &self.username).finish_non_exhaustive()
    }
}

/// `SLIPWAY_CLIENT_CONFIG`, else `slipway/client.json` below the configuration folder of the user.
fn file() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("SLIPWAY_CLIENT_CONFIG")
        .or_else(|| set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config"))).map(|folder| folder.join("slipway/client.json")))
        .ok_or_else(|| Error::wrong("there is no HOME to keep a token in; set SLIPWAY_CLIENT_CONFIG to a file, or SLIPWAY_URL and SLIPWAY_TOKEN"))
}

impl Kept {
    fn read(path: &Path) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let what = || format!("{} cannot be read", path.display());
        let mut file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::local(what())(error)),
        };
        let mode = file.metadata().map_err(Error::local(what()))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.display();
            return Err(Error::wrong(format!(
                "{path} holds your tokens and is open to others (mode {mode:03o}): chmod 600 {path}; if somebody may have read it, sign out and in again"
            )));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(Error::local(what()))?;
        serde_json::from_str(&text).map_err(|error| Error::wrong(format!("{}: {error}; delete it and sign in again", what())))
    }

    /// Written beside and renamed, so that it is never half there; from the first byte for its owner alone.
    fn write(&self, path: &Path) -> Result<()> {
        use std::io::Write as _;
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        let text = serde_json::to_string_pretty(self).expect("names and texts are always JSON");
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let write = || {
            if let Some(folder) = path.parent() {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, path)
        };
        write().map_err(|error| {
            let _ = std::fs::remove_file(&beside);
            Error::local(format!("{} cannot be written", path.display()))(error)
        })
    }
}

/// Signs in, and keeps a token.
pub(crate) async fn login(order: Login) -> Result<()> {
    let path = file()?;
    let mut kept = Kept::read(&path)?;
    let known = if order.token_stdin { with_token(&order).await? } else { with_password(&order).await? };
    terminal::note(&format!("signed in to {} as {}", order.url, known.username))?;
    let before = kept.portals.insert(order.url.clone(), known);
    kept.current = Some(order.url.clone());
    kept.write(&path)?;
    // The one before is of no use to anybody now.
    if let Some(Known { token, token_id: Some(id), .. }) = before {
        let portal = Portal::new(order.url, Credential::Token(Secret::new(token)))?;
        let _ = portal.delete(&format!("/api/v1/me/tokens/{id}")).await;
    }
    Ok(())
}

async fn with_token(order: &Login) -> Result<Known> {
    let token = from_stdin("token")?;
    let portal = Portal::new(order.url.clone(), Credential::Token(token.clone()))?;
    let me = portal.get("/api/v1/me").await.map_err(|error| refused(error, "this token does not hold: it is wrong, revoked, or its time is over"))?;
    Ok(Known { username: name_of(&me), token: token.expose().to_owned(), token_id: None })
}

async fn with_password(order: &Login) -> Result<Known> {
    let username = match &order.username {
        Some(name) => name.clone(),
        None => terminal::ask("User name: ")?,
    };
    let password = if order.password_stdin { from_stdin("password")? } else { terminal::ask_hidden("Password: ")? };
    let portal = Portal::new(order.url.clone(), Credential::Password(username.clone(), password))?;
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name: String = format!("slipway on {machine}").chars().take(60).collect();
    let asked = json!({"name": name, "scopes": ["read", "shell"], "expires_in_days": order.days});
    let made = portal.post("/api/v1/me/tokens", &asked).await.map_err(|error| refused(error, "the user name or the password is wrong"))?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let (Some(token), id) = (text(&made["secret"]), text(&made["token"]["id"])) else {
        return Err(Error::Unreachable(format!("{} made a token and did not show it: is it a Slipway portal?", order.url)));
    };
    Ok(Known { username, token, token_id: id })
}

/// What the portal does not take is what was typed just now.
fn refused(error: Error, text: &str) -> Error {
    match error {
        Error::Refused(problem) if problem.status == 401 => Error::wrong(text),
        error => error,
    }
}

fn name_of(me: &serde_json::Value) -> String {
    ["username", "name"].iter().find_map(|key| me[*key].as_str()).unwrap_or("somebody").to_owned()
}

fn from_stdin(what: &str) -> Result<Secret> {
    let mut text = String::new();
    let read = std::io::stdin().take(SECRET_MAX + 1).read_to_string(&mut text);
    read.map_err(Error::local(format!("the {what} cannot be read from standard input")))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() || text.len() as u64 > SECRET_MAX || text.contains('\n') {
        return Err(Error::wrong(format!("standard input must hold the {what}, one line of at most {SECRET_MAX} bytes")));
    }
    Ok(Secret::new(text))
}

/// Forgets a token, here even where the portal does not answer.
pub(crate) async fn logout(order: Logout) -> Result<()> {
    let path = file()?;
    let mut kept = Kept::read(&path)?;
    let url = order.url.or_else(|| kept.current.clone()).ok_or_else(|| Error::wrong("you are not signed in"))?;
    let known = kept.portals.remove(&url).ok_or_else(|| Error::wrong(format!("you are not signed in to {url}")))?;
    if kept.current.as_ref() == Some(&url) {
        kept.current = kept.portals.keys().next().cloned();
    }
    kept.write(&path)?;
    if let Some(id) = known.token_id {
        let portal = Portal::new(url.clone(), Credential::Token(Secret::new(known.token)))?;
        match portal.delete(&format!("/api/v1/me/tokens/{id}")).await {
            Ok(()) => {}
            // It has ended already.
            Err(Error::Refused(problem)) if problem.status == 401 => {}
            Err(error) => {
                return Err(Error::wrong(format!(
                    "the token is forgotten here, but {url} still knows it ({error}); revoke it there under Account, Tokens"
                )));
            }
        }
    }
    terminal::note(&format!("signed out of {url}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_kept_is_for_its_owner_alone_and_reads_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/client.json");
        assert!(Kept::read(&path).expect("nothing yet").portals.is_empty());
        let url: PortalUrl = "https://slipway.example.com/".parse().expect("an address");
        let known = Known { username: "ana".into(), token: "a-token".into(), token_id: Some("1".into()) };
        let kept = Kept { current: Some(url.clone()), portals: BTreeMap::from([(url.clone(), known)]) };
        kept.write(&path).expect("written");
        kept.write(&path).expect("written over");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(path.parent().expect("deep")).expect("there").permissions().mode() & 0o777, 0o700);
        let read = Kept::read(&path).expect("read");
        assert_eq!((read.current, read.portals[&url].token.as_str()), (Some(url), "a-token"));
        assert!(!format!("{kept:?}").contains("a-token"), "printing shows no token");
        assert_eq!(std::fs::read_dir(path.parent().expect("deep")).expect("a folder").count(), 1, "nothing is left beside it");
        std::fs::write(&path, "{").expect("written");
        assert!(Kept::read(&path).expect_err("cut off").to_string().contains("delete it and sign in again"));
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("opened");
            let told = Kept::read(&path).expect_err("others may read or change it").to_string();
            assert!(told.contains("chmod 600") && told.contains(&format!("{mode:o}")), "{told}");
        }
    }
}
