// A websocket client for programs, no more than a test or a benchmark needs: it sends headers of its own, which a browser's cannot, and gives each
// message when it came. Nothing is held back: what it costs beside the kernel is one loop over the bytes.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";

/** An open websocket. `onBytes(Buffer)` and `onText(string)` hear what comes; `closed` resolves when it is over. */
export class Socket {
  /** Opens `path` at 127.0.0.1:`port`; refused with an error that has `status` and `body`. */
  static open(port, path, headers, hear = {}) {
    const socket = Object.assign(new Socket(), { onBytes: () => {}, onText: () => {}, rest: Buffer.alloc(0), ...hear });
    socket.wire = connect({ port, host: "127.0.0.1", noDelay: true });
    const asked = { host: `127.0.0.1:${port}`, upgrade: "websocket", connection: "Upgrade", "sec-websocket-version": "13", "sec-websocket-key": randomBytes(16).toString("base64"), ...headers };
    socket.wire.write(`GET ${path} HTTP/1.1\r\n${Object.entries(asked).map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);
    socket.closed = new Promise((resolve) => socket.wire.once("close", resolve));
    socket.wire.on("error", () => {});
    return new Promise((resolve, reject) => {
      let head = Buffer.alloc(0);
      const answered = (piece) => {
        head = Buffer.concat([head, piece]);
        const end = head.indexOf("\r\n\r\n");
        if (end < 0) return;
        const status = Number(head.toString("latin1", 9, 12));
        if (status !== 101) return reject(Object.assign(new Error(`no websocket: ${status}`), { status, body: head.toString("utf8", end + 4) }));
        socket.wire.off("data", answered).on("data", (piece) => socket.take(piece));
        resolve(socket);
        if (head.length > end + 4) socket.take(head.subarray(end + 4));
      };
      socket.wire.on("data", answered).once("close", () => reject(new Error("the connection closed before it was a websocket")));
    });
  }

  take(piece) {
    let data = this.rest.length ? Buffer.concat([this.rest, piece]) : piece;
    for (;;) {
      if (data.length < 2) break;
      let [size, at] = [data[1] & 127, 2];
      if (size === 126) [size, at] = data.length < 4 ? [Infinity, 0] : [data.readUInt16BE(2), 4];
      else if (size === 127) [size, at] = data.length < 10 ? [Infinity, 0] : [Number(data.readBigUInt64BE(2)), 10];
      if (data.length < at + size) break;
      const [kind, content] = [data[0] & 15, data.subarray(at, at + size)];
      if (kind === 2) this.onBytes(content);
      else if (kind === 1) this.onText(content.toString());
      else if (kind === 9) this.send(content, 10);
      else if (kind === 8) this.wire.end();
      data = data.subarray(at + size);
    }
    this.rest = Buffer.from(data);
  }

  /** Sends one message; text where it is a string. */
  send(content, kind = typeof content === "string" ? 1 : 2) {
    const body = Buffer.from(content);
    const long = body.length > 65535;
    const head = Buffer.alloc(body.length < 126 ? 6 : long ? 14 : 8);
    head[0] = 0x80 | kind;
    head[1] = 0x80 | (body.length < 126 ? body.length : long ? 127 : 126);
    if (long) head.writeBigUInt64BE(BigInt(body.length), 2);
    else if (body.length >= 126) head.writeUInt16BE(body.length, 2);
    // Masked, as clients must; by zeros, which changes nothing.
    return this.wire.write(Buffer.concat([head, body]));
  }

  /** Ends it as a lost connection does. */
  cut() {
    this.wire.destroy();
  }

  close() {
    this.send(Buffer.from([3, 232]), 8);
    this.wire.end();
  }
}
