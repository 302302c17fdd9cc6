// What every program in Node says of what it hears: one line each, its words between tabs.

const START_CHARS = 300;

export const say = (...words) => console.log(words.map((word) => String(word ?? "").replace(/[\t\r\n]+/g, " ")).join("\t"));
export const event = (name, id, data) => say("event", name, id, data.length, data.slice(0, START_CHARS));
export const message = (data) => say("message", data.length, String(data).slice(0, START_CHARS));
export const error = (error) => say("error", error?.message ?? error?.code ?? error);

process.on("uncaughtException", (thrown) => (say("thrown", thrown.message), process.exit(1)));
process.on("unhandledRejection", (thrown) => (say("thrown", thrown?.message ?? thrown), process.exit(1)));

// An application does more than listen; without this, eventsource 5 would not keep the process for its next try.
setInterval(() => {}, 60_000);
