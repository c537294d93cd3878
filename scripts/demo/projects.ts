// The third-party projects that the demo repairs, none of them ours: where each comes from, how its own test-suite runs,
// and the faults that are put in. Versions and checksums are pinned by packages/package-lock.json; of their text nothing
// is kept here but the line that each fault changes.
import { type Suite, tapeSuite, unittestSuite } from "./suite.js";

export interface Project {
  readonly name: string;
  readonly license: string;
  /** The npm package that it comes in, and the folder there that is its root. */
  readonly package: string;
  readonly folder: string;
  /** Packages that the suite loads; they and what they need go to `node_modules` in the project's root. */
  readonly needs: readonly string[];
  readonly suite: Suite;
  readonly faults: readonly Fault[];
}

/** A fault is a text that occurs once in a file, replaced by one that does not occur there. */
export interface Fault {
  readonly name: string;
  /** Path from the project's root. */
  readonly file: string;
  readonly original: string;
  readonly broken: string;
}

export const PROJECTS: readonly Project[] = [
  {
    name: "fast-uri",
    license: "BSD-3-Clause",
    package: "fast-uri",
    folder: "",
    needs: ["tape", "ajv"],
    suite: tapeSuite("test/**/*.js"),
    faults: [
      {
        name: "zero-run",
        file: "lib/utils.js",
        original: "if (bestLength < 2) return hextets.join(':')",
        broken: "if (bestLength < 4) return hextets.join(':')",
      },
      {
        name: "base-query",
        file: "index.js",
        original: "target.query = base.query",
        broken: "target.query = undefined",
      },
      {
        name: "hextet-count",
        file: "lib/utils.js",
        original: "if (hextetCount >= 8) return undefined",
        broken: "if (hextetCount > 8) return undefined",
      },
      {
        name: "default-port",
        file: "lib/schemes.js",
        original: "if (component.port === (secure ? 443 : 80)",
        broken: "if (component.port === (secure ? 80 : 443)",
      },
    ],
  },
  {
    name: "qs",
    license: "BSD-3-Clause",
    package: "qs",
    folder: "",
    needs: [
      "tape",
      "es-value-fixtures",
      "for-each",
      "has-bigints",
      "has-override-mistake",
      "has-property-descriptors",
      "has-proto",
      "has-symbols",
      "iconv-lite",
      "mock-property",
      "object-inspect",
      "safer-buffer",
    ],
    suite: tapeSuite("test/**/*.js"),
    faults: [
      {
        name: "array-limit",
        file: "lib/parse.js",
        original: "isValidArrayIndex && index < options.arrayLimit",
        broken: "isValidArrayIndex && index <= options.arrayLimit",
      },
      {
        name: "indices",
        file: "lib/stringify.js",
        original: "return prefix + '[' + key + ']';",
        broken: "return prefix + '.' + key;",
      },
      {
        name: "sentinel",
        file: "lib/parse.js",
        original: "if (parts[i] === charsetSentinel) {",
        broken: "if (parts[i] !== charsetSentinel) {",
      },
    ],
  },
  {
    name: "secure-json-parse",
    license: "BSD-3-Clause",
    package: "secure-json-parse",
    folder: "",
    needs: ["tape"],
    suite: tapeSuite("test/*.test.js"),
    faults: [
      {
        name: "nested",
        file: "index.js",
        original: "if (value && typeof value === 'object') {",
        broken: "if (value && typeof value === 'array') {",
      },
      {
        name: "ignore-both",
        file: "index.js",
        original: "if (protoAction === 'ignore' && constructorAction === 'ignore') {",
        broken: "if (protoAction === 'ignore' || constructorAction === 'ignore') {",
      },
      {
        name: "constructor",
        file: "index.js",
        original: "delete node.constructor",
        broken: "delete node.prototype",
      },
    ],
  },
  {
    name: "minimist",
    license: "MIT",
    package: "minimist",
    folder: "",
    needs: ["tape"],
    suite: tapeSuite("test/**/*.js"),
    faults: [
      {
        name: "double-dash",
        file: "index.js",
        original: "args = args.slice(0, args.indexOf('--'));",
        broken: "args = args.slice(0, args.indexOf('--') + 1);",
      },
      {
        name: "boolean-value",
        file: "index.js",
        original: "value = value !== 'false';",
        broken: "value = value === 'false';",
      },
      {
        name: "short-flags",
        file: "index.js",
        original: "key = arg.slice(-1)[0];",
        broken: "key = arg.slice(1)[0];",
      },
    ],
  },
  {
    name: "gyp-next",
    license: "BSD-3-Clause",
    package: "node-gyp",
    folder: "gyp",
    needs: [],
    // All of its unittest modules but one: generator.ninja_test needs the ninja build tool.
    suite: unittestSuite("pylib", [
      "gyp.MSVSSettings_test",
      "gyp.common_test",
      "gyp.easy_xml_test",
      "gyp.input_test",
      "gyp.xcode_emulation_test",
      "gyp.generator.msvs_test",
      "gyp.generator.xcode_test",
    ]),
    faults: [
      {
        name: "xml-escape",
        file: "pylib/gyp/easy_xml.py",
        original: '"&": "&amp;",',
        broken: '"&": "&",',
      },
      {
        name: "topological-order",
        file: "pylib/gyp/common.py",
        original: "ordered_nodes.insert(0, node)",
        broken: "ordered_nodes.append(node)",
      },
      {
        name: "integer-base",
        file: "pylib/gyp/MSVSSettings.py",
        original: 'msbuild_format = ((self._msbuild_base == 10) and "%d") or "0x%04x"',
        broken: 'msbuild_format = ((self._msbuild_base == 10) and "%d") or "0x%x"',
      },
    ],
  },
];
