/** How deep JSON from outside may be nested: the limit of protobuf's own JSON parsers. */
export const jsonDepthMax = 100;

/**
 * parseBoundedJson reads JSON that a stranger sent. The caller bounds its bytes; this bounds its depth before it is
 * parsed, so that nothing that walks the value later can overflow the stack.
 *
 * @throws SyntaxError if the bytes are not UTF-8, not JSON or nested too deeply.
 */
export function parseBoundedJson(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  if (jsonDepth(text) > jsonDepthMax) throw new SyntaxError(`JSON nested more than ${jsonDepthMax} levels deep`);
  return JSON.parse(text);
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SyntaxError("the text is not UTF-8", { cause });
  }
}

function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index);
    if (inString) {
      if (char === backslash) index++;
      else if (char === quote) inString = false;
    } else if (char === quote) inString = true;
    else if (char === openBrace || char === openBracket) deepest = Math.max(deepest, ++depth);
    else if (char === closeBrace || char === closeBracket) depth--;
  }
  return deepest;
}

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
