// What grpc/ needs of a logger; pino's fits.

export interface Log {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
