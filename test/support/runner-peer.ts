// A client of a runner, and the hands of its peer, who may write what it likes: links that break, begin anew and are
// dialled when the test says so.
import { PassThrough } from "node:stream";
import type { SlotBinding } from "../../src/backend/backend.js";
import { sealLease } from "../../src/backend/lease-seal.js";
import { LinkKeeper, type Streams } from "../../src/backend/link-keeper.js";
import { RunnerClient } from "../../src/backend/runner-client.js";
import type { Outcome } from "../../src/core/outcome.js";
import { Init, type KnownCall, RunnerFrame, ServerFrame } from "../../src/gen/switchyard/runner/v1/runner.js";
import { encodeFrame, FrameReader, SERVER_FRAME_BYTES_MAX } from "../../src/link/frames.js";
import { MarkerScanner, resyncMarker } from "../../src/link/marker.js";
import { settled } from "./fake-clock.js";
import { bash } from "./outcomes.js";

const NONCE = "abc";
const EPOCH = 9;
export const KEY = Buffer.alloc(32, 1);
export const NEVER = new AbortController().signal;
export const READY = { isolation: "namespace", isolationReason: "" };

export type Say = Parameters<typeof RunnerFrame.fromPartial>[0]["frame"];
export type Heard = NonNullable<ServerFrame["frame"]>;
type Values = { [F in Heard as F["$case"]]: F["value"] };

/** Its rejection is looked at later. */
export function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** What a runner says that it has. */
export interface Memory {
  readonly ready?: Partial<typeof READY> | undefined;
  readonly slots?: readonly { open?: boolean; record?: Buffer; seal?: Buffer }[];
  readonly calls?: Readonly<Record<number, readonly Parameters<typeof KnownCall.fromPartial>[0][]>>;
}

export function leasedTo(binding: SlotBinding, open = true) {
  return { open, ...sealLease(binding, KEY) };
}

export function finished(slot: number, uniqId: string, fields: object = {}): Say {
  return { $case: "callFinished", value: { slot, uniqId, status: "OK", ...fields } };
}

/** As a runner remembers it. */
export function known(slot: number, uniqId: string, state: "running" | "finished" | "acknowledged", output = "") {
  return {
    uniqId,
    digest: Buffer.alloc(32, 0xab),
    forStream: true,
    context: state === "acknowledged" ? "" : "{}",
    acknowledged: state === "acknowledged",
    ...(state === "finished" && { finished: { slot, uniqId, status: "OK", output } }),
  };
}

export class Peer {
  readonly client: RunnerClient;
  readonly keeper: LinkKeeper;
  /** Frames that the server sent, over all links. */
  readonly heard: Heard[] = [];
  /** Markers that it sent. */
  marks = 0;
  dials = 0;
  /** What the next dials come to; when none is left, new streams. */
  readonly answers: (() => Promise<Streams | "gone" | "superseded">)[] = [];
  fromRunner = new PassThrough();
  toRunner = new PassThrough();
  lost: { readonly reason: string; readonly message: string } | undefined;

  constructor(readonly slots = 2) {
    const init = Init.fromPartial({ isolation: "auto", slots, outputCharsMax: 1000, fileBytesMax: 1000 });
    this.keeper = new LinkKeeper({ nonce: NONCE, epoch: EPOCH, dial: () => this.#dial() }, init);
    this.client = new RunnerClient({ id: "c1", keeper: this.keeper, init, key: KEY, containerHasNetwork: false });
    void this.client.lost.then((error) => {
      this.lost = error;
    });
    this.keeper.begin(this.streams());
  }

  /** One that has answered `init`. */
  static async ready(slots?: number): Promise<Peer> {
    const peer = new Peer(slots);
    const started = peer.client.start(NEVER);
    await peer.begin({ ready: undefined, slots: [] });
    await peer.say({ $case: "ready", value: READY });
    await started;
    return peer;
  }

  /** One that an earlier server left. */
  static async adopted(memory: Memory) {
    const peer = new Peer();
    const adopting = watched(peer.client.adopt(NEVER));
    await peer.begin(memory);
    return { peer, slots: await adopting };
  }

  /** A new connection, the old one of which nobody reads any more. */
  streams(): Streams {
    const [fromRunner, toRunner] = [new PassThrough(), new PassThrough()];
    const scanner = new MarkerScanner(NONCE);
    let reader = new FrameReader(SERVER_FRAME_BYTES_MAX);
    toRunner.on("data", (chunk: Buffer) => {
      for (const piece of scanner.push(chunk)) {
        if (piece.kind === "marker") {
          this.marks += 1;
          reader = new FrameReader(SERVER_FRAME_BYTES_MAX);
        } else {
          for (const { body } of reader.push(piece.bytes)) this.heard.push(ServerFrame.decode(body).frame as Heard);
        }
      }
    });
    Object.assign(this, { fromRunner, toRunner });
    return { fromRunner, toRunner };
  }

  async #dial(): Promise<Streams | "gone" | "superseded"> {
    this.dials += 1;
    return (await this.answers.shift()?.()) ?? this.streams();
  }

  say(...frames: Say[]): Promise<void> {
    return this.raw(Buffer.concat(frames.map(encoded)));
  }

  async raw(bytes: Buffer): Promise<void> {
    if (!this.fromRunner.destroyed) this.fromRunner.write(bytes);
    await settled();
  }

  /** Answers the server's marker. */
  begin(memory: Memory = {}): Promise<void> {
    return this.raw(Buffer.concat([this.marker(), ...inventory(memory, this.slots).map(encoded)]));
  }

  marker(epoch = EPOCH): Buffer {
    return resyncMarker(NONCE, epoch);
  }

  /** Frames of that kind that the server sent, and has not been asked for yet. */
  take<K extends keyof Values>($case: K): Values[K][] {
    const taken = this.heard.filter((frame) => frame.$case === $case);
    this.heard.splice(0, this.heard.length, ...this.heard.filter((frame) => frame.$case !== $case));
    return taken.map(({ value }) => value as Values[K]);
  }

  /** Acknowledgements go out together with the next frame, or a moment later. Waits for the first. */
  async acknowledged(): Promise<Values["acknowledge"][]> {
    while (!this.heard.some(({ $case }) => $case === "acknowledge")) await settled();
    return this.take("acknowledge");
  }

  /** Its slots are asked for and opened, in that order. */
  async open(...slots: readonly number[]): Promise<void> {
    for (const slot of slots) {
      const opened = this.client.openSlot(slot);
      await settled();
      const [request] = this.take("openSlot");
      await this.say({ $case: "slotOpened", value: { slot, seq: request?.seq ?? 0 } });
      await opened;
    }
  }

  /** The link breaks; resolves when the next one is dialled. */
  async breakLink(): Promise<void> {
    this.heard.length = 0;
    this.fromRunner.end();
    await settled();
    await settled();
  }

  /** A new link, over which the runner says what it has. */
  async relink(memory: Memory = {}): Promise<void> {
    await this.breakLink();
    await this.begin(memory);
  }

  /** One call for each of the names, each in a slot of its own from `slot` up. */
  run(uniqIds: readonly string[], slot = 0) {
    const ends: string[] = [];
    const operations = uniqIds.map((uniqId, index) => bash(slot + index, `run ${uniqId}`, { uniqId }));
    const running = this.client.runBatch(operations, 5, (index, outcome) => ends.push(spell(uniqIds[index], outcome)));
    void watched(running.done);
    return { running, ends };
  }

  /** Follows a call of an earlier server. */
  resume(slot: number, uniqId: string) {
    const ends: string[] = [];
    const running = this.client.resumeCall(slot, uniqId, (outcome) => ends.push(spell(uniqId, outcome)));
    void watched(running.done);
    return { running, ends };
  }

  /** `SLOT uniq_id` of the calls that it was told to run, since it was last asked. */
  calls(): string[] {
    return this.take("runBatch").flatMap(({ calls }) => calls.map(({ slot, uniqId }) => `${slot} ${uniqId}`));
  }
}

export function encoded(frame: Say): Buffer {
  return encodeFrame(RunnerFrame.encode(RunnerFrame.fromPartial({ frame })).finish(), EPOCH);
}

/** The frames of an inventory. */
export function inventory(memory: Memory, slotCount: number): Say[] {
  const { ready = "ready" in memory ? undefined : READY, calls = {} } = memory;
  const slots = memory.slots ?? Array.from({ length: slotCount }, () => ({ open: true }));
  return [
    { $case: "inventory", value: { ...(ready && { ready }), slots: [...slots] } },
    ...Object.entries(calls)
      .filter(([, known]) => known.length > 0)
      .map(([slot, known]): Say => ({ $case: "knownCalls", value: { slot: Number(slot), calls: [...known] } })),
    { $case: "inventoryEnd", value: {} },
  ];
}

function spell(uniqId: string | undefined, { status, output }: Outcome): string {
  return `${uniqId} ${status} ${output}`;
}
