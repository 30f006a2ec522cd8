// Loads what the address names, and hands its functions to the test.
const pages = import.meta.glob('./pages/*.js');
globalThis.page = await pages[`./pages/${location.search.slice(1)}.js`]();
