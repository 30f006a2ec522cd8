// The demo in one browser profile, as a person uses it: everything goes through what is on screen.
import assert from 'node:assert/strict';

/** Milliseconds for what has no bar of its own. */
const patience = 60_000;

/** What the browser itself says about servers that are not there or answer nonsense. */
const networkNoise = /Failed to load resource|WebSocket connection to .* failed/;

/** The recovery codes that people keep, by demo and name. */
const codes = new Map();

export class DevicePage {
  /** @type {import('playwright-core').Page} */
  page;
  /** Errors in the console, thrown errors, violations of the content security policy. */
  complaints = [];
  #context;
  #address;
  #region;
  /** Who is signed in. */
  #user;

  constructor(context, address, region = 'This device') {
    this.#context = context;
    this.#address = address;
    this.#region = region;
  }

  /** Opens the demo in a new page of the profile. */
  async open() {
    this.page = await this.#context.newPage();
    this.page.setDefaultTimeout(patience);
    this.page.on('console', (message) => message.type() === 'error' && this.complaints.push(message.text()));
    this.page.on('pageerror', (error) => this.complaints.push(String(error)));
    await this.page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => console.error(`refused: ${event.violatedDirective}`));
    });
    await this.page.goto(this.#address);
  }

  /** Ends the profile. */
  close() {
    return this.#context.close();
  }

  /** The same device in another tab. */
  async openTab() {
    const tab = new DevicePage(this.#context, this.#address, this.#region);
    tab.#user = this.#user;
    await tab.open();
    return tab;
  }

  /** The second device on the same page. */
  async openSecond() {
    await this.page.getByRole('button', { name: 'Second device', exact: true }).click();
    const second = new DevicePage(this.#context, this.#address, 'Second device');
    second.page = this.page;
    second.#user = this.#user;
    await this.page.locator('section.pane').nth(1).waitFor({ state: 'attached' });
    // On a phone it is behind the first one.
    if (this.#user && (await second.pane.isVisible())) await second.openKey();
    return second;
  }

  get pane() {
    return this.page.getByRole('region', { name: this.#region, exact: true });
  }

  async signIn(name) {
    await this.pane.getByRole('button', { name: `Continue as ${name}` }).click();
    this.#user = name;
    await this.openKey();
    await this.newTask.waitFor();
  }

  /** Makes the user's key, or brings it here with the recovery code, unless this device has it. */
  async openKey(name = this.#user) {
    this.#user = name;
    await this.locks(['setup', 'locked', 'unlocked']);
    const state = await this.pane.getAttribute('data-lock');
    if (state === 'setup') await this.createKey();
    // A device that remembers the code unlocks by itself.
    const unlocks = () =>
      this.locks(['unlocked'], 800).then(
        () => true,
        () => false,
      );
    if (state === 'locked' && !(await unlocks())) await this.unlockWithCode();
    await this.locks(['unlocked']);
  }

  /** Makes the key, and writes the recovery code down. */
  async createKey() {
    await this.pane.getByRole('button', { name: 'Create my key' }).click();
    await this.keepCode();
  }

  /** Writes down the recovery code that is on screen, and gives two groups of it back. */
  async keepCode(name = this.#user) {
    await this.writeCodeDown(name);
    await this.giveBack((group) => group.toLowerCase());
  }

  async writeCodeDown(name = this.#user) {
    this.#user = name;
    await this.pane.getByRole('list', { name: 'Recovery code' }).waitFor();
    const groups = await this.pane.getByRole('list', { name: 'Recovery code' }).getByRole('listitem').allTextContents();
    codes.set(this.#codeName, groups.join('-'));
    await this.pane.getByRole('button', { name: 'I have written it down' }).click();
  }

  /** Types the groups that are asked for, as `spelt` writes each: it gets the group, and whether it is the last one asked for. */
  async giveBack(spelt) {
    const groups = this.recoveryCode.split('-');
    const fields = this.pane.getByLabel(/Group \d+/);
    await fields.first().waitFor();
    const all = await fields.all();
    for (const field of all) {
      const label = await field.evaluate((input) => input.labels[0].textContent);
      await field.fill(spelt(groups[Number(/\d+/.exec(label)[0]) - 1], field === all.at(-1)));
    }
    await this.pane.getByRole('button', { name: 'Start', exact: true }).click();
  }

  /** The code that this person has written down. */
  get recoveryCode() {
    return codes.get(this.#codeName);
  }

  async unlockWithCode(code = this.recoveryCode) {
    const field = this.pane.getByLabel('Recovery code');
    if (!(await field.isVisible())) await this.pane.getByRole('button', { name: 'Unlock' }).click();
    await field.fill(code);
    await this.pane.getByRole('button', { name: 'Unlock' }).click();
  }

  get #codeName() {
    return `${new URL(this.#address).origin} ${this.#user}`;
  }

  /** Waits until the key is in one of the states. */
  async locks(states, timeout = patience) {
    const wanted = states.map((state) => `section.pane[data-lock="${state}"]`).join(',');
    await this.page.locator(wanted).and(this.pane).waitFor({ timeout });
  }

  async signOut() {
    await this.pane.getByRole('button', { name: /^Account/ }).click();
    await this.pane.getByRole('button', { name: 'Sign out' }).click();
    await this.pane.getByRole('button', { name: 'Continue as Alice' }).waitFor();
  }

  get newTask() {
    return this.pane.getByLabel('New task');
  }

  /** Adds a task and waits until it is said to be saved. */
  async add(line) {
    await this.newTask.fill(line);
    await this.newTask.press('Enter');
    await this.saved();
  }

  item(title) {
    return this.pane.getByRole('listitem').filter({ has: this.page.getByText(title, { exact: true }) });
  }

  async sees(title, timeout = patience) {
    await this.item(title).first().waitFor({ timeout });
  }

  async seesNo(title, timeout = patience) {
    await this.item(title).waitFor({ state: 'detached', timeout });
  }

  async titles() {
    return (await this.pane.locator('[data-task] .text').allTextContents()).sort();
  }

  /** Opens a task's editor, fills fields by their labels, closes it, and waits until that is said to be saved. */
  async edit(title, fields) {
    const item = this.item(title);
    await item.locator('[data-task]').click();
    for (const [label, value] of Object.entries(fields)) {
      await this.pane.getByLabel(label, { exact: true }).fill(value);
    }
    await this.pane.getByRole('button', { name: 'Done editing' }).click();
    await this.saved();
  }

  async delete(title) {
    await this.item(title).hover();
    await this.pane.getByRole('button', { name: `Delete: ${title}` }).click();
    await this.saved();
  }

  async tick(title) {
    await this.pane.getByLabel(`Done: ${title}`).click();
    await this.saved();
  }

  /** Waits until the page says that everything shown is in the database. */
  async saved() {
    await this.pane.locator('[data-state="saved"]').waitFor();
  }

  /** Types into the search field. */
  async searchFor(text) {
    await this.pane.getByLabel('Search', { exact: true }).fill(text);
  }

  /** Opens a menu of the list and, when it is given, presses a button of it. */
  async choose(menu, button) {
    const opener = this.pane.getByRole('button', { name: menu, exact: true });
    if ((await opener.getAttribute('aria-expanded')) !== 'true') await opener.click();
    if (button) await this.pane.getByRole('button', { name: button }).click();
  }

  /** Waits until a group has that many tasks. */
  async counts(group, count) {
    const name = new RegExp(`^${group} ${count.toLocaleString('en-GB')}$`);
    await this.pane.getByRole('group', { name }).waitFor();
  }

  /** Shows one's own list, or the family's. */
  async showList(name) {
    const tab = this.pane.getByRole('button', { name, exact: true });
    await tab.click();
    await this.pane.locator('[aria-pressed="true"]').and(tab).waitFor();
  }

  /** Whether what is added to the family's list from now on is one's own alone. */
  async keepToSelf(wanted) {
    const control = this.pane.locator('.quick-add').getByRole('button', { name: 'Only for me', exact: true });
    if ((await control.getAttribute('aria-pressed')) !== String(wanted)) await control.click();
  }

  /** The id of the task with this title. */
  idOf(title) {
    return this.item(title).locator('[data-task]').getAttribute('data-task');
  }

  get drawer() {
    return this.page.getByRole('complementary', { name: 'Inspector' });
  }

  /** Opens the drawer at one of its pages. */
  async showInDrawer(page) {
    if (!(await this.drawer.isVisible())) await this.page.getByRole('button', { name: 'Inspector' }).click();
    await this.drawer.getByRole('button', { name: page, exact: true }).click();
  }

  /** The messages at the edge of the page. */
  get messages() {
    return this.page.getByRole('region', { name: 'Messages', exact: true });
  }

  get sync() {
    return this.pane.locator('.sync');
  }

  /** Waits until the indicator shows one of the states, with that many changes waiting when a number is given. */
  async syncs(states, { pending, timeout = patience } = {}) {
    const wanted = [states].flat().map((state) => {
      const count = pending === undefined ? '' : `[data-pending="${pending}"]`;
      return `.sync[data-state="${state}"]${count}`;
    });
    try {
      await this.pane.locator(wanted.join(',')).waitFor({ timeout });
    } catch {
      const [state, count] = await this.sync.evaluate((node) => [node.dataset.state, node.dataset.pending]);
      assert.fail(`expected ${wanted.join(' or ')}, the indicator shows ${state} with ${count} pending`);
    }
  }

  async synced(timeout) {
    await this.syncs('synced', { pending: 0, timeout });
  }

  /** Waits until the indicator tells of that many changes that were not accepted. */
  async refuses(count) {
    await this.pane.locator(`.sync[data-refused="${count}"]`).waitFor();
  }

  /** Waits until so many changes of other devices wait here. */
  async holdsAside(count) {
    await this.pane.locator(`.sync[data-aside="${count}"]`).waitFor();
  }

  /** The open list of what was not accepted. */
  get letters() {
    return this.page.getByRole('dialog', { name: /not accepted/ });
  }

  /** Opens it from the indicator. */
  async showLetters() {
    await this.pane.getByRole('button', { name: /^Sync: / }).click();
    await this.pane.getByRole('button', { name: 'Show what and why' }).click();
    await this.letters.waitFor();
  }

  /** Discards a letter of the open list. */
  async discardLetter(what) {
    await this.letters.getByRole('button', { name: `Discard: ${what}` }).click();
    await this.letters.getByRole('button', { name: 'Discard it', exact: true }).click();
  }

  /** As the owner of the family list, lets a member write there, or only read. */
  async letWrite(name, allowed) {
    const button = (action) => this.pane.getByRole('button', { name: `${action}: ${name}` });
    const [wanted, there] = allowed ? ['Let write', 'Only read'] : ['Only read', 'Let write'];
    await this.choose('Members');
    await button(wanted).or(button(there)).waitFor();
    if (await button(wanted).isVisible()) await button(wanted).click();
    await button(there).waitFor();
    await this.page.keyboard.press('Escape');
  }

  async setNetwork(connected) {
    const control = this.pane.getByRole('switch', { name: 'Network' });
    if ((await control.getAttribute('aria-checked')) !== String(connected)) await control.click();
  }

  async syncNow() {
    await this.pane.getByRole('button', { name: /^Sync: / }).click();
    await this.pane.getByRole('button', { name: 'Sync now' }).click();
    await this.page.keyboard.press('Escape');
  }

  /** Kills the page's process as a crash would, and opens the demo again in the same profile. */
  async crash() {
    const session = await this.#context.newCDPSession(this.page);
    const gone = this.page.waitForEvent('crash');
    session.send('Page.crash').catch(() => {});
    await gone;
    await this.page.close();
    await this.open();
  }

  /** Fails on any console error, thrown error or policy violation; `network` allows those about the network. */
  assertQuiet({ network = false } = {}) {
    const complaints = network ? this.complaints.filter((text) => !networkNoise.test(text)) : this.complaints;
    assert.deepEqual(complaints, []);
  }
}
