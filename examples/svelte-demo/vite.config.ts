// Builds and serves the demo; the built page carries its Content-Security-Policy.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';
import { headerPolicy, pagePolicy } from './csp.ts';

/** The development server injects styles inline, so only the built page is strict. */
function contentSecurityPolicy(): Plugin {
  return {
    name: 'content-security-policy',
    apply: 'build',
    transformIndexHtml: () => [
      {
        tag: 'meta',
        attrs: { 'http-equiv': 'Content-Security-Policy', content: pagePolicy },
        injectTo: 'head-prepend',
      },
    ],
  };
}

export default defineConfig({
  plugins: [svelte(), contentSecurityPolicy()],
  build: { target: 'es2022' },
  preview: { headers: { 'Content-Security-Policy': headerPolicy } },
});
