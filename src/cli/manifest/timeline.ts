import { meaning, words, type Numbers } from './numbers';
import { sceneOf, ticksOf } from './scene';

const MARGIN = 11;

/** Stall, probes and decision for a terminal of that many columns. */
export function timeline(numbers: Numbers, columns: number): string {
  const scene = sceneOf(numbers);
  const { begin, end, probes, decided, gone, restarted } = scene;
  const { limit, liveness, bounds } = numbers;
  const width = Math.max(columns, 60) - MARGIN - 1;
  const column = (at: number): number => Math.round(((at - begin) / (end - begin)) * (width - 1));
  const row = (...marks: readonly (readonly [from: number, to: number, text: string])[]): string => {
    const cells = Array<string>(width).fill(' ');
    for (const [from, to, text] of marks) if (to >= begin) cells.fill(text, Math.max(0, column(from)), column(to) + 1);
    return cells.join('');
  };
  /** Texts at their times. A text that would touch the one before it is left out. */
  const labels = (texts: readonly (readonly [at: number, text: string])[]): string => {
    let line = '';
    for (const [at, text] of texts) {
      if (at < begin) continue;
      const from = Math.min(column(at), width - text.length);
      if (line === '' || line.length < from) line = line.padEnd(from) + text;
    }
    return line;
  };
  const marks = { alive: '+', dead: '-', decides: 'X' };
  const rows = {
    '': labels([
      [0, 'last beat'],
      [limit, 'limit'],
      [decided, 'decided'],
    ]),
    loop: row([begin, restarted, '.'], [begin, 0, '|'], [restarted, end, '|']),
    heartbeat: row([begin, limit, '='], [limit, gone, '!'], [gone, restarted, ' '], [restarted, end, '=']),
    probes: row(...probes.map(({ at, answer }) => [at, at, marks[answer]] as const)),
    between: row(
      [bounds.earliest, bounds.latest, '-'],
      [bounds.earliest, bounds.earliest, '['],
      [bounds.latest, bounds.latest, ']'],
    ),
    container: row([begin, gone, '#'], [decided, gone, '~'], [gone, restarted, ' '], [restarted, end, '#']),
    time: labels(
      ticksOf(scene, Math.floor(width / 9)).map((at) => [at, at < 0 ? `-${words(-at)}` : words(at)] as const),
    ),
  };
  const drawn = Object.entries(rows).map(([name, text]) => `${name.padEnd(MARGIN)}${text}`.trimEnd());
  const { periodSeconds, failureThreshold } = liveness;
  return `${[
    `A loop hangs. Its limit is ${words(limit)}, the kubelet probes every ${words(periodSeconds)}. Times are since its last beat.`,
    '',
    ...drawn,
    '',
    `loop: | beats, . hangs   heartbeat: = young, ! older than the limit   container: # runs, ~ is ended`,
    `probes: + alive, - dead, X dead for the ${ordinal(failureThreshold)} time: decided   between: where X can be`,
    '',
    ...meaning(numbers),
  ].join('\n')}\n`;
}

export function ordinal(count: number): string {
  const ending =
    count % 100 > 10 && count % 100 < 14
      ? undefined
      : ({ 1: 'st', 2: 'nd', 3: 'rd' } as Record<number, string>)[count % 10];
  return `${count}${ending ?? 'th'}`;
}
