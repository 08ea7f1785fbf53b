import { meaning, words, type Numbers } from './numbers';
import { sceneOf, ticksOf } from './scene';
import { ordinal } from './timeline';

const WIDTH = 960;
const HEIGHT = 332;
const LEFT = 108;
const RIGHT = 24;
/** The top of each lane. */
const LANE = { loop: 86, heartbeat: 132, probes: 182, container: 228 } as const;
const BAR = 18;
const AXIS = 270;

const STYLE = `
  text { font: 13px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .quiet { fill: #59636e; font-size: 12px }
  .on { fill: #ffffff; font-size: 12px }
  .end { text-anchor: end }
  .middle { text-anchor: middle }
  .strong { font-weight: 600 }
  .page { fill: #ffffff }
  .axis, .grid { stroke: #d1d9e0 }
  .mark { stroke: #818b98; stroke-dasharray: 3 3 }
  .window { fill: #cf222e; fill-opacity: .09 }
  .edge { stroke: #cf222e; stroke-opacity: .45 }
  .beat { stroke: #1a7f37; stroke-width: 2 }
  .young { fill: #1a7f37 }
  .old, .dead { fill: #cf222e }
  .red { fill: #cf222e }
  .hang { fill: url(#hatch); stroke: #cf222e; stroke-opacity: .5 }
  .hatch { stroke: #cf222e; stroke-opacity: .4; stroke-width: 2 }
  .run { fill: #0969da }
  .ending { fill: #9a6700 }
  .sign { stroke: #ffffff; stroke-width: 2; fill: none; stroke-linecap: round; stroke-linejoin: round }
  .halo-text { paint-order: stroke; stroke: #ffffff; stroke-width: 5; stroke-linejoin: round }
  .halo { fill: none; stroke: #cf222e; stroke-width: 2.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .quiet { fill: #9198a1 }
    .on { fill: #ffffff }
    .page { fill: #0d1117 }
    .axis, .grid { stroke: #3d444d }
    .mark { stroke: #656c76 }
    .window { fill: #f85149; fill-opacity: .14 }
    .edge { stroke: #f85149 }
    .beat { stroke: #3fb950 }
    .young { fill: #238636 }
    .old, .dead { fill: #da3633 }
    .red { fill: #ff7b72 }
    .hang, .halo { stroke: #f85149 }
    .hatch { stroke: #f85149 }
    .halo-text { stroke: #0d1117 }
    .run { fill: #1f6feb }
    .ending { fill: #9e6a03 }
  }`;

/** Stall, probes and decision as an SVG picture, readable in light and dark mode. */
export function picture(numbers: Numbers): string {
  const scene = sceneOf(numbers);
  const { begin, end, probes, decided, gone, restarted } = scene;
  const { limit, liveness, bounds } = numbers;
  const x = (at: number): string => (LEFT + ((at - begin) / (end - begin)) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const bar = (name: string, lane: keyof typeof LANE, from: number, to: number): string =>
    `<rect class="${name}" x="${x(from)}" y="${LANE[lane]}" width="${(Number(x(to)) - Number(x(from))).toFixed(1)}" height="${BAR}" rx="3"/>`;
  const text = (name: string, at: number | string, y: number, words: string): string =>
    `<text class="${name}" x="${at}" y="${y}">${words}</text>`;
  const line = (name: string, at: number, from: number, to: number): string =>
    `<path class="${name}" d="M${x(at)} ${from}V${to}"/>`;
  /** Words in a bar, if it is wide enough for them. */
  const inside = (lane: keyof typeof LANE, from: number, to: number, words: string): string =>
    Number(x(to)) - Number(x(from)) > 7 * words.length + 8
      ? text('on middle', x((from + to) / 2), LANE[lane] + 13, words)
      : '';
  const beats = (from: number, to: number): number[] => {
    const step = (end - begin) / 90;
    return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => to - index * step);
  };
  const { periodSeconds, failureThreshold } = liveness;
  const middle = LANE.probes + BAR / 2;
  const signs = { alive: 'm-3.5 .5 2.5 2.5 4.5 -5', dead: 'm-3 -3 6 6m0 -6 -6 6', decides: 'm-3 -3 6 6m0 -6 -6 6' };
  const probe = ({ at, answer }: (typeof probes)[number]): string[] => [
    ...(answer === 'decides'
      ? [
          text('middle red', x(at), middle - 17, 'decided'),
          `<circle class="halo" cx="${x(at)}" cy="${middle}" r="12"/>`,
        ]
      : []),
    `<circle class="${answer === 'alive' ? 'young' : 'dead'}" cx="${x(at)}" cy="${middle}" r="8"/>`,
    `<path class="sign" d="M${x(at)} ${middle}${signs[answer]}"/>`,
  ];
  const [first = '', second = ''] = meaning(numbers);
  const title = `A loop hangs: its limit is ${words(limit)}, the kubelet probes every ${words(periodSeconds)}`;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title" aria-describedby="meaning">`,
    `<title id="title">${title}</title>`,
    `<desc id="meaning">${first} ${second}</desc>`,
    `<style>${STYLE}\n</style>`,
    '<defs><pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatch" d="M0 0V8"/></pattern></defs>',
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}"/>`,
    text('title', 16, 28, title),
    // Below the lanes: where the decision can be, and the moments that have a name.
    `<rect class="window" x="${x(bounds.earliest)}" y="56" width="${(Number(x(bounds.latest)) - Number(x(bounds.earliest))).toFixed(1)}" height="${AXIS - 56}"/>`,
    line('edge', bounds.earliest, 56, AXIS),
    line('edge', bounds.latest, 56, AXIS),
    text(
      'red middle',
      Math.min(Number(x((bounds.earliest + bounds.latest) / 2)), WIDTH - 130),
      48,
      `decided between ${words(bounds.earliest)} and ${words(bounds.latest)}`,
    ),
    ...(begin < 0 ? [line('mark', 0, 74, AXIS), text('middle', x(0), 68, 'last beat')] : []),
    line('mark', limit, 74, AXIS),
    text('middle', x(limit), 68, 'limit'),
    ...Object.entries(LANE).map(([lane, top]) => text('end', LEFT - 14, top + 13, lane)),
    bar('hang', 'loop', Math.max(begin, 0), gone),
    ...[...beats(begin, 0), ...beats(restarted, end)].map((at) => line('beat', at, LANE.loop + 1, LANE.loop + BAR - 1)),
    text('middle strong red halo-text', x((Math.max(begin, 0) + gone) / 2), LANE.loop + 13, 'hangs'),
    bar('young', 'heartbeat', begin, limit),
    bar('old', 'heartbeat', limit, gone),
    bar('young', 'heartbeat', restarted, end),
    inside('heartbeat', begin, limit, 'young enough'),
    inside('heartbeat', limit, gone, 'older than its limit'),
    ...probes.flatMap(probe),
    bar('run', 'container', begin, decided),
    bar('ending', 'container', decided, gone),
    bar('run', 'container', restarted, end),
    inside('container', begin, decided, 'runs'),
    inside('container', decided, gone, 'is ended'),
    inside('container', restarted, end, 'restarted'),
    `<path class="axis" d="M${LEFT} ${AXIS}H${WIDTH - RIGHT}"/>`,
    ...ticksOf(scene, 10).flatMap((at) => [
      line('axis', at, AXIS, AXIS + 5),
      text('quiet middle', x(at), AXIS + 19, at < 0 ? `-${words(-at)}` : words(at)),
    ]),
    text(
      'quiet',
      16,
      HEIGHT - 16,
      `Dead for the ${ordinal(failureThreshold)} time in a row: the container gets ${words(liveness.terminationGracePeriodSeconds)} to end, then it starts again. No stall under ${words(bounds.earliest)} restarts it.`,
    ),
    '</svg>',
  ]
    .filter((element) => element !== '')
    .join('\n')}\n`;
}
