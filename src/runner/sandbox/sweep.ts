// What a slot without namespaces of its own may leave behind in its container, and its end: processes of its user, files
// in the folders that all may write to, System V IPC objects. The sweep runs as the slot's own user, so it can harm
// nobody else; what it could not remove is counted by the runner.
import { spawn } from "node:child_process";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The folders of an image that everybody may write to. */
const SHARED_FOLDERS = ["/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock"];

const SWEEP_SOURCE = `
kill 'KILL', -1;
# Removes what is ours in the working folder. From folder to folder, as a path may be longer than the kernel takes.
sub clear {
  opendir(my $here, '.') or return;
  my @names = grep { $_ ne '.' && $_ ne '..' } readdir $here;
  closedir $here;
  for my $name (@names) {
    my @entry = lstat($name) or next;
    my $is_ours = $entry[4] == $<;
    if (!-d _) { unlink $name if $is_ours; next }
    next unless $is_ours || $entry[2] & 2;                # nothing of ours can be in a folder that we may not write to
    chmod(0700, $name) if $is_ours;
    if (chdir $name) { clear(); chdir '..' or exit 1 }
    rmdir $name if $is_ours;
  }
}
for my $shared (@ARGV) { clear() if chdir $shared }
sub ours {
  my ($table, $column) = @_;
  open(my $list, '<', "/proc/sysvipc/$table") or return ();
  <$list>;
  return map { (split)[1] } grep { (split)[$column] == $< } <$list>;
}
shmctl($_, 0, 0) for ours('shm', 7);
semctl($_, 0, 0, 0) for ours('sem', 4);
msgctl($_, 0, 0) for ours('msg', 7);
kill 'KILL', -1;
`;

/** Kills and removes what the user `uid` has; resolves when the sweep has ended, however it did. */
export function sweep(perl: readonly string[], uid: number, env: NodeJS.ProcessEnv): Promise<void> {
  const [program = "perl", ...before] = perl;
  const args = [...before, "-e", SWEEP_SOURCE, ...SHARED_FOLDERS];
  return new Promise((resolve) => {
    const child = spawn(program, args, { uid, gid: uid, cwd: "/", env, stdio: "ignore" });
    child.once("error", () => resolve());
    child.once("exit", () => resolve());
  });
}

/** What the user `uid` still has, each as a short text; empty when nothing. */
export function remainsOf(uid: number): string[] {
  const processes = processesOf(uid).map((pid) => `process ${pid}`);
  const files = SHARED_FOLDERS.flatMap((folder) =>
    entriesOf(folder)
      .map((name) => join(folder, name))
      .filter((path) => lstatSync(path, { throwIfNoEntry: false })?.uid === uid),
  );
  return [...processes, ...files, ...ipcOf("shm", 7, uid), ...ipcOf("sem", 4, uid), ...ipcOf("msg", 7, uid)];
}

/** Living processes of a user, as the runner sees them. */
export function processesOf(uid: number): number[] {
  return entriesOf("/proc")
    .filter((name) => /^\d+$/.test(name) && userOf(name) === uid)
    .map(Number);
}

function userOf(pid: string): number | undefined {
  return userIn(statusOf(pid));
}

/** Real user of a process; the owner of its folder in /proc is root's for one that nobody may attach to. */
export function userIn(status: string): number | undefined {
  const user = /^Uid:\t(\d+)/m.exec(status)?.[1];
  return user === undefined ? undefined : Number(user);
}

/** Empty for a process that has ended. */
export function statusOf(pid: string): string {
  return textOf(`/proc/${pid}/status`);
}

function ipcOf(table: string, ownerColumn: number, uid: number): string[] {
  const lines = textOf(`/proc/sysvipc/${table}`).split("\n").slice(1);
  const owned = lines.map((line) => line.trim().split(/\s+/)).filter((fields) => Number(fields[ownerColumn]) === uid);
  return owned.map(([, id]) => `${table} ${id}`);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
