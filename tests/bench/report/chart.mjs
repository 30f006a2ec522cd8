// A bar chart of the ratios to the floor, drawn on a logarithmic scale: one group per topic and size.
import { count, times } from './table.mjs';

const colours = {
  'plain rows': '#9aa5b1',
  'same bytes': '#cbd2d9',
  Dexie: '#f0b429',
  'Dexie, hooks': '#de911d',
  WebCrypto: '#7b8794',
  before: '#8eedc7',
  engine: '#147d64',
};
const width = 960;
const left = 330;
const barHeight = 13;
const groupGap = 16;
const head = 46;
const smallest = 0.1;

export function chart(results) {
  const greatest = Math.max(2, ...results.flatMap(({ contenders }) => contenders.map(({ ratio }) => ratio)));
  const scale = (ratio) => {
    const part = Math.log(Math.max(ratio, smallest) / smallest) / Math.log(greatest / smallest);
    return left + part * (width - left - 70);
  };
  let y = head;
  const groups = results.map((result) => {
    const drawn = group(result, y, scale);
    y += result.contenders.length * barHeight + groupGap;
    return drawn;
  });
  const floor = `<line x1="${scale(1)}" x2="${scale(1)}" y1="${head - 8}" y2="${y - groupGap}" stroke="#52606d"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" font-family="sans-serif" font-size="11">
<title>Time as a multiple of the floor (IndexedDB by hand), logarithmic; shorter is faster</title>
<rect width="100%" height="100%" fill="#fff"/>
${legend(results)}
${groups.join('\n')}
${floor}
</svg>
`;
}

function legend(results) {
  const names = Object.keys(colours).filter((name) => results.some((result) => has(result, name)));
  const items = names.map((name, at) => {
    const x = 10 + at * 118;
    return `<rect x="${x}" y="12" width="12" height="12" fill="${colours[name]}"/><text x="${x + 17}" y="22">${name}</text>`;
  });
  return items.join('\n');
}

function has({ contenders }, name) {
  return contenders.some((contender) => contender.name === name);
}

function group({ title, records, contenders }, top, scale) {
  const label = `<text x="10" y="${top + 10}">${escaped(shortened(title))}</text><text x="10" y="${top + 24}" fill="#52606d">${count(records)} records</text>`;
  const bars = contenders.map(({ name, ratio }, at) => {
    const y = top + at * barHeight;
    const end = scale(ratio);
    const bar = `<rect x="${left}" y="${y}" width="${(end - left).toFixed(1)}" height="${barHeight - 2}" fill="${colours[name]}"/>`;
    return `${bar}<text x="${(end + 4).toFixed(1)}" y="${y + 9}" font-size="10">${times(ratio)}</text>`;
  });
  return [label, ...bars].join('\n');
}

function shortened(title) {
  return title.length > 52 ? `${title.slice(0, 50)}…` : title;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
