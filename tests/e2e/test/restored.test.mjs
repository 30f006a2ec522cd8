// One person's sealed backup becomes another's own, each in a browser of their own: what the network, the server and the disks hold of it
// nobody else can read.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Phone } from '../../support/phone.mjs';
import { Backups } from '../support/backup-dialog.mjs';
import { storedRows } from '../support/stored.mjs';
import { found, Traffic } from '../support/traffic.mjs';

const words = 'correct horse battery staple';
/** What Alice writes: titles and notes are sealed, projects are not. */
const secrets = {
  title: 'a kayak for the summer house',
  other: 'the letter to the notary',
  notes: 'it is in the blue drawer',
};
const controls = { project: 'Summerhouse-7301' };

describe('a backup of one person that another brings back', { timeout: 240_000 }, () => {
  let backups;

  before(async () => {
    backups = await Backups.start();
  });
  after(() => backups?.stop());
  afterEach(() => backups.world.leave());

  it('is_theirs_alone_on_all_their_devices_whatever_list_is_open', async () => {
    const traffic = { alice: new Traffic(), bob: new Traffic(), phone: new Traffic() };
    const person = (name, whose) =>
      backups.person(name, { alone: true, watch: (context) => traffic[whose].watch(context) });
    const alice = await person('Alice', 'alice');
    const bob = await person('Bob', 'bob');
    const path = await saveAsAlice(alice);
    await openFamily(alice, bob);
    await bringBack(bob, path);

    // The family's list is open, and the tasks are in Bob's own.
    await bob.seesNo(secrets.title);
    await bob.showList('Mine');
    await bob.sees(secrets.title);
    await bob.synced();
    const phone = await person('Bob', 'phone');
    await phone.sees(secrets.other);
    await phone.sees(secrets.title);
    await alice.syncNow();
    await alice.synced();

    const envelopes = await assertIsBobs(bob);
    await assertIsSealed({ bob, phone }, traffic, envelopes);
    await assertNobodyElseHasIt(alice, traffic.alice, envelopes);
    for (const device of [alice, bob, phone]) device.assertQuiet();
  });

  async function saveAsAlice(alice) {
    await alice.add(`${secrets.title} #${controls.project}`);
    await alice.edit(secrets.title, { Notes: secrets.notes });
    await alice.add(secrets.other);
    await alice.synced();
    const dialog = await backups.open(alice);
    await dialog.getByLabel('Protect it with a passphrase').check();
    await dialog.getByLabel('Passphrase', { exact: true }).fill(words);
    await dialog.getByLabel('Once more').fill(words);
    const path = await backups.save(alice);
    await dialog.getByRole('button', { name: 'Close' }).click();
    return path;
  }

  /** Both are in one list, which Bob has open. */
  async function openFamily(alice, bob) {
    await alice.pane.getByRole('button', { name: 'Share a family list with Bob' }).click();
    await alice.pane.getByText(/^Shared with Bob/).waitFor();
    await bob.showList('Family');
    await bob.pane.getByText(/^Shared with Alice/).waitFor();
  }

  async function bringBack(bob, path) {
    const dialog = await backups.open(bob);
    await dialog.getByLabel('Choose a file').setInputFiles(path);
    await dialog.getByLabel('It is sealed. Its passphrase').fill(words);
    await dialog.getByRole('button', { name: 'Show what it would change' }).click();
    await dialog.getByText('2 new', { exact: false }).waitFor();
    await dialog.getByRole('button', { name: /^Bring back \d+ records$/ }).click();
    await dialog.getByText(/^Done: \d+ records brought back\.$/).waitFor();
    await dialog.getByRole('button', { name: 'Close' }).click();
  }

  /** They are stamped as his; gives what their sealed fields hold on his disk. */
  async function assertIsBobs(bob) {
    const rows = await tasksOn(bob.page);
    assert.equal(rows.length, 2);
    for (const row of rows) {
      const { authorId, spaceId } = row;
      assert.equal(authorId, 'bob');
      assert.equal(spaceId, '_personal:bob');
      assert.ok(!JSON.stringify(row).includes('alice'), 'nothing names who wrote it first');
    }
    const sealed = rows.flatMap(({ title, notes }) => [title, notes]);
    assert.ok(
      sealed.every((value) => /^enc:2:/.test(value)),
      String(sealed),
    );
    return Object.fromEntries(sealed.map((value, at) => [`envelope ${at}`, value]));
  }

  /** What was not sealed is found in the same places, so what is not found is not there. */
  async function assertIsSealed(devices, traffic, envelopes) {
    const places = {
      'sent by Bob': [...traffic.bob.sent, ...traffic.bob.frames],
      'come to his phone': await traffic.phone.everything(),
      'on his disk': await diskOf(devices.bob),
      "on his phone's disk": await diskOf(devices.phone),
      "in the server's database": (await backups.world.server.databaseFiles()).map(({ bytes }) => bytes),
    };
    for (const [where, bytes] of Object.entries(places)) {
      assert.deepEqual(found({ ...secrets, words }, bytes), [], where);
      assert.deepEqual(found({ ...controls, ...envelopes }, bytes), Object.keys({ ...controls, ...envelopes }), where);
    }
    assert.deepEqual(found({ ...secrets, words }, await traffic.bob.everything()), [], 'in all of his traffic');
  }

  /** Neither Alice, who is in a list with him, nor anybody at the server. */
  async function assertNobodyElseHasIt(alice, hers, envelopes) {
    assert.deepEqual(found(envelopes, await hers.everything()), [], "in Alice's traffic");
    assert.deepEqual(found(envelopes, await diskOf(alice)), [], 'on her disk');
    for (const user of ['alice', 'carol']) {
      const changes = [];
      const other = new Phone(backups.world.server, 'todo', ['tasks'], (change) => changes.push(change), user);
      await other.pull();
      assert.equal(
        changes.filter(
          ({ userId, authorId, spaceId }) => [userId, authorId].includes('bob') || spaceId === '_personal:bob',
        ).length,
        0,
        user,
      );
      assert.deepEqual(found(envelopes, [Buffer.from(JSON.stringify(changes))]), [], user);
      assert.equal(changes.length > 0, user === 'alice', 'Alice has her own');
    }
  }

  async function tasksOn(page) {
    return (await storedRows(page)).filter(({ store }) => store === 'tasks').map(({ row }) => JSON.parse(row));
  }

  async function diskOf(device) {
    return (await storedRows(device.page)).map(({ row }) => Buffer.from(row));
  }
});
