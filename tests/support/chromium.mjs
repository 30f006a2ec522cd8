// How the suites start the machine's Chromium.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const flags = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** What every start has in common. */
function options() {
  const executablePath = process.env.CHROMIUM || ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync);
  if (!executablePath) throw new Error('Chromium is missing. Run: make setup');
  return { executablePath, chromiumSandbox: process.getuid?.() !== 0, args: flags, timeout: 60_000 };
}

/** A browser without a profile of its own: each context is fresh. */
export function startBrowser() {
  return chromium.launch(options());
}

/** A browser on a profile that stays in `directory`; what it forgets to remove when it is killed lies in `temporary`. */
export function startOnProfile(directory, temporary) {
  return chromium.launchPersistentContext(directory, { ...options(), env: { ...process.env, TMPDIR: temporary } });
}
