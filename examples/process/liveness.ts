import { probe } from 'k8s-liveness';
import { ForwarderTimestamp } from './timestamp';

// A restart does not bring the peer back: the process and its progress count, its error does not.
probe(ForwarderTimestamp.byRef(undefined, { ignoreError: true }));
