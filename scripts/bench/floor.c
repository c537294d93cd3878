// The floor of bench:sandbox: posix_spawn of `bash -c true`, `workers` at a time, for `seconds`; prints commands per second.
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

static void start(void) {
  char *argv[] = {"bash", "-c", "true", NULL};
  pid_t pid;
  if (posix_spawnp(&pid, "bash", NULL, NULL, argv, environ) != 0) exit(1);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int workers = atoi(argv[1]);
  double end = now() + atof(argv[2]), begin = now();
  long done = 0;
  for (int i = 0; i < workers; i++) start();
  while (now() < end) {
    if (waitpid(-1, NULL, 0) < 0) return 1;
    done++;
    start();
  }
  double seconds = now() - begin;
  while (waitpid(-1, NULL, 0) > 0) {}
  printf("%.1f\n", done / seconds);
  return 0;
}
