//! Lines of a log as they come: coloured by task, filtered as you type, held to a ring of lines, following the end until
//! somebody scrolls up. Lines are appended to the page directly, so that a chatty service does not rebuild the list.

use std::collections::VecDeque;

use leptos::prelude::*;
use model::time::Millis;

/// Lines that are kept in the page; older ones fall out.
#[cfg(feature = "hydrate")]
const KEPT: usize = 5_000;

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogStream {
    /// The task's standard output.
    Out,
    /// The task's standard error.
    Err,
}

impl LogStream {
    fn as_str(self) -> &'static str {
        match self {
            Self::Out => "stdout",
            Self::Err => "stderr",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogLine {
    /// When it was written, if known.
    pub at: Option<Millis>,
    /// Which task wrote it.
    pub task: String,
    /// The task's slot: its colour.
    pub slot: u32,
    /// Where it was written.
    pub stream: LogStream,
    /// The line.
    pub text: String,
}

impl LogLine {
    fn hue(&self) -> String {
        (self.slot % 8).to_string()
    }

    fn clock(&self) -> Option<String> {
        self.at.and_then(|at| at.rfc3339().get(11..23).map(str::to_owned))
    }
}

/// Where a page leaves the lines that come, and what the reader wants of them.
#[derive(Clone, Copy)]
pub(crate) struct LogFeed {
    queue: StoredValue<VecDeque<LogLine>>,
    arrived: Trigger,
    /// Only lines with this text are shown.
    pub filter: RwSignal<String>,
    /// Nothing is added while this holds.
    pub paused: RwSignal<bool>,
}

impl LogFeed {
    /// An empty feed that shows lines with `filter` in them.
    pub(crate) fn new(filter: String) -> Self {
        Self { queue: StoredValue::new(VecDeque::new()), arrived: Trigger::new(), filter: RwSignal::new(filter), paused: RwSignal::new(false) }
    }

    /// Adds a line; while paused the newest [`KEPT`] wait.
    #[cfg(feature = "hydrate")]
    pub(crate) fn push(self, line: LogLine) {
        let first = self.queue.try_update_value(|queue| {
            queue.push_back(line);
            if queue.len() > KEPT {
                queue.pop_front();
            }
            queue.len() == 1
        });
        if first == Some(true) {
            request_animation_frame(move || self.arrived.notify());
        }
    }
}

/// Shows a log: first the lines that came with the page, then those of the feed.
#[component]
pub(crate) fn LogView(
    /// The lines that came with the page.
    first: Vec<LogLine>,
    /// What comes later.
    feed: LogFeed,
    /// What it is the log of, for readers.
    #[prop(into)]
    label: String,
) -> impl IntoView {
    let list = NodeRef::<leptos::html::Ol>::new();
    let scroller = NodeRef::<leptos::html::Div>::new();
    #[cfg(feature = "hydrate")]
    in_page::start(feed, list, scroller);
    let items = first.into_iter().map(|line| view! { <Line line/> }).collect_view();
    _ = (feed.arrived, feed.queue);
    view! {
        <div class="log" role="log" aria-label=label aria-live="off" tabindex="0" node_ref=scroller>
            <ol node_ref=list>{items}</ol>
        </div>
    }
    .into_any()
}

#[component]
fn Line(line: LogLine) -> impl IntoView {
    view! {
        <li data-stream=line.stream.as_str()>
            <time title=line.at.map(Millis::rfc3339)>{line.clock()}</time>
            <span class="task" data-hue=line.hue()>{line.task.clone()}</span>
            <span class="line">{line.text.clone()}</span>
        </li>
    }
    .into_any()
}

/// The part that runs in the browser alone.
#[cfg(feature = "hydrate")]
mod in_page {
    use leptos::prelude::*;
    use wasm_bindgen::JsCast;

    use super::{KEPT, LogFeed, LogLine};

    /// Pixels from the end within which the view counts as being at the end.
    const NEAR_END: i32 = 40;

    pub(super) fn start(feed: LogFeed, list: NodeRef<leptos::html::Ol>, scroller: NodeRef<leptos::html::Div>) {
        // To the end when the page opens, and again whenever lines were added while the reader was there.
        Effect::new(move |_| {
            if let Some(scroller) = scroller.get() {
                scroller.set_scroll_top(scroller.scroll_height());
            }
        });
        Effect::new(move |_| {
            let Some(list) = list.get() else { return };
            let needle = feed.filter.get().to_lowercase();
            let mut node = list.first_element_child();
            while let Some(item) = node {
                show(&item, &needle);
                node = item.next_element_sibling();
            }
        });
        Effect::new(move |_| {
            feed.arrived.track();
            if feed.paused.get() {
                return;
            }
            let (Some(list), Some(scroller)) = (list.get(), scroller.get()) else { return };
            let at_end = scroller.scroll_height() - scroller.scroll_top() - scroller.client_height() < NEAR_END;
            let needle = feed.filter.get_untracked().to_lowercase();
            let lines = feed.queue.try_update_value(std::mem::take).unwrap_or_default();
            for line in &lines {
                append(&list, line, &needle);
            }
            while list.child_element_count() as usize > KEPT {
                let Some(oldest) = list.first_element_child() else { break };
                oldest.remove();
            }
            if at_end {
                scroller.set_scroll_top(scroller.scroll_height());
            }
        });
    }

    fn show(item: &web_sys::Element, needle: &str) {
        let hidden = !needle.is_empty() && !item.text_content().unwrap_or_default().to_lowercase().contains(needle);
        _ = item.toggle_attribute_with_force("hidden", hidden);
    }

    fn append(list: &web_sys::Element, line: &LogLine, needle: &str) {
        let document = document();
        let make = |tag: &str| document.create_element(tag);
        let (Ok(item), Ok(time), Ok(task), Ok(text)) = (make("li"), make("time"), make("span"), make("span")) else { return };
        _ = item.set_attribute("data-stream", line.stream.as_str());
        if let (Some(clock), Some(at)) = (line.clock(), line.at) {
            time.set_text_content(Some(&clock));
            _ = time.set_attribute("title", &at.rfc3339());
        }
        task.set_class_name("task");
        _ = task.set_attribute("data-hue", &line.hue());
        task.set_text_content(Some(&line.task));
        text.set_class_name("line");
        text.set_text_content(Some(&line.text));
        _ = item.append_with_node_3(time.unchecked_ref(), task.unchecked_ref(), text.unchecked_ref());
        show(&item, needle);
        _ = list.append_child(&item);
    }
}
