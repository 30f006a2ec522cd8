// A browser profile whose tabs the browser itself shows, hides and freezes. Playwright keeps its own pages shown and awake.

/** The protocol of the browser's developer tools, to a profile that Playwright does not know. */
export class Profile {
  #root;
  #context;
  #tabs = new Map();

  static async open(browser) {
    const profile = new Profile();
    profile.#root = await browser.newBrowserCDPSession();
    const { browserContextId } = await profile.#root.send('Target.createBrowserContext');
    profile.#context = browserContextId;
    profile.#root.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
      profile.#tabs.get(sessionId)?.take(JSON.parse(message));
    });
    return profile;
  }

  /** Opens a tab, which is shown before the others. */
  async newTab(url = 'about:blank') {
    const given = { url: 'about:blank', browserContextId: this.#context };
    const { targetId } = await this.#root.send('Target.createTarget', given);
    const { sessionId } = await this.#root.send('Target.attachToTarget', { targetId, flatten: false });
    const tab = new BareTab(this.#root, targetId, sessionId);
    this.#tabs.set(sessionId, tab);
    await tab.load(url);
    return tab;
  }

  async close() {
    await this.#root.send('Target.disposeBrowserContext', { browserContextId: this.#context });
    await this.#root.detach();
  }
}

class BareTab {
  /** Gets what the page tells. */
  onTold = () => {};
  #root;
  #target;
  #session;
  #asked = new Map();
  #last = 0;

  constructor(root, target, session) {
    this.#root = root;
    this.#target = target;
    this.#session = session;
  }

  async load(url) {
    await this.#send('Runtime.enable');
    await this.#send('Runtime.addBinding', { name: 'tell' });
    await this.#send('Page.navigate', { url });
    await this.show();
  }

  /** Shows it, and hides the tab that was shown. */
  show() {
    return this.#root.send('Target.activateTarget', { targetId: this.#target });
  }

  /** Nothing of it runs from now on. */
  freeze() {
    return this.#send('Page.setWebLifecycleState', { state: 'frozen' });
  }

  thaw() {
    return this.#send('Page.setWebLifecycleState', { state: 'active' });
  }

  /** Has the page evaluate an expression and gives what it comes to. */
  async evaluate(expression) {
    const given = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', given);
    if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }

  take({ id, result, error, method, params }) {
    if (method === 'Runtime.bindingCalled') this.onTold(JSON.parse(params.payload));
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (error) asked?.reject(new Error(error.message));
    else asked?.resolve(result);
  }

  async #send(method, params = {}) {
    this.#last += 1;
    const id = this.#last;
    const answer = new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
    const message = JSON.stringify({ id, method, params });
    await this.#root.send('Target.sendMessageToTarget', { sessionId: this.#session, message });
    return answer;
  }
}
