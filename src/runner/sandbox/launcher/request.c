// The life of an armed child: one request, then its end. A request is its length, 32 bits big-endian, and so many bytes of
// fields, each again a length and its bytes; run.ts makes them. First the child's id and what is asked for:
//   bash      folder, number of environment entries, each entry, program and arguments
//   bash-again  the same, where one more such is expected (waiting.c)
//   shell     number of environment entries, each entry: a bash that goes on reading commands from NAME.in, which then is
//             NAME.shell/bash, and has NAME.out as NAME.shell/words
//   read      workspace, path, offset, limit (0: to the end), most bytes
//   write     workspace, path, content
//   script    a script's text, which its interpreter finds on fd 3, and as for bash; fd 4 is NAME.in, with what follows the
//             request, and there is a folder `own` in the run folder, which is the slot's user's
//   done      nothing, for a child that only lent its FIFOs
// read and write end with 0 and the file's size on stderr, or with 1 and the error text on stderr.
#include "launcher.h"

/** The kernel takes no argument that is longer. */
enum { ARGUMENT_MAX = 131071, SOURCE_FD = 3, INPUT_FD = 4 };
/** What may follow the fields of a command, and zeros. */
enum { WORDS_MORE = 8 };

static i64 complain(const char *what, const char *about, i64 error, int code) {
  say(2, what, about, ": ", error_text(error), "\n", (char *)0);
  return code;
}

static const char *search_path(char **environment) {
  for (; *environment; environment++)
    if (starts_with(*environment, "PATH=")) return *environment + 5;
  return "/bin:/usr/bin";
}

// As execvp(3), but never by way of a shell.
static i64 execute(char **arguments, char **environment) {
  const char *name = arguments[0];
  for (const char *at = name; *at; at++)
    if (*at == '/') return SYS(execve, name, arguments, environment);
  i64 result = -ENOENT;
  for (const char *folder = search_path(environment);; folder++) {
    char path[4096];
    usize length = 0;
    while (folder[length] && folder[length] != ':') length++;
    if (length + length_of(name) + 2 < sizeof path) {
      for (usize i = 0; i < length; i++) path[i] = folder[i];
      join(path + length, sizeof path - length, length ? "/" : "", name, (char *)0);
      i64 error = SYS(execve, path, arguments, environment);
      if (error == -EACCES) result = error;
      else if (error != -ENOENT && error != -ENOTDIR) return error;
    }
    folder += length;
    if (!*folder) return result;
  }
}

/** Room for what the kernel is given. */
static char **words_for(usize fields) { return pages((fields + WORDS_MORE) * sizeof(char *)); }

/** Environment, program and arguments; `entry` follows the environment, `more` the arguments. `words` has room for all. */
static int exec_command(const char *folder, struct text *fields, usize count, char *entry, char **more, char **words) {
  usize entries = count ? number_of(fields[0].at) : 0;
  if (entries + 1 > count) entries = count ? count - 1 : 0;
  char **environment = words;
  for (usize i = 0; i < entries; i++) environment[i] = fields[i + 1].at;
  environment[entries] = entry;
  environment[entries + 1] = 0;
  char **arguments = environment + entries + 2;
  usize given = 0;
  for (usize i = entries + 1; i < count; i++) arguments[given++] = fields[i].at;
  while (more && *more) arguments[given++] = *more++;
  arguments[given] = 0;
  if (!given) return (int)complain("cannot start", " nothing", -EINVAL, 127);
  i64 entered = SYS(chdir, folder);
  if (entered < 0) return (int)complain("cannot enter ", folder, entered, 126);
  return (int)complain("cannot start ", arguments[0], execute(arguments, environment), 127);
}

// A longer command goes in a file, which bash reads whole before it runs it.
static i64 shorten(struct set *set, struct text *command) {
  char path[256];
  set_path(set, "command", path);
  SYS(unlinkat, AT_FDCWD, path, 0);                       // what a command may have put there
  i64 file = open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0400);
  if (file < 0) return file;
  i64 result = write_all((int)file, command->at, command->length);
  if (result == 0 && settings.uid) result = SYS(fchownat, AT_FDCWD, path, settings.uid, settings.uid, 0);
  SYS(close, file);
  command->length = (usize)(join(command->at, ARGUMENT_MAX, ". '", path, "'", (char *)0) - command->at);
  return result;
}

// The shell's script is named as the shell is, and lies in its working folder: so its messages begin as those of bash -c.
static int become_shell(struct set *set, struct text *fields, usize count) {
  char folder[256], script[256], from[256], to[256];
  set_path(set, "shell", folder);
  set_path(set, "shell/bash", script);
  i64 result = SYS(mkdirat, AT_FDCWD, folder, 0711);
  if (result == 0) result = SYS(fchmodat, AT_FDCWD, folder, 0711);
  if (result == 0) set_path(set, "in", from), result = SYS(renameat, AT_FDCWD, from, AT_FDCWD, script);
  if (result == 0) set_path(set, "out", from), set_path(set, "shell/words", to), result = SYS(renameat, AT_FDCWD, from, AT_FDCWD, to);
  if (result == 0 && settings.uid) result = SYS(fchownat, AT_FDCWD, script, settings.uid, settings.uid, 0);
  if (result < 0) complain("", folder, result, 0);
  if (!become_user()) return 126;
  char *more[] = {"bash", "bash", 0};
  return exec_command(folder, fields, count, 0, more, words_for(count));
}

static int become_script(struct set *set, struct text *fields, usize count) {
  if (count < 2) return 126;
  char own[256];
  join(own, sizeof own, settings.run, "/own", (char *)0);
  if (SYS(mkdirat, AT_FDCWD, own, 0700) == 0 && settings.uid) SYS(fchownat, AT_FDCWD, own, settings.uid, settings.uid, 0);
  if (!become_user()) return 126;
  i64 source = SYS(memfd_create, "script", 0);
  if (source < 0) return (int)complain("memfd_create", "", source, 126);
  write_all((int)source, fields[0].at, fields[0].length);
  SYS(lseek, source, 0, 0);
  // Either may have the number that the other is to have.
  i64 input = SYS(fcntl, set->in, 0, 10);                 // F_DUPFD
  i64 text = SYS(fcntl, source, 0, 10);
  SYS(dup3, text, SOURCE_FD, 0);
  SYS(dup3, input, INPUT_FD, 0);
  SYS(close, text);
  SYS(close, input);
  if (source != SOURCE_FD && source != INPUT_FD) SYS(close, source);
  return exec_command(fields[1].at, fields + 2, count - 2, 0, 0, words_for(count));
}

usize split(char *bytes, usize length, struct text *fields) {
  usize count = 0;
  for (usize at = 0; at + 4 <= length;) {
    usize size = big_endian(bytes + at);
    at += 4;
    if (size > length - at) break;
    // On the length that came before, which has been read.
    if (count > 0) bytes[at - 4] = 0;
    fields[count++] = (struct text){bytes + at, size};
    at += size;
  }
  return count;
}

int wait_as_shell(char *entry, char *argument) {
  // No pages, which would stay in the launcher's memory.
  static struct text fields[HABIT_BYTES / 4];
  static char *words[HABIT_BYTES / 4 + WORDS_MORE];
  usize count = split(habit->bytes, habit->length, fields);
  char *more[] = {argument, 0};
  return count ? exec_command(fields[0].at, fields + 1, count - 1, entry, more, words) : 126;
}

/** What the launcher has read of the request already comes first. */
static int read_begun(struct text *begun, int fd, void *bytes, usize length) {
  usize first = length < begun->length ? length : begun->length;
  memcpy(bytes, begun->at, first);
  begun->at += first;
  begun->length -= first;
  return read_exactly(fd, (char *)bytes + first, length - first);
}

int run_request(u32 id, struct set *set, struct text begun) {
  char head[4];
  if (!read_begun(&begun, set->in, head, 4)) return 0;
  usize length = big_endian(head);
  char *bytes = pages(length + 1);
  if (!read_begun(&begun, set->in, bytes, length)) return 0;
  struct text *fields = pages((length / 4 + 1) * sizeof(struct text));
  usize count = split(bytes, length, fields);
  if (count < 2) return 0;
  // It came when the child before had been killed, and is not to be run.
  if (number_of(fields[0].at) != id) SYS(kill, SYS(getpid, 0), SIGKILL);
  note_habit(fields, count);
  const char *kind = fields[1].at;
  fields += 2;
  count -= 2;
  if (same(kind, "script")) return become_script(set, fields, count);
  SYS(close, set->in);
  if (same(kind, "done")) return 0;
  if (same(kind, "shell")) return become_shell(set, fields, count);
  if (starts_with(kind, "bash") && count > 0) {
    struct text *command = &fields[count - 1];
    i64 written = command->length > ARGUMENT_MAX ? shorten(set, command) : 0;
    if (written < 0) return (int)complain("cannot write the command into ", settings.run, written, 126);
    return become_user() ? exec_command(fields[0].at, fields + 1, count - 1, 0, 0, words_for(count)) : 126;
  }
  if (!become_user()) return 126;
  if (same(kind, "read")) return read_file(fields, count);
  if (same(kind, "write")) return write_file(fields, count);
  return 126;
}
