//! Making texts from a template and answers, by minijinja. What a template may say is looked at first ([`sandbox`]); then it is run twice along the
//! same way, with the answers and with marks in their places, and the two are compared, so that no answer changes what a document is
//! (`model::template::shape`).
//!
//! Invariants: a source sees the answers and the few names of [`Around`], nothing else: no loader, no file, no clock, no network, no function; its
//! steps, its time, its output and every value on the way are bounded. A secret's text is never here: its value is its name.

mod sandbox;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error as Fault, ErrorKind, State, UndefinedBehavior, Value as Item};
use model::descriptor::Descriptor;
use model::problem::FieldError;
use model::template::shape::{self, Misplaced, Place, Style};
use model::template::{Output, Template, Value};

/// Steps that one text may take.
const FUEL: u64 = 50_000;
/// Longest time for one text. It is some thousand times what one takes that nobody meant to be slow.
const TIME: Duration = Duration::from_secs(1);
/// Longest text that is made, in bytes.
const OUTPUT_MAX: usize = 200 * 1024;
/// Deepest nesting while a text is made.
const DEPTH_MAX: usize = 60;

/// What a source may know beside the answers, as `slipway.<name>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// The portal's address: `https://slipway.example.com`.
    pub url: String,
    /// The registry's host and port.
    pub registry: String,
    /// The project's name.
    pub project: String,
    /// The service's name.
    pub service: String,
    /// The environment's name.
    pub environment: String,
    /// The template's name.
    pub template: String,
    /// Its version.
    pub version: i64,
}

/// The names of [`Around`].
const AROUND: [&str; 7] = ["url", "registry", "project", "service", "environment", "template", "version"];

impl Around {
    fn item(&self) -> Item {
        let texts = [&self.url, &self.registry, &self.project, &self.service, &self.environment, &self.template];
        let pairs = AROUND.iter().zip(texts).map(|(name, text)| (*name, Item::from(text.as_str())));
        Item::from_pairs(pairs.chain([("version", Item::from(self.version))]))
    }
}

/// Looks at every source of a template, without making anything.
///
/// # Errors
/// Each mistake, by the key of its text, with the line.
pub fn inspect(template: &Template) -> Result<(), Vec<FieldError>> {
    let names: Vec<&str> = template.parameters.0.iter().map(|parameter| parameter.name.as_str()).collect();
    let errors: Vec<FieldError> = template
        .sources
        .iter()
        .filter_map(|(output, source)| {
            let flaw = sandbox::look(source, &names).err();
            let compiled = || environment(*output, source, &Around::default(), Instant::now() + TIME, Arc::default());
            let flaw = flaw.or_else(|| compiled().err().map(|fault| told(&fault)));
            flaw.map(|flaw| FieldError::new(output.as_str(), flaw))
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The descriptor that the answers lead to, as its text and as what it says.
///
/// # Errors
/// `descriptor`, where the text cannot be made; `descriptor.<path>`, where it is no right descriptor.
pub fn descriptor(
    template: &Template,
    values: &BTreeMap<String, Value>,
    around: &Around,
    until: Instant,
) -> Result<(String, Descriptor), Vec<FieldError>> {
    let text = render(template, Output::Descriptor, values, around, until).map_err(|error| vec![error])?;
    match Descriptor::parse(&text) {
        Ok(descriptor) => Ok((text, descriptor)),
        Err(errors) => Err(errors.into_iter().map(below_descriptor).collect()),
    }
}

fn below_descriptor(error: FieldError) -> FieldError {
    let field = if error.field.is_empty() { String::from("descriptor") } else { format!("descriptor.{}", error.field) };
    FieldError::new(field, error.message)
}

/// One text of a template, given up at `until`, or before when it takes too long by itself.
///
/// # Errors
/// What is wrong with its source or these answers, at the key of the text, with the source's line.
pub fn render(template: &Template, output: Output, values: &BTreeMap<String, Value>, around: &Around, until: Instant) -> Result<String, FieldError> {
    let wrong = |message: String| FieldError::new(output.as_str(), message);
    let source = template.source(output).ok_or_else(|| wrong(format!("this template makes no {}", output.title())))?;
    let names: Vec<&str> = template.parameters.0.iter().map(|parameter| parameter.name.as_str()).collect();
    sandbox::look(source, &names).map_err(wrong)?;
    let mut context: BTreeMap<String, Item> = names.iter().map(|name| ((*name).to_owned(), Item::from(()))).collect();
    context.extend(values.iter().map(|(name, value)| (name.clone(), item(value))));
    context.insert(String::from("slipway"), around.item());
    let way = Way { output, source, context: Item::from_pairs(context), around, until: until.min(Instant::now() + TIME) };
    let (filled, places) = way.go(Mode::Fill).map_err(wrong)?;
    let (marked, _) = way.go(Mode::Mark).map_err(wrong)?;
    match fits(output, &marked, &filled, &places) {
        Ok(()) => Ok(filled),
        Err(misplaced) => Err(wrong(way.place(misplaced))),
    }
}

fn item(value: &Value) -> Item {
    match value {
        Value::Text(text) => Item::from(text.as_str()),
        Value::Whole(number) => Item::from(*number),
        Value::Decimal(number) => Item::from(*number),
        Value::Truth(on) => Item::from(*on),
    }
}

/// Whether everything that was written stands where it can. A place's line is its number here: [`Way::place`] looks up where that is.
fn fits(output: Output, marked: &str, filled: &str, places: &[Place]) -> Result<(), Misplaced> {
    let all_but = |safe: &[usize], style: Style, message: &str| {
        let wrong = places.iter().find(|place| place.style == style && !place.plain && !safe.contains(&place.line));
        wrong.map_or(Ok(()), |place| Err(Misplaced { line: Some(place.line), message: message.to_owned() }))
    };
    match output {
        Output::Descriptor | Output::Github | Output::Gitlab => shape::compare_yaml(marked, filled, places),
        Output::Curl => all_but(&shape::in_shell(marked), Style::Shell, shape::QUOTED),
        Output::Jenkinsfile => {
            let safe = shape::in_groovy(marked);
            let wrong = places.iter().find(|place| place.style == Style::Whole && !safe.contains(&place.line));
            let message = "stands within quotes, and brings its own: take it out of them, or write {{ name | shell }} for a plain word";
            wrong.map_or(Ok(()), |place| Err(Misplaced { line: Some(place.line), message: message.to_owned() }))
        }
        Output::Dockerfile => {
            // What is quoted is a whole word: nothing touches it.
            let apart = |place: &&Place| {
                let mark = shape::mark(place.line);
                let Some((before, after)) = marked.split_once(&mark) else { return true };
                before.ends_with([' ', '[', '=', ',']) && (after.is_empty() || after.starts_with([' ', ']', ',', '\n']))
            };
            let wrong = places.iter().find(|place| place.style == Style::Whole && !apart(place));
            let message = "brings quotes of its own, so it stands alone: behind a space, `=`, `[` or a comma";
            wrong.map_or(Ok(()), |place| Err(Misplaced { line: Some(place.line), message: message.to_owned() }))
        }
    }
}

/// How a source is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// With what is answered.
    Fill,
    /// With a mark in each place.
    Mark,
    /// To find the line of a place: it ends there.
    Find(usize),
}

/// What a run leaves behind.
struct Run {
    mode: Mode,
    places: Vec<Place>,
    text: Vec<u8>,
}

impl Default for Run {
    fn default() -> Self {
        Self { mode: Mode::Fill, places: Vec::new(), text: Vec::new() }
    }
}

type Shared = Arc<Mutex<Run>>;

fn open(shared: &Shared) -> MutexGuard<'_, Run> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What is written goes here, as far as there is room.
struct Sink(Shared);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut run = open(&self.0);
        if run.text.len() + bytes.len() > OUTPUT_MAX {
            return Err(io::Error::other("too long"));
        }
        run.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One source with its context.
struct Way<'a> {
    output: Output,
    source: &'a str,
    context: Item,
    around: &'a Around,
    until: Instant,
}

impl Way<'_> {
    fn go(&self, mode: Mode) -> Result<(String, Vec<Place>), String> {
        self.run(mode).map_err(|fault| told(&fault))
    }

    fn run(&self, mode: Mode) -> Result<(String, Vec<Place>), Fault> {
        let shared: Shared = Arc::new(Mutex::new(Run { mode, ..Run::default() }));
        let environment = environment(self.output, self.source, self.around, self.until, Arc::clone(&shared))?;
        environment.get_template(self.output.as_str())?.render_captured_to(self.context.clone(), Sink(Arc::clone(&shared)))?;
        let mut run = open(&shared);
        let text = String::from_utf8(std::mem::take(&mut run.text)).map_err(|_| Fault::new(ErrorKind::WriteFailure, "no text"))?;
        Ok((text, std::mem::take(&mut run.places)))
    }

    /// The message with the line of the place that it is about.
    fn place(&self, misplaced: Misplaced) -> String {
        let line = misplaced.line.and_then(|place| self.run(Mode::Find(place)).err()).and_then(|fault| fault.line());
        match line {
            Some(line) => format!("what is put in at line {line} {}", misplaced.message),
            None => misplaced.message,
        }
    }
}

/// The engine for one source: only what is added here is there.
fn environment(output: Output, source: &str, around: &Around, until: Instant, shared: Shared) -> Result<Environment<'static>, Fault> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH_MAX);
    environment.set_syntax(syntax());
    words::add(&mut environment, around, until);
    environment.set_formatter(move |out, _: &mut State<'_, '_>, value| {
        words::in_time(until)?;
        let mut run = open(&shared);
        let number = run.places.len();
        if run.mode == Mode::Find(number) {
            return Err(Fault::new(ErrorKind::InvalidOperation, "here"));
        }
        let place = words::written(output, value)?;
        let text = if run.mode == Mode::Mark { shape::mark(number) } else { place.written.clone() };
        run.places.push(Place { line: number, ..place });
        // The sink takes the lock again.
        drop(run);
        out.write_str(&text).map_err(|_| Fault::new(ErrorKind::WriteFailure, "too long"))
    });
    environment.add_template_owned(output.as_str(), source.to_owned())?;
    Ok(environment)
}

/// Lines that hold a tag alone leave no empty line behind.
fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .expect("the usual signs, with other white space")
}

/// What went wrong, for whoever wrote the source.
fn told(fault: &Fault) -> String {
    let detail = fault.detail().unwrap_or_default();
    let text = match fault.kind() {
        ErrorKind::OutOfFuel => format!("takes more than {FUEL} steps: a loop in it is too long"),
        ErrorKind::WriteFailure => format!("makes more than {OUTPUT_MAX} bytes"),
        ErrorKind::UndefinedError if detail.is_empty() => String::from("uses a name that is not there"),
        ErrorKind::SyntaxError => format!("is not understood: {detail}"),
        _ if detail.is_empty() => fault.kind().to_string(),
        _ => detail.to_owned(),
    };
    let text: String = text.chars().take(400).collect();
    match fault.line() {
        Some(line) => format!("{text} (line {line})"),
        None => text,
    }
}
