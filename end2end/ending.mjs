// What a test has to put away at its end, in the reverse order of its making: the browser leaves before its portal stops. All
// of it is done even when some of it fails.

const endings = new WeakMap();

/** Runs `ending` at the end of the test `t`. */
export function atEnd(t, ending) {
  if (!endings.has(t)) {
    endings.set(t, []);
    t.after(async () => {
      const errors = [];
      for (const ending of endings.get(t).reverse()) {
        await Promise.resolve().then(ending).catch((error) => errors.push(error));
      }
      if (errors.length === 1) throw errors[0];
      if (errors.length > 1) throw new AggregateError(errors, errors.map((error) => error.message).join("\n"));
    });
  }
  endings.get(t).push(ending);
}
