// npm run api: writes docs/api.md from the doc comments in dist/index.d.ts. With --check it compares instead. It fails
// on an export, a member or a parameter without a doc comment.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

process.chdir(join(import.meta.dirname, '..'));
const [TYPES, PAGE] = ['dist/index.d.ts', 'docs/api.md'];
const program = ts.createProgram([TYPES], { lib: ['lib.es2023.d.ts'], types: ['node'], strict: true });
const checker = program.getTypeChecker();
const source = program.getSourceFile(TYPES);

/** In this order on the page; others follow. */
const FIRST = ['Timestamp', 'ProcessTimestamp', 'probe', 'Task', 'Gate', 'Verdict', 'LivenessError'];
const complaints = [];

const exported = source.statements.filter(
  (each) => ts.getCombinedModifierFlags(each.declarationList?.declarations[0] ?? each) & ts.ModifierFlags.Export,
);
const nameOf = (node) => (node.declarationList?.declarations[0] ?? node).name?.text ?? 'constructor';
const rank = (node) => (FIRST.includes(nameOf(node)) ? FIRST.indexOf(nameOf(node)) : FIRST.length);
exported.sort((a, b) => rank(a) - rank(b) || nameOf(a).localeCompare(nameOf(b)));
const members = new Map(exported.filter(ts.isClassDeclaration).map((each) => [nameOf(each), each.members.map(nameOf)]));

/** GitHub's anchor of a heading. */
const anchor = (heading) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-');
const headingOf = (owner, name) => (name === 'constructor' ? `new ${owner}()` : `${owner}.${name}()`);

/** The link that `{@link Timestamp.refresh}` stands for. */
function link(target) {
  const [owner, member] = target.split('.');
  if (!exported.some((each) => nameOf(each) === owner) || (member && !members.get(owner)?.includes(member))) {
    complaints.push(`{@link ${target}} leads nowhere`);
  }
  return member ? `[\`${member}()\`](#${anchor(headingOf(owner, member))})` : `[\`${owner}\`](#${anchor(owner)})`;
}

const linked = (text) => text.replaceAll(/\{@link ([\w.]+)\}/g, (_, target) => link(target));
const oneLine = (text) => text.replaceAll(/\n +/g, ' ').replaceAll('\n', ' ');

/** A node's doc comment: its text and tags. */
function docOf(node, where) {
  const [comment] = (node.jsDoc ?? []).slice(-1);
  const text = linked(ts.getTextOfJSDocComment(comment?.comment) ?? '');
  if (text === '') complaints.push(`${where} has no doc comment`);
  const tags = (comment?.tags ?? []).map((tag) => ({
    kind: tag.tagName.text,
    name: tag.name?.getText(source),
    // TypeScript takes the first word of @throws for a type and drops it.
    text: linked(
      tag
        .getText(source)
        .replace(/^@\w+ */, '')
        .replaceAll(/\n *\* ?/g, '\n')
        .trim(),
    ),
  }));
  return { text, of: (kind) => tags.filter((tag) => tag.kind === kind) };
}

/** The declaration in the declaration file, with the comments of its members. */
function declaration(node) {
  return node
    .getText(source)
    .replaceAll(/^export declare /gm, '')
    .replace(/^constructor/, `new ${nameOf(node.parent)}`)
    .replaceAll(/\{@link ([\w.]+)\}/g, '`$1`');
}

/** Whether this is a union of words. Complains if its doc comment does not explain each. */
function isListed(node) {
  if (!ts.isTypeAliasDeclaration(node)) return false;
  const type = checker.getTypeAtLocation(node);
  if (!type.isUnion() || !type.types.every((each) => each.isStringLiteral())) return false;
  const { text } = docOf(node, nameOf(node));
  for (const { value } of type.types) {
    if (!text.includes(`\n- \`${value}\`: `)) complaints.push(`${nameOf(node)} does not explain ${value}`);
  }
  return true;
}

const code = (text) => `\`\`\`ts\n${text.replaceAll(/^ {4}|(?<=^(?: {4})+) {4}/gm, '  ')}\n\`\`\`\n`;

/** What a function or method answers, its parameters, errors and example. */
function described(node, where) {
  const doc = docOf(node, where);
  const parts = [`${doc.text}\n`];
  const parameters = doc.of('param').map(({ name, text }) => {
    return `- \`${name}\`: ${oneLine(text.slice(name.length).trim())}\n`;
  });
  for (const { name } of node.parameters ?? []) {
    const given = name.getText(source);
    // The doc comment of a rest parameter names what the parameter stands for.
    if (
      !doc.of('param').some((tag) => tag.name === given) &&
      given !== 'given' &&
      given !== 'this' &&
      where !== 'new LivenessError()'
    )
      complaints.push(`${where}: the parameter ${given} has no @param`);
  }
  if (parameters.length > 0) parts.push(parameters.join(''));
  for (const { text } of doc.of('throws')) parts.push(`**Throws** ${oneLine(text)}\n`);
  for (const { text } of doc.of('example')) parts.push(`${text}\n`);
  return parts.join('\n');
}

const signature = (node) =>
  declaration(node)
    .replaceAll(/\/\*\*[^]*?\*\/\s*/g, '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll('( ', '(');

function classPage(node) {
  const owner = nameOf(node);
  const { modifiers = [], heritageClauses = [] } = node;
  const words = [
    ...modifiers.filter(({ kind }) => kind === ts.SyntaxKind.AbstractKeyword).map(() => 'abstract'),
    'class',
    owner,
  ];
  const parts = [
    code([...words, ...heritageClauses.map((each) => each.getText(source))].join(' ')),
    described(node, owner),
  ];
  const own = node.members.filter((each) => !ts.isPrivateIdentifier(each.name ?? each));
  const properties = own.filter((each) => ts.isPropertyDeclaration(each) || ts.isGetAccessor(each));
  const rows = properties.map((each) => {
    const type = (each.type ?? each.initializer).getText(source).replaceAll('|', '\\|');
    return `| \`${nameOf(each)}\` | \`${type}\` | ${oneLine(docOf(each, `${owner}.${nameOf(each)}`).text)} |\n`;
  });
  if (rows.length > 0) parts.push(`| property | type | |\n| --- | --- | --- |\n${rows.join('')}`);
  for (const each of own.filter((member) => !properties.includes(member))) {
    const heading = headingOf(owner, nameOf(each));
    if (owner === 'LivenessError') continue; // nobody else makes one
    parts.push(`### ${heading}\n\n${code(signature(each))}\n${described(each, heading)}`);
  }
  return parts.join('\n');
}

const pages = exported.map((node) => {
  const name = nameOf(node);
  if (ts.isClassDeclaration(node)) return `## ${name}\n\n${classPage(node)}`;
  for (const member of node.members ?? []) docOf(member, `${name}.${nameOf(member)}`);
  const shown = ts.isFunctionDeclaration(node) || ts.isVariableStatement(node) ? signature(node) : declaration(node);
  return `## ${name}\n\n${isListed(node) ? '' : `${code(shown)}\n`}${described(node, name)}`;
});
const names = exported.map((node) => `[\`${nameOf(node)}\`](#${anchor(nameOf(node))})`);
const page = `# API

Made from the doc comments by \`npm run api\`; each example is run by a test. Limits and ages are milliseconds. An error is a
[\`LivenessError\`](#livenesserror) with a [\`code\`](#errorcode); a dead service is never an error.

${names.join(', ')}.

${pages.join('\n')}`;

for (const complaint of complaints) process.stderr.write(`api: ${complaint}\n`);
if (complaints.length > 0) process.exitCode = 1;
else if (!process.argv.includes('--check')) writeFileSync(PAGE, page);
else if (readFileSync(PAGE, 'utf8') !== page) {
  process.stderr.write(`api: ${PAGE} is not what the doc comments say: npm run api\n`);
  process.exitCode = 1;
}
