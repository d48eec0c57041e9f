import type { AnswerBreaker } from "../../../test/support/cut-proxy.ts";

const frameHeaderBytes = 9;
const headersFrame = 1;

/**
 * AnswerLoser breaks, once it is armed, the connection on which the next answer begins: a HEADERS frame from the server (RFC 9113, section 4.1). What the server has done is done, and
 * its client does not know. Frames that say nothing of a call pass.
 */
export class AnswerLoser {
  #armed = false;

  arm(): void {
    this.#armed = true;
  }

  /** The breaker of one connection, which sees what the server sends from its first byte on. */
  connection(): AnswerBreaker {
    let header = Buffer.alloc(0);
    let bodyLeft = 0;
    return (chunk) => {
      let broken = false;
      for (let at = 0; at < chunk.length; ) {
        const skipped = Math.min(bodyLeft, chunk.length - at);
        bodyLeft -= skipped;
        at += skipped;
        const part = chunk.subarray(at, at + frameHeaderBytes - header.length);
        header = Buffer.concat([header, part]);
        at += part.length;
        if (header.length < frameHeaderBytes) continue;
        bodyLeft = header.readUIntBE(0, 3);
        if (header[3] === headersFrame && this.#armed) {
          this.#armed = false;
          broken = true;
        }
        header = Buffer.alloc(0);
      }
      return broken;
    };
  }
}
