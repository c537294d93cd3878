// Reads a model's arguments by their declared types. Missing or wrongly typed ones make the call INVALID, naming the
// argument; ones that the tool does not know are ignored and named in the metadata.
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue, ownValue } from "../core/json.js";

/** A model's arguments are not what the tool needs; the message is the call's error text. */
export class InvalidArguments extends Error {}

const PATH_BYTES_MAX = 4095;

export class ArgumentReader {
  /** A few names: a list is made and searched faster than a set. */
  readonly #known: string[] = [];

  constructor(private readonly args: JsonObject) {}

  /** A string that must be there and not be empty, without NUL, which no command and no path can hold. */
  text(name: string): string {
    const value = this.#take(name);
    if (value === undefined || value === null || value === "") throw new InvalidArguments(`Missing ${name}`);
    if (typeof value !== "string") throw wrongType(name, "a string", value);
    if (value.includes("\0")) throw new InvalidArguments(`Argument ${name} must not contain a NUL character`);
    return value;
  }

  /** A path, as long as the kernel takes one. */
  path(name: string): string {
    const value = this.text(name);
    if (Buffer.byteLength(value) > PATH_BYTES_MAX) {
      throw new InvalidArguments(`Argument ${name} must be at most ${PATH_BYTES_MAX} bytes long`);
    }
    return value;
  }

  /** A string that must be there and may be anything. */
  content(name: string): string {
    const value = this.#take(name);
    if (value === undefined || value === null) throw new InvalidArguments(`Missing ${name}`);
    if (typeof value !== "string") throw wrongType(name, "a string", value);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#take(name) ?? false;
    if (typeof value !== "boolean") throw wrongType(name, "a boolean", value);
    return value;
  }

  /** A whole number of bytes. */
  bytes(name: string): number | undefined {
    const value = this.#take(name);
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
      throw wrongType(name, "a whole number of bytes, 0 or more", value);
    }
    return value;
  }

  /** A number, brought into the range. */
  number(name: string, min: number, max: number): number | undefined {
    const value = this.#take(name);
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "number" || Number.isNaN(value)) throw wrongType(name, "a number", value);
    return Math.min(Math.max(value, min), max);
  }

  /** One string or a list of them, at least one, without NUL. */
  texts(name: string, { countMax, bytesMax }: { readonly countMax: number; readonly bytesMax: number }): string[] {
    const value = this.#take(name);
    const values = value !== undefined && value !== null && isJsonArray(value) ? value : [value ?? ""];
    if (values.every((text) => text === "")) throw new InvalidArguments(`Missing ${name}`);
    const texts = values.map((text) => {
      if (typeof text !== "string") throw wrongType(name, "a string or a list of strings", text);
      if (text.includes("\0")) throw new InvalidArguments(`Argument ${name} must not contain a NUL character`);
      return text;
    });
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    if (texts.length > countMax || bytes > bytesMax) {
      throw new InvalidArguments(`Argument ${name} must have at most ${countMax} strings and ${bytesMax} bytes`);
    }
    return texts;
  }

  choice<T extends string>(name: string, choices: readonly [T, ...T[]]): T {
    const value = this.#take(name) ?? choices[0];
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw wrongType(name, choices.map((choice) => `"${choice}"`).join(" or "), value);
    return found;
  }

  /** Known to the tool, and read elsewhere. */
  skip(name: string): void {
    this.#known.push(name);
  }

  /** Names of the arguments that nobody asked for, in order. */
  get ignored(): string[] {
    return Object.keys(this.args)
      .filter((name) => !this.#known.includes(name))
      .sort();
  }

  #take(name: string): JsonValue | undefined {
    this.#known.push(name);
    return ownValue(this.args, name);
  }
}

function wrongType(name: string, expected: string, value: JsonValue): InvalidArguments {
  return new InvalidArguments(`Argument ${name} must be ${expected}, not ${describe(value)}`);
}

function describe(value: JsonValue): string {
  if (value === null) return "null";
  if (isJsonObject(value)) return "an object";
  if (typeof value === "object") return "a list";
  return typeof value === "string" ? `"${value.slice(0, 40)}"` : String(value);
}
