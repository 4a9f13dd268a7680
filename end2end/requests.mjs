// Requests at a steady rate through a proxy, each over a connection of its own, and what became of them. None is tried twice.
import { get } from "node:http";

/** Begins to ask `url` so many times a second. `stop()` waits for the last answers. */
export function requests(url, rate, headers = {}) {
  const seen = { sent: 0, failed: [], answers: {}, ms: [] };
  const open = new Set();
  const one = () => {
    const number = (seen.sent += 1);
    const began = performance.now();
    const fail = (why) => seen.failed.push(`request ${number}: ${why}`);
    const done = new Promise((resolve) => {
      const sent = get(url, { agent: false, headers: { connection: "close", ...headers }, timeout: 20_000 }, (answer) => {
        let text = "";
        answer.on("data", (piece) => (text += piece));
        answer.on("end", () => {
          if (answer.statusCode === 200) seen.answers[text.trim()] = (seen.answers[text.trim()] ?? 0) + 1;
          else fail(`status ${answer.statusCode}`);
          seen.ms.push(performance.now() - began);
          resolve();
        });
        answer.on("error", (error) => resolve(fail(error.code ?? error.message)));
      });
      sent.on("timeout", () => sent.destroy(new Error("no answer within 20 s")));
      sent.on("error", (error) => resolve(fail(error.code ?? error.message)));
    });
    open.add(done);
    done.then(() => open.delete(done));
  };
  const start = performance.now();
  const beat = setInterval(() => {
    // A machine that is busy with something else makes up for it slowly: a flood would measure the flood.
    for (let most = 5; most > 0 && seen.sent < ((performance.now() - start) / 1000) * rate; most--) one();
  }, 5);
  return {
    seen,
    async stop() {
      clearInterval(beat);
      await Promise.all(open);
    },
  };
}
