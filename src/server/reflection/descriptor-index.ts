import { createRegistry, type DescFile, type Registry, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

type NestedType = ReturnType<typeof nestedTypes> extends Iterable<infer Type> ? Type : never;

/**
 * DescriptorIndex finds the files of a schema by what they declare. Files are encoded when they are first asked for, and
 * kept.
 */
export class DescriptorIndex {
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  readonly #registry: Registry;
  readonly #encoded = new Map<DescFile, Uint8Array>();

  /** Indexes files, with all that they import. */
  constructor(files: Iterable<DescFile>) {
    for (const file of files) this.#add(file);
    this.#registry = createRegistry(...this.#files.values());
  }

  /** The file with a path as imports name it: `google/protobuf/any.proto`. */
  named(path: string): DescFile | undefined {
    return this.#files.get(path);
  }

  /** The file that declares a symbol of any kind, by its full name: a type, field, oneof, value, service or method. */
  declaring(symbol: string): DescFile | undefined {
    return this.#symbols.get(symbol);
  }

  /** The file that declares the extension of a message with a number. */
  extending(messageType: string, number: number): DescFile | undefined {
    const message = this.#registry.getMessage(messageType);
    return message && this.#registry.getExtensionFor(message, number)?.file;
  }

  /** The numbers of all extensions of a message, in order; undefined when there is no such message. */
  extensionNumbers(messageType: string): number[] | undefined {
    if (this.#registry.getMessage(messageType) === undefined) return undefined;
    const numbers: number[] = [];
    for (const type of this.#registry) {
      if (type.kind === "extension" && type.extendee.typeName === messageType) numbers.push(type.number);
    }
    return numbers.toSorted((a, b) => a - b);
  }

  /**
   * The encoded file, and behind it those of its imports, and of theirs, that are not among the ones sent already; all of
   * them are then. The file itself is there even if it has been sent: it is the answer.
   */
  encodeWithImports(file: DescFile, sent: Set<DescFile>): Uint8Array[] {
    const encoded = [this.#encode(file)];
    sent.add(file);
    const queue = [...file.dependencies];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (sent.has(next)) continue;
      sent.add(next);
      encoded.push(this.#encode(next));
      queue.push(...next.dependencies);
    }
    return encoded;
  }

  #encode(file: DescFile): Uint8Array {
    let encoded = this.#encoded.get(file);
    if (encoded === undefined) {
      encoded = toBinary(FileDescriptorProtoSchema, file.proto);
      this.#encoded.set(file, encoded);
    }
    return encoded;
  }

  #add(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    for (const type of nestedTypes(file)) for (const name of namesIn(type)) this.#symbols.set(name, file);
    for (const dependency of file.dependencies) this.#add(dependency);
  }
}

/** The full names of a type and of what is declared in it, other types apart. */
function namesIn(type: NestedType): string[] {
  const { typeName } = type;
  switch (type.kind) {
    case "message":
      return [typeName, ...[...type.fields, ...type.oneofs].map(({ name }) => `${typeName}.${name}`)];
    case "enum": {
      // The values of an enum are named as if they stood beside it.
      const scope = typeName.slice(0, typeName.lastIndexOf(".") + 1);
      return [typeName, ...type.values.map(({ name }) => scope + name)];
    }
    case "service":
      return [typeName, ...type.methods.map(({ name }) => `${typeName}.${name}`)];
    case "extension":
      return [typeName];
  }
}
