// Chromium for the packaging tests: started once per file, one fresh context per page.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const executablePath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync);
const flags = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];

export async function startBrowser() {
  if (!executablePath) throw new Error('Chromium is missing. Run: make setup');
  return chromium.launch({
    executablePath,
    chromiumSandbox: process.getuid?.() !== 0,
    args: flags,
    timeout: 60_000,
  });
}

/** Opens the address and gives the JSON that the page wrote into its `<output>`, with what the console complained about. */
export async function outcomeOf(browser, url) {
  const context = await browser.newContext();
  const complaints = [];
  try {
    const page = await context.newPage();
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(url, { timeout: 30_000 });
    const text = await page
      .waitForFunction(() => document.querySelector('output')?.textContent, undefined, { timeout: 30_000 })
      .catch((error) => {
        throw new Error(`the page never said anything; its console: ${complaints.join('\n') || 'nothing'}`, {
          cause: error,
        });
      });
    return { ...JSON.parse(await text.jsonValue()), complaints };
  } finally {
    await context.close();
  }
}
