import { useEngine } from './use-engine.js';

const worker = () =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    worker.onmessage = (event) => resolve(event.data);
    worker.onerror = (event) => reject(new Error(event.message));
  });

const result = await (location.search === '?worker' ? worker() : useEngine());
document.querySelector('output').textContent = JSON.stringify(result);
