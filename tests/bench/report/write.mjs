// Writes what a run came to: JSON, a table and a chart.
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { root } from '../../support/places.mjs';
import { chart } from './chart.mjs';
import { markdown } from './table.mjs';

/** Gives a sentence about where it is and how many targets were met. */
export async function writeResults(directory, about, results) {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'results.json'), `${JSON.stringify({ about, results }, null, 2)}\n`);
  const made = `Medians of interleaved rounds, as ratios to the floor; Chromium ${about.browser}, ${about.cores} cores, ${about.date}.`;
  await writeFile(join(directory, 'results.md'), `${made} Command: \`make bench\`.\n\n${markdown(results)}\n`);
  await writeFile(join(directory, 'chart.svg'), chart(results));
  const targets = results.flatMap((result) => result.targets);
  const met = targets.filter((target) => target.met).length;
  return `\n${met} of ${targets.length} targets met; results: ${relative(root, directory)}`;
}
