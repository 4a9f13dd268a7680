//! What other tools let a container ask of its machine and no descriptor can: privileges, namespaces, devices, the engine's socket. The grammar
//! has no such keys, so they are refused as unknown ones; here is what is said then, so that nobody looks for another spelling. Which
//! folders of a machine nobody mounts, whatever an operator allows: [`crate::folders::never`].

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
}
