/** The part of node's test events that decides whether a run counts. */
export interface FinishedTest {
  readonly name: string;
  readonly nesting: number;
  readonly passed: boolean;
  readonly file?: string | undefined;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
}

/** Sums up a run. node itself is content with skipped tests and with files in which nothing runs; a run here is not. */
export class TestOutcome {
  readonly #skipped: string[] = [];
  readonly #empty: string[] = [];
  #ran = 0;

  add(test: FinishedTest): void {
    const where = test.file === undefined ? test.name : `${test.name} (${test.file})`;
    if (isSet(test.skip) || isSet(test.todo)) this.#skipped.push(where);
    else if (test.passed && test.nesting === 0 && test.file !== undefined && test.name.endsWith(test.file))
      this.#empty.push(test.file);
    else this.#ran += 1;
  }

  /** Why the run does not count although nothing failed; empty when it does. */
  complaints(): readonly string[] {
    const complaints = [
      ...this.#skipped.map((where) => `skipped or marked as todo: ${where}`),
      ...this.#empty.map((file) => `no tests in ${file}`),
    ];
    return this.#ran === 0 ? [...complaints, 'no test ran'] : complaints;
  }
}

function isSet(mark: string | boolean | undefined): boolean {
  return mark !== undefined && mark !== false;
}
