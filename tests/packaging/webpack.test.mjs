// The packed package in a new app that webpack builds, without any configuration for it.
import assert from 'node:assert/strict';
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import webpack from 'webpack';
import { startBrowser } from '../support/chromium.mjs';
import { assertWorks, makeBareApp } from './fresh-app.mjs';

describe('the packed package in an app built by webpack', { timeout: 180_000 }, () => {
  let app;
  let browser;
  let built;

  before(async () => {
    [app, browser] = await Promise.all([makeBareApp(), startBrowser()]);
    built = join(app.directory, 'dist');
    const said = await build({
      mode: 'production',
      context: app.directory,
      entry: './main.js',
      output: { path: built },
      // The minifier takes most of the time, and is none of webpack's own.
      optimization: { minimize: false },
    });
    assert.deepEqual(said.errors, []);
    await cp(join(app.directory, 'index.html'), join(built, 'index.html'));
  });
  after(async () => {
    await browser?.close();
    await app?.remove();
  });

  it('works in a page and in a worker, under a strict content security policy', () => assertWorks(browser, built));

  it('puts each module beside the app once', async () => {
    const names = (await readdir(built)).filter((name) => name.endsWith('.wasm'));
    assert.equal(names.length, 2, names.join(' '));
  });
});

function build(configuration) {
  return new Promise((resolve, reject) => {
    webpack(configuration, (error, stats) =>
      error ? reject(error) : resolve(stats.toJson({ preset: 'errors-only' })),
    );
  });
}
