// What a probe's command does.

import { basename } from 'node:path';
import type { ProbeKind } from '../../../kubelet';
import { RULE } from '../../manifest/numbers';
import { AGENTS, external, harmfulOptions, hasChildren, CommandLine, type Script, type Step } from '../command-line';
import { variableOf, wordsOf, type Container } from '../pods';
import { commandOf, perProbe, type Rule } from '../rule';

/** Words that only a shell knows. */
const ONLY_SHELL = ': . ! { ( if while for case eval exec exit export return set source trap unset until'.split(' ');

const NEVER_FAILS: Record<ProbeKind, string> = {
  startup: 'the container is never started and never restarted',
  liveness: 'the container is never restarted',
  readiness: 'the container never becomes ready',
};

export const cannotStart: Rule = {
  id: 'probe-cannot-start',
  severity: 'error',
  describe: 'The first word of the command is not a program, so the probe neither succeeds nor fails',
  check: perProbe(({ kind, command }) => {
    const reason = command && whyItCannotStart(command);
    if (reason === undefined) return undefined;
    return `cannot start: ${reason}. The kubelet ignores a command that does not start: ${NEVER_FAILS[kind]}. Write each word as an item of its own, and a shell's syntax as ["sh", "-c", "..."]`;
  }),
};

function whyItCannotStart({ words: [first = ''] }: CommandLine): string | undefined {
  if (first === '') return 'its first word is empty';
  if (/\s/.test(first) && !/^[A-Z]:/i.test(first)) return `'${first}' is one word, the name of one program`;
  if (ONLY_SHELL.includes(first)) return `only a shell knows '${first}'`;
  if (/^\w+=/.test(first)) return `'${first}' sets a variable only in a shell`;
  if (/^~|^["'`]|[|&;<>`]|\$(?!\()/.test(first)) return `'${first}' needs a shell`;
  if (/(?:^|\/)dist\/liveness\.js$/.test(first)) return `'${first}' is not executable, node runs it`;
  return undefined;
}

/** The options of the shipped probes. Those with `true` are only for liveness.js. */
const OPTIONS = new Map([
  ['--process', false],
  ['--ignore-error', false],
  ['--other-pid-namespace', false],
  ['--maximum-age', true],
  ['--last-words', true],
]);

export const refusedByProbe: Rule = {
  id: 'refused-by-probe',
  severity: 'error',
  describe: 'The shipped probe does not have this option, so it fails each time',
  check: perProbe(({ command }) => {
    for (const { words } of command?.programs ?? []) {
      const at = words.findIndex((word) => /k8s-liveness\/dist\/liveness\.(?:sh|js)$/.test(word));
      if (at < 0) continue;
      const isShell = words[at]?.endsWith('.sh');
      for (const word of words.slice(at + 1)) {
        const [option = ''] = word.split('=', 1);
        if (!option.startsWith('-') || (OPTIONS.has(option) && !(isShell && OPTIONS.get(option)))) continue;
        const why = OPTIONS.has(option) ? 'only liveness.js has' : 'it does not have';
        return `gives ${basename(words[at] ?? '')} an option that ${why}, ${option}: it exits 2 each time, as if the service were dead. ${OPTIONS.has(option) ? 'Take liveness.js, or take the option away' : 'node liveness.js --help lists its options'}`;
      }
    }
    return undefined;
  }),
};

export const nodeTimeout: Rule = {
  id: 'node-timeout',
  severity: 'warning',
  describe: 'A probe that starts Node has a timeoutSeconds below 5, or none, which means 1',
  check: perProbe(({ value, kind, timing, command }) => {
    const least = Math.min(RULE.timeout, timing.periodSeconds); // a timeout above the period is worse
    if (!command?.nodes.length || timing.timeoutSeconds >= least) return undefined;
    const where = value.get('timeoutSeconds');
    const given = where.isPresent ? `${timing.timeoutSeconds}` : 'unset, which means 1';
    return {
      where,
      message: `${kind}Probe starts Node with timeoutSeconds ${given}: under a CPU limit Node needs a second only to start, so ${TOO_LATE[kind]}. Write timeoutSeconds: ${least}`,
    };
  }),
};

export const startsNpm: Rule = {
  id: 'starts-npm',
  severity: 'warning',
  describe: 'A probe starts npm, npx, yarn or pnpm, which takes many times as long as the check',
  check: perProbe(({ command }) => {
    const words = command?.nodes.find(({ words: [first = ''] }) => PACKAGE_MANAGER.test(basename(first)))?.words;
    if (words === undefined) return undefined;
    const isOurs = words.some((word) => word.startsWith('k8s-liveness'));
    const instead = isOurs ? '["sh", "node_modules/k8s-liveness/dist/liveness.sh", ...]' : 'what it runs, such as ["node", "check.js"]'; // prettier-ignore
    return `starts ${basename(words[0] ?? '')} at every probe: that takes many times as long as the check, and needs the network if the package is not installed. Write ${instead}`;
  }),
};

const PACKAGE_MANAGER = /^(?:npm|npx|pnpm|pnpx|yarn|yarnpkg)$/;

const TOO_LATE: Record<ProbeKind, string> = {
  startup: 'a healthy container may never start',
  liveness: 'a healthy container is restarted',
  readiness: 'a healthy container gets no clients',
};

/** `find`'s tests of a file's time. */
const FIND_TIMES = /^-(?:[acm]min|[acm]time|newer\w*|anewer|cnewer)$/;
const FIND_ACTIONS = /^-(?:exec|execdir|ok|okdir|delete|printf)$/;
/** Programs that succeed with an empty input too. */
const TAKES_NOTHING = ['wc', 'cat', 'sort', 'head', 'tail', 'tee', 'true'];

export const failsOpen: Rule = {
  id: 'fails-open',
  severity: 'error',
  describe: 'The command exits 0 even if what it looks for is wrong',
  check: perProbe(({ command }) => command && whyItFailsOpen(command)),
};

function whyItFailsOpen({ script, words, steps }: CommandLine): string | undefined {
  const untested = steps.some((step, at) => {
    const isFind = basename(step.program[0] ?? '') === 'find' && step.program.some((word) => FIND_TIMES.test(word));
    if (!isFind || step.isSaved || step.program.some((word) => FIND_ACTIONS.test(word))) return false;
    // The last program of the pipe may fail on an empty input.
    const rest = steps.slice(at + 1);
    const end = rest.findIndex(({ joint }) => joint !== '|');
    const readers = end < 0 ? rest : rest.slice(0, end);
    if (readers.some(({ program: [reader = ''] }) => !TAKES_NOTHING.includes(reader))) return false;
    const next = rest[readers.length];
    return step.isCondition || next === undefined || next.joint === '&&' || next.joint === '||';
  });
  if (untested)
    return 'asks find for a young file and ignores what it prints: find exits 0 also if the file is old, so a hung service passes. Write [ -n "$(find FILE -mmin -2)" ], or better a heartbeat file with liveness.sh';
  if (script === undefined) {
    const operator = words.find((word) => ['|', '||', '&&'].includes(word));
    if (operator === undefined) return undefined;
    return `has '${operator}' in its command, but no shell reads it: it and all that follows are arguments, so the check after it is never made. Write ["sh", "-c", "..."]`;
  }
  if (mayEndEarly(words, script)) return undefined;
  const last = script.steps.at(-1);
  const end = last?.program.join(' ') ?? '';
  if (!last || !/^(?:true|:|exit 0)$|^echo\b/.test(end)) return undefined;
  const isForgiven = last.joint === '||' && !end.startsWith('echo');
  // With branches and loops, roughly read as they are, the last command need not be the one that decides.
  const isStraight = script.steps.every(({ joint, isCondition }) => !isCondition && ['', ';'].includes(joint));
  const isAppended = isStraight && script.steps.length > 1 && !script.hasBackground && !/\bcase\b/.test(script.text);
  if (!isForgiven && !isAppended) return undefined;
  return `ends with '${last.joint} ${end}': it exits 0 whatever happens, so a hung service passes. Take that away`;
}

/** Whether a failure ends the script before its last command: by `set -e`, by an option of the shell, or by `exit`. */
function mayEndEarly(words: readonly string[], { text }: Script): boolean {
  const options = words.slice(0, words.indexOf(text)).join(' ');
  return (
    /(?:^|\s)-[a-z]*e[a-z]*(?=\s|$)|\berrexit\b/.test(options) ||
    /\bset -\w*e|\berrexit\b|\bexit\b(?!\s+["']?0\b)|\bkill\b/.test(text)
  );
}

export const staleFile: Rule = {
  id: 'stale-file-passes',
  severity: 'warning',
  describe: 'The liveness probe asks only whether a file is there, and a hung service does not remove it',
  check: perProbe(({ kind, command, container }) => {
    if (kind !== 'liveness' || command === undefined) return undefined;
    const { steps } = command;
    const checks = steps.filter(({ program: [first = ''] }) => !/^(?:exit|echo|set|true|false|:)$/.test(first));
    const files = checks.map(({ program }) => fileAsked(program, container));
    const [file] = files;
    if (file === undefined || files.includes(undefined)) return undefined;
    // A file that must not be there is no heartbeat.
    if (steps.some((step, at) => step.isNegated !== isFailure(step, steps.slice(at + 1)))) return undefined;
    const isGrep = checks.some(({ program: [first = ''] }) => first.endsWith('grep'));
    const question = isGrep ? `what is in '${file}'` : `whether '${file}' is there`;
    return `only asks ${question}: a service that hangs leaves its file behind, so it passes for ever. Ask how old the file is: liveness.sh judges a heartbeat file, liveness.js --maximum-age 2m any file`;
  }),
};

/** Whether the success of this step ends the script with an error. */
function isFailure({ isCondition }: Step, rest: readonly Step[]): boolean {
  const end = rest.find(({ program: [first = ''] }) => !/^(?:echo|printf)$/.test(first));
  return (isCondition || rest[0]?.joint === '&&') && /^exit [1-9]/.test(end?.program.join(' ') ?? '');
}

/** Commands, one word a line, that succeed if a file is there, or has some content. */
const ASKS_FILE =
  /^(?:(?:test|\[\[?)\n-[efrs]|cat|head(?:\n-\d+|\n-[cn]\n?\d+)?|ls(?:\n-\w+)*|stat(?:\n-[Lt]|\n-c\n?.+|\n--(?:format|printf)=.+)*|[ef]?grep(?:\n-[EFchiqswx]+)*\n[^-\n].*)\n([^-\n].*?)(?:\n\]\]?)?$/;

function fileAsked([program = '', ...words]: readonly string[], { value }: Container): string | undefined {
  const name = basename(program);
  const [, file] = ASKS_FILE.exec([name, ...words].join('\n')) ?? [];
  if (file === undefined || /^\/(?:proc|dev|sys)\/|\$/.test(file)) return undefined;
  // To look at a folder can be right: the mount of a dead server hangs or fails.
  const isMount = value.get('volumeMounts').items.some((mount) => mount.get('mountPath').text === file);
  const isFolder =
    isMount || !/\.\w+$|^\/(?:tmp|run|var\/run)\/.*[^/]$|(?:alive|live|healthy?|ready|heartbeat)$/.test(file);
  return isFolder && (name === 'ls' || name === 'stat') ? undefined : file;
}

const READS_TIME = /\bstat\b[^|;]*(?:%[YXZyW]|%m)|\bdate\b[^|;)]*\s-r\b|\bmtime|getmtime|\$\(\s*(?:cat|<)/;
const READS_CLOCK = /\bdate\b[^|;)]*\+%s|EPOCHSECONDS|Date\.now|new Date|time\.time/;
const COMPARES = /\s-(?:lt|le|gt|ge)\s|(?<![<>=$(2&|])[<>]=?(?![<>(&|])/g;

export const futureFile: Rule = {
  id: 'future-file-passes',
  severity: 'warning',
  describe: "The command subtracts a file's time from the clock, and takes a time in the future for young",
  check: perProbe(({ command }) => {
    const text = command?.words.join(' ').replaceAll(/\d?>(?:&\d|\s*\/dev\/null)|=>/g, '') ?? '';
    if (!READS_TIME.test(text) || !READS_CLOCK.test(text) || /\babs\b/.test(text)) return undefined;
    if (text.match(COMPARES)?.length !== 1) return undefined; // a second one may be the lower bound
    return "subtracts the file's time from the clock and compares once: after the clock was set back the file is from the future, the age is negative, and a hung service passes until the clock catches up. Ask for 0 <= age too, or use liveness.sh or liveness.js, which do";
  }),
};

export const orphans: Rule = {
  id: 'orphaned-children',
  severity: 'warning',
  describe: 'The command leaves children behind, and nothing in the container reaps them',
  check: perProbe(({ command, container }) => {
    const script = command?.script;
    const { spec } = container.pod;
    const pidOne = container.command;
    if (!script || pidOne?.reaps || ['shareProcessNamespace', 'hostPID'].some((key) => spec.get(key).scalar === true))
      return undefined;
    const why = whyItLeavesChildren(script);
    if (why === undefined) return undefined;
    const unless = pidOne ? '' : ', unless the first process of the image is an init';
    return `${why}: they stay as zombies until no process starts any more, and a healthy container is restarted${unless}. Write one plain command, or exec before the last one, or give the container an init such as tini, or the pod shareProcessNamespace: true`;
  }),
};

function whyItLeavesChildren(script: Script): string | undefined {
  if (script.hasBackground && external(script).length + script.substitutions.length > 0)
    return 'leaves what it starts by & to PID 1, which does not reap it';
  if (!hasChildren(script)) return undefined;
  return 'runs programs below a shell: at a timeout only the shell is killed, and PID 1 does not reap the others';
}

export const inheritedOptions: Rule = {
  id: 'inherited-node-options',
  severity: 'warning',
  describe:
    'A probe that starts Node inherits options or certificates of the container that make it slow, fail or hang',
  check: function* (container) {
    for (const probe of container.probes) {
      const found = AGENTS.flatMap((name) => {
        const entry = variableOf(container, name);
        const text = entry?.get('value').text;
        const isInherited = entry && probe.command?.nodes.some(({ assigned }) => !assigned.has(name));
        if (!isInherited || text === '') return [];
        if (name !== 'NODE_OPTIONS') return [name];
        const options = harmfulOptions(text);
        return options.length > 0 ? [`${name} with ${options.join(' and ')}`] : [];
      });
      if (found.length === 0) continue;
      const clear = `["env", ${AGENTS.map((name) => `"${name}="`).join(', ')}, "node", ...]`;
      yield {
        where: commandOf(probe),
        message: `${probe.kind}Probe inherits ${found.join(', and ')} of the container: it is read by each probe too, and makes it slow, or makes it fail or hang. Write ${clear}, or use liveness.sh`,
      };
    }
  },
};

export const dollars: Rule = {
  id: 'dollar-pair',
  severity: 'error',
  describe: 'A command has $$, of which Kubernetes makes one $',
  isForAll: true,
  check: function* ({ value, probes, command }) {
    const args = value.get('args');
    const lists = [value.get('command'), args, ...probes.map(commandOf)];
    const lines = [command, new CommandLine(wordsOf(args)), ...probes.map((probe) => probe.command)];
    for (const where of lists.flatMap(({ items }) => items)) {
      const text = where.text ?? '';
      if (!PAIR.test(text)) continue;
      // What is in single quotes belongs to another program, such as awk.
      const isShell = lines.some((line) => line?.script?.text === text) && PAIR.test(text.replaceAll(/'[^']*'/g, "''"));
      const reader = isShell ? 'the shell never sees its own pid' : 'the program sees only one';
      yield { where, message: `a command has $$: Kubernetes makes one $ of it, so ${reader}. Write $$$$` };
    }
  },
};

/** `$$(X)` and `$$X` are how to write $(X) and $X. A $ at a word's end may be a pattern's. */
const PAIR = /(?:^|[\s/='".,;(+-])\$\$(?![$\w({])/;
