/** Preloaded into child processes of tests (`node --import`): they end when their parent is gone, however it ended. */
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}, 250).unref();
