// The launcher: a small Perl program that lives inside a slot's sandbox from slot open to slot close, as its pid 1 where
// the sandbox has pids of its own. It starts what the runner asks for, reports exact wait statuses, reaps orphans, and
// kills all that one call started. Perl because it is in every Debian-family base image, forks in a tenth of the time
// that Node takes, and can tell exit 137 from SIGKILL, which no shell can. No module is loaded: the interpreter alone
// is enough.
//
// Untrusted code shares its uid and may take it over; it then owns no more than its own slot. The runner believes
// nothing it says beyond that.
//
// Protocol. Runner to launcher, on fd 0: a line `run ID PAIR LENGTH`, followed by LENGTH bytes of fields, each a
// 32-bit big-endian length and that many bytes; or a line `kill ID`, or `killall`. Launcher to runner, on fd 1:
//   pair N          the FIFOs N.out and N.err exist in the run folder and wait for their reader
//   exit ID STATUS  the main process of a call has ended; STATUS as waitpid(2) gives it
//   killed ID       nothing that the call started is alive (`killed all`: nothing in the slot but the launcher)
// Fields of a run: `bash`, working folder, number of environment entries, each entry, the argument list;
// `read`, workspace, path, offset, limit (0: to the end), most bytes; `write`, workspace, path, content.
// The file operations end with status 0 and the file's size on stderr, or with 1 and the error text on stderr.

import { constants } from "node:fs";

// Numbers of the system calls that Perl has no function for: mknodat, setsid, prctl, signalfd4, rt_sigprocmask, prlimit64,
// setgroups, setresgid, setresuid.
const SYSCALLS: Readonly<Partial<Record<NodeJS.Architecture, readonly number[]>>> = {
  x64: [259, 112, 157, 289, 14, 302, 116, 119, 117],
  arm64: [33, 157, 167, 74, 135, 261, 159, 149, 147],
};

/** Limits that every process of a slot inherits from its launcher. */
export interface ProcessLimits {
  /** Processes and threads of the slot's user. */
  readonly processes: number;
  readonly openFiles: number;
  readonly fileBytes: number;
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
}

/** Command line of the launcher. */
export function launcherCommand({ perl, runFolder, isAlone, uid = 0, limits }: LauncherSpec): string[] {
  const syscalls = SYSCALLS[process.arch];
  if (!syscalls) throw new Error(`no launcher for the ${process.arch} architecture; x64 and arm64 have one`);
  const numbers = [...syscalls, constants.O_DIRECTORY];
  const settings = [...numbers, isAlone ? 1 : 0, uid, limits.processes, limits.openFiles, limits.fileBytes];
  return [...perl, "-e", BOOTSTRAP, runFolder, ...settings.map(String)];
}

/** The launcher takes its program from this descriptor; as an argument it would fill every list of processes. */
export const SOURCE_FD = 3;

const BOOTSTRAP = `open my $f, "<&=${SOURCE_FD}"; my $p = do { local $/; <$f> }; close $f; eval $p; die $@ if $@`;

export const LAUNCHER_SOURCE = String.raw`
my ($run_dir, $mknodat, $setsid, $prctl, $signalfd4, $sigprocmask, $prlimit, $setgroups, $setresgid, $setresuid,
  $O_DIRECTORY, $is_alone, $uid, @limits) = @ARGV;
$uid += 0;
my ($O_WRONLY, $O_CREAT, $O_EXCL, $O_NONBLOCK, $O_PATH) = (1, 0100, 0200, 04000, 010000000);
my ($ENOENT, $EEXIST, $ENOTDIR) = (2, 17, 20);
my $ARGUMENT_MAX = 131_071;
my $SIGCHLD_SET = pack('Q', 1 << 16);
$0 = 'switchyard-launcher';
syscall($prctl, 36, 1, 0, 0, 0);                          # PR_SET_CHILD_SUBREAPER
my %limit;
@limit{6, 7, 1, 4} = (@limits, 0);                        # processes, open files, file size, core
for my $resource (keys %limit) {
  syscall($prlimit, 0, $resource + 0, pack('QQ', $limit{$resource}, $limit{$resource}), 0) == 0 or die "setrlimit $resource: $!";
}
if (open(my $score, '>', '/proc/self/oom_score_adj')) { print $score 500; }
syscall($sigprocmask, 0, $SIGCHLD_SET, 0, 8);
my $signal_fd = syscall($signalfd4, -1, $SIGCHLD_SET, 8, 02004000);
open(my $signals, '<&=', $signal_fd) or die "signalfd: $!";

my %call_of;      # pid of a main process => call id
my %main_of;      # call id => [pid, start time]
my (%pair, $pairs_made);
my $input = '';
my $scripts;      # whether any command was ever too long for an argument

sub say_line { my $line = "$_[0]\n"; syswrite(STDOUT, $line) }

sub make_pair {
  my $name = ++$pairs_made;
  my @ends;
  for my $kind ('out', 'err') {
    my $path = "$run_dir/$name.$kind";
    syscall($mknodat, -100, $path, 0010600, 0) == 0 or die "mknod $path: $!";
    sysopen(my $reader, $path, $O_NONBLOCK) or die "open $path: $!";
    sysopen(my $writer, $path, $O_WRONLY) or die "open $path: $!";
    push @ends, $path, $reader, $writer;
  }
  $pair{$name} = \@ends;
  say_line("pair $name");
}

# pid => [parent, start time, session] of every process that can be seen
sub processes {
  my %found;
  opendir(my $proc, '/proc') or return %found;
  for my $pid (grep { /^\d+$/ } readdir $proc) {
    open(my $stat, '<', "/proc/$pid/stat") or next;
    my $line = <$stat>;
    next unless defined $line && $line =~ /^.*\) (\S) (\d+) \d+ (\d+)/s;
    next if $1 eq 'Z' || $1 eq 'X';
    my ($parent, $session) = ($2, $3);
    $line =~ s/^.*\) //s;
    $found{$pid} = [$parent, (split ' ', $line)[19], $session];
  }
  return %found;
}

# The ancestor that is a child of the launcher, or undef when the process is not below it.
sub root_of {
  my ($pid, $all) = @_;
  for (my $hops = 0; $hops < 10_000; $hops++) {
    my $entry = $all->{$pid} or return undef;
    return $pid if $entry->[0] == $$;
    $pid = $entry->[0];
  }
  return undef;
}

# How many processes the slot has, and those that a call started: its main process, what descends from it, and orphans
# that are younger than it.
sub victims {
  my ($id) = @_;
  my %all = processes();
  my ($main, $start) = $main_of{$id} ? @{$main_of{$id}} : (0, 0);
  my ($others, @found) = (0);
  for my $pid (keys %all) {
    next if $pid == $$;
    my $root = root_of($pid, \%all) or next;
    $others++;
    if ($id ne 'all' && $root != $main && $all{$pid}[2] != $main) {
      next if exists $call_of{$root};
      my $born = $all{$root}[1];
      next if $born < $start || ($born == $start && $root < $main);
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
  my ($id) = @_;
  my $stopped = 0;
  for (my $round = 0; $round < 2000; $round++) {
    my ($others, @found) = victims($id);
    last unless @found;
    if (@found == $others && ($is_alone || $uid)) { kill_everything() }
    elsif (@found > $stopped) { kill 'STOP', @found; $stopped = @found; next }
    else { kill 'KILL', @found; $stopped = 0 }
    reap();
    select(undef, undef, undef, 0.002) if $round > 3;
  }
  say_line("killed $id");
}

sub reap {
  while ((my $pid = waitpid(-1, 1)) > 0) {
    my $status = $?;
    my $id = delete $call_of{$pid};
    next unless defined $id;
    say_line("exit $id $status");
    unlink "$run_dir/$pid.command" if $scripts;
  }
}

sub start_time {
  open(my $stat, '<', "/proc/$_[0]/stat") or return 0;
  my $line = <$stat>;
  $line =~ s/^.*\) //s;
  return (split ' ', $line)[19];
}

sub run {
  my ($id, $name, @fields) = @_;
  my $ends = delete $pair{$name} or return say_line("exit $id 32512");
  my ($out_path, $out_reader, $out, $err_path, $err_reader, $err) = @$ends;
  unlink $out_path, $err_path;
  my $pid = fork;
  unless (defined $pid) {
    syswrite($err, "cannot start a process: $!\n");
    return say_line("exit $id 32256");
  }
  $scripts ||= $fields[0] eq 'bash' && length $fields[-1] > $ARGUMENT_MAX;
  if ($pid == 0) {
    syscall($sigprocmask, 1, $SIGCHLD_SET, 0, 8);
    syscall($setsid);
    open(STDIN, '<', '/dev/null');
    open(STDOUT, '>&', $out);
    open(STDERR, '>&', $err);
    $fields[-1] = script_of($fields[-1]) if $fields[0] eq 'bash' && length $fields[-1] > $ARGUMENT_MAX;
    become_user() or do { print STDERR "cannot become user $uid: $!\n"; exit 126 };
    my $kind = shift @fields;
    exec_command(@fields) if $kind eq 'bash';
    exit(eval { $kind eq 'read' ? read_file(@fields) : write_file(@fields); 1 } ? 0 : fail());
  }
  $call_of{$pid} = $id;
  %main_of = map { $_ => $main_of{$_} } values %call_of;
  $main_of{$id} = [$pid, start_time($pid)];
}

# The kernel takes no argument so long: a command in a file, which bash reads whole before it runs it.
sub script_of {
  my $script = "$run_dir/$$.command";
  my $file;
  open($file, '>', $script) && chmod(0400, $script) && print($file $_[0]) && close($file) && (!$uid || chown($uid, $uid, $script))
    or do { print STDERR "$script: $!\n"; exit 126 };
  return ". $script";
}

sub exec_command {
  my ($folder, $entries, @rest) = @_;
  %ENV = map { split /=/, $_, 2 } splice(@rest, 0, $entries);
  chdir $folder or do { print STDERR "cannot enter $folder: $!\n"; exit 126 };
  exec { $rest[0] } @rest or do { print STDERR "cannot start $rest[0]: $!\n"; exit 127 };
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
  opendir_at(my $folder, $workspace, $workspace, $path);
  for my $name (@names) {
    my $next = '/proc/self/fd/' . fileno($folder) . "/$name";
    -e $next || mkdir($next) || $! == $EEXIST or die "Cannot write $path: $!\n";
    opendir_at(my $child, $next, $workspace, $path);
    $folder = $child;
  }
  my $target = '/proc/self/fd/' . fileno($folder) . "/$last";
  my $file;
  sysopen($file, $target, $O_WRONLY | $O_CREAT | $O_EXCL, 0666)
    or $! == $EEXIST && ($file = open_regular($target, $O_WRONLY, $workspace, $path))
    or die "Cannot write $path: $!\n";
  truncate($file, 0) or die "Cannot write $path: $!\n";
  write_all($file, $content) or die "Cannot write $path: $!\n";
  syswrite(STDERR, length $content);
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

# One request from the input buffer; false when it is not all there yet.
sub take_request {
  my $end = index($input, "\n");
  return 0 if $end < 0;
  my ($verb, $id, $name, $length) = split / /, substr($input, 0, $end);
  if ($verb eq 'run') {
    return 0 if length($input) < $end + 1 + $length;
    my @fields = unpack('(N/a*)*', substr($input, $end + 1, $length));
    substr($input, 0, $end + 1 + $length, '');
    run($id, $name, @fields);
    make_pair();
  } else {
    substr($input, 0, $end + 1, '');
    kill_call($verb eq 'killall' ? 'all' : $id);
  }
  return 1;
}

make_pair();
my ($stdin_fd, $watch) = (fileno(STDIN), '');
vec($watch, $_, 1) = 1 for $stdin_fd, $signal_fd;
while (1) {
  my $ready = $watch;
  next if select($ready, undef, undef, undef) < 0;
  if (vec($ready, $signal_fd, 1)) {
    sysread($signals, my $info, 128);
    reap();
  }
  if (vec($ready, $stdin_fd, 1)) {
    sysread(STDIN, $input, 262144, length $input) or last;
    1 while take_request();
  }
}
kill_call('all');
`;
