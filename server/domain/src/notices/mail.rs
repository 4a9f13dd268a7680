//! How e-mail leaves: one server for the whole site, set by operators. Its password is sealed at once and never shown.

use model::notices::{MailForm, MailOrder, MailSecurity};
use model::secret::Secret;
use model::time::Millis;
use model::views::notices::MailView;

use super::{Managing, mail_purpose};
use crate::access::{May, Site, can};
use crate::args;
use crate::change::Record;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;

crate::text_columns! { MailSecurity }

/// The only row.
const ROW: &str = "site";

/// What is needed to send e-mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Server, port, guard, sender.
    pub order: MailOrder,
    /// The password of whoever signs in.
    pub password: Option<Secret>,
}

struct Kept {
    order: MailOrder,
    password: Option<Vec<u8>>,
    by: String,
    updated_at: Millis,
}

async fn read(tx: &mut Tx) -> Result<Option<Kept>> {
    let sql = "SELECT host, port, security, username, password, sender, recipients, updated_by, updated_at FROM mail_settings WHERE id = $1";
    let kept = |row: &Row<'_>| {
        let port: i64 = row.get("port")?;
        Ok(Kept {
            order: MailOrder {
                host: row.get("host")?,
                port: u16::try_from(port).map_err(|_| Error::internal("column port holds no port"))?,
                security: row.get("security")?,
                username: row.get("username")?,
                sender: row.get("sender")?,
                recipients: row.get::<String>("recipients")?.split(',').filter(|domain| !domain.is_empty()).map(str::to_owned).collect(),
            },
            password: row.get("password")?,
            by: row.get("updated_by")?,
            updated_at: row.get("updated_at")?,
        })
    };
    tx.opt(sql, args![ROW], kept).await
}

/// What is said where operators set no server.
pub(super) const UNSET: &str = "no mail server is set: operators do that under Admin, Alerts";
/// What is said where what they set cannot be read.
const UNREADABLE: &str = "what is kept of the mail server cannot be read: operators set it again under Admin, Alerts";
/// What is said where the password went with its key.
const LOST: &str = "the mail server's password cannot be read any more: operators type it again under Admin, Alerts";

/// What is needed to send, or why nobody can: what is wrong with this one row is no reason to send nothing of another kind.
pub(super) async fn open(tx: &mut Tx, platform: &Platform) -> Result<Result<Mail, &'static str>> {
    let kept = match read(tx).await {
        Ok(Some(kept)) => kept,
        Ok(None) => return Ok(Err(UNSET)),
        Err(Error::Internal(_)) => return Ok(Err(UNREADABLE)),
        Err(error) => return Err(error),
    };
    let password = match kept.password {
        None => None,
        Some(sealed) => {
            let text = platform.open(&mail_purpose(ROW), &sealed).ok().and_then(|plain| String::from_utf8(plain).ok());
            let Some(text) = text else { return Ok(Err(LOST)) };
            Some(Secret::new(text))
        }
    };
    Ok(Ok(Mail { order: kept.order, password }))
}

/// What operators set; what cannot be read counts as nothing, so that they can set it again.
async fn known(tx: &mut Tx) -> Result<Option<Kept>> {
    match read(tx).await {
        Err(Error::Internal(why)) => {
            tracing::error!(why, "what is kept of the mail server cannot be read; operators must set it again");
            Ok(None)
        }
        read => read,
    }
}

/// Why operators let no mail go to one of these addresses, where they do not.
pub(super) async fn refusal(tx: &mut Tx, addresses: &str) -> Result<Option<String>> {
    Ok(known(tx).await?.and_then(|kept| kept.order.refuses(addresses)))
}

/// Whether operators set a server, for whoever writes routes.
pub async fn is_set(platform: &Platform, _: &Managing) -> Result<bool> {
    let row = platform.read().await?.opt("SELECT id FROM mail_settings WHERE id = $1", args![ROW], |row| row.get::<String>("id")).await?;
    Ok(row.is_some())
}

/// How e-mail leaves, for operators.
pub async fn get(platform: &Platform, _: &May<can::ManageAlerts, Site>) -> Result<Option<MailView>> {
    let kept = known(&mut platform.read().await?).await?;
    Ok(kept.map(|kept| MailView {
        host: kept.order.host,
        port: kept.order.port.into(),
        security: kept.order.security,
        username: kept.order.username,
        has_password: kept.password.is_some_and(|sealed| !sealed.is_empty()),
        sender: kept.order.sender,
        recipients: kept.order.recipients.join(", "),
        by: kept.by,
        updated_at: kept.updated_at,
    }))
}

/// Sets how e-mail leaves. The password stays where none is typed, as long as server and name are the same; with an empty server no e-mail leaves
/// any more.
pub async fn put(platform: &Platform, may: &May<can::ManageAlerts, Site>, form: &MailForm) -> Result<Option<MailView>> {
    let mut change = platform.change(may.actor()).await?;
    if form.host.trim().is_empty() {
        change.exec("DELETE FROM mail_settings WHERE id = $1", args![ROW]).await?;
        change.touch(Topic::SiteAlerts);
        change.commit(Record::new("mail.delete", "site", "slipway")).await?;
        return Ok(None);
    }
    let order = form.read().map_err(Error::Invalid)?;
    let before = known(&mut change).await?;
    // A password goes to nobody but whom it was typed for.
    let same = |kept: &Kept| {
        (&kept.order.host, kept.order.port, &kept.order.username, kept.order.security) == (&order.host, order.port, &order.username, order.security)
    };
    let opens = |sealed: &Vec<u8>| platform.open(&mail_purpose(ROW), sealed).is_ok();
    let kept = before.filter(same).and_then(|kept| kept.password).filter(opens);
    let password = match (order.username.is_empty(), form.password.as_str()) {
        (true, _) => None,
        (false, "") if kept.is_none() => return Err(Error::invalid("password", "write the password of whoever signs in")),
        (false, "") => match kept {
            Some(sealed) => Some(platform.seal_again_in(&mut change, &mail_purpose(ROW), sealed).await?),
            None => None,
        },
        (false, typed) => Some(platform.seal_in(&mut change, &mail_purpose(ROW), typed.as_bytes()).await?),
    };
    write(&mut change, &order, password, may.actor().name(), platform.now()).await?;
    change.touch(Topic::SiteAlerts);
    change.wake(Signal::Notices);
    let detail = serde_json::json!({
        "host": order.host,
        "port": order.port,
        "security": order.security,
        "username": order.username,
        "sender": order.sender,
        "recipients": order.recipients,
    });
    change.commit(Record::new("mail.set", "site", "slipway").detail(detail)).await?;
    get(platform, may).await
}

async fn write(tx: &mut Tx, order: &MailOrder, password: Option<Vec<u8>>, by: &str, now: Millis) -> Result<()> {
    let sql = "INSERT INTO mail_settings (id, host, port, security, username, password, sender, recipients, updated_by, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO UPDATE SET host = excluded.host, port = excluded.port,
               security = excluded.security, username = excluded.username, password = excluded.password, sender = excluded.sender,
               recipients = excluded.recipients, updated_by = excluded.updated_by, updated_at = excluded.updated_at";
    let (port, recipients) = (i64::from(order.port), order.recipients.join(","));
    let arguments = args![ROW, &order.host, port, order.security, &order.username, password, &order.sender, recipients, by, now];
    tx.exec(sql, arguments).await.map(drop)
}
