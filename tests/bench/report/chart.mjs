// A bar chart of the ratios to the floor, drawn on a logarithmic scale: one group per topic and size.
import { count, times } from './table.mjs';

// Each is told from white and from a dark page by a contrast of 3 to 1 at least.
const colours = {
  'plain rows': '#7b8794',
  'same bytes': '#4a7fb5',
  WebCrypto: '#8b62c9',
  Dexie: '#b07d10',
  'Dexie, hooks': '#c8552b',
  before: '#2b93a8',
  engine: '#1a8a5c',
};
/** What a contender has that is not named above. */
const other = '#b5467f';
const width = 1000;
const left = 330;
const right = 110;
const barHeight = 13;
const groupGap = 16;
const head = 64;
const style = `text { fill: #1f2933; } .paper { fill: #fff; } .faint { fill: #52606d; } line { stroke: #1f2933; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .paper { fill: #0d1117; } .faint { fill: #9aa5b1; } line { stroke: #e6edf3; }
}`;

export function chart(results) {
  const scale = scaleOf(results);
  let y = head;
  const groups = results.map((result) => {
    const drawn = group(result, y, scale);
    y += result.contenders.length * barHeight + groupGap;
    return drawn;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" font-family="sans-serif" font-size="11">
<title>Time as a multiple of the floor that each group names, logarithmic; shorter is faster</title>
<style>${style}</style>
<rect class="paper" width="100%" height="100%"/>
${legend(results)}
<text x="10" y="42">Multiples of the floor that is named on the left (the long line), logarithmic; shorter is faster.</text>
<text x="10" y="55">Short lines are targets: ✓ met, ✗ missed.</text>
${groups.join('\n')}
${line(scale(1), head - 4, y - groupGap)}
</svg>
`;
}

/** Where a ratio stands: everything that is drawn has its place, down to the least target. */
function scaleOf(results) {
  const drawn = results.flatMap(({ contenders, targets }) => [
    ...contenders.map(({ ratio }) => ratio),
    ...targets.map((target) => targetRatio(target, contenders)),
  ]);
  const least = Math.min(0.1, ...drawn.map((ratio) => ratio / 1.2));
  const greatest = Math.max(2, ...drawn);
  const part = (ratio) => Math.log(ratio / least) / Math.log(greatest / least);
  return (ratio) => left + part(ratio) * (width - left - right);
}

/** A target is a multiple of one contender, and is drawn as one of the floor. */
function targetRatio({ of, most }, contenders) {
  return most * contenders.find(({ name }) => name === of).ratio;
}

function colourOf(name) {
  return colours[name] ?? other;
}

function legend(results) {
  const present = new Set(results.flatMap(({ contenders }) => contenders.map(({ name }) => name)));
  const known = Object.keys(colours).filter((name) => present.has(name));
  const names = [...known, ...[...present].filter((name) => !known.includes(name))];
  const items = names.map((name, at) => {
    const x = 10 + at * 118;
    return `<rect x="${x}" y="12" width="12" height="12" fill="${colourOf(name)}"/>${text(x + 17, 22, name)}`;
  });
  return items.join('\n');
}

function group({ title, records, floor, contenders, targets }, top, scale) {
  const about = `${count(records)} records; floor: ${floor}`;
  const label = text(10, top + 10, shortened(title)) + text(10, top + 24, about, ' class="faint"');
  const bars = contenders.map((contender, at) => {
    const goals = contender.name === 'engine' ? targets : [];
    return bar(contender, goals, contenders, top + at * barHeight, scale);
  });
  return [label, ...bars].join('\n');
}

function bar({ name, ratio }, targets, contenders, y, scale) {
  const end = scale(ratio);
  const size = `width="${(end - left).toFixed(1)}" height="${barHeight - 2}"`;
  const marks = targets.map((target) => line(scale(targetRatio(target, contenders)), y - 1, y + barHeight - 1));
  const after = Math.max(end, ...targets.map((target) => scale(targetRatio(target, contenders)))) + 4;
  const said = [times(ratio), ...targets.map(verdict)].join(' ');
  const drawn = `<rect x="${left}" y="${y}" ${size} fill="${colourOf(name)}"/>`;
  return drawn + marks.join('') + text(after.toFixed(1), y + 9, said, ' font-size="10"');
}

function verdict({ of, most, met }) {
  return `${met ? '✓' : '✗'} ≤ ${times(most)} of ${of}`;
}

function line(x, from, to) {
  return `<line x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${from}" y2="${to}"/>`;
}

function text(x, y, words, attributes = '') {
  return `<text x="${x}" y="${y}"${attributes}>${escaped(words)}</text>`;
}

function shortened(title) {
  return title.length > 52 ? `${title.slice(0, 50)}…` : title;
}

function escaped(words) {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
