// What the portal loads when a page first needs a terminal: xterm.js, its addons and its style sheet, from the folder that
// this file lies in. No bundler and no import map: the packages' own ES modules have no bare imports.
import { Terminal } from "./xterm.mjs";
import { FitAddon } from "./addon-fit.mjs";
import { SearchAddon } from "./addon-search.mjs";
import { Unicode11Addon } from "./addon-unicode11.mjs";
import { WebLinksAddon } from "./addon-web-links.mjs";

// A terminal measures its cells when it is opened, so the style sheet has to be there before anyone gets the constructors.
const sheet = new URL("./xterm.css", import.meta.url).href;
await new Promise((resolve, reject) => {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = sheet;
  link.onload = resolve;
  link.onerror = () => reject(new Error(`${sheet} did not load`));
  document.head.append(link);
});

export { FitAddon, SearchAddon, Terminal, Unicode11Addon, WebLinksAddon };
