// The ToolServer: external tools behind `GET {url}/tools` and `POST {url}/execute`. It may be down, at the start too: its
// tools are asked for again and again, and calls fail until it answers. A call is sent once, never again.
import type { Clock, Timer } from "../../core/clock.js";
import { messageOf } from "../../core/errors.js";
import { canonicalJson, type JsonValue } from "../../core/json.js";
import type { Logger } from "../../core/log.js";
import type { Outcome } from "../../core/outcome.js";
import { ANYONE } from "../../core/principal.js";
import { ExternalError, outcomeOf } from "./external-outcome.js";
import { HttpStatusError, JsonHttp } from "./json-http.js";
import { Listing } from "./listing.js";
import type { ExternalTool, Provider, ProviderRequest } from "./provider.js";
import type { Secrets } from "./secrets.js";
import { readAnswer } from "./tool-answer.js";
import { readToolList } from "./tool-list.js";

export interface ToolServerOptions {
  readonly url: string;
  readonly token: string;
  /** What it offers if it cannot list its tools. */
  readonly declared: readonly string[];
  readonly concurrencyMax: number;
  readonly responseBytesMax: number;
  readonly outputCharsMax: number;
  readonly refreshS: number;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly log: Logger;
}

const LIST_TIMEOUT_MS = 10_000;
/** While it is down it is asked at least so often. */
const RETRY_S = 5;

export class ToolServer implements Provider {
  readonly #http: JsonHttp;
  readonly #listing: Listing;
  #asking = new AbortController();
  #isClosed = false;
  #isUp: boolean | undefined;
  #timer: Timer | undefined;

  constructor(private readonly options: ToolServerOptions) {
    const { token, concurrencyMax, responseBytesMax, clock } = options;
    // One connection more, so that a full house does not hide what tools there are.
    this.#http = new JsonHttp({ token, responseBytesMax, connectionsMax: concurrencyMax + 1 });
    this.#listing = new Listing(() => this.#fetchTools(), clock);
    void this.#refresh();
  }

  async call(request: ProviderRequest): Promise<Outcome | undefined> {
    const { uniqId, signal } = request;
    if (!(await this.#listing.has(request.tool, signal))) return undefined;
    const url = this.#at("execute");
    const answer = await this.#http.send({ method: "POST", url, body: bodyOf(request), signal });
    const { secrets, outputCharsMax } = this.options;
    return outcomeOf(readAnswer(answer, uniqId), secrets, outputCharsMax);
  }

  async list(): Promise<readonly ExternalTool[]> {
    return this.#listing.current().catch(() => []);
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#isClosed = true;
    this.#asking.abort(new ExternalError("the server is shutting down"));
    await this.#http.close();
  }

  async #refresh(): Promise<void> {
    await this.#listing.refresh().catch(() => undefined);
    if (this.#isClosed) return;
    const { clock, refreshS } = this.options;
    const waitS = this.#isUp ? refreshS : Math.min(refreshS, RETRY_S);
    this.#timer = clock.after(waitS * 1000, () => void this.#refresh());
  }

  async #fetchTools(): Promise<readonly ExternalTool[]> {
    const asking = new AbortController();
    this.#asking = asking;
    const timer = this.options.clock.after(LIST_TIMEOUT_MS, () => {
      asking.abort(new ExternalError(`its list of tools did not come within ${LIST_TIMEOUT_MS / 1000} s`));
    });
    try {
      const tools = await this.#askForTools(asking.signal);
      this.#is(true, { tools: tools.length });
      return tools;
    } catch (error) {
      this.#is(false, { reason: messageOf(error) });
      throw error;
    } finally {
      timer.cancel();
    }
  }

  async #askForTools(signal: AbortSignal): Promise<readonly ExternalTool[]> {
    try {
      return readToolList(
        await this.#http.send({ method: "GET", url: this.#at("tools"), signal }),
        this.options.secrets,
      );
    } catch (error) {
      if (error instanceof HttpStatusError && [404, 405, 501].includes(error.status)) return this.#declared();
      throw error;
    }
  }

  #declared(): ExternalTool[] {
    return this.options.declared.map((name) => ({ name, description: "", parameters: { type: "object" } }));
  }

  /** Said once for each change. */
  #is(up: boolean, fields: object): void {
    if (this.#isUp === up || this.#isClosed) return;
    this.#isUp = up;
    if (up) this.options.log.info(fields, "the ToolServer answers");
    else this.options.log.warn(fields, "the ToolServer does not answer; asking it again and again");
  }

  #at(path: string): URL {
    const url = new URL(this.options.url);
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/${path}`;
    return url;
  }
}

/** `principal` only where there are such, `slot_id` and `container_addr` only for a trajectory that has a slot. */
function bodyOf({ principal, trajectoryId, uniqId, tool, arguments: args, timeoutS, slot }: ProviderRequest): string {
  const body: JsonValue = {
    ...(principal !== ANYONE && { principal }),
    trajectory_id: trajectoryId,
    tool: { name: tool, arguments: args, uniq_id: uniqId },
    timeout_s: timeoutS,
    ...(slot && { slot_id: slot.id, container_addr: slot.address }),
  };
  // Also what JSON.stringify would lose: a `__proto__` key that a model wrote.
  return canonicalJson(body);
}
