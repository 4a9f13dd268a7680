//! What loops await besides their timers: one bell for each sort of work. A ring that nobody hears yet is heard by the next who listens.

use tokio::sync::Notify;

use crate::live::Signal;

/// Every bell.
#[derive(Default)]
pub(super) struct Signals {
    reconcile: Notify,
    image_rules: Notify,
    upkeep: Notify,
    copies: Notify,
    deleted_repositories: Notify,
    machines: Notify,
    pruning: Notify,
    log_retention: Notify,
    recordings: Notify,
    alerts: Notify,
    notices: Notify,
    pushes: Notify,
    status: Notify,
}

impl Signals {
    /// The bell of one sort of work.
    pub(super) fn of(&self, signal: Signal) -> &Notify {
        match signal {
            Signal::Reconcile => &self.reconcile,
            Signal::ImageRules => &self.image_rules,
            Signal::Upkeep => &self.upkeep,
            Signal::Copies => &self.copies,
            Signal::DeletedRepositories => &self.deleted_repositories,
            Signal::Machines => &self.machines,
            Signal::Pruning => &self.pruning,
            Signal::LogRetention => &self.log_retention,
            Signal::Recordings => &self.recordings,
            Signal::Alerts => &self.alerts,
            Signal::Notices => &self.notices,
            Signal::Pushes => &self.pushes,
            Signal::Status => &self.status,
        }
    }
}
