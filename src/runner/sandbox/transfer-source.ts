// What a transfer does in its slot: a script (script.ts). As the slot's user it reads or writes
// the workspace and says what it finds in records (core/artifacts.ts): a letter, the 32-bit big-endian length of its body,
// and the body.
//   R path                                         what was asked for, below the workspace
//   E type mode size mtime name target             an entry: `f`, `d`, `l`, `h` or `o`, 32 bits, 64 bits twice, and two texts
//                                                  with their lengths in front; content follows that of a file
//   D bytes     Z                                  of the content, and its end
//   O name why                                     left out
//   F cut                                          the end: `1` when bounds cut something off
//   X why                                          the end: it could not be done
// Arguments are one of `get`, `list`, `pack` or `put`, the workspace, the path, and numbers; after a `put`
// come its records, E, D, Z and F, as the script's input.
// Folders are held open and entered by their descriptors, and below what was asked for no link is followed, so a name that
// is swapped meanwhile wins nothing.
import { constants } from "node:fs";

export const TRANSFER_SOURCE = String.raw`
my ($O_NOFOLLOW, $CHUNK, $NAME_MAX, $DEPTH_MAX) = (${constants.O_NOFOLLOW}, 65536, 4096, 256);
my $unsent = '';
my $cut = 0;

sub transfer {
  my ($work, @fields) = @_;
  fcntl($work eq 'put' ? $in : \*STDOUT, 1031, 262_144);   # F_SETPIPE_SZ: fewer turns for the same bytes
  my %work = (get => \&get_file, list => \&list_tree, pack => \&pack_tree, put => \&put_tree);
  return 0 if eval { $work{$work}->($in, @fields); say_record('F', $cut); flush_records(); 1 };
  my $why = $@;
  $why =~ s/\n\z//;
  say_record('X', $why);
  flush_records();
  return 1;
}

sub say_record {
  $unsent .= pack('a1 N/a*', @_);
  flush_records() if length $unsent >= $CHUNK;
}

sub flush_records { write_all(\*STDOUT, $unsent) or exit 1; $unsent = '' }

sub entry_body {
  my ($name, $type, $target, @stat) = @_;
  return pack('a1 N Q> q> N/a* N/a*', $type, $stat[2] & 07777, $type eq 'f' ? $stat[7] : 0, $stat[9], $name, $target);
}

sub left_out { my ($name, $why) = @_; say_record('O', pack('N/a* N/a*', $name, $why)) }

sub type_of {
  my $format = $_[2] & 0170000;
  return $format == 0100000 ? 'f' : $format == 0040000 ? 'd' : $format == 0120000 ? 'l' : 'o';
}

sub path_of { return '/proc/self/fd/' . fileno($_[0]) . (defined $_[1] ? "/$_[1]" : '') }

# What is asked for, opened without being used, and said; links that stay inside are followed to it.
sub open_root {
  my ($workspace, $path) = @_;
  my @names = names_of($workspace, $path);
  sysopen(my $root, join('/', $workspace, @names), $O_PATH)
    or die($! == $ENOENT || $! == $ENOTDIR ? "File not found: $path\n" : "Cannot read $path: $!\n");
  must_be_inside($root, $workspace);
  say_record('R', join('/', @names));
  return $root;
}

sub get_file {
  my (undef, $workspace, $path, $offset, $most) = @_;
  my $root = open_root($workspace, $path);
  -f $root or die "Not a file: $path\n";
  sysopen(my $file, path_of($root), 0) or die "Cannot read $path: $!\n";
  my @stat = stat $file;
  say_record('E', entry_body('', 'f', '', @stat));
  # No further than its end: what lies beyond what a file can have is an error to the kernel.
  sysseek($file, $offset < $stat[7] ? $offset : $stat[7], 0) or die "Cannot read $path: $!\n";
  say_content($file, $most) or die "Cannot read $path: $!\n";
  $cut = 1 if sysread($file, my $more, 1);
}

# As many bytes as that, or fewer when the file is shorter; whether it could be read.
sub say_content {
  my ($file, $left) = @_;
  while ($left > 0) {
    my $count = sysread($file, my $bytes, $left < $CHUNK ? $left : $CHUNK);
    return 0 unless defined $count;
    last unless $count;
    say_record('D', $bytes);
    $left -= $count;
  }
  say_record('Z', '');
  return 1;
}

sub list_tree {
  my (undef, $workspace, $path, $recursive, $most) = @_;
  walk($workspace, $path, $recursive, $most, sub {
    my ($where, $name, $type, @stat) = @_;
    my $target = $type eq 'l' ? readlink($where) // '' : '';
    say_record('E', entry_body($name, $type, $target, @stat));
  }, sub { });
}

sub pack_tree {
  my (undef, $workspace, $path, $most, $bytes) = @_;
  walk($workspace, $path, 1, $most, sub {
    my ($where, $name, $type, @stat) = @_;
    die "Not a file: $path\n" if $type eq 'o' && $name eq '';
    return left_out($name, 'it is neither a file nor a folder nor a link') if $type eq 'o';
    if ($type ne 'f') {
      my $target = $type eq 'l' ? readlink($where) // return left_out($name, 'it changed meanwhile') : '';
      return say_record('E', entry_body($name, $type, $target, @stat));
    }
    # The root is a descriptor, and its name a link to follow.
    sysopen(my $found, $where, $name eq '' ? $O_PATH : $O_PATH | $O_NOFOLLOW) or return left_out($name, "it cannot be opened: $!");
    -f $found && is_inside($found, $workspace) or return left_out($name, 'it changed meanwhile');
    sysopen(my $file, path_of($found), $O_NONBLOCK) or return left_out($name, "it cannot be read: $!");
    @stat = stat $file;
    if ($stat[7] > $bytes) { $cut = 1; return left_out($name, "its $stat[7] bytes would be too many") }
    $bytes -= $stat[7];
    say_record('E', entry_body($name, 'f', '', @stat));
    return if say_content($file, $stat[7]);
    my $why = "its reading failed: $!";
    say_record('Z', '');
    left_out($name, $why);
  }, sub { left_out($_[0], 'it vanished meanwhile') });
}

sub is_inside {
  my ($handle, $workspace) = @_;
  my $where = readlink(path_of($handle));
  return defined $where && inside($where, $workspace);
}

# Visits what is asked for: a file, or all that is in a folder, each before what is in it. What waits to be visited counts
# as visited, so that no crowd of names takes more memory than was allowed.
sub walk {
  my ($workspace, $path, $recursive, $left, $visit, $gone) = @_;
  my $root = open_root($workspace, $path);
  my @stat = stat $root;
  return $visit->(path_of($root), '', type_of(@stat), @stat) if type_of(@stat) ne 'd';
  sysopen(my $folder, path_of($root), $O_DIRECTORY) or die "Cannot read $path: $!\n";
  my @levels = ([$folder, '', names_in($folder, \$left)]);
  while (@levels) {
    my ($parent, $prefix, $names) = @{$levels[-1]};
    my $last = shift @$names;
    if (!defined $last) { pop @levels; next }
    my ($name, $where) = ("$prefix$last", path_of($parent, $last));
    if (length $name > $NAME_MAX) { left_out(substr($name, 0, $NAME_MAX), 'its path is too long'); next }
    my @found = lstat $where or do { $! == $ENOENT ? $gone->($name) : left_out($name, "it cannot be seen: $!"); next };
    my $type = type_of(@found);
    $visit->($where, $name, $type, @found);
    next unless $recursive && $type eq 'd';
    if (@levels >= $DEPTH_MAX) { left_out("$name/", 'it is nested too deeply'); next }
    sysopen(my $child, $where, $O_DIRECTORY | $O_NOFOLLOW) or do { left_out("$name/", "it cannot be read: $!"); next };
    is_inside($child, $workspace) or do { left_out("$name/", 'it changed meanwhile'); next };
    push @levels, [$child, "$name/", names_in($child, \$left)];
  }
}

sub names_in {
  my ($folder, $left) = @_;
  my @names;
  opendir(my $open, path_of($folder)) or return [];
  while (defined(my $name = readdir $open)) {
    next if $name eq '.' || $name eq '..';
    if ($$left <= 0) { $cut = 1; last }
    $$left -= 1;
    push @names, $name;
  }
  my %seen;                                               # a name may come twice while others are made
  return [sort grep { !$seen{$_}++ } @names];
}

sub put_tree {
  my ($in, $workspace, $path, $single) = @_;
  my @names = names_of($workspace, $path);
  my $only = $single ? pop @names // die("Not a file: $path\n") : undef;
  my $root = make_folder($workspace, $path, @names);
  my @modes;
  while (1) {
    my ($letter, $body) = next_record($in);
    last if $letter eq 'F';
    my ($type, $mode, $size, $mtime, $name, $target) = unpack('a1 N Q> q> N/a* N/a*', $body);
    my @below = $single ? ($only) : split m{/}, $name;
    my $shown = $single ? $path : $name;
    my $last = pop @below;
    my $folder = $root;
    $folder = enter($folder, $_, $workspace, $shown) for @below;
    my $where = path_of($folder, $last);
    if ($type eq 'd') {
      my $made = enter($folder, $last, $workspace, $shown);
      # One that may not be written to is to be filled first.
      if (($mode & 0700) == 0700) { chmod($mode, $made) } else { push @modes, [$mode, $shown, @below, $last] }
    } elsif ($type eq 'f') { put_file($in, $where, $shown, $mode, $mtime) }
    else { put_link($where, $shown, $type, $target, $root, $workspace) }
  }
  for (reverse @modes) {
    my ($mode, $shown, @below) = @$_;
    my $folder = $root;
    $folder = enter($folder, $_, $workspace, $shown) for @below;
    chmod($mode, $folder);
  }
}

# A folder that is there, or is made; never by way of a link.
sub enter {
  my ($folder, $name, $workspace, $shown) = @_;
  my $where = path_of($folder, $name);
  mkdir($where) || $! == $EEXIST or die "Cannot write $shown: $!\n";
  sysopen(my $child, $where, $O_DIRECTORY | $O_NOFOLLOW) or die "Not a folder on the way to $shown: $name\n";
  must_be_inside($child, $workspace);
  return $child;
}

# What is there gives way, unless it is a folder.
sub replacing {
  my ($where, $shown, $make) = @_;
  for (1 .. 100) {
    return if $make->();
    $! == $EEXIST or last;
    lstat($where);
    die "Not a file: $shown\n" if -d _;
    unlink($where) || $! == $ENOENT or last;
  }
  die "Cannot write $shown: $!\n";
}

sub put_file {
  my ($in, $where, $shown, $mode, $mtime) = @_;
  my $file;
  replacing($where, $shown, sub { sysopen($file, $where, $O_WRONLY | $O_CREAT | $O_EXCL | $O_NOFOLLOW, 0600) });
  while (1) {
    my ($letter, $bytes) = next_record($in);
    last if $letter eq 'Z';
    write_all($file, $bytes) or die "Cannot write $shown: $!\n";
  }
  chmod($mode, $file) or die "Cannot write $shown: $!\n";
  utime($mtime, $mtime, $file) if $mtime;
}

sub put_link {
  my ($where, $shown, $type, $target, $root, $workspace) = @_;
  return replacing($where, $shown, sub { symlink($target, $where) }) if $type eq 'l';
  my @names = split m{/}, $target;
  my $last = pop @names;
  my $folder = $root;
  $folder = enter($folder, $_, $workspace, $shown) for @names;
  my $old = path_of($folder, $last);
  lstat $old or die "File not found: $target\n";
  # A second name for what has it already would be taken away with it.
  my @same = ((lstat _)[0, 1], (lstat $where)[0, 1]);
  return if @same == 4 && $same[0] == $same[2] && $same[1] == $same[3];
  replacing($where, $shown, sub { link($old, $where) });
}

sub next_record {
  my ($in) = @_;
  my $head = read_exactly($in, 5) // die "The upload broke off\n";
  my ($letter, $length) = unpack('a1 N', $head);
  return ($letter, read_exactly($in, $length) // die "The upload broke off\n");
}
exit(transfer(@ARGV));
`;
