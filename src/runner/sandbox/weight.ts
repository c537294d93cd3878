// What a slot holds that is seen only from inside it: in no process's own memory, and in no file that has a name. Its
// launcher looks, as the slot's user, and may be wrong once it is taken over: then the slot is watched less well. On that
// occasion it makes a crowd of processes yield to others.

export interface Weight {
  /** Bytes of memory in memfds and System V segments. */
  readonly memory: number;
  /** Bytes on disk of files that are deleted and still open. */
  readonly disk: number;
  /** Files in the fullest of its file systems in memory. */
  readonly entries: number;
}

export const NO_WEIGHT: Weight = { memory: 0, disk: 0, entries: 0 };

const LINE = /^weighs (\d{1,15}) (\d{1,15}) (\d{1,15})$/;

/** Nothing, for a line that no honest launcher writes. */
export function readWeight(line: string): Weight {
  const [, memory, disk, entries] = (LINE.exec(line) ?? []).map(Number);
  return { memory: memory ?? 0, disk: disk ?? 0, entries: entries ?? 0 };
}

/** The launcher's part, in Perl: a function of its program. */
export const WEIGH_SOURCE = String.raw`
# A crowd of busy processes must keep neither the launcher from killing it nor the neighbours from their share.
sub calm {
  my ($all, @pids) = @_;
  my $crowd = 0;
  $crowd += $all->{$_}[2] for @pids;
  return if $crowd < 32;
  for my $pid (@pids) {
    opendir(my $threads, "/proc/$pid/task") or next;
    eval { setpriority(0, $_, 10) } for grep { /^\d/ } readdir $threads;
  }
}

# Each file in memory costs the kernel a kilobyte, however empty it is.
sub weigh {
  my ($memory, $disk, $most, %seen) = (0, 0, 0);
  my %all = processes();
  my $device = (stat $run_dir)[0];
  # The launcher's own user may not look into another's processes.
  if ($uid) {
    my $child = fork;
    return if !defined $child || $child;
    become_user() or exit 1;
  }
  my @ours = grep { $uid || root_of($_, \%all) } keys %all;
  calm(\%all, grep { !$uid || ((stat "/proc/$_")[4] // 0) == $uid } @ours);
  for my $pid (@ours) {
    opendir(my $open, "/proc/$pid/fd") or next;
    for my $fd (map { "/proc/$pid/fd/$_" } grep { /^\d/ } readdir $open) {
      my @file = stat $fd or next;
      next if !-f _ || $seen{"@file[0, 1]"}++;
      my $name = readlink($fd) // '';                     # gVisor knows only by it what is deleted
      next unless $name =~ / \(deleted\)\z/;
      if ($name =~ m{^/memfd:}) { $memory += $file[12] * 512 }
      elsif ($file[0] == $device) { $disk += $file[12] * 512 }
    }
  }
  if (open(my $segments, '<', '/proc/sysvipc/shm')) {
    <$segments>;
    while (my @segment = split ' ', <$segments> // '') { $memory += $segment[14] if !$uid || $segment[7] == $uid }
  }
  for my $folder ($is_alone ? ('/tmp', '/dev/shm', '/run', '/workspace') : ()) {
    my ($path, $answer) = ("$folder", "\0" x 256);        # syscall takes no literals
    syscall($statfs, $path, $answer) == 0 or next;
    my ($type, $files, $free) = (unpack 'q7', $answer)[0, 5, 6];
    $most = $files - $free if $type == 0x01021994 && $files - $free > $most;
  }
  say_line("weighs $memory $disk $most");
  exit 0 if $uid;
}
`;
