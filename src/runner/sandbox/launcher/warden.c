// The warden: what the launcher is first in a sandbox of bubblewrap's, as pid 1 of it, from the slot's first opening to the
// runner's end. Each time the slot opens it clones itself into a cell: pid, mount, ipc and, without a network, net namespaces
// that did not exist before, fresh file systems in memory, the slot's new folders, no capability. The clone goes on as the
// launcher, so that a slot's opening costs neither bubblewrap nor a program's start. Nothing but the warden and its cell lives
// below bubblewrap, and no hostile code runs outside of a cell: there the warden has no pid, is not dumpable, and its
// capabilities keep everybody from attaching to it.
//
// Protocol. Warden to runner, on fd 1:
//   ready N HOW   the cell before has ended, as HOW says, and nothing of it lives; the FIFOs `in.N` and `out.N` in the channel
//                 folder are empty, and wait for their other ends. Two pairs take turns, so that nobody has one open still;
//                 ext4 is slow to make new ones, as it takes no inode that was deleted lately
// Runner to warden, on fd 0, a line each: `open`, when it has opened both FIFOs: they become fd 0 and 1 of a launcher; `close`:
// everything in the cell is killed.
#include "launcher.h"

/** As sandbox.ts has bubblewrap show them. */
#define SLOT "/tmp/slot"
#define CHANNEL SLOT "/channel"

enum { CLONE_NEWNS = 0x20000, CLONE_NEWIPC = 0x8000000, CLONE_NEWPID = 0x20000000, CLONE_NEWNET = 0x40000000 };
enum { MS_NOSUID = 2, MS_NODEV = 4, MS_NOEXEC = 8, MS_BIND = 0x1000, MS_REC = 0x4000, MS_PRIVATE = 0x40000 };
enum { PR_SET_DUMPABLE = 4, PR_CAPBSET_DROP = 24, PR_SET_NAME = 15 };

struct cell { int has_network; const char *scratch_bytes, *run_bytes, *workspace_bytes; };

/** 0 at the end of the input. */
static int hear(const char *awaited) {
  char line[64];
  usize length = 0;
  while (length < sizeof line - 1 && read_exactly(0, line + length, 1)) {
    if (line[length] != '\n') {
      length++;
      continue;
    }
    line[length] = 0;
    return same(line, awaited);
  }
  return 0;
}

static void put(const char *what, const char *where, const char *type, u64 flags, const char *options) {
  i64 result = SYS(mount, what, where, type, flags, options);
  if (result < 0) die("mount ", where, ": ", error_text(result), (char *)0);
}

static void put_scratch(const char *where, const char *mode, const char *bytes) {
  char options[96];
  join(options, sizeof options, "mode=", mode, ",size=", bytes, (char *)0);
  put("tmpfs", where, "tmpfs", MS_NOSUID | MS_NODEV, options);
}

static void furnish(const struct cell *cell) {
  SYS(prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);                // or the launcher could not set what is its own in /proc
  put("none", "/", "", MS_REC | MS_PRIVATE, "");
  put("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
  put("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620");
  put_scratch("/dev/shm", "1777", cell->scratch_bytes);
  if (same(cell->workspace_bytes, "0")) put(SLOT "/workspace", "/workspace", "", MS_BIND, "");
  else put_scratch("/workspace", "0700", cell->workspace_bytes);
  put_scratch("/run", "0755", cell->run_bytes);
  i64 made = SYS(mkdirat, AT_FDCWD, settings.run, 0755);
  if (made < 0) die(settings.run, ": ", error_text(made), (char *)0);
  put(SLOT "/run", settings.run, "", MS_BIND, "");
  // Covers the slot's folder; what would uncover it needs capabilities that nothing in the cell has.
  put_scratch("/tmp", "1777", cell->scratch_bytes);
  SYS(chdir, "/workspace");
}

static void bring_up_loopback(void) {
  struct { char name[16]; u16 flags; char rest[22]; } request = {"lo", 1, ""};   // IFF_UP
  i64 any = SYS(socket, 2, 2 | O_CLOEXEC, 0);
  i64 result = any < 0 ? any : SYS(ioctl, any, 0x8914, &request);                // SIOCSIFFLAGS
  if (result < 0) die("lo: ", error_text(result), (char *)0);
  SYS(close, any);
}

// Those that bubblewrap gave (sandbox.ts), for itself and whatever it starts.
static void drop_capabilities(void) {
  static const int given[] = {12, 21, 8};                 // NET_ADMIN, SYS_ADMIN, SETPCAP
  for (int i = 0; i < 3; i++)
    if (SYS(prctl, PR_CAPBSET_DROP, given[i], 0, 0, 0) < 0) die("a capability cannot be dropped", (char *)0);
  u32 header[2] = {0x20080522, 0}, none[6] = {0};
  if (SYS(capset, header, none) < 0) die("capset", (char *)0);
}

// Keys are the user namespace's, which outlives cells; where a seccomp profile forbids keys there are none to clear.
static void clear_keys(void) {
  SYS(keyctl, 1, 0);                                      // KEYCTL_JOIN_SESSION_KEYRING: a new one
  SYS(keyctl, 7, -4);                                     // KEYCTL_CLEAR: the user's
  SYS(keyctl, 7, -5);                                     // and the user's session's
  i64 lasting = SYS(keyctl, 22, -1, -2);                  // KEYCTL_GET_PERSISTENT
  if (lasting > 0) SYS(keyctl, 7, lasting);
}

static void count_others(u64 pid, void *with) {
  if ((int)pid != launcher_pid) ++*(int *)with;
}

static void must_be_empty(void) {
  i64 proc = open_at(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY, 0);
  if (proc < 0) die("/proc: ", error_text(proc), (char *)0);
  int others = 0;
  each_number((int)proc, count_others, &others);
  SYS(close, proc);
  if (others) die("processes outlived their cell", (char *)0);
}

static void describe(int status, char how[64]) {
  char digits[24];
  if (status & 127) join(how, 64, "killed by signal ", decimal((u64)(status & 127), digits), (char *)0);
  else join(how, 64, "exit code ", decimal((u64)(status >> 8 & 255), digits), (char *)0);
}

static i64 must_open(const char *path, int flags) {
  i64 fd = open_at(AT_FDCWD, path, flags, 0);
  if (fd < 0) die(path, ": ", error_text(fd), (char *)0);
  return fd;
}

/** In the new cell; returns to become its launcher. */
static void enter(const struct cell *cell, i64 in, i64 out) {
  SYS(dup3, in, 0, 0);
  SYS(dup3, out, 1, 0);
  SYS(close, in);
  SYS(close, out);
  SYS(fcntl, 0, 4, 0);                                    // F_SETFL: its reads wait
  SYS(setsid, 0);                                         // a signal to its own process group must not reach the warden's
  clear_keys();
  furnish(cell);
  if (!cell->has_network) bring_up_loopback();
  drop_capabilities();
}

void keep_cells(char **numbers) {
  struct cell cell = {same(numbers[0], "1"), numbers[1], numbers[2], numbers[3]};
  char how[96] = "";
  SYS(prctl, PR_SET_NAME, "switchyard-warden", 0, 0, 0);
  SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  static const char *const paths[2][2] = {{CHANNEL "/in.0", CHANNEL "/out.0"}, {CHANNEL "/in.1", CHANNEL "/out.1"}};
  for (int i = 0; i < 4; i++) {
    i64 made = SYS(mknodat, AT_FDCWD, paths[i / 2][i % 2], S_IFIFO | 0600, 0);
    if (made < 0) die(paths[i / 2][i % 2], ": ", error_text(made), (char *)0);
  }
  for (int turn = 0;; turn = 1 - turn) {
    // The first reader, and a writer until there is another: so the runner's ends open at once, and see no end.
    i64 in = must_open(paths[turn][0], O_RDONLY | O_NONBLOCK);
    i64 holder = must_open(paths[turn][1], O_RDWR | O_NONBLOCK);
    // Whoever had them open in the cell before the last has closed them, and what was in them went with that.
    char byte;
    if (SYS(read, in, &byte, 1) != 0 || SYS(read, holder, &byte, 1) != -EAGAIN) die("the channel is not clean", (char *)0);
    say(1, "ready ", turn ? "1 " : "0 ", how, "\n", (char *)0);
    if (!hear("open")) leave(0);
    i64 out = must_open(paths[turn][1], O_WRONLY);
    SYS(close, holder);
    u64 flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | (cell.has_network ? 0 : CLONE_NEWNET) | SIGCHLD;
    i64 pid = SYS(clone, flags, 0, 0, 0, 0);
    if (pid == 0) return enter(&cell, in, out);
    SYS(close, in);
    SYS(close, out);
    if (pid < 0) {
      join(how, sizeof how, "clone: ", error_text(pid), (char *)0);
      continue;
    }
    if (!hear("close")) leave(0);
    int status = 0;
    SYS(kill, pid, SIGKILL);
    SYS(wait4, pid, &status, 0, 0);                       // pid 1 of a pid namespace ends when nobody else is left in it
    describe(status, how);
    must_be_empty();
  }
}
