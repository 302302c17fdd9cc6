// The demo: browsers side by side, each a client of its own; a form that publishes; lights from /watch.

const BROWSERS_MAX = 6; // a browser opens no more connections to one address, WebSockets apart
const LINES_MAX = 200; // of one window
const BEGIN = [
  { way: "ws", channels: ["news", "lobby"] },
  { way: "sse", channels: ["lobby"] },
  { way: "poll", channels: ["news", "prices"] },
];
const STATES = { idle: "no channel", connecting: "connecting", open: "connected", waiting: "lost, comes back", closed: "closed", cut: "cut off" };

const element = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A colour for a name, the same everywhere. */
function tint(target, name) {
  let hue = 0;
  for (const character of name) hue = (hue * 31 + character.codePointAt(0)) % 360;
  target.style.setProperty("--hue", (hue * 47) % 360);
  return target;
}

/** Asks this server; whoever is not signed in any more does so first. */
async function ask(path, options) {
  const answer = await fetch(path, options);
  if (answer.status === 401) signIn();
  return answer;
}

const signIn = () => location.assign("/sign-in?next=/demo");

/** What the key may of those who sign in; where none is asked for, everything. */
const may = (right) => !session || session.may.includes(right);

/** Says whose key it is, and what it may not. */
function introduce({ key, may: rights, match, ends }) {
  const channels = match[0] === "*" ? "all channels" : match.join(", ");
  const faults = [];
  if (!may("publish")) faults.push("It may not publish.");
  if (!may("presence")) faults.push("It may not ask who is online, so no light is lit.");
  if (!may("history")) faults.push("It may not read history, so what a browser catches up on is not marked.");
  const who = element("who");
  who.hidden = false;
  who.firstElementChild.textContent = [`API key “${key}”: ${rights.join(", ")} on ${channels}.`, ...faults].join(" ");
  who.lastElementChild.hidden = ends == null;
  who.lastElementChild.onclick = async () => {
    await fetch("/sign-out", { method: "POST" });
    signIn();
  };
  if (!may("presence")) tell("");
}

/** A field in which a channel is named. */
function adder(label, add) {
  const field = make("input", { className: "add", placeholder: "+ channel", ariaLabel: label, maxLength: 100, autocomplete: "off" });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const name = field.value.trim();
    const fault = /[,\x00-\x1f\x7f]|^\$|^\.{1,2}$/.test(name) ? "A name has no comma and does not begin with $." : "";
    field.setCustomValidity(fault);
    if (!name || !field.reportValidity()) return;
    field.value = "";
    add(name);
  });
  field.addEventListener("input", () => field.setCustomValidity(""));
  return field;
}

/** The channels one may send to, and who of them is online. */
const to = {
  chips: new Map(),
  asked: new Map(), // the latest question about each name, as long as its answer is news

  add(name, checked = false) {
    if (this.chips.has(name)) return;
    const light = make("span", { className: "light" });
    const words = make("span", { className: "hidden" });
    const box = make("input", { type: "checkbox", value: name, checked });
    const chip = tint(make("label", { className: "chip" }, box, name, light, words), name);
    this.chips.set(name, chip);
    element("to").insertBefore(chip, element("to").lastElementChild);
    this.ask(name);
  },

  get chosen() {
    return [...this.chips.values()].map((chip) => chip.firstChild).filter((box) => box.checked).map((box) => box.value);
  },

  light(name, online) {
    const chip = this.chips.get(name);
    chip?.classList.toggle("online", online);
    if (chip) chip.lastChild.textContent = online ? ", online" : ", offline";
  },

  /** How it is now. A change that is told meanwhile is newer, and so is the answer to a later question. */
  async ask(name) {
    if (!may("presence")) return;
    const question = {};
    this.asked.set(name, question);
    const answer = await ask(`/channels/${encodeURIComponent(name)}`).catch(() => null);
    // Of channels that the key is not for nothing is known.
    if (answer?.status === 403) return;
    const online = answer?.ok && (await answer.json()).online;
    if (this.asked.get(name) === question) this.light(name, online);
  },

  watch() {
    if (!may("presence")) return;
    const source = new EventSource("/watch");
    source.onopen = () => this.chips.forEach((_, name) => this.ask(name));
    source.addEventListener("gap", source.onopen);
    source.onmessage = ({ data }) => {
      const { channel, online } = JSON.parse(data);
      this.asked.delete(channel);
      this.light(channel, online);
    };
  },
};

/** One window: a client with channels and a transport of its own. */
class Browser {
  constructor(number, { way, channels }) {
    this.name = `Browser ${number}`;
    this.way = way;
    this.channels = new Set();
    this.missed = new Set();
    this.window = element("browser").content.cloneNode(true).firstElementChild;
    this.part("h2").textContent = this.name;
    this.part(".ways legend").textContent = `Transport of ${this.name}`;
    this.part(".chips").ariaLabel = `Channels of ${this.name}`;
    this.part(".log").ariaLabel = `Messages of ${this.name}`;
    this.window.ariaLabel = this.name;
    this.part(".remove").ariaLabel = `Remove ${this.name}`;
    this.part(".remove").onclick = () => this.remove();
    this.part(".cut").onclick = () => (this.client ? this.cut() : this.comeBack());
    for (const radio of this.window.querySelectorAll(".ways input")) {
      radio.name = `way-${number}`;
      radio.checked = radio.value === way;
      radio.onchange = () => this.change(radio.value);
    }
    this.part(".chips").append(adder(`Add a channel to ${this.name}`, (name) => this.add(name)));
    channels.forEach((name) => this.add(name));
    this.connect();
  }

  part(selector) {
    return this.window.querySelector(selector);
  }

  connect(since) {
    // Each is to be a browser of its own: none shares its connection with another, or with another tab.
    const client = new Multiplexor(wait, { transports: [this.way], since, retry: { min: 200, max: 5_000 }, shared: false });
    this.client = client;
    const on = (kind, listener) => client.on(kind, (event) => this.client === client && listener(event));
    on("message", (message) => this.show(message));
    on("state", ({ state }) => this.state(state));
    on("gap", () => this.mark("Some messages are gone from history"));
    on("deleted", ({ channel }) => this.forget(channel));
    on("error", ({ message }) => this.note(message));
    this.state(client.state);
    if (this.channels.size) client.subscribe([...this.channels]);
  }

  /** Ends the connection as a lost network would: the place in the order is all that is left. */
  cut() {
    this.cursor = this.client.cursor;
    this.leave();
    this.state("cut");
    this.note("");
    this.part(".cut").textContent = "Come back";
  }

  async comeBack() {
    this.part(".cut").disabled = true;
    this.missed = await this.missing();
    const count = this.missed.size;
    this.part(".cut").disabled = false;
    this.part(".cut").textContent = "Cut off";
    this.caught = 0;
    this.note(count || !may("history") ? "" : "Nothing was missed");
    this.connect(this.cursor);
  }

  /** The cursors of what was said meanwhile, so that it can be told from what comes live. */
  async missing() {
    if (!this.cursor || !may("history")) return new Set();
    const pages = [...this.channels].map(async (name) => {
      const answer = await ask(`/channels/${encodeURIComponent(name)}/history?limit=1000&since=${this.cursor}`);
      return answer.ok ? (await answer.json()).messages.map((message) => message.cursor) : [];
    });
    return new Set((await Promise.all(pages).catch(() => [])).flat());
  }

  change(way) {
    this.way = way;
    if (!this.client) return;
    const { cursor } = this.client;
    this.leave();
    this.note("");
    this.connect(cursor);
  }

  leave() {
    const { client } = this;
    this.client = undefined;
    client?.close();
  }

  add(name) {
    if (this.channels.has(name)) return;
    this.channels.add(name);
    const remove = make("button", { type: "button", textContent: "×", ariaLabel: `${this.name}: stop listening to ${name}` });
    const chip = tint(make("span", { className: "chip" }, name, remove), name);
    chip.dataset.name = name;
    remove.onclick = () => {
      this.client?.unsubscribe(name);
      this.forget(name);
    };
    this.part(".chips").insertBefore(chip, this.part(".chips").lastElementChild);
    this.client?.subscribe(name);
    to.add(name);
  }

  forget(name) {
    this.channels.delete(name);
    this.window.querySelector(`[data-name="${CSS.escape(name)}"]`)?.remove();
    if (!this.channels.size) this.state("idle");
  }

  show({ cursor, channels, data, time }) {
    const text = typeof data === "string" ? data : data instanceof Uint8Array ? `${data.length} bytes` : JSON.stringify(data);
    const line = tint(
      make(
        "li",
        {},
        make("span", { className: "from", textContent: channels.join(", ") }),
        make("span", { textContent: text }),
        make("time", { dateTime: time.toISOString(), textContent: time.toLocaleTimeString() }),
      ),
      channels[0],
    );
    if (this.missed.delete(cursor)) {
      line.classList.add("caught");
      this.caught += 1;
      this.note(`Caught up on ${this.caught} ${this.caught === 1 ? "message" : "messages"}`);
    }
    this.append(line);
  }

  mark(words) {
    this.append(make("li", { className: "mark", textContent: words }));
  }

  append(line) {
    const [log, lines] = [this.part(".log"), this.part(".log ol")];
    lines.append(line);
    while (lines.children.length > LINES_MAX) lines.firstChild.remove();
    log.scrollTop = log.scrollHeight;
  }

  state(state) {
    if (state === "closed" && !this.client) return;
    this.window.dataset.state = state;
    this.part(".state").textContent = STATES[state];
  }

  note(words) {
    this.part(".note").textContent = words;
  }

  remove() {
    this.leave();
    this.window.remove();
    browsers.delete(this);
    element("more").disabled = false;
    element("more").focus();
  }
}

const browsers = new Set();
let number = 0;

function addBrowser(begin) {
  const browser = new Browser(++number, begin);
  browsers.add(browser);
  element("browsers").append(browser.window);
  element("more").disabled = browsers.size >= BROWSERS_MAX;
  return browser;
}

function tell(words, bad = false) {
  element("told").textContent = words;
  element("told").classList.toggle("bad", bad);
}

async function send(names, text, times) {
  const item = (n) => ({ channels: names, data: `${text} ${n + 1}` });
  const answer = await (times === 1
    ? ask(`/pub/${names.map(encodeURIComponent).join(",")}`, { method: "POST", body: text, headers: { "Content-Type": "text/plain" } })
    : ask("/pub", { method: "POST", body: JSON.stringify(Array.from({ length: times }, (_, n) => item(n))), headers: { "Content-Type": "application/json" } }));
  const said = await answer.json();
  const fault = answer.ok ? [said].flat().find((one) => one.error)?.error : said;
  if (fault) return tell(fault.detail, true);
  const { channels } = [said].flat().at(-1);
  const waiting = Object.entries(channels).map(([name, { waiting }]) => `${name}: ${waiting || "nobody"} waiting`);
  tell(`Sent ${times === 1 ? "" : `${times} times `}to ${waiting.join(", ")}`);
}

element("send").addEventListener("submit", (event) => {
  event.preventDefault();
  const names = to.chosen;
  if (!names.length) return tell("Choose a channel to send to", true);
  const text = element("text").value;
  send(names, text, Number(element("times").value)).catch((error) => tell(`It could not be sent: ${error.message}`, true));
  element("text").select();
});
element("more").onclick = () => addBrowser({ way: "ws", channels: ["news"] }).part(".add").focus();

const [{ wait }, { asks, session }] = await Promise.all(
  ["/demo/wait.json", "/session"].map(async (path) => (await fetch(path)).json()),
);
if (asks && !session) {
  signIn();
} else {
  if (session) introduce(session);
  element("to").append(adder("Add a channel to send to", (name) => to.add(name, true)));
  to.add("news", true);
  BEGIN.forEach(addBrowser);
  to.watch();
}
