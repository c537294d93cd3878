// What the slot holds that is seen only from inside it: in no process's own memory, and in no file that has a name; weight.ts reads it.
// On that occasion a crowd of busy processes is made to yield, so that it keeps neither the launcher from killing it nor the
// neighbours from their share.
#include "launcher.h"

/** So many files are remembered in memory that the launcher keeps. */
enum { KEPT_MAX = 4096 };

enum { CROWD = 32, NICE = 10, TMPFS_MAGIC = 0x01021994 };

struct file { u64 dev, ino; };

static struct { struct file *all; usize count, room; } seen;
static u64 memory, disk, run_device;

/** Whether it is new. */
static int note(u64 dev, u64 ino) {
  if (seen.count * 2 >= seen.room) {
    struct file *old = seen.all;
    usize room = seen.room;
    seen.room = room ? room * 2 : 1024;
    seen.all = pages(seen.room * sizeof *seen.all);
    seen.count = 0;
    for (usize i = 0; i < room; i++)
      if (old[i].ino) note(old[i].dev, old[i].ino);
    if (room) pages_free(old, room * sizeof *old);
  }
  usize at = (ino * 0x9e3779b97f4a7c15UL + dev) % seen.room;
  for (; seen.all[at].ino; at = (at + 1) % seen.room)
    if (seen.all[at].dev == dev && seen.all[at].ino == ino) return 0;
  seen.all[at] = (struct file){dev, ino};
  seen.count++;
  return 1;
}

static void weigh_file(u64 fd, void *with) {
  int folder = *(int *)with;
  char name[24], target[4200];
  const char *digits = decimal(fd, name);
  struct stat stat;
  if (SYS(newfstatat, folder, digits, &stat, 0) < 0 || (stat.mode & S_IFMT) != S_IFREG) return;
  if (!note(stat.dev, stat.ino)) return;
  i64 length = SYS(readlinkat, folder, digits, target, sizeof target - 1);
  if (length < 10) return;
  target[length] = 0;
  // gVisor knows only by it what is deleted.
  if (!same(target + length - 10, " (deleted)")) return;
  if (starts_with(target, "/memfd:")) memory += (u64)stat.blocks * 512;
  else if (stat.dev == run_device) disk += (u64)stat.blocks * 512;
}

static i64 open_folder_of(int pid, const char *name) {
  char path[64], digits[24];
  join(path, sizeof path, "/proc/", decimal((u64)pid, digits), name, (char *)0);
  return open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
}

static void yield_thread(u64 thread, void *with) {
  (void)with;
  SYS(setpriority, 0, thread, NICE);
}

static int is_ours(const struct table *table, const struct process *process) {
  return settings.uid || root_of(table, process->pid);
}

static int is_our_users(const struct process *process) {
  struct stat stat;
  i64 folder = open_folder_of(process->pid, "");
  if (folder < 0) return 0;
  i64 result = SYS(fstat, folder, &stat);
  SYS(close, folder);
  return result == 0 && stat.uid == settings.uid;
}

static void calm(const struct table *table) {
  u64 threads = 0;
  for (int turn = 0; turn < 2; turn++) {
    for (usize i = 0; i < table->count; i++) {
      const struct process *process = &table->all[i];
      if (!is_ours(table, process) || (settings.uid && !is_our_users(process))) continue;
      if (turn == 0) threads += process->threads;
      else {
        i64 tasks = open_folder_of(process->pid, "/task");
        if (tasks < 0) continue;
        each_number((int)tasks, yield_thread, 0);
        SYS(close, tasks);
      }
    }
    if (threads < CROWD) return;
  }
}

// System V segments, as a table whose columns are: key id perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap
static void weigh_segments(void) {
  i64 file = open_at(AT_FDCWD, "/proc/sysvipc/shm", O_RDONLY, 0);
  if (file < 0) return;
  usize room = 1 << 20, length = 0;
  char *text = pages(room);
  for (i64 got; length < room - 1 && (got = SYS(read, file, text + length, room - 1 - length)) > 0;) length += (usize)got;
  SYS(close, file);
  char *at = text;
  while (*at && *at != '\n') at++;
  while (*at) {
    u64 column[16] = {0};
    usize count = 0;
    for (at++; *at && *at != '\n';) {
      while (*at == ' ') at++;
      if (count < 16) column[count++] = number_of(at);
      while (*at && *at != ' ' && *at != '\n') at++;
    }
    if (!settings.uid || column[7] == settings.uid) memory += column[14];
  }
  pages_free(text, room);
}

// Each file in memory costs the kernel a kilobyte, however empty it is.
static u64 most_entries(void) {
  static const char *const folders[] = {"/tmp", "/dev/shm", "/run", "/workspace"};
  u64 most = 0;
  for (int i = 0; i < 4 && settings.is_alone; i++) {
    // Of what the kernel tells: type, block size, blocks, free, available, files, free files.
    u64 answer[32] = {0};
    if (SYS(statfs, folders[i], answer) < 0 || answer[0] != TMPFS_MAGIC) continue;
    if (answer[5] - answer[6] > most) most = answer[5] - answer[6];
  }
  return most;
}

void weigh(void) {
  // The launcher's own user may not look into another's processes.
  if (settings.uid) {
    if (fork_child() != 0) return;
    if (!become_user()) leave(1);
  }
  const struct table *table = processes();
  struct stat stat;
  run_device = SYS(newfstatat, AT_FDCWD, settings.run, &stat, 0) == 0 ? stat.dev : 0;
  memory = disk = 0;
  if (seen.room) memset(seen.all, 0, seen.room * sizeof *seen.all);
  seen.count = 0;
  calm(table);
  for (usize i = 0; i < table->count; i++) {
    if (!is_ours(table, &table->all[i])) continue;
    i64 folder = open_folder_of(table->all[i].pid, "/fd");
    if (folder < 0) continue;
    int descriptor = (int)folder;
    each_number(descriptor, weigh_file, &descriptor);
    SYS(close, folder);
  }
  weigh_segments();
  char a[24], b[24], c[24];
  say(1, "weighs ", decimal(memory, a), " ", decimal(disk, b), " ", decimal(most_entries(), c), "\n", (char *)0);
  if (settings.uid) leave(0);
  if (seen.room <= KEPT_MAX) return;
  pages_free(seen.all, seen.room * sizeof *seen.all);
  seen.room = 0;
}
