//! Which step of an image's history made which of its layers (image-spec 1.1, "Image Configuration", `history`): steps that are not marked
//! empty made the layers, in their order. Builders get the counts wrong now and then; then no step is given a layer that may not be its own.

use super::config::Step;

/// A step and the layer that it made; or a layer of which no step is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The step, by its place in the history.
    pub step: Option<usize>,
    /// The layer, 0 for the lowest.
    pub layer: Option<usize>,
}

/// Steps and layers side by side, the lowest first.
#[must_use]
pub fn pair(history: &[Step], layers: usize) -> Vec<Made> {
    let making = history.iter().filter(|step| !step.empty_layer).count();
    if making != layers {
        let steps = (0..history.len()).map(|step| Made { step: Some(step), layer: None });
        return steps.chain((0..layers).map(|layer| Made { step: None, layer: Some(layer) })).collect();
    }
    let mut next = 0..layers;
    let made = |(at, step): (usize, &Step)| Made { step: Some(at), layer: if step.empty_layer { None } else { next.next() } };
    history.iter().enumerate().map(made).collect()
}

/// The command of a step as its author wrote it, without what docker and BuildKit put around it.
#[must_use]
pub fn command(created_by: &str) -> String {
    let text = created_by.trim();
    let text = text.strip_suffix("# buildkit").unwrap_or(text).trim();
    if let Some(rest) = text.strip_prefix("/bin/sh -c #(nop)") {
        return rest.trim().to_owned();
    }
    let run = text.strip_prefix("RUN ").unwrap_or(text);
    match run.strip_prefix("/bin/sh -c ") {
        Some(rest) => format!("RUN {}", rest.trim()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str, empty: bool) -> Step {
        Step { created_by: text.into(), empty_layer: empty, ..Step::default() }
    }

    #[test]
    fn each_layer_stands_beside_the_step_that_made_it() {
        let history = [step("ADD rootfs", false), step("ENV A=1", true), step("RUN make", false)];
        let made = pair(&history, 2);
        let layers: Vec<_> = made.iter().map(|made| made.layer).collect();
        assert_eq!(layers, [Some(0), None, Some(1)]);
    }

    #[test]
    fn where_the_counts_differ_nothing_is_guessed() {
        let made = pair(&[step("RUN a", false)], 2);
        assert_eq!(made.len(), 3);
        assert!(made.iter().all(|made| made.step.is_none() || made.layer.is_none()));
        assert_eq!(pair(&[], 1), [Made { step: None, layer: Some(0) }]);
    }

    #[test]
    fn commands_are_shown_as_they_were_written() {
        assert_eq!(command("/bin/sh -c #(nop)  CMD [\"sh\"]"), "CMD [\"sh\"]");
        assert_eq!(command("/bin/sh -c apt-get update"), "RUN apt-get update");
        assert_eq!(command("RUN /bin/sh -c make # buildkit"), "RUN make");
        assert_eq!(command("COPY /app /app # buildkit"), "COPY /app /app");
    }
}
