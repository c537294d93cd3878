// The kinds of options that the schema is made of.
import { z } from "zod";

// Node's timers overflow at 2^31 ms (24.8 days) and then fire at once.
const SECONDS_MAX = 2_000_000;

/** Beside `description`, an option's meta may say what its value `expects` to look like, and that it is `secret`. */
export function text(fallback: string, description: string): z.ZodDefault<z.ZodString> {
  return z.string().default(fallback).meta({ description });
}

export function secret(description: string): z.ZodDefault<z.ZodString> {
  return z.string().default("").meta({ description, secret: true });
}

export function pattern(
  fallback: string,
  rule: RegExp,
  expects: string,
  description: string,
): z.ZodDefault<z.ZodString> {
  return z.string().regex(rule).default(fallback).meta({ description, expects });
}

export function whole(fallback: number, min: number, max: number, description: string): z.ZodDefault<z.ZodNumber> {
  return z.number().int().min(min).max(max).default(fallback).meta({ description });
}

export function number(fallback: number, min: number, max: number, description: string): z.ZodDefault<z.ZodNumber> {
  return z.number().min(min).max(max).default(fallback).meta({ description });
}

export function seconds(fallback: number, min: number, description: string): z.ZodDefault<z.ZodNumber> {
  return number(fallback, min, SECONDS_MAX, description);
}

export function flag(fallback: boolean, description: string): z.ZodDefault<z.ZodBoolean> {
  return z.boolean().default(fallback).meta({ description });
}
