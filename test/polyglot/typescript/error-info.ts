// Reads google.rpc.ErrorInfo off the wire; no generated code of this checkout has it.
import { BinaryReader } from "@bufbuild/protobuf/wire";

const LENGTH_DELIMITED = 2;

export interface ErrorInfo {
  readonly reason: string;
  readonly domain: string;
}

/** google.rpc.Status {details = 3: google.protobuf.Any {type_url = 1, value = 2}}; undefined for what is no ErrorInfo. */
export function detailsOf(status: Uint8Array): (ErrorInfo | undefined)[] {
  return fields(status, 3).map((any) => {
    const isErrorInfo = textOf(fields(any, 1)) === "type.googleapis.com/google.rpc.ErrorInfo";
    return isErrorInfo ? errorInfoOf(fields(any, 2)[0] ?? Buffer.alloc(0)) : undefined;
  });
}

/** google.rpc.ErrorInfo {reason = 1, domain = 2}. */
export function errorInfoOf(info: Uint8Array): ErrorInfo {
  return { reason: textOf(fields(info, 1)), domain: textOf(fields(info, 2)) };
}

function textOf([bytes]: readonly Uint8Array[]): string {
  return Buffer.from(bytes ?? []).toString();
}

function fields(message: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === wanted && type === LENGTH_DELIMITED) found.push(reader.bytes());
    else reader.skip(type, number);
  }
  return found;
}
