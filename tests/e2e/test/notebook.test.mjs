// The demo's notebook: an app whose notes come to a device when it is first opened there.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { World } from '../support/world.mjs';

describe('the notebook', { timeout: 180_000 }, () => {
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

  async function open(device) {
    await device.pane.getByRole('button', { name: /^Account/ }).click();
    await device.pane.getByRole('button', { name: 'Notebook' }).click();
    return device.page.getByRole('dialog', { name: 'Notebook' });
  }

  async function withNote(text) {
    const device = await alice();
    const notebook = await open(device);
    await notebook.getByLabel('New note').fill(text);
    await notebook.getByRole('button', { name: 'Add' }).click();
    await notebook.getByText(text).waitFor();
    await notebook.getByRole('button', { name: 'Close' }).click();
    await device.synced();
    device.assertQuiet();
  }

  it('comes_when_it_is_opened_and_says_how_far_it_is', async () => {
    await withNote('The key is under the mat');
    const other = await alice();
    let release;
    const held = new Promise((resolve) => {
      release = resolve;
    });
    const asked = [];
    await other.page.route('**/v2/pull', async (route) => {
      asked.push(Object.keys(route.request().postDataJSON()?.apps ?? {}));
      if (asked.at(-1).includes('notebook')) await held;
      await route.continue();
    });
    await Promise.all([other.page.waitForRequest('**/v2/pull'), other.syncNow()]);
    assert.ok(!asked.flat().includes('notebook'), JSON.stringify(asked));
    const notebook = await open(other);
    const bar = notebook.getByRole('progressbar', { name: 'Notebook' });
    await bar.waitFor();
    assert.equal(await bar.getAttribute('aria-valuetext'), 'looking for what there is');
    release();
    await notebook.getByText('The key is under the mat').waitFor();
    await bar.waitFor({ state: 'detached' });
  });

  it('says_that_it_is_not_here_yet_and_comes_when_the_network_is_back', async () => {
    await withNote('Milk for the cat');
    const other = await alice();
    await other.setNetwork(false);
    const notebook = await open(other);
    await notebook.getByText('Your notes have not come to this device yet.').waitFor();
    await notebook.getByRole('button', { name: 'Close' }).click();
    await other.setNetwork(true);
    await other.synced();
    await open(other);
    await notebook.getByText('Milk for the cat').waitFor();
  });
});
