/** What one run of one process used. */
export interface Measurement {
  readonly events: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  /** User and system time of the whole process, garbage collection and compression threads included, per event. */
  readonly cpuMicrosPerEvent: number;
  readonly peakRssMiB: number;
}

/** Runs the work, which returns how many events it moved, and measures this process meanwhile. */
export async function measure(work: () => Promise<number>): Promise<Measurement> {
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  const events = await work();
  const seconds = (performance.now() - startedMs) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  return {
    events,
    seconds,
    eventsPerSecond: events / seconds,
    cpuMicrosPerEvent: (cpu.user + cpu.system) / events,
    peakRssMiB: process.resourceUsage().maxRSS / 1024,
  };
}
