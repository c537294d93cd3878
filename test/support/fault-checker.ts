// Whether a trajectory's calls came to what was promised, whatever happened on the way. Every call appends its uniq_id to
// a file in its workspace; the client's log, that file, and what the server says of its ledger (`known`) must agree:
//   each call that was sent has one terminal result, and repetitions of it are the same;
//   no uniq_id is in the file twice; OK is in it once, NOT_STARTED never, LOST at most once;
//   `known` names no call that was not sent, and every result that was not acknowledged.
import assert from "node:assert/strict";
import { CallStatus, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { CallState, type Opened } from "../../src/gen/switchyard/v1/trajectory.js";

const FILE = "calls";

/** The command of a call that leaves its mark, prints how often it is there, and does `body`. */
export function markedCommand(uniqId: string, body = ""): string {
  return `echo ${uniqId} >> ${FILE}; grep -cx ${uniqId} ${FILE}; ${body || "true"}`;
}

/** Prints the marks; succeeds without any. */
export const READ_MARKS = `cat ${FILE} 2>/dev/null; true`;

/** What one client saw of one trajectory. */
export class CallLog {
  /** By uniq_id: whether the call leaves its mark. */
  readonly #sent = new Map<string, boolean>();
  readonly #results = new Map<string, ToolResult>();
  readonly #acked = new Set<string>();
  #opened: Opened | undefined;

  constructor(readonly trajectoryId: string) {}

  get results(): ReadonlyMap<string, ToolResult> {
    return this.#results;
  }

  get opens(): number {
    return Number(this.#opened?.epoch ?? 0n);
  }

  sent(uniqId: string, marked = true): void {
    this.#sent.set(uniqId, marked);
  }

  acked(uniqIds: Iterable<string>): void {
    for (const uniqId of uniqIds) this.#acked.add(uniqId);
  }

  /** True when it is the first. */
  result(result: ToolResult): boolean {
    const { uniqId } = result;
    assert.ok(this.#sent.has(uniqId), this.#text(`a result for ${uniqId}, which was not sent`));
    const before = this.#results.get(uniqId);
    if (before) assert.deepEqual(result, before, this.#text(`the result of ${uniqId} came again, and was another`));
    this.#results.set(uniqId, result);
    return before === undefined;
  }

  /** Of every stream after the first: it must resume the life that the first began. */
  opened(opened: Opened): void {
    const before = this.#opened;
    this.#opened = opened;
    const known = new Map(opened.known.map(({ uniqId, state }) => [uniqId, state]));
    for (const uniqId of known.keys()) {
      assert.ok(this.#sent.has(uniqId), this.#text(`the server knows ${uniqId}, which was not sent`));
    }
    if (!before) return;
    assert.ok(opened.resumed, this.#text("it was not resumed"));
    assert.equal(opened.incarnation, before.incarnation, this.#text("it is another life"));
    assert.ok(opened.epoch > before.epoch, this.#text("its epoch did not grow"));
    for (const uniqId of this.#results.keys()) {
      if (this.#acked.has(uniqId)) continue;
      const state = known.get(uniqId);
      assert.equal(
        state,
        CallState.CALL_STATE_FINISHED,
        this.#text(`the server no longer has the result of ${uniqId}`),
      );
    }
  }

  /** `marks`: the lines of the file; `generation`: of the slot that it is in. Neither when there is no slot any more. */
  check(marks: readonly string[] = [], generation = 0): void {
    const counts = new Map<string, number>();
    for (const mark of marks) counts.set(mark, (counts.get(mark) ?? 0) + 1);
    for (const mark of counts.keys()) assert.ok(this.#sent.has(mark), this.#text(`${mark} ran, and was not sent`));
    for (const [uniqId, marked] of this.#sent) {
      const result = this.#results.get(uniqId);
      assert.ok(result, this.#text(`${uniqId} has no result`));
      if (marked) this.#checkOne(result, counts.get(uniqId) ?? 0, generation);
    }
  }

  #checkOne(result: ToolResult, count: number, generation: number): void {
    const { uniqId, status, slotGeneration } = result;
    const what = this.#text(`${uniqId} ended ${CallStatus[status]} and is in the file ${count} times`);
    if (status === CallStatus.CALL_STATUS_OK) assert.match(result.output, /^1(\n|$)/, what);
    // The file of an earlier slot is gone; nothing of that slot may be in this one's.
    const [least, most] = slotGeneration === generation ? marksOf(status) : [0, 0];
    assert.ok(count >= least && count <= most, what);
  }

  #text(what: string): string {
    return `${this.trajectoryId}: ${what}`;
  }
}

/** How often a call with this end may be in the file of its slot: at least and at most. */
function marksOf(status: CallStatus): readonly [number, number] {
  if (status === CallStatus.CALL_STATUS_OK) return [1, 1];
  return status === CallStatus.CALL_STATUS_NOT_STARTED ? [0, 0] : [0, 1];
}
