// Asks Node and the shells about many paths, by one process of each reader.

import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** @param {string} name */
const support = (name) => readFileSync(join(import.meta.dirname, '../../support', name), 'utf8');

/** A reader that takes longer hangs. */
const LONGEST = 300_000;
/** What a reader prints between two answers, before the exit code. */
const END = '\x1e';

/**
 * @typedef {{ probe: string, script: string, node: string, cwd: string, uid?: number, gid?: number }} Place
 * @typedef {{ options: string[], path: string }} Question
 */

/** Node, then the shells that liveness.sh supports. @type {readonly string[][]} */
const COMMANDS = Object.values(JSON.parse(support('probes.json'))).map((command) => command.slice(0, -1));

/**
 * Asks all of them about all paths.
 *
 * @param {readonly Question[]} questions @param {Place} place @param {string} list a file to write the questions into
 * @returns {Promise<Map<string, string[]>>} the readers' answers: the line and the exit code, as they were printed
 */
export async function askAll(questions, place, list) {
  writeFileSync(list, questions.map(({ options, path }) => `${options.join(' ')}\n${path}\n`).join(''));
  const env = { PATH: process.env.PATH, IMPATIENT: '1' };
  return each(
    [place.node, '-e', support('many.js'), place.probe],
    ['-c', support('many.sh'), 'sh', place.script],
    async (command) => {
      const stdin = openSync(list, 'r');
      const output = await run(command, { ...place, env, stdin });
      closeSync(stdin);
      return split(output);
    },
  );
}

/** Asks real processes, each about one path, as a kubelet would. @param {Question} question @param {Place} place */
export function askOne({ options, path }, place) {
  const words = [...options, '--', path];
  const how = { ...place, env: { PATH: process.env.PATH }, stdin: /** @type {const} */ ('ignore'), sayExit: true };
  return each([place.node, place.probe, ...words], [place.script, ...words], (command) => run(command, how));
}

/**
 * @template T
 * @param {string[]} ofNode @param {string[]} ofShells what follows the shell's name
 * @param {(command: string[]) => Promise<T>} ask
 * @returns {Promise<Map<string, T>>}
 */
async function each(ofNode, ofShells, ask) {
  const commands = COMMANDS.map(([name, ...rest]) => [name, name === 'node' ? ofNode : [name, ...rest, ...ofShells]]);
  return new Map(
    await Promise.all(commands.map(async ([name, command]) => /** @type {const} */ ([name, await ask(command)]))),
  );
}

/**
 * @param {string[]} command
 * @param {Place & { env: Record<string, string | undefined>, stdin: number | 'ignore', sayExit?: boolean }} how
 * @returns {Promise<string>}
 */
function run([command = '', ...args], { cwd, uid, gid, env, stdin, sayExit = false }) {
  return new Promise((settle) => {
    const stdio = /** @type {const} */ ([stdin, 'pipe', 'pipe']);
    const child = spawn(command, args, { cwd, uid, gid, env, stdio, timeout: LONGEST, killSignal: 'SIGKILL' });
    /** @type {Buffer[]} */
    const output = [];
    /** @type {Buffer[]} */
    const complaints = sayExit ? output : [];
    child.stdout.on('data', (data) => output.push(data));
    child.stderr.on('data', (data) => complaints.push(data));
    child.on('error', (error) => {
      output.push(Buffer.from(error.message));
    });
    child.on('close', (code, signal) => {
      const said = Buffer.concat(output).toString('latin1');
      if (sayExit) settle(`${said}${END}${code ?? signal}`);
      else
        settle(
          code === 0 ? said : `${said}${Buffer.concat(complaints).toString('latin1')}ended by ${code ?? signal}${END}`,
        );
    });
  });
}

/** @param {string} output @returns {string[]} */
function split(output) {
  const answers = output.split(new RegExp(`(?<=${END}[^\\n]*)\\n`));
  if (answers.at(-1) === '') answers.pop();
  return answers;
}
