//! How many alerts fire, for the number beside the name of the page that lists them. Live wherever that name stands.

use leptos::prelude::*;

use crate::api::alerts::{FiringCount, count_firing};
use crate::live::Pulse;
use crate::page::Data;

/// What is read of the alerts that fire.
#[derive(Clone, Copy)]
pub(crate) struct Firing {
    /// How many there are.
    pub count: Data<FiringCount>,
    pulse: Pulse,
}

/// Of this project; of everything, where none is named.
pub(crate) fn firing(project: impl Fn() -> String + Send + Sync + 'static) -> Firing {
    let pulse = Pulse::new();
    let count = Resource::new(move || (project(), pulse.track()), |(project, _)| count_firing(project));
    Firing { count, pulse }
}

impl Firing {
    /// How many there were when they were counted, which is done again when it may be another number; none, where it is not told.
    pub(crate) fn known(self, count: Option<FiringCount>) -> i64 {
        count.map_or(0, |count| {
            self.pulse.watch(count.topic);
            count.firing
        })
    }
}
