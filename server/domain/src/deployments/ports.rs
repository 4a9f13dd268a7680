//! The ledger of ports: unique by machine, protocol and port, so that a port is known before its container is made. What something
//! else holds is found out by trying, and left alone for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use model::descriptor::{Port, Protocol};
use model::ids::TaskId;
use model::views::services::TaskPort;

use crate::args;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::machines::Machine;
use crate::platform::Platform;
use crate::services::port;

/// How long a port that something else held is left alone.
const BLOCKED: Duration = Duration::from_secs(600);

/// Gives a task its ports.
pub(super) async fn give(tx: &mut Tx, platform: &Platform, machine: &Machine, task: TaskId, wanted: &[Port]) -> Result<()> {
    tx.lock_key(&format!("ports {}", machine.id)).await?;
    let sql = "DELETE FROM ports WHERE machine_id = $1 AND task_id IS NULL AND blocked_until < $2";
    tx.exec(sql, args![machine.id, platform.now()]).await?;
    for port in wanted {
        match port.host {
            Some(host) => fixed(tx, machine, task, port, host).await?,
            None => free(tx, platform, machine, task, port).await?,
        }
    }
    Ok(())
}

async fn fixed(tx: &mut Tx, machine: &Machine, task: TaskId, wanted: &Port, host: u16) -> Result<()> {
    if wanted.protocol == Protocol::Tcp && machine.portal_port() == Some(host) {
        return Err(Error::conflict("port_taken", format!("the fixed port {host}/tcp of {} is the portal's own", machine.name)));
    }
    // That something else held it a while ago is no reason not to try.
    let sql = "DELETE FROM ports WHERE machine_id = $1 AND protocol = $2 AND port = $3 AND task_id IS NULL";
    tx.exec(sql, args![machine.id, wanted.protocol.as_str(), u32::from(host)]).await?;
    if insert(tx, machine, task, wanted, host).await? {
        return Ok(());
    }
    Err(Error::conflict("port_taken", format!("the fixed port {host}/{} of {} is held by another task", wanted.protocol, machine.name)))
}

async fn free(tx: &mut Tx, platform: &Platform, machine: &Machine, task: TaskId, wanted: &Port) -> Result<()> {
    let (first, last) = (u32::from(machine.ports.0), u32::from(machine.ports.1));
    let sql = "SELECT port FROM ports WHERE machine_id = $1 AND protocol = $2 AND port BETWEEN $3 AND $4 LIMIT 65536";
    let taken: Vec<i64> = tx.all(sql, args![machine.id, wanted.protocol.as_str(), first, last], |row| row.get("port")).await?;
    let mut taken: BTreeSet<i64> = taken.into_iter().collect();
    // Never the portal's own, not even while it is about to start.
    taken.extend(machine.portal_port().filter(|_| wanted.protocol == Protocol::Tcp).map(i64::from));
    // From a random place on, so that a port that was just freed is not given out again at once.
    let start = u32::from_le_bytes(platform.random_bytes());
    let Some(host) = pick(&taken, first, last, start) else {
        return Err(Error::conflict(
            "ports_exhausted",
            format!("all ports {first} to {last} of {} are given out; an operator must widen the range", machine.name),
        ));
    };
    if insert(tx, machine, task, wanted, host).await? { Ok(()) } else { Err(Error::internal("a free port was given out under the lock")) }
}

/// The first free port at or behind the start's place in the range, around its end.
fn pick(taken: &BTreeSet<i64>, first: u32, last: u32, start: u32) -> Option<u16> {
    let size = last.checked_sub(first)? + 1;
    let found = (0..size).map(|step| first + (start % size + step) % size).find(|port| !taken.contains(&i64::from(*port)))?;
    u16::try_from(found).ok()
}

async fn insert(tx: &mut Tx, machine: &Machine, task: TaskId, wanted: &Port, host: u16) -> Result<bool> {
    let sql = "INSERT INTO ports (machine_id, protocol, port, task_id, name, container) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    let arguments = args![machine.id, wanted.protocol.as_str(), u32::from(host), task, &wanted.name, u32::from(wanted.container)];
    Ok(tx.exec(sql, arguments).await? > 0)
}

/// A port that turned out to be held by something else: it is left alone for a while, and the task gets another one.
pub(super) async fn replace(
    tx: &mut Tx,
    platform: &Platform,
    machine: &Machine,
    task: TaskId,
    wanted: &[Port],
    protocol: Protocol,
    host: u16,
) -> Result<()> {
    tx.lock_key(&format!("ports {}", machine.id)).await?;
    let sql = "UPDATE ports SET task_id = NULL, name = NULL, container = NULL, blocked_until = $4
               WHERE machine_id = $1 AND protocol = $2 AND port = $3 AND task_id = $5";
    let until = platform.now().plus(BLOCKED);
    let held = tx.exec(sql, args![machine.id, protocol.as_str(), u32::from(host), until, task]).await?;
    if held == 0 {
        return Err(Error::internal("the task does not hold that port"));
    }
    if wanted.iter().any(|port| port.host == Some(host) && port.protocol == protocol) {
        let who = "something else than Slipway";
        return Err(Error::conflict("port_taken", format!("the fixed port {host}/{protocol} of {} is held by {who}", machine.name)));
    }
    let now_held = of(tx, task).await?;
    for port in wanted {
        if !now_held.iter().any(|held| held.container == port.container && held.protocol == port.protocol) {
            free(tx, platform, machine, task, port).await?;
        }
    }
    Ok(())
}

/// The ports that a task holds.
pub(super) async fn of(tx: &mut Tx, task: TaskId) -> Result<Vec<TaskPort>> {
    let sql = "SELECT name, container, port, protocol FROM ports WHERE task_id = $1 ORDER BY container, protocol";
    tx.all(sql, args![task], port).await
}

/// Frees what a task held.
pub(super) async fn release(tx: &mut Tx, task: TaskId) -> Result<()> {
    tx.exec("DELETE FROM ports WHERE task_id = $1", args![task]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_found_around_the_end_of_the_range() {
        let taken = BTreeSet::from([20_003, 20_004]);
        assert_eq!(pick(&taken, 20_000, 20_004, 3), Some(20_000));
        assert_eq!(pick(&taken, 20_000, 20_004, 1), Some(20_001));
        assert_eq!(pick(&taken, 20_003, 20_004, 7), None);
        assert_eq!(pick(&BTreeSet::new(), 2, 1, 0), None);
        assert_eq!(pick(&BTreeSet::new(), 1, 65_535, u32::MAX), Some(1));
    }
}
