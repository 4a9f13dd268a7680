// The part `hook` of `make bench`: 500 deliveries a second of which all but one are repeats, as a sender that tries again makes them, or one that was
// told to deliver many times over. They are sent at their times whether or not the ones before were answered; a late one counts from when it was due.
import { createHmac } from "node:crypto";
import { Agent, request } from "node:http";
import { ground } from "./bench-ground.mjs";
import { quantile, say, spread } from "./bench-measure.mjs";

const RATE = Number(process.env.BENCH_HOOK_RATE || 500);
const SECONDS = Number(process.env.BENCH_HOOK_SECONDS || 20);
const DESCRIPTOR = { image: "web:1", replicas: 1, command: ["-c", "exec busybox sleep 1000000"], entrypoint: ["/bin/sh"], update: { monitor: "0s" }, stop: { grace: "0s" } };

/** One delivery; how it was answered, and when. */
function deliver(agent, port, path, headers, body) {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, port, host: "127.0.0.1", path, method: "POST", headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => (text += piece));
      answer.on("end", () => resolve({ status: answer.statusCode, repeated: answer.headers["idempotent-replayed"] === "true", text, at: performance.now() }));
      answer.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

export async function hook(docker) {
  const { portal, ci, call, deploy, service } = await ground(docker);
  await service("hooked");
  await deploy("hooked", DESCRIPTOR);
  const made = await call("POST", "/hooked/hooks", { name: "ci", environment: "local" });
  const body = JSON.stringify({ tag: "2", commit: "0451abc", build_url: "https://ci.example.com/1" });
  const signature = `sha256=${createHmac("sha256", made.secret).update(body).digest("hex")}`;
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body), "x-github-delivery": "1", "x-hub-signature-256": signature };
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const count = RATE * SECONDS;
  const began = performance.now();
  const all = [];
  await new Promise((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(count, Math.floor(((performance.now() - began) / 1000) * RATE) + 1);
      while (all.length < due) {
        const planned = began + (all.length / RATE) * 1000;
        all.push(deliver(agent, portal.port, made.hook.path, headers, body).then((answer) => ({ ...answer, took: answer.at - planned })));
      }
      if (all.length === count) resolve(clearInterval(timer));
    }, 1);
  });
  const answers = await Promise.all(all);
  const seconds = (performance.now() - began) / 1000;
  agent.destroy();
  const wrong = answers.filter(({ status, text }) => status !== 202 || text !== answers[0].text);
  const { body: deployments } = await portal.api("GET", "/projects/bench/services/hooked/deployments", undefined, ci);
  const tail = (values) => `${spread(values, 1)}  p99 ${quantile(values, 0.99).toFixed(1)}  longest ${Math.max(...values).toFixed(1)}`;
  say(`${count} deliveries at ${RATE} a second: answered a second`, (answers.length / seconds).toFixed(0));
  say("delivery to answer: ms", tail(answers.map(({ took }) => took)));
  say("answered otherwise than the first", `${wrong.length}  (${answers.filter(({ repeated }) => !repeated).length} worked on, ${deployments.items.length - 1} deployments)`);
}
