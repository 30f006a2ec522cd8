// What a page of the packaging tests says, in a fresh context of a running Chromium.

/**
 * Opens the address and gives the JSON that the page wrote into its `<output>`, with what the console complained about.
 * `patience`: how long (ms) that may take.
 */
export async function outcomeOf(browser, url, patience = 30_000) {
  const context = await browser.newContext();
  const complaints = [];
  try {
    const page = await context.newPage();
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(url, { timeout: 30_000 });
    const text = await page
      .waitForFunction(() => document.querySelector('output')?.textContent, undefined, { timeout: patience })
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
