import { formatLimit } from '../../duration';
import { printable } from '../../verdict';
import type { Report } from '../report';
import { ok, warning, type Finding } from './finding';

/** How near to its limits a service ever was. */
export function heartbeatFindings({ fields }: Report): Finding[] {
  const { limitMs: limit, longestGapMs, longestTaskMs, step, task, beats } = fields;
  const compare = (about: string, ms: number | null, isItsLimit: boolean, advice: string): Finding[] => {
    if (ms === null || ms === 0) return [];
    const found = `${formatLimit(ms)} at most so far`;
    if (limit === null || !isItsLimit) return [ok(about, `${found} (${printable(fields.path)})`)];
    const share = `${found}, ${Math.ceil((ms * 100) / limit)} % of the limit of ${formatLimit(limit)} (${printable(fields.path)})`;
    return [2 * ms > limit ? warning(about, share, advice) : ok(about, share)];
  };
  return [
    // The limit of a step or task says nothing about gaps.
    ...(beats === 1
      ? []
      : compare(
          'gap',
          longestGapMs,
          !step && task === null,
          'raise maximumAge, or state a step: refresh({ maximumAge })',
        )),
    ...compare(
      'task',
      longestTaskMs,
      task !== null,
      "raise the task's limit, or call task.refresh() as it makes progress",
    ),
  ];
}
