import { readConfig } from '../config';
import { send } from '../peer';

/** Does the peer answer? */
export const peer = {
  name: 'peer',
  health: (file: string): Promise<boolean> =>
    send(readConfig(file), 'ping').then(
      () => true,
      () => false,
    ),
};
