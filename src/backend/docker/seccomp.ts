// The containers' seccomp profile. Docker's own forbids the namespaces and mounts that a sandbox inside the container is
// made of; this one allows them to everybody, since an unprivileged user namespace gives no power outside itself, and
// denies what has no business in a slot and a record of kernel holes.

interface Denial {
  readonly names: readonly string[];
  readonly why: string;
}

const DENIED: readonly Denial[] = [
  { why: "loads code into the kernel", names: ["init_module", "finit_module", "delete_module", "create_module"] },
  { why: "replaces the kernel", names: ["kexec_load", "kexec_file_load", "reboot"] },
  { why: "programs and observes the kernel", names: ["bpf", "perf_event_open", "lookup_dcookie", "kcmp"] },
  { why: "keyrings are not namespaced", names: ["add_key", "request_key", "keyctl"] },
  { why: "opens files by handle, past every mount", names: ["open_by_handle_at"] },
  { why: "stops the kernel in page faults: makes races winnable", names: ["userfaultfd"] },
  { why: "a long record of kernel holes", names: ["io_uring_setup", "io_uring_enter", "io_uring_register"] },
  {
    why: "changes the machine's clock",
    names: ["settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "stime"],
  },
  { why: "the machine's swap, quotas and accounting", names: ["swapon", "swapoff", "quotactl", "quotactl_fd", "acct"] },
  { why: "raw access to hardware", names: ["iopl", "ioperm"] },
  { why: "reads or takes over the kernel's log and terminals", names: ["syslog", "vhangup"] },
  { why: "moves memory between nodes of other processes", names: ["move_pages", "migrate_pages"] },
  {
    why: "obsolete, and only ever a way in",
    names: ["uselib", "ustat", "sysfs", "_sysctl", "nfsservctl", "vm86", "vm86old"],
  },
];

/** As Docker's API takes it: the text of a profile. */
export function seccompProfile(): string {
  return JSON.stringify({
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: DENIED.map(({ names, why }) => ({ names, action: "SCMP_ACT_ERRNO", errnoRet: 1, comment: why })),
  });
}
