// What the parts of the launcher know of each other; main.c tells what it is.
#pragma once
#include "system.h"

// ---- base.c: memory, text, the last word

void *memset(void *to, int byte, usize length);
void *memcpy(void *to, const void *from, usize length);

struct text { char *at; usize length; };

/** Never fails: without memory the program ends. Zeroed; whole pages, so not for crumbs. */
void *pages(usize bytes);
void pages_free(void *at, usize bytes);
usize length_of(const char *text);
int same(const char *a, const char *b);
int starts_with(const char *text, const char *beginning);
/** Decimal; 0 where there is none. */
u64 number_of(const char *text);
/** Of 32 bits. */
usize big_endian(const char bytes[4]);
/** Appends the texts, up to a null, to what is at `out`, cut at `size`; returns the end. */
char *join(char *out, usize size, ...);
char *decimal(u64 number, char out[24]);
const char *error_text(i64 error);
/** The whole of it, or what kept it from being written, negative. */
i64 write_all(int fd, const void *bytes, usize length);
/** 1, or 0 at the end or an error before that. */
int read_exactly(int fd, void *bytes, usize length);
void say(int fd, ...);
/** Says the texts, up to a null, on stderr, and ends. */
_Noreturn void die(const char *what, ...);
_Noreturn void leave(int code);
/** Whether the signal does what it does by itself, or nothing. */
void heed(int signal, int is_heeded);
/** As fork(2). */
i64 fork_child(void);
/**
 * As vfork(2): the child runs `live`, which never returns, in our own memory, on another stack, and we go on when it has become
 * another program or has ended. A fork of even this small process, and what both then copy, is a tenth of a shell's life.
 */
i64 spawn_child(void (*live)(const void *with), const void *with);
/** Calls it with each name in the folder that is a number; what went wrong, negative. */
i64 each_number(int folder, void (*visit)(u64 number, void *with), void *with);
i64 open_at(int folder, const char *path, int flags, u32 mode);
int is_regular(int fd);

// ---- main.c: what it was started with

struct settings {
  /** The run folder, where the FIFOs are. */
  const char *run;
  /** Whether every process that can be seen is the slot's. */
  int is_alone;
  /** The user that everything runs as which is started; 0: the launcher's own. */
  u32 uid;
  u64 processes, open_files, file_bytes;
};

extern struct settings settings;
/** The launcher's own pid. */
extern int launcher_pid;
/** Whom orphans are given to. */
extern int adopter;
/** For good: real, effective and saved ids. 1 when it is done. */
int become_user(void);

// ---- sets.c: FIFOs

struct set {
  u32 name;
  /** Ours, for as long as the set is used; -1: not open. */
  int in, out, err;
  /** What a child gets. */
  int to_stdout, to_stderr;
};

/** One with nothing in it and its writers open; null and `*error` when there is none to be had. */
struct set *take_set(i64 *error);
/** It was not used after all. */
void untake_set(struct set *set);
/** Of a child that has ended. */
void put_back_set(struct set *set);
/** Not to be used again. */
void drop_set(struct set *set);
void close_writers(struct set *set);
void set_path(const struct set *set, const char *ending, char out[256]);
/** Where a command has put something in its place that is removed. */
i64 make_fifo(const char *path);

// ---- children.c: armed and at work

struct child { int pid; u32 id; struct set *set; int is_lasting; /** Of one that is armed: it is a shell (waiting.c). */ int is_shell; };

void arm(void);
/** The one that waits as a shell, or null. */
struct child *waiting_shell(void);
/** A child that reads the request itself takes its place; `begun` is what has been read of that. */
void replace_shell(struct child *child, struct text begun);
/** Where a shell has ended that waited, another child takes its place, unless `is_killed`: by us. */
void reap(int is_killed);
/** Whether a child is armed or at work on a request. */
int is_busy(void);
void become_lasting(u32 id);
/** Its pid, as long as it has not been reaped; else 0. */
int living(u32 id);
/** Also of one that ended lately. */
int pid_of(u32 id);
/** What began before it did, in hundredths of a second since boot, or then with a lower pid, is none that it started. */
struct birth { u64 at; int pid; };
/** `since`: when it got its request, for one that had ended when it was first asked for, or has taken another's place. */
struct birth birth_of(u32 id, u64 since);
/** Whether a child of ours has this pid, and has not been reaped. */
int is_child(int pid);

// ---- request.c, files.c: a child's one request

/** Its exit code, unless it becomes another program. `begun` is what the launcher has read of the request. */
int run_request(u32 id, struct set *set, struct text begun);
/** Fields, each with a zero after it, of which there is room for one in four bytes; returns how many. Can be repeated. */
usize split(char *bytes, usize length, struct text *fields);
/** Becomes the shell that commands have been run by, with one more entry in its environment; its exit code if it cannot. */
int wait_as_shell(char *entry, char *argument);
int read_file(struct text *fields, usize count);
int write_file(struct text *fields, usize count);

// ---- waiting.c

enum { HABIT_BYTES = 8192 };

/** What the last command was run by, shared with the children that read requests. */
struct habit {
  /** Whether one more like it is. */
  u32 is_expected;
  /** The fields of that request, but for the child and the kind before and the command after them. */
  u32 length;
  char bytes[HABIT_BYTES + 4];
};

extern struct habit *habit;
void begin_habits(void);
/** Of a request: all its fields. */
void note_habit(struct text *fields, usize count);
/** Whether the next child is to be a shell. */
int is_shell_wanted(void);
/** The rest of its life is the shell's; its exit code if there is none. */
int wait_for_command(void);
/** Its request has come, or a part of it. */
void answer_as_shell(struct child *child);
/** It ended before it had a request. */
void shell_ended(int status);
/** When to look at it next; null: not before its request is there. */
const struct timespec *until_look(void);
void look_at_shell(const struct child *child);
/** What is open for the one that waits is closed. */
void forget_shell(void);

// ---- processes.c, killing.c

struct process { int pid, parent, session; u64 start, threads; };
struct table { struct process *all; usize count, room; };

/** Of all that can be seen and lives, by ascending pid; read anew at each call. */
struct table *processes(void);
/** As /proc/PID/stat has it: `T` for one that has come to a stop; 0 for none. */
char state_of(int pid);
/** Where its arguments begin and its environment ends in its memory; zeros when it is gone, or that is not for us to know. */
void memory_of(int pid, u64 *arguments, u64 *environment_end);
const struct process *find_process(const struct table *table, int pid);
/** The ancestor that is a child of the launcher, or an orphan born after it; 0 when the process is not below it. */
int root_of(const struct table *table, int pid);

/** All that the child started since, or all that is in the slot for `id` 0; see main.c. `is_told`: the shell knows of it. */
void kill_call(u32 id, u64 since, u32 shell_id, int is_told);

// ---- weight.c, warden.c

void weigh(void);
/** Returns in a cell only. */
void keep_cells(char **numbers);
