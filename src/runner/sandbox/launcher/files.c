// The file tools' part in the slot: one file is read or written as the slot's user. Where an open file really is says the kernel, so
// a link that is swapped meanwhile wins nothing.
#include "launcher.h"

enum { PATH_MAX = 4096, NAMES_MAX = 2048, CHUNK = 65536, SEEK_CUR = 1 };

struct names { const char *at[NAMES_MAX]; usize count; char text[PATH_MAX * 4]; };

static _Noreturn void fail(const char *what, const char *about, const char *more) {
  // The paths that users give may be as long as requests are.
  write_all(2, what, length_of(what));
  write_all(2, about, length_of(about));
  write_all(2, more, length_of(more));
  leave(1);
}

static _Noreturn void fail_with(const char *what, const char *path, i64 error) {
  write_all(2, what, length_of(what));
  fail(path, ": ", error_text(error));
}

static _Noreturn void deny(void) { fail("Access denied: path outside workspace", "", ""); }

static int is_inside(const char *path, const char *workspace) {
  if (!starts_with(path, workspace)) return 0;
  char next = path[length_of(workspace)];
  return !next || next == '/';
}

/** The path below the workspace as a list of names; ends the program when it leads out of it. */
static void split_path(const char *workspace, const char *path, struct names *names) {
  if (length_of(path) >= sizeof names->text) fail_with("Cannot open ", path, -ENAMETOOLONG);
  const char *from = path;
  if (*from == '/') {
    if (!is_inside(path, workspace)) deny();
    from += length_of(workspace);
  }
  join(names->text, sizeof names->text, from, (char *)0);
  names->count = 0;
  for (char *at = names->text; *at;) {
    while (*at == '/') at++;
    char *name = at;
    while (*at && *at != '/') at++;
    if (*at) *at++ = 0;
    if (!*name || same(name, ".")) continue;
    if (!same(name, "..")) {
      if (names->count == NAMES_MAX) fail_with("Cannot open ", path, -ENAMETOOLONG);
      names->at[names->count++] = name;
    } else if (names->count-- == 0) deny();
  }
}

static void link_of(int fd, char out[64]) {
  char digits[24];
  join(out, 64, "/proc/self/fd/", decimal((u64)fd, digits), (char *)0);
}

static void must_be_inside(int fd, const char *workspace) {
  char link[64], where[PATH_MAX];
  link_of(fd, link);
  i64 length = SYS(readlinkat, AT_FDCWD, link, where, sizeof where - 1);
  if (length < 0) deny();
  where[length] = 0;
  if (!is_inside(where, workspace)) deny();
}

// Looked at before it is opened: opening a device or a FIFO is an act of its own.
static i64 open_regular(int folder, const char *name, int mode, const char *workspace, const char *path) {
  i64 found = open_at(folder, name, O_PATH, 0);
  if (found < 0) return found;
  must_be_inside((int)found, workspace);
  if (!is_regular((int)found)) fail("Not a file: ", path, "");
  char link[64];
  link_of((int)found, link);
  return open_at(AT_FDCWD, link, mode, 0);
}

int read_file(struct text *fields, usize count) {
  if (count < 5) return 126;
  const char *workspace = fields[0].at, *path = fields[1].at;
  u64 offset = number_of(fields[2].at), limit = number_of(fields[3].at), most = number_of(fields[4].at);
  static struct names names;
  split_path(workspace, path, &names);
  char *whole = pages(sizeof names.text + length_of(workspace) + 2), *end = whole;
  end = join(end, sizeof names.text, workspace, (char *)0);
  for (usize i = 0; i < names.count; i++) end = join(end, sizeof names.text, "/", names.at[i], (char *)0);
  i64 file = open_regular(AT_FDCWD, whole, O_RDONLY, workspace, path);
  if (file == -ENOENT || file == -ENOTDIR) fail("File not found: ", path, "");
  if (file < 0) fail_with("Cannot read ", path, file);
  struct stat stat;
  SYS(fstat, file, &stat);
  u64 size = (u64)stat.size, length = size > offset ? size - offset : 0;
  if (limit && limit < length) length = limit;
  char digits[24], limits[24];
  if (length > most) {
    say(2, "File too large: ", decimal(size, digits), " bytes (max ", decimal(most, limits), ")", (char *)0);
    return 1;
  }
  SYS(lseek, file, offset, 0);
  char *bytes = pages(CHUNK);
  while (length > 0) {
    i64 got = SYS(read, file, bytes, length < CHUNK ? length : CHUNK);
    if (got < 0) fail_with("Cannot read ", path, got);
    if (got == 0) break;
    write_all(1, bytes, (usize)got);
    length -= (u64)got;
  }
  say(2, decimal(size, digits), (char *)0);
  return 0;
}

static i64 enter(int folder, const char *name, const char *workspace, const char *path) {
  i64 entered = open_at(folder, name, O_RDONLY | O_DIRECTORY, 0);
  if (entered == -ENOTDIR) fail("Not a folder on the way to ", path, "");
  if (entered < 0) fail_with("Cannot write ", path, entered);
  must_be_inside((int)entered, workspace);
  return entered;
}

int write_file(struct text *fields, usize count) {
  if (count < 3) return 126;
  const char *workspace = fields[0].at, *path = fields[1].at;
  static struct names names;
  split_path(workspace, path, &names);
  if (names.count == 0) fail("Not a file: ", path, "");
  const char *last = names.at[names.count - 1];
  i64 folder = enter(AT_FDCWD, workspace, workspace, path);
  for (usize i = 0; i + 1 < names.count; i++) {
    i64 made = SYS(mkdirat, folder, names.at[i], 0777);
    if (made < 0 && made != -EEXIST) fail_with("Cannot write ", path, made);
    i64 next = enter((int)folder, names.at[i], workspace, path);
    SYS(close, folder);
    folder = next;
  }
  i64 file = open_at((int)folder, last, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (file == -EEXIST) file = open_regular((int)folder, last, O_WRONLY, workspace, path);
  if (file < 0) fail_with("Cannot write ", path, file);
  // Cut afterwards: what was cut to nothing before ext4 writes to the disk at once when it is closed.
  i64 result = write_all((int)file, fields[2].at, fields[2].length);
  i64 cut = SYS(ftruncate, file, SYS(lseek, file, 0, SEEK_CUR));
  if (result < 0 || cut < 0) fail_with("Cannot write ", path, result < 0 ? result : cut);
  char digits[24];
  say(2, decimal(fields[2].length, digits), (char *)0);
  return 0;
}
