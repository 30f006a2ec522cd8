// Where the suites find this project and the package that was built.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const packageDirectory = process.env.PACKAGE_DIRECTORY ?? join(root, 'pkg');
