//! Settings of a container's host: which are read, which are what the engine does by itself, and why the others are left out.

use serde_json::Value;

use super::empty;

/// Settings that are read into the descriptor.
pub(super) const HANDLED: &[&str] = &[
    "Binds",
    "Mounts",
    "PortBindings",
    "PublishAllPorts",
    "RestartPolicy",
    "Memory",
    "NanoCpus",
    "CpuPeriod",
    "CpuQuota",
    "PidsLimit",
    "ContainerIDFile",
    "ConsoleSize",
    "MaskedPaths",
    "ReadonlyPaths",
    "MemorySwap",
    "OomKillDisable",
    "CgroupnsMode",
    "VolumeDriver",
];

/// Whether the engine says so by itself.
pub(super) fn by_itself(name: &str, value: &Value) -> bool {
    match name {
        "NetworkMode" => value.as_str().is_some_and(|mode| mode != "host" && !mode.starts_with("container:")),
        "IpcMode" => matches!(value.as_str(), Some("private" | "shareable")),
        "ShmSize" => value.as_i64() == Some(64 << 20),
        "Runtime" => value.as_str() == Some("runc"),
        "MemorySwappiness" | "PidsLimit" => value.as_i64() == Some(-1),
        "LogConfig" => value["Type"] == "json-file" && empty(&value["Config"]),
        "Isolation" => value == "default",
        _ => false,
    }
}

/// Why a setting is left out.
pub(super) fn why(name: &str) -> &'static str {
    match name {
        "Privileged" => "no task gets the privileges of its machine",
        "CapAdd" | "CapDrop" => "tasks keep the engine's small set of capabilities",
        "Devices" | "DeviceCgroupRules" | "DeviceRequests" | "Runtime" => "tasks get no devices of their machine",
        "PidMode" | "IpcMode" | "UTSMode" | "UsernsMode" | "NetworkMode" | "Cgroup" | "CgroupParent" => {
            "tasks share no namespace with their machine or other containers"
        }
        "SecurityOpt" => "the engine's confinement of tasks is not changed",
        "Sysctls" => "tasks set no kernel parameters",
        "ExtraHosts" | "Dns" | "DnsOptions" | "DnsSearch" | "Links" => "names are the network's: services of a project find each other by name",
        "VolumesFrom" => "tasks share volumes by their names alone",
        "LogConfig" => "how logs are kept is set by Slipway",
        "GroupAdd" => "a task's groups are those of its user: write user as \"1000:1000\"",
        "AutoRemove" => "Slipway removes what ended by itself",
        "Init" => "not known to descriptors: let the image's entry point be an init, where children must be reaped",
        _ => "not known to descriptors",
    }
}
