// The log page in the words of the tests: tasks that write, and somebody who looks at what they wrote. Whoever looks at another page signs in here too.
import { Visitor } from "./browser.mjs";
import { BUSYBOX } from "./engine.mjs";
import { Shop } from "./shop.mjs";

/** What every task writes when it starts. */
const GREETING = [
  `printf '{"time":"2026-11-20T09:30:00Z","level":"warn","msg":"order placed","amount":12,"customer":{"name":"Ana"}}\\n'`,
  `printf '\\033[1;31mred alert\\033[0m and \\033[38;2;255;255;0mbright\\033[0m\\n'`,
  `echo 'ERROR no disk' >&2`,
  `echo 'grüße aus 東京 🚀'`,
  `echo '<img src=x onerror=alert(1)><b>bold</b> see https://example.org/path?a=1.'`,
  `echo "started $VERSION needle-$VERSION"`,
  "exec busybox sleep 100000",
].join("; ");

/** A service whose tasks write what they are told to. */
export async function writers(t, changes = {}) {
  const shop = await Shop.open(t);
  await shop.docker.image(`${shop.registry}/writer:1`, { "bin/busybox": BUSYBOX, "bin/sh": "->busybox" }, ["ENV PATH=/bin"]);
  await shop.push("writer", "1");
  await shop.service("web");
  await shop.deployed("web", { ...descriptor("one"), ...changes });
  return shop;
}

/** What such a service is deployed from. */
export function descriptor(version) {
  return {
    image: "writer:1",
    replicas: 3,
    command: ["/bin/sh", "-c", GREETING],
    env: { VERSION: version },
    update: { monitor: "0s" },
    stop: { grace: "0s" },
  };
}

/** Lets a task write. */
export async function say(shop, container, script, ...flags) {
  await shop.docker.do(["exec", ...flags, container, "/bin/sh", "-c", `{ ${script}; } > /proc/1/fd/1`]);
}

/** Somebody who is signed in. */
export async function arrive(t, shop, options = {}) {
  const visitor = await Visitor.arrive(t, options);
  const { page } = visitor;
  await page.goto(`${shop.portal.url}/login`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(shop.portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${shop.portal.url}/`);
  return visitor;
}

/** Goes to a page and waits until it is alive. */
export async function open(visitor, url) {
  await visitor.page.goto(url);
  await visitor.page.locator("html[data-ready]").waitFor();
}

/** The texts of the rows that can be seen when one scrolls. */
export function texts(page) {
  return page.locator(".log li:visible .line").allInnerTexts();
}

/** The rows with this text. */
export function row(page, text) {
  return page.locator(".log li", { hasText: text });
}

/** The log page's address. */
export function address(shop, query = "") {
  return `${shop.portal.url}/projects/${shop.project}/services/web/logs${query}`;
}
