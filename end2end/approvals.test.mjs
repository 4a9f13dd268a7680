// A protected environment with two accounts in a real Chromium and a real engine: one asks, the other looks at it, lets it through or not. What changed
// since is asked for again, nobody approves their own, and a freeze keeps everything out but what an operator brings with a reason.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser, Visitor } from "./browser.mjs";
import { Shop, until } from "./shop.mjs";

after(closeBrowser);

/** Somebody at a page of their own. */
class Somebody {
  static async arrives(t, shop, username) {
    const somebody = Object.assign(new Somebody(), { shop, username, visitor: await Visitor.arrive(t) });
    const { page } = somebody;
    await page.goto(`${shop.portal.url}/login`);
    await page.getByLabel("User name").fill(username);
    await page.getByLabel("Password").fill(shop.portal.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${shop.portal.url}/`);
    return somebody;
  }

  get page() {
    return this.visitor.page;
  }

  /** Opens a page of the portal, and waits until its scripts have taken it over. */
  async opens(path) {
    await this.page.goto(`${this.shop.portal.url}${path}`);
    await this.page.locator("html[data-ready]").waitFor();
  }

  /** A REST call of theirs that must be answered with this status. */
  async call(status, method, path, body) {
    const answer = await this.shop.portal.api(method, path, body, { username: this.username, password: this.shop.portal.password });
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Asks for the image through the form, and is led to what waits. */
  async asks(image) {
    await this.opens(`/projects/${this.shop.project}/services/web/deploy?environment=local`);
    await this.page.getByLabel("Image").fill(image);
    await this.page.getByLabel("Ports").fill("http=8080");
    await this.page.getByRole("button", { name: "Deploy to local" }).click();
    await this.page.waitForURL(/\/deployments\//);
    await this.waits();
    return new URL(this.page.url()).pathname;
  }

  /** Until the page says that it waits. */
  async waits() {
    await this.page.getByText("It waits for an approval, because local is protected.").waitFor();
  }

  button(name) {
    return this.page.getByRole("button", { name, exact: true });
  }

  /** Opens a dialog by its button, says why, and sends it. */
  async answers(name, why) {
    await this.button(name).click();
    const dialog = this.page.getByRole("dialog");
    await dialog.getByRole("textbox").fill(why);
    return dialog;
  }

  /** Until the deployment's page shows how it ended. */
  async sees(word) {
    await this.page.getByText(word, { exact: true }).first().waitFor({ timeout: 90_000 });
  }
}

/** The number of the revision that should run. */
async function runs(shop) {
  const { runs } = await shop.call(200, "GET", shop.path("web"));
  return runs.find(({ summary }) => summary.environment === "local")?.revision?.revision.number;
}

test("one asks, another approves what did not change since, and a freeze keeps all out", { timeout: 540_000 }, async (t) => {
  const shop = await Shop.open(t);
  const { portal } = shop;
  for (const [username, role] of [["dee", "developer"], ["ada", "admin"]]) {
    await shop.call(201, "POST", "/users", { username, password: portal.password });
    await shop.call(201, "PUT", `/projects/${shop.project}/members/${username}`, { role });
  }
  await shop.call(200, "PUT", "/environments/local", { protected: true, second_person: true, projects: "all" });
  await shop.service("web");
  await shop.docker.webImage(`${shop.registry}/web:1`, "one");
  await shop.push("web", "1");
  const [dee, ada] = [await Somebody.arrives(t, shop, "dee"), await Somebody.arrives(t, shop, "ada")];

  await t.test("what waits is looked at by both, and approved by one of them", async () => {
    const path = await dee.asks("web:1");
    assert.equal(await dee.button("Approve").count(), 0, "who may not approve has no button for it");
    // Where she lands after signing in, it stands first.
    await ada.opens("/");
    await ada.page.getByRole("heading", { name: /^Waits for your approval/ }).waitFor();
    await ada.page.getByRole("link", { name: /\/web: Deploy revision 1$/ }).click();
    await ada.page.waitForURL((url) => url.pathname === path);
    await ada.waits();
    await ada.page.getByRole("heading", { name: "What would change" }).waitFor();
    assert.ok(await ada.button("Approve").isEnabled());
    await ada.visitor.picture("approval");
  });

  await t.test("changed since: it is not approved any more, and asked for again", async () => {
    const before = dee.page.url();
    await shop.docker.webImage(`${shop.registry}/web:1`, "two");
    await shop.push("web", "1");
    // Both pages are told by themselves.
    for (const { page } of [ada, dee]) {
      await page.getByRole("heading", { name: "Changed since it was asked for" }).waitFor({ timeout: 60_000 });
      await page.getByText(/after: image content: sha256:/).waitFor({ state: "attached" });
    }
    assert.ok(await ada.button("Approve").isDisabled());
    await ada.visitor.picture("approval-changed");
    const id = before.split("/").at(-1);
    const refused = await ada.call(409, "POST", shop.path("web", `/deployments/${id}/approve`), { why: "unseen" });
    assert.equal(refused.code, "changed_since");

    await dee.button("Ask again").click();
    await dee.page.waitForURL((url) => url.pathname.includes("/deployments/") && url.href !== before);
    await dee.page.getByRole("heading", { name: "Changed since it was asked for" }).waitFor({ state: "detached" });
    await ada.sees("Superseded");
    await ada.opens(new URL(dee.page.url()).pathname);
    await ada.waits();
    const dialog = await ada.answers("Approve", "looked at it");
    await dialog.getByRole("button", { name: "Approve" }).click();
    await ada.sees("Succeeded");
    // Who asked sees it without doing anything.
    await dee.sees("Succeeded");
    await dee.page.getByText(/by ada: looked at it/).waitFor();
    const [task] = await shop.tasks("web");
    assert.equal(await shop.answer(task), "version two", "what was looked at last is what runs");
  });

  await t.test("who refuses says why, and who asked reads it", async () => {
    const path = await dee.asks("web:1");
    await ada.opens(path);
    await ada.waits();
    const dialog = await ada.answers("Refuse", "not on a Friday");
    await dialog.getByRole("button", { name: "Refuse" }).click();
    await dee.page.getByText(/Refused by ada: not on a Friday/).waitFor({ timeout: 60_000 });
  });

  await t.test("nobody approves what they asked for themselves", async () => {
    await ada.asks("web:1");
    await ada.page.getByText(/You asked for this yourself/).first().waitFor();
    assert.ok(await ada.button("Approve").isDisabled());
  });

  await t.test("a freeze keeps everything out, and an operator overrides it with a reason", async () => {
    const waiting = await dee.asks("web:1");
    const admin = await Somebody.arrives(t, shop, "admin");
    await admin.opens("/admin/environments/local");
    await admin.page.getByLabel("Why", { exact: true }).fill("the stocktaking");
    await admin.button("Freeze").click();
    await admin.button("End the freeze").waitFor();
    await admin.visitor.picture("environment-frozen");

    await dee.opens(`/projects/${shop.project}/services/web/deploy?environment=local`);
    await dee.page.getByText("local is frozen: the stocktaking").waitFor();
    dee.visitor.announce(409, /\/fn\/deployments\/deploy$/);
    await dee.button("Deploy to local").click();
    await dee.page.getByText(/nothing is brought there until it ends/).waitFor();
    await ada.opens(waiting);
    await ada.waits();
    assert.ok(await ada.button("Approve").isDisabled());

    const before = await runs(shop);
    await admin.opens(waiting);
    await admin.waits();
    const dialog = await admin.answers("Approve", "the shop is down");
    await dialog.getByLabel(/Override the freeze of local/).check();
    await admin.visitor.picture("approval-frozen");
    await dialog.getByRole("button", { name: "Approve" }).click();
    await admin.sees("Succeeded");
    await admin.page.getByText("by admin: the shop is down").first().waitFor();
    assert.ok((await runs(shop)) > before, "it runs");

    // Scaling takes a reason there as well, and waits, since the environment is protected too.
    const newest = async () => (await admin.call(200, "GET", shop.path("web", "/deployments"))).items[0];
    await admin.opens(`/projects/${shop.project}/services/web?environment=local`);
    await admin.page.getByText("local is frozen: the stocktaking").waitFor();
    await admin.button("Scale").click();
    const scaling = admin.page.getByRole("dialog");
    await scaling.getByLabel("Tasks").fill("2");
    await scaling.getByLabel("Why", { exact: true }).fill("the queue is long");
    await scaling.getByLabel(/Override the freeze of local/).check();
    await admin.visitor.picture("scale-frozen");
    await scaling.getByRole("button", { name: "Scale" }).click();
    const scaled = await until("the scaling is asked for", async () => {
      const found = await newest();
      return found.kind === "scale" && found;
    });
    assert.deepEqual([scaled.state, scaled.overridden], ["pending", { by: "admin", why: "the queue is long" }]);

    // What changed since is asked for again, with a reason of its own.
    await shop.docker.webImage(`${shop.registry}/web:1`, "three");
    await shop.push("web", "1");
    const page = `/projects/${shop.project}/services/web/deployments/${scaled.id}`;
    await admin.opens(page);
    await admin.page.getByRole("heading", { name: "Changed since it was asked for" }).waitFor({ timeout: 60_000 });
    const again = admin.page.locator('form[action="/fn/deployments/ask_again"]');
    await again.getByLabel("Why", { exact: true }).fill("with the third version");
    await again.getByLabel(/Override the freeze of local/).check();
    await admin.visitor.picture("ask-again-frozen");
    await again.getByRole("button", { name: "Ask again" }).click();
    await admin.page.waitForURL((url) => url.pathname.includes("/deployments/") && url.pathname !== page);
    await admin.page.getByText("by admin: with the third version").waitFor();
    const asked = await newest();
    assert.ok(admin.page.url().endsWith(asked.id), "the page is the new request's");
    assert.deepEqual([asked.state, asked.kind, asked.overridden.why], ["pending", "scale", "with the third version"]);

    // Rolling back is one click and a reason away too; what waited steps aside.
    await admin.opens(`/projects/${shop.project}/services/web/revisions`);
    await admin.button("Roll back").last().click();
    const back = admin.page.locator("dialog[open]");
    await back.getByLabel("Why", { exact: true }).fill("the prices are wrong");
    await back.getByLabel(/Override the freeze of local/).check();
    await admin.visitor.picture("roll-back-frozen");
    await back.getByRole("button", { name: "Roll back" }).click();
    await admin.page.waitForURL(/\/deployments\//);
    await admin.page.getByText("by admin: the prices are wrong").waitFor();

    // What waits for somebody has a page of its own, which shows what it is.
    await ada.opens("/deployments/waiting");
    await ada.page.getByRole("link", { name: /\/web: Roll back to revision \d+$/ }).waitFor();
    await ada.visitor.picture("waiting");

    await admin.opens("/admin/environments/local");
    await admin.button("End the freeze").click();
    await admin.button("Freeze").waitFor();
    await dee.asks("web:1");
  });
});
