// The second device on the same page, and the drawer that shows what is stored.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { World } from '../support/world.mjs';

describe('the second device on the page', { timeout: 120_000 }, () => {
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

  it('has_a_database_of_its_own_and_converges_with_the_first', async () => {
    const first = await alice();
    await first.add('Shared between both');
    const second = await first.openSecond();
    await second.sees('Shared between both');
    await second.edit('Shared between both', { Title: 'Edited on the second' });
    await first.sees('Edited on the second');
    const names = await first.page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));
    assert.ok(names.includes('mana-demo-a-alice') && names.includes('mana-demo-a2-alice'), names.join());
    first.assertQuiet();
  });

  it('works_alone_while_the_other_one_is_cut_off', async () => {
    const first = await alice();
    const second = await first.openSecond();
    await second.synced();
    await first.setNetwork(false);
    await first.add('Waits for the network');
    await first.syncs(['offline', 'error'], { pending: 1 });
    await second.add('Goes straight to the server');
    await second.synced();
    await second.seesNo('Waits for the network');
    await first.seesNo('Goes straight to the server');
    await first.setNetwork(true);
    await second.sees('Waits for the network');
    await first.sees('Goes straight to the server');
    first.assertQuiet();
  });

  it('may_belong_to_the_other_user_who_sees_nothing_of_the_first', async () => {
    const first = await alice();
    await first.add('Not for Bob');
    const second = await first.openSecond();
    await second.synced();
    await second.signOut();
    await second.signIn('Bob');
    await second.synced();
    await second.seesNo('Not for Bob');
    assert.deepEqual(await second.titles(), []);
  });

  it('another_tab_can_be_another_device', async () => {
    const first = await alice();
    await first.add('Seen in both tabs');
    await first.synced();
    await first.page.goto(`${first.page.url()}&device=b`);
    await first.signIn('Alice');
    await first.sees('Seen in both tabs');
  });

  it('two_tabs_may_share_one_database', async () => {
    const first = await alice();
    const address = first.page.url();
    const [page] = [await first.page.context().newPage()];
    await page.goto(address);
    await first.add('Written in the first tab');
    await page.getByText('Written in the first tab', { exact: true }).waitFor();
    first.assertQuiet();
  });

  it('the_inspector_shows_the_record_its_stamps_and_the_change_log', async () => {
    const first = await alice();
    await first.setNetwork(false);
    await first.add('Look inside #lab');
    await first.item('Look inside').locator('[data-task]').click();
    await first.pane.getByRole('button', { name: 'Inspect', exact: true }).click();
    const drawer = first.page.getByRole('complementary', { name: 'Inspector' });
    const title = drawer.getByRole('row', { name: /^title/ });
    await title.getByText('"Look inside"').waitFor();
    assert.match(await title.innerText(), /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z/);
    await drawer.getByText('1 waiting for the server').waitFor();
    await drawer.getByText(/"op": "insert"/).waitFor();
    await first.setNetwork(true);
    await drawer.getByText('Empty: the server has every change of this task.').waitFor();
    await first.page.keyboard.press('Escape');
    first.assertQuiet();
  });
});
