// What the recipes share: the heartbeat of this process, and each job as a task of it.

import { WorkerTimestamp } from './timestamp.js';
import { handle, limitOf, type Mail } from './yours.js';

export const timestamp = new WorkerTimestamp();
export const work = timestamp.wrap((mail: Mail) => handle(mail), (mail) => ({ name: `mail#${mail.id}`, maximumAge: limitOf(mail) }));
