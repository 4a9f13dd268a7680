//! What rules protect, asked within the transaction that would break it, behind the lock of the repository's row: of two pushes of one
//! immutable tag the first one stands, and nothing is deleted beneath it.

use std::collections::BTreeMap;

use model::digest::Digest;
use model::ids::{ProjectId, RepositoryId};
use model::names::{RepositoryPath, TagName};
use model::rules::ImageRules;
use model::time::Millis;

use crate::args;
use crate::db::{Tx, Value, placeholders};
use crate::error::{Error, Result};
use crate::images::Destination;
use crate::projects::Project;
use crate::quotas;

/// Tags that are read at a time.
const PAGE: i64 = 1000;
/// Services that are named where several need an image.
const NAMED: usize = 2;
/// What is told of a service of another project, which the reader may not know of.
const ELSEWHERE: &str = "a service of another project";

/// The lock of a repository's row. That of an update and not `FOR UPDATE`: who comes to hold a blob has the project's turn and only needs the row to
/// stay, which that would refuse, each waiting for the other.
const LOCK: &str = "UPDATE repositories SET pulls = pulls WHERE id = $1";

/// Waits for pushes to the repository and holds off further ones until the transaction ends. Whether it is there: one that was deleted is not.
pub async fn lock(tx: &mut Tx, repository: RepositoryId) -> Result<bool> {
    Ok(tx.exec(format!("{LOCK} AND deleted_at IS NULL"), args![repository]).await? > 0)
}

/// The same, also where the repository was deleted: for who takes away what is left of it.
pub async fn lock_also_deleted(tx: &mut Tx, repository: RepositoryId) -> Result<()> {
    tx.exec(LOCK, args![repository]).await.map(drop)
}

/// Whether a push may point these tags at an image: none of them is immutable and names another, and there is room for new ones. The caller
/// holds the repository's row. Answers what tags named before that name something else then, for [`lost_a_tag`].
///
/// # Errors
/// `Conflict` with `immutable_tag`, `Forbidden` where the project's quota of tags is reached; both in words that docker prints.
pub async fn before_tagging(tx: &mut Tx, to: &Destination, id: RepositoryId, digest: &Digest, tags: &[TagName]) -> Result<Vec<Digest>> {
    let (moved, new) = moved_and_new(tx, to, id, digest, tags).await?;
    if new > 0 {
        quotas::room_for_tags(tx, &to.project, new).await?;
    }
    Ok(moved)
}

/// The same for several images at once, before any of them is here: good for a refusal before hours of fetching, and for no more.
pub async fn may_tag(tx: &mut Tx, to: &Destination, wanted: &[(Digest, &[TagName])]) -> Result<()> {
    let mut more = 0;
    for (digest, tags) in wanted {
        more += match to.id {
            Some(id) => moved_and_new(tx, to, id, digest, tags).await?.1,
            None => i64::try_from(tags.len()).unwrap_or(i64::MAX),
        };
    }
    if more > 0 { quotas::room_for_tags(tx, &to.project, more).await } else { Ok(()) }
}

/// What the tags name that would name something else then, and how many of them are not there yet.
async fn moved_and_new(tx: &mut Tx, to: &Destination, id: RepositoryId, digest: &Digest, tags: &[TagName]) -> Result<(Vec<Digest>, i64)> {
    if tags.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let mut arguments = args![id];
    arguments.extend(tags.iter().map(Value::from));
    let sql = format!("SELECT name, digest FROM tags WHERE repository_id = $1 AND name IN ({})", placeholders(2, tags.len()));
    let there: BTreeMap<TagName, Digest> = tx.all(sql, arguments, |row| Ok((row.get("name")?, row.get("digest")?))).await?.into_iter().collect();
    let moved: Vec<(&TagName, Digest)> = there.iter().filter(|(_, old)| *old != digest).map(|(tag, old)| (tag, *old)).collect();
    if !moved.is_empty() {
        let rules = rules(tx, &to.project).await?;
        for (tag, old) in &moved {
            if let Some(rule) = rules.immutable_by(to.path.as_str(), tag.as_str()) {
                let text = format!(
                    "tag {tag} of {} is immutable by the rule {:?} of project {}: it names {} and cannot be moved; push under another tag, or ask an admin of the project to take the rule away",
                    to.full_name(),
                    rule.name,
                    to.project.name,
                    old.short(),
                );
                return Err(Error::conflict("immutable_tag", text));
            }
        }
    }
    let new = tags.iter().filter(|tag| !there.contains_key(*tag)).count();
    Ok((moved.into_iter().map(|(_, old)| old).collect(), i64::try_from(new).unwrap_or(i64::MAX)))
}

/// Notes since when images have no tag. To be called after their tags went.
pub async fn lost_a_tag(tx: &mut Tx, repository: RepositoryId, digests: &[Digest], now: Millis) -> Result<()> {
    if digests.is_empty() {
        return Ok(());
    }
    let mut arguments = args![repository, now];
    arguments.extend(digests.iter().map(Value::from));
    let sql = format!(
        "UPDATE manifests SET untagged_at = $2 WHERE repository_id = $1 AND digest IN ({})
         AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = manifests.repository_id AND t.digest = manifests.digest)",
        placeholders(3, digests.len())
    );
    tx.exec(sql, arguments).await.map(drop)
}

/// Refuses to delete a tag that is immutable.
pub(crate) async fn before_deleting_tag(tx: &mut Tx, project: &Project, path: &RepositoryPath, tag: &TagName) -> Result<()> {
    refuse(&rules(tx, project).await?, project, path, std::slice::from_ref(tag), "it cannot be deleted")
}

/// Refuses to delete an image that an immutable tag names, or that is a part of one.
pub(crate) async fn before_deleting_image(tx: &mut Tx, project: &Project, path: &RepositoryPath, id: RepositoryId, digest: &Digest) -> Result<()> {
    let rules = rules(tx, project).await?;
    if !rules.immutable.iter().any(|rule| rule.repositories.matches(path.as_str())) {
        return Ok(());
    }
    let sql = format!(
        "WITH RECURSIVE {UP} SELECT DISTINCT t.name FROM tags t JOIN up ON up.digest = t.digest WHERE t.repository_id = $1 AND t.name > $2 ORDER BY t.name LIMIT $3"
    );
    let sql = sql.replace("{list}", "$4");
    let mut after = String::new();
    loop {
        let tags: Vec<TagName> = tx.all(sql.clone(), args![id, &after, PAGE, digest], |row| row.get("name")).await?;
        let Some(last) = tags.last() else { return Ok(()) };
        after = last.to_string();
        refuse(&rules, project, path, &tags, "the image that it names cannot be deleted")?;
    }
}

/// Why rules do not let an image be deleted, where they don't: the refusal that its deletion would get.
pub(crate) async fn image_is_kept(
    tx: &mut Tx,
    project: &Project,
    path: &RepositoryPath,
    id: RepositoryId,
    digest: &Digest,
) -> Result<Option<String>> {
    match before_deleting_image(tx, project, path, id, digest).await {
        Err(Error::Conflict { message, .. }) => Ok(Some(message)),
        Err(error) => Err(error),
        Ok(()) => Ok(None),
    }
}

/// Refuses to delete a repository that has an immutable tag.
pub(crate) async fn before_deleting_repository(tx: &mut Tx, project: &Project, path: &RepositoryPath, id: RepositoryId) -> Result<()> {
    let rules = rules(tx, project).await?;
    if !rules.immutable.iter().any(|rule| rule.repositories.matches(path.as_str())) {
        return Ok(());
    }
    let sql = "SELECT name FROM tags WHERE repository_id = $1 AND name > $2 ORDER BY name LIMIT $3";
    let mut after = String::new();
    loop {
        let tags: Vec<TagName> = tx.all(sql, args![id, &after, PAGE], |row| row.get("name")).await?;
        let Some(last) = tags.last() else { return Ok(()) };
        after = last.to_string();
        refuse(&rules, project, path, &tags, "the repository cannot be deleted")?;
    }
}

fn refuse(rules: &ImageRules, project: &Project, path: &RepositoryPath, tags: &[TagName], what: &str) -> Result<()> {
    for tag in tags {
        if let Some(rule) = rules.immutable_by(path.as_str(), tag.as_str()) {
            let text = format!(
                "tag {tag} of {}/{path} is immutable by the rule {:?} of project {}: {what} before an admin of the project takes the rule away",
                project.name, rule.name, project.name,
            );
            return Err(Error::conflict("immutable_tag", text));
        }
    }
    Ok(())
}

pub(in crate::images) async fn rules(tx: &mut Tx, project: &Project) -> Result<ImageRules> {
    Ok(super::stored(tx, project.id).await?.rules)
}

/// The images `{list}` of repository `$1` as `base`, each with itself and every index that it is a part of as `digest`.
const UP: &str = "up (base, digest) AS (
    SELECT m.digest, m.digest FROM manifests m WHERE m.repository_id = $1 AND m.digest IN ({list})
    UNION SELECT up.base, p.manifest FROM manifest_parts p JOIN up ON p.digest = up.digest WHERE p.repository_id = $1 AND p.role = 'manifest')";

/// Which of these images a service may still need, by itself or as a part of an index, and for what: any revision can be rolled back to while
/// its service is there, in whichever project. Another project's services are not named.
pub(super) async fn needed(
    tx: &mut Tx,
    project: &Project,
    path: &RepositoryPath,
    id: RepositoryId,
    digests: &[Digest],
) -> Result<BTreeMap<Digest, String>> {
    if digests.is_empty() {
        return Ok(BTreeMap::new());
    }
    let up = UP.replace("{list}", &placeholders(4, digests.len()));
    let sql = format!(
        "WITH RECURSIVE {up}
         SELECT up.base, s.project_id, s.name AS service, MAX(r.number) AS number FROM up
         JOIN revisions r ON r.image_project_id = $2 AND r.image_repository = $3 AND r.digest = up.digest
         JOIN services s ON s.id = r.service_id AND s.deleted_at IS NULL JOIN projects p ON p.id = s.project_id AND p.deleted_at IS NULL
         GROUP BY up.base, s.project_id, s.name ORDER BY up.base, s.name, s.project_id"
    );
    let mut arguments = args![id, project.id, path];
    arguments.extend(digests.iter().map(Value::from));
    let read = |row: &crate::db::Row<'_>| {
        let (of, service, number): (ProjectId, String, i64) = (row.get("project_id")?, row.get("service")?, row.get("number")?);
        let own = of == project.id;
        Ok((row.get::<Digest>("base")?, if own { format!("service {}/{service} revision {number}", project.name) } else { ELSEWHERE.to_owned() }))
    };
    let mut found: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    for (digest, user) in tx.all(sql, arguments, read).await? {
        let users = found.entry(digest).or_default();
        if user != ELSEWHERE || !users.contains(&user) {
            users.push(user);
        }
    }
    Ok(found.into_iter().map(|(digest, users)| (digest, several(&users))).collect())
}

fn several(users: &[String]) -> String {
    let more = users.len().saturating_sub(NAMED);
    let named = users[..users.len().min(NAMED)].join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}
