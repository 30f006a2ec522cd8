import { served } from '$lib/served.js';

export const load = () => ({ tasks: served });
