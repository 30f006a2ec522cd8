/** The module that scripts/build-pkg makes from wasm-bindgen's output. */
import type { Glue } from './raw.js';

/** A glue object without an instance; `initSync` gives it one. */
export function createGlue(): Glue;
