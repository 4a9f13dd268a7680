//! Taking images away from machines, so that their disks do not fill: each machine by its own policy, daily, when its disk is full (as it is
//! measured on this host, or as its engine says), or when somebody asks.
//!
//! An image goes only if every name that it bears on the engine is one that Slipway had pulled, no container of anybody was made from it, no service
//! needs it, and it is not young. [`choose`] decides that, purely. The engine itself refuses to remove what a container was made from: nothing is
//! forced. What goes although it is wanted a moment later is pulled again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::Signal;
use domain::machines::{self, Machine, PruneWork, Pulled};
use model::ids::MachineId;
use model::time::Millis;
use model::views::environments::{PruneReport, PrunedImage};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::docker::{Address, Docker, EngineError, ImageSeen};
use crate::notes::Looks;
use crate::reconcile::still_standing;

/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(60);

/// Where engines of this host keep everything. Asked once.
type Roots = Mutex<BTreeMap<MachineId, Option<String>>>;

/// Runs until it is dropped. Each machine is looked after for itself: an engine that hangs keeps nobody else's disk from being freed.
pub(crate) async fn run(context: Arc<Context>) {
    let (roots, looks) = (Arc::<Roots>::default(), Arc::<Looks>::default());
    let mut at_work = JoinSet::new();
    let mut timer = tokio::time::interval(LOOK);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let platform = context.worker.platform().clone();
    loop {
        tokio::select! {
            Some(ended) = at_work.join_next() => {
                still_standing(ended);
                continue;
            }
            () = platform.signal(Signal::Pruning).notified() => {}
            _ = timer.tick() => {}
        }
        for (machine, _) in context.machines.all() {
            if looks.begin(machine.id) {
                at_work.spawn(look(Arc::clone(&context), machine.id, Arc::clone(&roots), Arc::clone(&looks)));
            }
        }
    }
}

/// Looks whether something is due at a machine, and once more if that was called for meanwhile.
async fn look(context: Arc<Context>, id: MachineId, roots: Arc<Roots>, looks: Arc<Looks>) {
    loop {
        if let (Some(machine), Some(docker), false) = (context.machines.machine(id), context.machines.docker(id), context.machines.away(id)) {
            tend(&context, &machine, &docker, &roots).await;
        }
        if looks.end(id) {
            return;
        }
    }
}

async fn tend(context: &Context, machine: &Machine, docker: &Docker, roots: &Roots) {
    let measured = match docker.address() {
        Address::Unix(_) => disk_of(machine.id, docker, roots).await,
        Address::Tcp { .. } | Address::Ssh { .. } => None,
    };
    let disk = fullness(docker.full().load(Ordering::Relaxed), measured);
    let work = match machines::prune_due(&context.worker, machine.id, disk).await {
        Ok(Some(work)) => work,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(machine = %machine.name, %error, "it could not be read whether images are to be pruned; tried again in a minute");
            return;
        }
    };
    // What it says from here on is news. A dry run frees nothing.
    let said_full = !work.dry_run && docker.full().swap(false, Ordering::Relaxed);
    let mut gone = Vec::new();
    let outcome = prune(context, docker, &work, disk, &mut gone).await;
    match &outcome {
        Ok(report) if !work.dry_run && !report.gone.is_empty() => {
            tracing::info!(machine = %machine.name, images = report.gone.len(), bytes = report.bytes, why = %work.why, "images were pruned");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(machine = %machine.name, %error, "images could not be pruned"),
    }
    // An engine that went away meanwhile is asked again when it answers.
    if outcome.as_ref().is_err_and(EngineError::passes) && work.run.is_none() {
        docker.full().fetch_or(said_full, Ordering::Relaxed);
        return;
    }
    let told = outcome.as_ref().map_err(|error| error.message.as_str());
    if let Err(error) = machines::pruned(&context.worker, machine, &work, &gone, told).await {
        tracing::warn!(machine = %machine.name, %error, "what was pruned could not be written down");
    }
}

/// How full a disk is, in percent: what cannot be measured from here is known to be full when its engine says so.
fn fullness(said_full: bool, measured: Option<u8>) -> Option<u8> {
    if said_full { Some(100) } else { measured }
}

/// How full the disk of an engine on this host is, in percent, as `df` says it. None where its folder cannot be seen from here.
async fn disk_of(machine: MachineId, docker: &Docker, roots: &Roots) -> Option<u8> {
    let known = roots.lock().expect("no code panics while it holds this lock").get(&machine).cloned();
    let root = match known {
        Some(root) => root,
        None => {
            let root = docker.root_folder().await.ok()?;
            roots.lock().expect("no code panics while it holds this lock").insert(machine, root.clone());
            root
        }
    }?;
    let seen = tokio::task::spawn_blocking(move || rustix::fs::statvfs(root.as_str())).await.ok()?.ok()?;
    percent(seen.f_blocks, seen.f_bfree, seen.f_bavail)
}

/// What is used, of what is used and what may still be.
fn percent(blocks: u64, free: u64, available: u64) -> Option<u8> {
    let used = blocks.saturating_sub(free);
    let all = used.saturating_add(available);
    let percent = u128::from(used) * 100 / u128::from(std::num::NonZeroU64::new(all)?.get());
    u8::try_from(percent).ok()
}

/// One run. `gone` are names of images that are not on the engine any more.
async fn prune(context: &Context, docker: &Docker, work: &PruneWork, disk: Option<u8>, gone: &mut Vec<String>) -> Result<PruneReport, EngineError> {
    // Containers last: what is made meanwhile from an image of the list is seen.
    let images = docker.images().await?;
    let used = docker.used_images().await?;
    let there: BTreeSet<&str> = images.iter().flat_map(|image| &image.digests).map(String::as_str).collect();
    gone.extend(work.pulled.iter().filter(|pulled| !there.contains(pulled.reference.as_str())).map(|pulled| pulled.reference.clone()));
    let mut report = PruneReport { disk, ..PruneReport::default() };
    for choice in choose(&images, &used, work, context.worker.platform().now()) {
        let Choice { image, names, stays } = choice;
        let named = |stays: Option<String>| PrunedImage { reference: names.join(", "), bytes: image.bytes, stays };
        if let Some(why) = stays {
            report.stay.push(named(Some(why)));
            continue;
        }
        if !work.dry_run
            && let Err(error) = remove(docker, &names, gone).await
        {
            if error.passes() {
                return Err(error);
            }
            report.stay.push(named(Some(error.message)));
            continue;
        }
        report.bytes += image.bytes;
        report.gone.push(named(None));
    }
    Ok(report)
}

async fn remove(docker: &Docker, names: &[&str], gone: &mut Vec<String>) -> Result<(), EngineError> {
    for name in names {
        docker.remove_image(name).await?;
        gone.push((*name).to_owned());
    }
    Ok(())
}

/// What is to become of an image that Slipway had pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The image.
    pub image: &'a ImageSeen,
    /// Those of its names under which Slipway had pulled it.
    pub names: Vec<&'a str>,
    /// Why it stays; none: it goes.
    pub stays: Option<String>,
}

/// Decides on every image that Slipway had pulled. Others are not in the answer.
pub fn choose<'a>(images: &'a [ImageSeen], used: &BTreeSet<String>, work: &PruneWork, now: Millis) -> Vec<Choice<'a>> {
    let ours: BTreeMap<&str, &Pulled> = work.pulled.iter().map(|pulled| (pulled.reference.as_str(), pulled)).collect();
    let young = Duration::from_secs(u64::try_from(work.policy.min_hours).unwrap_or(0) * 3_600);
    let mut choices = Vec::new();
    for image in images {
        let names: Vec<&str> = image.digests.iter().map(String::as_str).filter(|name| ours.contains_key(name)).collect();
        if names.is_empty() {
            continue;
        }
        let pulled: Vec<&Pulled> = names.iter().filter_map(|name| ours.get(name).copied()).collect();
        let foreign = image.tags.iter().chain(&image.digests).find(|name| !ours.contains_key(name.as_str()));
        let stays = if used.contains(&image.id) {
            Some("a container was made from it".to_owned())
        } else if let Some(name) = foreign {
            Some(format!("it is called {name} too, and that was not Slipway"))
        } else if pulled.iter().any(|pulled| work.needed.contains(&pulled.digest)) {
            Some("a service runs it, or can be brought back to it".to_owned())
        } else if pulled.iter().any(|pulled| now.since(pulled.at) < young) {
            Some(format!("it was pulled less than {} h ago", work.policy.min_hours))
        } else {
            None
        };
        choices.push(Choice { image, names, stays });
    }
    choices
}

#[cfg(test)]
mod tests {
    use model::digest::Digest;
    use model::views::environments::{PrunePolicy, PruneWhy};

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn digest(letter: char) -> Digest {
        format!("sha256:{}", letter.to_string().repeat(64)).parse().expect("a digest")
    }

    fn reference(letter: char) -> String {
        format!("127.0.0.1:3000/shop/web@{}", digest(letter))
    }

    fn image(letter: char, tags: &[&str], more: &[String]) -> ImageSeen {
        let digests = std::iter::once(reference(letter)).chain(more.iter().cloned()).collect();
        ImageSeen { id: format!("id-{letter}"), tags: tags.iter().map(ToString::to_string).collect(), digests, bytes: 10 }
    }

    fn work(pulled: &[(char, i64)], needed: &[char]) -> PruneWork {
        PruneWork {
            run: None,
            dry_run: false,
            why: PruneWhy::Daily,
            policy: PrunePolicy { enabled: true, keep: 5, min_hours: 24, fuller_than: 80 },
            pulled: pulled.iter().map(|(letter, at)| Pulled { reference: reference(*letter), digest: digest(*letter), at: Millis(*at) }).collect(),
            needed: needed.iter().map(|letter| digest(*letter)).collect(),
        }
    }

    #[test]
    fn only_what_slipway_pulled_and_nobody_needs_goes() {
        let foreign_too = "other.example/app@sha256:00".to_owned();
        let images = [
            image('a', &[], &[]),
            image('b', &[], &[]),
            image('c', &[], &[]),
            image('d', &["mine:1"], &[]),
            image('e', &[], &[foreign_too]),
            image('f', &[], &[]),
            ImageSeen { id: "id-x".into(), tags: vec!["postgres:17".into()], digests: Vec::new(), bytes: 10 },
            image('0', &[], &[]),
        ];
        let work = work(&[('a', 0), ('b', 0), ('c', 0), ('d', 0), ('e', 0), ('f', 90 * HOUR)], &['b']);
        let used = BTreeSet::from(["id-c".to_owned()]);
        let found = choose(&images, &used, &work, Millis(100 * HOUR));
        let said: Vec<(&str, Option<&str>)> = found.iter().map(|choice| (choice.image.id.as_str(), choice.stays.as_deref())).collect();
        assert_eq!(
            said,
            [
                ("id-a", None),
                ("id-b", Some("a service runs it, or can be brought back to it")),
                ("id-c", Some("a container was made from it")),
                ("id-d", Some("it is called mine:1 too, and that was not Slipway")),
                ("id-e", Some("it is called other.example/app@sha256:00 too, and that was not Slipway")),
                ("id-f", Some("it was pulled less than 24 h ago")),
            ]
        );
    }

    #[test]
    fn an_image_with_two_names_of_ours_goes_with_both_or_stays() {
        let images = [image('a', &[], &[reference('b')])];
        let both = work(&[('a', 0), ('b', 0)], &[]);
        let found = choose(&images, &BTreeSet::new(), &both, Millis(100 * HOUR));
        assert_eq!((found[0].names.len(), found[0].stays.as_deref()), (2, None));
        let one = work(&[('a', 0), ('b', 0)], &['b']);
        assert!(choose(&images, &BTreeSet::new(), &one, Millis(100 * HOUR))[0].stays.is_some());
    }

    #[test]
    fn a_disk_elsewhere_is_full_when_its_engine_says_so() {
        assert_eq!(fullness(false, None), None);
        assert_eq!(fullness(true, None), Some(100));
        assert_eq!((fullness(false, Some(70)), fullness(true, Some(70))), (Some(70), Some(100)));
    }

    #[test]
    fn a_disk_is_as_full_as_df_says() {
        assert_eq!(percent(100, 30, 20), Some(77), "what is kept for root counts for nobody");
        assert_eq!(percent(100, 0, 0), Some(100));
        assert_eq!(percent(0, 0, 0), None);
    }
}
