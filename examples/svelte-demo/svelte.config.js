// Svelte's options: nothing but the compiler's warnings, which count as errors in `npm run check`.
export default { compilerOptions: { runes: true } };
