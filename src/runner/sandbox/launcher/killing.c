// How all that a call started is killed, or all that is in the slot. Stopped before they are killed, until no new ones appear:
// what is stopped cannot fork.
#include "launcher.h"

enum { ROUNDS_MAX = 2000 };

struct victims { int *pids; usize count, room; /** How many processes the slot has. */ usize others; };

static struct victims victims;

static void add_victim(int pid) {
  if (victims.count == victims.room) {
    usize room = victims.room ? victims.room * 2 : 1024;
    int *pids = pages(room * sizeof *pids);
    for (usize i = 0; i < victims.count; i++) pids[i] = victims.pids[i];
    if (victims.room) pages_free(victims.pids, victims.room * sizeof *pids);
    victims.pids = pids;
    victims.room = room;
  }
  victims.pids[victims.count++] = pid;
}

// Whether it began after the child did, which was armed when the call before had ended. By their numbers where both began in the same
// hundredth of a second.
static int is_younger(const struct process *process, struct birth birth) {
  return process->start > birth.at || (process->start == birth.at && process->pid >= birth.pid);
}

// Of a shell that works for a child, what it started after the child was born.
static int is_shells(const struct table *table, int pid, int shell, struct birth birth) {
  int top = pid;
  while (top != shell) {
    const struct process *entry = find_process(table, top);
    if (!entry || entry->parent == shell) break;
    top = entry->parent;
  }
  const struct process *entry = find_process(table, top);
  return top != shell && entry && is_younger(entry, birth);
}

// Those that a child started: itself, what descends from it, and orphans that were born since its request, at `since`, in the
// hundredths of a second since boot that /proc counts in; of the call before, none, though its last may be as young as that.
static int is_victim(const struct table *table, const struct process *process, int root, u32 id, u64 since, int shell,
                     struct birth birth) {
  int main = pid_of(id);
  if (shell && root == shell) return is_shells(table, process->pid, shell, birth);
  if (!id || (main && (root == main || process->session == main))) return 1;
  const struct process *top = find_process(table, root);
  return !is_child(root) && top && top->start >= since && is_younger(top, birth);
}

static void find_victims(u32 id, u64 since, int shell, struct birth birth) {
  const struct table *table = processes();
  victims.count = victims.others = 0;
  for (usize i = 0; i < table->count; i++) {
    const struct process *process = &table->all[i];
    if (process->pid == launcher_pid) continue;
    int root = root_of(table, process->pid);
    if (!root) continue;
    victims.others++;
    if (is_victim(table, process, root, id, since, shell, birth)) add_victim(process->pid);
  }
}

static void send_all(int signal) {
  for (usize i = 0; i < victims.count; i++) SYS(kill, victims.pids[i], signal);
}

// At once, so that nothing can fork away: all processes but the launcher, or all of the slot's user.
static void kill_everything(void) {
  if (settings.is_alone) {
    SYS(kill, -1, SIGKILL);
    return;
  }
  i64 pid = fork_child();
  if (pid == 0) {
    if (become_user()) SYS(kill, -1, SIGKILL);
    leave(0);
  }
  if (pid > 0) SYS(wait4, pid, 0, 0, 0);
}

// A shell that is told to give its command up while it is on its way out of waitpid(2) forgets what that gave it, and takes a dead
// job to run for ever. Once it has come to its stop it is in no system call, and what dies then it hears of later.
static void stop(int shell) {
  enum { LOOKS_MAX = 4000 };
  struct timespec pause = {0, 500000};
  SYS(kill, shell, SIGSTOP);
  for (int look = 0; look < LOOKS_MAX; look++) {
    char state = state_of(shell);
    if (state != 'R' && state != 'S' && state != 'D') return;
    SYS(nanosleep, &pause, 0);
  }
}

void kill_call(u32 id, u64 since, u32 shell_id, int is_told) {
  int shell = shell_id ? living(shell_id) : 0;
  if (shell) stop(shell);
  struct birth birth = birth_of(id, since);
  usize stopped = 0;
  for (int round = 0;; round++) {
    find_victims(id, since, shell, birth);
    if (victims.count == 0) break;
    if (round > ROUNDS_MAX) die("cannot kill what a call started", (char *)0);
    if (victims.count == victims.others && (settings.is_alone || settings.uid)) {
      kill_everything();
      send_all(SIGKILL);
    } else if (victims.count > stopped) {
      send_all(SIGSTOP);
      stopped = victims.count;
      continue;
    } else {
      send_all(SIGKILL);
      stopped = 0;
    }
    reap(1);
    struct timespec pause = {0, 2000000};
    if (round > 3) SYS(nanosleep, &pause, 0);
  }
  // Before it runs on: what it would do next was to follow on what is dead.
  if (shell) {
    if (!is_told) SYS(kill, shell, SIGRTMAX);
    SYS(kill, shell, SIGCONT);
  }
  char number[24];
  say(1, "killed ", id ? decimal(id, number) : "all", "\n", (char *)0);
}
