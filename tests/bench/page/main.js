// One page measures one topic: all contenders in turn, round after round; the samples go into the page's `<output>`.
import { contenders } from './contenders/all.js';
import { measured } from './rounds.js';
import { topics } from './topics.js';

const asked = new URL(location.href).searchParams;
const say = (outcome) => {
  document.querySelector('output').textContent = JSON.stringify(outcome);
};

try {
  const topic = topics.find(({ id }) => id === asked.get('topic'));
  if (!topic) throw new Error(`there is no topic ${asked.get('topic')}`);
  const size = Number(asked.get('records'));
  const engines = asked.get('engines').split(',');
  say({ samples: await measured(topic, await contenders(engines), size, Number(asked.get('budget'))) });
} catch (error) {
  say({ error: `${error.stack ?? error}` });
}
