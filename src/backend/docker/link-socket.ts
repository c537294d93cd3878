// A socket beside the attach stream: where server and daemon share a machine, a runner answers the server's marker over it,
// and the link has neither the daemon nor its shim in its way. It lies in a folder of the server's that the container sees
// read-only, and is there only while a link begins: all that is to be had by it is to be taken for the runner.
//
//   <base>/switchyard-link-<of the instance>-<random>/socket          the container's /switchyard/link/socket
import { createHash } from "node:crypto";
import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../core/errors.js";
import type { Logger } from "../../core/log.js";
import type { Shortcut } from "../link-keeper.js";

/** Where the folder stands in a container. */
export const LINK_FOLDER = "/switchyard/link";
/** For the runner, in its environment. */
export const LINK_SOCKET = `${LINK_FOLDER}/socket`;

/** An honest runner connects once, and once more for each marker that overtakes another. */
const CONNECTIONS_MAX = 8;

export class LinkSocket {
  constructor(
    /** On the host. */
    readonly folder: string,
    private readonly log: Logger,
  ) {}

  /** Undefined where nobody can listen there, as when the folder was cleared away: then the link has its first way only. */
  async listen(): Promise<Shortcut | undefined> {
    const path = join(this.folder, "socket");
    try {
      await mustBeOwn(this.folder);
      // A server that was killed leaves its own behind.
      await rm(path, { force: true });
      return shortcut(await listening(path));
    } catch (error) {
      this.log.warn({ reason: messageOf(error) }, "the link to a runner goes through the daemon: no socket beside it");
      return undefined;
    }
  }

  /** With its container. One that is another's by now is left alone. */
  async remove(): Promise<void> {
    try {
      await mustBeOwn(this.folder);
    } catch {
      return;
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The sockets of an instance. */
export class LinkSockets {
  readonly #base = process.env.RUNTIME_DIRECTORY?.split(":")[0] || tmpdir();
  readonly #prefix: string;
  /** A daemon that is not reached by a path is on another machine. */
  #unshared = !/^(unix:|$)/.test(process.env.DOCKER_HOST ?? "");

  constructor(
    instance: string,
    private readonly log: Logger,
  ) {
    // The path of a socket has 107 characters; an instance's name may be longer.
    this.#prefix = `switchyard-link-${createHash("sha256").update(instance).digest("hex").slice(0, 12)}-`;
  }

  /** For a new container; undefined where the daemon does not see this server's folders. */
  async make(): Promise<LinkSocket | undefined> {
    if (this.#unshared) return undefined;
    try {
      return new LinkSocket(await mkdtemp(join(this.#base, this.#prefix)), this.log);
    } catch (error) {
      this.#giveUp(messageOf(error));
      return undefined;
    }
  }

  /** That of a container which an earlier server made. */
  of(folder: string | undefined): LinkSocket | undefined {
    return folder ? new LinkSocket(folder, this.log) : undefined;
  }

  /** Whether a container could not be made because of its `socket`: then none has one any more. */
  refused(socket: LinkSocket | undefined, error: unknown): boolean {
    if (!socket || !messageOf(error).includes(socket.folder)) return false;
    this.#giveUp(messageOf(error));
    return true;
  }

  /** Removes what servers of this instance left of containers that there are no more. */
  async tidy(kept: readonly (string | undefined)[]): Promise<void> {
    const names = await readdir(this.#base).catch(() => []);
    const folders = names.filter((name) => name.startsWith(this.#prefix)).map((name) => join(this.#base, name));
    const left = folders.filter((folder) => !kept.includes(folder));
    await Promise.all(left.map((folder) => this.of(folder)?.remove()));
  }

  #giveUp(reason: string): void {
    if (!this.#unshared)
      this.log.info({ reason }, "links go through the daemon, which does not see this server's folders");
    this.#unshared = true;
  }
}

/** Where everybody may make folders, one that was cleared away may be somebody else's since, or a link. */
async function mustBeOwn(folder: string): Promise<void> {
  const found = await lstat(folder);
  const isOwn = found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
  if (!isOwn) throw new Error(`${folder} is not this server's own`);
}

function listening(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.maxConnections = CONNECTIONS_MAX;
    server.once("error", reject);
    server.listen(path, () => resolve(server));
  });
}

function shortcut(server: Server): Shortcut {
  return {
    onTaken: (listener) => server.on("connection", listener),
    close: () => server.close(),
  };
}
