/** Made-up but plausible traffic of callers, with attacks put into it: what bench/anomaly.js measures the detector on. */

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** A generator of numbers in [0, 1) that gives the same for the same seed (mulberry32). */
export function createRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

const exponential = (random, mean) => -mean * Math.log(1 - random());
const between = (random, low, high) => low + random() * (high - low);
const whole = (random, low, high) => Math.floor(between(random, low, high + 1));
const normal = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const pick = (random, items) => items[Math.floor(random() * items.length)];
/** Few items often, most rarely (about Zipf's law). */
const pickSkewed = (random, items) => items[Math.floor(items.length * random() ** 3)];

/** A caller's habits: how it comes, with which tools, from where, and what usually goes wrong. */
function makeHabits(random, index) {
  const kind = ['agent', 'agent', 'service', 'batch', 'human'][index % 5];
  const tools = Array.from({ length: whole(random, 3, 25) }, (_, tool) => ({
    id: `catalog.tool_${index}_${tool}`,
    request: Math.exp(between(random, 4, 7)),
    response: Math.exp(between(random, 5.5, 10)),
    spread: between(random, 0.2, 1),
  }));
  return {
    kind,
    caller: `${kind}-${index}`,
    tools,
    addresses: Array.from({ length: whole(random, 1, kind === 'human' ? 5 : 3) }, () => makeAddress(random)),
    refusedShare: between(random, 0.005, 0.08),
    staleNames: Array.from({ length: 3 }, (_, name) => `catalog.old_${index}_${name}`),
    perSecond: between(random, 0.05, 0.6),
  };
}

export function makeAddress(random) {
  return `198.${whole(random, 18, 19)}.${whole(random, 0, 255)}.${whole(random, 1, 254)}`;
}

/** The times of one day's requests. */
function makeTimes(random, habits, from) {
  const times = [];
  if (habits.kind === 'service') {
    for (let at = from; at < from + day; ) {
      const daily = 1 + 0.5 * Math.sin((2 * Math.PI * (at % day)) / day);
      at += exponential(random, second / (habits.perSecond * daily));
      times.push(at);
    }
  } else if (habits.kind === 'batch') {
    for (let run = 0; run < 24; run++) {
      let at = from + run * hour + between(random, 0, minute);
      for (let left = whole(random, 100, 400); left > 0; left--) {
        at += exponential(random, second / 5);
        times.push(at);
      }
    }
  } else {
    const sessions = habits.kind === 'agent' ? whole(random, 10, 40) : whole(random, 2, 8);
    for (let session = 0; session < sessions; session++) {
      let at = from + between(random, 7 * hour, 20 * hour);
      const gap = habits.kind === 'agent' ? 2.5 * second : 20 * second;
      for (let left = whole(random, 3, 80); left > 0; left--) {
        at += exponential(random, gap);
        times.push(at);
      }
    }
  }
  return times.sort((a, b) => a - b);
}

function makeRequest(random, habits, at) {
  const tool = pickSkewed(random, habits.tools);
  const refused = random() < habits.refusedShare;
  const stale = refused && random() < 0.1;
  const size = (median) => Math.round(median * Math.exp(tool.spread * normal(random)));
  return {
    at_ms: at,
    caller: habits.caller,
    credential: `credential of ${habits.caller}`,
    address: pickSkewed(random, habits.addresses),
    tool: stale ? undefined : tool.id,
    unknown_tool: stale ? pick(random, habits.staleNames) : undefined,
    refused,
    request_bytes: size(tool.request),
    response_bytes: refused ? 0 : size(tool.response),
  };
}

/** One caller's requests over so many days. */
export function makeCaller(random, index, days) {
  const habits = makeHabits(random, index);
  const requests = [];
  for (let today = 0; today < days; today++) {
    for (const at of makeTimes(random, habits, today * day)) requests.push(makeRequest(random, habits, at));
  }
  return { habits, requests };
}

/** What an attacker with a caller's credential does, by name: so many requests, so far apart, each changed so. */
export const attacks = {
  'harvest, 20 requests/s': { kind: 'rate_spike', requests: 400, gap: second / 20 },
  'harvest, 8 requests/s': { kind: 'rate_spike', requests: 400, gap: second / 8 },
  'probing, 60 refusals/min': { kind: 'refusal_burst', requests: 60, gap: second, change: { refused: true } },
  'probing, 20 refusals/min': { kind: 'refusal_burst', requests: 60, gap: 3 * second, change: { refused: true } },
  'sweep, 40 names in 5 min': sweep(7.5 * second),
  'sweep, 40 names in 2 h': sweep(3 * minute),
  'copying, answers x 100': copying(100),
  'copying, answers x 20': copying(20),
  'shared key, 30 addresses': {
    kind: 'address_spread',
    requests: 30,
    gap: minute,
    vary: (random) => ({ address: makeAddress(random) }),
  },
  'takeover, 3 new tools': {
    kind: 'first_use',
    requests: 3,
    gap: 10 * second,
    vary: (_random, _request, step) => ({ tool: `catalog.never_${step}`, unknown_tool: undefined }),
  },
};

function sweep(gap) {
  const vary = (random) => ({ unknown_tool: `guess.${Math.floor(random() * 1e9)}`, tool: undefined, refused: true });
  return { kind: 'unknown_tool_sweep', requests: 40, gap, vary };
}

function copying(times) {
  const vary = (_random, request) => ({ refused: false, response_bytes: request.usual * times });
  return { kind: 'payload_size', requests: 20, gap: 5 * second, vary };
}

/** The requests of one attack in a caller's name, from `at` on. */
export function makeAttack(random, habits, attack, at) {
  return Array.from({ length: attack.requests }, (_, step) => {
    const request = { ...makeRequest(random, habits, at + step * attack.gap), refused: false };
    if (request.tool === undefined) request.tool = habits.tools[0].id;
    request.unknown_tool = undefined;
    const usual = habits.tools.find(({ id }) => id === request.tool).response;
    return { ...request, ...attack.change, ...attack.vary?.(random, { ...request, usual }, step) };
  });
}
