// What is done in a slot for the `tmux` tool: a script (script.ts). It runs as the slot's user, in the slot. The slot's user may do all that it does, and undo it.
//
// A session is a tmux server of its own, in the folder `own/tmux-N` of the run folder, and above it a keeper: the process that
// started it, that orphans of it fall to, and that writes its recording. So all that ever ran in the pane stands
// below one child of the launcher, which is older than every later call.
//
// Arguments: `start` N width height, number of the session before (0: none), 1 to end that one; `send` N, 1 to block,
// least and most seconds, 1 to follow the recording on stdout, keys in groups (`k` names or text or `l` text, count, each);
// `capture` N, 1 for all of it; `stream` N offset bytes; `stop` N.
// stderr: `started`, or `kept`, with width and height; `sent`, `done` or `waiting`; the screen; the lines; `stopped`.
import { constants } from "node:fs";
import { TMUX_SESSION } from "../../core/tmux.js";
import { KEEPER_SOURCE, LINE_BYTES_MAX } from "./tmux-keeper.js";

const CLOCK_GETTIME: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 228, arm64: 113 };

export const TMUX_SOURCE = String.raw`
my ($O_APPEND, $O_NOCTTY, $O_NOFOLLOW, $O_RDWR) = (02000, 0400, ${constants.O_NOFOLLOW}, 2);
my ($EPERM, $EACCES, $EOPNOTSUPP) = (1, 13, 95);
my $TARGET = '=${TMUX_SESSION}:';
my ($place, $recording, $began);

sub now {
  my $time = "\0" x 16;
  syscall(${CLOCK_GETTIME[process.arch] ?? 0}, 1, $time);
  my ($seconds, $nanoseconds) = unpack 'qq', $time;
  return $seconds + $nanoseconds / 1e9;
}

sub pause { select(undef, undef, undef, $_[0]) }

sub use_session {
  $place = "$run_dir/own/tmux-$_[0]";
  $recording = ".tmux-$_[0].asciinema.cast";
}

# Sockets do not lie on every file system: then it is elsewhere, and linked to.
sub socket_path { return readlink("$place/socket") // "$place/socket" }

# Status and all that was printed.
sub run_tmux {
  my @command = ('tmux', '-u', '-S', socket_path(), '-f', '/dev/null', @_);
  pipe(my $read, my $write) or die "Cannot run tmux: $!\n";
  my $pid = fork // die "Cannot run tmux: $!\n";
  if ($pid == 0) {
    # It wants to be sure of UTF-8; what the pane's shell sees is set by start_server.
    delete $ENV{LC_ALL};
    $ENV{LC_CTYPE} = 'C.UTF-8';
    open(STDOUT, '>&', $write);
    open(STDERR, '>&', $write);
    exec { $command[0] } @command or do { print "cannot start tmux: $!"; exit 127 };
  }
  close $write;
  my $text = do { local $/; <$read> } // '';
  waitpid $pid, 0;
  return ($?, $text);
}

sub is_alive { return -d $place && (run_tmux('has-session', '-t', $TARGET))[0] == 0 }

sub tmux {
  my ($status, $text) = run_tmux(@_);
  return $status == 0 ? $text : refused($text);
}

sub refused {
  my ($text) = @_;
  is_alive() or die "The tmux session has ended: use action start to begin a new one\n";
  die "tmux: $text\n";
}

# tmux takes a semicolon at the end of an argument for the end of a command.
sub argument { my $text = $_[0]; $text =~ s/;\z/\\;/; return $text }

sub start {
  my ($number, $width, $height, $before, $reset) = @_;
  grep { -x "$_/tmux" } split /:/, $ENV{PATH}
    or die "tmux is not installed in the slot's image: add it there (Debian: apt-get install tmux), or use bash_stateful\n";
  if ($before) {
    use_session($before);
    if (is_alive()) {
      if (!$reset) { print STDERR 'kept ', tmux('display-message', '-p', '-t', $TARGET, '#{pane_width} #{pane_height}'); return }
      stop_server();
    }
  }
  use_session($number);
  make_place($width, $height);
  pipe(my $read, my $write) or die "Cannot start tmux: $!\n";
  my $keeper = fork // die "Cannot start tmux: $!\n";
  if ($keeper == 0) {
    close $read;
    keep($write, $width, $height);
    exit 0;
  }
  close $write;
  my $answer = do { local $/; <$read> } // '';
  $answer eq 'started' or die "Cannot start tmux: $answer\n";
  print STDERR "started $width $height\n";
}

sub make_place {
  my ($width, $height) = @_;
  mkdir($place, 0700) or die "Cannot make $place: $!\n";
  place_socket();
  for my $fifo ('events', 'tape') { syscall($mknodat, -100, my $path = "$place/$fifo", 0010600, 0) == 0 or die "Cannot make $fifo: $!\n" }
  (my $events = "$place/events") =~ s/'/'\\''/g;
  # A prompt is an event, for who has the FIFO open just then; else it leaves no trace.
  write_new("$place/rc", <<"END");
PS1='\\w\\\$ '
unset HISTFILE
[ -f ~/.bashrc ] && . ~/.bashrc
PROMPT_COMMAND="{ \\\\builtin printf . 1<>'$events'; } 2>/dev/null\${PROMPT_COMMAND:+; \$PROMPT_COMMAND}"
END
  unlink $recording;
  my $time = time;
  write_new($recording, qq({"version": 2, "width": $width, "height": $height, "timestamp": $time, "env": {"SHELL": "/bin/bash", "TERM": "screen-256color"}}\n));
}

sub write_new {
  my ($path, $text) = @_;
  my $file;
  sysopen($file, $path, $O_WRONLY | $O_CREAT | $O_EXCL | $O_NOFOLLOW, 0644) && write_all($file, $text)
    or die "Cannot write $path: $!\n";
}

sub place_socket {
  my $path = "$place/socket";
  length $path < 108 or die "The path $path is too long for a socket\n";
  socket(my $trial, 1, 1, 0) or die "Cannot make a socket: $!\n";
  if (bind($trial, pack('S a108', 1, $path))) { unlink $path; return }
  $! == $EPERM || $! == $EACCES || $! == $EOPNOTSUPP or die "Cannot make $path: $!\n";
  my $elsewhere = sprintf '/tmp/tmux-%08x%08x', map { int rand 2 ** 32 } 1, 2;
  mkdir($elsewhere, 0700) && symlink("$elsewhere/socket", $path) or die "Cannot make $elsewhere: $!\n";
}

${KEEPER_SOURCE}
sub send_keys {
  my ($block, $least, $most, $follows, @keys) = @_;
  my $start = now();
  my $tape = $follows ? open_recording() : undef;
  sysseek($tape, 0, 2) if $tape;
  sysopen(my $events, "$place/events", $O_RDWR | $O_NONBLOCK) or die "The tmux session is broken ($!): use action start with reset\n";
  while (@keys) {
    my ($kind, $count) = splice(@keys, 0, 2);
    my ($status, $text) = run_tmux('send-keys', '-t', $TARGET, $kind eq 'l' ? '-l' : (), '--', map { argument($_) } splice(@keys, 0, $count));
    # They may have ended the session before tmux could answer.
    last if $status && $text =~ /server exited|lost server/;
    refused($text) if $status;
  }
  my $answer = 'sent';
  if ($block) {
    # Asked after the keys, as tmux has passed them on by the time it answers.
    my (undef, $text) = run_tmux('display-message', '-p', '-t', $TARGET, '#{pane_pid} #{pane_tty}');
    my ($shell, $terminal) = $text =~ /^(\d+) (\S+)/;
    # They may have ended the session.
    my $done = !$shell || wait_for_prompt($shell, $terminal, $start + $most, $events, $tape);
    $answer = $done ? 'done' : 'waiting';
  }
  while ((my $left = $start + $least - now()) > 0) {
    follow($tape);
    pause($tape && $left > 0.05 ? 0.05 : $left);
  }
  settle() && follow($tape) if $tape;
  print STDERR $answer;
}

# A prompt is an event, and the terminal is the judge: so it does not matter what the keys were, nor whether the events
# come. Looks twice, as the shell may be held up while it prints.
sub wait_for_prompt {
  my ($shell, $terminal, $end, $events, $tape) = @_;
  my ($pause, $seen, $prompts) = (0.005, 0, 0);
  while (1) {
    $seen = at_prompt($shell, $terminal, $prompts) ? $seen + 1 : 0;
    follow($tape);
    return 1 if $seen == 2;
    my $left = $end - now();
    return 0 if $left <= 0;
    my $most = $seen ? 0.01 : $tape && $pause > 0.05 ? 0.05 : $pause;
    my $ready = '';
    vec($ready, fileno($events), 1) = 1;
    if (select($ready, undef, undef, $most < $left ? $most : $left) > 0) {
      sysread($events, my $bytes, 65536);
      $prompts++;
      $pause = 0.005;
    }
    elsif ($pause < 0.5) { $pause *= 2 }
  }
}

# Whether the pane's first process, a shell, is the one that reads from the terminal, key by key as it does at a prompt, and
# has read all that was typed. Gone is done.
sub at_prompt {
  my ($shell, $terminal, $prompts) = @_;
  open(my $stat, '<', "/proc/$shell/stat") or return 1;
  my $line = do { local $/; <$stat> } // return 1;
  $line =~ s/^.*\) //s;
  my ($state, $foreground) = (split ' ', $line)[0, 5];
  return 1 if $state eq 'Z' || $state eq 'X';
  # gVisor does not say who is in the foreground: there it takes a prompt since.
  return 0 unless $state eq 'S' && ($foreground == $shell || $foreground == 0 && $prompts);
  sysopen(my $tty, $terminal, $O_NOCTTY | $O_NONBLOCK) or return 0;
  my ($modes, $unread) = ("\0" x 64, "\0" x 4);
  ioctl($tty, 0x5401, $modes) && ioctl($tty, 0x541b, $unread) or return 0;   # TCGETS, FIONREAD
  return !((unpack 'L4', $modes)[3] & 2) && unpack('L', $unread) == 0;       # not ICANON
}

sub open_recording {
  sysopen(my $file, $recording, $O_NONBLOCK | $O_NOFOLLOW) or die "Cannot read $recording: $!\n";
  -f $file or die "Not a file: $recording\n";
  return $file;
}

# Passes on what was recorded since.
sub follow {
  my ($tape) = @_;
  return unless $tape;
  while (sysread($tape, my $bytes, 65536)) { write_all(\*STDOUT, $bytes) or return }
}

# What the pane printed before is on its way to the recording: it is there when that does not grow for a while.
sub settle {
  my ($size, $same) = (-1, 0);
  for (1 .. 30) {
    my $new = -s $recording // 0;
    $same = $new == $size ? $same + 1 : 0;
    last if $same == 3;
    $size = $new;
    pause(0.01);
  }
  return 1;
}

sub stream {
  my ($offset, $most) = @_;
  settle() if -e "$place/tape";
  my $file = open_recording();
  sysseek($file, $offset, 0) or die "Cannot read $recording: $!\n";
  my $lines = '';
  my $length = $most > ${LINE_BYTES_MAX} ? $most : ${LINE_BYTES_MAX};
  while (length $lines < $length) { sysread($file, $lines, $length - length $lines, length $lines) or last }
  my $end = rindex($lines, "\n", $most - 1);
  $end = index($lines, "\n") if $end < 0;                 # at least one
  die "$recording is not as it was written: a line has no end\n" if $end < 0 && length $lines >= $length;
  print STDERR substr($lines, 0, $end + 1);
}

sub stop_server {
  my @shells = split ' ', tmux('list-panes', '-a', '-F', '#{pane_pid}');
  tmux('kill-server');
  # gVisor does not tell them that their terminal is gone.
  kill 'HUP', @shells;
  # Its recording has its end when the FIFO is gone.
  for (1 .. 200) { last unless -e "$place/tape"; pause(0.01) }
}

sub act {
  my ($action, $number, @more) = @_;
  return start($number, @more) if $action eq 'start';
  use_session($number);
  if ($action eq 'send') { send_keys(@more) }
  elsif ($action eq 'capture') { print STDERR tmux('capture-pane', '-p', '-t', $TARGET, $more[0] ? ('-S', '-') : ()) }
  elsif ($action eq 'stream') { stream(@more) }
  else { stop_server(); print STDERR 'stopped' }
}

close $in;
exit(eval { act(@ARGV); 1 } ? 0 : fail());
`;
