import type { Log } from 'sarif';
import { printable } from '../../verdict';
import type { Finding } from './findings';
import { RULES } from './rules';

declare const VERSION: string;

export const FORMATS = { text, json, github, sarif };

function text(findings: readonly Finding[]): string {
  return lines(
    findings,
    ({ file, line, column, severity, rule, ...about }) =>
      `${file}:${line}:${column} ${severity} ${rule} ${sentence(about)}`,
  );
}

function json(findings: readonly Finding[]): string {
  return `${JSON.stringify({ version: 1, findings })}\n`;
}

/** Workflow commands, which GitHub shows beside the lines of a pull request. */
function github(findings: readonly Finding[]): string {
  const escaped = (text: string): string => text.replaceAll('%', '%25');
  const property = (text: string): string => escaped(printable(text)).replaceAll(':', '%3A').replaceAll(',', '%2C');
  return lines(
    findings,
    ({ file, line, column, severity, rule, ...about }) =>
      `::${severity} file=${property(file)},line=${line},col=${column},title=${rule}::${escaped(sentence(about))}`,
  );
}

function sarif(findings: readonly Finding[]): string {
  const log: Log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'k8s-liveness lint',
            version: VERSION,
            rules: RULES.map(({ id, severity, describe }) => ({
              id,
              shortDescription: { text: describe },
              defaultConfiguration: { level: severity },
            })),
          },
        },
        results: findings.map(({ file, line, column, severity, rule, ...about }) => ({
          ruleId: rule,
          ruleIndex: RULES.findIndex(({ id }) => id === rule),
          level: severity,
          message: { text: sentence(about) },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: encodeURI(file).replaceAll(/[?#]/g, encodeURIComponent) },
                region: { startLine: line, startColumn: column },
              },
            },
          ],
        })),
      },
    ],
  };
  return `${JSON.stringify(log)}\n`;
}

function sentence({ object, container, message }: Pick<Finding, 'object' | 'container' | 'message'>): string {
  return printable(`${object === '' ? '' : `${object} `}${container}: ${message}`);
}

function lines(findings: readonly Finding[], lineOf: (finding: Finding) => string): string {
  return findings.map((finding) => `${printable(lineOf(finding))}\n`).join('');
}
