// A visitor who signs in, the key and its recovery code, locking, and what the server and the disk are told of all that.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { World } from '../support/world.mjs';

describe('what only its owner reads', { timeout: 120_000 }, () => {
  let world;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  /** A device whose requests are noted. */
  async function alice(options) {
    const device = await world.device(options);
    device.requests = [];
    device.page.on('request', (request) => device.requests.push(request.postData() ?? ''));
    if (!options?.welcome) {
      await device.signIn('Alice');
      await device.synced();
    }
    return device;
  }

  function inspect(device, title) {
    return openDrawer(device, device.item(title).first());
  }

  async function openDrawer(device, item) {
    await item.locator('[data-task]').click();
    await device.pane.getByRole('button', { name: 'Inspect', exact: true }).click();
    const row = device.drawer.getByRole('row', { name: /^title/ });
    await row.waitFor();
    return row.getByRole('cell');
  }

  it('a_guest_takes_their_tasks_along_when_they_sign_in', async () => {
    const device = await alice({ welcome: true });
    await device.sees('Water the plants');
    await device.add('Hide the marmalade');
    assert.ok(!device.requests.some((body) => body.includes('marmalade')), 'a guest tells nobody');
    await device.pane.getByRole('button', { name: 'Sign in' }).click();
    await device.signIn('Alice');
    await device.pane.getByText('5 tasks from before you signed in').waitFor();
    await device.seesNo('Hide the marmalade');
    await device.pane.getByRole('button', { name: 'Add to my account' }).click();
    await device.sees('Hide the marmalade');
    await device.page.getByText('5 added to your account.').waitFor();
    await device.synced();
    assert.ok(!device.requests.some((body) => body.includes('marmalade')), 'it is sealed before it leaves');
    await device.page.reload();
    await device.sees('Hide the marmalade');
    assert.equal(await device.pane.getByText('from before you signed in').count(), 0, 'offered once');
    const other = await alice();
    await other.sees('Hide the marmalade');
    device.assertQuiet();
  });

  it('a_lock_hides_titles_until_it_is_opened_also_after_a_visit', async () => {
    const device = await alice();
    await device.add('Behind the lock today');
    await device.item('Behind the lock').waitFor();
    await device.pane.getByRole('button', { name: 'Lock', exact: true }).click();
    await device.locks(['locked']);
    await device.seesNo('Behind the lock');
    const locked = device.pane.getByRole('listitem').filter({ hasText: 'Locked task' });
    await locked.first().waitFor();
    await device.page.reload();
    await locked.first().waitFor();
    await device.pane.getByRole('button', { name: 'Unlock' }).click();
    await device.sees('Behind the lock');
    device.assertQuiet();
  });

  it('another_device_reads_with_the_recovery_code_and_with_no_other', async () => {
    const first = await alice();
    await first.add('Written on the first');
    await first.synced();
    const other = await world.device();
    await other.pane.getByRole('button', { name: 'Continue as Alice' }).click();
    await other.locks(['locked']);
    await other.pane.getByRole('listitem').filter({ hasText: 'Locked task' }).first().waitFor();
    await other.unlockWithCode(`${'0000-'.repeat(15)}0000`);
    await other.pane.getByText('recovery_code_wrong').waitFor();
    await other.unlockWithCode(first.recoveryCode);
    await other.sees('Written on the first');
    other.assertQuiet();
  });

  it('nobody_goes_on_whose_recovery_code_has_a_wrong_group', async () => {
    const device = await world.device();
    await device.pane.getByRole('button', { name: 'Continue as Bob' }).click();
    await device.locks(['setup']);
    await device.pane.getByRole('button', { name: 'Create my key' }).click();
    await device.writeCodeDown('Bob');
    await device.giveBack((group, isLast) => (isLast ? otherThan(group) : group));
    await device.pane.getByRole('alert').getByText('That is not what the code says').waitFor();
    assert.equal(
      await device.pane
        .getByLabel(/Group \d+/)
        .first()
        .getAttribute('aria-invalid'),
      'true',
    );
    await device.locks(['setup']);
    assert.equal(await device.newTask.count(), 0, 'there is nowhere to write yet');
    await device.giveBack((group) => group);
    await device.locks(['unlocked']);
    await device.newTask.waitFor();
    device.assertQuiet();
  });

  /** Another group, of the right shape. */
  function otherThan(group) {
    return group === '0000' ? '0001' : '0000';
  }

  it('a_family_list_is_shared_and_readable_and_ones_own_is_neither', async () => {
    const device = await alice();
    await device.pane.getByRole('button', { name: /^Share a family list/ }).click();
    await device.pane.getByText('Shared with Bob').waitFor();
    await device.add('Buy a cake for all');
    await device.synced();
    const shared = await inspect(device, 'Buy a cake for all');
    assert.deepEqual(
      (await shared.allInnerTexts()).slice(0, 3).map((text) => text.replace(/\s+/g, ' ').trim()),
      ['"Buy a cake for all"', '"Buy a cake for all"', '"Buy a cake for all" sent'],
    );
    await device.page.getByRole('button', { name: 'Close the inspector' }).click();
    await device.pane.getByRole('button', { name: 'Mine', exact: true }).click();
    await device.add('My own secret');
    await device.synced();
    const own = await (await inspect(device, 'My own secret')).allInnerTexts();
    assert.equal(own[0], '"My own secret"');
    assert.match(own[1], /"enc:2:/);
    assert.match(own[2], /"enc:2:.*sent/s);
    const bob = await world.device();
    await bob.signIn('Bob');
    await bob.pane.getByRole('button', { name: 'Family', exact: true }).click();
    await bob.sees('Buy a cake for all');
    await bob.pane.getByRole('button', { name: 'Mine', exact: true }).click();
    await bob.seesNo('My own secret');
    bob.assertQuiet();
  });
});
