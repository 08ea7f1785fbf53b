import { probe } from 'k8s-liveness';
import { WorkerTimestamp } from './timestamp';

// A restart does not bring Redis back: the process and its progress count, its error does not.
probe(WorkerTimestamp.byRef(undefined, { ignoreError: true }));
