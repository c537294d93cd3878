import assert from "node:assert/strict";
import { test } from "node:test";
import { containerName, epochOfName } from "../../src/backend/docker/container-name.js";

const NONCE = "0123456789abcdef0123456789abcdef";

test("a name tells its epoch, as it is and as Docker spells it", () => {
  for (const epoch of [0, 1, 15, 16, 255, 2 ** 48 - 1]) {
    const name = containerName("main", NONCE, epoch);
    assert.match(name, /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/);
    assert.equal(epochOfName(name), epoch);
    assert.equal(epochOfName(`/${name}`), epoch);
  }
});

test("whatever the instance is called, the epoch is the name's own, and the nonce is not told whole", () => {
  for (const instance of ["a-e5", "-e", "127.0.0.1-50051", "ümläut/and space", "e9"]) {
    const name = containerName(instance, NONCE, 0x2a);
    assert.equal(epochOfName(name), 0x2a);
    assert(!name.includes(NONCE));
  }
});

test("the next server's name for the same container differs in the epoch alone", () => {
  const [before, after] = [1, 2].map((epoch) => containerName("main", NONCE, epoch).replace(/-e\d$/, ""));
  assert.equal(before, after);
});

test("a name that is not of ours has epoch 0", () => {
  for (const name of ["", "/quirky_turing", "switchyard-main-0123", "x-e", "x-eG"]) assert.equal(epochOfName(name), 0);
});
