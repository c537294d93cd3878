// The warden: what the launcher's program is first in a sandbox of bubblewrap's, as pid 1 of it, from the slot's first opening
// to the runner's end. Each time the slot opens it clones itself into a cell: pid, mount, ipc and, without a network, net
// namespaces that did not exist before, fresh file systems in memory, the slot's new folders, no capability. The clone goes
// on as the launcher, so that a slot's opening costs neither bubblewrap nor an interpreter's start. Nothing but the warden
// and its cell lives below bubblewrap, and no hostile code runs outside of a cell: there the warden has no pid, is not
// dumpable, and its capabilities keep everybody from attaching to it.
//
// Protocol. Warden to runner, on fd 1:
//   ready N HOW   the cell before has ended, as HOW says, and nothing of it lives; the FIFOs `in.N` and `out.N` in the channel
//                 folder are empty, and wait for their other ends. Two pairs take turns, so that nobody has one open still;
//                 ext4 is slow to make new ones, as it takes no inode that was deleted lately
// Runner to warden, on fd 0, a line each: `open`, when it has opened both FIFOs: they become fd 0 and 1 of a launcher; `close`:
// everything in the cell is killed.

/** Where bubblewrap shows the warden the slot's folder; a cell has a /tmp of its own in front of it. */
export const SLOT_INSIDE = "/tmp/slot";
export const CHANNEL_FOLDER = "channel";
/** What the warden needs, all of it in its own user namespace: to make namespaces and mounts, to bring up lo, to drop this. */
export const WARDEN_CAPABILITIES: readonly string[] = ["CAP_SETPCAP", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"];

/** Numbers of the system calls that it needs beside the launcher's: clone, mount, capset. */
export const WARDEN_SYSCALLS: Readonly<Partial<Record<NodeJS.Architecture, readonly number[]>>> = {
  x64: [56, 165, 126],
  arm64: [220, 40, 91],
};

/** Functions of the launcher's program; `keep_cells` returns in a cell only. */
export const WARDEN_SOURCE = String.raw`
sub keep_cells {
  my ($has_network, $scratch_bytes, $run_bytes, $workspace_bytes, @syscalls) = @_;
  my ($clone, $mount, $capset) = map { $_ + 0 } @syscalls;
  my $channel = '${SLOT_INSIDE}/${CHANNEL_FOLDER}';
  my $how = '';
  $0 = 'switchyard-warden';
  syscall($prctl, 4, 0, 0, 0, 0);                         # PR_SET_DUMPABLE
  my @pairs = map { ["$channel/in.$_", "$channel/out.$_"] } 0, 1;
  for my $path (map { @$_ } @pairs) {
    syscall($mknodat, -100, $path, 0010600, 0) == 0 or die "$path: $!\n";
  }
  for (my $turn = 0; ; $turn = 1 - $turn) {
    my ($in_path, $out_path) = @{$pairs[$turn]};
    # The first reader, and a writer until there is another: so the runner's ends open at once, and see no end.
    sysopen(my $in, $in_path, $O_NONBLOCK) or die "$in_path: $!\n";
    sysopen(my $holder, $out_path, $O_RDWR | $O_NONBLOCK) or die "$out_path: $!\n";
    # Whoever had them open in the cell before the last has closed them, and what was in them went with that.
    my $stale = sysread($in, my $byte, 1);
    defined $stale && $stale == 0 && !defined sysread($holder, $byte, 1) or die "the channel is not clean\n";
    say_line("ready $turn $how");
    exit 0 unless heard_line() eq 'open';
    sysopen(my $out, $out_path, $O_WRONLY) or die "$out_path: $!\n";
    close $holder;
    # CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET, and SIGCHLD
    my $cell = syscall($clone, 0x28020000 | ($has_network ? 0 : 0x40000000) | 17, 0, 0, 0, 0);
    if ($cell == 0) {
      open(STDIN, '<&', $in) && open(STDOUT, '>&', $out) && close($in) && close($out) or die "channel: $!\n";
      fcntl(STDIN, 4, 0);                                 # F_SETFL
      syscall($setsid);                                   # a signal to its own process group must not reach the warden's
      furnish_cell($mount, $scratch_bytes, $run_bytes, $workspace_bytes);
      bring_up_loopback() unless $has_network;
      drop_capabilities($capset);
      return;
    }
    my $why = $!;
    close $in;
    close $out;
    if ($cell < 0) { $how = "clone: $why"; next }
    exit 0 unless heard_line() eq 'close';
    kill 'KILL', $cell;
    waitpid $cell, 0;                                     # pid 1 of a pid namespace ends when nobody else is left in it
    $how = $? & 127 ? 'killed by signal ' . ($? & 127) : 'exit code ' . ($? >> 8);
    opendir(my $proc, '/proc') or die "/proc: $!\n";
    my @left = grep { /^\d+$/ && $_ != $$ } readdir $proc;
    die "processes @left outlived their cell\n" if @left;
  }
}

# Empty at the end of the input.
sub heard_line {
  my $line = '';
  while ($line !~ s/\n\z//) { sysread(STDIN, $line, 1, length $line) or return '' }
  return $line;
}

sub furnish_cell {
  my ($mount, $scratch_bytes, $run_bytes, $workspace_bytes) = @_;
  my $put = sub {
    my ($what, $where, $type, $flags, $options) = @_;
    syscall($mount, $what, $where, $type, $flags + 0, $options) == 0 or die "mount $where: $!\n";
  };
  my $scratch = sub { my ($where, $mode, $bytes) = @_; $put->('tmpfs', $where, 'tmpfs', 6, "mode=$mode,size=$bytes") };
  my $slot = '${SLOT_INSIDE}';
  syscall($prctl, 4, 1, 0, 0, 0);                         # or the launcher could not set what is its own in /proc
  $put->('none', '/', '', 0x44000, '');                   # MS_REC | MS_PRIVATE
  $put->('proc', '/proc', 'proc', 14, '');                # MS_NOSUID | MS_NODEV | MS_NOEXEC
  $put->('devpts', '/dev/pts', 'devpts', 10, 'newinstance,ptmxmode=0666,mode=620');
  $scratch->('/dev/shm', '1777', $scratch_bytes);
  if ($workspace_bytes) { $scratch->('/workspace', '0700', $workspace_bytes) }
  else { $put->("$slot/workspace", '/workspace', '', 0x1000, '') }   # MS_BIND
  $scratch->('/run', '0755', $run_bytes);
  mkdir $run_dir or die "$run_dir: $!\n";
  $put->("$slot/run", $run_dir, '', 0x1000, '');
  # Covers the slot's folder; what would uncover it needs capabilities that nothing in the cell has.
  $scratch->('/tmp', '1777', $scratch_bytes);
  chdir '/workspace' or die "/workspace: $!\n";
}

sub bring_up_loopback {
  my $request = pack('a16 s x22', 'lo', 1);               # IFF_UP
  socket(my $any, 2, 2, 0) or die "socket: $!\n";
  ioctl($any, 0x8914, $request) or die "lo: $!\n";        # SIOCSIFFLAGS
}

# Those of WARDEN_CAPABILITIES, for itself and whatever it starts.
sub drop_capabilities {
  my ($capset) = @_;
  my ($header, $none) = (pack('LL', 0x20080522, 0), "\0" x 24);
  for my $capability (12, 21, 8) {
    syscall($prctl, 24, $capability, 0, 0, 0) == 0 or die "capability $capability: $!\n";   # PR_CAPBSET_DROP
  }
  syscall($capset, $header, $none) == 0 or die "capset: $!\n";
}
`;
