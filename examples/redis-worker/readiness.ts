import { probe } from 'k8s-liveness';
import { WorkerTimestamp } from './timestamp';

probe(WorkerTimestamp.byRef());
