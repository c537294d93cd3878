// A shell that is started before its command is known, which is most of what a command takes. Where the runner expects one more
// command like the last, the next armed child is the bash that ran that: with blanks for its command, and with a
// FIFO as $BASH_ENV, at whose opening it waits when it has come so far. The launcher reads the request in its place, writes the command
// over the blanks, where bash looks for it when it is done with $BASH_ENV, and into the FIFO what puts things right that a
// shell can see: so `$0`, messages, line numbers, `$-`, what it execs and how it ends are those of `bash -c`. Whatever else is asked
// for, and commands that might see the difference, get a new child in its place.
//
// A slot's own user can do all this to its shells. Who has reached into the FIFO or the shell has done so to his own next command.
#include "launcher.h"

enum {
  /** The longest command that is handed over, and a zero. */
  ARGUMENT_BYTES = 4096,
  REQUEST_BYTES = HABIT_BYTES + ARGUMENT_BYTES + 64,
  /** Looks whether it has come to its FIFO, while nobody waits for it, each after twice the pause before, in nanoseconds. */
  LOOKS = 6, LOOK_FIRST = 1500000,
  /** And when its request is there, each so many nanoseconds later than the one before. Together a quarter of a second. */
  HURRIED_LOOKS = 220, PAUSE_STEP = 10000,
  PR_SET_TIMERSLACK = 29,
};

struct habit *habit;
/** The FIFO's inode; 0: not made yet. */
static u64 gate;
/** It does not work here. */
static int is_off;
static char gate_entry[256];
/** Of the shell that waits. */
static struct {
  /** The FIFO's writing end, once it has come to the other, and its memory; -1 before. */
  i64 writer, memory;
  /** Where its blanks are. */
  u64 argument;
  int looks;
} ready = {-1, -1, 0, 0};

void begin_habits(void) {
  // PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS
  i64 at = SYS(mmap, 0, sizeof *habit, 3, 0x21, -1, 0);
  if (at < 0 && at > -4096) die("no memory: ", error_text(at), (char *)0);
  habit = (struct habit *)at;
  // Another user's memory is not for us to write.
  is_off = settings.uid != 0;
}

static int is_equal(const char *a, const char *b, usize length) {
  while (length && *a == *b) a++, b++, length--;
  return !length;
}

/** The fields between the kind and the command; all zeros when it is not a command by `bash -c`. */
static struct text shell_of(struct text *fields, usize count) {
  struct text none = {0, 0};
  if (count < 7 || !starts_with(fields[1].at, "bash")) return none;
  if (!same(fields[count - 3].at, "bash") || !same(fields[count - 2].at, "-c")) return none;
  char *from = fields[2].at - 4;
  usize length = (usize)(fields[count - 1].at - 4 - from);
  return length <= HABIT_BYTES ? (struct text){from, length} : none;
}

// What changes how a shell starts: it would not come to its FIFO, or what is written there would mean something else.
static int is_plain(struct text *fields, usize count) {
  static const char *const special[] = {"BASH", "ENV=", "POSIXLY_CORRECT=", "SHELLOPTS="};
  for (usize i = 4; i < count - 3; i++)
    for (int j = 0; j < 4; j++)
      if (starts_with(fields[i].at, special[j])) return 0;
  return 1;
}

static int is_habit(const struct text *shell) {
  return shell->length && shell->length == habit->length && is_equal(shell->at, habit->bytes, shell->length);
}

void note_habit(struct text *fields, usize count) {
  if (is_off) return;
  struct text shell = shell_of(fields, count);
  habit->is_expected = shell.length && same(fields[1].at, "bash-again") && (is_habit(&shell) || is_plain(fields, count));
  if (!habit->is_expected || is_habit(&shell)) return;
  habit->length = (u32)shell.length;
  memcpy(habit->bytes, shell.at, shell.length);
}

static int is_name(char at) {
  return (at >= 'a' && at <= 'z') || (at >= 'A' && at <= 'Z') || (at >= '0' && at <= '9') || at == '_' || at == '-';
}

// Bash expands what $BASH_ENV says.
static int is_word(const char *path) {
  while (is_name(*path) || *path == '/' || *path == '.') path++;
  return !*path;
}

static int make_gate(void) {
  if (gate) return 1;
  char *path = gate_entry + length_of("BASH_ENV=");
  join(gate_entry, sizeof gate_entry, "BASH_ENV=", settings.run, "/waiting", (char *)0);
  struct stat stat;
  if (!is_word(path) || make_fifo(path) < 0 || SYS(newfstatat, AT_FDCWD, path, &stat, 0) < 0) return 0;
  gate = stat.ino;
  return 1;
}

int is_shell_wanted(void) {
  if (is_off || !habit->is_expected) return 0;
  is_off = !make_gate();
  return !is_off;
}

int wait_for_command(void) {
  static char blanks[ARGUMENT_BYTES];
  memset(blanks, ' ', sizeof blanks - 1);
  return wait_as_shell(gate_entry, blanks);
}

void shell_ended(int status) {
  forget_shell();
  // By itself, without a command: it is none that waits.
  if ((status & 127) == 0) is_off = 1;
}

void forget_shell(void) {
  if (ready.writer >= 0) SYS(close, ready.writer);
  if (ready.memory >= 0) SYS(close, ready.memory);
  ready.writer = ready.memory = -1;
  ready.looks = 0;
}

// Where its blanks are; what was the last of its environment, which bash has read, becomes nothing. By /proc, as Docker's own
// seccomp profile allows no process_vm_writev.
static int find_blanks(int pid) {
  static const char nothing[sizeof gate_entry];
  char path[40], digits[24], found[ARGUMENT_BYTES];
  u64 arguments, end;
  memory_of(pid, &arguments, &end);
  join(path, sizeof path, "/proc/", decimal((u64)pid, digits), "/mem", (char *)0);
  ready.memory = open_at(AT_FDCWD, path, O_RDWR, 0);
  if (!arguments || !end || ready.memory < 0) return 0;
  ready.argument = arguments + sizeof "bash" + sizeof "-c";
  if (SYS(pread64, ready.memory, found, sizeof found, ready.argument) != sizeof found) return 0;
  for (usize i = 0; i < sizeof found; i++)
    if (found[i] != (i < sizeof found - 1 ? ' ' : 0)) return 0;
  usize length = length_of(gate_entry);
  return SYS(pwrite64, ready.memory, nothing, length, end - length - 1) == (i64)length;
}

static int is_alive(int pid) {
  char state = state_of(pid);
  return state && state != 'Z';
}

/** Whether the shell has come to its FIFO. */
static int is_ready(int pid) {
  if (ready.writer >= 0) return 1;
  struct stat stat;
  ready.writer = open_at(AT_FDCWD, gate_entry + length_of("BASH_ENV="), O_WRONLY | O_NONBLOCK, 0);
  if (ready.writer < 0) return 0;
  int is_gate = SYS(fstat, ready.writer, &stat) == 0 && stat.ino == gate && (stat.mode & S_IFMT) == S_IFIFO;
  if (is_gate && find_blanks(pid)) return 1;
  is_off = is_alive(pid);
  return 0;
}

const struct timespec *until_look(void) {
  static struct timespec pause;
  if (is_off || ready.writer >= 0 || ready.looks == LOOKS) return 0;
  pause.nanoseconds = (i64)LOOK_FIRST << ready.looks;
  return &pause;
}

void look_at_shell(const struct child *child) {
  ready.looks++;
  is_ready(child->pid);
}

static int must_be_ready(int pid) {
  if (is_ready(pid)) return 1;
  struct timespec pause = {0, 0};
  int is_there = 0;
  // Else each pause would be longer by what timers may be late.
  SYS(prctl, PR_SET_TIMERSLACK, 1, 0, 0, 0);
  for (int look = 0; !is_there && look < HURRIED_LOOKS && !is_off && is_alive(pid); look++) {
    pause.nanoseconds += PAUSE_STEP;
    SYS(nanosleep, &pause, 0);
    is_there = is_ready(pid);
  }
  // The usual, for what is started next.
  SYS(prctl, PR_SET_TIMERSLACK, 0, 0, 0, 0);
  return is_there;
}

static int write_command(const struct text *command) {
  static char argument[ARGUMENT_BYTES];
  memcpy(argument, command->at, command->length);
  memset(argument + command->length, 0, ARGUMENT_BYTES - command->length);
  return SYS(pwrite64, ready.memory, argument, sizeof argument, ready.argument) == sizeof argument;
}

// What a shell has at its start: seconds from now on, its command by name, and `$_`.
static int write_beginning(const struct text *command) {
  static char text[4 * ARGUMENT_BYTES + 256];
  char *at = join(text, 256, "SECONDS=0;unset BASH_ENV;BASH_EXECUTION_STRING='", (char *)0);
  for (usize i = 0; i < command->length; i++) {
    if (command->at[i] == '\'') at = join(at, 5, "'\\''", (char *)0);
    else *at++ = command->at[i];
  }
  at = join(at, 16, "';: bash", (char *)0);
  return SYS(write, ready.writer, text, at - text) == at - text;
}

// Of `set` alone, which lists all variables.
static int is_listing(const char *text, const char *at) {
  if (at > text && is_name(at[-1])) return 0;
  for (at += 3; *at == ' ' || *at == '\t'; at++) {}
  return !*at || *at == '\n' || *at == ';' || *at == '|' || *at == '&' || *at == '>' || *at == ')';
}

// It might list what a shell has at its start, or look at its process.
static int may_look(const char *command) {
  static const char *const words[] = {"PIPESTATUS", "BASH_ARG", "SECONDS", "declare", "typeset", "/proc/"};
  for (const char *at = command; *at; at++) {
    for (int i = 0; i < 6; i++)
      if (starts_with(at, words[i])) return 1;
    if (starts_with(at, "set") && is_listing(command, at)) return 1;
  }
  return 0;
}

static int hand_over(struct child *child, struct text *fields, usize count) {
  if (count < 2 || number_of(fields[0].at) != child->id) return 0;
  struct text shell = shell_of(fields, count);
  const struct text *command = &fields[count - 1];
  if (!is_habit(&shell) || command->length >= ARGUMENT_BYTES || length_of(command->at) != command->length) return 0;
  if (may_look(command->at) || !must_be_ready(child->pid)) return 0;
  note_habit(fields, count);
  // It reads to the FIFO's end, which is not there before all is in place.
  return write_beginning(command) && write_command(command);
}

// Its length, and all of it where it is there and short. What follows a request is for whom that starts.
static struct text read_request(int in, usize available, char bytes[REQUEST_BYTES]) {
  struct text read = {bytes, 0};
  if (available < 4 || !read_exactly(in, bytes, 4)) return read;
  read.length = 4;
  usize length = big_endian(bytes);
  if (length <= available - 4 && length <= REQUEST_BYTES - 4 && read_exactly(in, bytes + 4, length)) read.length += length;
  return read;
}

void answer_as_shell(struct child *child) {
  static char request[REQUEST_BYTES + 1];
  static struct text fields[REQUEST_BYTES / 4 + 1];
  int available = 0;
  if (SYS(ioctl, child->set->in, 0x541b, &available) < 0 || available <= 0) return;      // FIONREAD
  struct text begun = read_request(child->set->in, (usize)available, request);
  request[begun.length] = 0;
  if (begun.length >= 4 && big_endian(request) == begun.length - 4) {
    usize count = split(request + 4, begun.length - 4, fields);
    child->is_shell = !hand_over(child, fields, count);
  }
  if (child->is_shell) return replace_shell(child, begun);
  // At the end of its FIFO bash goes on.
  forget_shell();
  close_writers(child->set);
}
