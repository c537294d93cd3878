// FIFOs in the run folder, three to a set: a child's request NAME.in, its stdout NAME.out and its stderr NAME.err. Our ends stay
// open for as long as the set is used, so that the runner may write, and a child begin, whatever happens. A set is used again
// when nothing is left in it: an inode costs more than a look.
#include "launcher.h"

/** A request holds a file of 64 KiB, and what is about it; of output the runner reads as much at a time. */
enum { SETS_MAX = 512, SPARE_MAX = 3, REQUEST_BYTES = 1 << 17, OUTPUT_BYTES = 1 << 18 };

static struct set all[SETS_MAX];
/** Of children that have ended, the last at the end. */
static struct set *spare[SPARE_MAX + 1];
static usize spares;
static u32 made;

static const char *const ENDINGS[] = {"in", "out", "err"};

void set_path(const struct set *set, const char *ending, char out[256]) {
  char digits[24];
  join(out, 256, settings.run, "/", decimal(set->name, digits), ".", ending, (char *)0);
}

static void close_one(int *fd) {
  if (*fd >= 0) SYS(close, *fd);
  *fd = -1;
}

void close_writers(struct set *set) {
  close_one(&set->to_stdout);
  close_one(&set->to_stderr);
}

static void close_set(struct set *set) {
  close_writers(set);
  close_one(&set->in);
  close_one(&set->out);
  close_one(&set->err);
  set->name = 0;
}

void drop_set(struct set *set) {
  char path[256];
  for (int i = 0; i < 3; i++) {
    set_path(set, ENDINGS[i], path);
    SYS(unlinkat, AT_FDCWD, path, 0);
  }
  close_set(set);
}

// By what we have open: a command may have put something else in the place of their names.
static i64 open_writer(int reader, int *writer) {
  char path[64], digits[24];
  join(path, sizeof path, "/proc/self/fd/", decimal((u64)reader, digits), (char *)0);
  i64 fd = open_at(AT_FDCWD, path, O_WRONLY, 0);
  *writer = fd < 0 ? -1 : (int)fd;
  return fd;
}

static i64 open_writers(struct set *set) {
  i64 result = open_writer(set->out, &set->to_stdout);
  return result < 0 ? result : open_writer(set->err, &set->to_stderr);
}

i64 make_fifo(const char *path) {
  i64 result = SYS(mknodat, AT_FDCWD, path, S_IFIFO | 0600, 0);
  if (result == 0) return 0;
  return SYS(unlinkat, AT_FDCWD, path, 0) == 0 ? SYS(mknodat, AT_FDCWD, path, S_IFIFO | 0600, 0) : result;
}

static i64 open_fifos(struct set *set) {
  int *const ends[] = {&set->in, &set->out, &set->err};
  for (int i = 0; i < 3; i++) {
    char path[256];
    set_path(set, ENDINGS[i], path);
    i64 result = make_fifo(path);
    if (result < 0) return result;
    // A command may open its /dev/stdout anew.
    if (settings.uid && i > 0) SYS(fchownat, AT_FDCWD, path, settings.uid, settings.uid, 0);
    i64 fd = open_at(AT_FDCWD, path, i == 0 ? O_RDWR : O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0) return fd;
    *ends[i] = (int)fd;
    // Where they may not hold as much it takes more turns. All that runners' users have counts towards one limit of the kernel's.
    if (i == 0) SYS(fcntl, fd, F_SETPIPE_SZ, REQUEST_BYTES);
    if (i == 1 && !settings.uid) SYS(fcntl, fd, F_SETPIPE_SZ, OUTPUT_BYTES);
  }
  return open_writers(set);
}

static struct set *new_set(i64 *error) {
  struct set *set = all;
  while (set < all + SETS_MAX && set->name) set++;
  if (set == all + SETS_MAX) return *error = -EMFILE, (struct set *)0;
  *set = (struct set){++made, -1, -1, -1, -1, -1};
  *error = open_fifos(set);
  if (*error >= 0) return set;
  drop_set(set);
  return 0;
}

// Whether nothing is left in it, nobody can write into it, and its names are there for those that go by them.
static int is_idle(struct set *set) {
  struct pollfd asked[] = {{set->in, POLLIN, 0}, {set->out, POLLIN, 0}, {set->err, POLLIN, 0}};
  struct timespec at_once = {0, 0};
  if (SYS(ppoll, asked, 3, &at_once, 0, 0) < 0) return 0;
  if (asked[0].revents || asked[1].revents != POLLHUP || asked[2].revents != POLLHUP) return 0;
  for (int i = 0; i < 3; i++) {
    char path[256];
    struct stat stat;
    set_path(set, ENDINGS[i], path);
    if (SYS(newfstatat, AT_FDCWD, path, &stat, 0) < 0 || (stat.mode & S_IFMT) != S_IFIFO) return 0;
  }
  return 1;
}

static struct set *shift_spare(void) {
  struct set *first = spare[0];
  spares--;
  for (usize i = 0; i < spares; i++) spare[i] = spare[i + 1];
  return first;
}

// The set of the child that ended last is not taken: the runner may still be reading it.
struct set *take_set(i64 *error) {
  while (spares > 1) {
    struct set *set = shift_spare();
    if (is_idle(set) && open_writers(set) >= 0) return set;
    drop_set(set);
  }
  return new_set(error);
}

void untake_set(struct set *set) {
  close_writers(set);
  if (spares > SPARE_MAX) return drop_set(set);
  for (usize i = spares++; i > 0; i--) spare[i] = spare[i - 1];
  spare[0] = set;
}

void put_back_set(struct set *set) {
  spare[spares++] = set;
  if (spares > SPARE_MAX) drop_set(shift_spare());
}
