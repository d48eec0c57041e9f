import type { DescFile, DescService } from "@bufbuild/protobuf";
import { Code, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import {
  ServerReflection as ReflectionV1,
  type ServerReflectionRequest as RequestV1,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  ServerReflection as ReflectionV1Alpha,
  type ServerReflectionRequest as RequestV1Alpha,
} from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { answersWhenStopping } from "../../rpc/bidi-streams.ts";
import { pipeline } from "../../rpc/stream-pipeline.ts";
import { DescriptorIndex } from "./descriptor-index.ts";

/** How much of a name that does not exist is said back. */
const shownNameLengthMax = 200;
/** The longest delay that a timer can hold: a stream on which nothing is asked says nothing. */
const never = 2_147_483_647;

/**
 * Registers gRPC server reflection, v1 and v1alpha, which are the same but for their names: with it generic clients need
 * nothing but an address. It tells of the services given and of all that they import, and of the error details, which
 * clients show too. What is asked for and does not exist is an error within the stream, which goes on. The descriptors are
 * made ready when they are first asked for, once: a server that nobody asks pays nothing.
 */
export function registerReflection(router: ConnectRouter, services: () => readonly DescService[]): void {
  let index: DescriptorIndex | undefined;
  const schema = (): Schema => {
    index ??= new DescriptorIndex([...services().map(({ file }) => file), file_google_rpc_error_details]);
    return { index, services: services() };
  };
  router.service(ReflectionV1, { serverReflectionInfo: (...call) => reflect(schema, ...call) });
  router.service(ReflectionV1Alpha, { serverReflectionInfo: (...call) => reflect(schema, ...call) });
}

/** What reflection tells of. */
interface Schema {
  readonly index: DescriptorIndex;
  readonly services: readonly DescService[];
}

/** Answers the requests of one stream in their order. A file that was sent is not sent again as somebody's import. */
async function* reflect<Request extends RequestV1 | RequestV1Alpha>(
  schema: () => Schema,
  requests: AsyncIterable<Request>,
  { signal }: Pick<HandlerContext, "signal">,
) {
  const sent = new Set<DescFile>();
  const take = async (request: Request) => ({
    validHost: request.host,
    originalRequest: request,
    messageResponse: answer(request.messageRequest, schema(), sent),
  });
  const options = { signal, take, unansweredMax: 1, answersAfter: answersWhenStopping, idleMs: never };
  for await (const answers of pipeline(requests, options)) {
    // Not yield*: the iterator of a list cannot be told that an answer could not be written.
    for (const each of answers) yield each;
  }
}

function answer(
  request: (RequestV1 | RequestV1Alpha)["messageRequest"],
  { index, services }: Schema,
  sent: Set<DescFile>,
) {
  const file = (found: DescFile | undefined, what: string) =>
    found === undefined
      ? refuse(Code.NotFound, `there is no ${what}`)
      : answerOf("fileDescriptorResponse", { fileDescriptorProto: index.encodeWithImports(found, sent) });
  switch (request.case) {
    case "listServices": {
      const names = services.map(({ typeName }) => typeName).toSorted();
      return answerOf("listServicesResponse", { service: names.map((name) => ({ name })) });
    }
    case "fileByFilename":
      return file(index.named(request.value), `file ${shown(request.value)}`);
    case "fileContainingSymbol":
      return file(index.declaring(request.value), `symbol ${shown(request.value)}`);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = request.value;
      const what = `extension ${extensionNumber} of ${shown(containingType)}`;
      return file(index.extending(containingType, extensionNumber), what);
    }
    case "allExtensionNumbersOfType": {
      const extensionNumber = index.extensionNumbers(request.value);
      if (extensionNumber === undefined) return refuse(Code.NotFound, `there is no message ${shown(request.value)}`);
      return answerOf("allExtensionNumbersResponse", { baseTypeName: request.value, extensionNumber });
    }
    case undefined:
      return refuse(Code.InvalidArgument, "the request asks for nothing: set one field of message_request");
  }
}

function answerOf<Case extends string, Value>(name: Case, value: Value): { case: Case; value: Value } {
  return { case: name, value };
}

function refuse(errorCode: Code, errorMessage: string) {
  return answerOf("errorResponse", { errorCode, errorMessage });
}

function shown(name: string): string {
  return JSON.stringify(name.length > shownNameLengthMax ? `${name.slice(0, shownNameLengthMax)}…` : name);
}
