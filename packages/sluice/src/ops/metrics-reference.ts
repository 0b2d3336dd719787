import { describeMetrics } from './metrics.ts';

/** The reference page of the metrics, generated from their definitions. */
export function metricsReference(): string {
  const rows = describeMetrics()
    .filter(({ name }) => name.startsWith('sluice_'))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, help, labels }) => `| \`${name}\` | ${type} | ${labels.join(', ')} | ${help} |`);
  return [
    '# Metrics',
    '',
    'What `/metrics` shows in the Prometheus text format. Times are in seconds, sizes in bytes. A value that is not known',
    '(e.g. the oplog window without the privilege to read it) has no sample. The metrics of the process itself',
    '(`process_*`, `nodejs_*`) are there too.',
    '',
    '| name | type | labels | meaning |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    'A first alert: `sluice_lag_seconds > 60 or sluice_pipeline_state{state="failed"} == 1 or sluice_stalled == 1`.',
    'A second one, days before it hurts: `sluice_oplog_headroom_seconds < 0.3 * sluice_oplog_window_seconds`.',
    '',
  ].join('\n');
}
