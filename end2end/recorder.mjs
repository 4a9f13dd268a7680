// Stands between a client and the portal and writes down what the client asks for, so that a test can tell a layer that was mounted from one
// that was sent again. It changes nothing on the way.
import { createServer, request } from "node:http";
import { atEnd } from "./ending.mjs";

/** What was asked: `{ method, path, sent, status }`, `sent` in bytes. */
export class Recorder {
  /** Listens; what comes is passed on to the port that `to` names later. */
  static async start(t) {
    const recorder = new Recorder();
    recorder.seen = [];
    recorder.server = createServer((asked, answer) => recorder.pass(asked, answer));
    await new Promise((resolve, reject) => recorder.server.once("error", reject).listen(0, "127.0.0.1", resolve));
    recorder.address = `127.0.0.1:${recorder.server.address().port}`;
    atEnd(t, () => {
      recorder.server.closeAllConnections();
      recorder.server.close();
    });
    return recorder;
  }

  pass(asked, answer) {
    const entry = { method: asked.method, path: asked.url, sent: 0, status: 0 };
    this.seen.push(entry);
    const passed = request({ host: "127.0.0.1", port: this.to, method: asked.method, path: asked.url, headers: asked.headers }, (given) => {
      entry.status = given.statusCode;
      answer.writeHead(given.statusCode, given.rawHeaders);
      given.pipe(answer);
    });
    asked.on("data", (piece) => (entry.sent += piece.length));
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    asked.pipe(passed);
  }

  /** What is asked while `act` lasts. */
  async during(act) {
    const before = this.seen.length;
    await act();
    return this.seen.slice(before);
  }
}

/** Of what was asked: the blobs' bytes that were sent and taken. */
export const uploaded = (seen) => seen.filter(({ path, sent, status }) => path.includes("/blobs/uploads/") && sent > 0 && status < 300);

/** Of what was asked: the blobs that were mounted. */
export const mounted = (seen) => seen.filter(({ path, status }) => path.includes("mount=") && status === 201);
