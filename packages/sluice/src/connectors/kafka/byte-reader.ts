/** Reads Kafka's types one after the other out of one buffer. Offsets become doubles: they are exact up to 2^53. */
export class ByteReader {
  readonly bytes: Buffer;
  position = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  skip(count: number): void {
    this.position += count;
  }

  int8(): number {
    return this.bytes.readInt8(this.position++);
  }

  int16(): number {
    const value = this.bytes.readInt16BE(this.position);
    this.position += 2;
    return value;
  }

  int32(): number {
    const value = this.bytes.readInt32BE(this.position);
    this.position += 4;
    return value;
  }

  uint32(): number {
    const value = this.bytes.readUInt32BE(this.position);
    this.position += 4;
    return value;
  }

  int64(): number {
    const value = this.bytes.readInt32BE(this.position) * 2 ** 32 + this.bytes.readUInt32BE(this.position + 4);
    this.position += 8;
    return value;
  }

  bigint64(): bigint {
    const value = this.bytes.readBigInt64BE(this.position);
    this.position += 8;
    return value;
  }

  /** A length without sign, seven bits per byte, lowest first. */
  unsignedVarint(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.bytes.readUInt8(this.position++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
  }

  /** A number with sign in zigzag form. */
  varint(): number {
    const zigzag = this.unsignedVarint();
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }

  /** Bytes behind their length as `varint`; null for a negative length. No copy. */
  varintBytes(): Buffer | null {
    const length = this.varint();
    return length < 0 ? null : this.#take(length);
  }

  /** A length that is stored plus one; 0 for null. */
  compactLength(): number {
    return Math.max(0, this.unsignedVarint() - 1);
  }

  /** Bytes behind their compact length; null for null. No copy. */
  compactBytes(): Buffer | null {
    const stored = this.unsignedVarint();
    return stored === 0 ? null : this.#take(stored - 1);
  }

  /** Passes over the tagged fields that end a structure. */
  skipTags(): void {
    for (let tags = this.unsignedVarint(); tags > 0; tags--) {
      this.unsignedVarint();
      this.skip(this.unsignedVarint());
    }
  }

  #take(length: number): Buffer {
    const end = this.position + length;
    if (end > this.bytes.length) throw new RangeError('the bytes end too early');
    const taken = this.bytes.subarray(this.position, end);
    this.position = end;
    return taken;
  }
}
