// One stream of events for all tabs of a browser: browsers open few connections to one host, and a stream holds one for
// good. Each tab says which topics it shows; the stream is opened anew when their union changes, the old one ends when the
// new one stands. What a tab may have missed it is told to read anew.
"use strict";

const TOPICS_MAX = 128;
const ports = new Map(); // port -> Set of topics
let source = null; // the stream that stands or is being opened
let asked = ""; // the topics that it was opened for
let broken = false;
let retry = 1000;
let timer = 0;

function tell(message) {
  const text = JSON.stringify(message);
  for (const port of ports.keys()) port.postMessage(text);
}

function union() {
  const all = new Set();
  for (const topics of ports.values()) for (const topic of topics) all.add(topic);
  // The newest are the ones on screen: those of the tab that spoke last.
  // In one order: the same ones open no new stream.
  return [...all].slice(-TOPICS_MAX).sort();
}

function soon(delay) {
  clearTimeout(timer);
  timer = setTimeout(open, delay);
}

function open() {
  const topics = union();
  const query = topics.map((topic) => "topic=" + encodeURIComponent(topic)).join("&");
  if (source && source.readyState !== EventSource.CLOSED && query === asked) return;
  const old = source;
  const before = new Set(broken || !old ? [] : asked.split("&"));
  if (topics.length === 0) {
    if (old) old.close();
    source = null;
    asked = "";
    return;
  }
  const stream = new EventSource("/live?" + query);
  source = stream;
  asked = query;
  stream.addEventListener("ready", (event) => {
    if (old) old.close();
    tell(JSON.parse(event.data));
    retry = 1000;
    // Between a page's reading and this moment something may have changed. After a gap that holds for every topic.
    for (const topic of topics) {
      if (broken || !before.has("topic=" + encodeURIComponent(topic))) tell({ topic });
    }
    if (broken) tell({ state: "open" });
    broken = false;
    before.clear();
    for (const topic of topics) before.add("topic=" + encodeURIComponent(topic));
  });
  stream.addEventListener("change", (event) => tell(JSON.parse(event.data)));
  stream.addEventListener("missed", () => tell({ topic: "*" }));
  stream.onerror = () => {
    if (stream !== source) return;
    if (old) old.close();
    broken = true;
    tell({ state: "broken" });
    // The browser tries again by itself, except after an answer such as 401 or 503.
    if (stream.readyState === EventSource.CLOSED && ports.size > 0) {
      soon(retry);
      retry = Math.min(retry * 2, 30000);
    }
  };
}

onconnect = (event) => {
  const port = event.ports[0];
  ports.set(port, new Set());
  port.onmessage = (message) => {
    ports.delete(port);
    if (message.data !== "bye") ports.set(port, new Set(message.data));
    soon(50);
  };
};
