// The keeper of a tmux session, in Perl: a part of tmux-source.ts. It starts the tmux server, stays above it, so that orphans of
// the session fall to it, and writes the recording. Invariant: the recording is whole lines of asciicast v2, whatever the
// pane prints, and bounded; tmux never waits for it, and stops feeding it when it is full.
import { TMUX_SESSION } from "../../core/tmux.js";

/** Lines that the pane remembers above those that it shows. */
const HISTORY_LINES = 2_000;
/** Of a recording. */
const RECORDING_BYTES_MAX = 16 * 1024 * 1024;
/** Of what the pane prints, in one line of its recording. */
const EVENT_BYTES = 1024;
/** No line of a recording is longer: each byte may become an escape of six. */
export const LINE_BYTES_MAX = 6 * EVENT_BYTES + 64;

export const KEEPER_SOURCE = String.raw`
# The life of the keeper. It says how the start went, records while the pane prints, and ends after the last process that
# the session left.
sub keep {
  my ($write, $width, $height) = @_;
  syscall($setsid);
  syscall($prctl, 36, 1, 0, 0, 0);                        # PR_SET_CHILD_SUBREAPER
  syscall($prctl, 4, 1, 0, 0, 0);                         # PR_SET_DUMPABLE: it is weighed like all that the slot has
  $0 = 'switchyard-tmux';
  open(STDIN, '<', '/dev/null');
  open($_, '>', '/dev/null') for \*STDOUT, \*STDERR;
  sysopen(my $tape, "$place/tape", $O_NONBLOCK) or return syswrite($write, "$!");
  sysopen(my $file, $recording, $O_WRONLY | $O_APPEND | $O_NOFOLLOW) or return syswrite($write, "$!");
  my ($status, $text) = eval { start_server($width, $height) };
  my $why = $@ || $text || "wait status $status";
  $why =~ s/\n\z//;
  syswrite($write, $@ || $status ? $why : 'started');
  close $write;
  return if $@ || $status;
  # Only now, as what is started inherits it.
  $SIG{$_} = 'IGNORE' for 'CHLD', 'PIPE', 'XFSZ';
  record($tape, $file);
  close $tape;
  close $file;
  unlink "$place/tape";
  1 while waitpid(-1, 0) > 0;
}

sub start_server {
  my ($width, $height) = @_;
  (my $tape = "$place/tape") =~ s/'/'\\''/g;
  $tape =~ s/([#%])/$1$1/g;
  my @locale = map { defined $ENV{$_} ? ('set-environment', '-g', $_, argument($ENV{$_}), ';') : ('set-environment', '-gu', $_, ';') }
    'LC_ALL', 'LC_CTYPE';
  my @shell = ('bash', '--rcfile', "$place/rc", '-i');
  return run_tmux('start-server', ';', @locale,
    'set-option', '-g', 'history-limit', ${HISTORY_LINES}, ';', 'set-option', '-g', 'status', 'off', ';',
    'set-option', '-g', 'default-terminal', 'screen-256color', ';',
    'new-session', '-d', '-s', '${TMUX_SESSION}', '-x', $width, '-y', $height, @shell, ';',
    'pipe-pane', '-t', $TARGET, "exec cat >'$tape'");
}

my %ESCAPE = ("\r" => '\r', "\n" => '\n', "\t" => '\t', '"' => '\"', '\\' => '\\\\', "\r\n" => '\r\n');
$ESCAPE{$_} //= sprintf('\u%04x', ord) for map { chr } 0 .. 31;
my $CHARACTER = qr/[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}/;

# Bytes as the inside of a JSON string: valid UTF-8, whatever they are.
sub json_text {
  my $text = $_[0];
  $text =~ s/($CHARACTER)|[\x80-\xff]/$1 \/\/ "\xef\xbf\xbd"/ge if $text =~ /[\x80-\xff]/;
  $text =~ s/(\r\n|[\x00-\x1f"\\])/$ESCAPE{$1}/g;
  return $text;
}

# Takes whole characters; one whose end has not come yet stays.
sub next_event {
  my $piece = substr($_[0], 0, ${EVENT_BYTES}, '');
  if ($piece =~ s/([\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\z//) { $_[0] = $1 . $_[0] }
  return $piece;
}

sub record {
  my ($tape, $file) = @_;
  my ($start, $size, $waiting, $silent) = (now(), -s $file, '', 0);
  my $heard = 0;
  while (1) {
    my $ready = '';
    vec($ready, fileno($tape), 1) = 1;
    next if select($ready, undef, undef, undef) < 0;
    my $count = sysread($tape, $waiting, 65536, length $waiting);
    next unless defined $count;
    if (!$count) {
      # Nobody may have opened it for writing yet.
      last if $heard || $silent++ > 500;
      pause(0.02);
      next;
    }
    $heard = 1;
    my ($time, $lines) = (now() - $start, '');
    while (length(my $piece = next_event($waiting))) { $lines .= sprintf qq([%.6f, "o", "%s"]\n), $time, json_text($piece) }
    my $room = $size + length($lines) <= ${RECORDING_BYTES_MAX};
    if ($room && append($file, $size, $lines)) { $size += length $lines; next }
    my $why = $room ? "$!" : 'over ${RECORDING_BYTES_MAX / (1024 * 1024)} MiB';
    append($file, $size, sprintf qq([%.6f, "m", "recording stopped: %s"]\n), $time, json_text($why));
    return;
  }
  append($file, $size, sprintf qq([%.6f, "o", "%s"]\n), now() - $start, json_text($waiting)) if length $waiting;
}

# All of it, or nothing.
sub append {
  my ($file, $size, $text) = @_;
  return 1 if write_all($file, $text);
  my $why = $! + 0;
  truncate($file, $size);
  $! = $why;
  return 0;
}
`;
