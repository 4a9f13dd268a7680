//! The parts that pages are built of: data in, callbacks out. They never call the server, know no feature and hold no
//! state beyond what the eye needs.

mod chart;
mod choice;
mod clock;
mod copy;
mod dialog;
mod diff;
mod empty;
mod field;
mod form;
mod icon;
mod log;
mod navigation;
mod notice;
mod progress;
mod status;
mod terminal;
mod theme;
mod toast;

pub(crate) use chart::{Chart, shown, sign, spark};
pub(crate) use choice::{CheckBox, Choice, Select, TextArea};
pub(crate) use clock::{Ago, Clock, relative};
#[cfg(feature = "hydrate")]
pub(crate) use copy::put as to_clipboard;
pub(crate) use copy::{Command, CopyButton, Digest};
pub(crate) use dialog::{Confirm, Keep};
pub(crate) use diff::Changes;
pub(crate) use empty::{Empty, Skeleton};
pub(crate) use field::TextField;
pub(crate) use form::{Csrf, Submit, field_error, lead_to_mistake};
pub(crate) use icon::{Icon, Mark, Sign};
#[cfg(feature = "hydrate")]
pub(crate) use log::list as log_list;
pub(crate) use log::{LogFrame, LogView, row as log_row, who as log_who};
pub(crate) use navigation::{Crumb, Crumbs, Tab, Tabs};
pub(crate) use notice::{Notice, ProblemNotice, capital, sentence};
pub(crate) use progress::{Bar, Step, Steps};
pub(crate) use status::{Badge, Tone, bytes};
pub(crate) use terminal::{Player, Preferences, Remembered, Terminal};
pub(crate) use theme::{THEME_SCRIPT, ThemeSwitch};
pub(crate) use toast::{Toaster, Toasts};
