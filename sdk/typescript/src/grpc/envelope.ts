/** envelope puts a message as it is on the wire: no flags, its length, itself. */
export function envelope(bytes: Uint8Array): Uint8Array {
  const body = Buffer.allocUnsafe(5 + bytes.length);
  body.writeUInt8(0, 0);
  body.writeUInt32BE(bytes.length, 1);
  body.set(bytes, 5);
  return body;
}
