// Two people and one list: what is shared arrives, what is not leaves no byte, and who is removed loses the copy.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { arrivalOf, lastCommit, p95, watchArrivals, watchCommits } from '../support/arrivals.mjs';
import { storedRows } from '../support/stored.mjs';
import { found, Traffic } from '../support/traffic.mjs';
import { World } from '../support/world.mjs';

/** How many rows are timed from the commit to the other screen. */
const ROWS = 50;

describe('two people with a family list', { timeout: 300_000 }, () => {
  let world;
  let alice;
  let bob;
  const traffic = new Traffic();

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  it('they_share_what_is_shared_and_nothing_else_until_one_is_removed', async () => {
    [alice, bob] = [await world.device(), await world.device({ watch: (context) => traffic.watch(context) })];
    await alice.signIn('Alice');
    await bob.signIn('Bob');
    await alice.pane.getByRole('button', { name: 'Share a family list with Bob' }).click();
    await alice.pane.getByText(/^Shared with Bob/).waitFor();
    await bob.showList('Family');
    await bob.pane.getByText(/^Shared with Alice/).waitFor();

    await alice.showList('Family');
    await timeRows();
    const secrets = await keepToAlice();
    const shared = await shareBothWays();
    await assertBobHasNone(secrets, shared);
    await removeBob(shared);
    await assertAliceHasAll(secrets, shared);
    for (const device of [alice, bob]) device.assertQuiet({ network: true });
  });

  /** Rows that are Alice's alone, in her own list and in the family's: titles and ids, by name. */
  async function keepToAlice() {
    const titles = { own: 'a rowing boat for Bob', private: 'a quarrel about the inheritance' };
    await alice.showList('Mine');
    await alice.add(titles.own);
    const ownId = await alice.idOf(titles.own);
    await alice.showList('Family');
    await alice.keepToSelf(true);
    await alice.add(titles.private);
    await alice.keepToSelf(false);
    await alice.item(titles.private).getByText('Only you').waitFor();
    const privateId = await alice.idOf(titles.private);
    await alice.synced();
    return { ...titles, ownId, privateId };
  }

  /** One row of each that both see, and one of Bob's that he keeps to himself. */
  async function shareBothWays() {
    await alice.add('Said by Alice');
    await bob.sees('Said by Alice');
    await bob.add('Said by Bob');
    await alice.sees('Said by Bob');
    await bob.keepToSelf(true);
    await bob.add('Kept by Bob');
    await bob.keepToSelf(false);
    await bob.synced();
    return { byAlice: 'Said by Alice', byBob: 'Said by Bob', id: await alice.idOf('Said by Alice') };
  }

  /** Bob sees each row that Alice adds; the times are told, never judged. */
  async function timeRows() {
    await watchCommits(alice.page);
    await watchArrivals(bob.page);
    const times = [];
    for (let row = 1; row <= ROWS; row += 1) {
      const title = `Row ${row} of ${ROWS}`;
      await alice.add(title);
      await bob.sees(title);
      times.push((await arrivalOf(bob.page, title)) - (await lastCommit(alice.page)));
    }
    const [half, most] = [times.sort((a, b) => a - b)[ROWS / 2], p95(times)].map(Math.round);
    console.log(`from commit to the other screen, ${ROWS} rows: median ${half} ms, p95 ${most} ms`);
  }

  /** Neither on the screen nor in any byte that came, nor in what is stored. */
  async function assertBobHasNone(secrets, shared) {
    await alice.synced();
    await bob.syncNow();
    await bob.synced();
    const screen = [Buffer.from(await bob.page.content())];
    const disk = (await storedRows(bob.page)).map(({ row }) => Buffer.from(row));
    const came = [...(await traffic.everything())];
    for (const [where, bytes] of Object.entries({ screen, disk, came })) {
      assert.deepEqual(found(secrets, bytes), [], where);
      // What is shared is found in the same place, so what is not found is not there.
      assert.deepEqual(found(shared, bytes), Object.keys(shared), where);
    }
  }

  async function removeBob(shared) {
    const keptBefore = await ofBob();
    // From here on his clock can be moved.
    await bob.page.clock.install();
    await bob.page.reload();
    await bob.showList('Family');
    await bob.sees('Said by Alice');
    await alice.pane.getByRole('button', { name: 'Members', exact: true }).click();
    await alice.pane.getByRole('button', { name: 'Remove Bob' }).click();
    await alice.pane.getByRole('button', { name: 'Invite Bob' }).waitFor();
    await alice.page.keyboard.press('Escape');
    // The list is hidden with the first answer, and goes with one that is a minute later.
    await bob.pane.getByRole('button', { name: 'Family', exact: true }).waitFor({ state: 'detached' });
    assert.deepEqual(found(shared, await bytesOnDisk()), Object.keys(shared), 'one answer removes nothing');
    await bob.page.clock.fastForward(61_000);
    await bob.syncNow();
    await bob.page.getByText(/1 task that only you know of/).waitFor();
    assert.deepEqual(found(shared, await bytesOnDisk()), [], 'the copy is gone');
    assert.deepEqual(await ofBob(), keptBefore, 'what he kept to himself is there as it was');
    assert.equal(keptBefore.length, 1);
    await bob.seesNo('Kept by Bob');
  }

  async function bytesOnDisk() {
    return (await storedRows(bob.page)).map(({ row }) => Buffer.from(row));
  }

  /** Bob's private tasks, sealed as they are stored. */
  async function ofBob() {
    const rows = (await storedRows(bob.page))
      .filter(({ store }) => store === 'tasks')
      .map(({ row }) => JSON.parse(row));
    return rows.filter(({ visibility, authorId }) => visibility === 'private' && authorId === 'bob');
  }

  async function assertAliceHasAll(secrets, shared) {
    await alice.page.reload();
    await alice.showList('Family');
    for (const title of [secrets.private, shared.byAlice, shared.byBob, `Row ${ROWS} of ${ROWS}`])
      await alice.sees(title);
    await alice.pane.getByText(`${ROWS + 3} open`).waitFor();
    await alice.seesNo('Kept by Bob');
    await alice.showList('Mine');
    await alice.sees(secrets.own);
  }
});
