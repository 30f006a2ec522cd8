/** What the server knows of the tasks, as a read of its database would give it. */
export const served = [
  { id: 'a', title: 'Buy milk' },
  { id: 'b', title: 'Bake bread' },
];
