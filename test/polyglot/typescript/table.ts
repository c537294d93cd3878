// The steps of the scenario table as types; README.md says what each means.
import type { JsonObject } from "../../../src/core/json.js";

export interface Scenario {
  readonly name: string;
  readonly steps: readonly Step[];
}

export type Step = StreamStep | UnaryStep;

/** Steps on the stream of that name, by default `main`. */
export type StreamStep = { readonly stream?: string } & (
  | { readonly op: "begin"; readonly bearer?: string }
  | ({ readonly op: "open" } & Partial<OpenFields>)
  | ({ readonly op: "call" } & CallFields)
  | { readonly op: "cancel"; readonly uniq_id: string }
  | { readonly op: "ack"; readonly uniq_ids: readonly string[] }
  | { readonly op: "release"; readonly reset_workspace?: boolean }
  | { readonly op: "half_close" | "cut" }
  | ({ readonly op: "expect_opened" } & Partial<Opened>)
  | ExpectOutput
  | { readonly op: "expect_result"; readonly uniq_id: string; readonly result: ExpectedResult }
  | { readonly op: "expect_rejected"; readonly uniq_id: string; readonly status: string; readonly fault: string }
  | { readonly op: "expect_released"; readonly wiped: boolean }
  | ({ readonly op: "expect_end" } & ExpectedEnd)
  | { readonly op: "expect_order"; readonly uniq_ids: readonly string[] }
);

export type UnaryStep = Credentials & { readonly error?: ExpectedEnd; readonly deadline_s?: number } & (
    | ({ readonly op: "execute"; readonly result?: ExpectedResult } & CallFields)
    | {
        readonly op: "release_trajectory";
        readonly group?: string;
        readonly reset_workspace?: boolean;
        readonly released?: number;
        readonly wiped?: boolean;
      }
    | {
        readonly op: "list_tools";
        readonly tool: string;
        readonly external: boolean;
        readonly required: readonly string[];
      }
    | { readonly op: "get_status"; readonly pool: string }
    | { readonly op: "health"; readonly service: string; readonly status?: string }
    | WriteStep
    | ReadStep
    | {
        readonly op: "list_artifacts";
        readonly path: string;
        readonly recursive?: boolean;
        readonly entries?: readonly Entry[];
      }
    | { readonly op: "archive_artifacts"; readonly path: string; readonly members?: readonly string[] }
  );

export type StepOf<Op extends Step["op"]> = Extract<Step, { readonly op: Op }>;

interface Credentials {
  readonly resume_token?: string;
  readonly bearer?: string;
}

export interface OpenFields {
  readonly trajectory_id: string;
  readonly resume_token: string;
  readonly group: string;
  readonly pool: string;
  readonly env: Readonly<Record<string, string>>;
  readonly acquire_slot: boolean;
  readonly require_resume: boolean;
  readonly lease_s: number;
  readonly output_positions: readonly {
    readonly uniq_id: string;
    readonly stdout_offset: number;
    readonly stderr_offset: number;
  }[];
}

export interface CallFields {
  readonly uniq_id: string;
  readonly name: string;
  readonly arguments?: JsonObject;
  readonly repeat?: { readonly argument: string; readonly text: string; readonly times: number };
  readonly timeout_s?: number;
  readonly queue_timeout_s?: number;
  readonly no_output_timeout_s?: number;
  readonly stream_output?: boolean;
  readonly slot_generation?: number;
}

export interface Opened {
  readonly resumed: boolean;
  readonly epoch: number;
  readonly slot_generation: number;
  readonly lease_s: number;
  readonly known: Readonly<Record<string, string>>;
}

interface ExpectOutput {
  readonly op: "expect_output";
  readonly uniq_id: string;
  readonly channel: string;
  readonly offset?: number;
  readonly text?: string;
  readonly bytes?: number;
  readonly sha256?: string;
}

export interface Result {
  readonly uniq_id: string;
  readonly status: string;
  readonly fault: string;
  readonly success: boolean;
  readonly output: string;
  readonly error: string;
  readonly exit_code: number | null;
  readonly signal: string;
  readonly output_bytes_total: number;
  readonly truncated: boolean;
  readonly slot_generation: number;
  readonly metadata: JsonObject;
}

export type ExpectedResult = Partial<Result> & {
  readonly output_repeat?: { readonly text: string; readonly times: number };
};

export interface ExpectedEnd {
  readonly code: string;
  readonly reason?: string;
}

export interface Content {
  readonly text?: string;
  readonly random?: { readonly seed: number; readonly bytes: number };
  readonly archive?: true;
}

interface WriteStep {
  readonly op: "write_artifact";
  readonly path: string;
  readonly content: Content;
  readonly mode?: number;
  readonly kind?: string;
  readonly chunk_bytes?: number;
  readonly entries?: number;
}

interface ReadStep {
  readonly op: "read_artifact";
  readonly path: string;
  readonly offset?: number;
  readonly max_bytes?: number;
  readonly content?: Content;
  readonly size?: number;
  readonly mime_type?: string;
  readonly mode?: number;
  readonly truncated?: boolean;
}

export interface Entry {
  readonly path: string;
  readonly type: string;
  readonly size: number;
}
