// Results as text: a table for the terminal, and one in Markdown.

export const milliseconds = (ms) => (ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0));
export const times = (ratio) => `${ratio < 0.1 ? ratio.toFixed(3) : ratio.toFixed(2)}×`;
export const count = (number) => number.toLocaleString('en');

export function printed({ title, floor, records, contenders, targets }) {
  const rows = contenders.map(({ name, median, ratio, samples }) => {
    return `  ${name.padEnd(14)}${milliseconds(median).padStart(9)} ms ${times(ratio).padStart(9)}   ${samples} rounds`;
  });
  return [`\n${title}; ${count(records)} records (ratios to ${floor})`, ...rows, ...targets.map(verdict)].join('\n');
}

function verdict({ of, most, reached, met }) {
  return `  ${met ? 'met   ' : 'MISSED'} at most ${times(most)} of ${of}: ${times(reached)}`;
}

/** One row per topic and size, one column per contender: the ratio to the floor, and the engine's milliseconds. */
export function markdown(results) {
  const names = [...new Set(results.flatMap(({ contenders }) => contenders.map(({ name }) => name)))];
  const head = ['what', 'records', ...names, 'target'];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const rows = results.map(({ title, records, contenders, targets }) => {
    const cells = names.map((name) => {
      const found = contenders.find((contender) => contender.name === name);
      return found ? `${times(found.ratio)} (${milliseconds(found.median)} ms)` : '';
    });
    const goals = targets.map(({ of, most, met }) => `≤ ${times(most)} of ${of}: ${met ? 'met' : 'missed'}`);
    return line([title, count(records), ...cells, goals.join('; ')]);
  });
  return [line(head), line(head.map(() => '---')), ...rows].join('\n');
}
