// Opens pages of docs/first-hour.md in Chromium, in the order given, and prints each line that one shows: `PATH: LINE`.

import { launch } from "./browser.js";

const [site, ...paths] = process.argv.slice(2);
const browser = await launch();
const context = await browser.newContext({ ignoreHTTPSErrors: true });
await context.exposeFunction("shown", (path, line) => console.log(`${path}: ${line}`));
await context.addInitScript(() => {
  const changed = (changes) => {
    for (const node of changes.flatMap((change) => [...change.addedNodes])) {
      if (node.parentElement?.matches("#lines, #state")) globalThis.shown(location.pathname, node.textContent);
    }
  };
  new MutationObserver(changed).observe(document, { childList: true, subtree: true });
});
for (const path of paths) {
  const page = await context.newPage();
  page.on("pageerror", (error) => console.log(`error: ${error}`));
  await page.goto(site + path);
}
