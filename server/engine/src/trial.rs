//! The test of a machine's connection: step by step, each saying what was found or what is wrong and what to do. It changes nothing on the
//! engine and keeps nothing; what follows a step that failed is said to be skipped.

use std::time::Duration;

use domain::ports::{Trial, TrialOrder};
use model::engine::EngineAddress;
use model::machine::{EPHEMERAL, shared_with_kernel};
use model::views::environments::{StepState, TrialStep};

use crate::docker::{Credential, Docker, EngineError, EngineInfo, Kind};

/// Longest time for all of it.
const LIMIT: Duration = Duration::from_secs(50);
/// Clocks may differ by this much, in milliseconds, before it is told; tokens and logs suffer beyond.
const SKEW: i64 = 10_000;
/// Clocks that differ by more than this, in milliseconds, break the registry's tokens.
const BROKEN: i64 = 120_000;

fn step(step: &str, state: StepState, message: impl Into<String>) -> TrialStep {
    TrialStep { step: step.into(), state, message: message.into() }
}

/// Makes the test.
pub(crate) async fn make(order: &TrialOrder) -> Trial {
    let docker = Docker::through(order.door.clone());
    match tokio::time::timeout(LIMIT, steps(order, &docker)).await {
        Ok(trial) => trial,
        Err(_) => {
            let message = format!("the test took longer than {} s: something in between swallows what is sent", LIMIT.as_secs());
            Trial { steps: vec![step("reach", StepState::Failed, message)], ..Trial::default() }
        }
    }
}

async fn steps(order: &TrialOrder, docker: &Docker) -> Trial {
    let mut trial = Trial::default();
    if let Some(error) = docker.unusable() {
        trial.steps.push(step("identity", StepState::Failed, sentence(&error.message)));
        trial.steps.extend(["reach", "engine", "registry"].map(skipped));
        trial.steps.extend(range(order).await);
        return trial;
    }
    let info = match docker.info().await {
        Ok(info) => info,
        Err(error) => {
            trial.steps.extend(not_reached(&error));
            trial.host_key = docker.shown_key();
            trial.steps.extend(range(order).await);
            return trial;
        }
    };
    trial.steps.push(step("reach", StepState::Ok, format!("An engine answers at {}.", order.door.address)));
    trial.steps.push(guard(order));
    trial.steps.push(engine(&info));
    trial.steps.push(clock(order, &info));
    trial.steps.push(registry(order, docker).await);
    trial.steps.extend(range(order).await);
    trial.engine_id = Some(info.id).filter(|id| !id.is_empty());
    trial
}

fn skipped(name: &str) -> TrialStep {
    step(name, StepState::Skipped, "It depends on what went wrong.")
}

/// The steps up to the one that failed, and those that could not be made.
fn not_reached(error: &EngineError) -> Vec<TrialStep> {
    let message = sentence(&error.message);
    match error.kind {
        Kind::Identity => vec![
            step("reach", StepState::Ok, "The machine answers."),
            step("identity", StepState::Failed, message),
            skipped("engine"),
            skipped("registry"),
        ],
        Kind::Unreachable | Kind::TimedOut => vec![step("reach", StepState::Failed, message), skipped("engine"), skipped("registry")],
        _ => vec![step("reach", StepState::Ok, "Something answers."), step("engine", StepState::Failed, message), skipped("registry")],
    }
}

/// What was proved of who the other side is.
fn guard(order: &TrialOrder) -> TrialStep {
    match (&order.door.address, &order.door.tls) {
        (EngineAddress::Unix(_), _) => step("identity", StepState::Ok, "A socket of the portal's own machine, guarded by its permissions."),
        (EngineAddress::Tcp { .. }, Some(keys)) if keys.client.is_some() => {
            step("identity", StepState::Ok, "TLS: the engine's certificate is signed by the given authority, and it takes the portal's.")
        }
        (EngineAddress::Tcp { .. }, Some(_)) => step(
            "identity",
            StepState::Warning,
            "The engine's certificate is right, and it asks for none of the portal's: whoever reaches this port is root on the machine. Start it with \
             --tlsverify and --tlscacert.",
        ),
        (EngineAddress::Tcp { .. }, None) => step(
            "identity",
            StepState::Warning,
            "Without TLS: whoever reaches this port, or reads along, is root on the machine. For closed networks alone.",
        ),
        (EngineAddress::Ssh { user, .. }, _) => {
            step("identity", StepState::Ok, format!("SSH: the server shows the confirmed key and lets {user} in."))
        }
    }
}

fn engine(info: &EngineInfo) -> TrialStep {
    let EngineInfo { version, api, system, cpus, memory, .. } = info;
    step("engine", StepState::Ok, format!("Docker Engine {version} (API {api}), {system}, {cpus} processors, {} MiB of memory.", memory >> 20))
}

fn clock(order: &TrialOrder, info: &EngineInfo) -> TrialStep {
    let Some(theirs) = info.clock else { return step("clock", StepState::Warning, "The engine does not say what time it is.") };
    let ahead = theirs - order.now.0;
    let seconds = ahead.abs() / 1000;
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    if ahead.abs() > BROKEN {
        let text = format!("The machine's clock is {seconds} s {way} the portal's: the registry's tokens would not hold. Set it (NTP).");
        return step("clock", StepState::Failed, text);
    }
    if ahead.abs() > SKEW {
        return step("clock", StepState::Warning, format!("The machine's clock is {seconds} s {way} the portal's; times in logs are off by that."));
    }
    step("clock", StepState::Ok, "Its clock agrees with the portal's.")
}

/// Lets the engine itself ask the registry for an image that is not there, with a token of ours: only this portal's registry takes the token and
/// then knows of no such image.
async fn registry(order: &TrialOrder, docker: &Docker) -> TrialStep {
    let Some((address, token)) = &order.registry else {
        return step("registry", StepState::Skipped, "There is no registry in this process.");
    };
    let asked = docker.resolve(&format!("{address}/probe/connection:none"), Some(&Credential::Bearer(token.clone()))).await;
    let Err(error) = asked else { return step("registry", StepState::Ok, format!("The engine reaches the portal's registry at {address}.")) };
    let said = error.message.to_lowercase();
    match error.kind {
        Kind::NoSuchImage => step("registry", StepState::Ok, format!("The engine reaches the portal's registry at {address}.")),
        Kind::Denied => step(
            "registry",
            StepState::Failed,
            format!("What answers the engine at {address} is a registry that does not know this portal's tokens: is it another one?"),
        ),
        _ if said.contains("http response to https client") || said.contains("first record does not look like a tls handshake") => step(
            "registry",
            StepState::Failed,
            format!(
                "The engine reaches {address}, and insists on TLS there: put \"insecure-registries\": [\"{address}\"] into its /etc/docker/daemon.json and \
                 reload it (systemctl reload docker), or give an address with https."
            ),
        ),
        _ if said.contains("x509") || said.contains("certificate") => step(
            "registry",
            StepState::Failed,
            format!(
                "The engine does not trust the certificate at {address}: put its authority's into /etc/docker/certs.d/{address}/ca.crt there. It says: {}",
                error.message
            ),
        ),
        Kind::RegistryUnreachable | Kind::TimedOut => step(
            "registry",
            StepState::Failed,
            format!(
                "The engine does not reach the portal's registry at {address}: does the portal listen there (--listen), does a firewall forbid it? It says: {}",
                error.message
            ),
        ),
        _ => step("registry", StepState::Failed, format!("The engine could not ask the portal's registry at {address}. It says: {}", error.message)),
    }
}

/// What is to know about the ports; the kernel's range is known of the portal's own machine alone.
async fn range(order: &TrialOrder) -> Option<TrialStep> {
    let own = order.door.address.elsewhere().is_none();
    let known = if own { tokio::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").await.ok() } else { None };
    let kernel = known.and_then(|text| {
        let mut numbers = text.split_whitespace().map(str::parse::<u16>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    let shared = shared_with_kernel(order.ports, kernel.unwrap_or(EPHEMERAL))?;
    Some(step("ports", StepState::Warning, sentence(&shared)))
}

/// An error's text as a sentence.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use domain::ports::EngineDoor;
    use model::time::Millis;

    use super::*;

    fn order(engine: &str, ports: (u16, u16)) -> TrialOrder {
        let door = EngineDoor { address: engine.parse().expect("an address"), tls: None, ssh: None };
        TrialOrder { door, registry: None, ports, now: Millis(1_000_000_000) }
    }

    fn info(clock: Option<i64>) -> EngineInfo {
        let text = || String::from("x");
        EngineInfo { id: text(), name: text(), version: text(), api: text(), system: text(), architecture: text(), cpus: 1, memory: 1, clock }
    }

    #[test]
    fn clocks_that_differ_are_told_by_how_much() {
        let at = |theirs: Option<i64>| clock(&order("unix:///x", (1, 2)), &info(theirs));
        assert_eq!(at(Some(1_000_005_000)).state, StepState::Ok);
        let ahead = at(Some(1_000_030_000));
        assert!(ahead.state == StepState::Warning && ahead.message.contains("30 s ahead of"), "{ahead:?}");
        let behind = at(Some(1_000_000_000 - 600_000));
        assert!(behind.state == StepState::Failed && behind.message.contains("600 s behind"), "{behind:?}");
        assert_eq!(at(None).state, StepState::Warning);
    }

    #[test]
    fn what_follows_a_step_that_failed_is_skipped() {
        let steps = |kind| not_reached(&EngineError::new(kind, "it is so")).into_iter().map(|step| (step.step, step.state)).collect::<Vec<_>>();
        let named = |steps: &[(&str, StepState)]| steps.iter().map(|(step, state)| ((*step).to_owned(), *state)).collect::<Vec<_>>();
        use StepState::{Failed, Ok, Skipped};
        assert_eq!(steps(Kind::Unreachable), named(&[("reach", Failed), ("engine", Skipped), ("registry", Skipped)]));
        assert_eq!(steps(Kind::Identity), named(&[("reach", Ok), ("identity", Failed), ("engine", Skipped), ("registry", Skipped)]));
        assert_eq!(steps(Kind::Unsupported), named(&[("reach", Ok), ("engine", Failed), ("registry", Skipped)]));
    }

    #[tokio::test]
    async fn ports_of_the_kernel_are_told() {
        assert!(range(&order("tcp://docker1:1", (20_000, 29_999))).await.is_none());
        let told = range(&order("tcp://docker1:1", (30_000, 40_000))).await.expect("a warning");
        assert!(told.state == StepState::Warning && told.message.contains("32768"), "{told:?}");
    }

    #[test]
    fn errors_become_sentences() {
        assert_eq!(sentence("the name x cannot be resolved"), "The name x cannot be resolved.");
        assert_eq!(sentence("Is it on?"), "Is it on?");
    }
}
