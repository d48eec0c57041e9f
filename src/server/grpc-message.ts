/**
 * Encodes the message of an error as the gRPC protocol asks: only % and what is not printable ASCII. The RPC library
 * encodes colons, commas and quotes, too, which clients such as grpc-js show as they come.
 *
 * @param encoded the message as the library encodes it
 */
export function plainMessage(encoded: string): string {
  return decodeURIComponent(encoded).replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
}
