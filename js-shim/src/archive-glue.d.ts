/** The module that scripts/build-pkg makes from wasm-bindgen's output for archives. */
import type { ArchiveGlue } from './archive-raw.js';

/** A glue object without an instance; `initSync` gives it one. */
export function createGlue(): ArchiveGlue;
