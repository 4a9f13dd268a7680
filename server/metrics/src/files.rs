//! Where files are, and what there is. Names say the time that a file holds: its hour, or its period, counted from 1970.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use model::ids::{MachineId, ProjectId, ServiceId};

use crate::rollup::HOUR;
use crate::{Key, Resolution};

/// Hours in a file of roll-ups over five minutes: a week.
pub(crate) const WEEK: i64 = 7 * 24;
/// Hours in a file of roll-ups over an hour: thirty days.
pub(crate) const MONTH: i64 = 30 * 24;

/// How many hours a file of this resolution holds.
pub(crate) const fn hours(resolution: Resolution) -> i64 {
    match resolution {
        Resolution::Raw => 1,
        Resolution::FiveMinutes => WEEK,
        Resolution::Hour => MONTH,
    }
}

const fn kind(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Raw => "raw",
        Resolution::FiveMinutes => "week",
        Resolution::Hour => "month",
    }
}

/// The hour of a time.
pub(crate) const fn hour_of(at: i64) -> i64 {
    at.div_euclid(HOUR)
}

/// The period of an hour in files of this resolution.
pub(crate) const fn period_of(hour: i64, resolution: Resolution) -> i64 {
    hour.div_euclid(hours(resolution))
}

/// The folder of journals.
pub(crate) fn journals(root: &Path) -> PathBuf {
    root.join("journals")
}

/// The journal of an hour.
pub(crate) fn journal(root: &Path, hour: i64) -> PathBuf {
    journals(root).join(format!("{hour}.journal"))
}

/// A stream's folder.
pub(crate) fn stream(root: &Path, key: &Key) -> PathBuf {
    match key {
        Key::Service { project, service, environment } => {
            root.join("services").join(project.to_string()).join(service.to_string()).join(environment.to_string())
        }
        Key::Machine(machine) => root.join("machines").join(machine.to_string()),
    }
}

/// A stream's file of a period.
pub(crate) fn file(folder: &Path, resolution: Resolution, period: i64) -> PathBuf {
    folder.join(format!("{period}.{}", kind(resolution)))
}

/// What a stream's folder holds, by the numbers of hours and periods.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    pub(crate) raw: BTreeSet<i64>,
    pub(crate) weeks: BTreeSet<i64>,
    pub(crate) months: BTreeSet<i64>,
}

impl Listing {
    /// Of this folder; empty where it is missing.
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        for name in names(folder)? {
            let Some((number, kind)) = name.split_once('.') else { continue };
            let Ok(number) = number.parse() else { continue };
            match kind {
                "raw" => listing.raw.insert(number),
                "week" => listing.weeks.insert(number),
                "month" => listing.months.insert(number),
                _ => false,
            };
        }
        Ok(listing)
    }

    pub(crate) fn files(&self, resolution: Resolution) -> &BTreeSet<i64> {
        match resolution {
            Resolution::Raw => &self.raw,
            Resolution::FiveMinutes => &self.weeks,
            Resolution::Hour => &self.months,
        }
    }
}

/// The hours of the journals that there are.
pub(crate) fn journal_hours(root: &Path) -> io::Result<Vec<i64>> {
    let mut hours: Vec<i64> = names(&journals(root))?.iter().filter_map(|name| name.strip_suffix(".journal")?.parse().ok()).collect();
    hours.sort_unstable();
    Ok(hours)
}

/// All streams that have a folder.
pub(crate) fn keys(root: &Path) -> io::Result<Vec<Key>> {
    let mut keys = Vec::new();
    for project in projects(root)? {
        let project_folder = root.join("services").join(project.to_string());
        for service in services(root, project)? {
            let environments = ids(&project_folder.join(service.to_string()))?;
            keys.extend(environments.into_iter().map(|environment| Key::Service { project, service, environment }));
        }
    }
    keys.extend(machines(root)?.into_iter().map(Key::Machine));
    Ok(keys)
}

/// The projects that have a folder.
pub(crate) fn projects(root: &Path) -> io::Result<Vec<ProjectId>> {
    ids(&root.join("services"))
}

/// The services of a project that have a folder.
pub(crate) fn services(root: &Path, project: ProjectId) -> io::Result<Vec<ServiceId>> {
    ids(&root.join("services").join(project.to_string()))
}

/// The machines that have a folder.
pub(crate) fn machines(root: &Path) -> io::Result<Vec<MachineId>> {
    ids(&root.join("machines"))
}

/// Makes a folder that is ours alone, with those above it.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Deletes what a crash left half written in this folder.
pub(crate) fn sweep(folder: &Path) -> io::Result<()> {
    for name in names(folder)?.iter().filter(|name| name.ends_with(".tmp")) {
        fs::remove_file(folder.join(name))?;
    }
    Ok(())
}

fn ids<T: FromStr>(folder: &Path) -> io::Result<Vec<T>> {
    Ok(names(folder)?.iter().filter_map(|name| name.parse().ok()).collect())
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}
