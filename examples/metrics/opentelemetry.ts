// node dist/opentelemetry.js: runs the worker, with its heartbeat at http://HOST:9464/metrics by OpenTelemetry.

import { metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import type { WorkerTimestamp } from './timestamp';
import { timestamp, work } from './worker';

/** The values are read at each export. The exporter adds `_total` to the counter. */
export function observe(heartbeat: WorkerTimestamp): void {
  const meter = metrics.getMeter('k8s-liveness');
  meter
    .createObservableGauge('heartbeat_longest_gap_seconds', {
      description: 'The longest time between two beats of the loop',
    })
    .addCallback((result) => {
      result.observe(heartbeat.longestGap / 1000);
    });
  meter
    .createObservableGauge('heartbeat_longest_task_seconds', {
      description: 'The longest time that a task was in hand without a refresh',
    })
    .addCallback((result) => {
      result.observe(heartbeat.longestTask / 1000);
    });
  meter.createObservableGauge('heartbeat_tasks', { description: 'The tasks in hand' }).addCallback((result) => {
    result.observe(heartbeat.tasks.length);
  });
  meter
    .createObservableCounter('heartbeat_failed_writes', { description: 'Beats that could not be written' })
    .addCallback((result) => {
      result.observe(heartbeat.failedWrites);
    });
}

const exporter = new PrometheusExporter({ port: Number(process.env.PORT ?? 9464) }); // or OTLP, through a PeriodicExportingMetricReader
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [exporter] }));
observe(timestamp);
void work();
