// A visitor: waits on a channel of its own, shows what comes, writes to others.

const NAMES = ["Ann", "Bob", "Cleo", "Dan", "Eve", "Finn"];
const SHOWN_MS = 6_000;
const [me, bell, badge, inbox, popups, alone, other] = ["me", "bell", "badge", "inbox", "popups", "alone", "other"].map((id) => document.getElementById(id));
const form = document.forms[0];
const name = (new URLSearchParams(location.search).get("me") ?? NAMES[Math.floor(Math.random() * NAMES.length)]).replaceAll(",", " ");
let unread = 0;

me.textContent = name;
other.textContent = other.href = `?me=${NAMES.find((one) => one !== name)}`;

/** An element for a message; what somebody wrote is text, never HTML. */
function item(tag, { from, text }) {
  const made = document.createElement(tag);
  made.append(Object.assign(document.createElement("strong"), { textContent: from }), ` ${text}`);
  return made;
}

function count(number) {
  unread = number;
  badge.textContent = number;
  badge.hidden = !number;
  bell.ariaLabel = number ? `Inbox, ${number} unread` : "Inbox";
  document.title = number ? `(${number}) Notifications` : "Notifications";
}

new Multiplexor(undefined, { resume: `notifications:${name}` }).subscribe(`user.${name}`, ({ data }) => {
  inbox.prepend(item("li", data));
  if (inbox.hidden) count(unread + 1);
  const popup = item("p", data);
  popups.append(popup);
  setTimeout(() => popup.remove(), SHOWN_MS);
});

bell.onclick = () => {
  inbox.hidden = !inbox.hidden;
  bell.ariaExpanded = !inbox.hidden;
  count(0);
};

form.onsubmit = async (event) => {
  event.preventDefault();
  const body = new FormData(form);
  body.set("from", name);
  const answer = await fetch("send.php", { method: "POST", body });
  if (answer.ok) form.elements.text.value = "";
  else alert("Not sent: is the server running?");
};

/** Who else is here; asked again now and then. */
async function meet() {
  const answer = await fetch("online.php");
  if (!answer.ok) return;
  const online = await answer.json();
  const others = online.filter((one) => one !== name);
  const chosen = form.elements.to.value;
  form.elements.to.replaceChildren(...others.map((one) => new Option(one, one, false, one === chosen)));
  alone.hidden = others.length > 0;
  form.hidden = others.length === 0;
}

meet();
setInterval(meet, 2_000);
