// The look of the demo's dialog of backups, small and large, light and dark.
import { after, afterEach, before, describe, it } from 'node:test';
import { Backups, drop, linesOf, typeTwice } from '../support/backup-dialog.mjs';
import { assertAccessible, assertFits, assertTouchable, settled } from '../support/looks.mjs';

const words = 'correct horse battery staple';
const phone = { viewport: { width: 390, height: 700 }, hasTouch: true, isMobile: true };
const desktop = { viewport: { width: 1280, height: 860 } };

describe('the look of the dialog of backups', { timeout: 240_000 }, () => {
  let backups;

  before(async () => {
    backups = await Backups.start();
  });
  after(() => backups?.stop());
  afterEach(() => backups.world.leave());

  for (const [size, context] of Object.entries({ 390: phone, 1280: desktop })) {
    it(`is_accessible_${size}_pixels_wide_in_light_and_dark`, async () => {
      const device = await backups.person('Alice', { context });
      const look = async (name) => {
        for (const colorScheme of ['light', 'dark']) {
          await device.page.emulateMedia({ colorScheme });
          await settled(device.page);
          await assertAccessible(device.page, name);
        }
        await assertFits(device.page, name);
        if (context === phone) await assertTouchable(device.page);
      };
      await device.add(`Paint the fence ${size}`);
      const dialog = await backups.open(device);
      await look('as it opens');
      const plain = await backups.save(device);
      await look('saved');
      await dialog.getByLabel('Protect it with a passphrase').check();
      for (const weak of ['fence', 'fence and', 'fence and post']) {
        await dialog.getByLabel('Passphrase', { exact: true }).fill(weak);
        await look(`the passphrase ${weak}`);
      }
      await dialog.getByLabel('Once more', { exact: true }).fill('fence');
      await look('a passphrase that differs');
      await typeTwice(dialog, words);
      await dialog.getByLabel('Choose a file').setInputFiles(await backups.save(device));
      await dialog.getByText('It is sealed.').waitFor();
      await look('a sealed file');
      const { tasks } = await backups.tablesIn(plain);
      const odd = await backups.made(`odd-${size}.mana`, plain, {
        'data/tasks.jsonl': linesOf([{ ...tasks[0], id: `another-${size}` }, { title: 'without an id' }]),
        'data/attic.jsonl': linesOf([{ id: 'box' }]),
      });
      await drop(device, odd, dialog.getByRole('group', { name: 'File' }), () => look('a file above its place'));
      await dialog.getByRole('button', { name: 'Show what it would change' }).click();
      await dialog.getByRole('button', { name: 'Bring back 1 record', exact: true }).waitFor();
      await look('what it would change');
      await dialog.getByRole('button', { name: 'Bring back 1 record', exact: true }).click();
      await dialog.getByText('Done: 1 record brought back.').waitFor();
      await look('what it changed');
      await dialog
        .getByLabel('Choose a file')
        .setInputFiles({ name: 'x.mana', mimeType: '', buffer: Buffer.from('hello') });
      await dialog.getByRole('alert').waitFor();
      await look('no archive');
      device.assertQuiet();
    });
  }

  it('brings_what_came_of_a_step_into_sight_on_a_phone', async () => {
    const device = await backups.person('Alice', { context: phone });
    await device.add('Clean the oven');
    const dialog = await backups.open(device);
    await dialog.getByLabel('Protect it with a passphrase').check();
    await typeTwice(dialog, words);
    const path = await backups.save(device);
    await dialog.evaluate((element) => element.scrollTo(0, 0));
    await dialog.getByLabel('Choose a file').setInputFiles(path);
    await inSight(device, dialog.getByLabel('It is sealed. Its passphrase'));
    await dialog.getByLabel('It is sealed. Its passphrase').fill(words);
    await dialog.evaluate((element) => element.scrollTo(0, 0));
    await dialog.getByLabel('It is sealed. Its passphrase').press('Enter');
    await inSight(device, dialog.getByText('Nothing to do: all of it is here, or something newer.'));
    device.assertQuiet();
  });
});

/** Waits until an element can be seen without scrolling. */
async function inSight(device, locator) {
  const element = await locator.elementHandle();
  const isSeen = (element) => {
    const { left, bottom } = element.getBoundingClientRect();
    return element.contains(document.elementFromPoint(left + 5, bottom - 5));
  };
  await device.page.waitForFunction(isSeen, element, { timeout: 5000 });
}
