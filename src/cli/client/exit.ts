// How a command that talks to a server ends: its exit code, and the one line on stderr that says what went wrong and how to
// mend it. The codes are those of sysexits.h where it has one.
import { constants } from "node:os";
import { CallRejectedError, SwitchyardClientError, type ToolResult } from "../../client/index.js";
import { messageOf, SwitchyardError } from "../../core/errors.js";

export const EXIT = {
  OK: 0,
  FAILED: 1,
  USAGE: 64,
  UNAVAILABLE: 69,
  DEFECT: 70,
  LOCAL_FILE: 74,
  LATER: 75,
  REFUSED: 77,
  TIMED_OUT: 124,
  CANCELLED: 130,
  KILLED: 137,
} as const;

export const EXIT_HELP = `Exit code: that of the command; 0 when any other tool did its work, 1 when it says no.
128+N: ended by signal N. 124: timed out. 130: cancelled. 137: out of memory.
64: wrong arguments or options, no such tool. 69: no server answers, or it lacks what the call needs.
70: the result is lost. 74: a local file. 75: not now, try again. 77: the token is not accepted.`;

/** What the user asked for in a way that cannot be done. */
export function usage(message: string): SwitchyardError {
  return new SwitchyardError("CONFIG_INVALID", message);
}

export function exitCodeOf({ status, exitCode, signal }: ToolResult): number {
  switch (status) {
    case "OK":
      return EXIT.OK;
    case "NONZERO_EXIT":
      return (exitCode ?? 0) & 255 || EXIT.FAILED;
    case "SIGNALED":
      return 128 + numberOf(signal);
    case "TIMED_OUT":
      return EXIT.TIMED_OUT;
    case "OUT_OF_MEMORY":
      return EXIT.KILLED;
    case "CANCELLED":
      return EXIT.CANCELLED;
    case "TOOL_FAILED":
      return EXIT.FAILED;
    case "INVALID":
    case "UNKNOWN_TOOL":
      return EXIT.USAGE;
    case "NOT_STARTED":
      return EXIT.LATER;
    case "LOST":
      return EXIT.DEFECT;
    case "EXTERNAL_FAILED":
    case "SANDBOX_UNAVAILABLE":
      return EXIT.UNAVAILABLE;
    default:
      return status satisfies never;
  }
}

export interface Failure {
  readonly text: string;
  readonly code: number;
}

export function failureText(error: unknown, server: string): Failure {
  if (error instanceof CallRejectedError) {
    return { text: error.message, code: rejectedCode(error.status) };
  }
  if (error instanceof SwitchyardClientError && isUnreachable(error)) {
    const text = `no server answers at ${server} (${whyUnreachable(error)}); start one with "switchyard serve", or name another with --server`;
    return { text, code: EXIT.UNAVAILABLE };
  }
  if (error instanceof SwitchyardClientError)
    return { text: withAdvice(error), code: codeOf(error.code, error.reason) };
  if (error instanceof SwitchyardError) return { text: error.message, code: codeOf(error.meaning.code, error.reason) };
  if (isSystemError(error)) return { text: error.message, code: EXIT.LOCAL_FILE };
  // Nobody foresaw it, and then the stack is worth more than a short message.
  return { text: (error instanceof Error && error.stack) || messageOf(error), code: EXIT.DEFECT };
}

/** Whether no server was reached, rather than that one said no. */
export function isUnreachable(error: unknown): boolean {
  if (!(error instanceof SwitchyardClientError)) return false;
  return error.reason === "UNREACHABLE" || (error.reason === "UNKNOWN" && error.code === "UNAVAILABLE");
}

/** The words of the last attempt, without those that gRPC puts around them. */
export function whyUnreachable(error: Error): string {
  const { cause } = error;
  const text = cause instanceof SwitchyardClientError ? cause.message : error.message;
  if (/wrong version number|packet length too long/.test(text)) return "it speaks no TLS";
  const own = text.replace(/^.*Last error: (?:Error: )?/s, "").replace(/\.? Resolution note: .*$/s, "");
  return own.split("\n", 1)[0] ?? "";
}

function rejectedCode(status: CallRejectedError["status"]): number {
  if (status === "INVALID") return EXIT.USAGE;
  return status === "NOT_STARTED" ? EXIT.LATER : EXIT.DEFECT;
}

function codeOf(code: string | undefined, reason: string): number {
  if (code === "UNAUTHENTICATED" || code === "PERMISSION_DENIED") return EXIT.REFUSED;
  if (code === "UNAVAILABLE" || code === "RESOURCE_EXHAUSTED") return EXIT.LATER;
  const isUsage = code === "INVALID_ARGUMENT" || reason === "INVALID_FIELD" || reason === "CONFIG_INVALID";
  return isUsage ? EXIT.USAGE : EXIT.FAILED;
}

const ADVICE: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: "give a token that the server knows with --token-file or SWITCHYARD_CLIENT_TOKEN",
  WRONG_TOKEN: "give its --resume-token",
  NO_SLOT: 'such as: switchyard call --trajectory ID bash "ls"',
  UNIMPLEMENTED: "the server is older than this client; switchyard version compares them",
};

function withAdvice({ message, reason, code }: SwitchyardClientError): string {
  const advice = ADVICE[reason] ?? ADVICE[code ?? ""];
  return advice ? `${message}; ${advice}` : message;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && "syscall" in error;
}

function numberOf(name: string | undefined): number {
  return Object.entries(constants.signals).find(([signal]) => signal === name)?.[1] ?? 0;
}
