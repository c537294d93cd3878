// What pool/ needs of a logger: pino's shape, fields first.

type Write = (fields: Readonly<Record<string, unknown>>, message: string) => void;

export interface PoolLog {
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
}
