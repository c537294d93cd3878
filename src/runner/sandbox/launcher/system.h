// The kernel, without a C library: system calls by number, and of its types and constants what the launcher uses. 64 bit, x86-64
// and arm64. Each call returns what the kernel does: a negative number is an errno.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;
typedef u64 usize;

#if defined(__x86_64__)
enum { NR_read = 0, NR_write = 1, NR_close = 3, NR_fstat = 5, NR_lseek = 8, NR_mmap = 9, NR_munmap = 11, NR_ioctl = 16,
       NR_socket = 41, NR_getpid = 39, NR_clone = 56, NR_execve = 59, NR_exit_group = 231, NR_wait4 = 61, NR_kill = 62,
       NR_fcntl = 72, NR_ftruncate = 77, NR_chdir = 80, NR_getppid = 110, NR_setsid = 112,
       NR_setgroups = 116, NR_setresuid = 117, NR_setresgid = 119, NR_capset = 126, NR_statfs = 137, NR_setpriority = 141,
       NR_prctl = 157, NR_mount = 165, NR_getdents64 = 217, NR_keyctl = 250, NR_openat = 257, NR_mkdirat = 258,
       NR_mknodat = 259, NR_fchownat = 260, NR_newfstatat = 262, NR_unlinkat = 263, NR_renameat = 264, NR_readlinkat = 267,
       NR_fchmodat = 268, NR_ppoll = 271, NR_signalfd4 = 289, NR_dup3 = 292, NR_prlimit64 = 302, NR_memfd_create = 319,
       NR_rt_sigprocmask = 14, NR_nanosleep = 35, NR_pread64 = 17, NR_pwrite64 = 18,
       NR_rt_sigaction = 13 };
#elif defined(__aarch64__)
enum { NR_read = 63, NR_write = 64, NR_close = 57, NR_fstat = 80, NR_lseek = 62, NR_mmap = 222, NR_munmap = 215, NR_ioctl = 29,
       NR_socket = 198, NR_getpid = 172, NR_clone = 220, NR_execve = 221, NR_exit_group = 94, NR_wait4 = 260, NR_kill = 129,
       NR_fcntl = 25, NR_ftruncate = 46, NR_chdir = 49, NR_getppid = 173, NR_setsid = 157,
       NR_setgroups = 159, NR_setresuid = 147, NR_setresgid = 149, NR_capset = 91, NR_statfs = 43, NR_setpriority = 140,
       NR_prctl = 167, NR_mount = 40, NR_getdents64 = 61, NR_keyctl = 219, NR_openat = 56, NR_mkdirat = 34,
       NR_mknodat = 33, NR_fchownat = 54, NR_newfstatat = 79, NR_unlinkat = 35, NR_renameat = 38, NR_readlinkat = 78,
       NR_fchmodat = 53, NR_ppoll = 73, NR_signalfd4 = 74, NR_dup3 = 24, NR_prlimit64 = 261, NR_memfd_create = 279,
       NR_rt_sigprocmask = 135, NR_nanosleep = 101, NR_pread64 = 67, NR_pwrite64 = 68,
       NR_rt_sigaction = 134 };
#else
#error "x86-64 and arm64 only"
#endif

static inline i64 call6(i64 number, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
#if defined(__x86_64__)
  register i64 r10 __asm__("r10") = d;
  register i64 r8 __asm__("r8") = e;
  register i64 r9 __asm__("r9") = f;
  i64 result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#else
  register i64 x8 __asm__("x8") = number;
  register i64 x0 __asm__("x0") = a;
  register i64 x1 __asm__("x1") = b;
  register i64 x2 __asm__("x2") = c;
  register i64 x3 __asm__("x3") = d;
  register i64 x4 __asm__("x4") = e;
  register i64 x5 __asm__("x5") = f;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#endif
}

#define SYS(name, ...) SYS_PICK(__VA_ARGS__, SYS6, SYS5, SYS4, SYS3, SYS2, SYS1)(NR_##name, __VA_ARGS__)
#define SYS_PICK(a, b, c, d, e, f, chosen, ...) chosen
#define SYS1(n, a) call6(n, (i64)(a), 0, 0, 0, 0, 0)
#define SYS2(n, a, b) call6(n, (i64)(a), (i64)(b), 0, 0, 0, 0)
#define SYS3(n, a, b, c) call6(n, (i64)(a), (i64)(b), (i64)(c), 0, 0, 0)
#define SYS4(n, a, b, c, d) call6(n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), 0, 0)
#define SYS5(n, a, b, c, d, e) call6(n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), (i64)(e), 0)
#define SYS6(n, a, b, c, d, e, f) call6(n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), (i64)(e), (i64)(f))

enum { EPERM = 1, ENOENT = 2, EINTR = 4, EIO = 5, ENXIO = 6, E2BIG = 7, EAGAIN = 11, ENOMEM = 12, EACCES = 13, EBUSY = 16,
       EEXIST = 17, EXDEV = 18, ENODEV = 19, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ENFILE = 23, EMFILE = 24, ETXTBSY = 26,
       EFBIG = 27, ENOSPC = 28, EROFS = 30, EMLINK = 31, EPIPE = 32, ENAMETOOLONG = 36, ENOSYS = 38, ELOOP = 40, ENOEXEC = 8,
       EDQUOT = 122 };

enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_EXCL = 0200, O_NONBLOCK = 04000, O_CLOEXEC = 02000000,
       O_PATH = 010000000 };
#if defined(__x86_64__)
enum { O_DIRECTORY = 0200000 };
#else
enum { O_DIRECTORY = 040000 };
#endif

enum { F_SETPIPE_SZ = 1031 };
enum { CLONE_VM = 0x100, CLONE_VFORK = 0x4000 };
enum { AT_FDCWD = -100, AT_REMOVEDIR = 0x200 };
enum { SIGKILL = 9, SIGPIPE = 13, SIGCHLD = 17, SIGCONT = 18, SIGSTOP = 19, SIGRTMAX = 64 };
enum { POLLIN = 1, POLLHUP = 16 };
enum { S_IFMT = 0170000, S_IFIFO = 0010000, S_IFREG = 0100000 };

struct pollfd { int fd; short events, revents; };
struct timespec { i64 seconds, nanoseconds; };

#if defined(__x86_64__)
struct stat { u64 dev, ino, nlink; u32 mode, uid, gid, pad; u64 rdev; i64 size, blksize, blocks; u64 times[6]; i64 spare[3]; };
#else
struct stat { u64 dev, ino; u32 mode, nlink, uid, gid; u64 rdev, pad; i64 size; int blksize, pad2; i64 blocks; u64 times[6]; u32 spare[2]; };
#endif

struct dirent { u64 ino; i64 offset; u16 length; u8 type; char name[]; };
