/** Unit tests run in Node, with the parts of Svelte that browsers get. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['browser'] },
  ssr: { resolve: { conditions: ['browser'] } },
  test: {
    include: ['test/**/*.test.ts'],
    server: { deps: { inline: ['svelte'] } },
  },
});
