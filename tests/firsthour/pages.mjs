// Opens pages in Chromium and in Firefox, and prints each line that one shows: `BROWSER PATH: LINE`. They stay open.

import { createRequire } from "node:module";

const { default: puppeteer } = await import(createRequire(import.meta.resolve("../package.json")).resolve("puppeteer-core"));

const [site, ...paths] = process.argv.slice(2);
const LOOK_MS = 200;
const BROWSERS = {
  Chromium: { browser: "chrome", executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] },
  Firefox: { browser: "firefox", executablePath: "/usr/bin/firefox-esr" },
};

const shown = new Set();
const show = (line) => {
  if (shown.has(line)) return;
  shown.add(line);
  console.log(line);
};

async function look(name, page) {
  for (;;) {
    const lines = await page.evaluate(() => [...document.querySelectorAll("#state, #lines *")].map((one) => one.textContent));
    for (const line of lines) show(`${name} ${new URL(page.url()).pathname}: ${line}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function walk(name, options) {
  // The authority that signed the certificate is the site itself.
  const browser = await puppeteer.launch({ ...options, acceptInsecureCerts: true });
  for (const path of paths) {
    const page = await browser.newPage();
    page.on("pageerror", (error) => show(`${name} error: ${error}`));
    await page.goto(site + path);
    look(name, page).catch((error) => show(`${name} error: ${error}`));
  }
}

await Promise.all(Object.entries(BROWSERS).map(([name, options]) => walk(name, options)));
