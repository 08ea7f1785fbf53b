import { probe } from 'k8s-liveness';
import { LOOPS, LoopTimestamp, pathOf } from './loops';

probe(...LOOPS.map((name) => LoopTimestamp.byRef(pathOf(name))));
