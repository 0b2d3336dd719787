/** Where the chances of a run come from; the seeded generator of the test tools fits. */
export interface Random {
  /** A whole number from 0 to `below - 1`. */
  int(below: number): number;
  pick<T>(items: readonly T[]): T;
  /** True with this probability. */
  chance(probability: number): boolean;
}
