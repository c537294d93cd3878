// ArtifactService as a client sees it, checked alike at every level of isolation and with every backend.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { extract, type Header, pack } from "tar-stream";
import { SwitchyardClient, SwitchyardClientError, type Trajectory } from "../../src/client/index.js";

type Member = Partial<Header> & Pick<Header, "name">;

export const NO_SLOT = "No active slot for trajectory (run a sandbox tool first)";

/** A trajectory of its own with a client; both end with the test. */
export async function opened(t: TestContext, address: string) {
  const client = new SwitchyardClient(address);
  t.after(() => client.close());
  const trajectory = await client.open({ acquireSlot: true });
  await bash(trajectory, "true");
  return { client, trajectory };
}

export async function bash(trajectory: Trajectory, command: string): Promise<string> {
  const { output, status, error } = await trajectory.call("bash", { command });
  assert.equal(status, "OK", `${error} ${output}`);
  return output;
}

export async function bytesOf(download: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of download) parts.push(part);
  return Buffer.concat(parts);
}

export async function tarOf(...members: readonly (readonly [Member, string?])[]): Promise<Buffer> {
  const tar = pack();
  for (const [header, content = ""] of members) {
    if (content) tar.entry(header, content);
    else tar.entry({ size: 0, ...header }).end(null);
  }
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Name, kind and content of each member. */
export async function membersOf(archive: Buffer): Promise<string[]> {
  const tar = extract();
  tar.end(gunzipSync(archive));
  const members: string[] = [];
  for await (const member of tar) {
    const { name, type, linkname } = member.header;
    const parts: Buffer[] = [];
    for await (const part of member) parts.push(part as Buffer);
    members.push(`${name} ${type} ${linkname ?? Buffer.concat(parts).toString("latin1")}`);
  }
  return members;
}

/** The reason and text that it rejects with. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof SwitchyardClientError) return `${error.reason} ${error.message}`;
    throw error;
  }
  return "nothing was refused";
}

const TREE = String.raw`set -e
mkdir -p tree/sub/deep; cd tree
printf '\0\1\xff\n' > sub/bytes.bin; echo '{}' > sub/a.json; printf new > $'new\nline'; printf bad > $'bad\xff'
printf spaced > ' -rf *'; ln -s sub/a.json link; ln -s /etc/passwd out; ln sub/a.json hard; mkfifo fifo
printf 'u' > 'ünï'; truncate -s 300000 sparse; chmod 640 sub/a.json; chmod 700 sub/deep; mkdir empty
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")' 2>/dev/null || mkfifo socket`;

/** Every kind of thing, with names of every kind, there and back. */
export async function checkRoundTrip(t: TestContext, address: string): Promise<void> {
  const { client, trajectory } = await opened(t, address);
  await bash(trajectory, TREE);
  const { entries, truncated } = await client.listArtifacts(trajectory, "tree", { recursive: true });
  const listed = entries.map(({ path, type, size, linkTarget = "" }) => `${path} ${type} ${size} ${linkTarget}`.trim());
  assert.deepEqual(listed, [
    "tree/ -rf * file 6",
    "tree/bad\ufffd file 3",
    "tree/empty dir 0",
    "tree/fifo other 0",
    "tree/hard file 3",
    "tree/link symlink 0 sub/a.json",
    "tree/new\nline file 3",
    "tree/out symlink 0 /etc/passwd",
    "tree/socket other 0",
    "tree/sparse file 300000",
    "tree/sub dir 0",
    "tree/sub/a.json file 3",
    "tree/sub/bytes.bin file 4",
    "tree/sub/deep dir 0",
    "tree/ünï file 1",
  ]);
  assert.equal(truncated, false);
  const bad = entries.find(({ rawPath }) => rawPath);
  assert.equal((await bytesOf(await client.readArtifact(trajectory, bad?.rawPath ?? ""))).toString(), "bad");
  const json = await client.readArtifact(trajectory, "/workspace/tree/link");
  assert.deepEqual([json.info.mimeType, json.info.size, json.info.mode], ["application/octet-stream", 3, 0o640]);
  assert.equal((await bytesOf(json)).toString(), "{}\n");
  const part = await client.readArtifact(trajectory, "tree/sub/bytes.bin", { offset: 1, maxBytes: 2 });
  assert.deepEqual([(await bytesOf(part)).toString("hex"), part.summary.truncated], ["01ff", true]);

  const download = client.archiveArtifacts(trajectory, "tree");
  const archive = await bytesOf(download);
  assert.deepEqual(
    download.summary.leftOut.map(({ path, reason }) => `${path}: ${reason}`),
    [
      "tree/bad\ufffd: its name is not UTF-8",
      "tree/fifo: it is neither a file nor a folder nor a link",
      "tree/socket: it is neither a file nor a folder nor a link",
    ],
  );
  assert.equal(download.summary.entries, 12);
  // What leads out is refused on its way back.
  assert.match(
    await refusal(client.writeArtifact(trajectory, "again", archive, { kind: "tar.gz" })),
    /"out" is a link/,
  );
  // The refusal may have come before the slot had made the folder.
  await bash(trajectory, "rm -r tree/out tree/fifo tree/socket tree/bad*; rm -rf again");
  const whole = await bytesOf(client.archiveArtifacts(trajectory, "tree"));
  const written = await client.writeArtifact(trajectory, "made/again", whole, { kind: "tar.gz" });
  assert.deepEqual([written.entries, written.fileBytes], [11, 300_000 + 3 + 3 + 4 + 3 + 6 + 1]);
  const stat = "find . -printf '%P %y %m %l\\n' | sort";
  assert.equal(
    await bash(trajectory, `diff -r tree made/again && diff <(cd tree; ${stat}) <(cd made/again; ${stat})`),
    "",
  );
}

/** Texts and reasons. */
export async function checkRefusals(t: TestContext, address: string): Promise<void> {
  const { client, trajectory } = await opened(t, address);
  await bash(
    trajectory,
    "mkdir -p dir; echo x > dir/file; mkfifo fifo; ln -s / root; ln -s loop loop; ln -s /dev/zero zero",
  );
  const read = (path: string, key = trajectory) => refusal(client.readArtifact(key, path));
  assert.equal(await read("none"), "ARTIFACT_NOT_FOUND File not found: none");
  assert.equal(await read("dir/file/more"), "ARTIFACT_NOT_FOUND File not found: dir/file/more");
  for (const path of ["dir", "fifo", "."]) assert.equal(await read(path), `ARTIFACT_UNSUITABLE Not a file: ${path}`);
  for (const path of ["../x", "/etc/passwd", "root/etc/passwd", "zero", "dir/../../x"]) {
    assert.equal(await read(path), "ACCESS_DENIED Access denied: path outside workspace");
  }
  assert.match(await read("loop"), /^ARTIFACT_UNSUITABLE Cannot read loop: /);
  const stranger = { trajectoryId: trajectory.trajectoryId, resumeToken: "another" };
  assert.match(await refusal(client.listArtifacts(stranger)), /^WRONG_TOKEN /);
  assert.match(
    await refusal(client.listArtifacts({ trajectoryId: "nobody", resumeToken: "" })),
    /^TRAJECTORY_UNKNOWN /,
  );
  assert.match(await read("a\0b"), /^INVALID_FIELD path holds a NUL$/);
  assert.match(await read("x".repeat(4097)), /^INVALID_FIELD path has 4097 bytes/);
  for (const work of [
    () => bytesOf(client.archiveArtifacts(trajectory, "root/etc")),
    () => client.listArtifacts(trajectory, "root/etc"),
    () => client.writeArtifact(trajectory, "root/tmp/x", Buffer.from("x")),
    async () => client.writeArtifact(trajectory, "root/tmp", await tarOf([{ name: "x" }, "x"]), { kind: "tar" }),
  ]) {
    assert.equal(await refusal(work()), "ACCESS_DENIED Access denied: path outside workspace");
  }
  assert.equal(
    await refusal(client.writeArtifact(trajectory, "dir", Buffer.from("x"))),
    "ARTIFACT_UNSUITABLE Not a file: dir",
  );
  const without = await client.open();
  for (const work of [
    () => client.readArtifact(without, "x"),
    () => client.listArtifacts(without),
    () => bytesOf(client.archiveArtifacts(without)),
    () => client.writeArtifact(without, "x", Buffer.from("x")),
  ]) {
    assert.equal(await refusal(work()), `NO_SLOT ${NO_SLOT}`);
  }
}

const UNSAFE: readonly (readonly [Member, RegExp])[] = [
  [{ name: "../x" }, /"\.\.\/x" has a name with \.\. in it/],
  [{ name: "a/../../x" }, /has a name with \.\./],
  [{ name: "/etc/x" }, /"\/etc\/x" has an absolute name/],
  [{ name: "l", type: "symlink", linkname: "../x" }, /"l" is a link that leads out: "\.\.\/x"/],
  [{ name: "l", type: "symlink", linkname: "/etc" }, /leads out/],
  [{ name: "l", type: "symlink", linkname: "a/../../x" }, /leads out/],
  [{ name: "h", type: "link", linkname: "../x" }, /is a hard link that leads to "\.\.\/x"/],
  [{ name: "d", type: "character-device", devmajor: 1, devminor: 5 }, /"d" is a character-device/],
  [{ name: "b", type: "block-device", devmajor: 8 }, /"b" is a block-device/],
  [{ name: "f", type: "fifo" }, /"f" is a fifo/],
  [{ name: "s", mode: 0o4755 }, /"s" has a setuid or setgid bit/],
  [{ name: "g", mode: 0o2755 }, /"g" has a setuid or setgid bit/],
];

/** Members that are refused, links that are not gone through, bombs that end. */
export async function checkUnsafeArchives(t: TestContext, address: string): Promise<void> {
  const { client, trajectory } = await opened(t, address);
  const write = (archive: Buffer, options = {}) =>
    client.writeArtifact(trajectory, "into", archive, { kind: "tar", ...options });
  for (const [member, why] of UNSAFE) {
    const text = await refusal(write(await tarOf([{ name: "first" }, "1"], [member])));
    assert.match(text, /^ARCHIVE_REFUSED member /);
    assert.match(text, why);
  }
  assert.match(await refusal(write(Buffer.alloc(2048, 65))), /^ARCHIVE_REFUSED the archive cannot be read/);
  assert.match(
    await refusal(write(Buffer.from("plain"), { kind: "tar.gz" })),
    /^ARCHIVE_REFUSED .*incorrect header check/,
  );
  assert.match(
    await refusal(write((await tarOf([{ name: "cut" }, "x".repeat(2000)])).subarray(0, 1500))),
    /^ARCHIVE_REFUSED/,
  );
  const through = await tarOf([{ name: "l", type: "symlink", linkname: "first" }], [{ name: "l/x" }, "x"]);
  assert.equal(await refusal(write(through)), "ARTIFACT_UNSUITABLE Not a folder on the way to l/x: l");
  await bash(trajectory, "ln -s /tmp into/tmp; ln -s /etc/hostname into/file");
  assert.match(await refusal(write(await tarOf([{ name: "tmp/x" }, "x"]))), /^ARTIFACT_UNSUITABLE Not a folder/);
  await write(await tarOf([{ name: "file" }, "mine"], [{ name: "twin", type: "link", linkname: "file" }]));
  assert.equal(await bash(trajectory, "ls /tmp/x 2>/dev/null; cat into/file; stat -c %h into/twin"), "mine2");

  const zeros = gzipSync(await tarOf([{ name: "zeros", size: 50_000_000 }, "\0".repeat(50_000_000)]));
  assert.ok(zeros.length < 100_000);
  const tooMuch = await refusal(write(zeros, { kind: "tar.gz", maxBytes: 1_000_000 }));
  assert.equal(tooMuch, "LIMIT_REACHED the upload has more than 1000000 bytes of files (max_bytes)");
  const many = await tarOf(...Array.from({ length: 50 }, (_, at) => [{ name: `${at}` }] as const));
  const crowd = await refusal(write(many, { maxEntries: 20 }));
  assert.equal(crowd, "LIMIT_REACHED the archive has more than 20 members (max_entries)");
  // Members without bytes, that say much.
  const tail = gzipSync(Buffer.concat([await tarOf([{ name: "x" }, "x"]), Buffer.alloc(40_000_000)]));
  const filling = await refusal(write(tail, { kind: "tar.gz", maxBytes: 1_000_000, maxEntries: 10 }));
  assert.match(filling, /^LIMIT_REACHED/);
}
