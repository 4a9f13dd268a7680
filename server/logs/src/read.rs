//! Reading what is planned, in order: a little at once by the caller itself, much on threads that read and search ahead of it, so far and no further.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::chunk::Sieve;
use crate::item::{Item, Looked};
use crate::plan::Planner;
use crate::stream::lock;

/// Bytes of text from which threads are worth their while.
const MUCH: u64 = 4 << 20;
/// Items that are read before threads are started.
const ALONE: usize = 2;
/// Threads of one search.
const THREADS: usize = 2;
/// Most items that are read and not yet taken: each is a chunk of text at most.
const AHEAD: u64 = 8;

/// Something that was read.
pub(crate) struct Read {
    pub(crate) item: Item,
    pub(crate) looked: Looked,
    pub(crate) weight: u64,
    pub(crate) at_nanos: i64,
}

/// Reads all that is planned and hands it to `take` in order, until it answers `Break`.
pub(crate) fn run(mut planner: Planner, sieve: &Sieve, take: &mut dyn FnMut(Read) -> io::Result<ControlFlow<()>>) -> io::Result<()> {
    let much = planner.bytes() >= MUCH;
    let mut read = 0;
    while let Some(planned) = planner.next()? {
        let looked = planned.item.look(sieve, false);
        if take(Read { item: planned.item, looked, weight: planned.weight, at_nanos: planned.at_nanos })?.is_break() {
            return Ok(());
        }
        read += 1;
        // Whoever wants a page has it by now.
        if much && read == ALONE {
            return with_threads(planner, sieve, take);
        }
    }
    Ok(())
}

struct Shared {
    planner: Planner,
    /// How many items were begun.
    begun: u64,
    /// How many were handed over.
    taken: u64,
    read: BTreeMap<u64, io::Result<Read>>,
    /// Nothing more is to be begun.
    over: bool,
    working: usize,
}

struct Ahead {
    shared: Mutex<Shared>,
    changed: Condvar,
}

impl Ahead {
    fn wait<'a>(&self, shared: MutexGuard<'a, Shared>) -> MutexGuard<'a, Shared> {
        self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner)
    }

    /// What the threads do.
    fn work(&self, sieve: &Sieve) {
        let _leaving = Leaving(self);
        loop {
            let mut shared = lock(&self.shared);
            while !shared.over && shared.begun >= shared.taken + AHEAD {
                shared = self.wait(shared);
            }
            if shared.over {
                return;
            }
            let planned = shared.planner.next().transpose();
            let Some(planned) = planned else {
                shared.over = true;
                self.changed.notify_all();
                return;
            };
            let number = shared.begun;
            shared.begun += 1;
            // After an error nothing more is begun; what was begun before it is still handed over.
            shared.over = planned.is_err();
            drop(shared);
            let read = planned.map(|planned| {
                let looked = planned.item.look(sieve, false);
                Read { item: planned.item, looked, weight: planned.weight, at_nanos: planned.at_nanos }
            });
            lock(&self.shared).read.insert(number, read);
            self.changed.notify_all();
        }
    }

    /// The next one in order, if there is one.
    fn next(&self) -> Option<io::Result<Read>> {
        let mut shared = lock(&self.shared);
        loop {
            let number = shared.taken;
            if let Some(read) = shared.read.remove(&number) {
                shared.taken += 1;
                self.changed.notify_all();
                return Some(read);
            }
            if shared.working == 0 {
                // All are gone: at the end, or because a thread died in the middle of something.
                return (shared.taken < shared.begun).then(|| Err(io::Error::other("a thread that read kept logs died")));
            }
            shared = self.wait(shared);
        }
    }
}

/// Says that a thread has left, however that came.
struct Leaving<'a>(&'a Ahead);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut shared = lock(&self.0.shared);
        shared.working -= 1;
        // What it was at is never handed over: the others would wait for that for ever.
        shared.over |= std::thread::panicking();
        drop(shared);
        self.0.changed.notify_all();
    }
}

/// Says that nothing more is wanted, also when the caller's own code panics: the threads would wait for it for ever.
struct Over<'a>(&'a Ahead);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        lock(&self.0.shared).over = true;
        self.0.changed.notify_all();
    }
}

fn with_threads(planner: Planner, sieve: &Sieve, take: &mut dyn FnMut(Read) -> io::Result<ControlFlow<()>>) -> io::Result<()> {
    let shared = Shared { planner, begun: 0, taken: 0, read: BTreeMap::new(), over: false, working: THREADS };
    let ahead = Ahead { shared: Mutex::new(shared), changed: Condvar::new() };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| ahead.work(sieve));
        }
        let _over = Over(&ahead);
        while let Some(read) = ahead.next() {
            if take(read?)?.is_break() {
                break;
            }
        }
        Ok(())
    })
}
