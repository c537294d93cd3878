// A collector of traces: takes OTLP over HTTP in JSON, as the protocol has it, and keeps the spans.
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { text } from "node:stream/consumers";

interface KeyValue {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number; readonly doubleValue?: number };
}

interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly KeyValue[];
  readonly status: { readonly code: number; readonly message?: string };
}

interface Request {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
}

export type Attributes = Readonly<Record<string, string | number | undefined>>;

export interface Span extends Omit<WireSpan, "attributes"> {
  readonly attributes: Attributes;
  readonly resource: Attributes;
  readonly ms: number;
}

export class TraceCollector {
  readonly spans: Span[] = [];
  readonly headers: IncomingHttpHeaders[] = [];
  readonly #events = new EventEmitter();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (request, response) => {
      if (request.method !== "POST" || request.url !== "/v1/traces") return response.writeHead(404).end();
      this.headers.push(request.headers);
      const { resourceSpans }: Request = JSON.parse(await text(request));
      for (const { resource, scopeSpans } of resourceSpans) {
        for (const span of scopeSpans.flatMap(({ spans }) => spans)) this.spans.push(spanOf(span, resource.attributes));
      }
      this.#events.emit("spans");
      return response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  }

  static async listen(): Promise<TraceCollector> {
    const collector = new TraceCollector();
    collector.#server.listen(0, "127.0.0.1");
    await once(collector.#server, "listening");
    return collector;
  }

  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    return `http://127.0.0.1:${address.port}`;
  }

  /** The spans of one call once all have come, by name. */
  async spansOf(uniqId: string, count: number): Promise<Record<string, Span>> {
    for (;;) {
      const call = this.spans.find(({ attributes }) => attributes["switchyard.uniq_id"] === uniqId);
      const all = this.spans.filter((span) => call && (span === call || span.parentSpanId === call.spanId));
      if (all.length === count) return Object.fromEntries(all.map((span) => [span.name, span]));
      await once(this.#events, "spans");
    }
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

function spanOf(wire: WireSpan, resource: readonly KeyValue[]): Span {
  const ns = BigInt(wire.endTimeUnixNano) - BigInt(wire.startTimeUnixNano);
  return { ...wire, attributes: plain(wire.attributes), resource: plain(resource), ms: Number(ns) / 1e6 };
}

function plain(list: readonly KeyValue[]): Attributes {
  return Object.fromEntries(
    list.map(({ key, value }) => [key, value.stringValue ?? value.intValue ?? value.doubleValue]),
  );
}
