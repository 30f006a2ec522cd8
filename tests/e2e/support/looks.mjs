// What is true of every screen of the demo: it can be read, reached and touched.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Waits for animations to end. */
export function settled(page) {
  return page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .filter((animation) => animation.effect.getTiming().iterations !== Number.POSITIVE_INFINITY)
        .map((animation) => animation.finished.catch(() => {})),
    ).then(() => {}),
  );
}

/** What axe finds nothing in. */
export async function assertAccessible(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`);
  assert.deepEqual(found, [], `axe on ${name}`);
}

/** Nothing is wider than the screen. */
export async function assertFits(page, name) {
  const { scrollWidth, clientWidth } = await page.evaluate(() => document.documentElement);
  assert.ok(!(scrollWidth > clientWidth), `${name} scrolls sideways`);
}

/** Everything that can be touched is at least 44 pixels wide and high; a box to tick, and what chooses a file, with their words. */
export async function assertTouchable(page) {
  const small = await page.locator('button, input, textarea').evaluateAll((elements) =>
    elements
      .filter((element) => element.checkVisibility())
      .map((element) => ({ element, box: (element.closest('.tick, .pick') ?? element).getBoundingClientRect() }))
      .filter(({ box }) => box.width < 44 || box.height < 44)
      .map(({ element, box }) => `${element.outerHTML.slice(0, 80)} ${box.width}×${box.height}`),
  );
  assert.deepEqual(small, []);
}
