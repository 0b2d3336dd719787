import { type Invocation, type Outcome, usageError } from './action.ts';
import { chosenLetters, openLetters, referenceOf } from './dead-letters.ts';
import type { DlqOptions } from './dlq.ts';
import { listenForSignals } from './signals.ts';

/** `sluice dlq drop` */
export async function dropLetters(invocation: Invocation<DlqOptions>): Promise<Outcome> {
  using signals = listenForSignals();
  await using letters = await openLetters(invocation, signals.stop);
  const chosen = await chosenLetters(letters, invocation, signals.stop);
  const { name } = letters.pipeline;
  if (chosen.length > 0 && invocation.options.yes !== true) {
    const some = chosen.slice(0, 5).map(referenceOf).join(', ');
    const which = chosen.length > 5 ? `${some}, …` : some;
    throw usageError(`${chosen.length} dead letters of "${name}" would be lost: ${which}`, 'remove them with --yes');
  }
  await letters.store.remove(
    name,
    chosen.map(({ id }) => id),
    signals.stop,
  );
  return { result: { pipeline: name, dropped: chosen.length }, text: `${chosen.length} dropped\n` };
}
