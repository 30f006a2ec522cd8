// SvelteKit 2, as 3 runs on no Node before 22.17. A server of its own in Node, and a policy as strict as that of the other pages.
import adapter from '@sveltejs/adapter-node';

export default {
  kit: {
    adapter: adapter(),
    csp: {
      directives: {
        'default-src': ['none'],
        'script-src': ['self', 'wasm-unsafe-eval'],
        'connect-src': ['self'],
        'worker-src': ['self'],
        'img-src': ['data:'],
        // What SvelteKit reads page titles out with is hidden by its `style`.
        'style-src-attr': ['unsafe-inline'],
      },
    },
  },
};
