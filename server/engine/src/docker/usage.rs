//! What an engine says of use: of one container, of itself, and of its disk.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use bollard::models::{ContainerBlkioStatEntry, ContainerNetworkStats, ContainerStatsResponse};
use bollard::query_parameters::{InspectContainerOptions, StatsOptionsBuilder};
use futures::StreamExt as _;
use model::ids::ProjectId;
use model::time::Millis;
use serde::Deserialize;

use super::seen::millis;
use super::{Docker, EngineError, Kind, LABEL_INSTANCE, LABEL_PROJECT_ID, Limits, QUICK, Result, hijack};
use crate::metrics::usage::{Accesses, Block, Direction, Throttling, Traffic, Usage};

/// Largest answer about the engine's disk that is read: it names each image, container and volume.
const SPACE_BYTES: usize = 32 << 20;
/// For so long an engine may add up what is on its disk.
const SPACE: Duration = Duration::from_secs(120);

/// What is needed to read what a running container uses.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Process {
    /// Its first process, as the engine sees it; none: it does not run.
    pub pid: Option<u32>,
    /// Whether it has interfaces of its own.
    pub own_net: bool,
    /// Cores that it may use.
    pub cpus: Option<f64>,
}

/// What an engine says of itself at every moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Overview {
    /// The kernel's release.
    pub kernel: String,
    /// The folder with all that it keeps.
    pub root: String,
    /// Processors.
    pub cpus: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Containers that run.
    pub running: u64,
    /// Those that are frozen.
    pub paused: u64,
    /// Those that do not run.
    pub stopped: u64,
    /// Images.
    pub images: u64,
}

/// What is on an engine's disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Space {
    /// Layers of images, each counted once.
    pub images: u64,
    /// What containers wrote.
    pub containers: u64,
    /// What volumes hold.
    pub volumes: u64,
    /// What builds left.
    pub build_cache: u64,
    /// How many volumes there are.
    pub volume_count: u64,
    /// Those that are of a project, by their labels, and whose size the engine knows.
    pub of_projects: Vec<ProjectVolume>,
}

/// A volume that is of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectVolume {
    /// The portal that made it.
    pub instance: String,
    /// The project.
    pub project: ProjectId,
    /// Bytes.
    pub bytes: u64,
}

impl Docker {
    /// The first process of a container, and how it is confined.
    ///
    /// # Errors
    /// `NoSuchContainer`, or the engine is away.
    pub(crate) async fn process(&self, id: &str) -> Result<Process> {
        let answer =
            self.call("inspect the container", QUICK, async |client| client.inspect_container(id, None::<InspectContainerOptions>).await).await?;
        let (state, host) = (answer.state.unwrap_or_default(), answer.host_config.unwrap_or_default());
        let network = host.network_mode.as_deref().unwrap_or_default();
        Ok(Process {
            pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
            own_net: network != "host" && !network.starts_with("container:"),
            cpus: Limits::read(&host).cpu_millis.map(|millis| f64::from(millis) / 1000.0),
        })
    }

    /// What a container used until now, without the engine's wait for a second look.
    ///
    /// # Errors
    /// `NoSuchContainer`, or the engine is away or slow.
    pub(crate) async fn usage(&self, id: &str, limit: Duration) -> Result<Usage> {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let answer = self
            .call("tell what the container uses", limit, async move |client| {
                let mut answers = pin!(client.stats(id, Some(options)));
                answers.next().await.transpose()
            })
            .await?;
        answer.map(read).ok_or_else(|| EngineError::new(Kind::Other, "the engine did not tell what the container uses"))
    }

    /// What the engine says of itself.
    ///
    /// # Errors
    /// The engine is away or slow.
    pub(crate) async fn overview(&self) -> Result<Overview> {
        let info = self.call("tell about itself", QUICK, async |client| client.info().await).await?;
        let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
        Ok(Overview {
            cpus: number(info.ncpu),
            memory: number(info.mem_total),
            running: number(info.containers_running),
            paused: number(info.containers_paused),
            stopped: number(info.containers_stopped),
            images: number(info.images),
            kernel: info.kernel_version.unwrap_or_default(),
            root: info.docker_root_dir.unwrap_or_default(),
        })
    }

    /// What is on the engine's disk. It looks at every file of every volume for that: ask rarely.
    ///
    /// # Errors
    /// The engine is away or slow, or its answer is too long.
    pub(crate) async fn space(&self) -> Result<Space> {
        // From API 1.52 on volumes are named only on demand; older engines always name them.
        let body = hijack::get(self.dialer(), &self.path("/system/df?verbose=1").await?, SPACE_BYTES, SPACE).await?;
        let answer: SpaceAnswer = serde_json::from_slice(&body)
            .map_err(|error| EngineError::new(Kind::Other, format!("what the engine says of its disk could not be read: {error}")))?;
        Ok(answer.sum())
    }
}

/// From the engine's answer. On cgroup v1 the keys of memory have a prefix, as in the kernel's file.
fn read(answer: ContainerStatsResponse) -> Usage {
    let (cpu, memory) = (answer.cpu_stats.unwrap_or_default(), answer.memory_stats.unwrap_or_default());
    let kept = memory.stats.unwrap_or_default();
    let of = |keys: [&str; 2]| keys.iter().find_map(|key| kept.get(*key).copied());
    let throttling = cpu.throttling_data.map(|data| Throttling {
        periods: data.periods.unwrap_or_default(),
        throttled: data.throttled_periods.unwrap_or_default(),
        time: data.throttled_time.unwrap_or_default() / 1000,
    });
    let blocks = answer.blkio_stats.unwrap_or_default();
    let sum = |entries: &Option<Vec<ContainerBlkioStatEntry>>, wanted: &str| -> u64 {
        let of_kind = entries.iter().flatten().filter(|entry| entry.op.as_deref().is_some_and(|op| op.eq_ignore_ascii_case(wanted)));
        of_kind.filter_map(|entry| entry.value).sum()
    };
    let (bytes, times) = (&blocks.io_service_bytes_recursive, &blocks.io_serviced_recursive);
    // On cgroup v2 it does not say how often.
    let accesses = times.is_some().then(|| Accesses { reads: sum(times, "read"), writes: sum(times, "write") });
    let block = Block { read: sum(bytes, "read"), written: sum(bytes, "write"), accesses };
    let mut usage = Usage {
        at: answer.read.as_deref().and_then(millis).map(Millis),
        cpu: cpu.cpu_usage.and_then(|usage| usage.total_usage).map(|nanos| nanos / 1000),
        throttling,
        memory: memory.usage,
        inactive_file: of(["total_inactive_file", "inactive_file"]),
        swap: of(["total_swap", "swap"]),
        net: answer.networks.map(|networks| traffic(&networks)),
        block: bytes.is_some().then_some(block),
        pids: answer.pids_stats.and_then(|pids| pids.current),
        ..Usage::default()
    };
    usage.limits.memory = memory.limit;
    usage
}

fn traffic(networks: &HashMap<String, ContainerNetworkStats>) -> Traffic {
    let mut total = Traffic::default();
    for network in networks.values() {
        let direction = |bytes: Option<u64>, packets: Option<u64>, errors: Option<u64>, drops: Option<u64>| Direction {
            bytes: bytes.unwrap_or_default(),
            packets: packets.unwrap_or_default(),
            errors: errors.unwrap_or_default(),
            drops: drops.unwrap_or_default(),
        };
        total.add(&Traffic {
            received: direction(network.rx_bytes, network.rx_packets, network.rx_errors, network.rx_dropped),
            sent: direction(network.tx_bytes, network.tx_packets, network.tx_errors, network.tx_dropped),
        });
    }
    total
}

/// The engine's answer about its disk, as API 1.41 to 1.51 have it, and, with sums, from 1.52 on.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct SpaceAnswer {
    layers_size: Option<i64>,
    containers: Option<Vec<ContainerSpace>>,
    volumes: Option<Vec<VolumeSpace>>,
    build_cache: Option<Vec<CacheSpace>>,
    image_usage: Option<Sum>,
    container_usage: Option<Sum>,
    volume_usage: Option<VolumeSum>,
    build_cache_usage: Option<Sum>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Sum {
    total_count: Option<i64>,
    total_size: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct VolumeSum {
    total_count: Option<i64>,
    total_size: Option<i64>,
    items: Option<Vec<VolumeSpace>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerSpace {
    size_rw: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct VolumeSpace {
    labels: Option<HashMap<String, String>>,
    usage_data: Option<VolumeUse>,
}

impl VolumeSpace {
    /// -1: a driver does not tell.
    fn bytes(&self) -> Option<u64> {
        positive(self.usage_data.as_ref()?.size)
    }

    fn of_project(&self) -> Option<ProjectVolume> {
        let labels = self.labels.as_ref()?;
        let (instance, project) = (labels.get(LABEL_INSTANCE)?.clone(), labels.get(LABEL_PROJECT_ID)?.parse().ok()?);
        Some(ProjectVolume { instance, project, bytes: self.bytes()? })
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct VolumeUse {
    size: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct CacheSpace {
    size: Option<i64>,
    shared: bool,
}

impl SpaceAnswer {
    fn sum(&self) -> Space {
        let size = |sum: &Option<Sum>| sum.as_ref().and_then(|sum| positive(sum.total_size));
        let containers = self.containers.iter().flatten().filter_map(|one| positive(one.size_rw));
        let named = self.volume_usage.as_ref().and_then(|sum| sum.items.as_ref()).or(self.volumes.as_ref());
        let volumes = named.into_iter().flatten();
        // What is shared is an image's as well.
        let cache = self.build_cache.iter().flatten().filter(|one| !one.shared).filter_map(|one| positive(one.size));
        let counted = self.volume_usage.as_ref().and_then(|sum| positive(sum.total_count));
        let added_up = self.volume_usage.as_ref().and_then(|sum| positive(sum.total_size));
        Space {
            images: size(&self.image_usage).or(positive(self.layers_size)).unwrap_or_default(),
            containers: size(&self.container_usage).unwrap_or_else(|| containers.sum()),
            volumes: added_up.unwrap_or_else(|| volumes.clone().filter_map(VolumeSpace::bytes).sum()),
            build_cache: size(&self.build_cache_usage).unwrap_or_else(|| cache.sum()),
            volume_count: counted.unwrap_or_else(|| volumes.clone().count() as u64),
            of_projects: volumes.clone().filter_map(VolumeSpace::of_project).collect(),
        }
    }
}

/// -1: the engine does not know.
fn positive(number: Option<i64>) -> Option<u64> {
    number.and_then(|number| u64::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_added_up_as_older_and_newer_engines_tell_it() {
        let older = r#"{"LayersSize": 1000, "Images": [{"Size": 700}], "Containers": [{"SizeRw": 30}, {"SizeRootFs": 5}],
            "Volumes": [{"UsageData": {"Size": 50, "RefCount": 1}}, {"UsageData": {"Size": -1}}, {}], "BuildCache": [{"Size": 7, "Shared": false}, {"Size": 9, "Shared": true}]}"#;
        let newer = r#"{"ImageUsage": {"TotalCount": 1, "TotalSize": 1000}, "ContainerUsage": {"TotalSize": 30},
            "VolumeUsage": {"TotalCount": 3, "TotalSize": 50}, "BuildCacheUsage": {"TotalSize": 7}}"#;
        let expected = Space { images: 1000, containers: 30, volumes: 50, build_cache: 7, volume_count: 3, of_projects: Vec::new() };
        for text in [older, newer] {
            assert_eq!(serde_json::from_str::<SpaceAnswer>(text).expect("JSON").sum(), expected, "{text}");
        }
        let nothing = r#"{"LayersSize": 0, "Images": null, "Containers": null, "Volumes": null, "BuildCache": null}"#;
        assert_eq!(serde_json::from_str::<SpaceAnswer>(nothing).expect("JSON").sum(), Space::default());
    }

    #[test]
    fn volumes_are_of_the_projects_that_their_labels_name() {
        let own = r#""Labels": {"dev.slipway.instance": "here", "dev.slipway.project.id": "0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa"}"#;
        let volumes = format!(
            r#"[{{"Name": "own", {own}, "UsageData": {{"Size": 50, "RefCount": 1}}}}, {{"Name": "far", {own}, "UsageData": {{"Size": -1, "RefCount": -1}}}},
                {{"Name": "not looked at", {own}, "UsageData": null}}, {{"Name": "somebody's", "Labels": null, "UsageData": {{"Size": 7, "RefCount": 0}}}},
                {{"Name": "secrets", "Labels": {{"dev.slipway.instance": "here", "dev.slipway.carrier": "x"}}, "UsageData": {{"Size": 3, "RefCount": 1}}}}]"#
        );
        let older = format!(r#"{{"Volumes": {volumes}}}"#);
        let newer = format!(r#"{{"VolumeUsage": {{"ActiveCount": 2, "TotalCount": 5, "TotalSize": 60, "Items": {volumes}}}}}"#);
        let project = "0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa".parse().expect("an id");
        for text in [older, newer] {
            let space = serde_json::from_str::<SpaceAnswer>(&text).expect("JSON").sum();
            assert_eq!(space.of_projects, [ProjectVolume { instance: "here".into(), project, bytes: 50 }], "{text}");
            assert_eq!((space.volumes, space.volume_count), (60, 5), "{text}");
        }
    }

    #[test]
    fn the_engine_and_the_files_use_the_same_units() {
        // As 20.10 answered on cgroup v1 and 24.0 on v2, shortened.
        let common = r#""read": "2026-11-22T12:00:00.250123456Z", "cpu_stats": {"cpu_usage": {"total_usage": 609901245279}, "throttling_data": {"periods": 410, "throttled_periods": 205, "throttled_time": 10250000000}},
            "pids_stats": {"current": 7}, "networks": {"eth0": {"rx_bytes": 1376, "rx_packets": 16, "rx_errors": 0, "rx_dropped": 1, "tx_bytes": 4242, "tx_packets": 21, "tx_errors": 0, "tx_dropped": 0}}"#;
        let v1 = r#""memory_stats": {"usage": 140591360, "limit": 268435456, "stats": {"inactive_file": 12288, "total_inactive_file": 52428800}},
            "blkio_stats": {"io_service_bytes_recursive": [{"major": 254, "minor": 0, "op": "Read", "value": 4096}, {"major": 254, "minor": 0, "op": "Write", "value": 8192}],
            "io_serviced_recursive": [{"major": 254, "minor": 0, "op": "Read", "value": 1}, {"major": 254, "minor": 0, "op": "Write", "value": 2}]}"#;
        let v2 = r#""memory_stats": {"usage": 140591360, "limit": 268435456, "stats": {"anon": 1, "file": 52428800, "inactive_file": 52428800}},
            "blkio_stats": {"io_service_bytes_recursive": [{"major": 254, "minor": 0, "op": "read", "value": 4096}, {"major": 254, "minor": 0, "op": "write", "value": 8192}],
            "io_serviced_recursive": null}"#;
        for (version, own, accesses) in [(1, v1, Some(Accesses { reads: 1, writes: 2 })), (2, v2, None)] {
            let answer = serde_json::from_str(&format!("{{{common}, {own}}}")).expect("an answer");
            let usage = read(answer);
            assert_eq!((usage.cpu, usage.working_set(), usage.pids), (Some(609_901_245), Some(88_162_560), Some(7)), "version {version}");
            assert_eq!(usage.throttling, Some(Throttling { periods: 410, throttled: 205, time: 10_250_000 }));
            assert_eq!(usage.block, Some(Block { read: 4096, written: 8192, accesses }));
            assert_eq!(usage.net.map(|net| (net.received.bytes, net.sent.packets, net.received.drops)), Some((1376, 21, 1)));
            assert_eq!(usage.limits.memory, Some(268_435_456));
            assert_eq!(usage.at.map(Millis::rfc3339).as_deref(), Some("2026-11-22T12:00:00.250Z"));
        }
    }
}
