// The records that are written and read: twelve fields, some 600 bytes of JSON, three indexes.

/** In Dexie's syntax, for all contenders. */
export const schema = 'id, projectId, dueDate, [projectId+dueDate]';
export const projects = 50;
/** What is sealed where a topic seals: texts of some 30, 250 and 10 bytes. */
export const sealedFields = ['title', 'notes', 'assignee'];

const words = 'plan the week with everybody and write down what was said so that nothing gets lost in between'.split(
  ' ',
);

/** Ids as a UUIDv7 generator makes them: each greater than the one before. `batch` keeps rounds apart. */
export function idOf(batch, number) {
  const time = (0x01_90_00_00_00_00 + batch * 100_000 + number).toString(16).padStart(12, '0');
  const tail = ((number * 2_654_435_761) >>> 0).toString(16).padStart(8, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${tail.slice(0, 3)}-8${tail.slice(3, 6)}-${tail}${tail.slice(0, 4)}`;
}

export const projectOf = (number) => `project-${number % projects}`;

export function makeRecord(batch, number) {
  const say = (count) => Array.from({ length: count }, (_, at) => words[(number + at * 7) % words.length]).join(' ');
  return {
    id: idOf(batch, number),
    title: say(6),
    notes: say(44),
    projectId: projectOf(number),
    status: ['open', 'waiting', 'done'][number % 3],
    priority: number % 5,
    dueDate: new Date(1_760_000_000_000 + (number % 365) * 86_400_000).toISOString(),
    createdAt: new Date(1_750_000_000_000 + number * 60_000).toISOString(),
    tags: ['home', `tag-${number % 17}`],
    assignee: `person-${number % 7}`,
    estimate: (number % 40) / 4,
    done: number % 3 === 2,
  };
}

export function makeRecords(batch, size) {
  return Array.from({ length: size }, (_, number) => makeRecord(batch, number));
}

/** The three fields that an edit of a record changes; one of them is indexed. */
export function edit(number, round) {
  return {
    title: `edited ${round} ${words[number % words.length]}`,
    priority: (number + round) % 5,
    dueDate: new Date(1_760_000_000_000 + ((number + round * 11) % 365) * 86_400_000).toISOString(),
  };
}
