// Tries the four ways to wait from this browser, and says in plain words what stands in the way.

const PATIENCE_MS = 5_000;
const CHANNEL = "multiplexor.check";

const WAYS = {
  poll: { name: "Long poll", check: checkPoll },
  sse: { name: "Server-Sent Events", check: (to) => checkStream(to, "sse", /^id: ?a/m) },
  stream: { name: "HTTP stream", check: (to) => checkStream(to, "stream", /^\{"cursor":/m) },
  ws: { name: "WebSocket", check: checkSocket },
};

// What to do about each cause. The words about one way are those of its failure.
const ADVICE = {
  dead: "Is the program running? Is this address right, and is its port open in the firewall?",
  gateway:
    "A proxy answers in the program's place. Is the program running, and is the address that the proxy passes requests on to right?",
  path: "Let the proxy pass this path on without its prefix, and otherwise as it came; the lines for nginx below do that.",
  buffer:
    "Something collects the bytes before it passes them on. In nginx that is proxy_buffering; the program switches it off by itself with X-Accel-Buffering, unless proxy_ignore_headers has that ignored. A CDN or a virus scanner may do the same.",
  upgrade:
    "A proxy keeps the upgrade to itself. It has to speak HTTP/1.1 to the program and hand on the headers Upgrade and Connection.",
  cors: "Every answer allows all pages to read it (Access-Control-Allow-Origin: *). Something takes that header away, or adds another one: let the proxy leave it alone, or serve page and program under one origin.",
  mixed: "Put TLS in front of the program, with nginx for instance, and use its https address.",
  silent: "The connection is taken and nobody answers: look whether the machine or the proxy is overloaded.",
  refused: "The program itself refused; its words are above.",
};

class Failure extends Error {
  constructor(cause, words) {
    super(words);
    this.reason = cause;
  }
}

/** One try: the address, and the signal that ends it. */
const url = (to, query) => new URL(`sub/${CHANNEL}?${query}`, to.base);

async function checkPoll(to) {
  const response = await ask(to, "transport=poll&wait=0");
  const document = await response.json().catch(() => null);
  if (typeof document?.cursor !== "string") throw notOurs(response);
}

/** The first bytes of a stream come at once; what holds them back holds messages back, too. */
async function checkStream(to, transport, first) {
  const response = await ask(to, `transport=${transport}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!first.test(text)) {
    const { value, done } = await reader.read();
    if (done || text.length > 1_000) throw notOurs(response);
    text += value;
  }
}

async function checkSocket(to) {
  // Where the upgrade is lost on the way, this has it refused at once; else it would be a long poll.
  const address = url(to, "transport=ws");
  address.protocol = to.base.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  to.signal.addEventListener("abort", () => socket.close());
  let opened = false;
  const works = await new Promise((resolve) => {
    socket.onopen = () => (opened = true);
    socket.onmessage = ({ data }) => resolve(data.startsWith('{"cursor":'));
    socket.onclose = () => resolve(false);
  });
  if (works) return;
  if (opened) throw new Failure("buffer", "It opens, but nothing comes through it.");
  // A WebSocket does not tell a page why. The program tells a request that lost its upgrade on the way.
  const response = await request(to, "transport=ws");
  if (response.status !== 426) throw response.ok ? notOurs(response) : await refusal(response);
  throw new Failure("upgrade", "Plain requests get through, but the upgrade to WebSocket does not.");
}

async function ask(to, query) {
  const response = await request(to, query);
  if (!response.ok) throw await refusal(response);
  return response;
}

/** A browser does not tell a page why a request failed; a request whose answer stays hidden may show it. */
async function request(to, query) {
  const how = { cache: "no-store", credentials: "omit", signal: to.signal };
  try {
    return await fetch(url(to, query), how);
  } catch (error) {
    if (to.signal.aborted || to.base.origin === location.origin) throw error;
    await fetch(new URL("healthz", to.base), { ...how, mode: "no-cors" });
    throw new Failure("cors", "Something answers, but the browser may not show it to a page of another origin (CORS).");
  }
}

async function refusal(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (type.startsWith("application/problem+json")) return new Failure("refused", (await response.json()).detail);
  if (![502, 503, 504].includes(response.status)) return notOurs(response);
  return new Failure("gateway", `A proxy answers, but it does not reach the program (status ${response.status}).`);
}

const notOurs = ({ status }) => new Failure("path", `Something else answers there (status ${status}), not this program.`);

/** Words for what a browser does not explain. `pollCause` is why polls fail, if they do. */
function explain(to, way, pollCause) {
  const seconds = `${PATIENCE_MS / 1_000} seconds`;
  if (to.signal.aborted) {
    return way === "poll" || pollCause
      ? new Failure("silent", `No answer comes within ${seconds}.`)
      : new Failure("buffer", `It is asked for, but its first bytes do not come within ${seconds}.`);
  }
  if (location.protocol === "https:" && to.base.protocol === "http:") {
    return new Failure("mixed", "A page that came by https may not use an address with http.");
  }
  return new Failure("dead", `Nothing answers at ${to.base.origin}.`);
}

/** Tries one way; gives the cause if it fails. */
async function check(way, base, polled) {
  const run = new AbortController();
  const to = { base, signal: run.signal };
  const late = setTimeout(() => run.abort(), PATIENCE_MS);
  const started = performance.now();
  show(way, "checking", "", "…");
  try {
    await WAYS[way].check(to);
    show(way, "works", "", `works, ${Math.max(1, Math.round(performance.now() - started))} ms`);
  } catch (error) {
    const failure = error instanceof Failure ? error : explain(to, way, await polled);
    show(way, "fails", failure.message, "fails");
    return failure.reason;
  } finally {
    clearTimeout(late);
    run.abort();
  }
}

async function checkAll() {
  const base = new URL(element("address").value);
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  // At once, so that no second check begins beside this one, and no old verdict stands beside new findings.
  const button = document.querySelector("#check button");
  button.disabled = true;
  element("verdict").textContent = "Checking…";
  const filled = prefixed(base).then((isPrefixed) => fillIn(base, isPrefixed));
  const polled = check("poll", base);
  const others = Object.keys(WAYS).filter((way) => way !== "poll");
  const causes = await Promise.all([polled, ...others.map((way) => check(way, base, polled))]);
  await filled;
  button.disabled = false;
  tell(causes.filter(Boolean), causes.length);
}

function tell(causes, count) {
  const working = count - causes.length;
  element("verdict").textContent =
    working === count ? "All four ways work from here" : working ? `${working} of ${count} ways work from here` : "None of the four ways works from here";
  const items = [...new Set(causes)].map((cause) => {
    const item = document.createElement("li");
    item.textContent = ADVICE[cause];
    return item;
  });
  element("causes").replaceChildren(...items);
  element("advice").hidden = !items.length;
  element("nginx").open = ["buffer", "upgrade", "gateway", "path"].some((cause) => causes.includes(cause));
}

/** Whether the program itself knows what stands before its paths, so that a proxy must leave it there. */
async function prefixed(base) {
  const options = { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(PATIENCE_MS) };
  const answer = await fetch(new URL("healthz", base), options).catch(() => null);
  return Boolean(answer?.headers.get("Multiplexor-Prefix"));
}

/** Puts the address into what there is to copy. */
function fillIn(base, isPrefixed) {
  const takesOff = !isPrefixed && base.pathname !== "/";
  // A path behind proxy_pass would have nginx decode the names of channels, fold `//` and go up at `..`.
  const rest = `
# what follows the path, as it came
map $request_uri $multiplexor_uri {
    ~^${base.pathname.slice(0, -1).replace(/[^\w/-]/g, "\\$&")}(?<rest>/.*)$ $rest;
}
`;
  element("lines").textContent = `# beside the server block
map $http_upgrade $connection_upgrade {
    default upgrade;
    ''      '';
}
${takesOff ? rest : ""}
# inside it
location ${base.pathname} {
    proxy_pass http://127.0.0.1:8088${takesOff ? "$multiplexor_uri" : ""};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_buffering off;
}`;
  element("snippet").textContent = `<script src="${new URL("multiplexor.js", base)}"><\/script>
<script>
  new Multiplexor().subscribe("news", (message) => alert(message.data));
<\/script>`;
}

function show(way, state, words, verdict) {
  const item = element(`way-${way}`);
  item.className = state;
  item.querySelector(".mark").textContent = { works: "✓", fails: "✗", checking: "·" }[state];
  item.querySelector(".words").textContent = words;
  item.querySelector(".verdict").textContent = verdict;
}

function element(id) {
  return document.getElementById(id);
}

for (const [way, { name }] of Object.entries(WAYS)) {
  const item = document.createElement("li");
  item.id = `way-${way}`;
  for (const part of ["mark", "name", "verdict", "words"]) {
    const span = document.createElement("span");
    span.className = part;
    item.append(span, " ");
  }
  item.querySelector(".mark").setAttribute("aria-hidden", "true");
  item.querySelector(".name").textContent = name;
  element("ways").append(item);
}
element("address").value = new URL(".", location.href).href;
element("check").addEventListener("submit", (event) => {
  event.preventDefault();
  checkAll();
});
checkAll();
