// What the reference's executor and the server in its containers say to each other: JSON over HTTP.

export type Arguments = Readonly<Record<string, unknown>>;

export interface SlotCall {
  readonly slot: number;
  readonly tool: string;
  readonly arguments: Arguments;
}

/** `POST /batch`; its answer is `{results}`, in the order of the calls, when all of them are done. */
export interface BatchRequest {
  readonly timeout_s: number;
  readonly calls: readonly SlotCall[];
}

export interface Result {
  readonly success: boolean;
  readonly output: string;
  readonly error: string;
}

export interface BatchAnswer {
  readonly results: readonly Result[];
}

/** `POST /reset`: wipes the slot's workspace. */
export interface ResetRequest {
  readonly slot: number;
}

/** What the server is told as its only argument, as JSON. */
export interface ServerSettings {
  readonly slots: number;
  readonly sandboxed: boolean;
}

/** What it prints when it listens, before its port. */
export const LISTENING = "listening on ";
