import { asBuffer } from '../../bson/elements.ts';
import { JsonBuffer } from '../../bson/json-buffer.ts';
import { PlainDocumentWriter } from '../../bson/plain-document.ts';
import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import type { PostgresSinkConfig } from './config.ts';

const NUL_CHARACTER = 'bson.nul-character';

/** Writes documents as the JSON that `jsonb` takes. */
export class DocumentJson {
  readonly #buffer = new JsonBuffer();
  readonly #writer: PlainDocumentWriter;
  readonly #stripping: PlainDocumentWriter;
  readonly #strips: boolean;
  readonly #logger: Logger;
  readonly #told = new Set<string>();

  constructor({ nul }: Pick<PostgresSinkConfig, 'nul'>, logger: Logger) {
    const options = { nonFinite: 'text', decimals: 'number' } as const;
    this.#writer = new PlainDocumentWriter(this.#buffer, { ...options, nul: 'reject' });
    this.#stripping = new PlainDocumentWriter(this.#buffer, { ...options, nul: 'strip' });
    this.#strips = nul === 'strip';
    this.#logger = logger;
  }

  /** The document as JSON. Throws `rejected` errors of the writer. The first of a collection that loses NULs is told. */
  of(document: Uint8Array, namespace: Namespace): Uint8Array {
    const bson = asBuffer(document);
    try {
      return this.#written(this.#writer, bson);
    } catch (error) {
      const isNul = error instanceof SluiceError && error.code === NUL_CHARACTER;
      if (!isNul || !this.#strips) throw error;
      this.#tell(formatNamespace(namespace));
      return this.#written(this.#stripping, bson);
    }
  }

  #written(writer: PlainDocumentWriter, document: Buffer): Buffer {
    this.#buffer.begin(document.length);
    writer.document(document);
    return this.#buffer.end();
  }

  #tell(collection: string): void {
    if (this.#told.has(collection)) return;
    this.#told.add(collection);
    this.#logger.warn(
      { collection },
      'NUL characters are left out of texts of documents: PostgreSQL cannot store them',
    );
  }
}
