// What the server refuses for good: the person is told, sees what and why, and sends it again or discards it.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { World } from '../support/world.mjs';

describe('a change that the server refuses', { timeout: 120_000 }, () => {
  let world;
  let alice;
  let bob;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  /** Alice owns the family list, Bob writes there, and it has a task with this title. */
  async function family(title) {
    alice = await world.device();
    await alice.signIn('Alice');
    await alice.synced();
    await alice.pane.getByRole('button', { name: /^(Share a family list|Family)/ }).click();
    await alice.pane.getByText('Shared with Bob').waitFor();
    await alice.letWrite('Bob', true);
    await alice.add(title);
    await alice.synced();
    bob = await world.device();
    await bob.signIn('Bob');
    await bob.showList('Family');
    await bob.sees(title);
    await bob.synced();
  }

  /** Bob does something while he does not know that Alice lets him only read. */
  async function asReader(work) {
    await bob.setNetwork(false);
    await alice.letWrite('Bob', false);
    await work();
    await bob.setNetwork(true);
  }

  it('is_shown_with_its_reason_and_sent_again_when_the_person_may_write', async () => {
    await family('Buy a cake');
    await asReader(() => bob.edit('Buy a cake', { Title: 'Buy two cakes' }));
    await bob.refuses(1);
    await bob.pane.getByText('1 change was not accepted', { exact: true }).waitFor();

    await bob.page.getByRole('button', { name: 'Show', exact: true }).click();
    const letter = bob.letters.getByRole('listitem', { name: 'Changed “Buy two cakes”' });
    await letter.getByText('You may only read this list.').waitFor();
    await letter.getByText(/^Title/).waitFor();
    await letter.getByText('Details').click();
    await letter.getByText('read_only').waitFor();
    await letter.getByRole('button', { name: /^Try again/ }).click();
    await bob.letters.getByText('The server refused it again').waitFor();

    await alice.letWrite('Bob', true);
    await letter.getByRole('button', { name: /^Try again/ }).click();
    await bob.letters.waitFor({ state: 'hidden' });
    await bob.page.getByText('The server accepted your change.').waitFor();
    // The message that it was opened from has gone.
    await indicatorHasFocus(bob);
    await bob.refuses(0);
    await alice.sees('Buy two cakes');
    bob.assertQuiet();
  });

  it('is_discarded_after_a_question_and_everything_is_as_it_was', async () => {
    await family('Call Grandma');
    await asReader(async () => {
      await bob.edit('Call Grandma', { Title: 'Call nobody' });
      // What was under way once is not put together with what is written later.
      await bob.syncNow();
      await bob.edit('Call nobody', { Notes: 'and write to nobody' });
      await bob.add('A task that never was');
    });
    await bob.refuses(2);
    await bob.showLetters();
    const changed = bob.letters.getByRole('listitem', { name: 'Changed “Call nobody”' });
    await changed.getByText('1 later change waits behind it.').waitFor();
    await changed.getByRole('button', { name: /^Discard/ }).click();
    await changed.getByText(/The task goes back to how it was/).waitFor();
    await changed.getByRole('button', { name: 'Keep it' }).click();
    await bob.discardLetter('Changed “Call nobody”');
    await bob.sees('Call Grandma');
    // What waited was sent then, and is refused for the same reason.
    await bob.letters
      .getByRole('listitem', { name: 'Changed “Call Grandma”' })
      .getByText(/^Notes/)
      .waitFor();
    await bob.discardLetter('Changed “Call Grandma”');
    await bob.item('Call Grandma').getByText('Has notes').waitFor({ state: 'detached' });

    const added = bob.letters.getByRole('listitem', { name: 'Added “A task that never was”' });
    await added.getByRole('button', { name: /^Discard/ }).click();
    await added.getByText(/The new task will be gone/).waitFor();
    await added.getByRole('button', { name: 'Discard it' }).click();
    await bob.letters.waitFor({ state: 'hidden' });
    await bob.seesNo('A task that never was');
    await bob.seesNo('Call nobody');
    await bob.refuses(0);
    bob.assertQuiet();
  });

  it('of_somebody_who_was_removed_is_named_and_goes_by_itself_when_they_are_invited_again', async () => {
    await family('Book the hall');
    await bob.setNetwork(false);
    await alice.choose('Members', 'Remove Bob');
    await alice.pane.getByRole('button', { name: 'Invite Bob' }).waitFor();
    await bob.edit('Book the hall', { Title: 'Book the big hall' });
    await bob.setNetwork(true);
    await bob.refuses(1);
    await bob.seesNo('Book the big hall');
    await bob.showLetters();
    const letter = bob.letters.getByRole('listitem', { name: 'Changed “Book the big hall”' });
    await letter.getByText('You are not in this list any more.').waitFor();
    await alice.pane.getByRole('button', { name: 'Invite Bob' }).click();
    await bob.letters.waitFor({ state: 'hidden' });
    await alice.sees('Book the big hall');
    bob.assertQuiet();
  });

  it('is_listed_in_every_tab_and_leaves_all_of_them_at_once', async () => {
    await family('Feed the cat');
    const other = await bob.openTab();
    await bob.page.bringToFront();
    await asReader(() => bob.edit('Feed the cat', { Title: 'Feed the dog' }));
    for (const tab of [bob, other]) await tab.refuses(1);
    await bob.showLetters();
    await other.page.bringToFront();
    await other.showLetters();
    await other.discardLetter('Changed “Feed the dog”');
    for (const tab of [bob, other]) {
      await tab.letters.waitFor({ state: 'hidden' });
      await tab.refuses(0);
    }
    await bob.sees('Feed the cat');
  });

  it('can_be_provoked_and_is_read_and_decided_with_the_keyboard_alone', async () => {
    await family('Sweep the yard');
    await bob.showInDrawer('Try out');
    await bob.drawer.getByRole('button', { name: 'Add a task that is refused' }).click();
    await bob.refuses(1);
    const { keyboard } = bob.page;
    const indicator = bob.pane.getByRole('button', { name: /^Sync: / });
    await indicator.focus();
    await keyboard.press('Enter');
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    await bob.letters.waitFor();
    await keyboard.press('Escape');
    await bob.letters.waitFor({ state: 'hidden' });
    await indicatorHasFocus(bob);
    assert.ok(await bob.drawer.isVisible(), 'Escape closed the drawer, too');

    await bob.drawer.getByRole('button', { name: 'Be let write again' }).click();
    await bob.showLetters();
    await bob.letters.getByRole('button', { name: /^Try again/ }).focus();
    await keyboard.press('Enter');
    await bob.letters.waitFor({ state: 'hidden' });
    await indicatorHasFocus(bob);
    await alice.sees('Added by somebody who may only read');
    bob.assertQuiet();
  });

  it('is_only_discarded_where_it_could_not_be_sent_at_all', async () => {
    alice = await world.device();
    await alice.signIn('Alice');
    await alice.synced();
    await alice.showInDrawer('Try out');
    await alice.drawer.getByRole('button', { name: 'Open one of an app on Dexie' }).click();
    await alice.page.getByText(/data are complete: .* 1 change was not accepted/).waitFor();
    await alice.synced();
    const titles = await alice.titles();
    const other = await alice.openTab();
    await other.refuses(1);
    await other.showLetters();
    const letter = other.letters.getByRole('listitem', { name: 'Added something of an older app' });
    await letter.getByText('It belongs to a part of the app that is gone.').waitFor();
    assert.equal(await letter.getByRole('button', { name: /^Try again/ }).count(), 0);
    await letter.getByRole('button', { name: /^Discard/ }).click();
    await letter.getByText(/Only this notice goes/).waitFor();
    await letter.getByRole('button', { name: 'Discard it' }).click();
    await other.letters.waitFor({ state: 'hidden' });
    // The one that syncs hears of it, too.
    for (const tab of [other, alice]) await tab.refuses(0);
    assert.deepEqual(await alice.titles(), titles);
    alice.assertQuiet();
  });
});

/** Waits until the button that opens the sync state has the focus. */
function indicatorHasFocus(device) {
  const indicator = device.pane.getByRole('button', { name: /^Sync: / });
  return indicator.and(device.page.locator(':focus')).waitFor({ timeout: 5000 });
}
