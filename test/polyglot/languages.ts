// The clients that play the table: what each needs on the machine, how it is prepared and how it is run. Commands run at
// the top of the checkout; what they make goes below `.polyglot/`, which scripts/polyglot-up fills with toolchains.
import { delimiter, join, resolve } from "node:path";

export type Command = readonly [program: string, ...args: string[]];

export interface Language {
  readonly name: string;
  /** Programs by name or path that must be there, else scripts/polyglot-up must be run first. */
  readonly needs: readonly string[];
  /** Run one after the other, before the first scenario. */
  readonly prepare: readonly Command[];
  /** `--address`, `--scenarios` and so on are put behind it. */
  readonly run: Command;
  readonly env?: Readonly<Record<string, string>>;
  /** Scenario to why it means nothing to this client. */
  readonly notApplicable?: Readonly<Record<string, string>>;
}

export const ROOT = resolve(import.meta.dirname, "../..");
export const BUILD = join(ROOT, ".polyglot");
/** What scripts/polyglot-up installs goes before what the machine has. */
export const PATH = [join(BUILD, "bin"), join(ROOT, "node_modules/.bin"), process.env.PATH ?? ""].join(delimiter);

const PYTHON = ".polyglot/python/bin/python";
const PROTOS = ["artifact_service", "call", "status", "tool_executor_service", "trajectory"].map(
  (name) => `proto/switchyard/v1/${name}.proto`,
);

function python(name: string, file: string): Language {
  const stubs = `.polyglot/stubs/${name}`;
  const generate = ["-m", "grpc_tools.protoc", "-I", "proto", `--python_out=${stubs}`, `--grpc_python_out=${stubs}`];
  return {
    name,
    needs: [PYTHON],
    prepare: [
      ["mkdir", "-p", stubs],
      [PYTHON, ...generate, ...PROTOS],
    ],
    run: [PYTHON, `test/polyglot/python/${file}`],
    env: { PYTHONPATH: stubs },
  };
}

function typescript(name: string, [file, ...args]: Command, needs: readonly string[] = []): Language {
  const run: Command = [process.execPath, "--import", "tsx", `test/polyglot/typescript/${file}`, ...args];
  return { name, needs, prepare: [], run };
}

const GO = "test/polyglot/go";
const go: Language = {
  name: "go",
  needs: ["go"],
  prepare: [
    ["go", "-C", GO, "generate"],
    ["go", "-C", GO, "build", "-o", join(BUILD, "go/client"), "."],
  ],
  run: [".polyglot/go/client"],
};

/** Of the client and the page alike, which share what is built; without debug information that takes half as long. */
export const RUST_BUILD = { CARGO_TARGET_DIR: join(BUILD, "rust"), CARGO_PROFILE_DEV_DEBUG: "0" };

const rust: Language = {
  name: "rust",
  needs: ["cargo"],
  prepare: [["cargo", "build", "--quiet", "--locked", "--manifest-path", "test/polyglot/rust/Cargo.toml"]],
  run: [".polyglot/rust/debug/switchyard-polyglot"],
  env: RUST_BUILD,
};

const MAVEN = ["--batch-mode", "--quiet", "--file", "test/polyglot/java/pom.xml"];
const java: Language = {
  name: "java",
  needs: ["java", "mvn"],
  prepare: [["mvn", ...MAVEN, `-Dpolyglot.out=${join(BUILD, "java")}`, "process-classes"]],
  run: ["java", "-cp", ".polyglot/java/classes:.polyglot/java/lib/*", "switchyard.polyglot.Main"],
};

export const LANGUAGES: readonly Language[] = [
  python("python-sync", "sync_client.py"),
  python("python-asyncio", "asyncio_client.py"),
  typescript("typescript", ["ts-proto-client.ts"]),
  typescript("proto-loader", ["loader-client.ts"]),
  typescript("grpcurl", ["tools-client.ts", "grpcurl"], ["grpcurl"]),
  typescript("buf-curl", ["tools-client.ts", "buf"], ["buf"]),
  go,
  rust,
  java,
];
