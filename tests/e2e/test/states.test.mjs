// What only a person, or the app, can end: it is told once, shown in words, takes nothing, and ends as they are told.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Phone } from '../../support/phone.mjs';
import { BareDevices } from '../support/bare-devices.mjs';
import { Gate, largeId, makeRoom, withLittleRoom } from '../support/refusals.mjs';
import { World } from '../support/world.mjs';

/** Milliseconds in which what ends by itself would begin to, here where nothing else is the matter. */
const soon = 3000;

/** Starts a server anew, with these settings. */
async function restarted(server, settings) {
  await server.stop();
  await server.start(settings);
}

describe('a state that the app is told of', { timeout: 240_000 }, () => {
  let devices;
  let gate;
  let tab;

  before(async () => {
    devices = await BareDevices.start('states.js');
  });
  after(() => devices?.stop());
  beforeEach(async () => {
    gate = new Gate();
    tab = await devices.profile((context) => Promise.all([gate.watch(context), withLittleRoom(context)]));
    await tab.told('open', devices.server.url);
    assert.equal(await tab.told('sync'), 'done');
  });
  afterEach(() => tab.context.close());

  /** Waits until the tab shows a state, and gives the rest of what it shows with it. */
  async function shows(state) {
    const shown = await tab.page.waitForFunction((wanted) => {
      const { state, ...rest } = globalThis.device.status();
      return state === wanted && rest;
    }, state);
    return shown.jsonValue();
  }

  for (const [state, how] of [
    ['billing-required', 'unpaid'],
    ['needs-auth', 'unauthorized'],
  ]) {
    const code = state.replace('-', '_');

    it(`${state}_is_told_when_it_begins_and_ends_when_the_app_syncs`, async () => {
      gate.refuse(how);
      await tab.told('add', `${state} 1`);
      assert.deepEqual(await shows(state), { pending: 1, code });
      assert.deepEqual(await tab.told('events'), [[state, null]]);
      const { refused } = gate;
      await tab.told('add', `${state} 2`);
      await pause(soon);
      assert.equal(gate.refused, refused, 'nothing is asked until the app says so');
      assert.deepEqual(await shows(state), { pending: 2, code });
      assert.equal(await tab.told('sync'), 'sync_failed');
      assert.deepEqual(await shows(state), { pending: 2, code });

      gate.open();
      await pause(soon);
      assert.deepEqual(await shows(state), { pending: 2, code });
      assert.equal(await tab.told('sync'), 'done');
      assert.deepEqual(await shows('synced'), { pending: 0, code: null });
    });
  }

  it('one_refused_token_is_told_to_nobody', async () => {
    gate.refuse('unauthorized', 1);
    await tab.told('add', 'refused once');
    assert.equal(await tab.told('sync'), 'done');
    assert.equal(gate.refused, 1);
    assert.deepEqual(await tab.told('events'), []);
  });

  it('needs-auth_is_told_where_the_app_has_no_token_and_ends_when_it_starts_sync_again', async () => {
    await tab.told('setSignedIn', false);
    gate.refuse('unauthorized', 1);
    await tab.told('add', 'signed out');
    assert.deepEqual(await shows('needs-auth'), { pending: 1, code: 'needs_auth' });
    assert.deepEqual(await tab.told('events'), [['needs-auth', null]]);
    await tab.told('setSignedIn', true);
    await tab.told('start');
    assert.deepEqual(await shows('synced'), { pending: 0, code: null });
  });

  it('update-required_is_told_without_a_number_and_ends_when_the_server_is_newer', async (t) => {
    t.after(() => restarted(devices.server));
    await restarted(devices.server, { MAX_SCHEMA: 'diary=0' });
    await tab.told('add', 'too new');
    await tab.told('sync');
    assert.deepEqual(await shows('update-required'), { pending: 1, code: 'update_required' });
    assert.deepEqual(await tab.told('events'), [['update-required', {}]]);
    await restarted(devices.server);
    assert.equal(await tab.told('sync'), 'done');
    assert.deepEqual(await shows('synced'), { pending: 0, code: null });
  });

  it('storage-full_is_told_and_ends_by_itself_when_there_is_room', async () => {
    const before = await tab.told('ids');
    const phone = new Phone(devices.server, 'diary', ['notes']);
    await phone.push([phone.change('insert', 'notes', largeId, {}), phone.change('insert', 'notes', 'beside it', {})]);
    assert.deepEqual(await shows('storage-full'), { pending: 0, code: 'quota_exceeded' });
    assert.deepEqual((await tab.told('events'))[0], ['storage-full', null]);
    assert.deepEqual(await tab.told('ids'), before, 'nothing of the page was applied');
    assert.ok((await makeRoom(tab.page)) > 0);
    assert.deepEqual(await shows('synced'), { pending: 0, code: null });
    assert.deepEqual(await tab.told('ids'), [...before, 'beside it', largeId].sort());
  });
});

describe('a state that the person is told of', { timeout: 240_000 }, () => {
  let world;
  let gate;
  let laptop;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  beforeEach(async () => {
    gate = new Gate();
    const watch = (context) => Promise.all([gate.watch(context), withLittleRoom(context)]);
    laptop = await world.device({ watch });
    await laptop.signIn('Alice');
    await laptop.synced();
  });
  afterEach(() => world.leave());

  /** Waits until the indicator shows a state, and holds its words against these. */
  async function says(state, pending, label, sentence, code) {
    await laptop.syncs(state, { pending });
    await laptop.pane.getByRole('button', { name: new RegExp(`^Sync: ${label}`) }).click();
    await laptop.sync.getByText(sentence, { exact: true }).waitFor();
    await laptop.sync.locator('code', { hasText: code }).waitFor();
    await laptop.page.keyboard.press('Escape');
  }

  /** What was written meanwhile is here, and on the server. */
  async function everythingIsThere(title) {
    await laptop.synced();
    await laptop.sees(title);
    const phone = await world.device();
    await phone.signIn('Alice');
    await phone.sees(title);
  }

  it('Sync_paused_until_the_account_is_paid_for_and_the_person_syncs', async () => {
    gate.refuse('unpaid');
    await laptop.add('Written unpaid');
    await says('billing-required', 1, 'Sync paused', 'The subscription has ended.', 'billing_required');
    await laptop.sees('Written unpaid');
    gate.open();
    await laptop.syncNow();
    await everythingIsThere('Written unpaid');
  });

  it('Sign_in_again_until_the_person_does', async () => {
    gate.refuse('unauthorized');
    await laptop.add('Written signed out');
    await says('needs-auth', 1, 'Sign in again', 'The server does not know this session.', 'needs_auth');
    await laptop.sees('Written signed out');
    gate.open();
    await laptop.signOut();
    await laptop.signIn('Alice');
    await everythingIsThere('Written signed out');
  });

  it('Update_needed_until_it_is_there_and_the_page_reloaded', async (t) => {
    t.after(() => restarted(world.server));
    await restarted(world.server, { MAX_SCHEMA: 'todo=0' });
    await laptop.add('Written too new');
    await laptop.syncNow();
    await says('update-required', 1, 'Update needed', 'Reload to get the newest version.', 'update_required');
    await laptop.sees('Written too new');
    await restarted(world.server);
    await laptop.page.reload();
    await laptop.openKey();
    await everythingIsThere('Written too new');
  });

  it('Storage_full_until_there_is_room', async () => {
    const tasks = await laptop.titles();
    const phone = new Phone(world.server, 'todo', ['tasks'], undefined, 'alice');
    const task = { title: 'Large', state: 'open', project: 'Home', dueDate: '2030-02-03' };
    await phone.push([phone.change('insert', 'tasks', largeId, task)]);
    await says('storage-full', 0, 'Storage full', 'Free some space on this device.', 'quota_exceeded');
    await laptop.messages.getByText('There is no room left on this device for what the server sent.').waitFor();
    assert.deepEqual(await laptop.titles(), tasks);
    await laptop.add('A small one');
    await laptop.saved();
    assert.ok((await makeRoom(laptop.page)) > 0);
    await laptop.sees('Large');
    await everythingIsThere('A small one');
  });
});
