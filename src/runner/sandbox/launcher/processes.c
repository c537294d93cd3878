// The processes of the slot, as /proc tells them.
#include "launcher.h"

enum { STAT_MAX = 1024 };

static struct table found;

/** Its state and what follows it in /proc/PID/stat, in `line`; null when it is gone. */
static char *stat_of(u64 pid, char line[STAT_MAX]) {
  char path[40], digits[24];
  join(path, sizeof path, "/proc/", decimal(pid, digits), "/stat", (char *)0);
  i64 file = open_at(AT_FDCWD, path, O_RDONLY, 0);
  if (file == -ENOENT) return 0;
  if (file < 0) die(path, ": ", error_text(file), (char *)0);
  i64 length = SYS(read, file, line, STAT_MAX - 1);
  SYS(close, file);
  if (length <= 0) return 0;
  line[length] = 0;
  // A process may have put anything into its name, so it ends at the last bracket.
  char *at = line + length;
  while (at > line && *at != ')') at--;
  return at == line || !at[1] ? 0 : at + 2;
}

char state_of(int pid) {
  char line[STAT_MAX];
  const char *at = stat_of((u64)pid, line);
  return at ? *at : 0;
}

void memory_of(int pid, u64 *arguments, u64 *environment_end) {
  char line[STAT_MAX];
  const char *at = stat_of((u64)pid, line);
  *arguments = *environment_end = 0;
  // The state is the third field.
  for (int field = 3; at && *at; field++) {
    if (field == 48) *arguments = number_of(at);
    if (field == 51) *environment_end = number_of(at);
    while (*at && *at != ' ') at++;
    if (*at) at++;
  }
}

static void add(u64 pid, void *with) {
  char line[STAT_MAX];
  const char *at = stat_of(pid, line);
  if (!at) return;
  u64 field[20] = {0};
  char state = *at;
  for (int i = 0; i < 20 && *at; i++) {
    field[i] = number_of(at);
    while (*at && *at != ' ') at++;
    if (*at) at++;
  }
  if (state == 'Z' || state == 'X') return;
  struct table *table = with;
  if (table->count == table->room) {
    usize room = table->room ? table->room * 2 : 1024;
    struct process *all = pages(room * sizeof *all);
    for (usize i = 0; i < table->count; i++) all[i] = table->all[i];
    if (table->room) pages_free(table->all, table->room * sizeof *all);
    table->all = all;
    table->room = room;
  }
  struct process process = {(int)pid, (int)field[1], (int)field[3], field[19], field[17]};
  usize place = table->count++;
  // /proc is in order, as good as always.
  for (; place > 0 && table->all[place - 1].pid > process.pid; place--) table->all[place] = table->all[place - 1];
  table->all[place] = process;
}

struct table *processes(void) {
  // Without a list of processes none could be killed; the launcher's own end, as pid 1, kills them all.
  i64 proc = open_at(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY, 0);
  if (proc < 0) die("/proc: ", error_text(proc), (char *)0);
  found.count = 0;
  i64 result = each_number((int)proc, add, &found);
  SYS(close, proc);
  if (result < 0) die("/proc: ", error_text(result), (char *)0);
  return &found;
}

const struct process *find_process(const struct table *table, int pid) {
  usize low = 0, high = table->count;
  while (low < high) {
    usize middle = (low + high) / 2;
    if (table->all[middle].pid < pid) low = middle + 1;
    else high = middle;
  }
  return low < table->count && table->all[low].pid == pid ? &table->all[low] : 0;
}

int root_of(const struct table *table, int pid) {
  const struct process *own = find_process(table, launcher_pid);
  for (int hops = 0; hops < 10000; hops++) {
    const struct process *entry = find_process(table, pid);
    if (!entry) return 0;
    if (entry->parent == launcher_pid || (own && entry->parent == adopter && entry->start >= own->start)) return pid;
    pid = entry->parent;
  }
  return 0;
}
