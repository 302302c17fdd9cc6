// Signing in: shows the key once and goes on to where one came from; or tells who is signed in.

const element = (id) => document.getElementById(id);
const words = element("words");

/** The page to go on to: one of this server, if any. */
function next() {
  const asked = new URLSearchParams(location.search).get("next");
  if (!asked) return null;
  const url = new URL(asked, location.href);
  return url.origin === location.origin ? url.pathname + url.search : null;
}

function show({ asks, session }) {
  if (session && next()) return location.replace(next());
  element("sign-in").hidden = !asks || Boolean(session);
  element("signed").hidden = session?.ends == null;
  if (!asks) words.textContent = "This server asks nobody for an API key: there is no need to sign in.";
  if (!session) return element("key").focus();
  const { key, may, match, ends } = session;
  const until = ends == null ? "" : ` until ${new Date(ends * 1000).toLocaleString()}`;
  words.textContent = `Signed in with the API key “${key}”${until}. It may ${may.join(", ")} on ${match[0] === "*" ? "all channels" : match.join(", ")}.`;
  element("sign-out").focus();
}

function refuse(fault) {
  const key = element("key");
  element("fault").textContent = fault;
  key.setAttribute("aria-invalid", "true");
  key.select();
}

element("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  element("fault").textContent = "";
  try {
    const body = new URLSearchParams(new FormData(event.target));
    const answer = await fetch("/sign-in", { method: "POST", body });
    const said = await answer.json();
    if (!answer.ok) return refuse(answer.status === 401 ? "The server does not know this key." : said.detail);
    element("key").value = "";
    show(said);
  } catch (error) {
    refuse(`The server could not be asked: ${error.message}`);
  }
});

element("sign-out").onclick = async () => {
  await fetch("/sign-out", { method: "POST" });
  location.reload();
};

show(await (await fetch("/session")).json());
