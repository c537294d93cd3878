// Which daemons the client of Docker's API can be pointed at.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dockerClient } from "../../src/backend/docker/dockerode.js";

test("DOCKER_HOST=ssh:// is refused with the way that works, instead of ending the server later", (t) => {
  const before = process.env.DOCKER_HOST;
  t.after(() => {
    if (before === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = before;
  });
  process.env.DOCKER_HOST = "ssh://user@example.test";
  assert.throws(() => dockerClient(), { reason: "BACKEND_UNAVAILABLE", message: /ssh -nNT -L .* DOCKER_HOST=unix:/ });
  process.env.DOCKER_HOST = "tcp://127.0.0.1:2375";
  assert.ok(dockerClient());
});
