// Scripts in Perl: what a slot's process does that few slots need, and that is long in C. The launcher's child becomes the
// interpreter (launcher/request.c), as the slot's user, and the interpreter reads the text from a descriptor: as an argument it
// would fill every list of processes. Perl because it is in every Debian-family base image; no module is loaded.
// A script ends with 0, or with 1 and the error text on stderr.
import { constants } from "node:fs";
import type { RunFields } from "./run.js";

/** Where the launcher puts the text, and what follows the request. */
const [SOURCE_FD, INPUT_FD] = [3, 4];

/** Numbers of the system calls that Perl has no function for: mknodat, setsid, prctl. */
const SYSCALLS: Readonly<Partial<Record<NodeJS.Architecture, readonly number[]>>> = {
  x64: [259, 112, 157],
  arm64: [33, 157, 167],
};

const BOOTSTRAP = `open my $f, "<&=${SOURCE_FD}"; my $p = do { local $/; <$f> }; close $f; eval $p; die $@ if $@`;

const PRELUDE = String.raw`
my ($run_dir, $mknodat, $setsid, $prctl) = splice(@ARGV, 0, 4);
$_ += 0 for $mknodat, $setsid, $prctl;
my ($O_WRONLY, $O_CREAT, $O_EXCL, $O_NONBLOCK, $O_PATH, $O_DIRECTORY) = (1, 0100, 0200, 04000, 010000000, ${constants.O_DIRECTORY});
my ($ENOENT, $EEXIST, $ENOTDIR) = (2, 17, 20);
open(my $in, '<&=', ${INPUT_FD}) or die "input: $!";

sub read_exactly {
  my ($handle, $length) = @_;
  my $bytes = '';
  while (length $bytes < $length) {
    sysread($handle, $bytes, $length - length $bytes, length $bytes) or return undef;
  }
  return $bytes;
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

sub opendir_at {
  my (undef, $where, $workspace, $path) = @_;
  sysopen($_[0], $where, $O_DIRECTORY) or die($! == $ENOTDIR ? "Not a folder on the way to $path\n" : "Cannot write $path: $!\n");
  must_be_inside($_[0], $workspace);
}
`;

/** Where scripts run. */
export interface ScriptPlace {
  /** The interpreter, with what must come before its own arguments. */
  readonly perl: readonly string[];
  /** As the slot's processes see it. */
  readonly runFolder: string;
  readonly workspace: string;
}

/** A request for a script: `text` finds its arguments in `@ARGV`, and what follows the request in `$in`. */
export function scriptFields(
  { perl, runFolder, workspace }: ScriptPlace,
  text: string,
  env: readonly string[],
  args: RunFields,
): RunFields {
  const syscalls = (SYSCALLS[process.arch] ?? []).map(String);
  const command = [...perl, "-e", BOOTSTRAP, runFolder, ...syscalls];
  return ["script", PRELUDE + text, workspace, String(env.length), ...env, ...command, ...args];
}
