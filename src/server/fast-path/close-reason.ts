import { constants } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";

/** What the codes of HTTP/2 with which a stream is reset mean for its call; the others mean that its caller turned away. */
const codes = new Map<number, Code>([
  [constants.NGHTTP2_PROTOCOL_ERROR, Code.Internal],
  [constants.NGHTTP2_INTERNAL_ERROR, Code.Internal],
  [constants.NGHTTP2_FLOW_CONTROL_ERROR, Code.Internal],
  [constants.NGHTTP2_SETTINGS_TIMEOUT, Code.Internal],
  [constants.NGHTTP2_FRAME_SIZE_ERROR, Code.Internal],
  [constants.NGHTTP2_COMPRESSION_ERROR, Code.Internal],
  [constants.NGHTTP2_CONNECT_ERROR, Code.Internal],
  [constants.NGHTTP2_REFUSED_STREAM, Code.Unavailable],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, Code.ResourceExhausted],
  [constants.NGHTTP2_INADEQUATE_SECURITY, Code.PermissionDenied],
  [constants.NGHTTP2_HTTP_1_1_REQUIRED, Code.PermissionDenied],
]);

/** Why a call whose stream was closed with a code of HTTP/2 has ended, as the RPC library tells it. */
export function closeReason(rstCode: number | undefined): ConnectError {
  const code = rstCode === undefined ? undefined : codes.get(rstCode);
  return new ConnectError(`the stream was closed (HTTP/2 code ${rstCode ?? "none"})`, code ?? Code.Canceled);
}
