// Draws the record as an SVG that needs no other file, with colours for light and dark pages.

import type { Deployment } from './deployment';
import { now } from './record';

export interface Mark {
  readonly at: number;
  readonly text: string;
  /** The text is before its line instead of after it. */
  readonly before?: boolean;
}

interface Panel {
  readonly side: Deployment;
  readonly title: string;
  readonly marks: readonly Mark[];
}

const WIDTH = 960;
const LEFT = 110;
const RIGHT = 20;
/** The height of a replica's lane, and the distance to the next lane. */
const LANE = 14;
const PITCH = 19;
/** The height of the plot of waiting times. */
const PLOT = 84;
const PANEL = 90 + 3 * PITCH + PLOT;
const HEAD = 16;

const STYLE = `
  text { font: 12px sans-serif; fill: #24292f }
  .title { font-size: 14px; font-weight: bold }
  .middle { text-anchor: middle }
  .end { text-anchor: end }
  .page { fill: #ffffff }
  .grid { stroke: #d0d7de }
  .mark { stroke: #57606a; stroke-dasharray: 2 3 }
  .limit { stroke: #bc4c00; stroke-dasharray: 6 4 }
  .up { fill: #54a3e8 }
  .ending { fill: #e3b341 }
  .down { fill: none; stroke: #8c959f }
  .failed { stroke: #a40e26; stroke-width: 3 }
  .lost { stroke: #a40e26; stroke-width: 1.5 }
  .answer { stroke: #0969da; stroke-width: 2.4; stroke-linecap: round }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .page { fill: #0d1117 }
    .grid { stroke: #30363d }
    .mark { stroke: #9198a1 }
    .limit { stroke: #f0883e }
    .up { fill: #316dca }
    .ending { fill: #bb8009 }
    .down { stroke: #656c76 }
    .failed, .lost { stroke: #ff7b72 }
    .answer { stroke: #79c0ff }
  }`;

/** Draws the panels below each other on one time axis. `table` is the description for people who cannot see the picture. */
export function timeline(panels: readonly Panel[], table: readonly string[]): string {
  const end = Math.ceil(now());
  const slowest = Math.ceil(Math.max(2, ...panels.map(({ side }) => side.balancer.slowest)));
  const x = (at: number): string => (LEFT + (at / end) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const right = WIDTH - RIGHT;
  const bottom = HEAD + panels.length * PANEL;
  const out: string[] = [];
  const text = (className: string, left: number | string, baseline: number, content: string): void => {
    const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
    out.push(`<text class="${className}" x="${left}" y="${baseline}">${escaped}</text>`);
  };
  const path = (className: string, d: string): void => {
    if (d !== '') out.push(`<path class="${className}" d="${d}"/>`);
  };

  for (const [index, { side, title, marks }] of panels.entries()) {
    const top = HEAD + index * PANEL;
    const lanes = top + 34;
    const lost = lanes + 3 * PITCH;
    const zero = lost + 24 + PLOT;
    const y = (waited: number): string => (zero - (waited / slowest) * PLOT).toFixed(1);

    text('title', 16, top + 8, title);
    for (const [number, { changes, failures }] of side.replicas.entries()) {
      const lane = lanes + number * PITCH;
      text('end', LEFT - 10, lane + 11, `replica ${number + 1}`);
      for (const [nth, { at, state }] of changes.entries()) {
        const width = Number(x(changes[nth + 1]?.at ?? end)) - Number(x(at));
        out.push(`<rect class="${state}" x="${x(at)}" y="${lane}" width="${width.toFixed(1)}" height="${LANE}"/>`);
      }
      path('failed', failures.map((at) => `M${x(at)} ${lane}v${LANE}`).join(''));
    }
    text('end', LEFT - 10, lost + 9, 'lost');
    path('lost', side.balancer.failures.map((at) => `M${x(at)} ${lost}v9`).join(''));
    text('start', 16, zero - PLOT / 2, 'answered');
    text('start', 16, zero - PLOT / 2 + 14, 'after');
    for (let waited = 0; waited <= slowest; waited++) {
      path(waited === 1 ? 'limit' : 'grid', `M${LEFT} ${y(waited)}H${right}`);
      if (waited % 2 === 0) text('end', LEFT - 10, Number(y(waited)) + 4, `${waited} s`);
    }
    path('answer', side.balancer.answers.map(({ at, waited }) => `M${x(at)} ${y(waited)}h0`).join(''));
    for (const { at, text: words, before = false } of marks) {
      path('mark', `M${x(at)} ${top + 16}V${zero}`);
      text(before ? 'end' : 'start', Number(x(at)) + (before ? -4 : 4), top + 27, words);
    }
  }
  for (let at = 0; at <= end; at += 5) text('middle', x(at), bottom, at === 0 ? '0 s' : String(at));

  const legend = bottom + 20;
  const kinds = [
    ['up', 'up'],
    ['ending', 'ends'],
    ['down', 'backs off'],
    ['failed', 'failed probe'],
    ['lost', 'request refused or cut off'],
    ['answer', 'answer'],
    ['limit', "HTTP GET's timeout"],
  ] as const;
  let left = LEFT;
  for (const [className, words] of kinds) {
    if (className === 'failed' || className === 'lost') path(className, `M${left + 8} ${legend}v${LANE}`);
    else if (className === 'answer')
      path(className, [0, 4, 8, 12].map((dot) => `M${left + 2 + dot} ${legend + 7}h0`).join(''));
    else if (className === 'limit') path(className, `M${left} ${legend + 7}h16`);
    else out.push(`<rect class="${className}" x="${left}" y="${legend}" width="16" height="${LANE}"/>`);
    text('start', left + 22, legend + 11, words);
    left += Math.round(42 + words.length * 6.6);
  }

  const height = legend + 30;
  const size = `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-labelledby="title" aria-describedby="table">
<title id="title">Two liveness probes of one service under load</title>
<desc id="table">
${table.join('\n')}
</desc>
<style>${STYLE}
</style>
<rect class="page" width="${WIDTH}" height="${height}"/>
${out.join('\n')}
</svg>
`;
}
