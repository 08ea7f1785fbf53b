import { basename } from 'node:path';

/** One program that a command starts. */
export interface Program {
  /** Without what only starts it, such as `env` and `timeout 5`. */
  readonly words: readonly string[];
  /** The variables that the command sets for the program; some may be empty. */
  readonly assigned: ReadonlyMap<string, string>;
  /** The names of the programs that were taken away. */
  readonly starters: readonly string[];
}

/** A simple command of a shell's script. */
export interface Step {
  readonly words: readonly string[];
  /** Its words without what only starts it. */
  readonly program: readonly string[];
  /** What joins it to the step before. */
  readonly joint: '' | ';' | '|' | '&&' | '||';
  /** Whether it stands behind `if` or `while`, so that its exit code counts. */
  readonly isCondition: boolean;
  /** Whether `!` stands before it. */
  readonly isNegated: boolean;
  /** Whether its output goes to a file that may be looked at later. */
  readonly isSaved: boolean;
}

export interface Script {
  readonly text: string;
  readonly steps: readonly Step[];
  /** The scripts in `$(...)`, `<(...)` and backquotes. */
  readonly substitutions: readonly Script[];
  /** The names of the functions that the script defines. */
  readonly functions: ReadonlySet<string>;
  /** Whether the script starts a process with `&`. */
  readonly hasBackground: boolean;
}

const SHELLS = ['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'mksh'];
const INITS = ['tini', 'tini-static', 'dumb-init', 'catatonit', 'docker-init'];
/** What only starts another program: which of its options have a value, and how many words are its own. */
const STARTERS = new Map<string, { readonly valued?: RegExp; readonly own?: number }>([
  ...['busybox', 'command', 'nohup', 'setsid'].map((name) => [name, {}] as const),
  ...['gosu', 'setuidgid', 's6-setuidgid', 'su-exec'].map((name) => [name, { own: 1 }] as const),
  ...INITS.map((name) => [name, { valued: /^(?:-[epr]|--rewrite)$/ }] as const),
  ['env', { valued: /^(?:-[uC]|--unset|--chdir)$/ }],
  ['exec', { valued: /^-a$/ }],
  ['ionice', { valued: /^(?:-[cn]|--class|--classdata)$/ }],
  ['nice', { valued: /^(?:-n|--adjustment)$/ }],
  [
    'setpriv',
    {
      valued:
        /^--(?:[re]?[ug]id|re[ug]id|groups|(?:ambient|inh)-caps|bounding-set|securebits|pdeathsig|ptracer|selinux-label|apparmor-profile|seccomp-filter|landlock-\w+)$/,
    },
  ],
  ['stdbuf', { valued: /^(?:-[ioe]|--(?:input|output|error))$/ }],
  ['time', { valued: /^-[fo]$/ }],
  ['timeout', { valued: /^(?:-[ks]|--kill-after|--signal)$/, own: 1 }],
]);
const KEYWORDS = ['if', 'then', 'elif', 'else', 'fi', 'while', 'until', 'do', 'done', '!', '{', '}', 'case', 'esac'];
const BUILTINS = '() . : [ [[ cd command echo eval exit export false for kill local printf pwd read return set shift source test trap true type ulimit umask unset wait'.split(' '); // prettier-ignore

/** Hadoop has a program `yarn` too. */
const HADOOP = /^\S*hadoop|^\S*yarn (?:app|application|cluster|container|node -(?:list|status)|queue|rmadmin|top)/;

/** What a command of a manifest runs. No shell reads it, unless it names one. */
export class CommandLine {
  /** What the shell reads, if the command is `sh -c SCRIPT`. */
  readonly script: Script | undefined;
  readonly programs: readonly Program[];

  constructor(readonly words: readonly string[]) {
    const program = unwrap(words, new Map());
    const text = scriptIn(program.words);
    this.script = text === undefined ? undefined : parseScript(text);
    this.programs = this.script ? programsOf(this.script, program.assigned) : [program];
  }

  /** What the shell runs step by step; without a shell, the program. */
  get steps(): readonly Step[] {
    return (
      this.script?.steps ??
      this.programs.map(({ words }) => {
        return { words, program: words, joint: '', isCondition: false, isNegated: false, isSaved: false };
      })
    );
  }

  /** The programs that are Node, or start it. */
  get nodes(): readonly Program[] {
    return this.programs.filter(
      ({ words }) =>
        /^(?:node|nodejs|npm|npx|yarn|yarnpkg|pnpm|pnpx|tsx|ts-node|k8s-liveness)$/.test(basename(words[0] ?? '')) &&
        !HADOOP.test(words.join(' ')),
    );
  }

  /** Whether this program, as PID 1, takes care of orphans: an init, or a shell. */
  get reaps(): boolean {
    const { starters, words } = unwrap(this.words, new Map());
    return [...starters, basename(words[0] ?? '')].some(
      (name) =>
        INITS.includes(name) || SHELLS.includes(name) || /^(?:s6-\w+|init|systemd|supervisord|runsv\w*)$/.test(name),
    );
  }
}

/** Takes away the programs that only start another one. */
function unwrap(words: readonly string[], before: ReadonlyMap<string, string>): Program {
  const assigned = new Map(before);
  const starters: string[] = [];
  let rest = [...words];
  for (;;) {
    const [first = '', second = ''] = rest;
    const [, variable, value = ''] = /^([A-Za-z_]\w*)=(.*)$/s.exec(first) ?? [];
    const name = basename(first);
    const starter = STARTERS.get(name);
    let end = 1;
    if (variable !== undefined) assigned.set(variable, value);
    else if (!starter || (name === 'command' && /^-v$/i.test(second))) return { words: rest, assigned, starters };
    else {
      while (rest[end]?.startsWith('-') && rest[end - 1] !== '--') end += starter.valued?.test(rest[end] ?? '') ? 2 : 1;
      if (name === 'env') unset(rest.slice(1, end), assigned);
      end += starter.own ?? 0;
      if (end >= rest.length) return { words: rest, assigned, starters };
      starters.push(name);
    }
    rest = rest.slice(end);
  }
}

/** Notes what these options of `env` take away. */
function unset(options: readonly string[], assigned: Map<string, string>): void {
  options.forEach((option, at) => {
    const [, name = /^(?:-u|--unset)$/.test(option) ? options[at + 1] : undefined] =
      /^(?:-u|--unset=)(.+)$/.exec(option) ?? [];
    if (name !== undefined) assigned.set(name, '');
    if (/^(?:-i|-|--ignore-environment)$/.test(option)) for (const agent of AGENTS) assigned.set(agent, '');
  });
}

/** The variables that change how Node starts. */
export const AGENTS = ['NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS'] as const;

/** Options of Node that load something into each probe, stop it, write a file, or take its rights away. */
const HARMFUL =
  /(?<!\S)(?:(?:-r|--require|--import|--(?:experimental[-_])?loader)[=\s]+\S+|--(?:inspect(?:[-_](?:brk|wait))?|(?:cpu|heap)[-_]prof|(?:experimental[-_])?permission)(?=[=\s]|$))/g;

/** The options in a NODE_OPTIONS that do harm to a probe. */
export function harmfulOptions(text = ''): string[] {
  return text.match(HARMFUL) ?? [];
}

/** The script of `sh -c SCRIPT`. */
function scriptIn([shell = '', ...rest]: readonly string[]): string | undefined {
  if (!SHELLS.includes(basename(shell))) return undefined;
  const end = rest.findIndex((word, at) => !/^[-+]/.test(word) && !/^[-+]o$/.test(rest[at - 1] ?? ''));
  return rest.slice(0, end).some((word) => /^-[a-z]*c/.test(word)) ? rest[end] : undefined;
}

function programsOf({ steps, substitutions, functions }: Script, before: ReadonlyMap<string, string>): Program[] {
  const assigned = new Map(before);
  const programs: Program[] = [];
  for (const { words } of steps) {
    const [first] = words;
    const program = unwrap(words, assigned);
    const nested = scriptIn(program.words);
    if (nested !== undefined) programs.push(...programsOf(parseScript(nested), program.assigned));
    else if (program.words.length > 0 && !functions.has(program.words[0] ?? '')) programs.push(program);
    // `export NODE_OPTIONS=` and `unset NODE_OPTIONS` hold for what follows.
    if (first === 'export' || first === 'unset') {
      for (const word of words.slice(1)) assigned.set(word.replace(/=.*/s, ''), word.replace(/^[^=]*=?/, ''));
    }
  }
  return [...programs, ...substitutions.flatMap((script) => programsOf(script, assigned))];
}

/** The programs that are no builtins of the shell. */
export function external({ steps, functions }: Script): Step[] {
  return steps.filter(
    ({ program: [first] }) => first !== undefined && !BUILTINS.includes(first) && !functions.has(first),
  );
}

/** Programs that look at local files and do not hang. */
const QUICK = 'awk basename cat cut date dirname egrep env expr find grep head hostname id pgrep pidof ps sed sort stat tail tr uname wc'.split(' '); // prettier-ignore

function slow(script: Script): Step[] {
  return external(script).filter(({ program: [first = ''] }) => !QUICK.includes(basename(first)));
}

/** Whether a program may go on when the timeout kills its shell, because the shell has started it as a child. */
export function hasChildren(script: Script): boolean {
  if (script.substitutions.some((inner) => slow(inner).length > 0 || hasChildren(inner))) return true;
  const [first, second] = slow(script);
  // A shell starts no child for a single command, or for `exec`.
  return second !== undefined || (first !== undefined && script.steps.length > 1 && first.words[0] !== 'exec');
}

/** Takes a script apart, roughly: enough to see which programs run, and whose exit code counts. */
export function parseScript(text: string): Script {
  return scan(text, 0, 'script', new Set()).script;
}

/** `<<` and the word that ends the here-document. */
const HERE_DOCUMENT = /<<(-?)[ \t]*((?:'[^']*'|"[^"]*"|\\.|[^\s;&|<>()'"\\])+)/y;

const BACKQUOTED = /`((?:\\[^]|[^`\\])*)`?/y;

/** A nested script ends at the bracket that closes it. Of a text only what is substituted in it runs. */
function scan(
  text: string,
  start: number,
  kind: 'script' | 'nested' | 'text',
  functions: Set<string>,
): { script: Script; end: number } {
  const steps: Step[] = [];
  const substitutions: Script[] = [];
  let words: string[] = [];
  let word: string | undefined;
  let joint: Step['joint'] = '';
  let isTarget = false; // the next word is a redirection's
  let [isCondition, isNegated, isSaved] = [false, false, false];
  let hasBackground = false;
  let isPattern = false; // of `case`, up to its bracket
  let documents: (readonly [isIndented: boolean, delimiter: string])[] = []; // begin on the next line
  let depth = 0;
  let at = start;

  const endWord = (): void => {
    if (word === undefined) return;
    if (isTarget) isSaved ||= !/^(?:\/dev\/null|\d|-)$/.test(word);
    else if (words[0] === 'function' && words.length === 1) define(word);
    else if (words.length > 0 || !KEYWORDS.includes(word)) words.push(word);
    else {
      isCondition ||= /^(?:if|elif|while|until)$/.test(word);
      isNegated ||= word === '!';
      isPattern = word === 'case' || (isPattern && word !== 'esac');
    }
    isTarget = false;
    word = undefined;
  };
  const define = (name: string): void => {
    functions.add(name);
    words = [];
  };
  const endStep = (next: Step['joint']): void => {
    endWord();
    if (words.length > 0) {
      steps.push({ words, program: unwrap(words, new Map()).words, joint, isCondition, isNegated, isSaved });
      [words, isCondition, isNegated, isSaved] = [[], false, false, false];
      joint = next;
    } else if (joint === '') joint = next;
  };
  const enter = (inside: number): Script => {
    const { script, end } = scan(text, inside, 'nested', functions);
    at = end;
    return script;
  };
  const substitute = (): void => {
    BACKQUOTED.lastIndex = at;
    const [quoted = '', inside = ''] = BACKQUOTED.exec(text) ?? [];
    if (quoted !== '') {
      substitutions.push(scan(inside.replaceAll(/\\([`$\\])/g, '$1'), 0, 'script', functions).script);
      at += quoted.length - 1;
    } else if (text.startsWith('$((', at)) substitutions.push(...enter(at + 2).substitutions);
    else substitutions.push(enter(at + 2));
    word = `${word ?? ''}$()`;
  };
  /** Reads what is in double quotes, in `${...}` or in a here-document. */
  const readText = (end: '"' | '}' | ''): void => {
    word ??= '';
    for (; at < text.length && text[at] !== end; at++) {
      if (text[at] === '\\') word += text[++at] ?? '';
      else if (text[at] === '`' || text.startsWith('$(', at)) substitute();
      else if (text.startsWith('${', at)) readBraces();
      else word += text[at] ?? '';
    }
  };
  const readBraces = (): void => {
    word = `${word ?? ''}\${`;
    at += 2;
    readText('}');
    word += '}';
  };
  const readDocuments = (): void => {
    for (const [isIndented, delimiter] of documents) {
      const end = delimiter.replaceAll(/['"\\]/g, '');
      const closing = new RegExp(`^${isIndented ? '\\t*' : ''}${end.replaceAll(/\W/g, '\\$&')}$`, 'gm');
      closing.lastIndex = at + 1;
      const found = closing.exec(text); // without one, the rest of the script is the document, as in a shell
      const { script } = scan(text.slice(at + 1, found?.index), 0, 'text', functions);
      if (delimiter === end) substitutions.push(...script.substitutions);
      at = found ? closing.lastIndex : text.length;
    }
    documents = [];
  };

  if (kind === 'text') readText('');
  for (; at < text.length; at++) {
    const character = text[at] ?? '';
    const pair = text.slice(at, at + 2);
    if (character === "'") {
      const end = text.indexOf("'", at + 1);
      word = (word ?? '') + text.slice(at + 1, end < 0 ? undefined : end);
      at = end < 0 ? text.length : end;
    } else if (character === '"') {
      at++;
      readText('"');
    } else if (character === '\\') {
      if (text[++at] !== '\n') word = (word ?? '') + (text[at] ?? '');
    } else if (/^(?:[$<>]\(|`)/.test(pair)) substitute();
    else if (pair === '${') readBraces();
    else if (words[0] === '[[' && words.at(-1) !== ']]' && word !== ']]' && /[()<>|&]/.test(character))
      word = (word ?? '') + character;
    else if (character === '#' && word === undefined) {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end - 1;
    } else if (character === '<' || character === '>') {
      if (/^\d+$/.test(word ?? '')) word = undefined;
      endWord();
      HERE_DOCUMENT.lastIndex = at;
      const [document = '', dash, delimiter = ''] = HERE_DOCUMENT.exec(text) ?? [];
      if (document !== '') {
        documents.push([dash === '-', delimiter]);
        at += document.length - 1;
        continue;
      }
      while (/[<>&|]/.test(text[at + 1] ?? '')) at++;
      isTarget = true;
    } else if (isPattern && word !== 'esac' && /[|()\n]/.test(character)) {
      endWord();
      words = [];
      isPattern &&= character !== ')';
    } else if (character === '(' && (word?.endsWith('=') || (pair === '((' && words.length === 0))) {
      substitutions.push(...enter(at + 1).substitutions); // an array, or arithmetic
      word = `${word ?? ''}()`;
    } else if (
      character === '(' &&
      word !== undefined &&
      (words.length === 0 || words[0] === 'function') &&
      /^\(\s*\)/.test(text.slice(at))
    ) {
      define(word);
      word = undefined;
      at = text.indexOf(')', at);
    } else if (pair === '&&' || pair === '||') {
      endStep(pair);
      at++;
    } else if (pair === '&>') word = undefined;
    else if (character === '&') {
      hasBackground = true;
      endStep(';');
    } else if (character === '|') endStep('|');
    else if (/[;\n()]/.test(character)) {
      if (character === '(') depth++;
      if (character === ')' && depth-- === 0 && kind === 'nested') break;
      endStep(';');
      isPattern ||= pair === ';;';
      if (character === '\n') readDocuments();
    } else if (/\s/.test(character)) endWord();
    else word = (word ?? '') + character;
  }
  endStep('');
  hasBackground ||= substitutions.some((inner) => inner.hasBackground);
  return { script: { text: text.slice(start, at), steps, substitutions, functions, hasBackground }, end: at };
}
