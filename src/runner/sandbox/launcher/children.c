// The launcher's children: one is kept armed, forked and waiting for its request on a FIFO of its own, so that a command costs
// its caller no fork and no turn of the launcher; or, where bash is what will be asked for, as a bash that has started (waiting.c).
#include "launcher.h"

enum { CHILDREN_MAX = 256, REMEMBERED = 128 };

static struct child children[CHILDREN_MAX];
static usize count;
/** By id, in turns: so many children back a pid is known, and the birth of one that was to be killed. */
static struct { u32 id; int pid; /** It took another's place. */ int is_second; u64 born; } lately[REMEMBERED];
static u32 made;

/** What a shell and one that reads requests have in common. It may be in the launcher's memory, and leaves that as it is. */
static void begin_life(const struct set *set) {
  u64 chld = 1UL << (SIGCHLD - 1);
  SYS(rt_sigprocmask, 1, &chld, 0, 8);                    // SIG_UNBLOCK
  heed(SIGPIPE, 1);
  SYS(setsid, 0);
  SYS(prctl, 1, SIGKILL, 0, 0, 0);                        // PR_SET_PDEATHSIG: never left waiting by a dead launcher
  if (SYS(getppid, 0) != launcher_pid) leave(0);
  i64 nothing = open_at(AT_FDCWD, "/dev/null", O_RDONLY, 0);
  SYS(dup3, nothing, 0, 0);
  SYS(dup3, set->to_stdout, 1, 0);
  SYS(dup3, set->to_stderr, 2, 0);
}

static _Noreturn void live(const struct child *child, struct text begun) {
  struct set *set = child->set;
  begin_life(set);
  close_writers(set);
  SYS(close, set->out);
  SYS(close, set->err);
  // Of the shell that waits, which would not see the end of its FIFO, nor the runner that of its output.
  forget_shell();
  if (waiting_shell()) close_writers(waiting_shell()->set);
  leave(run_request(child->id, set, begun));
}

/** What is open is closed when it becomes the shell. */
static _Noreturn void live_as_shell(const void *child) {
  begin_life(((const struct child *)child)->set);
  leave(wait_for_command());
}

/** 1, or what kept it from being made. A shell's set keeps its writers, for a child that may take its place. */
static i64 give_birth(struct child *child, struct text begun) {
  i64 pid = child->is_shell ? spawn_child(live_as_shell, child) : fork_child();
  if (pid == 0) live(child, begun);
  if (pid < 0) return pid;
  child->pid = (int)pid;
  int is_second = lately[child->id % REMEMBERED].id == child->id;
  lately[child->id % REMEMBERED].id = child->id;
  lately[child->id % REMEMBERED].pid = (int)pid;
  lately[child->id % REMEMBERED].is_second = is_second;
  lately[child->id % REMEMBERED].born = 0;
  if (!child->is_shell) close_writers(child->set);
  return 1;
}

void arm(void) {
  i64 error = -EAGAIN;
  struct set *set = count < CHILDREN_MAX ? take_set(&error) : 0;
  if (!set) return say(1, "unable ", error_text(error), "\n", (char *)0);
  struct child child = {0, made + 1, set, 0, !waiting_shell() && is_shell_wanted()};
  i64 born = give_birth(&child, (struct text){0, 0});
  if (born < 0) {
    say(1, "unable ", error_text(born), "\n", (char *)0);
    return untake_set(set);
  }
  made = child.id;
  children[count++] = child;
  char number[24], name[24];
  say(1, "armed ", decimal(child.id, number), " ", decimal(set->name, name), "\n", (char *)0);
}

struct child *waiting_shell(void) {
  for (usize i = 0; i < count; i++)
    if (children[i].is_shell) return &children[i];
  return 0;
}

int is_busy(void) {
  for (usize i = 0; i < count; i++)
    if (!children[i].is_lasting) return 1;
  return 0;
}

static struct child *find(u32 id) {
  for (usize i = 0; i < count; i++)
    if (children[i].id == id) return &children[i];
  return 0;
}

int living(u32 id) {
  struct child *child = find(id);
  return child ? child->pid : 0;
}

int pid_of(u32 id) {
  struct child *child = find(id);
  if (child) return child->pid;
  return id && lately[id % REMEMBERED].id == id ? lately[id % REMEMBERED].pid : 0;
}

struct birth birth_of(u32 id, u64 since) {
  usize place = id % REMEMBERED;
  if (!id || lately[place].id != id || lately[place].is_second) return (struct birth){since, 0};
  const struct process *main = lately[place].born ? 0 : find_process(processes(), living(id));
  if (main) lately[place].born = main->start;
  return (struct birth){lately[place].born ? lately[place].born : since, lately[place].pid};
}

int is_child(int pid) {
  for (usize i = 0; i < count; i++)
    if (children[i].pid == pid) return 1;
  return 0;
}

void become_lasting(u32 id) {
  struct child *child = find(id);
  if (child) child->is_lasting = 1;
}

// Its names, or the size of its buffers, may be such as no command expects.
static void drop_lasting(struct child *child) {
  char path[256];
  static const char *const names[] = {"shell/bash", "shell/words", "shell"};
  for (int i = 0; i < 3; i++) {
    set_path(child->set, names[i], path);
    SYS(unlinkat, AT_FDCWD, path, i == 2 ? AT_REMOVEDIR : 0);
  }
  if (lately[child->id % REMEMBERED].id == child->id) lately[child->id % REMEMBERED].id = 0;
  drop_set(child->set);
}

static void ended(int pid, int status) {
  for (usize i = 0; i < count; i++) {
    if (children[i].pid != pid) continue;
    struct child child = children[i];
    children[i] = children[--count];
    char number[24], how[24], path[256];
    say(1, "exit ", decimal(child.id, number), " ", decimal((u64)status, how), "\n", (char *)0);
    set_path(child.set, "command", path);
    SYS(unlinkat, AT_FDCWD, path, 0);
    if (child.is_lasting) drop_lasting(&child);
    else put_back_set(child.set);
    return;
  }
}

/** The request of a shell that has ended goes to a child that reads it itself. */
static void take_over(struct child *child, int status, struct text begun) {
  shell_ended(status);
  child->is_shell = 0;
  i64 born = give_birth(child, begun);
  if (born > 0) return;
  // What was promised was one process, and that one was there.
  say(child->set->to_stderr, "cannot start: ", error_text(born), "\n", (char *)0);
  close_writers(child->set);
  ended(child->pid, 126 << 8);
}

void reap(int is_killed) {
  for (;;) {
    int status;
    i64 pid = SYS(wait4, -1, &status, 1, 0);              // WNOHANG
    if (pid <= 0) return;
    struct child *shell = waiting_shell();
    if (!shell || shell->pid != pid) ended((int)pid, status & 0xffff);
    else if (!is_killed) take_over(shell, status, (struct text){0, 0});
    else {
      // Its request may be on the way, and was not run.
      shell_ended(status);
      close_writers(shell->set);
      ended((int)pid, SIGKILL);
    }
  }
}

void replace_shell(struct child *child, struct text begun) {
  int status = 0;
  SYS(kill, child->pid, SIGKILL);
  SYS(wait4, child->pid, &status, 0, 0);
  take_over(child, status, begun);
}
