// The runtime's volume against a daemon that says no.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import Docker from "dockerode";
import { RuntimeVolume } from "../../src/backend/docker/runtime-volume.js";

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

test("a daemon that refuses the files is heard", async (t) => {
  const daemon = createServer((request, response) => {
    const asked = `${request.method} ${request.url?.replace(/\?.*/, "")}`;
    if (asked === "GET /volumes") return answer(response, 200, { Volumes: null });
    if (asked === "POST /volumes/create") return answer(response, 201, { Name: "v" });
    if (asked === "POST /containers/create") return answer(response, 201, { Id: "c" });
    if (request.method !== "PUT") return answer(response, 404, { message: "no such thing" });
    // It has heard the beginning.
    request.once("data", () => answer(response, 500, { message: "no space left on device" }));
    return undefined;
  });
  daemon.listen(0, "127.0.0.1");
  await once(daemon, "listening");
  t.after(() => {
    daemon.closeAllConnections();
    daemon.close();
  });
  const { port } = daemon.address() as AddressInfo;
  const docker = new Docker({ protocol: "http", host: "127.0.0.1", port });
  await assert.rejects(new RuntimeVolume({ docker, patientDocker: docker }, "image").ensure(), /no space left/);
});
