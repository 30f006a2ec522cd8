// What goes wrong, and when. A seed repeats the choices, not the moments at which pages meet them.
import { setTimeout as pause } from 'node:timers/promises';
import { allFaults } from '../../support/faulty-proxy.mjs';

/** One request in so many meets a fault. */
const oneRequestIn = 3;

/** What happens beside the faults of requests; each gets the world, a device and random choices. */
export const happenings = {
  'connections are cut': (_, device) => device.proxy.cut(),
  'a tab is closed': (_, device, random) => device.close(random.between(0, 1)),
  'a tab crashes': (_, device, random) => device.crash(random.between(0, 1)),
  // In a long run for so long that another tab takes the lead, which takes 15 s.
  'a tab hangs': ({ isLong }, device, random) =>
    device.hang(random.between(0, 1), random.between(500, isLong ? 20_000 : 2000)),
  'a device is offline': async (_, device, random) => {
    await device.setOffline(true);
    await pause(random.between(100, 1500));
    await device.setOffline(false);
  },
  'the server is stopped and started': (world, _, random) => restart(world, random, 'SIGTERM'),
  'the server is killed and started': (world, _, random) => restart(world, random, 'SIGKILL'),
};

async function restart({ server }, random, signal) {
  await server.stop(signal);
  await pause(random.between(0, 1000));
  await server.start();
}

/** Deals each of `cards` once before any comes again. */
export function deck(cards, random) {
  let left = [];
  return () => {
    if (left.length === 0) left = random.shuffled(cards);
    return left.pop();
  };
}

/** Gives a request a fault now and then, each of them equally often. */
export function faultsOf(random) {
  const deal = deck(allFaults, random);
  return () => (random.oneIn(oneRequestIn) ? deal() : null);
}

/** Lets things happen for so many seconds, and until everything has happened once. */
export async function rage(world, random, seconds, tally) {
  const deal = deck(Object.keys(happenings), random);
  for (const device of world.devices) device.proxy.become(faultsOf(random));
  const end = performance.now() + seconds * 1000;
  for (let left = Object.keys(happenings).length; left > 0 || performance.now() < end; left -= 1) {
    await pause(random.between(200, 800));
    const [what, device] = [deal(), random.pick(world.devices)];
    await happenings[what](world, device, random);
    tally.happened(what);
    // What waits after failures would wait ever longer.
    await Promise.all(world.devices.map((device) => device.hurry()));
    // What is held stays held until then.
    if (random.oneIn(3)) for (const device of world.devices) device.proxy.cut();
  }
  for (const device of world.devices) tally.faults(device.proxy.hits);
}

/** Nothing goes wrong any more. */
export async function calm(world) {
  await world.server.start();
  for (const device of world.devices) {
    device.proxy.become(null);
    await device.setOffline(false);
  }
}
