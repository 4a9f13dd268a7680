//! Work on several threads at once, so that a chart of fifty tasks is there almost as soon as one of a few.

use std::io;
use std::num::NonZero;
use std::sync::{LazyLock, Mutex};
use std::thread;

use crate::store::lock;

/// Most threads that one reading works on, the caller's own among them: others read, too.
const MOST: usize = 4;

/// How many threads one reading works on. Asked once: the system is slow to tell.
static THREADS: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get).min(MOST));

/// Does this to each of them, with tools that each thread makes once, and answers in their order. Where there is one alone, no thread is begun.
///
/// # Errors
/// The first that a thread came upon; what the others are at is done by then.
pub(crate) fn each<T: Send, S, R: Send>(
    all: Vec<T>,
    tools: impl Fn() -> io::Result<S> + Sync,
    work: impl Fn(&mut S, T) -> io::Result<R> + Sync,
) -> io::Result<Vec<R>> {
    let threads = THREADS.min(all.len());
    let rest = Mutex::new(all.into_iter().enumerate());
    let share = || {
        let (mut tools, mut done) = (tools()?, Vec::new());
        loop {
            let Some((number, one)) = lock(&rest).next() else { return Ok(done) };
            done.push((number, work(&mut tools, one)?));
        }
    };
    let shares: Vec<io::Result<Vec<(usize, R)>>> = thread::scope(|scope| {
        // Where no thread can be begun, those that there are do all of it.
        let begin = |_| thread::Builder::new().name("metrics-read".to_owned()).spawn_scoped(scope, share).ok();
        let others: Vec<_> = (1..threads).map_while(begin).collect();
        let own = share();
        let died = |_| Err(io::Error::other("a thread that read samples died"));
        std::iter::once(own).chain(others.into_iter().map(|other| other.join().unwrap_or_else(died))).collect()
    });
    let mut done: Vec<(usize, R)> = Vec::new();
    for share in shares {
        done.extend(share?);
    }
    done.sort_unstable_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_done_once_and_answers_come_in_order() {
        let done = each((0..1000).collect(), || Ok(()), |(), number: u32| Ok(number * 2)).expect("done");
        assert_eq!(done, (0..1000).map(|number| number * 2).collect::<Vec<_>>());
        assert!(each(Vec::<u32>::new(), || Ok(()), |(), number| Ok(number)).expect("done").is_empty());
    }

    #[test]
    fn an_error_is_told_and_so_is_a_death() {
        let gone = |(): &mut (), number: u32| if number == 500 { Err(io::ErrorKind::NotFound.into()) } else { Ok(number) };
        assert_eq!(each((0..1000).collect(), || Ok(()), gone).expect_err("gone").kind(), io::ErrorKind::NotFound);
        let here = thread::current().id();
        let (other, waits) = (std::sync::Barrier::new(2), |(): &mut (), _: u32| Ok(()));
        let dies = |tools: &mut (), number: u32| {
            other.wait();
            assert!(thread::current().id() == here, "one of the threads dies");
            waits(tools, number)
        };
        if *THREADS > 1 {
            let died = each(vec![0, 1], || Ok(()), dies).expect_err("one died");
            assert_eq!(died.to_string(), "a thread that read samples died");
        }
    }
}
