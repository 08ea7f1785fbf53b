// Asks Node and the shells about many paths: one process each, which judges one path after the other.

import { spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';

/** Far beyond what it takes: a reader that hangs. */
const LONGEST = 300_000;
/** What a reader prints between two answers, before the exit code. */
const END = '\x1e';

// The script itself, sourced in a child of its own: its exit, its limits and its variables end there.
const SHELL_READER = `
  while IFS= read -r options && IFS= read -r path; do
    ( set -- $options "$path"; . "$SCRIPT" ) 2>&1
    printf '\\036%s\\n' $?
  done`;

// The judge that liveness.js is built from. Nobody writes here, so that it need not wait between two looks.
const NODE_READER = `
  Atomics.wait = () => 'timed-out';
  const { describe, Timestamp } = require(process.env.LIBRARY);
  const lines = require('node:fs').readFileSync(0).toString().split('\\n');
  const judge = (options, path) => {
    try {
      const [ignoreError, otherPidNamespace] = ['--ignore-error', '--other-pid-namespace'].map((word) => options.includes(word));
      const verdict = Timestamp.byRef(path, { ignoreError, otherPidNamespace }).verdict();
      return describe(verdict) + '\\n${END}' + (verdict.alive ? 0 : 1) + '\\n';
    } catch (error) {
      return error.stack + '\\n${END}' + 'thrown\\n';
    }
  };
  for (let at = 0; at + 1 < lines.length; at += 2) process.stdout.write(judge(lines[at], lines[at + 1]));`;

/**
 * @typedef {{ library: string, probe: string, script: string, node: string, cwd: string, uid?: number, gid?: number }} Place
 * @typedef {{ options: string[], path: string }} Question
 */

/** @type {readonly (readonly [string, readonly string[]])[]} */
const SHELLS = [['dash', ['dash']], ['busybox', ['busybox', 'sh']], ['bash', ['bash']]];

/**
 * Asks all of them about all paths.
 *
 * @param {readonly Question[]} questions @param {Place} place @param {string} list a file to write the questions into
 * @returns {Promise<Map<string, string[]>>} the readers' answers: the line and the exit code, as they were printed
 */
export async function askAll(questions, place, list) {
  writeFileSync(list, questions.map(({ options, path }) => `${options.join(' ')}\n${path}\n`).join(''));
  const env = { PATH: process.env.PATH, SCRIPT: place.script, LIBRARY: place.library };
  return each([place.node, '-e', NODE_READER], ['-c', SHELL_READER], async (command) => {
    const stdin = openSync(list, 'r');
    const output = await run(command, { ...place, env, stdin });
    closeSync(stdin);
    return split(output);
  });
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
  const commands = [['node', ofNode], ...SHELLS.map(([name, shell]) => [name, [...shell, ...ofShells]])];
  return new Map(await Promise.all(commands.map(async ([name, command]) => /** @type {const} */ ([name, await ask(command)]))));
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
    child.on('error', (error) => { output.push(Buffer.from(error.message)); });
    child.on('close', (code, signal) => {
      const said = Buffer.concat(output).toString('latin1');
      if (sayExit) settle(`${said}${END}${code ?? signal}`);
      else settle(code === 0 ? said : `${said}${Buffer.concat(complaints).toString('latin1')}ended by ${code ?? signal}${END}`);
    });
  });
}

/** @param {string} output @returns {string[]} */
function split(output) {
  const answers = output.split(new RegExp(`(?<=${END}[^\\n]*)\\n`));
  if (answers.at(-1) === '') answers.pop();
  return answers;
}
