// SIGHUP has two senders: an operator, who wants the configuration reloaded, and a terminal that closes, with which a
// server that was started on it ends as by SIGTERM.
import { closeSync, openSync } from "node:fs";
import { isatty } from "node:tty";

/** From now on SIGHUP ends nothing by itself. Returns what is to be told how to reload; a signal before that is kept. */
export function receiveHangUps(): (reload: () => void) => void {
  // Under nohup none of them is.
  const onTerminal = [0, 1, 2].some((fd) => isatty(fd));
  let kept = false;
  let act = () => {
    kept = true;
  };
  process.on("SIGHUP", () => {
    if (onTerminal && !hasTerminal()) process.kill(process.pid, "SIGTERM");
    else act();
  });
  return (reload) => {
    act = reload;
    if (kept) reload();
  };
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r+"));
    return true;
  } catch {
    return false;
  }
}
