//! Pages that stay true: one stream of events for each browser, shared by its tabs, says what changed; a page that shows it
//! reads it anew. Nothing is polled. After a gap in the stream everything shown is read anew.

use std::collections::{HashMap, HashSet};

use leptos::prelude::*;

/// Changes that come this close together are read once.
#[cfg(feature = "hydrate")]
const TOGETHER: std::time::Duration = std::time::Duration::from_millis(120);

/// The topic that stands for all: sent after a gap.
#[cfg(feature = "hydrate")]
const ALL: &str = "*";

/// What this page listens to.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    pulses: StoredValue<HashMap<u32, Pulse>>,
    last: StoredValue<u32>,
    /// Whether the stream is broken, after it once stood.
    pub broken: RwSignal<bool>,
    /// Whether the portal serves another build of the pages by now, so that parts of this one may be gone.
    pub outdated: RwSignal<bool>,
    #[cfg(feature = "hydrate")]
    stream: StoredValue<Option<stream::Stream>, LocalStorage>,
    #[cfg(feature = "hydrate")]
    telling: StoredValue<bool>,
    #[cfg(feature = "hydrate")]
    build: StoredValue<String>,
}

impl Live {
    /// Starts listening, for every component below.
    pub(crate) fn provide() {
        let live = Self {
            pulses: StoredValue::new(HashMap::new()),
            last: StoredValue::new(0),
            broken: RwSignal::new(false),
            outdated: RwSignal::new(false),
            #[cfg(feature = "hydrate")]
            stream: StoredValue::new_local(None),
            #[cfg(feature = "hydrate")]
            telling: StoredValue::new(false),
            #[cfg(feature = "hydrate")]
            build: StoredValue::new(crate::boot::boot().build),
        };
        provide_context(live);
        #[cfg(feature = "hydrate")]
        Effect::new(move |_| {
            if crate::boot::boot().me.is_some() {
                live.stream.set_value(stream::Stream::open(move |message| live.hear(message)));
                live.tell();
            }
        });
    }

    #[cfg(feature = "hydrate")]
    fn hear(self, message: &str) {
        #[derive(serde::Deserialize)]
        struct Message {
            topic: Option<String>,
            state: Option<String>,
            build: Option<String>,
        }
        let Ok(message) = serde_json::from_str::<Message>(message) else { return };
        if let Some(state) = message.state {
            _ = self.broken.try_set(state == "broken");
        }
        if message.build.is_some_and(|build| build != self.build.with_value(String::clone)) && self.outdated.try_get_untracked() == Some(false) {
            self.outdated.set(true);
            follow_links_afresh();
        }
        let Some(topic) = message.topic else { return };
        self.pulses.try_with_value(|pulses| {
            for pulse in pulses.values() {
                if topic == ALL || pulse.topics.try_with_value(|topics| topics.contains(&topic)) == Some(true) {
                    pulse.soon();
                }
            }
        });
    }

    /// Tells the stream what is shown, once for all that changes in this turn.
    #[cfg(feature = "hydrate")]
    fn tell(self) {
        if self.telling.try_get_value() != Some(false) {
            return;
        }
        self.telling.set_value(true);
        set_timeout(
            move || {
                _ = self.telling.try_set_value(false);
                let mut shown = HashSet::new();
                self.pulses.try_with_value(|pulses| {
                    for pulse in pulses.values() {
                        pulse.topics.try_with_value(|topics| shown.extend(topics.iter().cloned()));
                    }
                });
                self.stream.try_update_value(|stream| {
                    if let Some(stream) = stream {
                        stream.watch(&shown);
                    }
                });
            },
            std::time::Duration::ZERO,
        );
    }

    #[cfg(not(feature = "hydrate"))]
    fn tell(self) {}
}

/// From now on the browser follows links itself, so that the next page is one of the new build: the router does not see them.
#[cfg(feature = "hydrate")]
fn follow_links_afresh() {
    use leptos::wasm_bindgen::{JsCast, closure::Closure};
    let ignore = Closure::<dyn Fn(web_sys::Event)>::new(|event: web_sys::Event| {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        if target.is_some_and(|target| matches!(target.closest("a[href]"), Ok(Some(_)))) {
            event.stop_immediate_propagation();
        }
    });
    _ = window().add_event_listener_with_callback_and_bool("click", ignore.as_ref().unchecked_ref(), true);
    ignore.forget();
}

/// The reason to read something anew: a resource that calls [`Pulse::track`] is fetched again at each beat.
#[derive(Clone, Copy)]
pub(crate) struct Pulse {
    live: Option<Live>,
    topics: StoredValue<HashSet<String>>,
    beats: RwSignal<u32>,
    #[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "beats come in the browser"))]
    waiting: StoredValue<bool>,
}

impl Pulse {
    /// A pulse of the page that is being made.
    pub(crate) fn new() -> Self {
        let live = use_context::<Live>();
        let pulse = Self { live, topics: StoredValue::new(HashSet::new()), beats: RwSignal::new(0), waiting: StoredValue::new(false) };
        if let Some(live) = live {
            let id = live.last.get_value().wrapping_add(1);
            live.last.set_value(id);
            live.pulses.update_value(|pulses| _ = pulses.insert(id, pulse));
            on_cleanup(move || {
                _ = live.pulses.try_update_value(|pulses| pulses.remove(&id));
                live.tell();
            });
        }
        pulse
    }

    /// Beats from now on when this changes: `service:<id>`.
    pub(crate) fn watch(self, topic: String) {
        let new = self.topics.try_update_value(|topics| topics.insert(topic));
        if let (Some(true), Some(live)) = (new, self.live) {
            live.tell();
        }
    }

    /// Beats from now on when one of these changes, and for nothing that it was told before: what a list shows comes and goes, and a page that stays
    /// open does not fill the stream with what is gone.
    pub(crate) fn watch_just(self, topics: impl IntoIterator<Item = String>) {
        let topics: HashSet<String> = topics.into_iter().collect();
        let changed = self.topics.try_update_value(|known| {
            let changed = *known != topics;
            *known = topics;
            changed
        });
        if let (Some(true), Some(live)) = (changed, self.live) {
            live.tell();
        }
    }

    /// Asks for another run at the next beat.
    pub(crate) fn track(self) -> u32 {
        self.beats.get()
    }

    /// Beats now: the page itself changed something.
    pub(crate) fn beat(self) {
        _ = self.beats.try_update(|beats| *beats = beats.wrapping_add(1));
    }

    #[cfg(feature = "hydrate")]
    fn soon(self) {
        if self.waiting.try_get_value() != Some(false) {
            return;
        }
        self.waiting.set_value(true);
        set_timeout(
            move || {
                _ = self.waiting.try_set_value(false);
                self.beat();
            },
            TOGETHER,
        );
    }
}

/// The stream itself: a worker that all tabs share; where the browser has none, a stream of this page's own.
#[cfg(feature = "hydrate")]
mod stream {
    use std::collections::HashSet;

    use wasm_bindgen::JsCast;
    use wasm_bindgen::closure::Closure;
    use web_sys::{EventSource, MessageEvent, SharedWorker};

    type Handler = Closure<dyn Fn(MessageEvent)>;

    /// An open stream.
    pub(super) struct Stream {
        worker: Option<SharedWorker>,
        own: Option<EventSource>,
        handler: Handler,
        leaving: Closure<dyn Fn()>,
    }

    impl Stream {
        /// Calls `heard` with every message.
        pub(super) fn open(heard: impl Fn(&str) + 'static) -> Option<Self> {
            let handler = Handler::new(move |event: MessageEvent| match event.data().as_string() {
                Some(_) if event.type_() == "missed" => heard(r#"{"topic":"*"}"#),
                Some(text) => heard(&text),
                None => {}
            });
            // With its version in the address: an older portal's worker is not asked.
            let version = crate::urls::query(&crate::boot::boot().version);
            let worker = SharedWorker::new(&format!("/live-worker.js?{version}")).ok();
            let port = worker.as_ref().map(SharedWorker::port);
            let leaving = Closure::<dyn Fn()>::new(move || {
                if let Some(port) = &port {
                    _ = port.post_message(&"bye".into());
                }
            });
            if let Some(worker) = &worker {
                worker.port().set_onmessage(Some(handler.as_ref().unchecked_ref()));
                _ = leptos::prelude::window().add_event_listener_with_callback("pagehide", leaving.as_ref().unchecked_ref());
            }
            Some(Self { worker, own: None, handler, leaving })
        }

        /// From now on these topics are on screen.
        pub(super) fn watch(&mut self, topics: &HashSet<String>) {
            if let Some(worker) = &self.worker {
                let list: js_sys::Array = topics.iter().map(|topic| wasm_bindgen::JsValue::from_str(topic)).collect();
                _ = worker.port().post_message(&list);
                return;
            }
            if let Some(old) = self.own.take() {
                old.close();
            }
            if topics.is_empty() {
                return;
            }
            let query: Vec<String> = topics.iter().map(|topic| format!("topic={}", crate::urls::query(topic))).collect();
            let Ok(source) = EventSource::new(&format!("/live?{}", query.join("&"))) else { return };
            let function = self.handler.as_ref().unchecked_ref();
            _ = source.add_event_listener_with_callback("ready", function);
            _ = source.add_event_listener_with_callback("change", function);
            _ = source.add_event_listener_with_callback("missed", function);
            self.own = Some(source);
        }
    }

    impl Drop for Stream {
        fn drop(&mut self) {
            let function = self.leaving.as_ref().unchecked_ref();
            _ = leptos::prelude::window().remove_event_listener_with_callback("pagehide", function);
            if let Some(source) = &self.own {
                source.close();
            }
        }
    }
}
