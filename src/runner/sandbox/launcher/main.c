// The launcher: a small program without a C library that lives inside a slot's sandbox from slot open to slot close, as pid 1 of a
// cell where the sandbox has pids of its own (warden.c). It starts what the runner asks for, reports exact wait statuses, reaps
// orphans, and kills all that one call started. In C because a process of a dozen pages forks in a tenth of the time that an
// interpreter takes, and page faults are most of what starting a command costs.
//
// Untrusted code shares its uid and may take it over; it then owns no more than its own slot. The runner believes
// nothing it says beyond that.
//
// Protocol. Launcher to runner, on fd 1:
//   armed ID SET    a child waits; the FIFOs SET.in, SET.out and SET.err in the run folder are its request, stdout and stderr,
//                   and nothing of an earlier child's is left in them
//   exit ID STATUS  it has ended; STATUS as waitpid(2) gives it
//   unable WHY      a child that was asked for could not be made
//   killed ID       nothing that it started is alive (`killed all`: nothing in the slot but the launcher)
//   weighs MEMORY DISK ENTRIES   what the slot holds that is seen from inside only; see weight.ts
// Runner to launcher, on fd 0, a line each: `arm`; `kill ID SINCE`, where SINCE is when it got its request; `killall`;
// `weigh`; `lasting ID`: the child is a shell that outlives its request; `kill ID SINCE SHELL`: the shell works for that
// child, so what the shell started since is killed too, and the shell itself is told by a signal to give its command up; the same with
// `told` at the end: it has done so, and what it had begun to start by then is killed;
// `end ID`: the child alone is killed. Runner to child: request.c.
//
// With `widen` as its argument it only makes the pipe that is its stdout hold a megabyte, which Node has no function for.
// Arguments else: the run folder, 1 when every process that can be seen is the slot's, the user, limits of processes, open files and
// bytes in a file; of a warden also 1 with a network, and the bytes of /tmp and /dev/shm each, of /run, and of a workspace in memory.
#include "launcher.h"

enum { PR_SET_DUMPABLE = 4, PR_SET_NAME = 15, PR_SET_CHILD_SUBREAPER = 36 };
enum { RUN_MAX = 200, WORDS_MAX = 8 };

struct settings settings;
int launcher_pid;
int adopter;

int become_user(void) {
  u32 uid = settings.uid;
  if (!uid || (SYS(setgroups, 0, 0) == 0 && SYS(setresgid, uid, uid, uid) == 0 && SYS(setresuid, uid, uid, uid) == 0)) return 1;
  say(2, "cannot become the slot's user\n", (char *)0);
  return 0;
}

static void note_inherited(u64 fd, void *with) {
  u64 *fds = with;
  if (fd > 2 && fds[0] < 1023) fds[++fds[0]] = fd;
}

// What the server's own parent left open must not reach a slot.
static void close_inherited(void) {
  i64 folder = open_at(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY, 0);
  if (folder < 0) return;
  static u64 fds[1024];
  each_number((int)folder, note_inherited, fds);
  for (u64 i = 1; i <= fds[0]; i++) SYS(close, fds[i]);
}

/** `arguments` is where lists of processes take a program's name from. */
static void take_name(const char *name, char **arguments) {
  SYS(prctl, PR_SET_NAME, name, 0, 0, 0);
  static char *end;
  char *at = arguments[0];
  if (!end) {
    end = at;
    for (char **each = arguments; *each; each++) end += length_of(*each) + 1;
  }
  for (; *name && at < end - 1; name++) *at++ = *name;
  while (at < end) *at++ = 0;
}

static void limit(int resource, u64 most) {
  u64 limits[2] = {most, most};
  i64 result = SYS(prlimit64, 0, resource, limits, 0);
  char digits[24];
  if (result < 0) die("setrlimit ", decimal((u64)resource, digits), ": ", error_text(result), (char *)0);
}

/** The descriptor that tells of children that have ended. */
static i64 become_launcher(void) {
  launcher_pid = (int)SYS(getpid, 0);
  // Orphans become ours; gVisor knows it not, and gives them to pid 1.
  adopter = SYS(prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 ? launcher_pid : 1;
  limit(6, settings.processes);
  limit(7, settings.open_files);
  limit(1, settings.file_bytes);
  limit(4, 0);                                            // core
  i64 score = open_at(AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY, 0);
  if (score >= 0) {
    write_all((int)score, "500", 3);
    SYS(close, score);
  }
  SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);                // nobody attaches to the launcher
  heed(SIGPIPE, 0);                                       // a shell may be killed just when it gets its command
  u64 chld = 1UL << (SIGCHLD - 1);
  SYS(rt_sigprocmask, 0, &chld, 0, 8);                    // SIG_BLOCK
  i64 signals = SYS(signalfd4, -1, &chld, 8, O_CLOEXEC | O_NONBLOCK);
  if (signals < 0) die("signalfd: ", error_text(signals), (char *)0);
  return signals;
}

static void obey(char *line) {
  char *words[WORDS_MAX] = {0};
  usize count = 0;
  for (char *at = line; count < WORDS_MAX && *at;) {
    words[count++] = at;
    while (*at && *at != ' ') at++;
    if (*at) *at++ = 0;
  }
  for (usize i = count; i < 5; i++) words[i] = "";
  u32 id = (u32)number_of(words[1]);
  if (same(words[0], "arm")) arm();
  else if (same(words[0], "kill") && id) kill_call(id, number_of(words[2]), (u32)number_of(words[3]), same(words[4], "told"));
  else if (same(words[0], "lasting")) {
    become_lasting(id);
    if (!is_busy()) arm();
  } else if (same(words[0], "end")) {
    if (living(id)) SYS(kill, living(id), SIGKILL);
  } else if (same(words[0], "killall")) {
    habit->is_expected = 0;
    kill_call(0, 0, 0, 0);
  } else if (same(words[0], "weigh")) weigh();
}

/** 0 at the end of the input. */
static int hear(void) {
  static char input[65536];
  static usize length;
  i64 got = SYS(read, 0, input + length, sizeof input - length);
  if (got == -EINTR || got == -EAGAIN) return 1;
  if (got <= 0) return 0;
  length += (usize)got;
  usize from = 0;
  for (usize at = 0; at < length; at++) {
    if (input[at] != '\n') continue;
    input[at] = 0;
    obey(input + from);
    from = at + 1;
  }
  for (usize i = from; i < length; i++) input[i - from] = input[i];
  length -= from;
  return 1;
}

__attribute__((used)) _Noreturn void begin(u64 *stack) {
  usize count = stack[0];
  char **arguments = (char **)(stack + 1);
  if (count == 2 && same(arguments[1], "widen")) leave(SYS(fcntl, 1, F_SETPIPE_SZ, 1 << 20) < 0);
  if (count != 7 && count != 11) die("this program is started by the Switchyard runner", (char *)0);
  static char run[RUN_MAX + 1];
  if (length_of(arguments[1]) > RUN_MAX) die("the run folder's path is too long: ", arguments[1], (char *)0);
  join(run, sizeof run, arguments[1], (char *)0);
  settings = (struct settings){run, same(arguments[2], "1"), (u32)number_of(arguments[3]), number_of(arguments[4]),
                               number_of(arguments[5]), number_of(arguments[6])};
  launcher_pid = (int)SYS(getpid, 0);
  close_inherited();
  if (count == 11) {
    static char numbers[4][24];
    char *cell[4];
    for (int i = 0; i < 4; i++) join(cell[i] = numbers[i], sizeof numbers[i], arguments[7 + i], (char *)0);
    take_name("switchyard-warden", arguments);
    keep_cells(cell);
  }
  take_name("switchyard-launcher", arguments);
  i64 signals = become_launcher();
  begin_habits();
  arm();
  for (;;) {
    struct child *shell = waiting_shell();
    struct pollfd watched[] = {{0, POLLIN, 0}, {(int)signals, POLLIN, 0}, {shell ? shell->set->in : -1, POLLIN, 0}};
    struct timespec pause;
    const struct timespec *until = shell ? until_look() : 0;
    if (until) pause = *until;
    i64 events = SYS(ppoll, watched, 3, until ? &pause : 0, 0, 0);
    if (events == 0) look_at_shell(shell);
    if (events <= 0) continue;
    if (watched[1].revents) {
      char info[128];
      SYS(read, signals, info, sizeof info);
      reap(0);
      if (!is_busy()) arm();
    }
    // By what was heard meanwhile it may have ended.
    if (watched[2].revents && waiting_shell() == shell) answer_as_shell(shell);
    if (watched[0].revents && !hear()) break;
  }
  kill_call(0, 0, 0, 0);
  leave(0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call begin\n");
#else
__asm__(".globl _start\n_start:\n  mov x0, sp\n  bl begin\n");
#endif
