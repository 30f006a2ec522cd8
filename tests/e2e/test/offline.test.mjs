// Edits without a network, reloads and crashes: what was shown as saved stays, and both sides' edits survive.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { World } from '../support/world.mjs';

describe('working without a network', { timeout: 180_000 }, () => {
  let world;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  async function alice() {
    const device = await world.device();
    await device.signIn('Alice');
    await device.synced();
    return device;
  }

  it('a_title_edited_offline_and_a_due_date_edited_online_both_survive', async () => {
    const [laptop, phone] = [await alice(), await alice()];
    await laptop.add('Book the train');
    await phone.sees('Book the train');
    await laptop.synced();

    await phone.setNetwork(false);
    await phone.edit('Book the train', { Title: 'Book the night train' });
    await phone.syncs(['offline', 'error'], { pending: 1 });
    await laptop.edit('Book the train', { 'Due date': '2031-12-24' });
    await laptop.synced();
    await phone.setNetwork(true);

    for (const device of [laptop, phone]) {
      await device.synced();
      await device.sees('Book the night train');
      await device.item('Book the night train').getByText('24 Dec 2031').waitFor();
      device.assertQuiet();
    }
  });

  it('both_sides_offline_meet_again_and_agree', async () => {
    const [laptop, phone] = [await alice(), await alice()];
    await laptop.add('Paint the fence');
    await phone.sees('Paint the fence');
    for (const device of [laptop, phone]) await device.setNetwork(false);
    await laptop.edit('Paint the fence', { Notes: 'green', Project: 'Garden' });
    await laptop.add('Added on the laptop');
    await phone.edit('Paint the fence', { Title: 'Paint the old fence' });
    await phone.add('Added on the phone');
    for (const device of [laptop, phone]) await device.setNetwork(true);

    for (const device of [laptop, phone]) {
      for (const title of ['Paint the old fence', 'Added on the laptop', 'Added on the phone'])
        await device.sees(title);
      await device.item('Paint the old fence').getByText('Garden').waitFor();
    }
    assert.deepEqual(await phone.titles(), await laptop.titles());
  });

  it('a_browser_without_a_connection_says_so_and_catches_up', async () => {
    const [laptop, phone] = [await alice(), await alice()];
    await phone.page.context().setOffline(true);
    await phone.add('Written in a tunnel');
    await phone.syncs(['offline', 'error'], { pending: 1 });
    await phone.page.context().setOffline(false);
    await phone.synced();
    await laptop.sees('Written in a tunnel');
    phone.assertQuiet({ network: true });
  });

  it('a_reload_right_after_saved_loses_nothing', async () => {
    const laptop = await alice();
    for (const title of ['First before the reload', 'Second before the reload']) {
      await laptop.add(title);
      await laptop.page.reload();
      await laptop.sees(title);
    }
    await laptop.synced();
    laptop.assertQuiet();
  });

  it('a_crash_right_after_saved_loses_nothing', async () => {
    const [laptop, phone] = [await alice(), await alice()];
    await laptop.add('Added before the crash');
    await laptop.crash();
    await laptop.sees('Added before the crash');
    await laptop.edit('Added before the crash', { Notes: 'and edited' });
    await laptop.crash();
    await laptop.item('Added before the crash').getByText('Has notes').waitFor();
    await laptop.synced();
    await phone.sees('Added before the crash');
  });

  it('an_offline_device_that_crashes_still_sends_its_edits_later', async () => {
    const [laptop, phone] = [await alice(), await alice()];
    await laptop.setNetwork(false);
    await laptop.add('Offline and crashed');
    await laptop.crash();
    await laptop.sees('Offline and crashed');
    await laptop.syncs(['offline', 'error'], { pending: 1 });
    await laptop.setNetwork(true);
    await laptop.synced();
    await phone.sees('Offline and crashed');
  });

  it('a_page_with_unsaved_text_asks_before_it_closes_and_saves_when_the_person_stays', async () => {
    const laptop = await alice();
    await laptop.add('Half a thought');
    await laptop.item('Half a thought').locator('[data-task]').click();
    const asked = new Promise((resolve) => {
      laptop.page.once('dialog', (dialog) => dialog.dismiss().then(() => resolve(dialog.type())));
    });
    await laptop.pane.getByLabel('Title', { exact: true }).fill('Half a thought and the rest');
    await laptop.page.evaluate(() => void location.reload());
    assert.equal(await asked, 'beforeunload');
    await laptop.saved();
    await laptop.page.reload();
    await laptop.sees('Half a thought and the rest');
  });
});
