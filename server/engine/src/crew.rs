//! Who works on which key: one crew at most, woken when there is news for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use domain::deployments::work::WorkKey;
use model::ids::TaskId;
use tokio::sync::{Notify, mpsc};

/// Tasks whose program ended, and its exit code: it may run again when somebody looks, and then the engine has forgotten the code.
pub(crate) type Died = BTreeMap<TaskId, i64>;

/// News for the crew of one key.
#[derive(Default)]
pub(crate) struct Crew {
    bell: Notify,
    /// Rung since the last look.
    rung: AtomicBool,
    /// Tasks whose program ended since the last look, and with what.
    died: Mutex<Died>,
}

/// A key and its crew, to be started.
type Call = (WorkKey, Arc<Crew>);

/// All crews.
pub(crate) struct Crews {
    at_work: Mutex<BTreeMap<WorkKey, Arc<Crew>>>,
    calls: mpsc::UnboundedSender<Call>,
    /// Taken by the loop that starts crews.
    called: Mutex<Option<mpsc::UnboundedReceiver<Call>>>,
}

impl Default for Crews {
    fn default() -> Self {
        let (calls, called) = mpsc::unbounded_channel();
        Self { at_work: Mutex::default(), calls, called: Mutex::new(Some(called)) }
    }
}

impl Crews {
    /// There is something to do for a key. At most one call for each key is under way, so the queue is as long as there are keys.
    pub(crate) fn wake(&self, key: WorkKey, died: Option<(TaskId, i64)>) {
        let mut at_work = self.at_work.lock().expect("no code panics while it holds this lock");
        let crew = at_work.entry(key).or_insert_with(|| {
            let crew = Arc::new(Crew::default());
            // Nobody listens any more only when the portal stops.
            let _ = self.calls.send((key, Arc::clone(&crew)));
            crew
        });
        crew.died.lock().expect("no code panics while it holds this lock").extend(died);
        crew.rung.store(true, Ordering::SeqCst);
        crew.bell.notify_one();
    }

    /// A crew has nothing left to do. `false`: it was rung in the meantime and goes on.
    pub(crate) fn leave(&self, key: WorkKey, crew: &Crew) -> bool {
        let mut at_work = self.at_work.lock().expect("no code panics while it holds this lock");
        if crew.rung.load(Ordering::SeqCst) {
            return false;
        }
        at_work.remove(&key);
        true
    }

    /// The queue of crews to start; once.
    pub(crate) fn called(&self) -> Option<mpsc::UnboundedReceiver<Call>> {
        self.called.lock().expect("no code panics while it holds this lock").take()
    }
}

impl Crew {
    /// Begins a look: what rang before it is covered by it.
    pub(crate) fn look(&self) -> Died {
        self.rung.store(false, Ordering::SeqCst);
        std::mem::take(&mut *self.died.lock().expect("no code panics while it holds this lock"))
    }

    /// News that came to nothing (the engine did not answer) are kept for the next look.
    pub(crate) fn keep(&self, died: Died) {
        self.died.lock().expect("no code panics while it holds this lock").extend(died);
    }

    /// Waits for the bell.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}
