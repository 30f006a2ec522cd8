import { useEngine } from './use-engine.js';

useEngine().then((result) => postMessage(result));
