// Two devices write the same field and have not seen each other's: who lost is told, and can have it back.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { World } from '../support/world.mjs';

describe('an edit that a later one replaced', { timeout: 300_000 }, () => {
  let world;
  let laptop;
  let phone;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  /** Alice's two devices, which both have these tasks. */
  async function bothHave(...titles) {
    [laptop, phone] = [await world.device(), await world.device()];
    for (const device of [laptop, phone]) {
      await device.signIn('Alice');
      await device.synced();
    }
    for (const title of titles) await laptop.add(title);
    for (const title of titles) await phone.sees(title);
    await laptop.synced();
  }

  /** Each writes what it is told to while it is cut off, the phone first: its values are the older ones. */
  async function apart(onPhone, onLaptop) {
    for (const device of [phone, laptop]) await device.setNetwork(false);
    await onPhone();
    await onLaptop();
    await laptop.setNetwork(true);
    await laptop.synced();
    await phone.setNetwork(true);
  }

  const renamed = (title, [older, later]) => [
    () => phone.edit(title, { Title: older }),
    () => laptop.edit(title, { Title: later }),
  ];

  it('is_announced_on_the_device_that_lost_and_restored_there_for_both', async () => {
    await bothHave('Name the boat');
    // A screen reader tells what comes into a place that it knows.
    const heard = await phone.messages.getByRole('status').elementHandle();
    await apart(...renamed('Name the boat', ['Name the boat Fiona', 'Name the boat Freya']));
    await phone.sees('Name the boat Freya');
    await phone.messages.getByText('Replaced: your title “Name the boat Fiona”.').waitFor();
    await phone.messages.getByText('Shown now: “Name the boat Freya”, by you on another device.').waitFor();
    assert.match(await heard.innerText(), /Replaced: your title/);
    await laptop.synced();
    assert.doesNotMatch(await laptop.messages.innerText(), /Replaced/);

    await tabTo(phone, 'Restore mine: title of “Name the boat Freya”');
    await phone.page.keyboard.press('Enter');
    for (const device of [phone, laptop]) await device.sees('Name the boat Fiona');
    await phone.messages.getByText(/^Replaced/).waitFor({ state: 'detached' });
    const focus = await phone.page.evaluate(() => document.activeElement.tagName);
    assert.notEqual(focus, 'BODY', 'the message took the focus with it');
    phone.assertQuiet();
    laptop.assertQuiet();
  });

  it('is_one_message_with_others_and_each_is_restored_by_itself', async () => {
    const tasks = ['Cut the hedge', 'Mow the lawn', 'Rake the leaves'];
    await bothHave(...tasks);
    const all = (device, how) => async () => {
      for (const title of tasks) await device.edit(title, { Title: `${title} ${how}` });
    };
    await apart(all(phone, 'today'), all(laptop, 'never'));
    await phone.messages.getByText('3 of your changes were replaced.').waitFor();
    assert.equal(await phone.messages.getByRole('button', { name: 'Dismiss' }).count(), 1);
    const opener = phone.messages.getByRole('button', { name: 'Show', exact: true });
    await opener.focus();
    await phone.page.keyboard.press('Enter');
    assert.equal(await phone.messages.getByRole('listitem').count(), 3);
    await phone.page.keyboard.press('Escape');
    await phone.messages.getByRole('list').waitFor({ state: 'hidden' });
    await opener.click();

    const restore = (title) => phone.messages.getByRole('button', { name: `Restore mine: title of “${title} never”` });
    await restore('Mow the lawn').click();
    await phone.messages.getByText('2 of your changes were replaced.').waitFor();
    await restore('Cut the hedge').click();
    await phone.messages.getByText('Replaced: your title “Rake the leaves today”.').waitFor();
    await phone.messages.getByRole('button', { name: 'Dismiss' }).click();
    for (const device of [phone, laptop]) {
      for (const title of ['Mow the lawn today', 'Cut the hedge today', 'Rake the leaves never'])
        await device.sees(title);
    }
    assert.doesNotMatch(await phone.messages.innerText(), /Replaced|replaced/);
  });

  it('names_whose_value_is_shown_in_a_list_of_several_people', async () => {
    [laptop, phone] = [await world.device(), await world.device()];
    await laptop.signIn('Alice');
    await laptop.synced();
    await laptop.pane.getByRole('button', { name: /^(Share a family list|Family)/ }).click();
    await laptop.pane.getByText('Shared with Bob').waitFor();
    await laptop.letWrite('Bob', true);
    await laptop.add('Paint the fence');
    await laptop.synced();
    await phone.signIn('Bob');
    await phone.showList('Family');
    await phone.sees('Paint the fence');
    await phone.synced();
    await apart(
      () => phone.edit('Paint the fence', { Notes: 'green' }),
      () => laptop.edit('Paint the fence', { Notes: 'blue' }),
    );
    await phone.messages.getByText('Replaced: your notes “green” of “Paint the fence”.').waitFor();
    await phone.messages.getByText('Shown now: “blue”, by Alice.').waitFor();
    // From the other list, too.
    await phone.showList('Mine');
    await phone.messages.getByRole('button', { name: /^Restore mine/ }).click();
    await phone.messages.getByText(/^Replaced/).waitFor({ state: 'detached' });
    await phone.synced();
    await laptop.item('Paint the fence').locator('[data-task]').click();
    await laptop.page.waitForFunction(() => document.querySelector('.editor textarea').value === 'green');
  });

  it('is_told_in_every_tab_and_leaves_all_of_them_when_it_is_restored_in_one', async () => {
    await bothHave('Feed the cat');
    const other = await phone.openTab();
    await other.sees('Feed the cat');
    await phone.page.bringToFront();
    for (const tab of [phone, other]) await tab.setNetwork(false);
    await apart(...renamed('Feed the cat', ['Feed the cats', 'Feed the dog']));
    await other.setNetwork(true);
    for (const tab of [phone, other]) await tab.messages.getByText('Replaced: your title “Feed the cats”.').waitFor();
    await other.messages.getByRole('button', { name: /^Restore mine/ }).click();
    for (const tab of [phone, other]) await tab.messages.getByText(/^Replaced/).waitFor({ state: 'detached' });
    await laptop.sees('Feed the cats');
  });

  it('is_not_readable_over_a_lock_and_says_why_it_cannot_be_restored', async () => {
    await bothHave('Write to Sam');
    await apart(...renamed('Write to Sam', ['Write to Samira', 'Write to Samuel']));
    const restore = phone.messages.getByRole('button', { name: /^Restore mine/ });
    await phone.messages.getByText('Replaced: your title “Write to Samira”.').waitFor();
    await phone.pane.getByRole('button', { name: 'Lock', exact: true }).click();
    await phone.locks(['locked']);
    await phone.messages.getByText('Replaced: your title (locked) of a locked task.').waitFor();
    assert.doesNotMatch(await phone.messages.innerHTML(), /Sam/);
    await restore.click();
    await phone.messages.getByRole('alert').getByText('vault_locked').waitFor();
    // This device remembers the code.
    await phone.pane.getByRole('button', { name: 'Unlock', exact: true }).click();
    await phone.locks(['unlocked']);
    await phone.messages.getByText('Replaced: your title “Write to Samira”.').waitFor();
    await restore.click();
    for (const device of [phone, laptop]) await device.sees('Write to Samira');
  });

  it('of_a_task_that_was_deleted_says_so_when_it_is_restored', async () => {
    await bothHave('Sell the car');
    await apart(...renamed('Sell the car', ['Sell the red car', 'Sell the blue car']));
    await phone.messages.getByText('Replaced: your title “Sell the red car”.').waitFor();
    await laptop.delete('Sell the blue car');
    await phone.seesNo('Sell the blue car');
    await phone.messages.getByText('It was deleted.').waitFor();
    await phone.messages.getByRole('button', { name: /^Restore mine/ }).click();
    await phone.messages.getByRole('alert').getByText('not_found').waitFor();
    await phone.messages.getByText(/^Replaced/).waitFor();
  });
});

describe('a message', { timeout: 120_000 }, () => {
  let world;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  it('does_not_go_while_somebody_points_at_it_or_has_the_focus_in_it', async () => {
    const device = await world.device({ welcome: true });
    await device.sees('Water the plants');
    // From here on time passes when the test says so, too.
    await device.page.clock.install();
    await device.delete('Water the plants');
    const undo = device.messages.getByRole('button', { name: 'Undo' });
    const minutePasses = () => device.page.clock.fastForward(60_000);
    await undo.hover();
    await minutePasses();
    assert.ok(await undo.isVisible(), 'it went under the pointer');
    await undo.focus();
    await device.page.mouse.move(10, 10);
    await minutePasses();
    assert.ok(await undo.isVisible(), 'it went with the focus in it');
    await device.newTask.focus();
    await device.page.evaluate(() => new Promise((resolve) => queueMicrotask(resolve)));
    await minutePasses();
    await undo.waitFor({ state: 'detached' });
  });
});

/** Presses Tab until the element with that name has the focus. */
async function tabTo(device, name) {
  for (let presses = 0; presses < 40; presses += 1) {
    await device.page.keyboard.press('Tab');
    if ((await device.page.evaluate(() => document.activeElement.ariaLabel)) === name) return;
  }
  assert.fail(`Tab never reached ${name}`);
}
