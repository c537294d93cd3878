// The connections to one server. A connection carries 500 streams, and further ones wait in silence; so each gets at most
// `streamsMax`, and another is opened when all are full. A connection that fell silent gets no new stream, and is
// closed when its last one has ended.
import { Client, type ClientOptions } from "@grpc/grpc-js";
import type { Backoff } from "./backoff.js";
import type { Acquaintance } from "./retrying.js";
import type { Security } from "./security.js";

/** On its way to a stream, and to all of a connection. HTTP/2's own 64 KiB would make each wait for all who read beside it. */
const WINDOW_BYTES = 1024 * 1024;

export interface ChannelPoolOptions {
  readonly address: string;
  readonly security: Security;
  readonly streamsMax: number;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly backoff: Backoff;
}

export interface ChannelLease {
  readonly client: Client;
  /** Once. `suspect`: the connection should serve no new stream. */
  release(suspect: boolean): void;
}

interface Member {
  readonly client: Client;
  streams: number;
  suspect: boolean;
}

export class ChannelPool implements Acquaintance {
  reached = false;
  readonly #options: ChannelPoolOptions;
  readonly #members = new Set<Member>();

  constructor(options: ChannelPoolOptions) {
    this.#options = options;
  }

  get renewsToken(): boolean {
    return this.#options.security.renewsToken;
  }

  get givesCertificate(): boolean {
    return this.#options.security.givesCertificate;
  }

  get size(): number {
    return this.#members.size;
  }

  acquire(): ChannelLease {
    const member = this.#free() ?? this.#add();
    member.streams += 1;
    let released = false;
    return {
      client: member.client,
      release: (suspect) => {
        if (released) return;
        released = true;
        member.streams -= 1;
        member.suspect ||= suspect;
        if (member.suspect && member.streams === 0) this.#remove(member);
      },
    };
  }

  close(): void {
    for (const member of [...this.#members]) this.#remove(member);
  }

  #free(): Member | undefined {
    return [...this.#members].find(({ streams, suspect }) => !suspect && streams < this.#options.streamsMax);
  }

  #add(): Member {
    const { address, security, keepaliveMs, keepaliveTimeoutMs, backoff } = this.#options;
    const options: ClientOptions = {
      ...security.options,
      interceptors: security.interceptors,
      "grpc.use_local_subchannel_pool": 1, // Else all channels of a process share one connection.
      "grpc.keepalive_time_ms": keepaliveMs,
      "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
      // Sessions and requests do their own waiting; a channel that waits longer than they do would fail them at once.
      "grpc.initial_reconnect_backoff_ms": backoff.initialMs,
      "grpc.max_reconnect_backoff_ms": backoff.maxMs,
      "grpc.enable_retries": 0,
      "grpc-node.flow_control_window": WINDOW_BYTES,
    };
    const member = { client: new Client(address, security.credentials, options), streams: 0, suspect: false };
    this.#members.add(member);
    return member;
  }

  #remove(member: Member): void {
    this.#members.delete(member);
    member.client.close();
  }
}
