// The launcher: a small Perl program that lives inside a slot's sandbox from slot open to slot close, as pid 1 of a cell
// where the sandbox has pids of its own (warden-source.ts). It starts what the runner asks for, reports exact wait statuses, reaps orphans, and
// kills all that one call started. Perl because it is in every Debian-family base image, forks in a tenth of the time
// that Node takes, and can tell exit 137 from SIGKILL, which no shell can. No module is loaded: the interpreter alone
// is enough.
//
// Untrusted code shares its uid and may take it over; it then owns no more than its own slot. The runner believes
// nothing it says beyond that.
//
// It keeps one child armed: forked, and waiting for its request on a FIFO of its own, so that a command costs its caller no
// fork and no turn of the launcher.
//
// Protocol. Launcher to runner, on fd 1:
//   armed ID SET    a child waits; the FIFOs SET.in, SET.out and SET.err in the run folder are its request, stdout and stderr,
//                   and nothing of an earlier child's is left in them
//   exit ID STATUS  it has ended; STATUS as waitpid(2) gives it
//   unable WHY      a child that was asked for could not be made
//   killed ID       nothing that it started is alive (`killed all`: nothing in the slot but the launcher)
//   weighs MEMORY DISK ENTRIES   what the slot holds that is seen from inside only; see weight.ts
// Runner to launcher, on fd 0, a line each: `arm`; `kill ID SINCE`, where SINCE is when it got its request; `killall`;
// `weigh`; `lasting ID`: the child is a shell that outlives its request; `kill ID SINCE SHELL`: the shell works for that
// child, so what the shell started since is killed too, and the shell itself is told by a signal to give its command up;
// `end ID`: the child alone is killed.
// Runner to child, on SET.in: 32-bit big-endian length, and so many bytes of fields, each again a length and its bytes.
// Fields of a request: the child's ID, and `bash`, working folder, number of environment entries, each entry, the argument list;
// `read`, workspace, path, offset, limit (0: to the end), most bytes; `write`, workspace, path, content; `shell`, number of
// environment entries, each entry: a bash that goes on reading commands from SET.in, which then is SET.shell/bash, and has
// SET.out as SET.shell/words; `done`: nothing, for a child that only lent its FIFOs; `transfer`: see transfer-source.ts;
// `program`, Perl text that gives a function of this program's that few slots need (tmux-source.ts), working folder, number
// of environment entries, each entry, the function's arguments: it has the folder `own` in the run folder, which is the
// slot's user's.
// The file operations end with status 0 and the file's size on stderr, or with 1 and the error text on stderr; a program
// with 0, or with 1 and the error text on stderr.

import { constants } from "node:fs";
import { TRANSFER_SOURCE } from "./transfer-source.js";
import { WARDEN_SOURCE, WARDEN_SYSCALLS } from "./warden-source.js";
import { WEIGH_SOURCE } from "./weight.js";

// Numbers of the system calls that Perl has no function for: mknodat, setsid, prctl, signalfd4, rt_sigprocmask, prlimit64,
// setgroups, setresgid, setresuid, statfs, dup3, ppoll.
const SYSCALLS: Readonly<Partial<Record<NodeJS.Architecture, readonly number[]>>> = {
  x64: [259, 112, 157, 289, 14, 302, 116, 119, 117, 137, 292, 271],
  arm64: [33, 157, 167, 74, 135, 261, 159, 149, 147, 43, 24, 73],
};

/** Limits that every process of a slot inherits from its launcher. */
export interface ProcessLimits {
  /** Processes and threads of the slot's user. */
  readonly processes: number;
  readonly openFiles: number;
  readonly fileBytes: number;
}

/** What a warden gives each cell. */
export interface CellSpec {
  readonly hasNetwork: boolean;
  /** Of /tmp and /dev/shm, each. */
  readonly scratchBytes: number;
  readonly runBytes: number;
  /** Of a workspace in memory; 0: it is the slot's folder. */
  readonly workspaceBytes: number;
}

export interface LauncherSpec {
  /** The interpreter, with what must come before its own arguments. */
  readonly perl: readonly string[];
  /** The run folder as it is seen inside the sandbox. */
  readonly runFolder: string;
  /** Whether every process that the launcher can see is the slot's. */
  readonly isAlone: boolean;
  /** The user that everything runs as which the launcher starts; absent: the launcher's own. */
  readonly uid?: number;
  readonly limits: ProcessLimits;
  /** With it, the program is a warden's first. */
  readonly cell?: CellSpec;
}

/** Command line of the launcher. */
export function launcherCommand({ perl, runFolder, isAlone, uid = 0, limits, cell }: LauncherSpec): string[] {
  const [syscalls, wardenSyscalls] = [SYSCALLS[process.arch], WARDEN_SYSCALLS[process.arch]];
  if (!syscalls || !wardenSyscalls)
    throw new Error(`no launcher for the ${process.arch} architecture; x64 and arm64 have one`);
  const numbers = [...syscalls, constants.O_DIRECTORY];
  const settings = [...numbers, isAlone ? 1 : 0, uid, limits.processes, limits.openFiles, limits.fileBytes];
  if (cell) {
    const { hasNetwork, scratchBytes, runBytes, workspaceBytes } = cell;
    settings.push(hasNetwork ? 1 : 0, scratchBytes, runBytes, workspaceBytes, ...wardenSyscalls);
  }
  return [...perl, "-e", BOOTSTRAP, runFolder, ...settings.map(String)];
}

/** The launcher takes its program from this descriptor; as an argument it would fill every list of processes. */
export const SOURCE_FD = 3;

const BOOTSTRAP = `open my $f, "<&=${SOURCE_FD}"; my $p = do { local $/; <$f> }; close $f; eval $p; die $@ if $@`;

export const LAUNCHER_SOURCE = String.raw`
my ($run_dir, $mknodat, $setsid, $prctl, $signalfd4, $sigprocmask, $prlimit, $setgroups, $setresgid, $setresuid,
  $statfs, $dup3, $ppoll, $O_DIRECTORY, $is_alone, $uid, @settings) = @ARGV;
$uid += 0;
my (@limits) = splice(@settings, 0, 3);
my ($O_WRONLY, $O_RDWR, $O_CREAT, $O_EXCL, $O_NONBLOCK, $O_PATH) = (1, 2, 0100, 0200, 04000, 010000000);
my ($ENOENT, $EEXIST, $ENOTDIR) = (2, 17, 20);
my $ARGUMENT_MAX = 131_071;
my $SIGRTMAX = 64;
my $SPARE_MAX = 3;
my $SIGCHLD_SET = pack('Q', 1 << 16);
close_inherited();
keep_cells(@settings) if @settings;
$0 = 'switchyard-launcher';
my $launcher = $$;
# PR_SET_CHILD_SUBREAPER: orphans become ours; gVisor knows it not, and gives them to pid 1.
my $adopter = syscall($prctl, 36, 1, 0, 0, 0) == 0 ? $$ : 1;
my %limit;
@limit{6, 7, 1, 4} = (@limits, 0);                        # processes, open files, file size, core
for my $resource (keys %limit) {
  syscall($prlimit, 0, $resource + 0, pack('QQ', $limit{$resource}, $limit{$resource}), 0) == 0 or die "setrlimit $resource: $!";
}
if (open(my $score, '>', '/proc/self/oom_score_adj')) { print $score 500; }
syscall($prctl, 4, 0, 0, 0, 0);                           # PR_SET_DUMPABLE: nobody attaches to the launcher
syscall($sigprocmask, 0, $SIGCHLD_SET, 0, 8);
my $signal_fd = syscall($signalfd4, -1, $SIGCHLD_SET, 8, 02004000);
open(my $signals, '<&=', $signal_fd) or die "signalfd: $!";

my %id_of;        # pid of a child => its id
my %pid_of;       # id => pid of a child that lives, or was the last to be asked to die
my %set_of;       # id of a child that lives => its FIFOs
my @spare;        # FIFOs of children that have ended, the last at the end
my %lasting;      # ids of shells that outlive their request
my ($made, $sets) = (0, 0);
my $input = '';

sub say_line { my $line = "$_[0]\n"; syswrite(STDOUT, $line) }

# What the server's own parent left open must not reach a slot.
sub close_inherited {
  opendir(my $open, '/proc/self/fd') or return;
  my @inherited = grep { /^\d+$/ && $_ > 2 } readdir $open;
  closedir $open;
  for my $fd (@inherited) { open(my $handle, '<&=', $fd) }   # closed with $handle
}

# Three FIFOs: a child's request, its stdout and its stderr. Our ends stay open for as long as the set is used, so that the
# runner may write, and a child begin, whatever happens.
sub new_set {
  my $name = ++$sets;
  my @paths = map { "$run_dir/$name.$_" } 'in', 'out', 'err';
  my %set = (name => $name, paths => \@paths);
  # Where a command has put something in their place it is removed.
  my $is_made = !grep { make_fifo($_) != 0 && !(unlink($_) && make_fifo($_) == 0) } @paths;
  # A command may open its /dev/stdout anew.
  chown($uid, $uid, @paths[1, 2]) if $uid;
  if ($is_made && sysopen($set{in}, $paths[0], $O_RDWR) && sysopen($set{out}, $paths[1], $O_NONBLOCK)
    && sysopen($set{err}, $paths[2], $O_NONBLOCK)) {
    my @fds = map { fileno $set{$_} } 'in', 'out', 'err';
    $set{ends} = [map { "/proc/self/fd/$_" } @fds[1, 2]];
    # What ppoll is asked: is there anything to read. And its answer for a set that is idle: no; no, nor a writer; likewise.
    $set{asked} = pack('(lss)3', map { $_, 1, 0 } @fds);
    $set{idle} = pack('(lss)3', $fds[0], 1, 0, map { $_, 1, 16 } @fds[1, 2]);
    return \%set if open_writers(\%set);
  }
  my $why = $!;
  unlink @paths;
  $! = $why;
  return undef;
}

sub make_fifo { my ($path) = @_; return syscall($mknodat, -100, $path, 0010600, 0) }

# By what we have open: a command may have put something else in the place of their names.
sub open_writers {
  my ($set) = @_;
  return sysopen($set->{stdout}, $set->{ends}[0], $O_WRONLY) && sysopen($set->{stderr}, $set->{ends}[1], $O_WRONLY);
}

# Whether nothing is left in it, nobody can write into it, and its names are there for those that go by them.
sub is_idle {
  my ($set) = @_;
  my ($answer, $at_once) = ($set->{asked}, "\0" x 16);
  return syscall($ppoll, $answer, 3, $at_once, 0, 0) >= 0 && $answer eq $set->{idle} && 3 == grep { -p } @{$set->{paths}};
}

# The set of the child that ended last is not taken: the runner may still be reading it.
sub free_set {
  while (@spare > 1) {
    my $set = shift @spare;
    return $set if is_idle($set) && open_writers($set);
    unlink @{$set->{paths}};
  }
  return new_set();
}

sub arm {
  my $set = free_set() or return say_line("unable $!");
  my $id = $made + 1;
  my $pid = fork;
  if (!defined $pid) {
    say_line("unable $!");
    delete @$set{'stdout', 'stderr'};
    unshift @spare, $set;
    return;
  }
  if ($pid == 0) {
    syscall($sigprocmask, 1, $SIGCHLD_SET, 0, 8);
    syscall($setsid);
    syscall($prctl, 1, 9, 0, 0, 0);                       # PR_SET_PDEATHSIG: never left waiting by a dead launcher
    getppid() == $launcher or exit 0;
    sysopen(my $nothing, '/dev/null', 0);
    syscall($dup3, fileno $nothing, 0, 0);
    syscall($dup3, fileno $set->{stdout}, 1, 0);
    syscall($dup3, fileno $set->{stderr}, 2, 0);
    delete @$set{'out', 'err', 'stdout', 'stderr'};
    exit(run_request($id, $set));
  }
  $made = $id;
  $id_of{$pid} = $id;
  $pid_of{$id} = $pid;
  delete $pid_of{$id - 100} unless $lasting{$id - 100};
  delete @$set{'stdout', 'stderr'};
  $set_of{$id} = $set;
  say_line("armed $id $set->{name}");
}

# Whether a child is armed or at work on a request.
sub busy { return scalar grep { !$lasting{$_} } values %id_of }

# pid => [parent, start time, session] of every process that can be seen
sub processes {
  my %found;
  # Without a list of processes none could be killed; the launcher's own end, as pid 1, kills them all.
  opendir(my $proc, '/proc') or die "/proc: $!";
  local $/;                                               # a process may have put a newline into its name
  for my $pid (grep { /^\d+$/ } readdir $proc) {
    open(my $stat, '<', "/proc/$pid/stat") or $! == $ENOENT ? next : die "/proc/$pid/stat: $!";
    my $line = <$stat>;
    next unless defined $line && $line =~ /^.*\) (\S) (\d+) \d+ (\d+)/s;
    next if $1 eq 'Z' || $1 eq 'X';
    my ($parent, $session) = ($2, $3);
    $line =~ s/^.*\) //s;
    $found{$pid} = [$parent, (split ' ', $line)[19, 17], $session];
  }
  return %found;
}

# The ancestor that is a child of the launcher, or an orphan born after it; undef when the process is not below it.
sub root_of {
  my ($pid, $all) = @_;
  for (my $hops = 0; $hops < 10_000; $hops++) {
    my $entry = $all->{$pid} or return undef;
    return $pid if $entry->[0] == $$ || $entry->[0] == $adopter && $entry->[1] >= $all->{$$}[1];
    $pid = $entry->[0];
  }
  return undef;
}

# How many processes the slot has, and those that a child started: itself, what descends from it, and orphans that were
# born since its request, at $since, in the hundredths of a second since boot that /proc counts in. Of a shell that works
# for it, what the shell started after the child was born, at $born: it was armed when the call before had ended.
sub victims {
  my ($id, $since, $shell, $born) = @_;
  my %all = processes();
  my $main = $pid_of{$id} || 0;
  my ($others, @found) = (0);
  for my $pid (keys %all) {
    next if $pid == $$;
    my $root = root_of($pid, \%all) or next;
    $others++;
    if ($shell && $root == $shell) {
      my $top = $pid;
      $top = $all{$top}[0] until $top == $shell || $all{$top}[0] == $shell;
      next if $top == $shell || $all{$top}[1] < $born || $all{$top}[1] == $born && $top < $main;
    } elsif ($id ne 'all' && $root != $main && $all{$pid}[3] != $main) {
      next if exists $id_of{$root} || $all{$root}[1] < $since;
    }
    push @found, $pid;
  }
  return ($others, @found);
}

# At once, so that nothing can fork away: all processes but the launcher, or all of the slot's user.
sub kill_everything {
  return kill 'KILL', -1 if $is_alone;
  my $pid = fork;
  return unless defined $pid;
  if ($pid == 0) { become_user() and kill 'KILL', -1; exit 0 }
  waitpid $pid, 0;
}

# For good: real, effective and saved ids.
sub become_user {
  return 1 unless $uid;
  my $none = '';
  return syscall($setgroups, 0, $none) == 0 && syscall($setresgid, $uid, $uid, $uid) == 0
    && syscall($setresuid, $uid, $uid, $uid) == 0;
}

# Stopped before they are killed, until no new ones appear: what is stopped cannot fork.
sub kill_call {
  my ($id, $since, $shell_id) = @_;
  my $shell = $shell_id && living($shell_id);
  my $born = $since;
  if ($shell) {
    kill 'STOP', $shell;
    my %all = processes();
    my $main = $all{living($id) || 0};
    $born = $main->[1] if $main;
  }
  my $stopped = 0;
  for (my $round = 0; ; $round++) {
    my ($others, @found) = victims($id, $since, $shell, $born);
    last unless @found;
    die "cannot kill @found" if $round > 2000;
    if (@found == $others && ($is_alone || $uid)) { kill_everything(); kill 'KILL', @found }
    elsif (@found > $stopped) { kill 'STOP', @found; $stopped = @found; next }
    else { kill 'KILL', @found; $stopped = 0 }
    reap();
    select(undef, undef, undef, 0.002) if $round > 3;
  }
  # Before it runs on: what it would do next was to follow on what is dead.
  if ($shell) { kill $SIGRTMAX, $shell; kill 'CONT', $shell }
  say_line("killed $id");
}

# The pid of a child that has not been reaped.
sub living { my $pid = $pid_of{$_[0]}; return defined $pid && exists $id_of{$pid} ? $pid : 0 }

sub reap {
  while ((my $pid = waitpid(-1, 1)) > 0) {
    my $status = $?;
    my $id = delete $id_of{$pid};
    next unless defined $id;
    my $set = delete $set_of{$id};
    say_line("exit $id $status");
    unlink "$run_dir/$set->{name}.command";
    if (!delete $lasting{$id}) {
      push @spare, $set;
      unlink @{(shift @spare)->{paths}} if @spare > $SPARE_MAX;
      next;
    }
    # Its names, or the size of its buffers, may be such as no command expects.
    delete $pid_of{$id};
    my $shell = "$run_dir/$set->{name}.shell";
    unlink @{$set->{paths}}, "$shell/bash", "$shell/words";
    rmdir $shell;
  }
}

# The life of an armed child: one request, then its end.
sub run_request {
  my ($id, $set) = @_;
  my $in = delete $set->{in};
  my $header = read_exactly($in, 4);
  return 0 unless defined $header;
  my $request = read_exactly($in, unpack('N', $header));
  return 0 unless defined $request;
  my ($for, $kind, @fields) = unpack('(N/a*)*', $request);
  # It came when the child before had been killed, and is not to be run.
  kill 'KILL', $$ if $for ne $id;
  close $in unless $kind eq 'transfer';
  return 0 if $kind eq 'done';
  my $shell_folder = $kind eq 'shell' ? shell_folder($set->{name}) : '';
  mkdir("$run_dir/own", 0700) && $uid && chown($uid, $uid, "$run_dir/own") if $kind eq 'program';
  if ($kind eq 'bash' && length $fields[-1] > $ARGUMENT_MAX) {
    my $script = "$run_dir/$set->{name}.command";
    $fields[-1] = write_script($script, $fields[-1]) or do { print STDERR "$script: $!\n"; return 126 };
  }
  become_user() or do { print STDERR "cannot become user $uid: $!\n"; return 126 };
  return exec_command(@fields) if $kind eq 'bash';
  return exec_command($shell_folder, @fields, 'bash', 'bash') if $kind eq 'shell';
  return run_program(@fields) if $kind eq 'program';
  return transfer($in, @fields) if $kind eq 'transfer';
  return eval { $kind eq 'read' ? read_file(@fields) : write_file(@fields); 1 } ? 0 : fail();
}

# The shell's script is named as the shell is, and lies in its working folder: so its messages begin as those of bash -c.
sub shell_folder {
  my $names = "$run_dir/$_[0]";
  my $folder = "$names.shell";
  mkdir($folder) && chmod(0711, $folder) && rename("$names.in", "$folder/bash") && rename("$names.out", "$folder/words")
    && (!$uid || chown($uid, $uid, "$folder/bash")) or print STDERR "$folder: $!\n";
  return $folder;
}

sub read_exactly {
  my ($handle, $length) = @_;
  my $bytes = '';
  while (length $bytes < $length) {
    sysread($handle, $bytes, $length - length $bytes, length $bytes) or return undef;
  }
  return $bytes;
}

# The kernel takes no argument so long: a command in a file, which bash reads whole before it runs it.
sub write_script {
  my ($script, $command) = @_;
  open(my $file, '>', $script) or return undef;
  chmod(0400, $script) && print($file $command) && close($file) && (!$uid || chown($uid, $uid, $script)) or return undef;
  return ". '$script'";
}

sub exec_command {
  my ($folder, $entries, @rest) = @_;
  %ENV = map { split /=/, $_, 2 } splice(@rest, 0, $entries);
  chdir $folder or do { print STDERR "cannot enter $folder: $!\n"; return 126 };
  exec { $rest[0] } @rest or do { print STDERR "cannot start $rest[0]: $!\n"; return 127 };
}

sub run_program {
  my ($program, $folder, $entries, @rest) = @_;
  my $run = eval $program or die $@;
  %ENV = map { split /=/, $_, 2 } splice(@rest, 0, $entries);
  chdir $folder or do { print STDERR "cannot enter $folder: $!\n"; return 126 };
  return eval { $run->(@rest); 1 } ? 0 : fail();
}

sub fail { my $why = $@; $why =~ s/\n\z//; syswrite(STDERR, $why); return 1 }

sub inside { my ($path, $workspace) = @_; return $path eq $workspace || index($path, "$workspace/") == 0 }

# Path below the workspace as a list of names; dies when it leads out of it.
sub names_of {
  my ($workspace, $path) = @_;
  if ($path =~ m{^/}) {
    inside($path, $workspace) or die "Access denied: path outside workspace\n";
    $path = substr($path, length $workspace);
  }
  my @names;
  for my $name (grep { $_ ne '' && $_ ne '.' } split m{/}, $path) {
    if ($name ne '..') { push @names, $name; next }
    @names or die "Access denied: path outside workspace\n";
    pop @names;
  }
  return @names;
}

# Where an open file really is says the kernel, so a link that is swapped meanwhile wins nothing.
sub must_be_inside {
  my ($handle, $workspace) = @_;
  my $where = readlink('/proc/self/fd/' . fileno($handle));
  defined $where && inside($where, $workspace) or die "Access denied: path outside workspace\n";
}

sub read_file {
  my ($workspace, $path, $offset, $limit, $most) = @_;
  my @names = names_of($workspace, $path);
  my $file = open_regular(join('/', $workspace, @names), 0, $workspace, $path)
    or die($! == $ENOENT || $! == $ENOTDIR ? "File not found: $path\n" : "Cannot read $path: $!\n");
  my $size = -s $file;
  my $length = $size > $offset ? $size - $offset : 0;
  $length = $limit if $limit && $limit < $length;
  $length <= $most or die "File too large: $size bytes (max $most)\n";
  sysseek($file, $offset, 0) or die "Cannot read $path: $!\n";
  while ($length > 0) {
    my $count = sysread($file, my $bytes, $length);
    defined $count or die "Cannot read $path: $!\n";
    last unless $count;
    $length -= $count;
    write_all(\*STDOUT, $bytes);
  }
  syswrite(STDERR, $size);
}

sub write_file {
  my ($workspace, $path, $content) = @_;
  my @names = names_of($workspace, $path);
  my $last = pop @names;
  defined $last or die "Not a file: $path\n";
  my $folder = make_folder($workspace, $path, @names);
  my $target = '/proc/self/fd/' . fileno($folder) . "/$last";
  my $file;
  sysopen($file, $target, $O_WRONLY | $O_CREAT | $O_EXCL, 0666)
    or $! == $EEXIST && ($file = open_regular($target, $O_WRONLY, $workspace, $path))
    or die "Cannot write $path: $!\n";
  truncate($file, 0) or die "Cannot write $path: $!\n";
  write_all($file, $content) or die "Cannot write $path: $!\n";
  syswrite(STDERR, length $content);
}

# The folder of those names, made where it is missing.
sub make_folder {
  my ($workspace, $path, @names) = @_;
  opendir_at(my $folder, $workspace, $workspace, $path);
  for my $name (@names) {
    my $next = '/proc/self/fd/' . fileno($folder) . "/$name";
    -e $next || mkdir($next) || $! == $EEXIST or die "Cannot write $path: $!\n";
    opendir_at(my $child, $next, $workspace, $path);
    $folder = $child;
  }
  return $folder;
}

# Looked at before it is opened: opening a device or a FIFO is an act of its own.
sub open_regular {
  my ($where, $mode, $workspace, $path) = @_;
  sysopen(my $found, $where, $O_PATH) or return undef;
  must_be_inside($found, $workspace);
  -f $found or die "Not a file: $path\n";
  sysopen(my $file, '/proc/self/fd/' . fileno($found), $mode) or return undef;
  return $file;
}

sub opendir_at {
  my (undef, $where, $workspace, $path) = @_;
  sysopen($_[0], $where, $O_DIRECTORY) or die($! == $ENOTDIR ? "Not a folder on the way to $path\n" : "Cannot write $path: $!\n");
  must_be_inside($_[0], $workspace);
}

sub write_all {
  my ($handle, $bytes) = @_;
  my $done = 0;
  while ($done < length $bytes) {
    my $count = syswrite($handle, $bytes, length($bytes) - $done, $done);
    return 0 unless defined $count;
    $done += $count;
  }
  return 1;
}

${WARDEN_SOURCE}
${TRANSFER_SOURCE}
${WEIGH_SOURCE}
sub obey {
  my ($verb, $id, $since, $shell) = split / /, $_[0];
  if ($verb eq 'arm') { arm() }
  elsif ($verb eq 'kill') { kill_call($id, $since, $shell) }
  elsif ($verb eq 'lasting') { $lasting{$id} = 1 if living($id); arm() unless busy() }
  elsif ($verb eq 'end') { my $pid = living($id); kill 'KILL', $pid if $pid }
  elsif ($verb eq 'killall') { kill_call('all', 0) }
  elsif ($verb eq 'weigh') { weigh() }
}

arm();
my ($stdin_fd, $watch) = (fileno(STDIN), '');
vec($watch, $_, 1) = 1 for $stdin_fd, $signal_fd;
while (1) {
  my $ready = $watch;
  next if select($ready, undef, undef, undef) < 0;
  if (vec($ready, $signal_fd, 1)) {
    sysread($signals, my $info, 128);
    reap();
    arm() unless busy();
  }
  if (vec($ready, $stdin_fd, 1)) {
    sysread(STDIN, $input, 65536, length $input) or last;
    obey($1) while $input =~ s/^([^\n]*)\n//;
  }
}
kill_call('all', 0);
`;
