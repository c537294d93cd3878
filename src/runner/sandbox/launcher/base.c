// Memory, text and the little else that a C library would give.
#include "launcher.h"

/** Of a child that is about to become another program: two paths and a line. */
enum { STACK_BYTES = 1 << 15 };

void *memcpy(void *to, const void *from, usize length) {
  u8 *a = to;
  const u8 *b = from;
  while (length--) *a++ = *b++;
  return to;
}

void *memset(void *to, int byte, usize length) {
  u8 *a = to;
  while (length--) *a++ = (u8)byte;
  return to;
}

void *pages(usize bytes) {
  // PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
  i64 at = SYS(mmap, 0, bytes, 3, 0x22, -1, 0);
  if (at < 0 && at > -4096) die("no memory: ", error_text(at), (char *)0);
  return (void *)at;
}

void pages_free(void *at, usize bytes) { SYS(munmap, at, bytes); }

usize length_of(const char *text) {
  usize length = 0;
  while (text[length]) length++;
  return length;
}

int same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

int starts_with(const char *text, const char *beginning) {
  while (*beginning)
    if (*text++ != *beginning++) return 0;
  return 1;
}

u64 number_of(const char *text) {
  u64 number = 0;
  while (*text >= '0' && *text <= '9') number = number * 10 + (u64)(*text++ - '0');
  return number;
}

usize big_endian(const char bytes[4]) {
  const u8 *at = (const u8 *)bytes;
  return (usize)at[0] << 24 | (usize)at[1] << 16 | (usize)at[2] << 8 | at[3];
}

static char *join_list(char *out, usize size, __builtin_va_list texts) {
  char *end = out + size - 1;
  for (const char *text; (text = __builtin_va_arg(texts, const char *));)
    while (*text && out < end) *out++ = *text++;
  *out = 0;
  return out;
}

char *join(char *out, usize size, ...) {
  __builtin_va_list texts;
  __builtin_va_start(texts, size);
  out = join_list(out, size, texts);
  __builtin_va_end(texts);
  return out;
}

char *decimal(u64 number, char out[24]) {
  char *at = out + 23;
  *at = 0;
  do *--at = (char)('0' + number % 10);
  while (number /= 10);
  return at;
}

// What users read, in the words of the C library.
const char *error_text(i64 error) {
  static char other[40];
  char digits[24];
  switch (-error) {
    case EPERM: return "Operation not permitted";
    case ENOENT: return "No such file or directory";
    case EIO: return "Input/output error";
    case ENXIO: return "No such device or address";
    case E2BIG: return "Argument list too long";
    case ENOEXEC: return "Exec format error";
    case EAGAIN: return "Resource temporarily unavailable";
    case ENOMEM: return "Cannot allocate memory";
    case EACCES: return "Permission denied";
    case EBUSY: return "Device or resource busy";
    case EEXIST: return "File exists";
    case EXDEV: return "Invalid cross-device link";
    case ENODEV: return "No such device";
    case ENOTDIR: return "Not a directory";
    case EISDIR: return "Is a directory";
    case EINVAL: return "Invalid argument";
    case ENFILE: return "Too many open files in system";
    case EMFILE: return "Too many open files";
    case ETXTBSY: return "Text file busy";
    case EFBIG: return "File too large";
    case ENOSPC: return "No space left on device";
    case EROFS: return "Read-only file system";
    case EMLINK: return "Too many links";
    case EPIPE: return "Broken pipe";
    case ENAMETOOLONG: return "File name too long";
    case ENOSYS: return "Function not implemented";
    case ELOOP: return "Too many levels of symbolic links";
    case EDQUOT: return "Disk quota exceeded";
  }
  join(other, sizeof other, "Error ", decimal((u64)-error, digits), (char *)0);
  return other;
}

i64 write_all(int fd, const void *bytes, usize length) {
  const char *at = bytes;
  while (length > 0) {
    i64 count = SYS(write, fd, at, length);
    if (count == -EINTR) continue;
    if (count < 0) return count;
    at += count;
    length -= (usize)count;
  }
  return 0;
}

int read_exactly(int fd, void *bytes, usize length) {
  char *at = bytes;
  while (length > 0) {
    i64 count = SYS(read, fd, at, length);
    if (count == -EINTR) continue;
    if (count <= 0) return 0;
    at += count;
    length -= (usize)count;
  }
  return 1;
}

// In one write, so that lines of several writers do not mix.
void say(int fd, ...) {
  char line[4608];
  __builtin_va_list texts;
  __builtin_va_start(texts, fd);
  char *end = join_list(line, sizeof line, texts);
  __builtin_va_end(texts);
  write_all(fd, line, (usize)(end - line));
}

_Noreturn void die(const char *what, ...) {
  char line[4608];
  usize length = length_of(what);
  if (length > 2048) length = 2048;
  memcpy(line, what, length);
  __builtin_va_list texts;
  __builtin_va_start(texts, what);
  char *end = join_list(line + length, sizeof line - length - 1, texts);
  __builtin_va_end(texts);
  *end++ = '\n';
  write_all(2, line, (usize)(end - line));
  leave(255);
}

_Noreturn void leave(int code) {
  for (;;) SYS(exit_group, code);
}

void heed(int signal, int is_heeded) {
  u64 action[4] = {!is_heeded};                           // the handler: SIG_DFL, SIG_IGN
  SYS(rt_sigaction, signal, action, 0, 8);
}

i64 fork_child(void) { return SYS(clone, SIGCHLD, 0, 0, 0, 0); }

i64 spawn_child(void (*live)(const void *with), const void *with) {
  static u64 stack[STACK_BYTES / sizeof(u64)] __attribute__((aligned(16)));
  u64 *top = stack + sizeof stack / sizeof *stack;
  *--top = (u64)with;
  *--top = (u64)live;
#if defined(__x86_64__)
  register i64 r10 __asm__("r10") = 0;
  register i64 r8 __asm__("r8") = 0;
  i64 result;
  __asm__ volatile(
      "syscall\n  test %%rax, %%rax\n  jnz 1f\n  pop %%rax\n  pop %%rdi\n  xor %%ebp, %%ebp\n  call *%%rax\n1:"
      : "=a"(result)
      : "a"(NR_clone), "D"(CLONE_VM | CLONE_VFORK | SIGCHLD), "S"(top), "d"(0), "r"(r10), "r"(r8)
      : "rcx", "r11", "memory");
  return result;
#else
  register i64 x8 __asm__("x8") = NR_clone;
  register i64 x0 __asm__("x0") = CLONE_VM | CLONE_VFORK | SIGCHLD;
  register i64 x1 __asm__("x1") = (i64)top;
  register i64 x2 __asm__("x2") = 0;
  register i64 x3 __asm__("x3") = 0;
  register i64 x4 __asm__("x4") = 0;
  __asm__ volatile("svc #0\n  cbnz x0, 1f\n  ldp x9, x0, [sp], #16\n  mov x29, xzr\n  blr x9\n1:"
                   : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "x9", "x30", "memory");
  return x0;
#endif
}

i64 each_number(int folder, void (*visit)(u64 number, void *with), void *with) {
  char entries[16384] __attribute__((aligned(8)));
  for (;;) {
    i64 length = SYS(getdents64, folder, entries, sizeof entries);
    if (length <= 0) return length;
    for (char *at = entries; at < entries + length;) {
      struct dirent *entry = (struct dirent *)at;
      if (entry->name[0] >= '0' && entry->name[0] <= '9') visit(number_of(entry->name), with);
      at += entry->length;
    }
  }
}

i64 open_at(int folder, const char *path, int flags, u32 mode) { return SYS(openat, folder, path, flags | O_CLOEXEC, mode); }

int is_regular(int fd) {
  struct stat stat;
  return SYS(fstat, fd, &stat) == 0 && (stat.mode & S_IFMT) == S_IFREG;
}
