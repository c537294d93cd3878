// The floor: `floor WORKERS SECONDS PROGRAM ARG...` starts the program by posix_spawn, so many at a time, for so long, and prints
// how many ended per second. Exits 1 when one fails.
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void start(char **command) {
  pid_t pid;
  if (posix_spawnp(&pid, command[0], NULL, NULL, command, environ) != 0) exit(1);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int workers = atoi(argv[1]);
  double end = now() + atof(argv[2]), begin = now();
  long done = 0;
  for (int i = 0; i < workers; i++) start(argv + 3);
  while (now() < end) {
    int status;
    if (waitpid(-1, &status, 0) < 0 || status != 0) return 1;
    done++;
    start(argv + 3);
  }
  double seconds = now() - begin;
  while (waitpid(-1, NULL, 0) > 0) {}
  printf("%.1f\n", done / seconds);
  return 0;
}
