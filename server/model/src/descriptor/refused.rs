//! What other tools let a container ask of its machine and no descriptor can: privileges, namespaces, devices, the engine's socket. The grammar
//! has no such keys, so they are refused as unknown ones; here is what is said then, so that nobody looks for another spelling. And the
//! folders of a machine that nobody mounts, whatever an operator allows.

/// Folders and sockets by which a task would own its machine. A mount of what holds one of them is one too.
const OWNING: &[&str] = &[
    "/boot",
    "/dev",
    "/etc",
    "/proc",
    "/root",
    "/run/containerd",
    "/run/docker",
    "/run/docker.sock",
    "/run/podman",
    "/sys",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/run",
];

/// The rule behind a key that other tools know and a descriptor does not, by its name without case, `_` and `-`.
pub(super) fn rule(key: &str) -> Option<&'static str> {
    let folded: String = key.chars().filter(|c| !matches!(c, '-' | '_' | '.')).take(40).flat_map(char::to_lowercase).collect();
    Some(match folded.as_str() {
        "privileged" | "privilegedmode" => "no task gets the privileges of its machine",
        "capadd" | "capabilities" | "capdrop" | "caps" => "tasks keep the engine's small set of capabilities, and none can be added",
        "devices" | "device" | "devicecgrouprules" | "devicerequests" | "gpus" | "gpu" | "runtime" => "tasks get no devices of their machine",
        "pid" | "pidmode" | "hostpid" => "each task has its own process namespace, never the machine's or another container's",
        "ipc" | "ipcmode" | "hostipc" | "shmsize" => "each task has its own IPC namespace, never the machine's or another container's",
        "uts" | "utsmode" | "cgroup" | "cgroupparent" | "cgroupns" | "cgroupnsmode" => "tasks share no namespace or control group with their machine",
        "network" | "networkmode" | "hostnetwork" | "net" | "networks" => {
            "each task is in its project's network, never in the machine's or another container's; use network: {name: ...}"
        }
        "securityopt"
        | "securitycontext"
        | "seccomp"
        | "apparmor"
        | "apparmorprofile"
        | "selinux"
        | "allowprivilegeescalation"
        | "nonewprivileges" => "the engine's confinement of tasks is not changed: no process gains privileges",
        "sysctls" | "sysctl" => "tasks set no kernel parameters",
        "usernsmode" | "userns" | "hostusers" => "the user namespace is the engine's to choose",
        "groupadd" => "a task's groups are those of its user; use user: \"1000:1000\"",
        "volumesfrom" | "bind" | "binds" | "mounts" | "hostpath" | "volumemounts" | "tmpfs" => {
            "what is mounted stands under volumes, as [{name: data, path: /data}]; folders of the machine only from the operator's list"
        }
        "labels" | "label" | "annotations" => "labels are set by Slipway, so that it finds its own containers",
        "extrahosts" | "addhost" | "dns" | "dnssearch" | "dnsopt" | "links" | "externallinks" => {
            "names are the network's: services of a project reach each other by their names"
        }
        "ulimits" | "ulimit" | "oomkilldisable" | "oomscoreadj" | "memswaplimit" | "memswappiness" | "cpuset" | "cpusetcpus" | "memlimit" => {
            "limits of a task are resources: {cpus, memory, pids}"
        }
        "logging" | "logdriver" | "logopt" => "how logs are kept is set by Slipway",
        "containername" | "hostname" | "domainname" | "macaddress" => {
            "containers are named by Slipway; the service's name is its name in the network"
        }
        _ => return None,
    })
}

/// Why a folder of a machine is not mounted, whoever asks; none: an operator may allow it.
pub(super) fn host_folder(path: &str) -> Option<String> {
    let bare = path.trim_end_matches('/');
    let within = |inner: &str, outer: &str| inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    let shown: String = path.chars().take(60).collect();
    if bare.is_empty() || OWNING.iter().any(|owning| within(bare, owning) || within(owning, bare)) {
        return Some(format!("{shown} of a machine is never mounted: who holds it, holds the machine"));
    }
    let socket = bare.rsplit('/').next().is_some_and(|name| name.ends_with(".sock"));
    socket.then(|| format!("{shown} is a socket of a machine; the engine's is never given to a task, nor is any other"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_dangerous_key_is_known() {
        for key in [
            "privileged",
            "Privileged",
            "cap_add",
            "cap-add",
            "CapAdd",
            "hostNetwork",
            "network_mode",
            "NETWORK-MODE",
            "security_opt",
            "userns_mode",
            "pid",
            "ipc",
        ] {
            assert!(rule(key).is_some(), "{key}");
        }
        assert_eq!(rule("replica"), None);
    }

    #[test]
    fn what_owns_the_machine_is_never_mounted() {
        for path in [
            "/",
            "/var/run/docker.sock",
            "/run/docker.sock",
            "/run",
            "/var/run/",
            "/var",
            "/var/lib",
            "/var/lib/docker/volumes",
            "/etc/ssh",
            "/proc/1",
            "/mnt/engine.sock",
        ] {
            assert!(host_folder(path).is_some(), "{path}");
        }
        for path in ["/mnt/shared/x", "/srv", "/data", "/var/lib/dockers", "/home/app"] {
            assert_eq!(host_folder(path), None, "{path}");
        }
    }
}
