// Opens the runner's end of a FIFO in a slot's run folder. The slot's code may have put anything in its place, so no link
// is followed and nothing but a FIFO is used; and whatever it does with the other end, neither end ever waits.
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { Socket } from "node:net";

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

export type FifoMode = "read" | "write";

/** Never waits for the other end: throws when there is none. */
export function openFifo(path: string, mode: FifoMode): number {
  const fd = openSync(path, (mode === "read" ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_NOFOLLOW);
  if (!fstatSync(fd).isFIFO()) {
    closeSync(fd);
    throw new Error(`${path} is not a FIFO`);
  }
  return fd;
}

/** Where what is read goes, in place of a new buffer for each chunk: `take` is told how many bytes are in it. */
export interface ReadInto {
  readonly buffer: Buffer;
  take(count: number): void;
}

/** Closes `fd` at its end. With `into` it emits no data. */
export function socketOf(fd: number, mode: FifoMode, into?: ReadInto): Socket {
  const onread = into && {
    buffer: into.buffer,
    callback: (count: number) => {
      into.take(count);
      return true;
    },
  };
  const options = { fd, readable: mode === "read", writable: mode === "write", ...(onread && { onread }) };
  const socket = new Socket(options);
  // Its other end may be gone; how the run ended is told elsewhere.
  socket.on("error", () => socket.destroy());
  return socket;
}
