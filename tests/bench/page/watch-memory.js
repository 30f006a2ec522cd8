// Notes the memory of every WebAssembly instance of this page or worker; to be loaded before any is made.
const memories = [];

WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
  construct(Instance, given) {
    const instance = new Instance(...given);
    memories.push(...Object.values(instance.exports).filter((one) => one instanceof WebAssembly.Memory));
    return instance;
  },
});

/** Bytes of all of them. Memories never shrink: it is the most there was, too. */
export const memoryBytes = () => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);

// A worker tells its page before each of its answers.
if (typeof WorkerGlobalScope === 'function') {
  const channel = new BroadcastChannel('memory');
  const answer = globalThis.postMessage;
  globalThis.postMessage = (...given) => {
    channel.postMessage(memoryBytes());
    answer(...given);
  };
}
