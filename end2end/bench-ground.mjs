// What the parts of `make bench` that deploy begin with.
import { owner } from "./bench-measure.mjs";
import { Visitor } from "./browser.mjs";
import { Portal } from "./portal.mjs";
import { until } from "./shop.mjs";

/** A portal with the project `bench`, an image in two versions and a token, as a CI has it. */
export async function ground(docker, env = {}) {
  const portal = await Portal.start(owner, env);
  await portal.api("POST", "/projects", { name: "bench" });
  const { body } = await portal.api("POST", "/me/tokens", { name: "bench", scopes: ["admin"] });
  const ci = { username: "admin", password: body.secret };
  await docker.login(portal.registry, "admin", portal.password);
  for (const version of ["1", "2"]) {
    const image = `${portal.registry}/bench/web:${version}`;
    await docker.webImage(image, version);
    await docker.do(["push", image]);
  }
  const call = async (method, path, sent, project = "bench") => {
    const answer = await portal.api(method, `/projects/${project}/services${path}`, sent, ci);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const deploy = async (service, descriptor, project) => {
    const { id } = await call("POST", `/${service}/deployments`, { environment: "local", descriptor }, project);
    const over = await call("GET", `/${service}/deployments/${id}?wait=300`, undefined, project);
    if (over.state !== "succeeded") throw new Error(JSON.stringify(over));
    return over;
  };
  // Containers go with the services that they belong to, also when a part fails.
  const made = [];
  const service = async (name, project = "bench") => (made.push([project, name]), call("POST", "", { name }, project));
  owner.after(async () => {
    for (const [project, name] of made) await portal.api("DELETE", `/projects/${project}/services/${name}`, undefined, ci).catch(() => undefined);
    // Those of another part's ground go later.
    const whose = ["ps", "-a", "--format", '{{.Label "dev.slipway.project"}}/{{.Label "dev.slipway.service"}}'];
    const own = new Set(made.map((one) => one.join("/")));
    await until("its containers are gone", async () => (await docker.do(whose)).split("\n").every((one) => !own.has(one)), 300).catch(() => undefined);
  });
  return { portal, ci, call, deploy, service };
}

/** A page of a browser whose visitor is signed in as the operator. */
export async function signIn(portal, path = "/") {
  const { page } = await Visitor.arrive(owner);
  await page.goto(`${portal.url}/login?next=${encodeURIComponent(path)}`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(portal.url + path);
  return page;
}
