import type { LearnedFields } from '../core/learned-fields.ts';
import type { Logger } from '../core/logger.ts';
import type { SchemaStore } from '../core/schema-store.ts';
import type { SchemaChange } from './collection-schema.ts';
import { MemoryFields } from './memory-fields.ts';
import { SchemaMemory, type SchemaView } from './schema-memory.ts';
import { SchemaSaver } from './schema-saver.ts';
import { createSchemaStep, type SchemaStep } from './schema-step.ts';
import type { SchemaSettings } from './settings.ts';

/** What the schema of a pipeline is made with. */
export interface PipelineSchemaOptions {
  readonly pipeline: string;
  readonly settings: SchemaSettings;
  /** Opens where it is kept; absent when it is only kept in memory. */
  readonly openStore?: ((signal: AbortSignal) => Promise<SchemaStore>) | undefined;
  /** The name of that place, for people. */
  readonly storeName?: string | undefined;
  readonly logger: Logger;
  /** Told of every change. */
  readonly onChange?: ((change: SchemaChange) => void) | undefined;
}

/** The schema of one pipeline over all attempts to run it. */
export class PipelineSchema {
  readonly #options: PipelineSchemaOptions;
  readonly #memory: SchemaMemory;
  #step: SchemaStep | undefined;

  constructor(options: PipelineSchemaOptions) {
    this.#options = options;
    this.#memory = new SchemaMemory(options.settings);
  }

  /** The step of the next attempt; see `createSchemaStep`. */
  async openStep(signal: AbortSignal): Promise<SchemaStep> {
    const step = await createSchemaStep(this.#options.settings, { ...this.#options, memory: this.#memory, signal });
    this.#step = step;
    return {
      apply: (batch, applySignal) => step.apply(batch, applySignal),
      view: () => step.view(),
      accept: (acceptSignal) => step.accept(acceptSignal),
      [Symbol.asyncDispose]: async () => {
        this.#step = undefined;
        await step[Symbol.asyncDispose]();
      },
    };
  }

  /** What is known of the fields now and from now on. */
  fields(): LearnedFields {
    return new MemoryFields(this.#memory);
  }

  /** What is known now. */
  view(): SchemaView {
    return this.#memory.view(this.#options.pipeline, this.#options.storeName);
  }

  /**
   * Accepts every change that waits for it, durably, whether the pipeline runs or not; resolves with in how many
   * collections there was one.
   */
  accept(signal: AbortSignal): Promise<number> {
    return this.#step?.accept(signal) ?? this.#acceptStored(signal);
  }

  async #acceptStored(signal: AbortSignal): Promise<number> {
    const { openStore, pipeline, logger } = this.#options;
    if (openStore === undefined) return this.#memory.accept();
    await using saver = new SchemaSaver({ pipeline, memory: this.#memory, open: openStore, logger });
    await saver.load(signal);
    const accepted = this.#memory.accept();
    await saver.save(signal);
    return accepted;
  }
}
