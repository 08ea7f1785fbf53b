// What the writer records if clocks and identity are wrong, or change while it runs.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { Timestamp } from '../src';
import { parse } from '../src/record';
import { manualClock } from './support/clock';
import { canMount, within } from './support/mounts';
import { describeIf } from './support/describe-if';
import { scratch } from './support/records';

test('every reader accepts a record, whatever the clocks and the limit are', () => {
  const time = fc.oneof(
    fc.double(),
    fc.constantFrom(-1, 0, NaN, Infinity, -Infinity, 1e15, 253_402_300_799_999, 253_402_300_800_000),
  );
  const limit = fc.oneof(fc.double({ min: 5e-324, max: 1e15, noNaN: true }), fc.constantFrom(5e-324, Infinity));
  const boot = fc.constantFrom(
    undefined,
    '',
    'x',
    '-',
    'AB-1-2-3-4',
    '0-1-2-3-4\n',
    '0-1-2-3-4',
    null as never,
    7 as never,
  );
  const path = join(scratch({ memory: true }), 'timestamp');
  fc.assert(
    fc.property(time, time, time, time, limit, boot, (wall, uptime, first, second, maximumAge, bootId) => {
      class Any extends Timestamp {
        readonly maximumAge = maximumAge;
      }
      let now = first;
      const clock = {
        ...manualClock(),
        wall: () => wall,
        uptime: () => uptime,
        monotonic: () => now,
        bootId: () => bootId,
      };
      const timestamp = new Any(path, { clock }).refresh();
      now = second;
      timestamp.refresh();
      expect(parse(readFileSync(path, 'latin1').trimEnd()).kind).toBe('record');
      timestamp.delete();
    }),
  );
});

const PROBES = `
  const { execFileSync, spawnSync } = require('node:child_process');
  const said = (...command) => spawnSync(command[0], [...command.slice(1), path]).stdout.toString().split(':')[0];
  const dist = require('node:path').dirname(library);
  const all = () => [T.byRef(path).alive ? 'alive' : 'dead', said(process.execPath, dist + '/liveness.js'), said('sh', dist + '/liveness.sh')].join();
  const later = () => { now += 1e4; return timestamp.refresh() };
  const timestamp = new T(path, { clock }).refresh();
  const mount = (text, over) => {
    fs.writeFileSync(folder + '/over', text);
    execFileSync('mount', ['--bind', folder + '/over', over]);
  };`;

describeIf(canMount, 'root, to mount')('if the machine changes while it runs', () => {
  test('the next written beat uses the uptime that probes see, and keeps no mount busy', () => {
    const output = within(
      ':',
      `${PROBES}
       mount('5.00 4.00\\n', '/proc/uptime'); // as lxcfs does to running containers
       const bound = [all(), (later(), all())];
       execFileSync('umount', ['/proc/uptime']);
       console.log(...bound, all(), (later(), all()));`,
    );
    expect(output).toBe('dead,dead,dead alive,alive,alive dead,dead,dead alive,alive,alive');
  });

  test('the next written beat states the identity after a restore, and a second writer is refused', () => {
    const output = within(
      ':',
      `${PROBES}
       const clockNow = Date.now;
       const stat = fs.readFileSync('/proc/self/stat', 'latin1');
       const at = stat.lastIndexOf(')') + 2;
       const fields = stat.slice(at).split(' ');
       fields[19] = String(Number(fields[19]) + 1); // started later, as after a restore by CRIU
       mount(stat.slice(0, at) + fields.join(' '), '/proc/' + process.pid + '/stat');
       const restored = [all(), (later(), all())];
       fs.unlinkSync(folder + '/over');
       mount('01234567-89ab-4cde-8f01-23456789abcd\\n', '/proc/sys/kernel/random/boot_id'); // and after a reboot
       Date.now = () => clockNow() + 2000; // past the second for which the boot id is remembered
       const rebooted = all().replace('dead', 'any'); // here alive or dead, because this process may still remember the old boot id
       Date.now = () => clockNow() + 4000;
       later();
       Date.now = clockNow;
       const another = "new (class extends require('" + library + "').Timestamp { maximumAge = 6e4 })('" + path + "').refresh()";
       const { stderr } = spawnSync(process.execPath, ['-e', another]);
       console.log(...restored, rebooted.slice(-9), all(), /ERR_HEARTBEAT_IN_USE/.test(stderr));`,
    );
    expect(output).toBe('dead,dead,dead alive,alive,alive dead,dead alive,alive,alive true');
  });
});
