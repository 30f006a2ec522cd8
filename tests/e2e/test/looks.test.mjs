// What a person meets: keyboard, screen reader, finger, small and large screens, light and dark.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { newerTasks, withForeignChanges } from '../support/foreign.mjs';
import { assertAccessible, assertFits, assertTouchable, settled } from '../support/looks.mjs';
import { World } from '../support/world.mjs';

const phone = { viewport: { width: 375, height: 760 }, hasTouch: true, isMobile: true };
const desktop = { viewport: { width: 1280, height: 860 } };

describe('the look of the demo', { timeout: 360_000 }, () => {
  let world;
  let shots;

  before(async () => {
    world = await World.start();
    shots = process.env.SCREENSHOT_DIR ?? (await mkdtemp(join(tmpdir(), 'mana-screenshots-')));
    await mkdir(shots, { recursive: true });
    console.log(`screenshots: ${shots}`);
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  it('tasks_can_be_added_edited_ticked_and_deleted_with_the_keyboard_alone', async () => {
    const device = await world.device();
    const { keyboard } = device.page;
    await tabTo(device, 'Continue as Bob');
    await keyboard.press('Enter');
    await device.openKey('Bob');
    await device.newTask.waitFor();
    await keyboard.press('n');
    await keyboard.type('Older by key');
    await keyboard.press('Enter');
    await keyboard.type('Newer by key');
    await keyboard.press('Enter');
    await device.sees('Newer by key');

    await keyboard.press('ArrowDown');
    await keyboard.press('Enter');
    await keyboard.press('Control+a');
    await keyboard.type('Newer, renamed');
    await keyboard.press('Enter');
    await device.sees('Newer, renamed');
    assert.match(await focused(device), /Newer, renamed/);

    await keyboard.press('x');
    await device.seesNo('Newer, renamed');
    await device.pane.locator('[data-task]:focus').filter({ hasText: 'Older by key' }).waitFor();
    await keyboard.press('Delete');
    await device.seesNo('Older by key');
    await tabTo(device, 'Undo');
    await keyboard.press('Enter');
    await device.sees('Older by key');
    await keyboard.press('?');
    await device.page.getByRole('dialog').waitFor();
    await keyboard.press('Escape');
    device.assertQuiet();
  });

  for (const [size, options] of [
    ['375', phone],
    ['1280', desktop],
  ]) {
    for (const colorScheme of ['light', 'dark']) {
      it(`${size}_pixels_wide_and_${colorScheme}_it_is_accessible_and_nothing_jumps`, async () => {
        const device = await world.device({ context: { ...options, colorScheme } });
        await device.page.evaluate(watchLayoutShifts);
        const look = async (name) => {
          await settled(device.page);
          await device.page.screenshot({ path: join(shots, `${size}-${colorScheme}-${name}.png`) });
          await assertAccessible(device.page, name);
          await assertFits(device.page, name);
        };
        await look('1-sign-in');
        await device.signIn('Alice');
        await device.synced();
        await fill(device);
        await look('2-list');
        await device.item('Book the train to Lyon').locator('[data-task]').click();
        await look('3-editor');
        await device.pane.getByRole('button', { name: 'Inspect', exact: true }).click();
        await device.page.getByRole('row', { name: /^title/ }).waitFor();
        await look('4-inspector');
        await device.page.getByRole('button', { name: 'Close the inspector' }).click();
        await device.pane.getByRole('button', { name: 'Done editing' }).click();
        await device.searchFor('the');
        await device.choose('View', 'By title');
        await look('5-view');
        await device.page.getByRole('button', { name: 'How the list is read' }).click();
        await device.drawer.getByText('searched by a function').first().waitFor();
        await look('6-queries');
        await device.showInDrawer('Activity');
        await look('7-activity');
        await device.showInDrawer('Try out');
        await device.drawer.getByRole('button', { name: 'Sync a Map' }).click();
        await device.page.getByRole('alert').waitFor();
        await look('8-refused');
        if (size === '375') await assertTouchable(device.page);
        await device.page.getByRole('button', { name: 'Dismiss' }).last().click();
        await device.page.getByRole('button', { name: 'Close the inspector' }).click();
        await device.choose('View', 'By day');
        await device.page.keyboard.press('Escape');
        await device.searchFor('');
        await device.choose('Many tasks');
        await look('9-many-tasks');
        await device.page.keyboard.press('Escape');
        await device.openSecond();
        await device.setNetwork(false);
        await device.add('Written in a tunnel');
        await device.syncs(['offline', 'error']);
        await look('10-second-device');
        await device.pane.getByRole('button', { name: /^Sync: / }).click();
        await look('11-sync-state');
        if (size === '375') await assertTouchable(device.page);
        assert.ok((await device.page.evaluate(() => window.shifts)) < 0.1, 'the layout shifted');
        device.assertQuiet();
      });
    }
  }

  for (const [size, options] of [
    ['390', { ...phone, viewport: { width: 390, height: 844 } }],
    ['1280', desktop],
  ]) {
    it(`${size}_pixels_wide_key_lock_and_offer_are_accessible_in_light_and_dark`, async () => {
      const device = await world.device({ welcome: true, context: options });
      const look = async (name) => {
        for (const colorScheme of ['light', 'dark']) {
          await device.page.emulateMedia({ colorScheme });
          await settled(device.page);
          await device.page.screenshot({ path: join(shots, `${size}-${colorScheme}-key-${name}.png`) });
          await assertAccessible(device.page, name);
        }
        await assertFits(device.page, name);
        if (size === '390') await assertTouchable(device.page);
      };
      const press = (name) => device.pane.getByRole('button', { name, exact: true }).click();
      await device.sees('Water the plants');
      await look('1-guest');
      await press('Sign in');
      await device.pane.getByRole('button', { name: `Continue as ${size === '390' ? 'Alice' : 'Bob'}` }).click();
      await device.locks(['setup', 'locked']);
      if ((await device.pane.getAttribute('data-lock')) === 'setup') {
        await look('2-setup');
        await press('Create my key');
        await device.pane.getByRole('list', { name: 'Recovery code' }).waitFor();
        await look('3-code');
        await press('I have written it down');
        await device.pane.getByLabel(/Group/).first().waitFor();
        await press('Start');
        await look('4-wrong-group');
        await press('Show it again');
        await device.keepCode(size === '390' ? 'Alice' : 'Bob');
      } else {
        await device.openKey(size === '390' ? 'Alice' : 'Bob');
      }
      await device.pane.getByText('from before you signed in').waitFor();
      await look('5-offer');
      await press('Add to my account');
      await device.sees('Send the invoice');
      await device.synced();
      await device.pane.getByRole('button', { name: /^(Share a family list|Family)/ }).click();
      await device.pane.getByText(/^Shared with/).waitFor();
      await press('Only for me');
      await device.add('A surprise for the others');
      await device.item('A surprise for the others').getByText('Only you').waitFor();
      await device.item('A surprise for the others').locator('[data-task]').click();
      await look('6-family');
      await press('Done editing');
      await press('Members');
      await device.pane.getByRole('list', { name: 'Members' }).getByText('You').waitFor();
      await look('6-members');
      await device.page.keyboard.press('Escape');
      await press('Mine');
      await device.item('Send the invoice').first().locator('[data-task]').click();
      await press('Inspect');
      await device.drawer.getByRole('row', { name: /^title/ }).waitFor();
      await look('7-drawer');
      await device.page.getByRole('button', { name: 'Close the inspector' }).click();
      await press('Lock');
      await device.locks(['locked']);
      await look('8-locked');
      device.assertQuiet();
    });
  }

  for (const [size, options] of [
    ['375', phone],
    ['1280', desktop],
  ]) {
    it(`${size}_pixels_wide_what_was_not_accepted_is_accessible_in_light_and_dark`, async () => {
      const device = await world.device({ context: options });
      const look = async (name) => {
        for (const colorScheme of ['light', 'dark']) {
          await device.page.emulateMedia({ colorScheme });
          await settled(device.page);
          await device.page.screenshot({ path: join(shots, `${size}-${colorScheme}-letters-${name}.png`) });
          await assertAccessible(device.page, name);
        }
        await assertFits(device.page, name);
        if (size === '375') await assertTouchable(device.page);
      };
      const owner = await world.device();
      await owner.signIn('Alice');
      await owner.pane.getByRole('button', { name: /^(Share a family list|Family)/ }).click();
      await owner.pane.getByText('Shared with Bob').waitFor();
      await owner.letWrite('Bob', true);
      const title = `Buy a cake for ${size} people`;
      await owner.add(title);
      await device.signIn('Bob');
      await device.showList('Family');
      await device.sees(title);
      await device.setNetwork(false);
      await owner.letWrite('Bob', false);
      await device.edit(title, {
        Title: `Buy two cakes for ${size} people, one of them without sugar`,
        Project: 'Party',
      });
      await device.add('Ask who brings plates');
      await device.setNetwork(true);
      await device.refuses(2);
      await device.page.getByRole('button', { name: 'Show', exact: true }).waitFor();
      await look('1-message');
      await device.pane.getByRole('button', { name: /^Sync: / }).click();
      await look('2-indicator');
      await device.page.keyboard.press('Escape');
      await device.page.getByRole('button', { name: 'Show', exact: true }).click();
      await look('3-list');
      await device.letters
        .getByRole('button', { name: /^Discard/ })
        .first()
        .click();
      await look('4-question');
      await device.page.keyboard.press('Escape');
      await device.showInDrawer('Try out');
      await look('5-lab');
      device.assertQuiet();
    });
  }

  for (const [size, options] of [
    ['375', phone],
    ['1280', desktop],
  ]) {
    it(`${size}_pixels_wide_replaced_changes_are_accessible_and_leave_the_editor_free`, async () => {
      const [other, device] = [await world.device(), await world.device({ context: options })];
      const look = async (name) => {
        for (const colorScheme of ['light', 'dark']) {
          await device.page.emulateMedia({ colorScheme });
          await settled(device.page);
          await device.page.screenshot({ path: join(shots, `${size}-${colorScheme}-replaced-${name}.png`) });
          await assertAccessible(device.page, name);
        }
        await assertFits(device.page, name);
        if (size === '375') await assertTouchable(device.page);
      };
      const titles = ['Ask the landlord', 'Order wood', 'Read the meter'].map((title) => `${title} ${size}`);
      for (const one of [other, device]) await one.signIn('Alice');
      for (const title of titles) await other.add(title);
      for (const title of titles) await device.sees(title);
      for (const one of [device, other]) await one.setNetwork(false);
      for (const [one, notes] of [
        [device, 'before the cold weeks begin, as in every year, and not on a Monday, when nobody can be reached'],
        [other, 'in spring'],
      ]) {
        for (const title of titles) await one.edit(title, { Notes: notes });
      }
      await other.setNetwork(true);
      await other.synced();
      await device.setNetwork(true);
      await device.messages.getByText('3 of your changes were replaced.').waitFor();
      await look('1-several');
      await device.messages.getByRole('button', { name: 'Show', exact: true }).click();
      await look('2-list');
      const task = device.item(titles[0]).locator('[data-task]');
      await task.evaluate((button) => button.scrollIntoView({ block: 'center' }));
      await task.click();
      const done = device.pane.getByRole('button', { name: 'Done editing' });
      // Wherever it stands, from the upper edge to the lower one.
      for (const share of [0.2, 0.5, 0.8, 1]) {
        await done.evaluate((button, share) => {
          window.scrollBy(0, button.getBoundingClientRect().bottom - innerHeight * share + 10);
        }, share);
        await isFree(device.page, done);
      }
      await look('3-editor');
      for (const left of [2, 1]) {
        const restore = device.messages.getByRole('button', { name: /^Restore mine/ });
        await restore.first().click();
        await device.page.waitForFunction(
          (left) => document.querySelectorAll('.toast [aria-label^="Restore mine"]').length === left,
          left,
        );
      }
      await look('4-one');
      await device.showInDrawer('Try out');
      await device.drawer.getByRole('button', { name: 'Stream', exact: true }).click();
      await device.drawer.getByText('Chosen: Stream.').waitFor();
      await device.synced();
      await device.messages.getByText(/^Replaced: your notes/).waitFor();
      await device.drawer.getByRole('heading', { name: 'How this device hears of news' }).scrollIntoViewIfNeeded();
      await look('5-lab');
      device.assertQuiet();
    });
  }

  it('a_thousand_unsent_tasks_fit_on_a_phone', async () => {
    const device = await world.device({ context: phone });
    await device.signIn('Bob');
    await device.synced();
    await device.setNetwork(false);
    await device.add('The first of many');
    await device.choose('Many tasks', 'Add 1,000 samples');
    await device.syncs(['offline', 'error'], { pending: 1001 });
    await device.page.getByText(/^Saved in/).waitFor();
    await settled(device.page);
    await device.page.screenshot({ path: join(shots, '375-12-thousand-tasks.png') });
    await assertAccessible(device.page, 'a thousand tasks');
    await assertFits(device.page, 'a thousand tasks');
    await assertTouchable(device.page);
    device.assertQuiet();
  });

  it('a_message_leaves_the_buttons_of_an_open_task_free', async () => {
    const device = await world.device({ context: phone });
    await device.pane.getByRole('button', { name: 'Use without an account' }).click();
    await device.page.getByRole('button', { name: 'Add a few examples' }).click();
    await device.sees('Water the plants');
    await device.item('Water the plants').locator('[data-task]').click();
    await device.pane.getByRole('button', { name: 'Delete task' }).click();
    const undo = device.page.getByRole('button', { name: 'Undo' });
    await undo.waitFor();
    await device.item('Find a good book').locator('[data-task]').click();
    const done = device.pane.getByRole('button', { name: 'Done editing' });
    // To where messages stand by themselves.
    await done.evaluate((button) => window.scrollBy(0, button.getBoundingClientRect().bottom - innerHeight + 40));
    await isFree(device.page, done);
    await settled(device.page);
    await device.page.screenshot({ path: join(shots, '375-13-message-above-editor.png') });
    assert.ok(await undo.isVisible(), 'the message had gone by then');
    device.assertQuiet();
  });

  it('the_theme_switch_overrides_the_system_and_survives_a_reload', async () => {
    const device = await world.device({ context: { colorScheme: 'dark' } });
    const background = () => device.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const dark = await background();
    await device.page.getByRole('button', { name: 'Theme: system' }).click();
    const light = await background();
    assert.notEqual(light, dark);
    await device.page.reload();
    assert.equal(await background(), light);
  });

  for (const [size, options] of [
    ['375', phone],
    ['1280', desktop],
  ]) {
    it(`${size}_pixels_wide_what_waits_here_is_shown_in_either_scheme`, async () => {
      const device = await world.device({ context: options, watch: withForeignChanges });
      await device.signIn('Alice');
      await newerTasks(world.server, 3);
      await device.syncNow();
      await device.pane.locator('.sync:not([data-aside="0"])').waitFor();
      for (const name of ['1-indicator', '2-panel']) {
        for (const colorScheme of ['light', 'dark']) {
          await device.page.emulateMedia({ colorScheme });
          await settled(device.page);
          await device.page.screenshot({ path: join(shots, `${size}-${colorScheme}-aside-${name}.png`) });
          await assertAccessible(device.page, name);
        }
        await assertFits(device.page, name);
        if (size === '375') await assertTouchable(device.page);
        if (name === '1-indicator') await device.pane.getByRole('button', { name: /^Sync: / }).click();
      }
      device.assertQuiet();
    });
  }

  it('the_page_refuses_code_and_styles_from_outside_its_files', async () => {
    const device = await world.device();
    const page = await device.page.context().newPage();
    await page.goto(world.demo.url);
    const refused = await page.evaluate(injectCodeAndStyle);
    assert.deepEqual(refused, ['script-src-elem', 'style-src-attr']);
    assert.equal(await page.evaluate(() => window.injected), undefined);
  });

  it('an_empty_list_offers_examples', async () => {
    const device = await world.device({ server: 'http://127.0.0.1:1' });
    await device.pane.getByRole('button', { name: 'Use without an account' }).click();
    await device.page.getByRole('button', { name: 'Add a few examples' }).click();
    await device.sees('Water the plants');
    await device.pane.getByRole('button', { name: /^Home/ }).click();
    await device.seesNo('Send the invoice');
  });
});

/** Enough tasks for a screenshot; those that an earlier size has added are kept. */
async function fill(device) {
  if ((await device.titles()).includes('Find a good book')) return;
  const lines = [
    'Water the plants today #Home',
    'Book the train to Lyon tomorrow #Trip',
    'Send the invoice friday #Work',
    'Renew the passport before the trip, because the office has long queues in spring #Trip',
    'Find a good book',
    'Buy coffee today',
  ];
  for (const line of lines) await device.add(line);
  await device.edit('Book the train to Lyon', { Notes: 'A seat at the window' });
  await device.tick('Buy coffee');
  await device.synced();
}

/** Presses Tab until the element with that name has the focus. */
async function tabTo(device, name) {
  for (let presses = 0; presses < 40; presses += 1) {
    await device.page.keyboard.press('Tab');
    if ((await focused(device)).includes(name)) return;
  }
  assert.fail(`Tab never reached ${name}`);
}

function focused(device) {
  return device.page.evaluate(() => {
    const { activeElement: element } = document;
    return `${element?.getAttribute('aria-label') ?? ''} ${element?.textContent ?? ''}`;
  });
}

/** Tries what an attacker would; gives the directives that forbade it. */
function injectCodeAndStyle() {
  return new Promise((resolve) => {
    const refused = new Set();
    addEventListener('securitypolicyviolation', ({ violatedDirective }) => {
      if (refused.add(violatedDirective).size === 2) resolve([...refused].sort());
    });
    const script = document.createElement('script');
    script.textContent = 'window.injected = true';
    document.head.append(script);
    document.body.setAttribute('style', 'opacity: 0.5');
  });
}

function watchLayoutShifts() {
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
  }).observe({ type: 'layout-shift', buffered: true });
}

/** Waits until nothing covers a button. */
async function isFree(page, button) {
  const isOnTop = (element) => {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    return document.elementFromPoint((left + right) / 2, (top + bottom) / 2) === element;
  };
  await page.waitForFunction(isOnTop, await button.elementHandle(), { timeout: 10_000 });
}
